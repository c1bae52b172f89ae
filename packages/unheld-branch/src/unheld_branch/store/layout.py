"""Row layouts: how the facts of one class become fixed-width rows of bytes, and back (`docs/spec/block.md`).

Facts travel as *columns*: numbers coded as u64 (u: value+1, s: zigzag+1, 0 is null), and texts as a dictionary of byte
strings with a code a row. Columns of different widths concatenate without loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from unheld_verify.errors import BadInputError

UNSIGNED, SIGNED, BYTES, DIGITS = 0, 1, 2, 3
MAX_WIDTH = 63
_MOST_DIGITS = 18  # "1" and 18 digits still fit 8 bytes
_POWERS = np.array([10**n for n in range(_MOST_DIGITS + 1)], np.uint64)
Matrix = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int64]
Indices = npt.NDArray[np.signedinteger[Any]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers, coded; `kind` is u or s, or d for texts of digits that stay as their block wrote them."""

    kind: int
    coded: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.coded)

    def take(self, places: Codes) -> Numbers:
        """The rows at `places`."""
        return Numbers(self.kind, self.coded[places])

    def changes(self) -> Mask:
        """Whether each row differs from the one before it (n-1 values)."""
        differ: Mask = self.coded[1:] != self.coded[:-1]
        return differ


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of byte strings: `values` (an S array, empty is null) and a code a row.

    `unique`: no value stands twice, so that rows with different codes have different values.
    """

    values: npt.NDArray[np.bytes_]
    codes: Indices
    unique: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, places: Codes) -> Texts:
        """The rows at `places`."""
        return replace(self, codes=self.codes[places])

    def changes(self) -> Mask:
        """Whether each row differs from the one before it (n-1 values)."""
        differ: Mask = self.codes[1:] != self.codes[:-1]
        if self.unique:
            return differ
        places = np.flatnonzero(differ)
        differ[places] = self.values[self.codes[places + 1]] != self.values[self.codes[places]]
        return differ


Column = Numbers | Texts
Columns = Mapping[int, Column]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a layout: its number, kind (u, s, b or d) and width in bytes."""

    number: int
    kind: int
    width: int


@dataclass(frozen=True)
class Layout:
    """The fields of a block, ascending by number: those that are one value for all its rows, and those of each row."""

    constant: tuple[Field, ...]
    varying: tuple[Field, ...]

    @cached_property
    def constant_bytes(self) -> int:
        """Bytes of the constant fields."""
        return sum(field.width for field in self.constant)

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return sum(field.width for field in self.varying)

    @cached_property
    def head(self) -> bytes:
        """c u8 ‖ v u8 ‖ (c + v) x (field u8, kind·width u8)."""
        pairs = (bytes((field.number, field.kind << 6 | field.width)) for field in self.constant + self.varying)
        return bytes((len(self.constant), len(self.varying))) + b"".join(pairs)


def head_bytes(data: bytes) -> int:
    """How many bytes the head of a layout takes, from its first two."""
    return 2 + 2 * (data[0] + data[1]) if len(data) >= 2 else 2


@lru_cache(maxsize=1024)
def decode_head(data: bytes) -> Layout:
    """The layout of a head. Raises BadInputError on what a writer never makes. Few heads recur in a million blocks."""
    if len(data) < 4 or len(data) != head_bytes(data):
        raise BadInputError("block: the list of fields is empty or cut off")
    fields = tuple(Field(data[i], data[i + 1] >> 6, data[i + 1] & MAX_WIDTH) for i in range(2, len(data), 2))
    if any(not field.width or (field.kind != BYTES and field.width > 8) for field in fields):
        raise BadInputError("block: a field has a width that no writer makes")
    layout = Layout(fields[: data[0]], fields[data[0] :])
    for part in (layout.constant, layout.varying):
        if [field.number for field in part] != sorted(field.number for field in part):
            raise BadInputError("block: fields must ascend")
    if len({field.number for field in fields}) != len(fields):
        raise BadInputError("block: a field stands twice")
    return layout


def code_unsigned(values: npt.NDArray[np.generic], null: Mask | None) -> Numbers:
    """value+1, 0 for null."""
    coded = values.astype(np.uint64) + np.uint64(1)
    return Numbers(UNSIGNED, coded if null is None else np.where(null, np.uint64(0), coded))


def code_signed(values: npt.NDArray[np.int64], null: Mask | None) -> Numbers:
    """zigzag+1, 0 for null."""
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    return Numbers(SIGNED, code_unsigned(zigzag, null).coded)


def signed(coded: int) -> int:
    """The value of one coded s field (not null)."""
    zigzag = coded - 1
    return (zigzag >> 1) ^ -(zigzag & 1)


def texts(values: npt.NDArray[np.bytes_]) -> Texts:
    """A column of one text a row."""
    return Texts(values, np.arange(len(values)))


@dataclass(frozen=True, eq=False)
class Encoded:
    """A column as it stands in blocks: its kind, and each value's bytes; of each row, or of each code."""

    kind: int
    values: npt.NDArray[np.void]
    codes: Indices | None = None

    @property
    def width(self) -> int:
        """Bytes of a value."""
        return self.values.dtype.itemsize

    def at(self, rows: Codes | slice) -> npt.NDArray[np.void]:
        """The bytes of some rows."""
        return self.values[rows if self.codes is None else self.codes[rows]]


def encode(column: Column, *, digits: bool = True) -> Encoded:
    """A column's bytes in the narrowest width that holds them. `digits`: whether texts may become numbers."""
    if isinstance(column, Numbers):
        kind = BYTES if column.kind == DIGITS and not column.coded.any() else column.kind
        return Encoded(kind, _number_bytes(column.coded))
    if digits and _are_digits(column.values):
        return Encoded(DIGITS, _number_bytes(_digits_coded(column.values)), column.codes)
    width = max(1, column.values.dtype.itemsize)
    if width > MAX_WIDTH:
        raise BadInputError(f"a text of more than {MAX_WIDTH} bytes does not fit a row")
    fixed = np.ascontiguousarray(column.values.astype(f"S{width}", copy=False))
    return Encoded(BYTES, fixed.view(f"V{width}"), column.codes)


def decode(kind: int, rows: Matrix, *, written: bool = True) -> Column:
    """The inverse of `encode`. Digits become texts, or stay coded as numbers unless `written`."""
    if kind == BYTES:
        return texts(np.ascontiguousarray(rows).view(f"S{rows.shape[1]}").reshape(-1))
    wide = np.zeros((len(rows), 8), np.uint8)
    wide[:, 8 - rows.shape[1] :] = rows
    coded = wide.view(">u8").reshape(-1).astype(np.uint64)
    if kind != DIGITS:
        return Numbers(kind, coded)
    _check_digits(coded)
    return texts(_digits(coded)) if written else Numbers(kind, coded)


def _number_bytes(coded: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
    top = int(coded.max()) if len(coded) else 0
    width = max(1, (top.bit_length() + 7) // 8)
    # the last bytes of each big-endian number, where they stand
    narrow = np.dtype({"names": ["low"], "formats": [f"V{width}"], "offsets": [8 - width], "itemsize": 8})
    return coded.astype(">u8").view(narrow)["low"]


def _are_digits(values: npt.NDArray[np.bytes_]) -> bool:
    """Whether every text is 1 to 18 ASCII digits, or null; and not all are null."""
    width = values.dtype.itemsize
    if not 0 < width <= _MOST_DIGITS or not len(values):
        return False
    signs = np.ascontiguousarray(values).view(np.uint8).reshape(-1, width)
    return bool((((signs >= ord("0")) & (signs <= ord("9"))) | (signs == 0)).all() and signs.any())


def _digits_coded(values: npt.NDArray[np.bytes_]) -> npt.NDArray[np.uint64]:
    """The number that "1" and the digits write, so that leading zeros stay; 0 for null."""
    coded = np.strings.add(b"1", values).astype(np.uint64)
    return np.where(values == b"", np.uint64(0), coded)


def _check_digits(coded: npt.NDArray[np.uint64]) -> None:
    """Raises BadInputError unless each is 0 or what "1" and 1 to 18 digits write."""
    kept = coded[coded != 0]
    powers = _POWERS[np.searchsorted(_POWERS, kept, side="right") - 1]
    if (kept < 10).any() or (kept >= 2 * powers).any():
        raise BadInputError("block: a digits field holds a number that no writer makes")


def _digits(coded: npt.NDArray[np.uint64]) -> npt.NDArray[np.bytes_]:
    written = np.where(coded == 0, np.uint64(1), coded).astype(f"S{_MOST_DIGITS + 2}")
    found: npt.NDArray[np.bytes_] = np.strings.slice(written, 1, None).astype(f"S{_MOST_DIGITS}")
    return found


def concatenate(parts: Sequence[Columns]) -> dict[int, Column]:
    """Stack columns of several layouts; a field a part lacks is null there."""
    numbers = sorted({number for part in parts for number in part})
    lengths = [len(next(iter(part.values()))) for part in parts]
    return {number: _stacked([part.get(number) for part in parts], lengths) for number in numbers}


def _stacked(parts: Sequence[Column | None], lengths: Sequence[int]) -> Column:
    if any(isinstance(part, Texts) for part in parts):
        parts = [texts(_digits(part.coded)) if isinstance(part, Numbers) else part for part in parts]
    like = next(part for part in parts if part is not None)
    if isinstance(like, Numbers):
        zeros = (np.zeros(length, np.uint64) for length in lengths)
        coded = [part.coded if isinstance(part, Numbers) else empty for part, empty in zip(parts, zeros, strict=True)]
        return Numbers(like.kind, np.concatenate(coded))
    values, codes, offset = [], [], 0
    for part, length in zip(parts, lengths, strict=True):
        held = part if isinstance(part, Texts) else Texts(np.zeros(1, "S1"), np.zeros(length, np.int64))
        values.append(held.values)
        codes.append(held.codes + offset)
        offset += len(held.values)
    return Texts(np.concatenate(values), np.concatenate(codes))
