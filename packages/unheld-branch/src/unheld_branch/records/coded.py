"""Texts of a column as one u64 a row, so that millions of numbers cost no object and no string hash each.

1 to 16 digits, perhaps behind a plus, are their own code: most cells of call records are such. Every other text is
numbered. Only what is distinct in a whole chunk becomes text again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

U64s = npt.NDArray[np.uint64]
_LANE = 8  # digits that one u64 holds as text
_MOST_DIGITS = 2 * _LANE
_OTHER = np.uint64(1 << 63)
_POWERS = np.array([10**n for n in range(_MOST_DIGITS + 1)], np.uint64)
_ONE = np.uint64(1)
_KEPT = np.array([2**64 - (1 << 8 * (_LANE - n)) for n in range(_LANE + 1)], np.uint64)
"""By how many of eight characters count: ones where the last of them are."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Texts of n rows. Code 0 is null; twice the number that "1" and the digits write, plus 1 behind a `+`, is that
    text; from 2^63 on the code counts into `others`."""

    codes: U64s
    others: pa.StringArray

    def __len__(self) -> int:
        return len(self.codes)

    def at(self, rows: slice | Sequence[int]) -> Coded:
        """Those of some rows."""
        return replace(self, codes=self.codes[rows])

    def texts(self) -> pa.StringArray:
        """One text a row."""
        found = distinct([self])
        return found.dictionary.take(found.indices)


def coded(texts: pa.StringArray) -> Coded:
    """The codes of some texts."""
    if texts.null_count:
        codes, present = np.zeros(len(texts), np.uint64), coded(texts.drop_null())
        codes[texts.is_valid().to_numpy(zero_copy_only=False)] = present.codes
        return Coded(codes, present.others)
    codes = _digit_codes(texts) if _worth_a_try(texts) else np.zeros(len(texts), np.uint64)
    rest = codes == 0
    if not rest.any():
        return Coded(codes, pa.array([], pa.string()))
    found = pc.dictionary_encode(texts if rest.all() else texts.filter(pa.array(rest)))
    codes[rest] = found.indices.to_numpy().astype(np.uint64) | _OTHER
    return Coded(codes, found.dictionary)


def distinct(parts: Sequence[Coded]) -> pa.DictionaryArray:
    """The texts of all parts, each distinct one once."""
    others = pc.dictionary_encode(pa.chunked_array([part.others for part in parts], pa.string()).combine_chunks())
    numbers, start, moved = others.indices.to_numpy().astype(np.uint64), 0, []
    for part in parts:
        moved.append(_renumbered(part.codes, numbers[start : start + len(part.others)]))
        start += len(part.others)
    codes = np.concatenate(moved)
    null = codes == 0
    found = pc.dictionary_encode(pa.array(codes, mask=null if null.any() else None))
    return pa.DictionaryArray.from_arrays(found.indices, _written(found.dictionary.to_numpy(), others.dictionary))


def whole_numbers(parts: Sequence[Coded]) -> pa.Array | None:
    """The numbers that digits without a plus write (int64), where all texts are such or null; else None."""
    if any(len(part.others) for part in parts):
        return None
    codes = np.concatenate([part.codes for part in parts])
    if (codes & _ONE).any():
        return None
    # "1" and n digits write a number of n + 1 digits: take the leading one off
    marked = codes >> _ONE
    power = _POWERS[np.maximum(np.searchsorted(_POWERS, marked, side="right"), 1) - 1]
    return pa.array((marked - power).view(np.int64), mask=codes == 0)


def _renumbered(codes: U64s, numbers: U64s) -> U64s:
    if not len(numbers):
        return codes
    other = codes >= _OTHER
    codes = codes.copy()
    codes[other] = numbers[(codes[other] ^ _OTHER).astype(np.intp)] | _OTHER
    return codes


def _written(codes: U64s, others: pa.StringArray) -> pa.StringArray:
    """The text of each distinct code."""
    marked = pc.utf8_slice_codeunits(pa.array(np.where(codes < _OTHER, codes >> _ONE, 0)).cast(pa.string()), 1)
    texts = pc.if_else(pa.array(codes & _ONE == 1), pc.binary_join_element_wise("+", marked, ""), marked)
    other = codes >= _OTHER
    return pc.replace_with_mask(texts, pa.array(other), others.take(pa.array(codes[other] ^ _OTHER)))


def _worth_a_try(texts: pa.StringArray) -> bool:
    """Whether one of the first texts is digits: a column of names or times need not be looked at digit by digit."""
    return bool(pc.any(pc.match_substring_regex(texts[:64], r"^\+?[0-9]{1,16}$")).as_py())


def _digit_codes(texts: pa.StringArray) -> U64s:
    """The codes of what is digits, 0 for the rest. No text is null."""
    at, data = _bounds(texts)
    lengths, plus = np.diff(at), data[at[:-1]] == ord("+")
    width, signed = int(lengths[0]), bool(plus[0])
    if (lengths == width).all() and (plus == signed).all() and 0 < width - signed <= _MOST_DIGITS:
        return _equally_long(data, len(texts), width, signed)
    plus &= lengths > 1
    digits = lengths - plus
    number, sound = np.zeros(len(lengths), np.uint64), (digits > 0) & (digits <= _MOST_DIGITS)
    anywhere = _words(data, 0, len(data) - _LANE + 1, 1)
    for lane in (1, 0):
        held = np.clip(digits - lane * _LANE, 0, _LANE)
        if held.any():
            value, fits = _eight(anywhere[at[1:] - (lane + 1) * _LANE], _KEPT[held])
            number, sound = number * _POWERS[_LANE] + value, sound & fits
    codes = (number + _POWERS[np.where(sound, digits, 0)] << _ONE) | plus
    return np.where(sound, codes, np.uint64(0))


def _equally_long(data: npt.NDArray[np.uint8], count: int, width: int, plus: bool) -> U64s:
    """The same for texts of one width, all with a plus or all without: numbers of subscribers, SIMs and devices."""
    digits = width - plus
    number, sound = np.zeros(count, np.uint64), np.ones(count, np.bool_)
    for lane in range((digits - 1) // _LANE, -1, -1):
        words = _words(data, _MOST_DIGITS + width - (lane + 1) * _LANE, count, width)
        value, fits = _eight(words, _KEPT[min(digits - lane * _LANE, _LANE)])
        number, sound = number * _POWERS[_LANE] + value, sound & fits
    codes: U64s = (number + _POWERS[digits] << _ONE) | np.uint64(plus)
    return codes if sound.all() else np.where(sound, codes, np.uint64(0))


def _bounds(texts: pa.StringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Where each text begins (and the last ends) in the bytes of all, which have two lanes of room in front and behind.

    So eight characters can be read at once wherever a text ends.
    """
    _, offsets, data = texts.buffers()
    at = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset).astype(np.int64)
    low, high = int(at[0]), int(at[-1])
    padded = np.zeros(high - low + 2 * _MOST_DIGITS, np.uint8)
    if data is not None:
        padded[_MOST_DIGITS : _MOST_DIGITS + high - low] = np.frombuffer(data, np.uint8, high - low, low)
    return at - low + _MOST_DIGITS, padded


def _words(data: npt.NDArray[np.uint8], first: int, count: int, step: int) -> U64s:
    """Eight characters each, from place `first` on in steps; the first character is the lowest byte."""
    return np.ndarray((count,), np.dtype("<u8"), data.data, offset=first, strides=(step,))


def _eight(words: U64s, kept: U64s | np.uint64) -> tuple[U64s, npt.NDArray[np.bool_]]:
    """(the number that the last of 8 characters write, whether they are digits), all 8 at once in one u64.

    `kept` has ones where those characters are: the others become zeros in front.
    """
    word: U64s = (words ^ np.uint64(0x3030303030303030)) & kept  # digits are 0 to 9 now, and nothing else is
    over = word + np.uint64(0x0606060606060606)
    over |= word
    over &= np.uint64(0xF0F0F0F0F0F0F0F0)
    word *= np.uint64(2561)
    word >>= np.uint64(8)  # pairs: 10 a + b
    word &= np.uint64(0x00FF00FF00FF00FF)
    word *= np.uint64(6553601)
    word >>= np.uint64(16)  # fours
    word &= np.uint64(0x0000FFFF0000FFFF)
    word *= np.uint64(42949672960001)
    word >>= np.uint64(32)
    return word, over == 0


if sys.byteorder != "little":  # pragma: no cover - the arithmetic on eight characters is written for it
    raise ImportError("unheld_branch.records needs a little-endian machine")
