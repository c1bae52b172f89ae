"""Make parked.json: a parked batch of 2 of 3 custodians (`docs/spec/parked.md`), with their private keys.

HPKE is randomised, so the boxes of an existing parked.json are kept; everything else follows from fixed inputs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_branch.store.parked import encoded
from unheld_verify import crypto
from unheld_verify.columns import held
from unheld_verify.parked import ParkedHeader, seal_box

PLACE = Path(__file__).with_name("parked.json")
STORE, BATCH = b"\x51" * 16, b"\xb2" * 16
N, T = 3, 2
PRIVATES = [bytes([index + 1]) * 96 for index in range(N)]
SHARES = {number: bytes([0x10 + number]) * 32 for number in range(3)}
PLAINTEXT = [b"a record\n", b"another record\n"]


def build() -> dict[str, Any]:
    """The vectors; boxes are made only where there are none yet."""
    boxes = [bytes.fromhex(box) for box in json.loads(PLACE.read_text())["boxes"]] if PLACE.exists() else _boxes()
    header = ParkedHeader(STORE, BATCH, "outage", 2948, 1, N, T, tuple(boxes))
    key = crypto.xor(list(SHARES.values()))
    return {
        "page": "docs/spec/parked.md",
        "privates": [private.hex() for private in PRIVATES],
        "publics": [crypto.park_public(private).hex() for private in PRIVATES],
        "shares": {str(number): share.hex() for number, share in SHARES.items()},
        "key": key.hex(),
        "boxes": [box.hex() for box in boxes],
        "plaintext": b"".join(PLAINTEXT).hex(),
        "file": b"".join(encoded(header, key, PLAINTEXT)).hex(),
    }


def _boxes() -> list[bytes]:
    return [
        seal_box(crypto.park_public(private), (STORE, BATCH), index, {s: SHARES[s] for s in held(N, T, index)})
        for index, private in enumerate(PRIVATES)
    ]


if __name__ == "__main__":
    PLACE.write_text(json.dumps(build(), indent=1) + "\n")
