"""Rows of the party tree as columns of bytes, and the leaf that stores them (`docs/spec/node.md`).

A row lives in NumPy columns and never becomes a Python object of its own: a leaf, a day's parties and a country's
subscribers are the same type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from unheld_verify.errors import BadInputError, StateError

Bytes = npt.NDArray[np.uint8]
Seconds = npt.NDArray[np.uint32]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

TAG_BYTES, KEY_BYTES, LABEL_BYTES, VALUE_BYTES = 16, 32, 16, 32
PUBLIC_KEY, LINK, HOLDER, SALT, SAME_HOLDER = 1, 2, 3, 4, 5
MAX_SECONDS = 2**32 - 1

LEAF_ROWS = 768
LEAF_KIND = b"\x01"
_ROW_BYTES = TAG_BYTES + KEY_BYTES + LABEL_BYTES + 4 + 4
_EXTRA_BYTES = TAG_BYTES + 1 + VALUE_BYTES
_SHORT_KINDS = (LINK, SALT, SAME_HOLDER)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Rows:
    """n rows. `extras` holds m records tag 16 ‖ kind 1 ‖ value 32, sorted, in an order of their own.

    The order of the rows is the caller's (the tree wants them sorted: `sort`). Party keys are secret: a `repr` shows
    none.
    """

    tags: Bytes
    keys: Bytes
    labels: Bytes
    since: Seconds
    ended: Seconds
    extras: Bytes

    def __len__(self) -> int:
        return len(self.tags)

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"

    def reorder(self, index: Index | Mask) -> Rows:
        """The rows at `index` (or where it is true), with the extras of all."""
        at = np.flatnonzero(index) if index.dtype == np.bool_ else index
        tags, keys, labels = (column.take(at, axis=0) for column in (self.tags, self.keys, self.labels))
        return Rows(tags, keys, labels, self.since.take(at), self.ended.take(at), self.extras)

    def take(self, index: Index | Mask) -> Rows:
        """The rows at `index` (or where it is true), each with its extras."""
        rows = self.reorder(index)
        if not len(self.extras):
            return rows
        owned = positions(np.sort(order(rows.tags)), order(self.extras[:, :TAG_BYTES])) >= 0
        return replace(rows, extras=self.extras[owned])

    def part(self, low: int, high: int) -> Rows:
        """Rows low..high (high exclusive) of sorted rows, without copying."""
        cut, extras = slice(low, high), self.extras
        if len(extras) and low < high:
            ends = [self.tags[low].tobytes(), self.tags[high - 1].tobytes() + b"\xff" * (_EXTRA_BYTES - TAG_BYTES)]
            first, last = np.searchsorted(order(extras), np.array(ends, f"S{_EXTRA_BYTES}"))
            extras = extras[first:last]
        elif len(extras):
            extras = no_extras()
        return Rows(self.tags[cut], self.keys[cut], self.labels[cut], self.since[cut], self.ended[cut], extras)

    def sort(self) -> Rows:
        """The same rows by ascending tag. Raises BadInputError if a tag stands twice."""
        names = order(self.tags)
        if ascending(names):
            return self
        at = np.argsort(names)
        if not ascending(names[at]):
            raise BadInputError("two rows have the same tag: an identity was given twice")
        return self.reorder(at)

    def at(self, tags: Bytes) -> Index:
        """Where each of `tags` stands in these sorted rows, -1 where it does not."""
        return positions(order(self.tags), order(tags))

    def extras_of(self, kind: int) -> tuple[Mask, Bytes]:
        """(which rows have an extra of `kind`, its 32 bytes or zeros): for kinds that stand once a row."""
        mine = self.extras[self.extras[:, TAG_BYTES] == kind]
        at = positions(order(mine[:, :TAG_BYTES]), order(self.tags))
        values = np.zeros((len(self), VALUE_BYTES), np.uint8)
        values[at >= 0] = mine[at[at >= 0], TAG_BYTES + 1 :]
        return at >= 0, values

    def links(self, kind: int = LINK) -> tuple[Bytes, Bytes]:
        """(tags, linked tags) of every extra of kind 2, or 5: of the same holder's rows under other keys."""
        mine = self.extras[self.extras[:, TAG_BYTES] == kind]
        return mine[:, :TAG_BYTES], mine[:, TAG_BYTES + 1 : 2 * TAG_BYTES + 1]


def make(
    tags: Bytes, keys: Bytes, labels: Bytes, since: Seconds, ended: Seconds | None = None, extras: Bytes | None = None
) -> Rows:
    """Rows from columns of n rows each. Raises BadInputError naming the column that has another form."""
    ended = np.zeros(len(tags), np.uint32) if ended is None else ended
    extras = no_extras() if extras is None else extras
    wide = {"tags": (tags, TAG_BYTES), "keys": (keys, KEY_BYTES), "labels": (labels, LABEL_BYTES)}
    for name, (column, width) in wide.items():
        if column.dtype != np.uint8 or column.shape != (len(tags), width):
            raise BadInputError(f"{name}: {len(tags)} x {width} bytes are needed, not {column.shape} {column.dtype}")
    for name, times in {"since": since, "ended": ended}.items():
        if times.dtype != np.uint32 or times.shape != (len(tags),):
            raise BadInputError(f"{name}: {len(tags)} u32 are needed, not {times.shape} {times.dtype}")
    rows = Rows(tags, keys, labels, since, ended, sort_extras(extras))
    _check(rows.sort())
    return rows


def empty() -> Rows:
    """No rows."""
    tags, keys, labels = (np.zeros((0, width), np.uint8) for width in (TAG_BYTES, KEY_BYTES, LABEL_BYTES))
    return Rows(tags, keys, labels, np.zeros(0, np.uint32), np.zeros(0, np.uint32), no_extras())


def no_extras() -> Bytes:
    """No extras."""
    return np.zeros((0, _EXTRA_BYTES), np.uint8)


def make_extras(tags: Bytes, kind: int, values: Bytes) -> Bytes:
    """Extras of one kind: a tag and a value of 16 or 32 bytes each; 16 are filled with zeros."""
    extras = np.zeros((len(tags), _EXTRA_BYTES), np.uint8)
    extras[:, :TAG_BYTES] = tags
    extras[:, TAG_BYTES] = kind
    extras[:, TAG_BYTES + 1 : TAG_BYTES + 1 + values.shape[1]] = values
    return extras


def join(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one after the other."""
    if not parts:
        return empty()
    return Rows(
        tags=np.concatenate([part.tags for part in parts]),
        keys=np.concatenate([part.keys for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        since=np.concatenate([part.since for part in parts]),
        ended=np.concatenate([part.ended for part in parts]),
        extras=sort_extras(np.concatenate([part.extras for part in parts])),
    )


def sort_extras(extras: Bytes) -> Bytes:
    """The same extras in the order leaves store them."""
    names = order(extras)
    return extras if ascending(names) else extras.take(np.argsort(names), axis=0)


def order(fields: Bytes) -> npt.NDArray[np.bytes_]:
    """n x w bytes as n strings that sort like the bytes do (all have the same width, so trailing zeros do no harm)."""
    return np.ascontiguousarray(fields).view(f"S{fields.shape[1]}").reshape(-1)


def ascending(names: npt.NDArray[np.bytes_]) -> bool:
    """Whether every name is above the one before."""
    return bool((names[:-1] < names[1:]).all())


def positions(names: npt.NDArray[np.bytes_], wanted: npt.NDArray[np.bytes_]) -> Index:
    """Where each of `wanted` stands in the sorted `names`, -1 where it does not."""
    if not len(names):
        return np.full(len(wanted), -1, np.intp)
    at = np.searchsorted(names, wanted)
    at[at == len(names)] = 0
    at[names[at] != wanted] = -1
    return at


def tags_from(tags: Sequence[bytes]) -> Bytes:
    """Tags as an array of n x 16 bytes. Raises BadInputError if one has another length."""
    if any(len(tag) != TAG_BYTES for tag in tags):
        raise BadInputError(f"a tag has {TAG_BYTES} bytes")
    return np.frombuffer(b"".join(tags), np.uint8).reshape(-1, TAG_BYTES)


def encode_leaf(rows: Rows) -> bytes:
    """Bytes of a leaf of 1 to 768 sorted rows."""
    since, ended = (column.astype(">u4").tobytes() for column in (rows.since, rows.ended))
    head = LEAF_KIND + len(rows).to_bytes(4, "big")
    body = (rows.tags.tobytes(), rows.keys.tobytes(), rows.labels.tobytes(), since, ended)
    return b"".join((head, *body, len(rows.extras).to_bytes(4, "big"), rows.extras.tobytes()))


def decode_leaf(data: bytes) -> Rows:
    """The rows of a leaf. Raises StateError unless encoding them again would give the same bytes."""
    count = int.from_bytes(data[1:5], "big")
    tail = 5 + count * _ROW_BYTES
    extras = int.from_bytes(data[tail : tail + 4], "big")
    if data[:1] != LEAF_KIND or not 1 <= count <= LEAF_ROWS or len(data) != tail + 4 + extras * _EXTRA_BYTES:
        raise StateError("a leaf of the party tree has another form than its counts say: restore the tree from a copy")
    rows = _columns(data, count, tail)
    try:
        _check(rows)
    except BadInputError as error:
        raise StateError(f"a leaf of the party tree breaks its format: {error}: restore it from a copy") from None
    return rows


def _columns(data: bytes, count: int, tail: int) -> Rows:
    cut = np.cumsum([5, TAG_BYTES * count, KEY_BYTES * count, LABEL_BYTES * count]).tolist()
    tags, keys, labels = (
        np.frombuffer(data, np.uint8, end - start, start).reshape(count, -1) for start, end in pairwise(cut)
    )
    since, ended = np.frombuffer(data, ">u4", 2 * count, cut[-1]).astype(np.uint32).reshape(2, count)
    extras = np.frombuffer(data, np.uint8, offset=tail + 4).reshape(-1, _EXTRA_BYTES)
    return Rows(tags, keys, labels, since, ended, extras)


def _check(rows: Rows) -> None:
    """Rows are sorted and end after they began; every extra has a row and a known kind, and stands once if it must."""
    extras = rows.extras
    if not ascending(order(rows.tags)):
        raise BadInputError("tags are not in ascending order")
    if ((rows.ended > 0) & (rows.ended <= rows.since)).any():
        raise BadInputError("a row ends before it began")
    if not len(extras):
        return
    kinds = extras[:, TAG_BYTES]
    if not ascending(order(extras)):
        raise BadInputError("extras are not in ascending order, or one stands twice")
    if extras.shape[1] != _EXTRA_BYTES or kinds.min() < PUBLIC_KEY or kinds.max() > SAME_HOLDER:
        raise BadInputError("an extra is of no kind known here (1 to 5)")
    if (rows.at(extras[:, :TAG_BYTES]) < 0).any():
        raise BadInputError("an extra belongs to no row")
    if extras[np.isin(kinds, _SHORT_KINDS), TAG_BYTES + 1 + TAG_BYTES :].any():
        raise BadInputError("a value of 16 bytes is not filled with zeros")
    once = order(extras[~np.isin(kinds, (LINK, SAME_HOLDER)), : TAG_BYTES + 1])
    if not ascending(once):
        raise BadInputError("an extra that stands once a row stands twice")
