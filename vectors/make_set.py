"""Make set.json: a set of 2 of 3 founded without a dealer, and of 1 of 1 (`docs/spec/set.md`).

Seeds are fixed. Boxes and one-time keys are random, as HPKE is: made again, they open to the same seeds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_verify import columns, crypto, note, roster, signed, spoken

STORE, HEADQUARTERS, BRANCH, LOG = bytes(range(16)), b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
BEGINS = 20_640  # 2026-07-06


def build() -> dict[str, Any]:
    """The vectors."""
    return {"page": "docs/spec/set.md", "sets": [_founded(3, 2), _founded(1, 1)]}


def draft(n: int, t: int) -> roster.Draft:
    """What headquarters proposes."""
    log_key = note.format_key(note.Key("example.org/log", crypto.sign_public(LOG)))
    names = tuple(f"Custodian {index}" for index in range(n))
    branch, headquarters = crypto.sign_public(BRANCH), crypto.sign_public(HEADQUARTERS)
    return roster.Draft(STORE, 1, t, names, BEGINS, columns.LIFETIME_DEFAULTS, 45, branch, headquarters, log_key)


def _founded(n: int, t: int) -> dict[str, Any]:
    proposed = signed.sign(draft(n, t).document(), HEADQUARTERS)
    seeds = [bytes([16 + index]) * 32 for index in range(n)]
    pairs = [crypto.park_keypair() for _ in range(n)]
    joins = [roster.join(proposed, index, seeds[index], pairs[index][1]) for index in range(n)]
    listed = roster.roster(proposed, joins, HEADQUARTERS)
    found = roster.roster_of(listed)
    own = [{number: bytes([32 + number]) * 32 for number in roster.dealt(n, t, index)} for index in range(n)]
    deals = [roster.deal(found, index, own[index], seeds[index]) for index in range(n)]
    script = roster.transcript(listed, deals, HEADQUARTERS)
    confirms = [roster.confirm(script, index, seeds[index]) for index in range(n)]
    made = roster.founded(script, confirms, HEADQUARTERS)
    held = [roster.receive(script, index, own[index], pairs[index][0]) for index in range(n)]
    return {
        "custodians": [
            {
                "sign_seed": seeds[index].hex(),
                "transport": pairs[index][0].hex(),
                "seeds": {str(number): seed.hex() for number, seed in own[index].items()},
                "chains": {str(number): chain.hex() for number, chain in held[index].items()},
            }
            for index in range(n)
        ],
        "roster": listed.digest.hex(),
        "transcript": script.digest.hex(),
        "words": " ".join(spoken.words(roster.spoken_digest(script))),
        "founded": made.encode().decode(),
    }


if __name__ == "__main__":
    Path(__file__).with_name("set.json").write_text(json.dumps(build(), indent=1) + "\n")
