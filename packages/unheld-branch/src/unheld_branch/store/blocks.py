"""Blocks: the rows of one folio in one batch, padded and sealed (`docs/spec/block.md`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from unheld_branch.keys import folios
from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.store import layout as layouts
from unheld_branch.store.layout import Layout, Matrix
from unheld_verify import canonical, crypto
from unheld_verify.columns import Column
from unheld_verify.errors import BadInputError

ROWS, FACTS = 1, 2
_LABEL = b"unheld/v1/block"
_LEAST = 64
Facts = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """What a block is bound to besides its own id: store, custodian set, column, batch."""

    store_id: bytes
    set_number: int
    column: Column
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


def rows_plaintexts(rows: Matrix, layout: Layout, bounds: Sequence[int]) -> Iterator[bytes]:
    """Plaintext of each folio: rows[bounds[i]:bounds[i+1]], with header and padding."""
    head = bytes((ROWS,)) + layout.encode()
    width, data = layout.row_bytes, rows.tobytes()
    for start, end in pairwise(bounds):
        body = head + (end - start).to_bytes(4, "big") + data[start * width : end * width]
        yield body.ljust(padme(len(body)), b"\0")


def facts_plaintext(facts: Facts) -> bytes:
    """Plaintext of an identity folio: a list of objects of strings."""
    text = canonical.encode(facts)
    body = bytes((FACTS,)) + len(text).to_bytes(4, "big") + text
    return body.ljust(padme(len(body)), b"\0")


def read_rows(plaintext: bytes) -> tuple[Layout, Matrix]:
    """Layout and rows of a rows plaintext. Raises BadInputError on anything `rows_plaintexts` would not write."""
    if not plaintext or plaintext[0] != ROWS:
        raise BadInputError("block: not a rows block (format byte 1)")
    layout, used = layouts.decode_layout(plaintext[1:])
    start = 1 + used + 4
    count = int.from_bytes(plaintext[1 + used : start], "big")
    end = start + count * layout.row_bytes
    _check_padding(plaintext, end)
    rows = np.frombuffer(plaintext, np.uint8, count * layout.row_bytes, start)
    return layout, rows.reshape(count, layout.row_bytes)


def read_facts(plaintext: bytes) -> Facts:
    """Facts of an identity plaintext. Raises BadInputError on anything `facts_plaintext` would not write."""
    if not plaintext or plaintext[0] != FACTS:
        raise BadInputError("block: not a facts block (format byte 2)")
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
    place: Place, secrets: FolioSecrets, plaintexts: Iterator[bytes], handles: npt.NDArray[np.void] | None = None
) -> SealedBlocks:
    """Seal one plaintext a folio, in the order of `secrets`, in file order, with `handles` if its day is open."""
    aad, batch = place.aad, place.batch_id
    ids, blocks = [], []
    for number, plaintext in enumerate(plaintexts):
        block_id = secrets.block_id(number, batch)
        ids.append(block_id)
        blocks.append(crypto.seal(secrets.block_key(number), plaintext, aad + block_id))
    none = np.zeros(len(ids), "V8")
    return in_file_order(ids_array(ids), blocks, none if handles is None else handles)


def in_file_order(ids: npt.NDArray[np.void], blocks: list[bytes], handles: npt.NDArray[np.void]) -> SealedBlocks:
    """Sort blocks by id: the order says nothing of parties."""
    order = sort_order(ids)
    return SealedBlocks(ids[order], [blocks[i] for i in order], handles[order])


def sort_order(ids: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """Indices that sort 16-byte ids ascending, as bytes."""
    halves = ids.view(">u8").reshape(-1, 2)
    return np.lexsort((halves[:, 1], halves[:, 0]))


def ids_array(ids: Sequence[bytes]) -> npt.NDArray[np.void]:
    """16-byte ids as one array."""
    return np.frombuffer(b"".join(ids), "V16")


def open_block(place: Place, key: bytes, block_id: bytes, sealed: bytes) -> bytes:
    """The plaintext of one block. Raises WrongKeyError when key, place or bytes differ."""
    return crypto.unseal(key, sealed, place.aad + block_id)
