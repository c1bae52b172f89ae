"""Make block.json: plaintexts of every class, sealed blocks and handles (`docs/spec/block.md`), from fixed inputs.

All nonces are bytes 1, 2, 3, …: only a vector may be sealed so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from unheld_branch.keys import folios
from unheld_branch.records import schema
from unheld_branch.store import blocks, layout
from unheld_branch.store.blocks import Place
from unheld_verify import crypto
from unheld_verify.columns import Column

STORE, BATCH = b"\x51" * 16, b"\xb2" * 16
PARTY_KEY, VALUE, DIRECTORY_KEY = bytes(range(32)), bytes(range(100, 116)), b"\xd1" * 32
SET, EVENT_DAY, SEALING_DAY = 3, 20_639, 20_640
HANDLES = bytes(range(32))
FACTS = [{"holder": "Specimen ÆØÅ", "document": "XX-1"}, {"holder": "Specimen B"}]
LENGTHS = (1, 64, 65, 100, 257, 1_000, 65_537, 1_000_003)
NULL = None
Facts = dict[int, list[Any]]
CHARGE: Facts = {
    1: [0, 59, 86_399], 2: [5, 1, 2], 3: [1, 1, 1], 4: [NULL, 118, NULL], 5: [NULL, NULL, 2**40],
    7: [-1, 0, NULL], 8: [-(2**31), -(2**31), -(2**31)], 9: ["", "web", "ussd"], 10: ["4G", "4G", "4G"],
}  # fmt: skip
CONTACT: Facts = {1: [3], 20: [b"\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8"], 21: ["001010000000001"], 24: ["999"]}
SEVERAL: Facts = {
    1: [3, 3, 4], 20: [b"\xa1" * 8, b"\xa2" * 8, b""], 21: ["001010000000001"] * 3, 22: ["", "0", "999999999999999999"],
    23: ["00101", "", "00102"],
}  # fmt: skip
PLACE: Facts = {1: [3, 3], 30: ["c00007", ""], 31: [-90 * 10**5, NULL], 32: [180 * 10**5, NULL]}


def build() -> dict[str, Any]:
    """The vectors; every input is fixed."""
    made = [_block(number, cls, facts) for number, (cls, facts) in enumerate(_plaintexts(), 1)]
    open_place = Place(STORE, SET, Column("charge", EVENT_DAY, SEALING_DAY), BATCH)
    return {
        "page": "docs/spec/block.md",
        "store": STORE.hex(),
        "batch": BATCH.hex(),
        "set": SET,
        "d": EVENT_DAY,
        "e": SEALING_DAY,
        "party_key": PARTY_KEY.hex(),
        "value": VALUE.hex(),
        "blocks": made,
        "padded": {str(length): blocks.padme(length) for length in LENGTHS},
        "handles": {
            "class": "charge",
            "directory_key": DIRECTORY_KEY.hex(),
            "handles": HANDLES.hex(),
            "sealed": crypto.seal(DIRECTORY_KEY, HANDLES, open_place.handles_aad, _nonce(99)).hex(),
        },
    }


def _plaintexts() -> list[tuple[str, tuple[bytes, Any]]]:
    rows = [("charge", CHARGE), ("contact", CONTACT), ("contact", SEVERAL), ("place", PLACE)]
    made: list[tuple[str, tuple[bytes, Any]]] = [(cls, (_rows(facts), _said(facts))) for cls, facts in rows]
    return [*made, ("identity", (blocks.facts_plaintext(FACTS), FACTS))]


def _rows(facts: Facts) -> bytes:
    columns = {number: _coded(number, values) for number, values in facts.items()}
    return blocks.rows_plaintexts(columns, np.array([0, len(facts[1])]))[0]


def _coded(number: int, values: list[Any]) -> layout.Column:
    kind = next(field.kind for field in schema.FIELDS if field.number == number)
    if kind == "b":
        return layout.texts(np.array([v if isinstance(v, bytes) else v.encode() for v in values], dtype="S"))
    null = np.array([value is None for value in values])
    filled = np.array([value or 0 for value in values], np.int64)
    return layout.code_signed(filled, null) if kind == "s" else layout.code_unsigned(filled, null)


def _said(facts: Facts) -> dict[str, list[Any]]:
    """Values by field number as JSON can say them: null is "null", an alias is hex."""
    return {
        str(number): [
            "null" if value in {None, "", b""} else value.hex() if isinstance(value, bytes) else value
            for value in values
        ]
        for number, values in facts.items()
    }


def _block(number: int, cls: str, made: tuple[bytes, Any]) -> dict[str, Any]:
    column = Column(cls, EVENT_DAY, SEALING_DAY)
    secrets = folios.derive(PARTY_KEY, VALUE, SET, column)
    block_id = secrets.block_id(0, BATCH)
    aad = Place(STORE, SET, column, BATCH).aad + block_id
    return {
        "class": cls,
        "says": made[1],
        "plaintext": made[0].hex(),
        "block_id": block_id.hex(),
        "sealed": crypto.seal(secrets.block_key(0), made[0], aad, _nonce(number)).hex(),
    }


def _nonce(number: int) -> Any:
    return lambda count: bytes([number]) * count


if __name__ == "__main__":
    Path(__file__).with_name("block.json").write_text(json.dumps(build(), indent=1) + "\n")
