"""A copy's service and its workers: who holds keys ends with the act, and any of them may be killed at any time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, trees
from tests.support.copies import FAR, Wire, keeper, patched
from tests.support.stores import TestStore, made_store
from unheld_branch.copies import worker
from unheld_branch.copies.remote import FarCopy
from unheld_branch.copies.worker import Desk
from unheld_branch.kernel import process
from unheld_verify.errors import InternalError

NOTED = "workers"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose workers write their process id down."""
    real = process.harden

    def noting(*, lock_memory: bool = False) -> process.Hardening:
        with (tmp_path / NOTED).open("a") as file:
            file.write(f"{os.getpid()}\n")
        return real(lock_memory=lock_memory)

    with patch.object(process, "harden", noting), patch.object(worker, "_PATIENCE", 0.3):
        made = Desk(keeper(tmp_path / "far"))
    yield made
    made.close()


@pytest.fixture
def made(tmp_path: Path, desk: Desk) -> Iterator[TestStore]:
    """A store with a day open whose copy is at the desk."""
    with patched(Wire(desk)):  # type: ignore[arg-type]  # it stands for a keeper
        made = made_store(tmp_path / "m", far={FAR: desk.key})
        made.open_day(FIRST)
        made.ingest(calls(Call(ALICE), Call(BOB)))
        yield made


def workers(folder: Path) -> list[int]:
    """Every worker that began, in order."""
    return [int(line) for line in (folder / NOTED).read_text().split()]


def lives(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def away(made: TestStore) -> list[str]:
    """Why copies do not answer."""
    with made.opened() as store:
        return [one.why for one in store.copies if one.standing is None]


def test_a_worker_has_ended_when_its_last_answer_goes_out(made: TestStore, tmp_path: Path) -> None:
    """Whoever hears that a root key was destroyed hears it of a process that is no more."""
    real, alive = Desk.handle, list[list[int]]()

    def handle(desk: Desk, data: bytes) -> bytes:
        said = real(desk, data)
        alive.append([pid for pid in workers(tmp_path) if lives(pid)])
        return said

    with patch.object(Desk, "handle", handle):
        made.forget("tel:" + ALICE)

    assert trees(made, "tel:" + ALICE) == set()
    assert alive[-1] == []
    assert max(map(len, alive)) == 1
    assert sum(not living for living in alive) > 1


def test_a_worker_that_was_killed_costs_one_refusal(made: TestStore, desk: Desk, tmp_path: Path) -> None:
    """The exchange it had is over; the next one gets another worker, and the copy catches up."""
    with made.opened():
        os.kill(workers(tmp_path)[-1], signal.SIGKILL)

    made.ingest(calls(Call(BOB, second=5)))
    assert away(made) == []
    desk.look()
    assert held(made, "tel:" + BOB) == [(FIRST, 5), (FIRST, 3600)]


def test_a_worker_that_hangs_is_killed_after_a_bounded_time(made: TestStore, desk: Desk, tmp_path: Path) -> None:
    """A stopped process is waited for, then killed; the store hears that its copy is away, and finds it again."""
    with made.opened():
        hanging = workers(tmp_path)[-1]
        os.kill(hanging, signal.SIGSTOP)
        with patch.object(worker, "DOOR_SECONDS", 0.1):
            said = desk.handle(b"anything")
    assert b"knock again" in said
    assert not lives(hanging)
    assert away(made) == []


def test_a_service_without_its_nursery_ends(tmp_path: Path) -> None:
    """Without the process that forks there are no workers: the service says so, for its keeper to start it again."""
    desk = Desk(keeper(tmp_path / "far"))
    os.kill(desk._pid, signal.SIGKILL)
    os.waitid(os.P_PID, desk._pid, os.WEXITED | os.WNOWAIT)

    assert b"knock again" in desk.handle(b"anything")
    with pytest.raises(InternalError, match="start the service again"):
        desk.look()
    desk.close()


def reader(made: TestStore) -> FarCopy:
    """The store's copy as another process of the store reaches it."""
    with made.opened(write=False) as store:
        (copy,) = [one.copy for one in store.copies]
    assert isinstance(copy, FarCopy)
    return copy


def test_a_door_that_another_exchange_took_with_it_is_knocked_at_again(made: TestStore) -> None:
    """Between a knock and the first letter another process of the store forgets somebody: nobody is called away."""
    other = reader(made)
    other._knock()

    made.forget("tel:" + ALICE)

    assert dict(other.standing().rows) == {0: 1}
    other.close()


def test_the_end_of_one_exchange_leaves_another_its_door(made: TestStore, tmp_path: Path) -> None:
    """A worker ends with the last of the exchanges that it has."""
    first, second = reader(made), reader(made)
    generation = first.standing().generation
    assert second.standing().generation == generation
    shared = workers(tmp_path)[-1]

    second.close()
    assert lives(shared)
    assert first.missing({}, []) == []
    assert workers(tmp_path)[-1] == shared
    first.close()
    assert not lives(shared)
