"""Blocks: the rows of one folio in one batch, padded and sealed (`docs/spec/block.md`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from unheld_branch.keys import folios
from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.store import layout as layouts
from unheld_branch.store.layout import Codes, Column, Columns, Encoded, Layout, Mask, Matrix
from unheld_verify import canonical, crypto, formats
from unheld_verify.columns import Column as KeyColumn
from unheld_verify.errors import BadInputError

ROWS, FACTS = 1, 2
_LABEL = b"unheld/v1/block"
_LEAST = 64
_MOST_ROWS = 1 << 24  # a block may hold no bytes a row, so its count needs a bound of its own
_RAW = {20}  # an alias is random bytes, also where they happen to look like digits
Facts = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """What a block is bound to besides its own id: store, custodian set, column, batch."""

    store_id: bytes
    set_number: int
    column: KeyColumn
    batch_id: bytes

    @property
    def aad(self) -> bytes:
        """AAD up to the block id, which completes it."""
        column = folios.column_bytes(self.set_number, self.column)
        return _LABEL + self.store_id + column + self.batch_id

    @property
    def handles_aad(self) -> bytes:
        """AAD of the sealed handles beside an open batch's file."""
        column = folios.column_bytes(self.set_number, self.column)
        return b"unheld/v1/handles" + self.store_id + column + self.batch_id


@dataclass(frozen=True, slots=True)
class SealedBlocks:
    """Blocks of one column file, in file order (ascending ids), with their folios' handles."""

    ids: npt.NDArray[np.void]
    blocks: list[bytes]
    handles: npt.NDArray[np.void]


def padme(length: int) -> int:
    """The Padmé size of `length` bytes, at least 64 (PURBs, PETS 2019): adds at most 12 %."""
    if length <= _LEAST:
        return _LEAST
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def padded(lengths: Codes) -> Codes:
    """`padme` of many lengths."""
    exponents = np.frexp(lengths.astype(np.float64))[1] - 1  # floor of the binary logarithm: exact below 2^53
    low_bits = exponents - np.frexp(exponents.astype(np.float64))[1]
    masks = (1 << np.maximum(low_bits, 0)) - 1
    return np.where(lengths <= _LEAST, _LEAST, (lengths + masks) & ~masks)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one block, parsed: constant fields' bytes, and `count` rows of the varying ones."""

    layout: Layout
    count: int
    constants: bytes
    rows: bytes


def rows_plaintexts(columns: Columns, bounds: Codes) -> list[bytes]:
    """Plaintext of each folio: rows bounds[i]..bounds[i+1] of the columns (sorted by folio), with header and padding.

    A field that is one value throughout a folio stands once in its block: SIM and device rarely change in a day.
    """
    starts, counts = bounds[:-1], np.diff(bounds)
    encoded = {number: layouts.encode(column, digits=number not in _RAW) for number, column in sorted(columns.items())}
    constant = _constant_fields(columns, starts)
    masks = _masks(constant, len(starts))
    kinds = np.flatnonzero(np.bincount(masks, minlength=1)).tolist()
    made: list[bytes] = [b""] * len(starts)
    for mask in kinds:
        chosen = np.flatnonzero(masks == mask)
        once = {number for bit, number in enumerate(constant) if mask >> bit & 1}
        texts = _same_layout(encoded, once, starts[chosen], counts[chosen])
        if len(kinds) == 1:
            return texts
        for place, text in zip(chosen.tolist(), texts, strict=True):
            made[place] = text
    return made


def _constant_fields(columns: Columns, starts: Codes) -> dict[int, Mask]:
    """For fields that are constant in half of the folios or more: in which."""
    found = {}
    for number, column in sorted(columns.items()):
        changed = np.concatenate([[False], column.changes()])
        changed[starts] = False
        constant = np.add.reduceat(changed, starts) == 0
        if 2 * np.count_nonzero(constant) >= len(starts):
            found[number] = constant
    return found


def _masks(constant: Mapping[int, Mask], count: int) -> Codes:
    masks = np.zeros(count, np.int64)
    for bit, where in enumerate(constant.values()):
        masks |= where.astype(np.int64) << bit
    return masks


def _same_layout(encoded: Mapping[int, Encoded], once: set[int], starts: Codes, counts: Codes) -> list[bytes]:
    """Plaintexts of folios that share a layout: rows starts[i].. of each, the fields in `once` constant.

    All are laid into one stretch of zeros at once, each at the start of its own padded size, and cut out of it.
    """
    fields = [layouts.Field(number, column.kind, column.width) for number, column in encoded.items()]
    layout = Layout(
        tuple(field for field in fields if field.number in once),
        tuple(field for field in fields if field.number not in once),
    )
    first = np.cumsum(counts) - counts
    places = np.repeat(starts - first, counts) + np.arange(int(counts.sum()))
    constants = _joined([encoded[field.number].at(starts) for field in layout.constant], len(starts))
    rows = _joined([encoded[field.number].at(places) for field in layout.varying], len(places))
    data, ends = _laid_out(layout, counts, constants, rows)
    cuts = [0, *ends.tolist()]
    return [data[begin:end] for begin, end in pairwise(cuts)]


def _laid_out(layout: Layout, counts: Codes, constants: Matrix, rows: Matrix) -> tuple[bytes, Codes]:
    """(plaintexts of one layout one after the other, where each ends)."""
    head = np.frombuffer(bytes((ROWS,)) + layout.head, np.uint8)
    heads = np.hstack([np.tile(head, (len(counts), 1)), counts.astype(">u4").view(np.uint8).reshape(-1, 4), constants])
    sizes = padded(heads.shape[1] + counts * layout.row_bytes)
    ends = np.cumsum(sizes)
    data = np.zeros(int(ends[-1]), np.uint8)
    _anywhere(data, heads.shape[1])[ends - sizes] = _as_void(heads)
    if len(rows) and layout.row_bytes:
        _anywhere(data, layout.row_bytes)[_row_places(layout, counts, ends - sizes)] = _as_void(rows)
    return data.tobytes(), ends


def _row_places(layout: Layout, counts: Codes, begins: Codes) -> Codes:
    """Where each row stands among plaintexts of one layout that begin there."""
    width, first = layout.row_bytes, np.cumsum(counts) - counts
    body = begins + 1 + len(layout.head) + 4 + layout.constant_bytes
    return np.repeat(body - first * width, counts) + np.arange(int(counts.sum())) * width


def _joined(parts: Sequence[npt.NDArray[np.void]], count: int) -> Matrix:
    """`count` rows of the bytes of all parts, side by side."""
    names = [str(number) for number in range(len(parts))]
    rows = np.empty(count, np.dtype(list(zip(names, (part.dtype for part in parts), strict=True))))
    for name, part in zip(names, parts, strict=True):
        rows[name] = part
    return rows.view(np.uint8).reshape(count, -1) if parts else np.zeros((count, 0), np.uint8)


def _anywhere(data: Matrix, width: int) -> npt.NDArray[np.void]:
    """`width` bytes from any place on."""
    return np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))


def _as_void(rows: Matrix) -> npt.NDArray[np.void]:
    return np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").reshape(-1)


def facts_plaintext(facts: Facts) -> bytes:
    """Plaintext of an identity folio: a list of objects of strings."""
    text = canonical.encode(facts)
    body = bytes((FACTS,)) + len(text).to_bytes(4, "big") + text
    return body.ljust(padme(len(body)), b"\0")


def read_rows(plaintext: bytes) -> Rows:
    """Parse a rows plaintext. Raises BadInputError on anything `rows_plaintexts` would not write."""
    _check_format(plaintext, ROWS)
    start = 1 + layouts.head_bytes(plaintext[1:3])
    layout = layouts.decode_head(plaintext[1:start])
    count = int.from_bytes(plaintext[start : start + 4], "big")
    fixed = start + 4 + layout.constant_bytes
    end = fixed + count * layout.row_bytes
    _check_padding(plaintext, end)
    if not 0 < count <= _MOST_ROWS:
        raise BadInputError("block: it holds no row, or more than a day can have")
    return Rows(layout, count, plaintext[start + 4 : fixed], plaintext[fixed:end])


def columns_of(blocks: Sequence[Rows]) -> dict[int, Column]:
    """The rows of several blocks of one layout, joined, as columns."""
    layout, counts = blocks[0].layout, np.array([block.count for block in blocks])
    fixed = np.frombuffer(b"".join(block.constants for block in blocks), np.uint8).reshape(len(blocks), -1)
    rows = np.frombuffer(b"".join(block.rows for block in blocks), np.uint8).reshape(int(counts.sum()), -1)
    return _columns(layout, counts, fixed, rows, written=True)


def _columns(layout: Layout, counts: Codes, fixed: Matrix, rows: Matrix, *, written: bool) -> dict[int, Column]:
    places = np.repeat(np.arange(len(counts)), counts)
    found = {}
    for fields, matrix in ((layout.constant, fixed), (layout.varying, rows)):
        at = 0
        for field in fields:
            column = layouts.decode(field.kind, matrix[:, at : at + field.width], written=written)
            found[field.number] = column.take(places) if matrix is fixed else column
            at += field.width
    return found


def read_alike(plaintexts: Sequence[bytes]) -> tuple[Codes, dict[int, Column]]:
    """(rows of each, the columns of all, joined) of rows plaintexts of one layout.

    Raises BadInputError on anything `rows_plaintexts` would not write: what was read is written again and compared.
    """
    whole, sizes = b"".join(plaintexts), np.array([len(text) for text in plaintexts])
    _check_format(whole, ROWS)
    start = 1 + layouts.head_bytes(whole[1:3])
    layout, data = layouts.decode_head(whole[1:start]), np.frombuffer(whole, np.uint8)
    begins, fixed = np.cumsum(sizes) - sizes, start + 4 + layout.constant_bytes
    if sizes.min() < fixed:
        raise BadInputError("block: it is cut off")
    heads = _anywhere(data, fixed)[begins].view(np.uint8).reshape(-1, fixed)
    counts = np.ascontiguousarray(heads[:, start : start + 4]).view(">u4").reshape(-1).astype(np.int64)
    if not counts.min() or counts.max() > _MOST_ROWS or (padded(fixed + counts * layout.row_bytes) != sizes).any():
        raise BadInputError("block: its count of rows is not that of its bytes")
    constants, width = heads[:, start + 4 :], layout.row_bytes
    rows = np.zeros((int(counts.sum()), 0), np.uint8)
    if width:
        rows = _anywhere(data, width)[_row_places(layout, counts, begins)].view(np.uint8).reshape(-1, width)
    if _laid_out(layout, counts, constants, rows)[0] != whole:
        raise BadInputError("block: its head or its padding is not the one a writer makes")
    return counts, _columns(layout, counts, constants, rows, written=False)


def _check_format(plaintext: bytes, wanted: int) -> None:
    """Raises NewerError for a block of a later release, BadInputError for one of another format."""
    formats.check("block", next(iter(plaintext), None))
    if plaintext[:1] != bytes((wanted,)):
        raise BadInputError(f"block: its format byte is not {wanted}")


def read_facts(plaintext: bytes) -> Facts:
    """Facts of an identity plaintext. Raises BadInputError on anything `facts_plaintext` would not write."""
    _check_format(plaintext, FACTS)
    end = 5 + int.from_bytes(plaintext[1:5], "big")
    _check_padding(plaintext, end)
    facts = canonical.decode(plaintext[5:end])
    if not isinstance(facts, list) or not all(_is_fact(fact) for fact in facts):
        raise BadInputError("block: facts must be a list of objects of strings")
    return facts


def _is_fact(fact: object) -> bool:
    return isinstance(fact, dict) and all(isinstance(text, str) for text in fact.values())


def _check_padding(plaintext: bytes, end: int) -> None:
    if len(plaintext) != padme(end) or any(plaintext[end:]):
        raise BadInputError("block: cut off, or its padding is not the one a writer makes")


def seal(
    place: Place, secrets: FolioSecrets, plaintexts: Sequence[bytes], handles: npt.NDArray[np.void] | None = None
) -> SealedBlocks:
    """Seal one plaintext a folio, in the order of `secrets`, in file order, with `handles` if its day is open."""
    ids = secrets.block_ids(place.batch_id)
    blocks = crypto.seal_each(secrets.block_keys(), plaintexts, place.aad, ids)
    none = np.zeros(len(ids), "V8")
    return in_file_order(ids_array(ids), blocks, none if handles is None else handles)


def in_file_order(ids: npt.NDArray[np.void], blocks: list[bytes], handles: npt.NDArray[np.void]) -> SealedBlocks:
    """Sort blocks by id: the order says nothing of parties."""
    order = sort_order(ids)
    return SealedBlocks(ids[order], [blocks[i] for i in order], handles[order])


def joined(parts: Sequence[SealedBlocks]) -> SealedBlocks:
    """The blocks of several parts of one file, in file order."""
    if len(parts) == 1:
        return parts[0]
    ids = np.concatenate([part.ids for part in parts])
    return in_file_order(
        ids, [block for part in parts for block in part.blocks], np.concatenate([part.handles for part in parts])
    )


def sort_order(ids: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """Indices that sort 16-byte ids ascending, as bytes."""
    halves = ids.view(">u8").reshape(-1, 2)
    first = halves[:, 0].astype(np.uint64)
    order = np.argsort(first)
    if (np.diff(first[order]) == 0).any():  # ids are random: their first halves hardly ever fall together
        return np.lexsort((halves[:, 1], first))
    return order


def ids_array(ids: Sequence[bytes]) -> npt.NDArray[np.void]:
    """16-byte ids as one array."""
    return np.frombuffer(b"".join(ids), "V16")


def open_block(place: Place, key: bytes, block_id: bytes, sealed: bytes) -> bytes:
    """The plaintext of one block. Raises WrongKeyError when key, place or bytes differ."""
    return crypto.unseal(key, sealed, place.aad + block_id)


def open_each(place: Place, secrets: FolioSecrets, ids: Sequence[bytes], sealed: Sequence[bytes]) -> list[bytes]:
    """The plaintexts of one block a folio, in the order of `secrets`. Raises WrongKeyError as `open_block`."""
    return crypto.unseal_each(secrets.block_keys(), sealed, place.aad, ids)
