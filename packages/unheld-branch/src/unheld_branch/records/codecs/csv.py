"""Text tables. Blocks of whole lines are parsed by Arrow; lines are counted here, so that an error names the right one.

A line ends at a line break, quoted or not: no exporter of call records breaks a line inside a value, and a lost quote
would swallow the rest of a file.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from csv import Error as CsvError
from csv import reader as line_reader
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow

from unheld_branch.records.codecs.batches import Batch, BrokenRow
from unheld_branch.records.coded import coded
from unheld_branch.records.mapping import CsvShape
from unheld_verify.errors import BadInputError, InternalError

LONGEST_LINE = 1 << 20
"""Bytes of the longest line that is read; beyond it the file is no table of records."""
MOST_COLUMNS = 4_096
_WORKERS = 2
Numbers = npt.NDArray[np.int64]
Kinds = Mapping[str, pa.DataType]
Odd = tuple[int, int, bytes]
"""Place among the lines (from 1), number of cells, and bytes of a row with a wrong number of cells."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines in UTF-8, at the end of a file perhaps without the last break; `first` is the first's number.

    `short`: whether some line has no more than one character, and may be a blank one.
    """

    data: bytes
    first: int
    count: int
    short: bool


def blocks(pieces: Iterator[bytes], shape: CsvShape, name: str, size: int) -> Iterator[Block]:
    """Cut a stream into blocks of about `size` bytes. Raises BadInputError with the line of what is no text."""
    held: list[bytes] = []
    length, line = 0, 1
    for piece in _utf8(pieces, shape.encoding, name):
        held.append(piece)
        length += len(piece)
        cut = piece.rfind(b"\n") + 1
        if cut and length >= size:
            block = _block(b"".join([*held[:-1], piece[:cut]]), line, name)
            yield block
            line += block.count
            held, length = [piece[cut:]], len(piece) - cut
        elif not cut and length > size + LONGEST_LINE:
            _block(b"".join(held), line, name)  # says which line has no end
    if length:
        yield _block(b"".join(held), line, name)


def _too_long(name: str, line: int) -> BadInputError:
    return BadInputError(
        f"{name}: line {line}: longer than {LONGEST_LINE:,} bytes; this is no table of one record a line, or its lines "
        "do not end in a line feed: convert its line ends, or leave the file out"
    )


def _block(data: bytes, first: int, name: str) -> Block:
    """Whole lines from line `first` on. Refuses bytes that no text has."""
    null, lone = data.find(b"\0"), _lone_return(data)
    if null >= 0:
        raise BadInputError(
            f"{name}: line {first + _breaks(data, null)}: a NUL byte: this is no text, or the file is damaged; "
            'mend: encoding = "utf-16" in [csv] if it is that, else get the file again'
        )
    if lone is not None:
        raise BadInputError(
            f"{name}: line {first + lone}: a carriage return inside a line: convert the line ends of the file"
        )
    begin = 0
    while len(data) - begin > LONGEST_LINE:  # to the last break that a sound line allows
        end = data.rfind(b"\n", begin, begin + LONGEST_LINE) + 1
        if not end:
            raise _too_long(name, first + _breaks(data, begin))
        begin = end
    ends = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8) == ord("\n")
    lengths = np.diff(np.flatnonzero(ends), prepend=-1)
    return Block(data, first, len(lengths), bool(lengths.min(initial=3) <= 2))


def _lone_return(data: bytes) -> int | None:
    """How many lines stand before one with a carriage return that does not end it."""
    within = data.removesuffix(b"\r")
    if b"\r" not in within or within.count(b"\r") == within.count(b"\r\n"):
        return None
    return next(n for n, text in enumerate(data.split(b"\n")) if b"\r" in text.removesuffix(b"\r"))


def _breaks(data: bytes, end: int) -> int:
    return data.count(b"\n", 0, end)


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
        columns = _cells(line.decode(), shape, name)
    except UnicodeDecodeError:
        raise BadInputError(f"{name}: line 1: not {shape.encoding}; mend: encoding in [csv]") from None
    return Block(rest, block.first + 1, block.count - 1, block.short), columns


def _cells(line: str, shape: CsvShape, name: str) -> list[str]:
    quoted = {"quotechar": shape.quote} if shape.quote else {"quoting": 3}
    try:
        rows = list(line_reader([line.rstrip("\r")], delimiter=shape.delimiter, **quoted))
    except CsvError as error:
        raise BadInputError(
            f"{name}: line 1: no names of columns ({error}); mend delimiter and quote in [csv]"
        ) from None
    return rows[0] if rows else []


def _check_columns(columns: Sequence[str], wanted: Collection[str], shape: CsvShape, name: str) -> None:
    if len(columns) > MOST_COLUMNS:
        raise BadInputError(f"{name}: line 1: {len(columns):,} columns are too many; mend delimiter in [csv]")
    twice = next((column for column, count in Counter(columns).items() if count > 1), None)
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
    """Parse a block at once; where that cannot say which line is broken, look at each line first."""
    lines = np.arange(block.first, block.first + block.count, dtype=np.int64)
    data, broken = block.data, list[BrokenRow]()
    kinds = {column: pa.string() for column in columns}
    if block.short or not _is_utf8(data):
        data, lines, broken = _sound_lines(data, lines, partial(_no_text, shape=shape))
    parsed = _parsed(data, len(lines), shape, kinds)
    if parsed is None:
        data, lines, open_lines = _sound_lines(data, lines, partial(_open_quote, shape=shape, kinds=kinds))
        broken += open_lines
        parsed = _parsed(data, len(lines), shape, kinds)
    if parsed is None:
        raise InternalError("lines that parse one by one do not parse together")
    table, odd = parsed
    skipped = [row - 1 for row, _, _ in odd]
    cells = f"cells instead of {len(columns)}"
    broken += [BrokenRow(int(lines[row - 1]), f"{count} {cells}", raw) for row, count, raw in odd]
    found = {column: table[column].combine_chunks() for column in columns}
    return Batch(
        columns={column: coded(found[column]) for column in columns if column in wanted},
        lines=np.delete(lines, skipped) if odd else lines,
        raw=partial(_raw_lines, data, np.delete(np.arange(len(lines)), skipped) if odd else None),
        broken=tuple(sorted(broken, key=lambda row: row.line)),
        saved={column: _text_bytes(found[column]) for column in columns if column not in wanted},
        bytes=len(data),
    )


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sound_lines(
    data: bytes, numbers: Numbers, fault: Callable[[bytes], str]
) -> tuple[bytes, Numbers, list[BrokenRow]]:
    """The lines without a fault, their numbers, and the others; blank lines are dropped."""
    kept: list[bytes] = []
    lines: list[int] = []
    broken: list[BrokenRow] = []
    for number, text in zip(numbers.tolist(), data.removesuffix(b"\n").split(b"\n"), strict=True):
        reason = fault(text)
        if reason:
            broken.append(BrokenRow(number, reason, text.removesuffix(b"\r")))
        elif text.strip():
            kept.append(text)
            lines.append(number)
    return b"\n".join(kept), np.array(lines, np.int64), broken


def _no_text(line: bytes, *, shape: CsvShape) -> str:
    return "" if _is_utf8(line) else f"not {shape.encoding} (mend: encoding in [csv])"


def _open_quote(line: bytes, *, shape: CsvShape, kinds: Kinds) -> str:
    closed = shape.quote.encode() not in line or _parsed(line, 1, shape, kinds) is not None
    return "" if closed else "a quote that does not close on its line"


def _parsed(data: bytes, count: int, shape: CsvShape, kinds: Kinds) -> tuple[pa.Table, list[Odd]] | None:
    """The rows of `count` lines, and those with a wrong number of cells; None if a quote swallowed a line break.

    Where there are quotes an empty row is put behind the last line, for its quote to swallow.
    """
    guard = bool(shape.quote) and shape.quote.encode() in data
    if guard:
        data = data.removesuffix(b"\n") + b"\n" + shape.delimiter.encode() * (len(kinds) - 1) + b"\n"
    table, odd = _read(data, shape, kinds)
    if table.num_rows + len(odd) != count + guard:
        return None
    return (table.slice(0, table.num_rows - 1) if guard else table), odd


def _read(data: bytes, shape: CsvShape, kinds: Kinds) -> tuple[pa.Table, list[Odd]]:
    odd: list[Odd] = []

    def note(row: arrow.InvalidRow) -> str:
        odd.append((row.number, row.actual_columns, row.text.encode()))
        return "skip"

    if not data:
        return pa.table({column: pa.array([], kind) for column, kind in kinds.items()}), odd
    table = arrow.read_csv(
        pa.BufferReader(data),
        read_options=arrow.ReadOptions(column_names=list(kinds), use_threads=False, block_size=len(data) + 1),
        parse_options=arrow.ParseOptions(
            delimiter=shape.delimiter,
            quote_char=shape.quote or False,
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        convert_options=arrow.ConvertOptions(
            column_types=kinds,
            null_values=list(shape.null),
            strings_can_be_null=True,
            check_utf8=False,  # every line was looked at before
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
