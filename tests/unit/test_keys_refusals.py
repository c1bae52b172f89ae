"""What the room `keys` refuses, and where nothing is left to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.test_parties_nodes import Store, some_rows
from unheld_branch.keys.parties import newcomers, rows, tags, tree
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.nodes import Nodes
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.tree import Tree
from unheld_verify.errors import BadInputError, StateError

ANN, BEN, SIM = "tel:+959123450001", "tel:+959123450002", "imsi:414010000000001"


def test_as_many_sims_as_identities_are_linked() -> None:
    """A SIM too many has no party, and none is made for it."""
    with pytest.raises(BadInputError, match="2 identities need as many IMSIs, not 1"):
        newcomers.linked(some_rows(2), [SIM], 0, b"k" * 32)


def test_as_many_times_as_identities_are_asked() -> None:
    """A time too few is no time of the last one."""
    parties = Parties(Nodes(bytes(16), Store()), {})

    with pytest.raises(BadInputError, match="2 identities need as many times"):
        parties.owner_at([ANN, BEN], [5], [0])


def test_a_change_of_holders_happens_at_one_second() -> None:
    """Holders that begin at different seconds are changed one by one."""
    parties, _ = Parties(Nodes(bytes(16), Store()), {}).add(0, Newcomers([ANN]))

    with pytest.raises(BadInputError, match="at one second"):
        parties.change_holders(0, Newcomers([ANN], since=[7]))


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_tag_has_sixteen_bytes(length: int) -> None:
    """A tag that was cut off is no other party's."""
    with pytest.raises(BadInputError, match="a tag has 16 bytes"):
        rows.tags_from([bytes(16), bytes(length)])


@pytest.mark.parametrize("second", [-1, rows.MAX_SECONDS + 1])
def test_the_end_of_a_time_is_a_second_that_a_row_can_hold(second: int) -> None:
    """A second outside 32 bits is refused, and not wrapped to another one's tag."""
    with pytest.raises(BadInputError, match="a second lies between"):
        tags.tags(b"k" * 32, [ANN], second)


def test_the_last_second_has_tags_of_its_own() -> None:
    """The bounds themselves are seconds."""
    found = {tags.tags(b"k" * 32, [ANN], second).tobytes() for second in (0, 1, rows.MAX_SECONDS)}

    assert len(found) == 3


def test_a_root_that_tells_more_rows_than_its_tree_holds_is_found() -> None:
    """Who walks a tree is told when a row is missing from it."""
    nodes = Nodes(bytes(16), Store())
    made = tree.apply(Tree(b"k" * 32), nodes, some_rows(3))

    with pytest.raises(StateError, match="holds 3 rows, its root says 4"):
        list(tree.walk(replace(made, rows=4), nodes))


def test_leaves_out_of_order_are_found() -> None:
    """Two leaves that somebody swapped are no tree, though each opens."""
    nodes = Nodes(bytes(16), Store())
    low = rows.encode_leaf(some_rows(2, 10))
    refs = [nodes.write(low), nodes.write(low)]
    entries = np.concatenate([tree._entry(bytes(16), refs[0]), tree._entry(b"\1" * 16, refs[1])])

    with pytest.raises(StateError, match="not in order"):
        list(tree.walk(Tree(b"k" * 32, nodes.write(tree.encode_inner(entries)), 2, 4), nodes))


def test_of_an_empty_tree_there_is_no_node() -> None:
    """A tree of nobody has no nodes to copy and nothing to open."""
    nodes = Nodes(bytes(16), Store())

    assert tree.node_ids(Tree(b"k" * 32), nodes) == set()
    tree.touch(Tree(b"k" * 32), nodes, ())
    assert list(tree.walk(Tree(b"k" * 32), nodes)) == []


def test_every_node_of_a_tree_is_named() -> None:
    """The ids of a tree of three leaves are those of its leaves and of the node above them."""
    nodes = Nodes(bytes(16), Store())
    made = tree.apply(Tree(b"k" * 32), nodes, some_rows(1_500))

    assert made.depth == 2
    assert tree.node_ids(made, nodes) == {node_id for node_id, _ in nodes.take().new}
