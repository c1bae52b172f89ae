"""Custodians that are away on some days: sooner or later all that hold a component hold the same keys of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ceremony import draft
from unheld_custodian import moves
from unheld_custodian.state import KeyName, State, event_column, key_name
from unheld_verify import columns
from unheld_verify.columns import EventColumn

FIRST = 20_000
LIFETIMES = {"charge": 4, "contact": 3, "place": 2, "identity": 32}
MADE = draft(3, 2, lifetimes=LIFETIMES, late_days=2, begins=FIRST)
SEEDS = {component: bytes([component]) * 32 for component in range(3)}
days_of_one = st.lists(st.sampled_from(["away", "open", "close", "lapse"]), min_size=1, max_size=12)


def begun(index: int) -> State:
    """A custodian on the first day."""
    seeds = {component: SEEDS[component] for component in columns.held(3, 2, index)}
    return moves.begun(MADE, index, b"s" * 32, seeds, bytes(32), FIRST)


def true_keys(last: int, erased: set[EventColumn]) -> Mapping[KeyName, bytes]:
    """Every key of a living column of sealing days before `last`, straight from the seeds."""
    found = {}
    for component, seed in SEEDS.items():
        chain = seed
        for day in range(FIRST, last):
            for pair in columns.window(day, MADE.late_days, LIFETIMES):
                if pair not in erased and columns.due(*pair, LIFETIMES) > last:
                    found[key_name(pair, day, component)] = columns.column_key(columns.day_key(chain, day), *pair)
            chain = columns.next_link(chain)
    return found


def lived(state: State, acts: list[str], plans: Mapping[int, EventColumn]) -> State:
    """A custodian after these days; a plan is brought on its day, or on the first day after it that one is not away."""
    waiting: list[EventColumn] = []
    for today, act in enumerate([*acts, "lapse"], FIRST):
        waiting += [plans[today]] if today in plans else []
        if act == "away":
            continue
        if act == "open":
            state = moves.opened(state, today, today)
        if act == "close":
            state = moves.closed(state, today, today)
        state = moves.lapsed(state, today)
        if waiting:
            state, waiting = moves.erased(state, waiting, today), []
    return state


@settings(max_examples=150, deadline=None)
@given(
    st.lists(days_of_one, min_size=3, max_size=3),
    st.dictionaries(st.integers(0, 10), st.tuples(st.sampled_from(["charge", "contact", "place"]), st.integers(0, 3))),
)
def test_whoever_was_away_holds_what_the_others_hold(
    patterns: list[list[str]], erasures: dict[int, tuple[str, int]]
) -> None:
    """Absent, opening, closing or only lapsing on any days: at the end each has every living key of its components."""
    length = max(map(len, patterns))
    plans = {FIRST + day: (cls, FIRST + day - back) for day, (cls, back) in erasures.items() if day < length}
    last = FIRST + length

    for index, acts in enumerate(patterns):
        state = lived(begun(index), acts + ["away"] * (length - len(acts)), plans)
        true = true_keys(last, set(plans.values()))
        own = {name: key for name, key in true.items() if name[3] in state.chains}
        assert {name: key for name, key in state.keys.items() if name[2] < last} == own


def test_a_day_that_was_stepped_over_is_handed_out_to_nobody() -> None:
    """Its keys are held for who asks for their own: it is not open, and no chain is left that gives them."""
    state = moves.closed(begun(0), FIRST, FIRST)

    assert state.keys
    assert not state.open_days
    assert state.next_day == FIRST + 1


def test_a_retired_set_makes_no_key_from_then_on() -> None:
    """A custodian that was away when its set was retired derives the days before, and none after."""
    retired = replace(begun(0), retired=FIRST + 2)

    state = moves.lapsed(retired, FIRST + 3)

    assert {name[2] for name in state.keys} == {FIRST, FIRST + 1}
    assert not state.chains


def test_years_away_cost_no_more_than_what_still_lives() -> None:
    """Four hundred days under the shipped lifetimes are stepped over in seconds, with keys of living columns alone."""
    made = draft(5, 3, begins=FIRST)
    seeds = {component: bytes([component]) * 32 for component in columns.held(5, 3, 0)}
    state = moves.begun(made, 0, b"s" * 32, seeds, bytes(32), FIRST)
    began = time.monotonic()

    state = moves.lapsed(state, FIRST + 400)

    assert time.monotonic() - began < 5
    assert all(columns.due(*event_column(name), made.lifetimes) > FIRST + 400 for name in state.keys)
