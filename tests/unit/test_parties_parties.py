"""Parties: rows for identities, changes of holder, forgetting, months, and the commitments to rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unheld_branch.keys.parties import commitments, rows, tags
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.nodes import Nodes
from unheld_branch.keys.parties.parties import Parties
from unheld_verify import canonical, crypto, merkle
from unheld_verify.errors import BadInputError, StateError

ANN, BEN, EVE = "tel:+959123450001", "tel:+959123450002", "tel:+959123450003"
SIM, SIM2 = "imsi:414010000000001", "imsi:414010000000002"
MONTH = 202607


class Store(dict[bytes, bytes]):
    """Sealed nodes in memory."""

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: self[node_id] for node_id in node_ids}


@pytest.fixture
def parties() -> Parties:
    """Ann with a SIM, and Ben since second 100."""
    empty = Parties(Nodes(bytes(16), Store()), {})
    held, _ = empty.add(0, Newcomers([ANN], imsis=[SIM]))
    return held.add(0, Newcomers([BEN], since=100))[0]


def key_of(parties: Parties, identity: str, time: int | None = None) -> bytes:
    """The party key of one identity, b"" where there is none."""
    found = parties.find([identity], [0]) if time is None else parties.owner_at([identity], [time], [0])
    return found.rows.keys.tobytes()


def drop(parties: Parties, identity: str) -> Parties:
    """Forget whoever holds the identity now."""
    found = parties.find([identity], [0]).rows
    return parties.drop(0, found.tags, found.labels)[0]


def test_find_answers_in_the_order_asked(parties: Parties) -> None:
    """Repeats and strangers included, each answer stands at its place."""
    found = parties.find([BEN, EVE, ANN, BEN], [0])

    assert found.trees.tolist() == [0, -1, 0, 0]
    assert found.mask.tolist() == [True, False, True, True]
    assert found.rows.since.tolist() == [100, 0, 100]
    assert found.rows.keys[0].tobytes() == found.rows.keys[2].tobytes() == key_of(parties, BEN)


def test_find_takes_the_first_tree_that_has_a_row(parties: Parties) -> None:
    """A subscriber is never looked up among the strangers of a month."""
    both, _ = parties.add(MONTH, Newcomers([BEN, EVE]))

    found = both.find([EVE, BEN, ANN], [0, MONTH, 202608])

    assert found.trees.tolist() == [MONTH, 0, 0]
    assert found.rows.keys[1].tobytes() == key_of(parties, BEN)


def test_same_identity_has_unrelated_tags_in_two_trees(parties: Parties) -> None:
    """Every tree has a tag key of its own."""
    both, made = parties.add(MONTH, Newcomers([BEN]))

    assert made.rows.tags.tobytes() != both.find([BEN], [0]).rows.tags.tobytes()


def test_adding_somebody_who_has_a_row_is_refused(parties: Parties) -> None:
    """A living row is never replaced, and nothing is written."""
    before = parties.trees[0]

    with pytest.raises(StateError, match="there already"):
        parties.add(0, Newcomers([EVE, BEN]))

    assert parties.trees[0] is before


def test_identity_given_twice_is_refused(parties: Parties) -> None:
    """Two rows for one identity would lose one of them."""
    with pytest.raises(BadInputError, match="twice"):
        parties.add(0, Newcomers([EVE, EVE]))


def test_party_and_its_sim_share_key_and_label(parties: Parties) -> None:
    """A record that names only the SIM is sealed with the party's own key."""
    found = parties.find([ANN, SIM], [0]).rows

    assert found.keys[0].tobytes() == found.keys[1].tobytes()
    assert found.labels[0].tobytes() == found.labels[1].tobytes()


@pytest.mark.parametrize("named", [ANN, SIM, SIM2])
def test_forgetting_a_party_drops_every_row_of_it(parties: Parties, named: str) -> None:
    """By the number or by any SIM, the whole party goes, and nobody else."""
    linked, _ = parties.link(0, [ANN], [SIM2], since=50)

    after = drop(linked, named)

    assert after.find([ANN, SIM, SIM2, BEN], [0]).mask.tolist() == [False, False, False, True]
    assert after.trees[0].rows == 1


def test_forgetting_spares_a_new_holder(parties: Parties) -> None:
    """A plan made before the number changed hands does not forget the new holder."""
    planned = parties.find([BEN], [0]).rows
    changed, _ = parties.change_holders(0, Newcomers([BEN], since=200))

    after, dropped = changed.drop(0, planned.tags, planned.labels)

    assert dropped.missed.tolist() == [True]
    assert len(dropped.rows) == 0
    assert after.trees[0] is changed.trees[0]


def test_forgetting_reports_what_was_not_there(parties: Parties) -> None:
    """Padding and rows that went before are missed, the rest is dropped."""
    ben = parties.find([BEN], [0]).rows
    wanted = np.concatenate([np.zeros((1, 16), np.uint8), ben.tags])

    _, dropped = parties.drop(0, wanted, np.concatenate([ben.labels, ben.labels]))

    assert dropped.missed.tolist() == [True, False]
    assert len(dropped.rows) == 1


def test_link_never_leads_to_another_party(parties: Parties) -> None:
    """A row that points at a stranger's row does not take the stranger along."""
    eve = parties.find([BEN], [0]).rows
    false = rows.make_extras(eve.tags, rows.LINK, parties.find([ANN], [0]).rows.tags)
    from unheld_branch.keys.parties import tree as tree_

    pointing = rows.make(eve.tags, eve.keys, eve.labels, eve.since, extras=false)
    changed = Parties(parties.nodes, {0: tree_.apply(parties.trees[0], parties.nodes, pointing)})

    assert drop(changed, BEN).find([ANN, SIM, BEN], [0]).mask.tolist() == [True, True, False]


def test_record_belongs_to_whoever_held_the_number_then(parties: Parties) -> None:
    """Before, at and after a change of holder, and before the first."""
    ben = key_of(parties, BEN)
    changed, made = parties.change_holders(0, Newcomers([BEN], since=200))
    new = made.rows.keys.tobytes()

    assert [key_of(changed, BEN, time) for time in (99, 100, 199, 200, 10**9)] == [b"", ben, ben, new, new]
    assert key_of(changed, BEN) == new


def test_owner_at_goes_back_over_several_holders(parties: Parties) -> None:
    """Each holder's time leads to the holder before."""
    keys = [key_of(parties, BEN)]
    for since in (200, 300, 400):
        parties, made = parties.change_holders(0, Newcomers([BEN], since=since))
        keys.append(made.rows.keys.tobytes())

    found = parties.owner_at([BEN] * 4, [450, 150, 350, 250], [0])

    assert [key.tobytes() for key in found.rows.keys] == [keys[3], keys[0], keys[2], keys[1]]


def test_earlier_holder_is_reached_when_the_one_between_was_forgotten(parties: Parties) -> None:
    """Forgetting the present holder does not make an earlier one unforgettable."""
    ben = key_of(parties, BEN)
    changed, _ = parties.change_holders(0, Newcomers([BEN], since=200))

    after = drop(changed, BEN)

    assert key_of(after, BEN, 150) == b""
    assert after.earlier_holder(BEN, 150, 0).keys.tobytes() == ben
    assert len(after.earlier_holder(BEN, 250, 0)) == 0


def test_sim_stays_with_the_holder_who_leaves_and_follows_the_link(parties: Parties) -> None:
    """After the number went to somebody else, forgetting by the old SIM drops the old holder's moved row."""
    ann = key_of(parties, ANN)
    changed, _ = parties.change_holders(0, Newcomers([ANN], since=200))
    assert key_of(changed, SIM) == ann

    after = drop(changed, SIM)

    assert key_of(after, ANN, 150) == b""
    assert len(after.earlier_holder(ANN, 150, 0)) == 0
    assert key_of(after, ANN, 250) != b""


def test_number_and_sim_pass_to_one_new_holder(parties: Parties) -> None:
    """A subscription that changes its name: both rows move, and both new ones are linked."""
    ann = key_of(parties, ANN)
    changed, _ = parties.change_holders(0, Newcomers([ANN], since=200, imsis=[SIM]))

    assert changed.owner_at([ANN, SIM], [150, 150], [0]).rows.keys.tobytes() == ann * 2
    assert drop(changed, SIM).find([ANN, SIM], [0]).mask.tolist() == [False, False]


def test_holder_cannot_end_before_beginning(parties: Parties) -> None:
    """A date of change before the holder's own beginning is an error of the registry."""
    with pytest.raises(BadInputError, match="before having begun"):
        parties.retire(0, [BEN], 100)


def test_stranger_cannot_be_retired(parties: Parties) -> None:
    """The error names the place in the list, never the number."""
    with pytest.raises(StateError, match="identity number 1 has no row") as caught:
        parties.retire(0, [BEN, EVE], 200)

    assert EVE not in str(caught.value)


def test_prune_drops_earlier_holders_whose_time_is_long_over(parties: Parties) -> None:
    """Present holders and later endings stay."""
    changed, _ = parties.change_holders(0, Newcomers([BEN], since=200))
    changed, _ = changed.change_holders(0, Newcomers([BEN], since=300))

    after, gone = changed.prune(0, before=300)

    assert gone.ended.tolist() == [200]
    assert [bool(key_of(after, BEN, time)) for time in (150, 250, 350)] == [False, True, True]


def test_dropping_a_month_forgets_its_strangers_only(parties: Parties) -> None:
    """The month's tree and tag key are gone, subscribers stay."""
    both, _ = parties.add(MONTH, Newcomers([EVE]))

    after = both.drop_tree(MONTH)

    assert set(after.trees) == {0}
    assert after.find([EVE, ANN], [0, MONTH]).trees.tolist() == [-1, 0]
    with pytest.raises(StateError, match="no party tree 202607"):
        after.drop_tree(MONTH)


@pytest.mark.parametrize("number", [1, -1, 202600, 202613, 196912, 20260701])
def test_tree_number_that_is_no_month_is_refused(parties: Parties, number: int) -> None:
    """Trees are 0 or yyyymm."""
    with pytest.raises(BadInputError, match="yyyymm"):
        parties.add(number, Newcomers([EVE]))


def test_nobody_added_makes_an_empty_tree(parties: Parties) -> None:
    """A month in which nobody was met is no error."""
    after, made = parties.add(MONTH, Newcomers([]))

    assert (after.trees[MONTH].rows, made.identities) == (0, [])


def test_enrolled_subscriber_has_a_label_anybody_with_the_salt_recomputes(parties: Parties) -> None:
    """The label binds the public key; the row keeps the key and the salt."""
    public = crypto.random_bytes(32)
    after, _ = parties.add(0, Newcomers([EVE], publics=[public], holders=["12/ABC(N)3"]))
    row = after.find([EVE], [0]).rows
    extras = {kind: row.extras_of(kind)[1][0].tobytes() for kind in (rows.PUBLIC_KEY, rows.SALT, rows.HOLDER)}

    assert extras[rows.PUBLIC_KEY] == public
    assert row.labels.tobytes() == tags.label(public, extras[rows.SALT][:16])
    assert extras[rows.HOLDER] == tags.holder_check(row.keys.tobytes(), "12/ABC(N)3")


@pytest.mark.parametrize(
    "wrong",
    [
        Newcomers([EVE], since=-1),
        Newcomers([EVE], since=2**32),
        Newcomers([EVE], since=[1, 2]),
        Newcomers([EVE], imsis=[SIM2, None]),
        Newcomers([EVE], publics=[b"short"]),
        Newcomers([EVE], holders=[""]),
        Newcomers([EVE], imsis=[EVE]),
    ],
)
def test_malformed_newcomers_are_refused(parties: Parties, wrong: Newcomers) -> None:
    """Nothing is added."""
    with pytest.raises(BadInputError):
        parties.add(0, wrong)


@pytest.mark.parametrize(
    "identity",
    ["", "tel:959123456789", "tel:+1234567", "tel:+1234567890123456", "tel:+95٩123456789", "imsi:4140100000000",
     "short:1234567", "short:", "alpha:kbz", "alpha:TWELVE CHARS", "alpha:A`B", "sub:a b", "sub:" + "x" * 33,
     "TEL:+959123456789", "tel:+959123456789\n", "mail:a"],
)  # fmt: skip
def test_invalid_identity_is_refused_without_being_repeated(identity: str) -> None:
    """The error says which place and which forms there are, never the identity itself."""
    with pytest.raises(BadInputError, match="identity number 1 is none of") as caught:
        tags.tags(bytes(32), [ANN, identity])

    forms = "tel:+<8..15 digits>, imsi:<14..15 digits>, short:<1..6 digits>, alpha:<1..11 upper-case characters>"
    assert str(caught.value) == f"identity number 1 is none of {forms}, sub:<1..32 characters>"


@pytest.mark.parametrize("identity", [ANN, SIM, "short:1", "alpha:KBZ PAY", "alpha:A\"&_.-'", "sub:A-1_b.2"])
def test_valid_identity_has_a_tag(identity: str) -> None:
    """A tag is keyed BLAKE2b-128 over the second and the identity."""
    expected = crypto.blake2b_128(b"k" * 32, b"\0\0\0\7" + identity.encode())

    assert tags.tags(b"k" * 32, [identity], 7).tobytes() == expected


def committed(count: int) -> tuple[rows.Rows, list[str], list[bytes]]:
    """Rows of `count` strangers, their identities, their leaves."""
    names = [f"tel:+9591{number:08}" for number in range(count)]
    _, made = Parties(Nodes(bytes(16), Store()), {}).add(MONTH, Newcomers(names, since=5))
    return made.rows, made.identities, commitments.leaves(made.rows, made.identities)


@pytest.mark.parametrize(("count", "leaves"), [(0, 16), (1, 16), (16, 16), (17, 32), (33, 64), (64, 64)])
def test_number_of_leaves_is_a_power_of_two(count: int, leaves: int) -> None:
    """How many rows were made is not told closer than that."""
    assert len(committed(count)[2]) == leaves


def test_row_commitment_is_opened_by_its_key_label_identity_and_since() -> None:
    """With r, anybody computes the leaf and finds it under the root."""
    made, names, leaves = committed(20)
    label = made.labels[3].tobytes()
    r = crypto.hmac_sha256(made.keys[3].tobytes(), b"unheld/v1/row")
    leaf = crypto.hmac_sha256(r, canonical.encode({"v": 1, "label": label.hex(), "identity": names[3], "since": 5}))
    hashes = [merkle.leaf_hash(each) for each in leaves]
    place = leaves.index(leaf)
    path = merkle.prove_inclusion(place, len(leaves), merkle.subtree_of(hashes))

    merkle.verify_inclusion(place, len(leaves), merkle.leaf_hash(leaf), path, commitments.root(leaves))
    assert commitments.commitment(r, label, names[3], 5) == leaf


@pytest.mark.parametrize("identity", ['alpha:A"B', "alpha:A/B'<&>", ANN])
def test_commitment_is_over_canonical_json(identity: str) -> None:
    """Sender names with signs JSON escapes are committed as canonical JSON writes them."""
    statement = canonical.encode({"v": 1, "label": "61" * 16, "identity": identity, "since": 9})

    assert commitments.commitment(b"r" * 32, b"a" * 16, identity, 9) == crypto.hmac_sha256(b"r" * 32, statement)


def test_leaves_are_in_an_order_that_tells_nothing() -> None:
    """Sorted by value: neither the order of arrival nor what is padding shows."""
    leaves = committed(20)[2]

    assert leaves == sorted(leaves)


def test_list_of_leaves_comes_back_from_its_file() -> None:
    """What `rows/<generation>.bin` holds is the list."""
    leaves = committed(3)[2]

    assert commitments.decode(commitments.encode(leaves)) == leaves


@pytest.mark.parametrize("size", [0, 31, 32 * 15, 32 * 17, 32 * 16 + 1])
def test_cut_list_of_leaves_is_refused(size: int) -> None:
    """A file of another size is no list of leaves."""
    with pytest.raises(BadInputError, match="cut off"):
        commitments.decode(bytes(size))


def test_short_opening_is_refused() -> None:
    """HMAC pads short keys with zeros: r must have 32 bytes."""
    with pytest.raises(BadInputError, match="32 bytes"):
        commitments.commitment(b"r" * 31, b"a" * 16, ANN, 0)


def test_nothing_printed_holds_an_identity_or_a_key(parties: Parties) -> None:
    """Printed by accident, parties show counts only."""
    after, made = parties.add(0, Newcomers([EVE], holders=["HOLDER"]))
    text = "".join(repr(value) for value in (after, made, Newcomers([EVE]), after.find([EVE], [0])))

    assert EVE not in text
    assert "HOLDER" not in text
    assert "array([[" not in text
