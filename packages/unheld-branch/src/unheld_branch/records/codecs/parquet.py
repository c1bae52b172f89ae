"""Parquet, read as text columns, so that one mapping and one set of rules serve every format."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unheld_branch.records.codecs.batches import Batch
from unheld_branch.records.codecs.sources import Opened, Source
from unheld_branch.records.coded import Coded, coded
from unheld_verify.errors import BadInputError

_ROWS = 65_536
MOST_BYTES = 1 << 30
"""Unpacked bytes of the largest column of one row group."""

_LOOK = """
import sys, pyarrow.parquet
about = pyarrow.parquet.ParquetFile(sys.argv[1]).metadata
for group in range(about.num_row_groups):
    for number in range(about.num_columns):
        about.row_group(group).column(number).total_uncompressed_size
"""


def batches(source: Source, raw: Opened, wanted: Collection[str]) -> Iterator[Batch]:
    """The rows of a Parquet file; lines are row numbers. Raises BadInputError for another format or schema."""
    if source.path is None:
        raise BadInputError("standard input: Parquet cannot be read from a pipe; name the file")
    raw.drain()  # the digest is of the bytes as they lie there
    _look(source.path, source.name)
    try:
        with pq.ParquetFile(source.path) as file:
            _check(file, wanted, source.name)
            saved = _sizes(file, wanted)
        # Texts as dictionaries: a file of a thousand bytes can say one text of a million signs in a million rows.
        with pq.ParquetFile(source.path, read_dictionary=list(wanted)) as file:
            first = 1
            for found in file.iter_batches(_ROWS, columns=list(wanted), use_threads=True):
                yield _batch(found, first, saved)
                first, saved = first + found.num_rows, {}
    except (OSError, ValueError, IndexError, MemoryError, pa.ArrowException) as error:
        raise BadInputError(
            f"{source.name}: not Parquet, or damaged ({_first_line(error)}); get the file again"
        ) from None


def _look(path: Path, name: str) -> None:
    """Read the footer in a process of its own: Arrow ends the whole process at some that are damaged."""
    done = subprocess.run([sys.executable, "-I", "-c", _LOOK, str(path)], capture_output=True, check=False)
    if done.returncode < 0:
        raise BadInputError(f"{name}: not Parquet, or damaged (its footer contradicts itself); get the file again")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120]


def _check(file: pq.ParquetFile, wanted: Collection[str], name: str) -> None:
    schema = file.schema_arrow
    twice = next((column for column, count in Counter(schema.names).items() if count > 1), None)
    if twice is not None:
        raise BadInputError(f"{name}: two columns have the name {twice!r}: rename one in the file")
    missing = [column for column in wanted if column not in schema.names]
    if missing:
        raise BadInputError(
            f"{name}: no column {missing[0]!r} among its {len(schema.names)}; mend: [columns] in the mapping"
        )
    for column in wanted:
        kind = schema.field(column).type
        if pa.types.is_nested(kind):
            raise BadInputError(f"{name}: column {column!r} holds {kind}: only plain columns can be mapped")
    _check_sizes(file, wanted, name)


def _check_sizes(file: pq.ParquetFile, wanted: Collection[str], name: str) -> None:
    """Refuse what unpacks to more than fits into memory, as its own footer says."""
    for group in range(file.metadata.num_row_groups):
        for number in range(file.metadata.num_columns):
            chunk = file.metadata.row_group(group).column(number)
            if chunk.path_in_schema in wanted and chunk.total_uncompressed_size > MOST_BYTES:
                raise BadInputError(
                    f"{name}: row group {group + 1}: column {chunk.path_in_schema!r} unpacks to more than "
                    f"{MOST_BYTES:,} bytes; write it with smaller row groups"
                )


def _sizes(file: pq.ParquetFile, wanted: Collection[str]) -> dict[str, int]:
    """Uncompressed bytes of the columns that are left out."""
    sizes: dict[str, int] = {}
    for group in range(file.metadata.num_row_groups):
        for number in range(file.metadata.num_columns):
            chunk = file.metadata.row_group(group).column(number)
            top = chunk.path_in_schema.split(".", 1)[0]
            if top not in wanted:
                sizes[top] = sizes.get(top, 0) + chunk.total_uncompressed_size
    return sizes


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
