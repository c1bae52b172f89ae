"""Parquet is unpacked in a process of its own: Arrow ends the whole program at some files that are damaged.

`unpacked` starts it, writes on its standard input what it wants, and reads an Arrow stream. What the process refuses it
says on its standard error, and ends with 3; where a signal ends it, the file is as hostile as one that it refuses.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from unheld_verify.errors import BadInputError

MOST_BYTES = 1 << 30
"""Unpacked bytes of the largest column of one row group."""
DAMAGE = (OSError, ValueError, IndexError, MemoryError, pa.ArrowException)
"""What Arrow raises at files that are damaged."""
_SAVED = b"unheld.saved"
_PIPE = subprocess.PIPE
_REFUSED = 3


@dataclass(frozen=True)
class Unpacked:
    """The batches of a file, and the uncompressed bytes of each column that was left out."""

    names: tuple[str, ...]
    saved: dict[str, int]
    batches: Iterator[pa.RecordBatch]


@contextlib.contextmanager
def unpacked(path: Path, name: str, rows: int, wanted: Collection[str] | None = None) -> Iterator[Unpacked]:
    """The rows of a Parquet file, `rows` a batch, texts as dictionaries; of the columns `wanted`, or of all.

    Raises BadInputError, here or from its batches, for what is damaged, or lacks a column of `wanted`.
    """
    ask = {"path": str(path), "name": name, "rows": rows, "wanted": None if wanted is None else list(wanted)}
    command = [sys.executable, "-I", __file__]  # of its package it needs nothing
    with subprocess.Popen(command, stdin=_PIPE, stdout=_PIPE, stderr=_PIPE) as child:
        try:
            with contextlib.suppress(BrokenPipeError), cast(IO[bytes], child.stdin) as asked:
                asked.write(json.dumps(ask).encode())
            with _refused(child, name):
                stream = pa.ipc.open_stream(child.stdout)
                saved = json.loads(stream.schema.metadata[_SAVED])
            yield Unpacked(tuple(stream.schema.names), saved, _batches(stream, child, name))
        finally:
            child.kill()


def _batches(stream: Iterator[pa.RecordBatch], child: subprocess.Popen[bytes], name: str) -> Iterator[pa.RecordBatch]:
    with _refused(child, name):
        yield from stream
        if child.wait():  # what ends between two batches looks whole
            raise EOFError


@contextlib.contextmanager
def _refused(child: subprocess.Popen[bytes], name: str) -> Iterator[None]:
    """Where a stream breaks off: what its process said, or how it ended."""
    try:
        yield
    except (*DAMAGE, EOFError) as error:
        words, code = cast(IO[bytes], child.stderr).read().decode("utf-8", "surrogateescape"), child.wait()
        if code == _REFUSED:
            raise BadInputError(words) from None
        ended = f"unpacking it ended by {signal.Signals(-code).name}" if code < 0 else error
        raise damaged(name, ended) from None


def damaged(name: str, why: object) -> BadInputError:
    """What is said of a file that is no Parquet, or not whole."""
    first = str(why).split("\n", 1)[0][:120]
    return BadInputError(f"{name}: not Parquet, or damaged ({first}); get the file again")


def _unpack(path: str, name: str, rows: int, wanted: list[str] | None) -> None:
    with pq.ParquetFile(path) as file:
        schema, names = file.schema_arrow, wanted
        if names is None:
            names = list(schema.names)
        else:
            _check(file, names, name)
        saved = _sizes(file, names)
    # Texts as dictionaries: a file of a thousand bytes can say one text of a million signs in a million rows.
    with pq.ParquetFile(path, read_dictionary=names) as file:
        batches = file.iter_batches(rows, columns=names, use_threads=True)
        first = next(batches, None)
        said = (schema if first is None else first.schema).with_metadata({_SAVED: json.dumps(saved)})
        with pa.ipc.new_stream(sys.stdout.buffer, said) as out:
            for batch in chain([] if first is None else [first], batches):
                out.write_batch(batch)


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


def main() -> int:
    """Unpack what standard input asks for, to standard output. Returns the exit code."""
    ask = json.load(sys.stdin)
    try:
        _unpack(**ask)
    except BadInputError as error:
        refused = error
    except DAMAGE as error:
        refused = damaged(ask["name"], error)
    else:
        return 0
    sys.stderr.buffer.write(str(refused).encode("utf-8", "surrogateescape"))
    return _REFUSED


if __name__ == "__main__":
    sys.exit(main())
