"""Nodes, leaves and the root node: what is altered, swapped, missing or malformed is refused with a clear error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unheld_branch.keys.parties import root, rows, tree
from unheld_branch.keys.parties.nodes import Nodes, Ref
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.keys.parties.tree import Tree
from unheld_verify import canonical, crypto
from unheld_verify.errors import BadInputError, StateError, UnheldError, WrongKeyError

STORE_ID = bytes(range(16))
SECRET = b"s" * 32


class Store(dict[bytes, bytes]):
    """Sealed nodes in memory."""

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: self[node_id] for node_id in node_ids}

    def save(self, nodes: Nodes) -> None:
        changes = nodes.take()
        self.update(changes.new)
        for node_id in changes.dead:
            del self[node_id]


def some_rows(count: int, first: int = 0) -> Rows:
    """Rows with ascending tags and a public key each."""
    tags = rows.tags_from([number.to_bytes(16, "big") for number in range(first, first + count)])
    keys = np.frombuffer(crypto.random_bytes(32 * count), np.uint8).reshape(-1, 32)
    labels = np.frombuffer(crypto.random_bytes(16 * count), np.uint8).reshape(-1, 16)
    return rows.make(tags, keys, labels, np.zeros(count, np.uint32), extras=rows.make_extras(tags, 1, keys))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def stored(store: Store) -> Tree:
    """A tree of several leaves, committed."""
    nodes = Nodes(STORE_ID, store)
    made = tree.apply(Tree(bytes(32)), nodes, some_rows(2000))
    store.save(nodes)
    return made


def test_altered_node_does_not_open(store: Store, stored: Tree) -> None:
    """One flipped bit in any node is an error that names the node and the mend."""
    for node_id, sealed in dict(store).items():
        store[node_id] = sealed[:-1] + bytes([sealed[-1] ^ 1])

        with pytest.raises(WrongKeyError, match=f"node {node_id.hex()} .* restore"):
            list(tree.walk(stored, Nodes(STORE_ID, store)))

        store[node_id] = sealed


def test_nodes_swapped_in_the_store_do_not_open(store: Store, stored: Tree) -> None:
    """Two leaves exchanged for each other are noticed."""
    first, second = list(store)[:2]
    store[first], store[second] = store[second], store[first]

    with pytest.raises(WrongKeyError, match="altered, swapped"):
        list(tree.walk(stored, Nodes(STORE_ID, store)))


def test_node_of_another_store_does_not_open(store: Store, stored: Tree) -> None:
    """The store id is part of every node."""
    with pytest.raises(WrongKeyError, match="another store"):
        list(tree.walk(stored, Nodes(bytes(16), store)))


def test_missing_node_is_named(store: Store, stored: Tree) -> None:
    """A node that is gone is an error of its own, not one of keys."""
    assert stored.root is not None
    del store[stored.root.id]

    with pytest.raises(StateError, match=f"node {stored.root.id.hex()} .* missing"):
        tree.lookup(stored, Nodes(STORE_ID, store), some_rows(1).tags)


def test_cut_node_does_not_open(store: Store, stored: Tree) -> None:
    """A node shorter than an authentication tag is refused."""
    assert stored.root is not None
    store[stored.root.id] = b"short"

    with pytest.raises(WrongKeyError, match="restore"):
        list(tree.walk(stored, Nodes(STORE_ID, store)))


def test_walk_checks_the_number_of_rows(store: Store, stored: Tree) -> None:
    """A tree that holds fewer rows than its root says is refused."""
    with pytest.raises(StateError, match="holds 2000 rows, its root says 2001"):
        list(tree.walk(Tree(stored.tag_key, stored.root, stored.depth, 2001), Nodes(STORE_ID, store)))


def test_store_id_of_another_length_is_refused() -> None:
    """A store id has 16 bytes."""
    with pytest.raises(BadInputError, match="16 bytes"):
        Nodes(b"short", Store())


def test_written_node_that_dies_in_the_same_commit_is_never_stored(store: Store) -> None:
    """Several changes before a commit leave only the last version of each node."""
    nodes = Nodes(STORE_ID, store)
    first = tree.apply(Tree(bytes(32)), nodes, some_rows(3))
    second = tree.apply(first, nodes, some_rows(3, first=3))

    changes = nodes.take()

    assert second.root is not None
    assert [node_id for node_id, _ in changes.new] == [second.root.id]
    assert changes.dead == []


def test_flush_bounds_what_waits(store: Store) -> None:
    """With `flush`, a change larger than the bound is handed over in parts and loses nothing."""
    sizes: list[int] = []

    def save(changes: Any) -> None:
        sizes.append(sum(len(body) for _, body in changes.new))
        store.update(changes.new)

    nodes = Nodes(STORE_ID, store, flush=save, flush_bytes=200_000)
    made = tree.apply(Tree(bytes(32)), nodes, some_rows(20_000))
    save(nodes.take())

    assert len(sizes) > 5
    assert max(sizes) < 400_000
    assert sum(len(leaf) for leaf in tree.walk(made, Nodes(STORE_ID, store))) == 20_000


def test_walk_asks_for_a_few_leaves_at_a_time(store: Store) -> None:
    """Memory does not grow with the tree: a walk never fetches more than a batch."""
    nodes = Nodes(STORE_ID, store)
    made = tree.apply(Tree(bytes(32)), nodes, some_rows(60_000))
    store.save(nodes)
    asked: list[int] = []

    class Counting(Store):
        def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
            asked.append(len(list(node_ids)))
            return super().get_many(node_ids)

    count = sum(len(leaf) for leaf in tree.walk(made, Nodes(STORE_ID, Counting(store))))

    assert (count, max(asked)) == (60_000, 64)


def test_one_change_rewrites_one_path(store: Store, stored: Tree) -> None:
    """Forgetting one row writes one node a level and no other."""
    nodes = Nodes(STORE_ID, store)

    changed = tree.apply(stored, nodes, rows.empty(), some_rows(1, first=700).tags)

    changes = nodes.take()
    assert (len(changes.new), len(changes.dead)) == (stored.depth, stored.depth)
    assert changed.rows == stored.rows - 1


def test_deleting_what_is_not_there_changes_nothing(store: Store, stored: Tree) -> None:
    """No node is written, and the tree is the same."""
    nodes = Nodes(STORE_ID, store)

    same = tree.apply(stored, nodes, rows.empty(), some_rows(5, first=90_000).tags)

    assert same is stored
    assert nodes.take().new == []


def test_deleting_every_row_gives_the_empty_tree(store: Store, stored: Tree) -> None:
    """Nothing is left, not a node."""
    nodes = Nodes(STORE_ID, store)

    emptied = tree.apply(stored, nodes, rows.empty(), some_rows(2000).tags)

    store.save(nodes)
    assert emptied == Tree(stored.tag_key)
    assert dict(store) == {}


def test_tag_given_twice_is_refused_before_anything_is_written(store: Store, stored: Tree) -> None:
    """The tree and the store stay as they are."""
    nodes = Nodes(STORE_ID, store)
    twice = some_rows(2).reorder(np.array([0, 0]))

    with pytest.raises(BadInputError, match="same tag"):
        tree.apply(stored, nodes, twice)

    assert nodes.take().new == []


def test_tags_to_delete_of_another_width_are_refused(store: Store, stored: Tree) -> None:
    """A matrix of 32-byte values is not a list of tags."""
    with pytest.raises(BadInputError, match="n x 16"):
        tree.apply(stored, Nodes(STORE_ID, store), rows.empty(), some_rows(2).keys)


LEAF = rows.encode_leaf(some_rows(3))
_ROW = 16 + 32 + 16 + 4 + 4
_EXTRAS = 5 + 3 * _ROW + 4


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x03" + LEAF[1:], id="unknown kind"),
        pytest.param(LEAF + b"\x00", id="a byte too many"),
        pytest.param(LEAF[:-1], id="a byte too few"),
        pytest.param(b"\x01" + bytes(8), id="no row"),
        pytest.param(b"\x01" + (769).to_bytes(4, "big") + bytes(769 * _ROW + 4), id="too many rows"),
        pytest.param(b"\x01\xff\xff\xff\xff" + LEAF[5:], id="a count beyond the bytes"),
        pytest.param(LEAF[:5] + LEAF[21:37] + LEAF[5:21] + LEAF[37:], id="tags not sorted"),
        pytest.param(LEAF[:5] + LEAF[5:21] * 2 + LEAF[37:], id="a tag twice"),
        pytest.param(LEAF[:_EXTRAS] + LEAF[_EXTRAS + 49 : _EXTRAS + 98] * 2 + LEAF[-49:], id="an extra twice"),
        pytest.param(LEAF[: _EXTRAS + 16] + b"\x00" + LEAF[_EXTRAS + 17 :], id="an extra of kind 0"),
        pytest.param(LEAF[:-33] + b"\x06" + LEAF[-32:], id="an extra of kind 6"),
        pytest.param(LEAF[:-49] + b"\xff" * 16 + LEAF[-33:], id="an extra without a row"),
        pytest.param(LEAF[:-33] + b"\x02" + b"l" * 32, id="a link that is not filled with zeros"),
    ],
)
def test_malformed_leaf_is_refused(broken: bytes) -> None:
    """What would not be written again to the same bytes is not read."""
    with pytest.raises(StateError, match="restore"):
        rows.decode_leaf(broken)


def test_row_that_ends_before_it_begins_is_refused() -> None:
    """A holder's time has a length."""
    one = some_rows(1)

    with pytest.raises(BadInputError, match="ends before"):
        rows.make(one.tags, one.keys, one.labels, np.array([5], np.uint32), np.array([5], np.uint32))


def test_leaf_writes_itself_again() -> None:
    """Parse, then encode: the same bytes."""
    assert rows.encode_leaf(rows.decode_leaf(LEAF)) == LEAF


def entry(low: int) -> bytes:
    """An entry of an inner node."""
    return low.to_bytes(16, "big") + bytes(48)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"\x02\x00\x00", id="no child"),
        pytest.param(b"\x01\x00\x01" + entry(0), id="unknown kind"),
        pytest.param(b"\x02\x00\x01" + entry(0) + b"\x00", id="a byte too many"),
        pytest.param(b"\x02\x00\x01" + entry(1), id="first tag is not zero"),
        pytest.param(b"\x02\x00\x03" + entry(0) + entry(2) + entry(1), id="not sorted"),
        pytest.param(b"\x02\x00\x02" + entry(0) * 2, id="a tag twice"),
        pytest.param(b"\x02\x01\x01" + b"".join(map(entry, range(257))), id="too many children"),
    ],
)
def test_malformed_inner_node_is_refused(broken: bytes) -> None:
    """What would not be written again to the same bytes is not read."""
    with pytest.raises(StateError, match="restore"):
        tree.decode_inner(broken)


ROOT = RootNode(
    3, b"p" * 32, {20_000: b"d" * 32}, {0: Tree(b"t" * 32, Ref(b"i" * 16, b"k" * 32), 1, 5), 202_607: Tree(b"u" * 32)}
)


def test_root_node_opens_to_what_was_sealed() -> None:
    """Every field comes back."""
    assert root.unseal(root.seal(ROOT, SECRET, STORE_ID), SECRET, STORE_ID, 3) == ROOT


@pytest.mark.parametrize(
    ("secret", "store_id", "generation"),
    [(b"x" * 32, STORE_ID, 3), (SECRET, bytes(16), 3), (SECRET, STORE_ID, 2), (SECRET, STORE_ID, 4)],
)
def test_root_node_of_another_slot_store_or_generation_is_refused(
    secret: bytes, store_id: bytes, generation: int
) -> None:
    """A rolled-back root node does not open."""
    with pytest.raises(WrongKeyError, match=f"generation {generation}"):
        root.unseal(root.seal(ROOT, SECRET, STORE_ID), secret, store_id, generation)


def plain_root() -> dict[str, Any]:
    """The JSON of ROOT."""
    value: dict[str, Any] = canonical.decode(
        crypto.unseal(SECRET, root.seal(ROOT, SECRET, STORE_ID), root._aad(STORE_ID, 3))
    )
    return value


@pytest.mark.parametrize(
    "change",
    [
        {"v": 0},
        {"generation": 4},
        {"generation": True},
        {"plan_key": "00"},
        {"plan_key": "P" * 64},
        {"dedup": {"07": "64" * 32}},
        {"dedup": []},
        {"trees": {"0": {}}},
        {"trees": {"0": {"tag_key": "00" * 32, "rows": 0, "node": "", "key": "", "depth": 1}}},
        {"trees": {"0": {"tag_key": "00" * 32, "rows": 1, "node": "", "key": "", "depth": 1}}},
        {"trees": {"0": {"tag_key": "00" * 32, "rows": 0, "node": "00" * 16, "key": "00" * 32, "depth": 0}}},
        {"trees": {"0": {"tag_key": "00" * 32, "rows": -1, "node": "00" * 16, "key": "00" * 32, "depth": 1}}},
        {"trees": {"0": {"tag_key": "00" * 32, "rows": 1, "node": "00" * 15, "key": "00" * 32, "depth": 1}}},
        {"extra": 1},
    ],
)
def test_malformed_root_node_is_refused(change: dict[str, Any]) -> None:
    """Even under the right secret only the one form is read."""
    sealed = crypto.seal(SECRET, canonical.encode(plain_root() | change), root._aad(STORE_ID, 3))

    with pytest.raises(StateError, match="breaks its format"):
        root.unseal(sealed, SECRET, STORE_ID, 3)


def test_root_node_shows_no_key_in_its_text() -> None:
    """What is printed by accident holds no secret."""
    text = repr(ROOT) + repr(some_rows(2)) + repr(Ref(b"i" * 16, b"k" * 32))

    assert not any(secret in text for secret in ("pppp", "dddd", "tttt", "kkkk", "6b6b", "array"))


def test_wrong_widths_are_refused() -> None:
    """Columns of another width never become rows."""
    two = some_rows(2)

    with pytest.raises(UnheldError, match="keys: 2 x 32"):
        rows.make(two.tags, two.labels, two.labels, two.since)
    with pytest.raises(UnheldError, match="since: 2 u32"):
        rows.make(two.tags, two.keys, two.labels, two.since.astype(np.int64))
