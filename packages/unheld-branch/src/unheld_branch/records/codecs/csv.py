"""Text tables. Blocks of whole lines are parsed by Arrow; lines are counted here, so that an error names the right one.

A line ends at a line break, quoted or not: no exporter of call records breaks a line inside a value, and a lost quote
would swallow the rest of a file.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from csv import reader as line_reader
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow

from unheld_branch.records.codecs.batches import Batch, BrokenRow
from unheld_branch.records.mapping import CsvShape
from unheld_verify.errors import BadInputError

LONGEST_LINE = 1 << 20
"""Bytes of the longest line that is read; beyond it the file is no table of records."""
_WORKERS = 2
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines in UTF-8, at the end of a file perhaps without the last break; `first` is the first's number."""

    data: bytes
    first: int


def blocks(pieces: Iterator[bytes], shape: CsvShape, name: str, size: int) -> Iterator[Block]:
    """Cut a stream into blocks of about `size` bytes. Raises BadInputError with the line of what is no text."""
    rest, line = b"", 1
    for piece in _utf8(pieces, shape.encoding, name):
        data = rest + piece
        end = data.rfind(b"\n") + 1
        if len(data) - end > LONGEST_LINE:
            raise _too_long(name, line + data.count(b"\n", 0, end))
        if end and len(data) >= size:
            block = Block(data[:end], line)
            line += _check(block, name)
            yield block
            rest = data[end:]
        else:
            rest = data
    if rest:
        _check(Block(rest, line), name)
        yield Block(rest, line)


def _too_long(name: str, line: int) -> BadInputError:
    return BadInputError(
        f"{name}: line {line}: longer than {LONGEST_LINE:,} bytes; this is no table of one record a line, or its lines "
        "do not end in a line feed: convert its line ends, or leave the file out"
    )


def _check(block: Block, name: str) -> int:
    """Refuse bytes that no text has; give the number of line breaks."""
    data, breaks = block.data, block.data.count(b"\n")
    null = data.find(b"\0")
    if null >= 0:
        line = block.first + data.count(b"\n", 0, null)
        raise BadInputError(
            f"{name}: line {line}: a NUL byte: this is no text, or the file is damaged; "
            'mend: encoding = "utf-16" in [csv] if it is that, else get the file again'
        )
    if data.count(b"\r") != data.count(b"\r\n"):
        lone = next(n for n, text in enumerate(data.split(b"\n")) if b"\r" in text.removesuffix(b"\r"))
        raise BadInputError(
            f"{name}: line {block.first + lone}: a carriage return inside a line: convert the line ends of the file"
        )
    if len(data) > LONGEST_LINE and _longest(data) > LONGEST_LINE:
        raise _too_long(name, block.first)
    return breaks


def _longest(data: bytes) -> int:
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    return int(np.diff(np.concatenate([[-1], ends, [len(data)]])).max())


def _utf8(pieces: Iterator[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """The text in UTF-8 without a byte order mark; UTF-8 passes as it is and is checked line by line later."""
    if encoding == "utf-8":
        first = next(pieces, b"")
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise BadInputError(f"{name}: not {encoding} ({error.__class__.__name__}); mend: encoding in [csv]") from None


def batches(pieces: Iterator[bytes], shape: CsvShape, wanted: Collection[str], name: str, size: int) -> Iterator[Batch]:
    """The rows of a text table. Raises BadInputError when it is no table with the `wanted` columns."""
    found = blocks(pieces, shape, name, size)
    first = next(found, None)
    if first is None:
        raise BadInputError(f"{name}: line 1: the file is empty; get it again, or leave it out")
    first, columns = _without_header(first, shape, name)
    _check_columns(columns, wanted, shape, name)
    parse = partial(_batch, shape=shape, columns=columns, wanted=frozenset(wanted))
    with ThreadPoolExecutor(_WORKERS) as pool:  # Arrow parses outside the interpreter's lock
        waiting = [pool.submit(parse, first)]
        for block in found:
            waiting.append(pool.submit(parse, block))
            if len(waiting) > _WORKERS:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _without_header(block: Block, shape: CsvShape, name: str) -> tuple[Block, Sequence[str]]:
    if not shape.header:
        return block, shape.columns
    line, _, rest = block.data.partition(b"\n")
    try:
        columns = _cells(line.decode(), shape)
    except UnicodeDecodeError:
        raise BadInputError(f"{name}: line 1: not {shape.encoding}; mend: encoding in [csv]") from None
    return Block(rest, block.first + 1), columns


def _cells(line: str, shape: CsvShape) -> list[str]:
    quoted = {"quotechar": shape.quote} if shape.quote else {"quoting": 3}
    rows = list(line_reader([line.rstrip("\r")], delimiter=shape.delimiter, **quoted))
    return rows[0] if rows else []


def _check_columns(columns: Sequence[str], wanted: Collection[str], shape: CsvShape, name: str) -> None:
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        number = columns.index(twice) + 1
        raise BadInputError(f"{name}: line 1: two columns have the name of column {number}: rename one in the file")
    missing = [column for column in wanted if column not in columns]
    if missing:
        raise BadInputError(
            f"{name}: line 1: no column {missing[0]!r} among its {len(columns)}; mend [columns], or delimiter, "
            "encoding and header in [csv]"
        )


def _batch(block: Block, *, shape: CsvShape, columns: Sequence[str], wanted: frozenset[str]) -> Batch:
    """Parse a block at once; where a line is broken in a way that Arrow cannot place, line by line."""
    count = block.data.count(b"\n") + (not block.data.endswith(b"\n") and bool(block.data))
    lines = np.arange(block.first, block.first + count, dtype=np.int64)
    broken: list[BrokenRow] = []
    if not _plain(block.data):
        block, lines, broken = _sound_lines(block, shape)
    table, odd = _parsed(block.data, shape, columns)
    if table.num_rows + len(odd) != len(lines):
        block, lines, quotes = _sound_lines(block, shape, lines)
        broken += quotes
        table, odd = _parsed(block.data, shape, columns)
    broken += [
        BrokenRow(int(lines[row - 1]), f"{cells} columns instead of {len(columns)}", raw) for row, cells, raw in odd
    ]
    good = np.delete(lines, [row - 1 for row, _, _ in odd]) if odd else lines
    positions = np.delete(np.arange(len(lines)), [row - 1 for row, _, _ in odd]) if odd else None
    strings = {column: table[column].combine_chunks() for column in columns}
    return Batch(
        columns={column: strings[column] for column in columns if column in wanted},
        lines=good,
        raw=partial(_raw_lines, block.data, positions),
        broken=tuple(sorted(broken, key=lambda row: row.line)),
        saved={column: _text_bytes(strings[column]) for column in columns if column not in wanted},
        bytes=len(block.data),
    )


def _plain(data: bytes) -> bool:
    """Whether every line can go to Arrow as it is: UTF-8, and no blank line."""
    if data.startswith((b"\n", b"\r\n")) or b"\n\n" in data or b"\n\r\n" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sound_lines(
    block: Block, shape: CsvShape, numbers: Numbers | None = None
) -> tuple[Block, Numbers, list[BrokenRow]]:
    """The lines that Arrow can read, their numbers, and those it cannot."""
    texts = block.data.removesuffix(b"\n").split(b"\n")
    kept: list[bytes] = []
    lines: list[int] = []
    broken: list[BrokenRow] = []
    for i, text in enumerate(texts):
        line = block.first + i if numbers is None else int(numbers[i])
        reason = _line_fault(text, shape, quotes=numbers is not None)
        if reason:
            broken.append(BrokenRow(line, reason, text.removesuffix(b"\r")))
        elif text.strip():
            kept.append(text)
            lines.append(line)
    return Block(b"\n".join(kept), block.first), np.array(lines, np.int64), broken


def _line_fault(text: bytes, shape: CsvShape, *, quotes: bool) -> str:
    try:
        text.decode()
    except UnicodeDecodeError:
        return f"not {shape.encoding} (mend: encoding in [csv])"
    return "a quote that does not close on its line" if quotes and text.count(shape.quote.encode()) % 2 else ""


def _parsed(data: bytes, shape: CsvShape, columns: Sequence[str]) -> tuple[pa.Table, list[tuple[int, int, bytes]]]:
    """All columns as text, and (row, number of cells, bytes) of rows with a wrong number of cells."""
    odd: list[tuple[int, int, bytes]] = []

    def note(row: arrow.InvalidRow) -> str:
        odd.append((row.number, row.actual_columns, row.text.encode()))
        return "skip"

    if not data:
        return pa.table({column: pa.array([], pa.string()) for column in columns}), odd
    table = arrow.read_csv(
        pa.BufferReader(data),
        read_options=arrow.ReadOptions(column_names=list(columns), use_threads=False, block_size=len(data) + 1),
        parse_options=arrow.ParseOptions(
            delimiter=shape.delimiter,
            quote_char=shape.quote or False,
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        convert_options=arrow.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            null_values=list(shape.null),
            strings_can_be_null=True,
            check_utf8=False,  # `_plain` has looked
        ),
    )
    return table, odd


def _raw_lines(data: bytes, positions: Numbers | None, rows: Sequence[int]) -> list[bytes]:
    texts = data.split(b"\n")
    numbers = rows if positions is None else [int(positions[row]) for row in rows]
    return [texts[number].removesuffix(b"\r") for number in numbers]


def _text_bytes(values: pa.StringArray) -> int:
    if not len(values):
        return 0
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    return int(offsets[values.offset + len(values)] - offsets[values.offset])
