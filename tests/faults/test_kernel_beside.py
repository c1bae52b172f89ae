"""Work in a process beside this one: its result or its error comes back, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from unittest import mock

import pytest

from unheld_branch.kernel import beside
from unheld_verify.errors import BadInputError, InternalError


@pytest.fixture(autouse=True)
def two_cores() -> Iterator[None]:
    """As on a machine of two cores and unlocked memory."""
    with mock.patch.object(beside, "_can", return_value=True), mock.patch.object(beside, "_WORTH", 2):
        yield


def _no_child_is_left() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True


def test_halves_are_done_by_two_processes_in_order() -> None:
    """Each half is done once, by a process of its own, and the results stand in order."""
    found = beside.halves(lambda start, end: (os.getpid(), list(range(start, end))), 5)

    assert [part for _, part in found] == [[0, 1], [2, 3, 4]]
    assert found[0][0] == os.getpid() != found[1][0]
    assert _no_child_is_left()


def test_little_work_stays_in_one_process() -> None:
    """What is not worth a process is done here at once."""
    assert beside.halves(lambda start, end: (start, end, os.getpid()), 1) == [(0, 1, os.getpid())]


def test_an_error_beside_is_raised_here() -> None:
    """What the other process raises is raised here, with its words."""

    def work(start: int, _: int) -> None:
        if start:
            raise BadInputError("block: cut off")

    with pytest.raises(BadInputError, match="cut off"):
        beside.halves(work, 4)
    assert _no_child_is_left()


def _unlike(parent: int, act: Callable[[], object]) -> Callable[[int, int], list[int]]:
    """Work that counts its half, but does something else before in any process but `parent`."""

    def work(start: int, end: int) -> list[int]:
        if os.getpid() != parent:
            act()
        return list(range(start, end))

    return work


def test_the_half_of_a_process_that_was_killed_is_done_here() -> None:
    """A machine short of memory kills the other process: its half is done here, and nothing is lost."""
    killed = _unlike(os.getpid(), lambda: os.kill(os.getpid(), signal.SIGKILL))

    assert beside.halves(killed, 5) == [[0, 1], [2, 3, 4]]
    assert _no_child_is_left()


def test_the_half_of_a_process_that_hangs_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork that waits for a lock which no thread of it will open is ended after a while; its half is done here."""
    monkeypatch.setattr(beside, "_PATIENCE", 0.2)
    lock = threading.Lock()
    lock.acquire()

    assert beside.halves(_unlike(os.getpid(), lock.acquire), 5) == [[0, 1], [2, 3, 4]]
    assert _no_child_is_left()


def test_what_cannot_be_done_here_either_is_an_error() -> None:
    """The half of a lost process fails here as any work does: no part of a result is taken for the whole."""

    def work(start: int, _: int) -> None:
        if start and os.getpid() == parent:
            raise BadInputError("block: cut off")
        if start:
            os.kill(os.getpid(), signal.SIGKILL)

    parent = os.getpid()
    with pytest.raises(BadInputError, match="cut off"):
        beside.halves(work, 4)
    assert _no_child_is_left()


def test_a_result_that_cannot_come_back_is_a_clear_error() -> None:
    """A process that cannot give its result back fails loudly."""
    with pytest.raises(InternalError, match="failed"):
        beside.halves(lambda start, end: (lambda: start + end) if start else None, 4)


def test_an_error_here_ends_the_other_process() -> None:
    """When this half fails, the other process is ended and waited for."""

    def work(start: int, _: int) -> None:
        if not start:
            raise BadInputError("this half")
        signal.pause()

    with pytest.raises(BadInputError, match="this half"):
        beside.halves(work, 4)
    assert _no_child_is_left()


def test_without_a_process_more_the_work_is_done_here() -> None:
    """A machine that gives no further process takes longer, no more."""
    with mock.patch.object(os, "fork", side_effect=BlockingIOError):
        assert beside.halves(lambda start, end: (start, end), 4) == [(0, 4)]
