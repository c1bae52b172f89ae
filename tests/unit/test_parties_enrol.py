"""Enrolling: a row that records made before the registry came learns who its holder is."""

from __future__ import annotations

from typing import Any

import pytest

from unheld_branch.keys.parties import commitments, tags
from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.nodes import Nodes
from unheld_branch.keys.parties.parties import Parties
from unheld_verify.errors import BadInputError, StateError

ALICE, BOB = "tel:+99911111111", "tel:+99922222222"


class Kept(dict[bytes, bytes]):
    """Sealed nodes in memory."""

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: self[node_id] for node_id in node_ids}


@pytest.fixture
def parties() -> Parties:
    """Two parties that records made."""
    return Parties(Nodes(bytes(16), Kept()), {}).add(0, Newcomers([ALICE, BOB]))[0]


def test_an_enrolled_row_keeps_its_key_and_knows_its_holder(parties: Parties) -> None:
    """Key and label stay, so everything sealed still opens; the holder is there as a check, and since when."""
    before = parties.find([ALICE], [0]).rows

    after, made = parties.enrol(0, [ALICE], ["H1"], [1000])

    rows = after.find([ALICE], [0]).rows
    assert (rows.keys.tobytes(), rows.labels.tobytes()) == (before.keys.tobytes(), before.labels.tobytes())
    has, checks = rows.extras_of(rows_.HOLDER)
    assert has.tolist() == [True]
    assert checks[0].tobytes() == tags.holder_check(rows.keys[0].tobytes(), "H1")
    assert rows.since.tolist() == [1000]
    assert (made.identities, len(commitments.leaves(made.rows, made.identities))) == ([ALICE], 16)


def test_an_enrolled_row_can_be_taken_over(parties: Parties) -> None:
    """From then on a change of holder is seen like any other."""
    enrolled, _ = parties.enrol(0, [ALICE], ["H1"], [1000])

    after, _ = enrolled.change_holders(0, Newcomers([ALICE], 2000, holders=["H2"]))

    old = after.owner_at([ALICE], [1500], [0]).rows
    new = after.find([ALICE], [0]).rows
    assert old.keys.tobytes() == enrolled.find([ALICE], [0]).rows.keys.tobytes()
    assert old.keys.tobytes() != new.keys.tobytes()


def test_others_are_left_alone(parties: Parties) -> None:
    """Enrolling one party touches no other."""
    after, _ = parties.enrol(0, [ALICE], ["H1"], [1000])

    has, _ = after.find([BOB], [0]).rows.extras_of(rows_.HOLDER)
    assert has.tolist() == [False]


def test_a_holder_is_enrolled_once(parties: Parties) -> None:
    """A row that names a holder is never given another one: that would be a change of holder."""
    enrolled, _ = parties.enrol(0, [ALICE], ["H1"], [0])

    with pytest.raises(BadInputError):
        enrolled.enrol(0, [ALICE], ["H2"], [0])


def test_nobody_is_enrolled_without_a_row(parties: Parties) -> None:
    """An identity that has no row is added, not enrolled."""
    with pytest.raises(StateError, match="no row"):
        parties.enrol(0, ["tel:+99933333333"], ["H1"], [0])
