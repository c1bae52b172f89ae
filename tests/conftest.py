"""Settings of every test run."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.support.stores import TestStore

# A slow or busy machine, or the first use of Hypothesis' Unicode tables, is no failure of a promise.
settings.register_profile("unheld", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unheld")

# A run in the background of a shell ignores Ctrl-C, and so would every program it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests share a process and what its fixtures made, but for those that are long and share nothing."""
    for item in items:
        if not item.get_closest_marker("spread"):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.fixture(scope="session")
def two_of_three(tmp_path_factory: pytest.TempPathFactory) -> TestStore:
    """Two of three custodians, and one record of a day that is open. Change a copy of it: `two_of_three.copied`."""
    from tests.support.calls import ALICE, FIRST, Call, calls
    from tests.support.stores import made_store

    store = made_store(tmp_path_factory.mktemp("two-of-three"), n=3, t=2)
    store.open_day(FIRST)
    store.ingest(calls(Call(ALICE)))
    return store
