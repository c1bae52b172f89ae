"""Day keys: every t of n give the same function, fewer give none, and a lie is named."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.support.stores import made_store
from unheld_branch.keys.columns import DayKeys, agreeing, corroborated, merge_pushes
from unheld_custodian import moves
from unheld_custodian.state import State
from unheld_verify import columns, crypto
from unheld_verify.columns import Attestation, Push
from unheld_verify.errors import BadInputError, SealedError, StateError, VerificationError

DAY = 20_640
LIFETIMES = {"charge": 3, "contact": 2, "place": 1, "identity": 32}
LABELS = bytes(range(64))
SIZES = [(n, t) for n in range(1, 8) for t in range(1, n + 1)]


def pushes_of(n: int, t: int) -> list[Push]:
    pushes, seeds = [], [crypto.random_bytes(32) for _ in columns.components(n, t)]
    for index in range(n):
        chains = {number: seeds[number] for number in columns.held(n, t, index)}
        state = State(b"s" * 16, 1, index, n, t, LIFETIMES, 1, DAY, b"k" * 32, chains)
        keys = moves.keys_of_day(moves.opened(state, DAY, DAY), DAY, DAY)
        pushes.append(Push(1, index, DAY, keys, columns.checks(keys), {}, Attestation(b"", b"")))
    return pushes


def with_keys(push: Push, change: int) -> Push:
    """The push with component `change` wrong, and checks that fit it."""
    keys = {pair: dict(held) | {change: b"!" * 32} for pair, held in push.keys.items()}
    return replace(push, keys=keys, checks=columns.checks(keys))


@pytest.mark.parametrize(("n", "t"), SIZES)
def test_any_t_of_n_evaluate_to_the_same(n: int, t: int) -> None:
    """Whichever t custodians push, the column function is the same one."""
    pushes = pushes_of(n, t)
    results = {
        merge_pushes(chosen, n, t).evaluate("charge", DAY, LABELS)
        for size in (t, n)
        for chosen in combinations(pushes, size)
    }
    assert len(results) == 1


@pytest.mark.parametrize(("n", "t"), [(n, t) for n, t in SIZES if t > 1])
def test_fewer_than_t_lack_a_component(n: int, t: int) -> None:
    """t-1 custodians always miss exactly one component."""
    pushes = pushes_of(n, t)
    for chosen in combinations(pushes, t - 1):
        with pytest.raises(StateError, match=r"components \d+ are missing"):
            merge_pushes(chosen, n, t)


@pytest.mark.parametrize(("n", "t"), [(3, 2), (5, 3), (7, 4)])
def test_a_wrong_component_names_the_pair(n: int, t: int) -> None:
    """The error names both custodians and the component, so that a third can decide."""
    pushes = pushes_of(n, t)
    liar, component = n - 1, columns.held(n, t, n - 1)[0]
    pushes[liar] = with_keys(pushes[liar], component)
    other = columns.holders(n, t, component)[0]
    with pytest.raises(
        VerificationError, match=rf"custodian {other + 1} and custodian {liar + 1} .* component {component} "
    ):
        merge_pushes(pushes, n, t)


@pytest.mark.parametrize(("n", "t"), [(3, 1), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_who_contradicts_everybody_is_named_and_the_others_merge(n: int, t: int) -> None:
    """Each component has two holders with 2 of 3, and yet one custodian that is wrong in all of its own is found."""
    pushes = pushes_of(n, t)
    true = merge_pushes(pushes, n, t)
    for component in columns.held(n, t, 1):
        pushes[1] = with_keys(pushes[1], component)
    agreed, liars = agreeing(pushes, n, t)
    assert liars == [1]
    assert merge_pushes(agreed, n, t) == true


def test_where_everybody_contradicts_everybody_nobody_is_left_out_and_nothing_merges() -> None:
    """With 2 of 3 and every two at odds, no one that could be left out makes peace: all stay, and none merges."""
    pushes = pushes_of(3, 2)
    for component in columns.held(3, 2, 1):
        pushes[1] = with_keys(pushes[1], component)
    (apart,) = set(columns.held(3, 2, 0)) & set(columns.held(3, 2, 2))
    pushes[2] = with_keys(pushes[2], apart)
    assert agreeing(pushes, 3, 2) == (pushes, [])
    with pytest.raises(VerificationError):
        merge_pushes(pushes, 3, 2)


def test_where_all_are_needed_nothing_is_corroborated() -> None:
    """With 2 of 2 each component has one holder, who could say anything; a custodian that is alone is all there is."""
    assert not corroborated(pushes_of(2, 2), 2, 2)
    assert corroborated(pushes_of(1, 1), 1, 1)


def test_word_against_word_names_nobody() -> None:
    """Where either of two may be the liar nobody is left out, and nothing merges."""
    pushes = pushes_of(3, 2)
    pushes[2] = with_keys(pushes[2], columns.held(3, 2, 2)[0])
    assert agreeing(pushes, 3, 2) == (pushes, [])


def test_keys_that_differ_from_their_own_checks_are_refused() -> None:
    """A push altered on its way is found even where nobody else holds the component."""
    (push,) = pushes_of(1, 1)
    with pytest.raises(VerificationError, match="own checks"):
        merge_pushes([replace(with_keys(push, 0), checks=push.checks)], 1, 1)


def test_a_column_erased_by_one_is_opened_by_none() -> None:
    """An erasure that reached a single custodian already closes the column."""
    pushes = pushes_of(3, 2)
    keys = {pair: held for pair, held in pushes[1].keys.items() if pair != ("charge", DAY)}
    pushes[1] = replace(pushes[1], keys=keys, checks=columns.checks(keys))
    merged = merge_pushes(pushes, 3, 2)
    with pytest.raises(SealedError, match="charge of 2026-07-06"):
        merged.evaluate("charge", DAY, LABELS)


def test_no_push_is_no_day() -> None:
    """Without custodians nothing opens; the error says how many are needed."""
    with pytest.raises(StateError, match="2 are needed"):
        merge_pushes([], 3, 2)


def test_pushes_that_do_not_belong_together_are_refused() -> None:
    """Another day, a double, a stranger, or keys of components that are not one's own are bad input."""
    pushes = pushes_of(3, 2)
    keys = {pair: {0: b"x" * 32} for pair in pushes[0].keys}
    bad = [
        [pushes[0], replace(pushes[1], day=DAY + 1)],
        [pushes[0], replace(pushes[1], set=2)],
        [pushes[0], pushes[0]],
        [pushes[0], replace(pushes[1], index=3)],
        [replace(pushes[0], keys=keys, checks=columns.checks(keys)), pushes[1]],
    ]
    for given in bad:
        with pytest.raises(BadInputError):
            merge_pushes(given, 3, 2)


def test_day_keys_survive_as_bytes() -> None:
    """What is sealed for a reboot comes back the same."""
    merged = merge_pushes(pushes_of(4, 3), 4, 3)
    assert DayKeys.from_bytes(merged.to_bytes()) == merged


def test_altered_day_keys_are_refused() -> None:
    """A cut, a longer tail, another version, an unknown class or another order is not parsed."""
    data = merge_pushes(pushes_of(2, 2), 2, 2).to_bytes()
    row = 5 + 64
    swapped = data[:22] + data[22 + row : 22 + 2 * row] + data[22 : 22 + row] + data[22 + 2 * row :]
    for bad in (b"", data[:-1], data + b"\0", b"X" + data[1:], data[:22] + b"\x09" + data[23:], swapped):
        with pytest.raises(BadInputError):
            DayKeys.from_bytes(bad)


def test_the_keys_do_not_show_when_printed() -> None:
    """Day keys in a log or a trace carry no key."""
    assert "keys" not in repr(merge_pushes(pushes_of(1, 1), 1, 1))


def test_local_custodians_push_what_merges(tmp_path: Path) -> None:
    """Custodians of this machine push a day that merges, with one of three away."""
    made = made_store(tmp_path, n=3, t=2, first_day=columns.date_of(DAY))
    (made.deployment.custodian_slots / "custodian-1.slot").unlink()
    pushes = made.custodians.open_day(DAY)
    assert [push.index for push in pushes] == [0, 2]
    assert merge_pushes(pushes, 3, 2).day == DAY
