"""The party tree against a dictionary, over any sequence of changes, with small nodes so that few rows make it deep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tree as tree_
from unheld_branch.keys.parties.nodes import Nodes, Ref
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.keys.parties.tree import Tree
from unheld_verify import crypto

SMALL: dict[str, Any] = {"LEAF_ROWS": 6, "LEAF_FILL": 4, "INNER_CHILDREN": 4, "INNER_FILL": 3, "_BATCH": 2}
# Tags with zeros in front, at the end and everywhere: what an order of strings could get wrong.
TAGS = [
    *(bytes([number]) + bytes(15) for number in range(60)),
    *(bytes(15) + bytes([number]) for number in range(1, 60)),
    *(crypto.sha256(bytes([number]))[:16] for number in range(80)),
    b"\xff" * 16,
]
Model = dict[bytes, tuple[bytes, bytes, int, dict[int, bytes]]]


class Store(dict[bytes, bytes]):
    """Sealed nodes in memory."""

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: self[node_id] for node_id in node_ids}


class RecordingNodes(Nodes):
    """Nodes that remember every id and key ever given out."""

    def __init__(self, store: Store) -> None:
        super().__init__(bytes(16), store)
        self.history: list[Ref] = []

    def write(self, plaintext: bytes) -> Ref:
        self.history.append(super().write(plaintext))
        return self.history[-1]


def fresh(tags: Sequence[bytes]) -> Model:
    """A row for each tag: every second one with extras."""
    return {
        tag: (
            crypto.random_bytes(32),
            crypto.random_bytes(16),
            number,
            {rows_.PUBLIC_KEY: crypto.random_bytes(32), rows_.HOLDER: crypto.random_bytes(32)} if number % 2 else {},
        )
        for number, tag in enumerate(tags)
    }


def as_rows(model: Model) -> Rows:
    """The model's rows, in its order."""
    extras = [
        rows_.make_extras(rows_.tags_from([tag]), kind, np.frombuffer(value, np.uint8).reshape(1, -1))
        for tag, (_, _, _, kinds) in model.items()
        for kind, value in kinds.items()
    ]
    return rows_.make(
        rows_.tags_from(list(model)),
        np.frombuffer(b"".join(key for key, *_ in model.values()), np.uint8).reshape(-1, 32),
        np.frombuffer(b"".join(label for _, label, *_ in model.values()), np.uint8).reshape(-1, 16),
        np.array([since for _, _, since, _ in model.values()], np.uint32),
        extras=np.concatenate(extras) if extras else None,
    )


def as_model(rows: Rows) -> Model:
    """Rows as a dictionary, extras included."""
    kinds = {kind: rows.extras_of(kind) for kind in (rows_.PUBLIC_KEY, rows_.HOLDER)}
    return {
        tag.tobytes(): (
            rows.keys[at].tobytes(),
            rows.labels[at].tobytes(),
            int(rows.since[at]),
            {kind: values[at].tobytes() for kind, (has, values) in kinds.items() if has[at]},
        )
        for at, tag in enumerate(rows.tags)
    }


# A few tags anywhere, or a whole run of neighbours: runs split nodes, and empty inner nodes when they go.
some_tags = st.lists(st.sampled_from(TAGS), unique=True, max_size=20) | st.tuples(
    st.integers(0, len(TAGS)), st.integers(0, len(TAGS))
).map(lambda ends: sorted(TAGS)[min(ends) : max(ends)])


class TreeMachine(RuleBasedStateMachine):
    """Adds, replaces, drops and commits in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.small = mock.patch.multiple(tree_, **SMALL)
        self.small.start()
        self.store = Store()
        self.nodes = RecordingNodes(self.store)
        self.tree = Tree(bytes(32))
        self.model: Model = {}

    def teardown(self) -> None:
        self.small.stop()

    @rule(added=some_tags, dropped=some_tags)
    def change(self, added: list[bytes], dropped: list[bytes]) -> None:
        """One change: drop, then add or replace."""
        new = fresh(added)
        self.tree = tree_.apply(self.tree, self.nodes, as_rows(new), rows_.tags_from(dropped))
        self.model = {tag: row for tag, row in self.model.items() if tag not in dropped} | new

    @rule()
    def drop_everyone(self) -> None:
        """All rows go: the empty tree is left."""
        self.tree = tree_.apply(self.tree, self.nodes, rows_.empty(), rows_.tags_from(list(self.model)))
        self.model = {}
        assert (self.tree.root, self.tree.depth) == (None, 0)

    @rule()
    def commit(self) -> None:
        """What was written reaches the store, what is dead leaves it."""
        changes = self.nodes.take()
        self.store.update(changes.new)
        for node_id in changes.dead:
            del self.store[node_id]

    @rule(asked=st.lists(st.sampled_from(TAGS), max_size=50))
    def ask(self, asked: list[bytes]) -> None:
        """Lookups answer in the order asked, repeats included."""
        rows, hit = tree_.lookup(self.tree, self.nodes, rows_.tags_from(asked))
        assert hit.tolist() == [tag in self.model for tag in asked]
        assert [tag.tobytes() for tag in rows.tags] == [tag for tag in asked if tag in self.model]
        assert as_model(rows) == {tag: self.model[tag] for tag in asked if tag in self.model}

    @invariant()
    def holds_the_model(self) -> None:
        """A walk gives the model's rows in order."""
        rows = rows_.join(list(tree_.walk(self.tree, self.nodes)))
        assert as_model(rows) == self.model
        assert [tag.tobytes() for tag in rows.tags] == sorted(self.model)

    @invariant()
    def never_repeats(self) -> None:
        """No key and no id was ever given out twice."""
        for values in ([ref.id for ref in self.nodes.history], [ref.key for ref in self.nodes.history]):
            assert len(set(values)) == len(values)

    @invariant()
    def keeps_no_orphans(self) -> None:
        """Alive nodes are those the root leads to: as many as there are leaves and inner nodes."""
        alive = (set(self.store) | set(self.nodes._new)) - set(self.nodes._dead)
        reached = Nodes(bytes(16), Merged(self.store, self.nodes._new))
        tree_.drop_all(self.tree, reached)
        assert set(reached.take().dead) == alive


class Merged:
    """The store as it will be after the commit."""

    def __init__(self, *parts: dict[bytes, bytes]) -> None:
        self.parts = parts

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: next(part[node_id] for part in self.parts if node_id in part) for node_id in node_ids}


TestTreeMachine = TreeMachine.TestCase
TestTreeMachine.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
