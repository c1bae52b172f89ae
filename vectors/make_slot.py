"""Make slot.json: the bytes of a file slot and of a sealed state (`docs/spec/slot.md`), from fixed inputs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from unheld_slots.slot import FileSlot
from unheld_verify import crypto

SLOT_ID = bytes(range(16))
SECRETS = {6: b"\x06" * 32, 7: b"\x07" * 32}
BINDING = bytes(range(64))
STATE = b"a state"
NAME = "custodian"


def build() -> dict[str, Any]:
    """The vectors; every input is fixed, the nonce of the sealed state too (number 1)."""
    with tempfile.TemporaryDirectory() as folder:
        slot = FileSlot(FileSlot.create(Path(folder) / "a.slot").path, SLOT_ID)
        for generation, secret in SECRETS.items():
            slot.prepare(generation, secret, BINDING)
        halves = slot.path.read_bytes()
    head = b"UNHSEAL1" + SLOT_ID + (7).to_bytes(8, "big")
    sealed = head + (1).to_bytes(12, "big") + crypto.seal_numbered(SECRETS[7], 1, STATE, head + NAME.encode())
    return {
        "page": "docs/spec/slot.md",
        "slot_id": SLOT_ID.hex(),
        "binding": BINDING.hex(),
        "secrets": {str(generation): secret.hex() for generation, secret in SECRETS.items()},
        "halves": {"0": halves[:160].hex(), "1": halves[4096 : 4096 + 160].hex(), "then_zeros": 4096 - 160},
        "sealed": {"name": NAME, "generation": 7, "state": STATE.hex(), "file": sealed.hex()},
    }


if __name__ == "__main__":
    Path(__file__).with_name("slot.json").write_text(json.dumps(build(), indent=1) + "\n")
