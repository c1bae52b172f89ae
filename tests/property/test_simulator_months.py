"""Simulated months of custody: every promise of `simulator_checks` after every event, by seed."""

from __future__ import annotations

import pytest

from unheld.custody.ceremony import FOUNDED
from unheld.testing.simulator import Setting, run
from unheld.testing.simulator_liars import DEALERS, LIARS, dealing
from unheld.testing.simulator_storms import Ended, storm

pytestmark = pytest.mark.spread

SIZES = ((3, 2), (2, 2), (3, 2), (1, 1), (2, 1), (4, 2))
SHARDS = 10
MONTHS = 10
RUNS = 1_000 // SHARDS // MONTHS
STORMY_SIZES = ((3, 2), (4, 2), (2, 1), (5, 3), (3, 3), (2, 2), (1, 1), (4, 3))
REGRESSIONS = {
    "one of 2-of-3 who contradicted both others kept the days closed": (0, 3, 2, "wrong keys"),
    "one of 2-of-3 who lied now and then kept the days closed": (1, 3, 2, "equivocating"),
    "wrong keys of one of 2-of-2 were called corroborated": (0, 2, 2, "wrong keys"),
}
"""What was found, and the seed, n, t and lie that found it."""


def opened(seed: int) -> int:
    """Simulate some months; how many days opened."""
    n, t = SIZES[seed % len(SIZES)]
    return run(Setting(seed, n=n, t=t, days=30 * MONTHS, busy=8, trouble=200, asleep=0.85)).opened


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_thousand_months_break_no_promise(shard: int) -> None:
    """In runs of ten months, with work on one day in twelve, no promise is broken."""
    assert sum(opened(seed) for seed in range(shard * RUNS, (shard + 1) * RUNS)) > RUNS


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_hundred_thousand_months_break_no_promise(shard: int) -> None:
    """The same of a hundred thousand months, under seeds of their own."""
    runs = 100 * RUNS
    assert sum(opened(seed) for seed in range(10_000 + shard * runs, 10_000 + (shard + 1) * runs)) > runs


def made(seed: int) -> Ended:
    """Make a set in a storm; in most a dealer lies."""
    n, t = STORMY_SIZES[seed % len(STORMY_SIZES)]
    lie = [None, *DEALERS][seed // len(STORMY_SIZES) % (len(DEALERS) + 1)] if n > t else None
    liars = {seed // 48 % t: dealing(DEALERS[lie])} if lie else {}
    return storm(Setting(seed, n=n, t=t, fates=20 + seed % 3 * 15, trouble=700, liars=liars))


@pytest.mark.parametrize("shard", range(4))
def test_a_hundred_ceremonies_in_storms_break_no_promise(shard: int) -> None:
    """Whatever the weather, crashes, refusals and dealers who lie: no set counts wrongly, and honest ones do count."""
    assert sum(made(seed).stage == FOUNDED for seed in range(shard * 24, shard * 24 + 24)) > 2


@pytest.mark.long
@pytest.mark.timeout(0)
def test_ten_thousand_ceremonies_in_storms_break_no_promise() -> None:
    """The same of many more, under seeds of their own."""
    assert sum(made(seed).stage == FOUNDED for seed in range(10_000, 20_000)) > 1_000


@pytest.mark.parametrize(("n", "t"), [(3, 2), (2, 2)])
def test_what_was_parked_in_nights_without_custodians_comes_back(n: int, t: int) -> None:
    """With every night cut off and half of them parked through, all of it is opened into later days: lost are 0."""
    history = run(Setting(4, n=n, t=t, days=20, busy=50, trouble=0, parks=1.0, late_days=5))
    assert history.parked > 3
    assert history.parked - history.back <= 1  # the last night may still wait for its day


@pytest.mark.parametrize("found", REGRESSIONS)
def test_what_was_found_once_is_mended(found: str) -> None:
    """Histories in which a promise was broken once."""
    seed, n, t, lie = REGRESSIONS[found]
    assert run(Setting(seed, n=n, t=t, liars={seed % n: LIARS[lie]()})).opened > 0


@pytest.mark.parametrize("seed", [3, 20])
def test_nobody_gives_a_part_of_what_was_parked(seed: int) -> None:
    """Found here: one custodian gave its shares while the others were cut off; a day later it gave them no more."""
    nights = Setting(seed, days=6, busy=80, trouble=1000, rotate=0.0, parks=1.0, late_days=5, events=("cut", "off"))
    assert run(nights).parked > 0


def test_what_lapsed_under_a_clock_set_back_was_due_though_the_power_went_before_the_time_was_kept() -> None:
    """Found among forty thousand months: what had run proved the day, and the clock stood a year before it."""
    assert opened(12_157) > 0


def test_a_branch_whose_clock_stands_before_its_first_set_opens_nothing_and_goes_on_later() -> None:
    """Found among eighty thousand months: the power went while the clock stood two days back, and no set was for that
    day."""
    assert opened(13_794) > 0


def test_no_door_is_too_old_for_who_is_seconds_ahead() -> None:
    """Found among fifteen thousand months: a door nearly an hour old kept a day shut for a branch a little ahead."""
    assert opened(15_384) > 0


@pytest.mark.parametrize("lie", LIARS)
@pytest.mark.parametrize(("n", "t"), [(2, 2), (3, 2), (4, 2), (5, 3)])
def test_one_liar_makes_nobody_accept_what_is_false(lie: str, n: int, t: int) -> None:
    """With one liar keys and values are true, or said to be uncorroborated; and days still open where t are honest."""
    history = run(Setting(n * 10 + t, n=n, t=t, days=12, liars={n - 1: LIARS[lie]()}))
    assert history.opened > 0 or n == t


def test_one_seed_is_one_history() -> None:
    """A run can be repeated to the last message; another seed is another history."""
    first = run(Setting(3, days=6))
    assert run(Setting(3, days=6)) == first
    assert run(Setting(4, days=6)).digest != first.digest


def test_the_doubles_change_no_history() -> None:
    """With real signatures and boxes the same seed is the same history."""
    assert run(Setting(5, days=4, real=True)).digest == run(Setting(5, days=4)).digest
