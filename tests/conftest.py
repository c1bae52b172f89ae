"""Settings of every test run."""

from __future__ import annotations

import signal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from tests.support.stores import TestStore

ROOT = Path(__file__).parents[1]

# A slow or busy machine, or the first use of Hypothesis' Unicode tables, is no failure of a promise.
settings.register_profile("unheld", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unheld")

# A run in the background of a shell ignores Ctrl-C, and so would every program it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


class _Modules(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A module's tests share a process and what its fixtures made, but for those that are long and share nothing.

    These, marked `spread`, come last one by one, so that no process waits long for the other.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = super()._split_scope(nodeid)
        return nodeid if _is_spread(module) else module


@cache
def _is_spread(module: str) -> bool:
    return "pytestmark = pytest.mark.spread" in (ROOT / module).read_text("utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Modules:
    """How the tests are shared out, whatever `--dist` says."""
    return _Modules(config, log)


@pytest.fixture(scope="session")
def two_of_three(tmp_path_factory: pytest.TempPathFactory) -> TestStore:
    """Two of three custodians, and one record of a day that is open. Change a copy of it: `two_of_three.copied`."""
    from tests.support.calls import ALICE, FIRST, Call, calls
    from tests.support.stores import made_store

    store = made_store(tmp_path_factory.mktemp("two-of-three"), n=3, t=2)
    store.open_day(FIRST)
    store.ingest(calls(Call(ALICE)))
    return store
