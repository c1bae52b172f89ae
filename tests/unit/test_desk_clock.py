"""How far a custodian believes its clock: what ran with it and what somebody confirmed counts, the rest is little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ceremony import DAY, NOON, Clock, World, draft
from unheld_custodian import moves
from unheld_custodian.__main__ import _desk
from unheld_custodian.acts import JUMP_SECONDS, RUNNING_SECONDS, Watch
from unheld_custodian.state import Whole, event_column
from unheld_verify import columns, crypto
from unheld_verify.errors import StateError

HOUR, A_DAY = 3600, 86_400
TODAY = {"day": columns.day_text(DAY)}


class Ran(Clock):
    """Seconds that no setting of a clock changes."""


@pytest.fixture
def ran() -> Ran:
    return Ran(1000)


@pytest.fixture
def world(tmp_path: Path, ran: Ran) -> World:
    made = World.of(tmp_path, 1, ran).found()
    made.ask(0, "open", TODAY)
    return made


def creep(world: World, hours: int) -> None:
    """Somebody sets the clock ahead by an hour, and again; nothing else goes by."""
    for _ in range(hours):
        world.at(world.clocks[0].second + HOUR)
        world.tick(0)


def held(world: World) -> int:
    """How many keys of columns the first custodian holds."""
    return int(world.ask(0, "status")["keys"])


def test_a_clock_that_creeps_ahead_is_believed_for_a_day_in_all(world: World) -> None:
    """Whoever feeds the time lets nothing lapse that is not due tomorrow, however small the steps."""
    creep(world, 24)
    assert not world.desks[0].overview().jumped
    before = held(world)
    creep(world, 24 * 20)
    assert world.desks[0].overview().jumped
    assert held(world) == before
    with pytest.raises(StateError, match="confirms the date"):
        world.ask(0, "open", {"day": columns.day_text(world.today)})


def test_restarts_do_not_add_up(world: World) -> None:
    """A day more with every restart: after three in all nothing moves any more."""
    keys = []
    for _ in range(12):
        world.at(world.clocks[0].second + A_DAY - HOUR)
        world.reopen(0)
        keys.append(held(world))
    assert world.desks[0].overview().jumped
    assert world.desks[0]._kept.whole.time(b"")[0] <= NOON + JUMP_SECONDS
    assert keys[3:] == keys[3:4] * 9


def test_a_silent_headquarters_stops_no_lapse(world: World, ran: Ran) -> None:
    """What runs proves the time: with nobody to confirm it, all is gone on its date, after restarts too."""
    for step in range(20):
        ran.second += 5 * A_DAY
        world.at(world.clocks[0].second + 5 * A_DAY)
        world.tick(0)
        if step % 4 == 3:
            world.reopen(0)
    assert not world.desks[0].overview().jumped
    (state,) = world.desks[0]._kept.whole.sets.values()
    assert not [name for name in state.keys if name[2] == DAY]


def test_a_clock_far_ahead_stops_no_lapse_and_hastens_none(world: World, ran: Ran) -> None:
    """Nobody believes it; what ran since the date was last confirmed proves the days, one after another."""
    world.at(NOON + 4000 * A_DAY)
    for days in (0, 6, 7, 59, 60, 89, 90, 91):
        ran.second = 1000 + days * A_DAY
        world.tick(0)
        (state,) = world.desks[0]._kept.whole.sets.values()
        living = {
            pair
            for pair in columns.window(DAY, 45, state.lifetimes)
            if columns.due(*pair, state.lifetimes) > DAY + days
        }
        assert {event_column(name) for name in state.keys if name[2] == DAY} == living
        assert world.desks[0].overview().jumped
    assert not living


def test_a_device_that_slept_is_believed(world: World, ran: Ran) -> None:
    """Ten days asleep are ten days, where what tells the elapsed time counted them."""
    ran.second += 10 * A_DAY
    world.at(NOON + 10 * A_DAY)
    assert not world.desks[0].overview().jumped


def test_two_days_without_power_are_believed(world: World) -> None:
    """A custodian that was off for less than three days goes on by itself."""
    world.at(NOON + 2 * A_DAY)
    world.reopen(0)
    assert not world.desks[0].overview().jumped


def test_headquarters_beat_vouches_for_the_date(world: World) -> None:
    """A beat a day, and a clock that is a day further each time is believed: headquarters' own date says so."""
    for day in range(1, 8):
        world.at(NOON + day * A_DAY)
        world.ask(0, "beat", {"day": columns.day_text(DAY + day)})
        assert not world.desks[0].overview().jumped
    creep(world, 25)
    assert world.desks[0].overview().jumped


def test_the_person_vouches_for_the_date(world: World) -> None:
    """Also before it was in doubt: from then on a day in all is believed again."""
    creep(world, 20)
    world.desks[0].believe(world.today)
    creep(world, 20)
    assert not world.desks[0].overview().jumped


def test_a_clock_set_ahead_and_back_costs_nothing(world: World, ran: Ran) -> None:
    """Only how far it is ahead counts, not how often."""
    for _ in range(50):
        world.at(NOON + ran.second + 20 * HOUR)
        world.tick(0)
        world.at(NOON + ran.second)
        world.tick(0)
    assert not world.desks[0].overview().jumped


def test_what_ran_is_on_the_disk_within_the_hour(world: World, ran: Ran) -> None:
    """A crash costs an hour of proof at most, also while the clock stands behind what was seen."""
    world.at(NOON + 20 * HOUR)
    world.tick(0)
    world.at(NOON)
    for _ in range(10):
        ran.second += HOUR
        world.tick(0)
    assert world.desks[0]._kept.whole.time(b"")[2] >= 9 * HOUR


def test_the_program_gives_its_custodian_such_a_clock(tmp_path: Path) -> None:
    """`unheld-custodian serve` runs with seconds that no setting changes, made or opened."""
    for _ in range(2):
        elapsed = _desk(tmp_path / "c", None, "a").watch._elapsed
        assert elapsed is not None
        assert 0 < elapsed() <= elapsed()


def test_a_headquarters_confirms_the_date_for_its_own_sets_alone(world: World, ran: Ran) -> None:
    """Whoever feeds the clock and has one headquarters on its side lets nothing of another store's lapse early."""
    theirs = replace(draft(1), store=b"t" * 16, headquarters=crypto.sign_public(b"t" * 32))
    kept = world.desks[0]._kept
    (mine,) = kept.whole.sets.values()
    other = moves.begun(theirs, 0, b"s" * 32, dict(mine.chains), bytes(32), DAY)
    other = replace(other, keys=mine.keys)
    kept.change(lambda whole: replace(whole, sets={**whole.sets, (other.store, 1): other}))
    world.at(NOON + 400 * A_DAY)
    world.ask(0, "beat", {"day": columns.day_text(DAY + 400)})
    world.tick(0)
    assert not [name for name in kept.whole.sets[mine.store, 1].keys if name[2] == DAY]
    assert kept.whole.sets[other.store, 1].keys == mine.keys
    assert world.desks[0].overview().jumped
    world.desks[0].believe(DAY + 400)
    assert not [name for name in kept.whole.sets[other.store, 1].keys if name[2] == DAY]


steps = st.lists(
    st.tuples(st.integers(0, 2 * A_DAY), st.integers(-2 * A_DAY, 4 * A_DAY), st.booleans()), min_size=1, max_size=30
)


@settings(max_examples=100, deadline=None)
@given(steps)
def test_nothing_makes_an_unconfirmed_clock_run_far_ahead(history: list[tuple[int, int, bool]]) -> None:
    """True time, any setting, any restart: what is believed is at most three days early, a day in one process."""
    clock, ran, true = Clock(NOON), Ran(0), NOON
    whole = Whole("x", {b"": (NOON, NOON, 0)})
    watch, began = Watch(clock, ran), True
    watch.now(whole)
    watch.now(whole)  # as a desk does when it is made
    for passes, setting, restarts in history:
        if restarts:
            watch, began = Watch(clock, ran), False
        true += passes
        ran.second += 0 if restarts else passes  # what goes by while it is off proves nothing
        clock.second = max(0, clock.second + passes + setting)
        time = watch.now(whole)[b""]
        assert time.second <= max(whole.time(b"")[0], true + JUMP_SECONDS)
        assert not began or time.second <= true + RUNNING_SECONDS
        whole = replace(whole, times={b"": (time.second, NOON, time.ran)})
