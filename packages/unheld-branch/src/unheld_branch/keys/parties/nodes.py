"""Sealed nodes: every write has a fresh random key and id, and nothing is ever changed (`docs/spec/node.md`).

That one rule is what makes forgetting hold: a key found alive opens exactly one version of one node, so no live key
opens an older version that still has a forgotten row in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from unheld_verify import crypto
from unheld_verify.errors import BadInputError, StateError, WrongKeyError

ID_BYTES, KEY_BYTES = 16, 32
_LABEL = b"unheld/v1/node"
_REMEMBERED = 8

Random = Callable[[int], bytes]


class NodeStore(Protocol):
    """Where sealed nodes lie. Not trusted: whoever edits it makes nodes that do not open, nothing else."""

    def get_many(self, node_ids: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """Sealed nodes by id. Raises KeyError naming one that is missing."""


class Ref(NamedTuple):
    """Where a node lies and what opens it."""

    id: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"<node {self.id.hex()}>"


@dataclass(frozen=True)
class Changes:
    """Nodes one commit must store in a single transaction: (id, sealed bytes), and ids it may delete."""

    new: list[tuple[bytes, bytes]] = field(repr=False)
    dead: list[bytes] = field(repr=False)


class Nodes:
    """The nodes of one store during one change: reads through to the store, holds what was written, stores nothing.

    `take` hands over what the commit must store. A change that failed halfway is thrown away together with this object.
    `flush`, where given, is called with a part of the changes whenever they exceed `flush_bytes`, so that a change of
    any size fits into memory; it must store them in the transaction that `store` reads from.
    """

    def __init__(
        self,
        store_id: bytes,
        store: NodeStore,
        *,
        random: Random = crypto.random_bytes,
        flush: Callable[[Changes], None] | None = None,
        flush_bytes: int = 64 << 20,
    ) -> None:
        if len(store_id) != ID_BYTES:
            raise BadInputError(f"a store id has {ID_BYTES} bytes, not {len(store_id)}")
        self.random = random
        self._store, self._aad = store, _LABEL + store_id
        self._flush, self._flush_bytes, self._held = flush, flush_bytes, 0
        self._new: dict[bytes, bytes] = {}
        self._dead: list[bytes] = []
        self._opened: dict[bytes, bytes] = {}

    @property
    def held(self) -> int:
        """Bytes of sealed nodes that wait for `take`."""
        return self._held

    def read(self, refs: Sequence[Ref]) -> list[bytes]:
        """Opened nodes in the order of `refs`. Raises StateError (missing) or WrongKeyError (altered, swapped)."""
        unknown = [ref for ref in refs if ref.id not in self._opened]
        try:
            stored = self._store.get_many([ref.id for ref in unknown if ref.id not in self._new]) if unknown else {}
            sealed = {ref.id: self._new.get(ref.id) or stored[ref.id] for ref in unknown}
        except KeyError as error:
            missing = error.args[0].hex() if isinstance(error.args[0], bytes) else error.args[0]
            raise StateError(f"node {missing} of the party tree is missing: restore the tree from a copy") from None
        opened = [self._opened.get(ref.id) or self._open(ref, sealed[ref.id]) for ref in refs]
        if len(refs) == 1:
            self._remember(refs[0].id, opened[0])
        return opened

    def _remember(self, node_id: bytes, opened: bytes) -> None:
        """Keep the nodes of the last few paths: a change looks a path up before it rewrites it."""
        self._opened[node_id] = opened
        if len(self._opened) > _REMEMBERED:
            del self._opened[next(iter(self._opened))]

    def write(self, plaintext: bytes) -> Ref:
        """Seal a node under a fresh key and id."""
        ref = Ref(key=self.random(KEY_BYTES), id=self.random(ID_BYTES))
        sealed = crypto.seal_once(ref.key, plaintext, self._aad + ref.id)
        self._new[ref.id] = sealed
        self._held += len(sealed)
        if self._flush is not None and self._held > self._flush_bytes:
            self._flush(self.take())
        return ref

    def drop(self, node_id: bytes) -> None:
        """Note that the next root no longer leads to this node."""
        if self._new.pop(node_id, None) is None:
            self._dead.append(node_id)

    def take(self) -> Changes:
        """What was written and dropped since the last call."""
        changes = Changes(list(self._new.items()), self._dead)
        self._new, self._dead, self._held = {}, [], 0
        return changes

    def _open(self, ref: Ref, sealed: bytes) -> bytes:
        try:
            return crypto.unseal_once(ref.key, sealed, self._aad + ref.id)
        except WrongKeyError:
            raise WrongKeyError(
                f"node {ref.id.hex()} of the party tree does not open: it was altered, swapped, or belongs to another"
                " store; restore the tree from a copy"
            ) from None
