"""Fixtures of unit tests: a network for own access that lived once, copied for each test."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.support.ceremony import DAY
from tests.support.own_access import Filled, Network, network


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Networks of n custodians of whom t open a day, each kind once: a test takes a copy."""

    @cache
    def made(n: int, t: int) -> Network:
        one = network(tmp_path_factory.mktemp(f"{t}-of-{n}"), n, t)
        one.seal_day(DAY, 10, 20)
        one.seal_day(DAY + 1)
        one.world.at((DAY + 2) * 86_400 + 100)
        return one

    return made


@pytest.fixture
def filled(lived: Filled, tmp_path: Path) -> Filled:
    """The test's own: a first day with two calls of the party, a second with none."""
    return lambda n, t: lived(n, t).copied(tmp_path)


@pytest.fixture
def net(filled: Filled) -> Network:
    """Three custodians of whom two open a day."""
    return filled(3, 2)
