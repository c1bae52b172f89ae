"""Work in a process beside this one: its result or its error comes back, and nothing of it stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
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


def test_a_process_that_was_killed_is_a_clear_error() -> None:
    """A killed process ends the work with an error that says so."""

    def work(start: int, _: int) -> None:
        if start:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(InternalError, match="signal 9"):
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
