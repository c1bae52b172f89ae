"""Parquet, read as text columns, so that one mapping and one set of rules serve every format."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records.codecs.batches import Batch
from unheld_branch.records.codecs.sources import Opened, Source
from unheld_branch.records.codecs.unpacking import DAMAGE, damaged, unpacked
from unheld_branch.records.coded import Coded, coded
from unheld_verify.errors import BadInputError

_ROWS = 65_536


def batches(source: Source, raw: Opened, wanted: Collection[str]) -> Iterator[Batch]:
    """The rows of a Parquet file; lines are row numbers. Raises BadInputError for another format or schema."""
    if source.path is None:
        raise BadInputError("standard input: Parquet cannot be read from a pipe; name the file")
    raw.drain()  # the digest is of the bytes as they lie there
    with unpacked(source.path, source.name, _ROWS, wanted) as file:
        first, saved = 1, file.saved
        for found in file.batches:
            try:
                batch = _batch(found, first, saved)
            except DAMAGE as error:
                raise damaged(source.name, error) from None
            yield batch
            first, saved = first + found.num_rows, {}


def _batch(found: pa.RecordBatch, first: int, saved: dict[str, int]) -> Batch:
    columns = {name: _coded(found.column(name)) for name in found.schema.names}
    lines = np.arange(first, first + found.num_rows, dtype=np.int64)
    return Batch(columns, lines, partial(_raw, dict(columns)), (), saved, found.nbytes)


def _coded(column: pa.Array) -> Coded:
    """The codes of a column's texts. What is a dictionary in the file is never written out in full."""
    if not pa.types.is_dictionary(column.type):
        return coded(as_text(column))
    words = coded(as_text(column.dictionary))
    places = column.indices.fill_null(len(words.codes)).to_numpy()
    return Coded(np.append(words.codes, np.uint64(0))[places], words.others)


def as_text(column: pa.Array) -> pa.StringArray:
    """As the value would be written in a text table; an empty text is none."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        text = pc.cast(
            pc.cast(column, pa.timestamp("us", column.type.tz), safe=False).cast(pa.timestamp("us")), pa.string()
        )
        return text if column.type.tz is None else pc.binary_join_element_wise(text, "Z", "")
    if pa.types.is_floating(column.type):
        return _float_text(column)
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), None, text)


def _float_text(column: pa.Array) -> pa.StringArray:
    """Whole floats as digits: tools that know no null integers write counts so."""
    wide = column.cast(pa.float64())
    whole = pc.and_(pc.equal(wide, pc.floor(wide)), pc.less(pc.abs(wide), 2.0**53))
    digits = pc.if_else(whole, wide, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(digits, pc.if_else(pc.is_nan(wide), None, wide).cast(pa.string()))


def _raw(columns: dict[str, Coded], rows: Sequence[int]) -> list[bytes]:
    found = pa.table({name: column.at(rows).texts() for name, column in columns.items()})
    return [json.dumps(row, ensure_ascii=False).encode() for row in found.to_pylist()]
