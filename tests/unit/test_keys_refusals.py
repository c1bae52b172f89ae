"""What the room `keys` refuses, and where nothing is left to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.test_parties_nodes import Store, some_rows
from unheld_branch.keys import folios
from unheld_branch.keys.columns import DayKeys, check_push, complete, corroborated
from unheld_branch.keys.parties import newcomers, root, rows, tags, tree
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.nodes import Nodes
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.tree import Tree
from unheld_verify import columns
from unheld_verify.columns import Attestation, Push
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


def test_the_leaves_between_two_tags_hold_all_of_them() -> None:
    """Whoever copies a part of a tree gets every row of it, and not the leaves far from it."""
    nodes = Nodes(bytes(16), Store())
    made = tree.apply(Tree(b"k" * 32), nodes, some_rows(1_500))
    low, high = (700).to_bytes(16, "big"), (720).to_bytes(16, "big")

    found = [tag.tobytes() for leaf in tree.between(made, nodes, low, high) for tag in leaf.tags]

    assert [tag for tag in found if low <= tag <= high] == [at.to_bytes(16, "big") for at in range(700, 721)]
    assert len(found) < 1_500


def test_every_node_of_a_tree_is_named() -> None:
    """The ids of a tree of three leaves are those of its leaves and of the node above them."""
    nodes = Nodes(bytes(16), Store())
    made = tree.apply(Tree(b"k" * 32), nodes, some_rows(1_500))

    assert made.depth == 2
    assert tree.node_ids(made, nodes) == {node_id for node_id, _ in nodes.take().new}


def test_a_key_that_no_holder_had_opens_no_row() -> None:
    """Whoever asks with a key of their own making gets no holder's row: not the present one's, and no earlier one's."""
    first, second = b"1" * 32, b"2" * 32
    parties, _ = Parties(Nodes(bytes(16), Store()), {}).add(0, Newcomers([ANN], publics=[first]))
    parties, _ = parties.change_holders(0, Newcomers([ANN], publics=[second], since=100))

    assert [len(parties.keyed_row(0, ANN, key)) for key in (first, second, b"3" * 32)] == [1, 1, 0]


def test_as_many_labels_as_tags_are_dropped() -> None:
    """A tag without its label forgets nobody."""
    parties, made = Parties(Nodes(bytes(16), Store()), {}).add(0, Newcomers([ANN, BEN]))

    with pytest.raises(BadInputError, match="2 tags need as many labels"):
        parties.drop(0, made.rows.tags, made.rows.labels[:1])


def test_a_root_whose_tree_is_half_empty_is_refused() -> None:
    """Rows without depth, depth without rows, a count that is no number: no tree has them."""
    nodes = Nodes(bytes(16), Store())
    made = root.RootNode(1, bytes(32), {}, {0: tree.apply(Tree(b"k" * 32), nodes, some_rows(3))})
    good = root._to_json(made)
    root._from_json(good)

    for change in ({"rows": 0}, {"depth": 0}, {"rows": True}, {"depth": -1}, {"more": 1}):
        trees = {name: {**one, **change} for name, one in good["trees"].items()}
        with pytest.raises(BadInputError, match="a tree "):
            root._from_json({**good, "trees": trees})


def test_folios_of_every_party_have_keys_and_ids_of_their_own() -> None:
    """What is derived for all at once is what is derived for one."""
    secrets = folios.FolioSecrets(bytes(range(256)) * 2)

    assert secrets.block_keys() == [secrets.block_key(at) for at in range(len(secrets))]
    assert secrets.block_ids(b"batch") == [secrets.block_id(at, b"batch") for at in range(len(secrets))]


def test_day_keys_of_the_widest_numbers_come_back() -> None:
    """Set, sealing day and event day take all their bytes."""
    keys = DayKeys(
        2**32 - 1, columns.LAST_DAY, {("charge", columns.LAST_DAY): tuple(bytes([at]) * 32 for at in range(2))}
    )

    assert DayKeys.from_bytes(keys.to_bytes()) == keys
    assert keys.only([]).keys == {}


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (8 + 4 + 4 + 2 + 3, 2, "cut off"),
        (22, 99, "unknown class"),
        (23, 255, "no date"),
    ],
)
def test_day_keys_say_what_is_wrong_in_them(at: int, value: int, said: str) -> None:
    """Another number of columns, a class or a day that there is not: each is named."""
    data = bytearray(DayKeys(1, 20_640, {("charge", 20_640): (bytes(32),)}).to_bytes())
    data[at] = value

    with pytest.raises(BadInputError, match=f"day keys: .*{said}"):
        DayKeys.from_bytes(bytes(data))


def _push(index: int, *days: int) -> Push:
    keys = {("charge", day): dict.fromkeys(columns.held(3, 2, index), bytes(32)) for day in days}
    return Push(1, index, 20_640, keys, columns.checks(keys), {}, Attestation(b"", b""))


def test_no_single_custodian_shuts_a_day_by_leaving_a_column_out() -> None:
    """One that lacks a column is left out while enough have it; where too few have it, all stay."""
    full, one_lacks = [_push(0, 1, 2), _push(1, 1, 2)], _push(2, 1)
    expected = [("charge", 1), ("charge", 2)]

    assert complete([*full, one_lacks], expected, 2) == (full, [2])
    assert complete([full[0], one_lacks, _push(1, 1)], expected, 2) == ([full[0], one_lacks, _push(1, 1)], [])


def test_a_push_is_of_a_custodian_of_the_set() -> None:
    """A fourth custodian of three is none."""
    with pytest.raises(BadInputError, match="not one of 3"):
        check_push(replace(_push(0, 1), index=3), 3, 2)


def test_two_custodians_corroborate_a_component() -> None:
    """All three of 2-of-3 give each component twice; two of them do not; two of 2-of-2 never."""
    pushes = [_push(index, 1) for index in range(3)]

    assert corroborated(pushes, 3, 2)
    assert not corroborated(pushes[:2], 3, 2)
