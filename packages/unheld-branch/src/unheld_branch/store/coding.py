"""From Arrow columns of facts to coded columns (`store.layout`), one class at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records import schema
from unheld_branch.store import layout
from unheld_branch.store.layout import Coded

TIME, COUNTERPART = 1, 20
ALIAS_BYTES = 8
RECORD_CLASSES = ("charge", "contact", "place")
_LETTERS = {"u": layout.UNSIGNED, "s": layout.SIGNED, "b": layout.BYTES}
KINDS: Mapping[int, int] = {field.number: _LETTERS[field.kind] for field in schema.FIELDS}


def classes_of(table: pa.Table) -> tuple[str, ...]:
    """The classes that have facts in this table; a bare event is a charge."""
    found = {field.klass for field in schema.FIELDS if field.name in table.column_names} - {schema.ALL}
    return tuple(name for name in RECORD_CLASSES if name in found) or ("charge",)


def coded_facts(table: pa.Table, cls: str) -> Coded:
    """Coded columns of one class, in the table's order; time and the counterpart's alias are added when sealing."""
    return {
        field.number: _coded(table[field.name].combine_chunks(), KINDS[field.number])
        for field in schema.FIELDS
        if field.klass == cls and field.number != COUNTERPART and field.name in table.column_names
    }


def _coded(column: pa.Array[Any], kind: int) -> npt.NDArray[np.generic]:
    null = pc.is_null(column).to_numpy(zero_copy_only=False) if column.null_count else None
    if kind == layout.BYTES:
        return _texts(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if kind == layout.SIGNED:
        return layout.code_signed(values.astype(np.int64), null)
    return layout.code_unsigned(values, null)


def _texts(column: pa.Array[Any]) -> npt.NDArray[np.bytes_]:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    assert isinstance(encoded, pa.DictionaryArray)  # noqa: S101 - narrows the type only
    texts = [(text or "").encode() for text in encoded.dictionary.to_pylist()]
    values: npt.NDArray[np.bytes_] = np.array([*texts, b""], dtype="S")
    codes: npt.NDArray[np.int64] = pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False)
    return values[codes]
