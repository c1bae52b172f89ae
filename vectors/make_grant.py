"""Make grant.json: a subscriber's grant, its label, and a custodian's sealed values (`docs/spec/grant.md`).

One-time keys are random, as HPKE is: made again, what is sealed opens to the same values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_verify import crypto, grant, note
from unheld_verify.grant import Grant

STORE, SUBSCRIBER, CUSTODIAN, SALT = bytes(range(16)), b"\x05" * 32, b"\x10" * 32, b"\x06" * 16
DAY, AT = 20_640, 1_783_339_200
PLACE = (1, 2)


def build() -> dict[str, Any]:
    """The vectors."""
    private, answer = crypto.park_keypair()
    columns = (("charge", DAY), ("contact", DAY - 1), ("contact", DAY))
    public = crypto.sign_public(SUBSCRIBER)
    wanted = Grant(STORE, public, SALT, columns, AT, AT + 86_400, b"\x07" * 16, answer)
    said = wanted.signed(SUBSCRIBER)
    keys = {number: bytes([64 + number]) * 32 for number in (0, 1)}
    held = {number: crypto.aes_blocks(key, wanted.label) for number, key in keys.items()}
    values = {(("contact", DAY - 1), DAY): held, (("charge", DAY), DAY): {0: held[0]}}
    return {
        "page": "docs/spec/grant.md",
        "label": wanted.label.hex(),
        "tombstone": grant.tombstone(STORE, wanted.label).hex(),
        "grant": said.encode().decode(),
        "digest": said.digest.hex(),
        "answer_private": private.hex(),
        "custodian": crypto.sign_public(CUSTODIAN).hex(),
        "place": list(PLACE),
        "column_keys": {str(number): key.hex() for number, key in keys.items()},
        "values": grant.values_body(values),
        "sealed": note.base64_text(grant.sealed_values(said, PLACE, values, CUSTODIAN)),
    }


if __name__ == "__main__":
    Path(__file__).with_name("grant.json").write_text(json.dumps(build(), indent=1) + "\n")
