"""Own access where custodians lie, contradict each other or are away: who is named, and what is still opened."""

from __future__ import annotations

import pytest

from tests.support.own_access import OWN, Filled, Network, bent, states, times
from unheld.access import messages, own
from unheld.access.values import State
from unheld_verify.errors import (
    AwayError,
)


def flip_first(component: int, value: bytes) -> bytes:
    return flip(component, value) if component == 0 else value


def flip(component: int, value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_a_liar_is_named_where_a_third_holds_the_part(filled: Filled) -> None:
    """With three holders a wrong part is outvoted, its giver named, and the record still opens."""
    made = filled(4, 2)
    said = made.asked()
    answers = made.answered(said, everybody=True).data

    read = made.own.check(bent(answers, said, made, 2, flip))
    opened, _ = made.own.open(made.fetched())

    assert (read.liars, read.pairs, states(read)) == (((1, 2),), (), {State.CHECKED})
    assert times(opened.records) == OWN


def test_a_pair_is_named_where_two_hold_the_part(net: Network) -> None:
    """With two holders one of them is wrong, and nobody can say which: the column is called disputed, not empty."""
    said = net.asked()

    read = net.own.check(bent(net.answered(said).data, said, net, 2, flip_first))
    opened, _ = net.own.open(net.fetched())

    assert (read.liars, read.pairs, states(read)) == ((), ((1, 1, 2),), {State.DISPUTED})
    assert not any(opened.records.values())
    assert any(
        "Custodian 1 (set 1) or Custodian 2 (set 1) gave wrong values" in line
        for line in own.said(net.own, opened, read)
    )


def test_who_contradicts_all_others_is_named(net: Network) -> None:
    """One that differs from two who agree gave wrong values; without it the record opens, uncorroborated."""
    said = net.asked()

    read = net.own.check(bent(net.answered(said).data, said, net, 2, flip))
    opened, _ = net.own.open(net.fetched())

    assert (read.liars, read.pairs, states(read)) == (((1, 2),), (), {State.UNCORROBORATED})
    assert times(opened.records) == OWN


def test_answers_of_a_stranger_are_left_out(net: Network) -> None:
    """What no custodian of the slip signed counts as no answer, and the reader is told."""
    said = net.asked()
    values, silent = messages.answers_of(net.answered(said).data, said)
    swapped = messages.answers(said, {**values, (1, 2): values[1, 1], (9, 0): values[1, 1]}, silent)

    read = net.own.check(swapped)

    assert set(read.refused) == {(1, 2), (9, 0)}
    assert states(read) == {State.UNCORROBORATED}


def test_with_t_only_it_is_uncorroborated(net: Network) -> None:
    """Two of three answer: records open, and the words say that one custodian could have denied a day."""
    net.lines.cut = {1}
    answered = net.answered(net.asked())

    read = net.own.check(answered.data)
    opened, _ = net.own.open(net.fetched())

    assert (answered.custodians, states(read)) == (2, {State.UNCORROBORATED})
    assert times(opened.records) == OWN
    assert any("uncorroborated" in line for line in own.said(net.own, opened, read))


def test_where_all_are_needed_it_is_always_uncorroborated(filled: Filled) -> None:
    """With t = n each part has one holder."""
    made = filled(3, 3)

    assert states(made.own.check(made.answered(made.asked()).data)) == {State.UNCORROBORATED}


def test_one_custodian_alone(filled: Filled) -> None:
    """One machine is the same path: one answer, uncorroborated, and it opens."""
    made = filled(1, 1)
    made.own.check(made.answered(made.asked()).data)
    opened, _ = made.own.open(made.fetched())

    assert times(opened.records) == OWN


def test_fewer_than_t_say_who_is_missing(net: Network) -> None:
    """Nothing can be opened, and the error names who did not answer."""
    net.lines.cut = {0, 2}

    with pytest.raises(AwayError, match=r"Custodian 0: .*Custodian 2: "):
        net.answered(net.asked())


def test_t_plus_one_are_asked_and_no_more(filled: Filled) -> None:
    """Of four custodians with two needed, three are asked; the fourth keeps its quota and its silence."""
    made = filled(4, 2)

    assert made.answered(made.asked()).custodians == 3
