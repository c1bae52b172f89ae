"""What changed between two trees, against dictionaries; and copies of a store's tree, which live from it."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.calls import FIRST, Call, calls
from tests.support.stores import TestStore, made_store
from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tree as tree_
from unheld_branch.keys.parties.difference import difference
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.nodes import Nodes
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store.replica import Replica
from unheld_branch.store.vault import Vault

SMALL: dict[str, Any] = {"LEAF_ROWS": 6, "LEAF_FILL": 4, "INNER_CHILDREN": 4, "INNER_FILL": 3, "_BATCH": 2}
Model = dict[int, tuple[int, bool]]
"""Rows by number: since when, and whether it has an extra."""


class Kept(dict[bytes, bytes]):
    """Sealed nodes in memory; nothing is ever deleted, so that both trees can be read."""

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: self[node_id] for node_id in node_ids}


@pytest.fixture(autouse=True, scope="module")
def _small_nodes() -> Any:
    with mock.patch.multiple(tree_, **SMALL):
        yield


def tag(number: int) -> bytes:
    return number.to_bytes(2, "big") + bytes(14)


def as_rows(model: Model) -> Rows:
    numbers = sorted(model)
    column = np.array([list(number.to_bytes(2, "big")) for number in numbers], np.uint8).reshape(-1, 2)
    extras = rows_.make_extras(
        rows_.tags_from([tag(number) for number in numbers if model[number][1]]),
        rows_.HOLDER,
        np.frombuffer(b"".join(bytes([model[n][0] % 256]) * 32 for n in numbers if model[n][1]), np.uint8).reshape(
            -1, 32
        ),
    )
    return rows_.make(
        rows_.tags_from([tag(number) for number in numbers]),
        np.tile(column, (1, 16)),
        np.tile(column, (1, 8)),
        np.array([model[number][0] for number in numbers], np.uint32),
        extras=extras,
    )


def as_model(rows: Rows) -> Model:
    has, _ = rows.extras_of(rows_.HOLDER)
    numbers = [int.from_bytes(name.tobytes()[:2], "big") for name in rows.tags]
    return dict(zip(numbers, zip(rows.since.tolist(), has.tolist(), strict=True), strict=True))


def apply(tree: Tree, nodes: Nodes, store: Kept, upserts: Model, deletes: set[int]) -> Tree:
    gone = rows_.tags_from([tag(number) for number in sorted(deletes)])
    made = tree_.apply(tree, nodes, as_rows(upserts), gone)
    store.update(nodes.take().new)
    return made


MODELS = st.dictionaries(st.integers(0, 120), st.tuples(st.integers(0, 3), st.booleans()), max_size=90)


@settings(max_examples=60)
@given(MODELS, MODELS, st.sets(st.integers(0, 120), max_size=100))
def test_the_difference_of_two_trees_is_that_of_their_rows(old: Model, new: Model, dropped: set[int]) -> None:
    """Rows added, changed or dropped between two trees are found, extras included, and no others."""
    store = Kept()
    nodes = Nodes(bytes(16), store)
    before = apply(Tree(bytes(32)), nodes, store, old, set())
    after = apply(before, nodes, store, new, dropped - set(new))
    expected = {number: row for number, row in (old | new).items() if number not in dropped - set(new)}

    found = difference(before, after, nodes)

    assert as_model(found.upserts) == {number: row for number, row in expected.items() if old.get(number) != row}
    gone = {int.from_bytes(name.tobytes()[:2], "big") for name in found.deletes}
    assert gone == set(old) - set(expected)


@settings(max_examples=30)
@given(MODELS, MODELS)
def test_a_difference_leads_from_one_tree_to_the_other(old: Model, new: Model) -> None:
    """Applied to the old rows it gives the new ones, whatever shape either tree has."""
    store = Kept()
    nodes = Nodes(bytes(16), store)
    before = apply(Tree(bytes(32)), nodes, store, old, set())
    after = apply(Tree(bytes(32)), nodes, store, new, set())

    found = difference(before, after, nodes)
    reached = tree_.apply(before, nodes, found.upserts, found.deletes)

    assert as_model(rows_.join(list(tree_.walk(reached, nodes)))) == new


@given(MODELS)
def test_a_tree_differs_not_from_itself(model: Model) -> None:
    """Nothing changed means no row is named, and none is even read."""
    store = Kept()
    nodes = Nodes(bytes(16), store)
    tree = apply(Tree(bytes(32)), nodes, store, model, set())
    store.clear()

    found = difference(tree, tree, nodes)

    assert (len(found.upserts), len(found.deletes)) == (0, 0)


def everyone(vault: Vault) -> dict[int, list[tuple[bytes, ...]]]:
    """All rows of a vault by tree, as bytes."""
    root, nodes = vault.load(), vault.nodes()
    found = {}
    for number, tree in root.trees.items():
        rows = rows_.join(list(tree_.walk(tree, nodes))).sort()
        parts = (rows.tags, rows.keys, rows.labels, rows.since, rows.ended, rows.extras)
        found[number] = [tuple(part.tobytes() for part in parts)]
    return found


@pytest.fixture
def made(tmp_path: Any) -> TestStore:
    """A store with two copies and a day open."""
    made = made_store(tmp_path, copies=2)
    made.open_day(FIRST)
    return made


def _number(number: int) -> str:
    return f"+999{10_000_000 + number}"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sets(st.integers(0, 40), min_size=1, max_size=25)),
        st.tuples(st.just("drop"), st.sets(st.integers(0, 40), min_size=1, max_size=25)),
        st.tuples(st.just("month"), st.sets(st.integers(0, 40), min_size=1, max_size=10)),
        st.tuples(st.just("leave"), st.just(set[int]())),
        st.tuples(st.just("everything"), st.just(set[int]())),
        st.tuples(st.just("miss"), st.sets(st.integers(41, 60), min_size=1, max_size=5)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12)
@given(steps=STEPS)
def test_copies_hold_what_the_store_holds_after_any_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, set[int]]]
) -> None:
    """Rows come and go, months are met and leave, all are forgotten, a copy misses a change: it holds the same."""
    made = made_store(tmp_path_factory.mktemp("history"), copies=1)
    for name, numbers in steps:
        _step(made, name, [f"tel:{_number(number)}" for number in sorted(numbers)])

    with made.opened() as store:
        assert [everyone(copy) for copy in store.copies.vaults] == [everyone(store.vault)]
        assert [copy.load().plan_key for copy in store.copies.vaults] == [store.root.plan_key]
        assert [copy.load().dedup for copy in store.copies.vaults] == [store.root.dedup]
        assert [copy.database.journal() for copy in store.copies.vaults] == [store.vault.database.journal()]


def _step(made: TestStore, name: str, identities: list[str]) -> None:
    if name == "everything":
        made.everything()
        return
    if name == "miss":
        _missed(made, identities)
        return
    with made.opened() as store:
        parties, tree = store.parties(), 202607 if name == "month" else 0
        known = parties.find(identities, [tree]) if tree in parties.trees else None
        here = known.mask.tolist() if known is not None else [False] * len(identities)
        fresh = [identity for identity, is_here in zip(identities, here, strict=True) if not is_here]
        if name == "leave":
            if 202607 not in parties.trees:
                return
            parties = parties.drop_tree(202607)
        elif name == "drop":
            assert known is not None
            parties, _ = parties.drop(0, known.rows.tags, known.rows.labels)
        elif fresh:
            parties, _ = parties.add(tree, Newcomers(fresh))
        store.commit({"kind": "rows", "rows": ""}, parties=parties)


def _missed(made: TestStore, identities: list[str]) -> None:
    """The copy is cut off before it follows; the next opening brings it up to date."""
    with made.opened() as store:
        parties = store.parties()
        fresh = [name for name in identities if not parties.find([name], [0]).mask[0]]
        if fresh:
            parties, _ = parties.add(0, Newcomers(fresh))
        with mock.patch.object(Replica, "step", side_effect=OSError), pytest.raises(OSError):  # noqa: PT011
            store.commit({"kind": "rows", "rows": ""}, parties=parties)


def test_a_copy_is_no_plain_copy(made: TestStore) -> None:
    """A copy has the same rows under other node keys and its own root key: neither root opens the other's tree."""
    made.ingest(calls(Call(_number(1)), Call(_number(2))))

    with made.opened() as store:
        vaults = [store.vault, *store.copies.vaults]
        tops = [vault.load().trees[0].root for vault in vaults]
        secrets = {vault.slot.live()[0].secret for vault in vaults}
        ids = [vault.database.node_ids() for vault in vaults]

    assert len(secrets) == 3
    assert len({top.key for top in tops if top}) == 3
    assert not ids[0] & ids[1] | ids[1] & ids[2]
