"""Simulated months of custody: every promise of `simulator_checks` after every event, by seed."""

from __future__ import annotations

import pytest

from unheld.testing.simulator import Setting, run
from unheld.testing.simulator_liars import LIARS

SIZES = ((3, 2), (2, 2), (3, 2), (1, 1), (2, 1), (4, 2))
SHARDS = 20
MONTHS = 5
RUNS = 1_000 // SHARDS // MONTHS
REGRESSIONS = {
    "one of 2-of-3 who contradicted both others kept the days closed": (0, 3, 2, "wrong keys"),
    "one of 2-of-3 who lied now and then kept the days closed": (1, 3, 2, "equivocating"),
    "wrong keys of one of 2-of-2 were called corroborated": (0, 2, 2, "wrong keys"),
}
"""What was found, and the seed, n, t and lie that found it."""


def opened(seed: int) -> int:
    """Simulate some months; how many days opened."""
    n, t = SIZES[seed % len(SIZES)]
    return run(Setting(seed, n=n, t=t, days=30 * MONTHS, busy=8, trouble=100)).opened


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_thousand_months_break_no_promise(shard: int) -> None:
    """In runs of five months, with work on one day in twelve, no promise is broken."""
    assert sum(opened(seed) for seed in range(shard * RUNS, (shard + 1) * RUNS)) > RUNS


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_hundred_thousand_months_break_no_promise(shard: int) -> None:
    """The same of a hundred thousand months, under seeds of their own."""
    runs = 100 * RUNS
    assert sum(opened(seed) for seed in range(10_000 + shard * runs, 10_000 + (shard + 1) * runs)) > runs


@pytest.mark.parametrize("found", REGRESSIONS)
def test_what_was_found_once_is_mended(found: str) -> None:
    """Histories in which a promise was broken once."""
    seed, n, t, lie = REGRESSIONS[found]
    assert run(Setting(seed, n=n, t=t, liars={seed % n: LIARS[lie]()})).opened > 0


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
