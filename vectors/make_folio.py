"""Make folio.json: from two secrets to block key, id key, alias, handle and block id (`docs/spec/folio.md`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_branch.keys import folios
from unheld_verify import crypto
from unheld_verify.columns import CLASSES, Column

PARTY_KEY = bytes(range(32))
VALUE = bytes(range(100, 116))  # of the column function
STORE, BATCH = b"\x51" * 16, b"\xb2" * 16
SET = 3
EVENT_DAY, SEALING_DAY = 20_639, 20_640


def build() -> dict[str, Any]:
    """The vectors; every input is fixed."""
    return {
        "page": "docs/spec/folio.md",
        "party_key": PARTY_KEY.hex(),
        "value": VALUE.hex(),
        "set": SET,
        "batch": BATCH.hex(),
        "handle": {
            "store": STORE.hex(),
            "e": SEALING_DAY,
            "handle": folios.handles(PARTY_KEY, STORE, SEALING_DAY).tobytes().hex(),
        },
        "folios": [_folio(Column(cls, EVENT_DAY, SEALING_DAY)) for cls in CLASSES],
    }


def _folio(column: Column) -> dict[str, Any]:
    made = folios.derive(PARTY_KEY, VALUE, SET, column)
    return {
        "class": column.cls,
        "d": column.event_day,
        "e": column.sealing_day,
        "info": folios.info(SET, column).hex(),
        "okm": made.okm.hex(),
        "block_key": made.block_key(0).hex(),
        "alias": made.aliases().tobytes().hex(),
        "block_id": made.block_id(0, BATCH).hex(),
        "block_id_of_another_batch": made.block_id(0, crypto.sha256(BATCH)[:16]).hex(),
    }


if __name__ == "__main__":
    Path(__file__).with_name("folio.json").write_text(json.dumps(build(), indent=1) + "\n")
