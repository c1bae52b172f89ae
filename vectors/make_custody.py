"""Make custody.json: a door, a letter, its answer, and one that refuses (`docs/spec/custody.md`).

One-time keys are random, as HPKE is: made again, what is sealed opens to the same documents.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_verify import crypto, custody, signed
from unheld_verify.custody import Address, Ask
from unheld_verify.errors import StateError

STORE, BRANCH, CUSTODIAN = bytes(range(16)), b"\x02" * 32, b"\x10" * 32
ADDRESS, AT = Address(STORE, 1, 2), 1_783_339_200


def build() -> dict[str, Any]:
    """The vectors."""
    private, public = crypto.park_keypair()
    reply_private, reply = crypto.park_keypair()
    door = custody.door(ADDRESS, public, AT, CUSTODIAN)
    asked = Ask("close", ADDRESS, "branch", AT, reply, {"day": "2026-07-06", "seen": [7, "00" * 8]}, b"\x0a" * 16)
    ask = signed.sign(asked.document(), BRANCH)
    bodies = [{"generation": 8, "tag": "11" * 8}, custody.refusal(StateError("2026-07-06 is over"))]
    return {
        "page": "docs/spec/custody.md",
        "custodian": crypto.sign_public(CUSTODIAN).hex(),
        "branch": crypto.sign_public(BRANCH).hex(),
        "address": ADDRESS.encode().hex(),
        "knock": custody.knock(ADDRESS).decode(),
        "wait": custody.wait().decode(),
        "door": door.encode().decode(),
        "door_private": private.hex(),
        "letter": custody.letter(ask, ADDRESS, public).decode(),
        "ask": ask.encode().decode(),
        "ask_digest": ask.digest.hex(),
        "reply_private": reply_private.hex(),
        "answers": [
            {"body": body, "answer": custody.answer(ask, ADDRESS, AT, body, CUSTODIAN).encode().decode()}
            for body in bodies
        ],
    }


if __name__ == "__main__":
    Path(__file__).with_name("custody.json").write_text(json.dumps(build(), indent=1) + "\n")
