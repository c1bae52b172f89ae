"""Every durable step of a slot and of a sealed state, broken: not stored, stored but reported failed, half stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from unheld_slots import durable
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify.errors import NoStoreError, RolledBackError, SealedError, StateError, UnheldError, WrongKeyError

HALF = 4096


class Crash(BaseException):
    """The power went."""


def crash_at(step: int) -> Callable[[str, Path], None]:
    """Crash at the `step`-th moment: even numbers before a durable step, odd ones after it."""
    seen = iter(range(10_000))

    def observer(_action: str, _path: Path) -> None:
        if next(seen) == step:
            raise Crash

    return observer


def run_until(step: int, call: Callable[[], object]) -> bool:
    """Run `call` with a crash at `step`; whether it came to its end."""
    try:
        with durable.observed(crash_at(step)):
            call()
    except Crash:
        return False
    return True


def moments(call: Callable[[], object]) -> int:
    count = 0

    def observer(_action: str, _path: Path) -> None:
        nonlocal count
        count += 1

    with durable.observed(observer):
        call()
    return count


def state_in(folder: Path) -> SealedState:
    return SealedState(folder / "state", "thing", FileSlot.open(folder / "a.slot"))


def replace_in(folder: Path) -> None:
    state_in(folder).replace(b"new")


def load_in(folder: Path) -> None:
    state_in(folder).load()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A folder with a sealed state at generation 2."""
    folder = tmp_path / "origin"
    (folder / "state").mkdir(parents=True)
    state = SealedState(folder / "state", "thing", FileSlot.create(folder / "a.slot"))
    state.create(b"first")
    state.replace(b"old")
    return folder


def copy(origin: Path, tmp_path: Path, step: int) -> Path:
    return Path(shutil.copytree(origin, tmp_path / f"step-{step}"))


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "state").glob("thing-*"))


def tear(folder: Path) -> None:
    """Keep only the first 100 bytes of the half that was being written."""
    path = folder / "a.slot"
    data = bytearray(path.read_bytes())
    for number in (0, 1):
        if data[number * HALF + 31] == 3:
            data[number * HALF + 100 : (number + 1) * HALF] = bytes(HALF - 100)
    path.write_bytes(bytes(data))


def test_a_replacement_broken_anywhere_is_old_or_new(origin: Path, tmp_path: Path) -> None:
    """After a crash at any moment of replace, one state opens, one key is live, and the next replacement works."""
    total = moments(lambda: state_in(copy(origin, tmp_path, 999)).replace(b"new"))
    seen = set()
    for step in range(total):
        folder = copy(origin, tmp_path, step)
        assert not run_until(step, partial(replace_in, folder))
        reopened = state_in(folder)
        found = reopened.load()
        seen.add(found)
        assert found in {b"old", b"new"}
        assert [live.generation for live in reopened.slot.live()] == [2 if found == b"old" else 3]
        assert files_of(folder) == [f"thing-{reopened.generation}.sealed"]
        reopened.replace(b"later")
        assert state_in(folder).load() == b"later"
    assert seen == {b"old", b"new"}


def test_a_recovery_broken_anywhere_can_be_repeated(origin: Path, tmp_path: Path) -> None:
    """A second crash, during the recovery from the first, loses nothing either."""
    total = moments(lambda: state_in(copy(origin, tmp_path, 999)).replace(b"new"))
    for step in range(total):
        for again in range(8):
            folder = copy(origin, tmp_path, 1000 + step * 10 + again)
            run_until(step, partial(replace_in, folder))
            run_until(again, partial(load_in, folder))
            reopened = state_in(folder)
            assert reopened.load() in {b"old", b"new"}
            assert len(reopened.slot.live()) == 1


def test_a_half_torn_while_it_was_prepared_is_forgotten(origin: Path, tmp_path: Path) -> None:
    """A new generation of which half was stored leaves the old state."""
    folder = copy(origin, tmp_path, 0)
    assert not run_until(1, lambda: state_in(folder).replace(b"new"))
    tear(folder)
    assert state_in(folder).load() == b"old"


def test_the_earlier_state_does_not_open_with_the_live_secret(origin: Path) -> None:
    """Whoever kept every state file opens only the newest with the slot as it is."""
    kept = (origin / "state" / "thing-2.sealed").read_bytes()
    state = state_in(origin)
    state.replace(b"new")
    for name in ("thing-2.sealed", "thing-3.sealed"):
        (origin / "state" / name).write_bytes(kept)
    with pytest.raises(WrongKeyError):
        state.load()


def test_a_rolled_back_folder_is_refused(origin: Path, tmp_path: Path) -> None:
    """With only an older file present the error says that a copy was put back, and nothing is destroyed."""
    kept = copy(origin, tmp_path, 0)
    state_in(origin).replace(b"new")
    shutil.rmtree(origin / "state")
    shutil.copytree(kept / "state", origin / "state")
    with pytest.raises(RolledBackError, match=r"thing-2\.sealed"):
        state_in(origin).load()
    assert files_of(origin) == ["thing-2.sealed"]


def test_an_unmounted_folder_destroys_nothing(origin: Path, tmp_path: Path) -> None:
    """With two live keys and no file, opening refuses and both keys stay: the right folder still opens."""
    assert not run_until(1, lambda: state_in(origin).replace(b"new"))
    (origin / "state").rename(tmp_path / "away")
    (origin / "state").mkdir()
    with pytest.raises(NoStoreError, match="mounted"):
        state_in(origin).load()
    (origin / "state").rmdir()
    (tmp_path / "away").rename(origin / "state")
    assert state_in(origin).load() == b"old"


@pytest.mark.parametrize("position", [0, 8, 31, 32, 44, -1])
def test_an_altered_file_does_not_open(origin: Path, position: int) -> None:
    """One changed byte anywhere in the state's file is found."""
    path = origin / "state" / "thing-2.sealed"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WrongKeyError, match=r"thing-2\.sealed"):
        state_in(origin).load()


@pytest.mark.parametrize("size", [0, 31, 32, 43, 59])
def test_a_truncated_file_does_not_open(origin: Path, size: int) -> None:
    """A state's file that was cut off is found."""
    path = origin / "state" / "thing-2.sealed"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(WrongKeyError):
        state_in(origin).load()


def test_a_state_under_another_name_does_not_open(origin: Path) -> None:
    """The name is bound, so one owner's state cannot be passed off as another's."""
    (origin / "state" / "thing-2.sealed").rename(origin / "state" / "other-2.sealed")
    with pytest.raises(WrongKeyError):
        SealedState(origin / "state", "other", FileSlot.open(origin / "a.slot")).load()


def test_a_wiped_state_is_gone(origin: Path) -> None:
    """After wipe nothing opens, and the error says why."""
    state_in(origin).wipe()
    with pytest.raises(SealedError, match="wiped"):
        state_in(origin).load()


def test_a_state_is_not_created_twice(origin: Path) -> None:
    """Creating over a state is refused and changes nothing."""
    with pytest.raises(StateError):
        state_in(origin).create(b"again")
    assert state_in(origin).load() == b"old"


def test_a_full_disk_leaves_the_old_state(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new file cannot be written, the old state opens and a later replacement works."""

    def refuse(_path: Path, _pieces: object, _mode: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(durable, "_write_synced", refuse)
        with pytest.raises(StateError, match="No space left"):
            state_in(origin).replace(b"new")
    assert state_in(origin).load() == b"old"
    state_in(origin).replace(b"new")
    assert state_in(origin).load() == b"new"


@pytest.mark.parametrize("call", ["prepare", "destroy", "wipe"])
def test_a_slot_broken_anywhere_holds_before_or_after(tmp_path: Path, call: str) -> None:
    """After a crash in prepare, destroy or wipe each generation is wholly there or wholly gone."""
    for step in range(4):
        slot = FileSlot.create(tmp_path / f"{step}.slot")
        slot.prepare(1, b"1" * 32)
        if call != "prepare":
            slot.prepare(2, b"2" * 32)
        calls: dict[str, Callable[[], None]] = {
            "prepare": partial(slot.prepare, 2, b"2" * 32),
            "destroy": partial(slot.destroy, 1),
            "wipe": slot.wipe,
        }
        finished = run_until(step, calls[call])
        held = [live.generation for live in FileSlot.open(slot.path).live()]
        allowed = {"prepare": [[1], [1, 2]], "destroy": [[1, 2], [2]], "wipe": [[1, 2], [1], []]}[call]
        assert held in ([allowed[-1]] if finished else allowed)


def test_states_in_one_folder_leave_each_other_alone(origin: Path) -> None:
    """A state whose name begins with another's name keeps its file."""
    other = SealedState(origin / "state", "thing-two", FileSlot.create(origin / "b.slot"))
    other.create(b"other")
    state_in(origin).replace(b"new")
    state_in(origin).wipe()
    assert other.load() == b"other"


def test_every_error_of_a_state_is_one_of_ours(origin: Path) -> None:
    """A folder where the state's file should be is told as an error of this project, not a trace."""
    path = origin / "state" / "thing-2.sealed"
    path.unlink()
    path.mkdir()
    with pytest.raises(UnheldError):
        state_in(origin).load()
