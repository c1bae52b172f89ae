"""What a store and a copy of it say to each other: one interface, whether the copy is a folder here or far away.

A copy is a second party tree under a slot of its own, with the journal and the ciphertext of the store. It takes rows,
then steps of one generation each; between `step` and `finish` both its root keys live (`docs/spec/copy.md`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.rows import Bytes, Rows
from unheld_branch.store.database import Waiting
from unheld_verify import crypto
from unheld_verify.errors import BadInputError, StateError

PART_ROWS = 32_768
"""Rows of one part at most: some 3 MB."""
SUM_BYTES = 16
_BUCKET_ROWS = 256
_BITS_MOST = 16


@dataclass(frozen=True)
class Standing:
    """Where a copy is: its newest generation with its journal head, and whether its older root key still lives.

    `rows` counts each tree; `words` is the class of its slot.
    """

    generation: int
    head: bytes
    erasing: bool
    rows: Mapping[int, int]
    words: str


@dataclass(frozen=True)
class Part:
    """Rows of one tree on their way to a copy. Buckets named here end up with exactly the upserts that fall into them.

    A bucket is the first `bits` bits of a tag. A tree that the copy has under another tag key begins anew.
    """

    tree: int
    tag_key: bytes = field(repr=False)
    upserts: Rows
    deletes: Bytes
    bits: int = 0
    buckets: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """One generation: its journal entry, and what its root node says besides the rows, which came before it."""

    generation: int
    entry: bytes
    head: bytes
    plan_key: bytes = field(repr=False)
    dedup: Mapping[int, bytes] = field(repr=False)
    tag_keys: Mapping[int, bytes] = field(repr=False)
    outbox: tuple[Waiting, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Making:
    """What a copy begins with: who it follows, the first root node, the whole journal's first entry.

    `genesis` is the genesis document; `branch_seed` signs for the branch should this copy be promoted. `of` is the
    store's folder where both are on one machine, else empty.
    """

    name: str
    genesis: bytes
    first: RootNode = field(repr=False)
    entry: bytes
    head: bytes
    branch_seed: bytes = field(repr=False)
    of: str = ""


class Copy(Protocol):
    """A copy as its store sees it. Every call raises AwayError when the copy does not answer.

    A promoted copy, and one that another store wrote to, raises RolledBackError: whoever asks is no longer the store.
    """

    @property
    def name(self) -> str:
        """What genesis calls it."""

    def make(self, making: Making) -> None:
        """Begin as a copy. Raises StateError when there is one already."""

    def standing(self) -> Standing:
        """Where it is; rows that were on their way and never got their step are thrown away."""

    def sums(self, tree: int, bits: int, key: bytes, tag_key: bytes) -> bytes:
        """A digest of 16 bytes of each of 2^bits buckets of a tree, under a key drawn for this."""

    def rows(self, part: Part) -> None:
        """Rows for the next step. Nothing is durable before it, and anything but rows or a step throws them away."""

    def step(self, step: Step) -> Standing:
        """The next generation, durable when this returns: steps 2 to 4 of a commit."""

    def finish(self, generation: int) -> Standing:
        """Destroy the root key before `generation`; when this returns it is gone. Nothing where that is done."""

    def missing(self, side: Mapping[str, str], named: Collection[str]) -> list[str]:
        """Which of these files it lacks: `named` is ciphertext, which never changes.

        `side` lists all small files beside it (path: SHA-256, hex): others of its own go.
        """

    def file(self, path: str, at: int, data: bytes, sha256: str) -> None:
        """A piece of a file that goes to offset `at`; the last one names the digest of the whole, others ""."""

    def close(self) -> None:
        """Let go of it."""


def step_of(root: RootNode, generation: int, entry: bytes, head: bytes, outbox: Sequence[Waiting] = ()) -> Step:
    """The step to `generation` with what `root` says."""
    tag_keys = {number: tree.tag_key for number, tree in root.trees.items()}
    return Step(generation, entry, head, root.plan_key, root.dedup, tag_keys, tuple(outbox))


def bits_for(rows: int) -> int:
    """How many bits of a tag make a bucket, for a tree of so many rows."""
    return min(_BITS_MOST, (rows // _BUCKET_ROWS).bit_length())


def buckets_of(tags: Bytes, bits: int) -> rows_.Index:
    """The bucket of each tag."""
    wide = tags[:, :2].astype(np.intp)
    return np.asarray((wide[:, 0] << 8 | wide[:, 1]) >> (16 - bits), np.intp)


def by_bucket(leaves: Iterable[Rows], bits: int) -> Iterator[tuple[int, Rows]]:
    """Sorted leaves cut into buckets; empty buckets are left out."""
    held: list[Rows] = []
    current = -1
    for leaf in leaves:
        numbers = buckets_of(leaf.tags, bits)
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(leaf)]
        for low, high in pairwise(cuts):
            if held and numbers[low] != current:
                yield current, rows_.join(held)
                held = []
            current = int(numbers[low])
            held.append(leaf.part(low, high))
    if held:
        yield current, rows_.join(held)


def sums(leaves: Iterable[Rows], bits: int, key: bytes) -> bytes:
    """The digests that `Copy.sums` gives; an empty bucket's is zero."""
    found = bytearray(SUM_BYTES << bits)
    for bucket, rows in by_bucket(leaves, bits):
        found[bucket * SUM_BYTES : (bucket + 1) * SUM_BYTES] = crypto.hmac_sha256(key, packed(rows))[:SUM_BYTES]
    return bytes(found)


def packed(rows: Rows) -> bytes:
    """Sorted rows as bytes: leaves of the tree's form, each after its length u32."""
    leaves = [rows_.encode_leaf(rows.part(at, min(at + rows_.LEAF_ROWS, len(rows)))) for at in _leaves(len(rows))]
    return b"".join(len(leaf).to_bytes(4, "big") + leaf for leaf in leaves)


def unpacked(data: bytes) -> Rows:
    """The inverse of `packed`. Raises BadInputError unless packing them again gives the same bytes."""
    leaves, at = [], 0
    try:
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            leaves.append(rows_.decode_leaf(data[at + 4 : end]))
            at = end
        rows = rows_.join(leaves)
        sound = rows_.ascending(rows_.order(rows.tags)) and packed(rows) == data
    except (StateError, ValueError):
        sound = False
    if not sound:
        raise BadInputError("rows for a copy: not as this version writes them")
    return rows


def _leaves(count: int) -> range:
    return range(0, count, rows_.LEAF_ROWS)


def parts_of(tree: int, tag_key: bytes, upserts: Rows, deletes: Bytes) -> Iterator[Part]:
    """One change of a tree in parts that fit a letter; at least one, so that an empty tree comes to be."""
    rows = upserts.sort()
    for at in range(0, max(len(rows), len(deletes), 1), PART_ROWS):
        end = at + PART_ROWS
        low, high = min(at, len(rows)), min(end, len(rows))
        yield Part(tree, tag_key, rows.part(low, high), deletes[at:end])


def is_far(name: str) -> bool:
    """Whether a copy that genesis calls so is on another machine."""
    return name.startswith(("http://", "https://"))


def slots_of(copy: Path) -> Path:
    """The slots' folder of a copy in a folder."""
    return copy.with_name(copy.name + ".slots")
