"""The simulated disk keeps the promises of a real one: the real `SealedState` runs on it, broken at every step."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import pytest

from unheld.testing.simdisk import FAULTS, Crash, Disk, MemorySlot, in_memory
from unheld_slots.sealed import SealedState
from unheld_verify.errors import NoStoreError, RolledBackError, SealedError, StateError


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory():
        yield


@pytest.fixture
def disk() -> Disk:
    """A disk with a sealed state at generation 2."""
    made = Disk()
    state = state_on(made)
    state.create(b"first")
    state.replace(b"old")
    return made


def state_on(disk: Disk) -> SealedState:
    return SealedState(disk.folder(), "thing", MemorySlot(disk))


def broken(disk: Disk, step: int, kind: str) -> bool:
    """Replace the state with a fault at `step`; whether it came to its end."""
    disk.fault = (step, kind)
    try:
        state_on(disk).replace(b"new")
    except (Crash, StateError):
        return False
    finally:
        disk.fault = None
    return True


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("step", range(4))
def test_a_replacement_broken_anywhere_leaves_old_or_new(disk: Disk, step: int, kind: str) -> None:
    """After any fault at any of the four steps one state opens under one generation, and the next one follows."""
    assert not broken(disk, step, kind)
    state = state_on(disk)
    assert state.load() in {b"old", b"new"}
    assert len(state.slot.live()) == 1
    state.replace(b"next")
    assert state_on(disk).load() == b"next"


def test_a_replacement_has_four_steps(disk: Disk) -> None:
    """A fault behind them strikes nothing: no step of a replacement is left out above."""
    assert broken(disk, 4, "crash before")


def test_a_second_fault_while_the_first_is_mended_leaves_old_or_new(disk: Disk) -> None:
    """The power may go again during the first opening after it went."""
    for first in range(4):
        for second in range(3):
            machine = copy.deepcopy(disk)
            broken(machine, first, "crash after")
            machine.fault = (second, "crash after")
            with contextlib.suppress(Crash):
                state_on(machine).load()
            machine.fault = None
            assert state_on(machine).load() in {b"old", b"new"}


def test_a_backup_without_the_slot_does_not_open(disk: Disk) -> None:
    """Yesterday's files under today's slot are told from a state: they were put back."""
    kept = disk.backup()
    state_on(disk).replace(b"new")
    disk.put_back(kept)
    with pytest.raises(RolledBackError):
        state_on(disk).load()


def test_a_snapshot_with_the_slot_opens_the_old_state(disk: Disk) -> None:
    """A copy of the whole machine brings the old state back: nothing on one machine can see that."""
    kept, lives = disk.backup(), list(disk.lives)
    state_on(disk).replace(b"new")
    disk.put_back(kept, lives)
    assert state_on(disk).load() == b"old"


def test_a_missing_folder_and_a_wiped_slot_are_told(disk: Disk) -> None:
    """The errors are those of real disks."""
    kept = disk.backup()
    disk.put_back({})
    with pytest.raises(NoStoreError):
        state_on(disk).load()
    disk.put_back(kept)
    state_on(disk).wipe()
    with pytest.raises(SealedError):
        state_on(disk).load()
