"""A coercive attacker: every node ever written, and the contents of the last root node only."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tree as tree_
from unheld_branch.keys.parties.nodes import Nodes, Ref
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.keys.parties.tree import Tree
from unheld_verify import crypto
from unheld_verify.errors import WrongKeyError

SMALL: dict[str, Any] = {"LEAF_ROWS": 6, "LEAF_FILL": 4, "INNER_CHILDREN": 4, "INNER_FILL": 3}
STORE_ID = b"store of a test."
AAD = b"unheld/v1/node" + STORE_ID


class Disk:
    """Keeps every version of every node, as backups and free pages do."""

    def __init__(self) -> None:
        self.ever: list[tuple[bytes, bytes]] = []
        self.now: dict[bytes, bytes] = {}

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: self.now[node_id] for node_id in node_ids}

    def save(self, nodes: Nodes) -> None:
        new = nodes.take().new
        self.ever += new
        self.now.update(new)


class KeyKeepingNodes(Nodes):
    """BROKEN on purpose: a node that is rewritten keeps its key (its first part does, on a split) unless `renew`."""

    def __init__(self, store: Disk) -> None:
        super().__init__(STORE_ID, store)
        self.renew = False
        self._keys: dict[bytes, bytes] = {}
        self._kept: list[bytes] = []

    def drop(self, node_id: bytes) -> None:
        self._kept.append(self._keys[node_id])
        super().drop(node_id)

    def write(self, plaintext: bytes) -> Ref:
        key = self._kept.pop() if self._kept and not self.renew else crypto.random_bytes(32)
        self._kept.clear()
        ref = Ref(crypto.random_bytes(16), key)
        self._keys[ref.id] = key
        self._new[ref.id] = crypto.seal_once(key, plaintext, AAD + ref.id)
        return ref


class World:
    """One store, its tree, and who was forgotten."""

    def __init__(self, *, broken: bool = False, renew_on_forgetting: bool = False) -> None:
        self.disk = Disk()
        self.nodes = KeyKeepingNodes(self.disk) if broken else Nodes(STORE_ID, self.disk)
        self.renew_on_forgetting = renew_on_forgetting
        self.tree = Tree(bytes(32))
        self.alive: dict[int, bytes] = {}
        self.forgotten: set[bytes] = set()

    def add(self, numbers: list[int]) -> None:
        """One commit that adds parties, or gives them new keys."""
        self._renew(False)
        self.forgotten |= {self.alive[number] for number in numbers if number in self.alive}
        self.alive.update({number: crypto.random_bytes(32) for number in numbers})
        self.tree = tree_.apply(self.tree, self.nodes, rows_of({number: self.alive[number] for number in numbers}))
        self.disk.save(self.nodes)

    def forget(self, numbers: list[int]) -> None:
        """One commit that forgets parties."""
        self._renew(self.renew_on_forgetting)
        self.tree = tree_.apply(self.tree, self.nodes, rows_.empty(), rows_.tags_from([tag(n) for n in numbers]))
        self.forgotten |= {self.alive.pop(number) for number in numbers if number in self.alive}
        self.disk.save(self.nodes)

    def _renew(self, renew: bool) -> None:
        if isinstance(self.nodes, KeyKeepingNodes):
            self.nodes.renew = renew


def tag(number: int) -> bytes:
    """Tags in the order of their numbers, so that a schedule says where a split falls."""
    return number.to_bytes(2, "big") + bytes(14)


def rows_of(keys: dict[int, bytes]) -> Rows:
    """A row for each number."""
    count = len(keys)
    matrix = np.frombuffer(b"".join(keys.values()), np.uint8).reshape(count, 32)
    tags = rows_.tags_from([tag(number) for number in keys])
    return rows_.make(tags, matrix, np.zeros((count, 16), np.uint8), np.zeros(count, np.uint32))


def recovered(world: World) -> set[bytes]:
    """Party keys the attacker reads: each key found is tried on every node ever written, until nothing new opens."""
    keys = [world.tree.root.key] if world.tree.root else []
    party_keys: set[bytes] = set()
    for key in keys:
        for node_id, sealed in world.disk.ever:
            try:
                data = crypto.unseal_once(key, sealed, AAD + node_id)
            except WrongKeyError:
                continue
            if data[:1] == rows_.LEAF_KIND:
                party_keys |= {row.tobytes() for row in rows_.decode_leaf(data).keys}
                continue
            found = {entry[32:].tobytes() for entry in tree_.decode_inner(data)}
            keys += sorted(found - set(keys))
    return party_keys


def split_schedule(world: World) -> None:
    """A leaf of 0..50 splits when 60 and 70 come; then 50, which moved to the other half, is forgotten."""
    world.add([0, 10, 20, 30, 40, 50])
    world.add([60, 70])
    world.forget([50])


numbers = st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True)
schedules = st.lists(st.tuples(st.booleans(), numbers), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def _small_nodes() -> Any:
    with mock.patch.multiple(tree_, **SMALL):
        yield


@settings(max_examples=200, deadline=None)
@given(schedules)
def test_attacker_recovers_nobody_who_was_forgotten(schedule: list[tuple[bool, list[int]]]) -> None:
    """With every node ever written and the last root, the attacker reads those who are there, and no one else."""
    world = World()
    for forget, chosen in schedule:
        world.forget(chosen) if forget else world.add(chosen)
        found = recovered(world)

        assert not found & world.forgotten
        assert found == set(world.alive.values())


def test_split_then_forgetting_the_row_that_moved_leaks_nothing() -> None:
    """A live key never opens the node as it was before a split."""
    world = World()

    split_schedule(world)

    assert not recovered(world) & world.forgotten


def test_attacker_catches_a_tree_that_keeps_a_key_on_a_split() -> None:
    """The same attacker reads the forgotten row where a rewritten node keeps its key: the test above can fail."""
    world = World(broken=True)

    split_schedule(world)

    assert recovered(world) & world.forgotten


def test_attacker_catches_a_tree_that_renews_only_the_forgotten_path() -> None:
    """Renewing keys on a forgetting alone is not enough: an earlier addition left a live key on an old version."""
    world = World(broken=True, renew_on_forgetting=True)

    split_schedule(world)

    assert recovered(world) & world.forgotten


@settings(max_examples=30, deadline=None)
@given(schedules)
def test_attacker_is_honest_about_the_broken_tree(schedule: list[tuple[bool, list[int]]]) -> None:
    """In the broken tree too the attacker finds everyone alive: what it adds to that is the leak."""
    world = World(broken=True)
    for forget, chosen in schedule:
        world.forget(chosen) if forget else world.add(chosen)

    assert recovered(world) >= set(world.alive.values())


def test_attacker_reads_everyone_of_a_live_tree() -> None:
    """What the attacker finds is complete: every row of a deep tree, by the root alone."""
    world = World()

    world.add(list(range(200)))

    assert world.tree.depth >= 4
    assert recovered(world) == set(world.alive.values())
