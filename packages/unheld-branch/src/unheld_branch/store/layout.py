"""Row layouts: how the facts of one class become fixed-width rows of bytes, and back (`docs/spec/block.md`).

Facts travel in *coded* form: a mapping of field number to an array, where numbers are u64 with 0 for null (u: value+1,
s: zigzag+1) and text is a fixed-width byte array. Coded columns of different widths concatenate without loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from unheld_verify.errors import BadInputError

UNSIGNED, SIGNED, BYTES = 0, 1, 2
MAX_WIDTH = 63
Matrix = npt.NDArray[np.uint8]
Coded = dict[int, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a layout: its number, kind (u, s or b) and width in bytes."""

    number: int
    kind: int
    width: int


@dataclass(frozen=True)
class Layout:
    """The fields of a block's rows, ascending by number."""

    fields: tuple[Field, ...]

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return sum(field.width for field in self.fields)

    def encode(self) -> bytes:
        """f u8 ‖ f x (field u8, kind·width u8)."""
        pairs = b"".join(bytes((field.number, field.kind << 6 | field.width)) for field in self.fields)
        return bytes((len(self.fields),)) + pairs


def decode_layout(data: bytes) -> tuple[Layout, int]:
    """The layout at the start of `data` and the bytes it took. Raises BadInputError on what encode never writes."""
    end = 1 + 2 * data[0] if data else 1
    return _decode(bytes(data[:end])), end


@lru_cache(maxsize=256)
def _decode(data: bytes) -> Layout:
    """All blocks of a column file have one layout: parsing it once is enough."""
    count = data[0] if data else 0
    if not count or len(data) < 1 + 2 * count:
        raise BadInputError("block: the list of fields is empty or cut off")
    fields = tuple(Field(data[i], data[i + 1] >> 6, data[i + 1] & MAX_WIDTH) for i in range(1, len(data), 2))
    numbers = [field.number for field in fields]
    if numbers != sorted(set(numbers)):
        raise BadInputError("block: fields must ascend and not repeat")
    if any(field.kind > BYTES or not field.width or (field.kind < BYTES and field.width > 8) for field in fields):
        raise BadInputError("block: a field has a kind or width that no writer makes")
    return Layout(fields)


def code_unsigned(values: npt.NDArray[np.generic], null: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.uint64]:
    """value+1, 0 for null."""
    coded = values.astype(np.uint64) + np.uint64(1)
    return coded if null is None else np.where(null, np.uint64(0), coded)


def code_signed(values: npt.NDArray[np.int64], null: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.uint64]:
    """zigzag+1, 0 for null."""
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    return code_unsigned(zigzag, null)


def signed(coded: int) -> int:
    """The value of one coded s field (not null)."""
    zigzag = coded - 1
    return (zigzag >> 1) ^ -(zigzag & 1)


def fit(coded: Coded, kinds: Mapping[int, int]) -> Layout:
    """The narrowest layout that holds these coded columns."""
    return Layout(tuple(Field(number, kinds[number], _width(coded[number])) for number in sorted(coded)))


def _width(column: npt.NDArray[np.generic]) -> int:
    if column.dtype.kind == "S":
        if column.dtype.itemsize > MAX_WIDTH:
            raise BadInputError(f"a text of more than {MAX_WIDTH} bytes does not fit a row")
        return max(1, column.dtype.itemsize)
    top = int(column.max()) if len(column) else 0
    return max(1, (top.bit_length() + 7) // 8)


def to_rows(coded: Coded, layout: Layout) -> Matrix:
    """Coded columns as one contiguous (n, row_bytes) matrix."""
    count = len(next(iter(coded.values())))
    rows = np.zeros((count, layout.row_bytes), np.uint8)
    at = 0
    for field in layout.fields:
        rows[:, at : at + field.width] = _column_bytes(coded[field.number], field)
        at += field.width
    return rows


def _column_bytes(column: npt.NDArray[np.generic], field: Field) -> Matrix:
    if field.kind == BYTES:
        fixed = column.astype(f"S{field.width}", copy=False)
        return np.ascontiguousarray(fixed).view(np.uint8).reshape(len(column), field.width)
    wide = np.ascontiguousarray(column.astype(">u8")).view(np.uint8).reshape(len(column), 8)
    return wide[:, 8 - field.width :]


def from_rows(rows: Matrix, layout: Layout) -> Coded:
    """The inverse of `to_rows`."""
    coded: Coded = {}
    at = 0
    for field in layout.fields:
        part = rows[:, at : at + field.width]
        at += field.width
        if field.kind == BYTES:
            coded[field.number] = np.ascontiguousarray(part).view(f"S{field.width}").reshape(-1)
        else:
            wide = np.zeros((len(rows), 8), np.uint8)
            wide[:, 8 - field.width :] = part
            coded[field.number] = wide.view(">u8").reshape(-1).astype(np.uint64)
    return coded


def concatenate(parts: Sequence[Coded]) -> Coded:
    """Stack coded columns of several layouts; a field a part lacks is null there."""
    numbers = sorted({number for part in parts for number in part})
    return {number: np.concatenate([_or_null(part, number, parts) for part in parts]) for number in numbers}


def _or_null(part: Coded, number: int, parts: Sequence[Coded]) -> npt.NDArray[np.generic]:
    if number in part:
        return part[number]
    count = len(next(iter(part.values())))
    like = next(other[number] for other in parts if number in other)
    return np.zeros(count, like.dtype)


def kinds_of(layout: Layout) -> dict[int, int]:
    """Field numbers and their kinds."""
    return {field.number: field.kind for field in layout.fields}
