"""Propose a mapping from a file, for a person to correct. What is shown of the file is masked: digits as 9, letters
as x, never a value.

Only the first megabyte is looked at, in memory.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from csv import Error as CsvError
from csv import reader as line_reader
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records.codecs import parquet
from unheld_branch.records.codecs.sources import PARQUET, decompressed, expand, opened
from unheld_branch.records.codecs.unpacking import DAMAGE, damaged, unpacked
from unheld_branch.records.guess import Guess, guesses, time_format
from unheld_verify.errors import BadInputError

_LOOK_BYTES = 1 << 20
_LOOK_ROWS = 1000
_SHOWN_ROWS = 5
_SHOWN_SIGNS = 24
_CELL_SIGNS = 200
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Proposal:
    """TOML text of a mapping; masked rows of the file, names of columns first; columns that will not be stored."""

    text: str
    sample: tuple[tuple[str, ...], ...]
    not_stored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """The beginning of a file: how it is written and its first rows."""

    format: str
    encoding: str
    delimiter: str
    header: bool
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def propose(path: Path, *, home: str | None = None, zone: str = "UTC") -> Proposal:
    """A mapping for the file at `path`. Raises BadInputError for what is no table."""
    look = _look(path)
    kind, found = guesses(look.columns, look.rows)
    unused = tuple(name for name, guess in zip(look.columns, found, strict=True) if guess is None)
    sample = (look.columns, *(tuple(mask(cell) for cell in row) for row in look.rows[:_SHOWN_ROWS]))
    return Proposal(_toml(look, kind, found, home, zone), sample, unused)


def mask(text: str) -> str:
    """The shape of a value: 9 for a digit, x for any other sign but ASCII punctuation, cut to 24 signs."""
    shape = "".join(_masked(sign) for sign in text[:_SHOWN_SIGNS])
    return shape + ("…" if len(text) > _SHOWN_SIGNS else "")


def _masked(sign: str) -> str:
    if sign.isnumeric():
        return "9"
    return sign if sign.isascii() and sign.isprintable() and not sign.isalpha() else "x"


def _look(path: Path) -> _Look:
    source = expand([path])[0]
    with opened(source, lambda _: None) as raw:
        if source.path is not None and raw.read(4) == PARQUET:
            return _look_parquet(source.path)
    with opened(source, lambda _: None) as raw:
        data = b""
        for piece in decompressed(raw, source.name):
            data += piece
            if len(data) >= _LOOK_BYTES:
                break
    return _look_text(data[:_LOOK_BYTES], source.name)


def _look_parquet(path: Path) -> _Look:
    with unpacked(path, str(path), _LOOK_ROWS) as file:
        first = next(file.batches, None)
        try:
            columns = [] if first is None else [_cells(column) for column in first.columns]
        except DAMAGE as error:
            raise damaged(str(path), error) from None
    rows = tuple(tuple(cell or "" for cell in row) for row in zip(*columns, strict=True))
    return _Look("parquet", "utf-8", ",", True, file.names, rows)


def _cells(column: pa.Array) -> list[str | None]:
    """The beginning of every text of a column."""
    if not pa.types.is_dictionary(column.type):
        texts: list[str | None] = pc.utf8_slice_codeunits(parquet.as_text(column), 0, _CELL_SIGNS).to_pylist()
        return texts
    words = pc.utf8_slice_codeunits(parquet.as_text(column.dictionary), 0, _CELL_SIGNS).to_pylist()
    return [None if at is None else words[at] for at in column.indices.to_pylist()]


def _look_text(data: bytes, name: str) -> _Look:
    text, encoding = _decoded(data)
    lines = [line for line in text.splitlines()[: _LOOK_ROWS + 1] if line.strip()]
    if "\0" in text or not lines:
        raise BadInputError(f"{name}: line 1: this is no text table; name a CSV or Parquet file")
    delimiter = _delimiter(lines)
    try:
        rows = [tuple(row) for row in line_reader(islice(lines, _LOOK_ROWS), delimiter=delimiter)]
    except CsvError as error:
        raise BadInputError(f"{name}: this is no text table ({error}); name a CSV or Parquet file") from None
    width = len(rows[0])
    rows = [row for row in rows if len(row) == width]
    header = _has_header(rows)
    columns = rows[0] if header else tuple(f"column_{n}" for n in range(1, width + 1))
    return _Look("csv", encoding, delimiter, header, columns, tuple(rows[header:]))


def _decoded(data: bytes) -> tuple[str, str]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "ignore"), "utf-16"
    data = data.removeprefix(codecs.BOM_UTF8)
    whole = data[: data.rfind(b"\n") + 1] or data
    try:
        return whole.decode(), "utf-8"
    except UnicodeDecodeError:
        return whole.decode("cp1252", "replace"), "cp1252"


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that cuts the most lines into the same number of cells, of two or more."""

    def agreement(sign: str) -> tuple[int, int]:
        """How many lines it cuts alike, and into how many cells but one."""
        counts = [line.count(sign) for line in lines]
        usual = max(set(counts), key=counts.count)
        return (counts.count(usual), usual) if usual else (0, 0)

    return max(_DELIMITERS, key=agreement)


def _has_header(rows: Sequence[tuple[str, ...]]) -> bool:
    """A header has only words, each once, and below at least one of them stand digits. In doubt there is none: a first
    row taken for a header would be shown."""
    first, below = rows[0], rows[1:]
    words = all(re.fullmatch(r"[^\W\d][^\d]*+(?:\d{1,3}[^\d]*+)?", cell) for cell in first) and len(set(first)) == len(
        first
    )
    digits = any(row[n][:1].isdigit() or row[n][:1] in {"+", "-"} for row in below for n in range(len(first)) if row[n])
    return words and digits


def _toml(look: _Look, kind: str, found: Sequence[Guess | None], home: str | None, zone: str) -> str:
    lines = ["# Proposed from the file: correct it. A column without a class is not stored.", f"kind = {_quoted(kind)}"]
    lines += [f"format = {_quoted(look.format)}"]
    if look.format == "csv":
        lines += ["", "[csv]", f"delimiter = {_quoted(look.delimiter)}", f"encoding = {_quoted(look.encoding)}"]
        lines += [f"header = {str(look.header).lower()}"]
        lines += [] if look.header else [f"columns = {json.dumps(list(look.columns), ensure_ascii=False)}"]
    lines += ["", "[numbers]", f"home = {_quoted(home)}" if home else '# home = "MM"  # country of national numbers']
    lines += ['bare = "national"  # or "international": digits without + start with a country code']
    lines += ["", "[time]", f"format = {_quoted(time_format(found, look.rows))}", f"zone = {_quoted(zone)}"]
    lines += _missing_words(found) if kind == "records" else []
    lines += ["", "[columns]", *(_column(name, guess) for name, guess in zip(look.columns, found, strict=True))]
    return "\n".join(lines) + "\n"


def _missing_words(found: Sequence[Guess | None]) -> list[str]:
    named = {guess.field for guess in found if guess is not None}
    lines = [] if "event_type" in named else ['event_type = "other"  # no column says it: call, sms, data, topup …']
    lines += (
        []
        if "owner" in named
        else ["# No column was recognised as the owner: give one, or the owner of the whole file."]
    )
    lines += [] if named & {"datetime", "date"} else ["# No column was recognised as the time: give one."]
    return ["", "[constants]", *lines] if lines else []


def _column(name: str, guess: Guess | None) -> str:
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
    if guess is None:
        return f"{key} = {{}}  # not stored"
    more = f", scheme = {_quoted(guess.scheme)}" if guess.scheme else ""
    if guess.values:
        pairs = ", ".join(f"{_quoted(word)} = {_quoted(name)}" for word, name in guess.values)
        more += f", values = {{ {pairs} }}"
    return f"{key} = {{ field = {_quoted(guess.field)}, class = {_quoted(guess.klass)}{more} }}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
