"""From Arrow columns of facts to columns of a layout (`store.layout`), one class at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records import schema
from unheld_branch.store import layout
from unheld_branch.store.layout import Column, Columns, Numbers, Texts
from unheld_verify.errors import BadInputError

TIME, COUNTERPART = 1, 20
ALIAS_BYTES = 8
RECORD_CLASSES = ("charge", "contact", "place")


def classes_of(table: pa.Table) -> tuple[str, ...]:
    """The classes that have facts in this table; a bare event is a charge."""
    found = {field.klass for field in schema.FIELDS if field.name in table.column_names} - {schema.ALL}
    return tuple(name for name in RECORD_CLASSES if name in found) or ("charge",)


def coded_facts(table: pa.Table, cls: str) -> dict[int, Column]:
    """Columns of one class, in the table's order; time and the counterpart's alias are added when sealing."""
    return {
        field.number: _coded(table[field.name].combine_chunks(), field.kind)
        for field in schema.FIELDS
        if field.klass == cls and field.number != COUNTERPART and field.name in table.column_names
    }


def _coded(column: pa.Array, kind: str) -> Column:
    null = pc.is_null(column).to_numpy(zero_copy_only=False) if column.null_count else None
    if kind == "b":
        return _texts(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if kind == "s":
        return layout.code_signed(values.astype(np.int64), null)
    return layout.code_unsigned(values, null)


def _texts(column: pa.Array) -> Texts:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = np.array([*encoded.dictionary.cast(pa.binary()).fill_null(b"").to_pylist(), b""], dtype="S")
    codes = pc.fill_null(encoded.indices, len(values) - 1).to_numpy(zero_copy_only=False)
    unique = np.count_nonzero(values == b"") == 1 and len(encoded.dictionary.unique()) == len(encoded.dictionary)
    return Texts(values, codes, unique)


def times(columns: Columns) -> npt.NDArray[np.int64]:
    """Seconds since the event day began, of every row."""
    column = columns[TIME]
    if not isinstance(column, Numbers):
        raise BadInputError("block: its time field is no number")
    return column.coded.astype(np.int64) - 1
