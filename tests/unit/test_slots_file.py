"""The file slot's bytes, and every way in which a slot file can be wrong."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from unheld_slots import durable
from unheld_slots.slot import FileSlot, open_slot
from unheld_verify import crypto
from unheld_verify.errors import BadInputError, InternalError, NoStoreError, StateError, StateUnknownError

HALF = 4096


@pytest.fixture
def slot(tmp_path: Path) -> FileSlot:
    return FileSlot.create(tmp_path / "a.slot")


def patch(path: Path, offset: int, data: bytes) -> None:
    held = bytearray(path.read_bytes())
    held[offset : offset + len(data)] = data
    path.write_bytes(bytes(held))


def test_a_generation_lies_in_the_half_of_its_parity(slot: FileSlot) -> None:
    """The layout is the one of the specification, to the byte."""
    slot.prepare(3, b"k" * 32, b"b")
    data = slot.path.read_bytes()
    signed = b"UNHSLOT1" + slot.slot_id + (3).to_bytes(8, "big") + b"k" * 32 + b"b".ljust(64, b"\0")
    assert data == bytes(HALF) + (signed + crypto.sha256(signed)).ljust(HALF, b"\0")


def test_the_file_keeps_its_inode_and_length(slot: FileSlot) -> None:
    """A slot is only ever written in place."""
    before = slot.path.stat()
    slot.prepare(1, b"1" * 32)
    slot.prepare(2, b"2" * 32)
    slot.destroy(1)
    after = slot.path.stat()
    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)


def test_only_the_owner_may_read_a_slot(slot: FileSlot) -> None:
    """The file is made with mode 0600."""
    assert stat.S_IMODE(slot.path.stat().st_mode) == 0o600


def test_destroyed_bytes_are_not_in_the_file(slot: FileSlot) -> None:
    """The secret of a destroyed generation stands nowhere in the slot file."""
    slot.prepare(1, b"gone" * 8)
    slot.prepare(2, b"2" * 32)
    slot.destroy(1)
    assert b"gone" not in slot.path.read_bytes()


@pytest.mark.parametrize("cut", [1, 8, 31, 32, 63, 64, 100, 128, 159])
def test_a_torn_half_is_emptied_at_the_next_open(slot: FileSlot, cut: int) -> None:
    """A half of which only the first bytes were stored holds no generation and leaves no byte of its secret."""
    slot.prepare(1, b"1" * 32)
    slot.prepare(2, b"torn" * 8)
    patch(slot.path, cut, bytes(HALF - cut))
    opened = FileSlot.open(slot.path)
    assert [live.generation for live in opened.live()] == [1]
    assert slot.path.read_bytes()[:HALF] == bytes(HALF)


@pytest.mark.parametrize("cut", [1, 7, 32, 50, 127, 159])
def test_a_destroy_torn_in_the_middle_is_finished(slot: FileSlot, cut: int) -> None:
    """A half of which only the first bytes were overwritten leaves no byte of its secret after the next open."""
    slot.prepare(1, b"1" * 32)
    slot.prepare(2, b"torn" * 8)
    patch(slot.path, 0, bytes(cut))
    FileSlot.open(slot.path)
    assert slot.path.read_bytes()[:HALF] == bytes(HALF)


@pytest.mark.parametrize("cut", [1, 40, 159])
def test_a_torn_first_generation_is_emptied(slot: FileSlot, cut: int) -> None:
    """A crash in the very first prepare leaves an empty slot."""
    slot.prepare(2, b"torn" * 8)
    patch(slot.path, cut, bytes(HALF - cut))
    assert FileSlot.open(slot.path).live() == []


@pytest.mark.parametrize("start", [b"SQLite f", b"\xff" * 8])
def test_a_file_that_is_no_slot_is_left_alone(tmp_path: Path, start: bytes) -> None:
    """A file of the right length by chance is refused and not overwritten."""
    path = tmp_path / "other"
    data = start.ljust(2 * HALF, b"x")
    path.write_bytes(data)
    with pytest.raises(BadInputError, match="not a slot"):
        FileSlot.open(path)
    assert path.read_bytes() == data


@pytest.mark.parametrize("size", [0, HALF, 2 * HALF - 1, 2 * HALF + 1])
def test_a_file_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    """A truncated or lengthened slot is not guessed at."""
    path = tmp_path / "short"
    path.write_bytes(bytes(size))
    with pytest.raises(BadInputError, match="8192 bytes"):
        FileSlot.open(path)


def test_a_missing_slot_is_told_with_its_path(tmp_path: Path) -> None:
    """The error names the place."""
    with pytest.raises(NoStoreError, match=re.escape(str(tmp_path))):
        FileSlot.open(tmp_path / "none.slot")


def test_a_link_is_not_a_slot(slot: FileSlot) -> None:
    """A slot behind a symbolic link could be swapped, so it is refused."""
    link = slot.path.with_name("link")
    link.symlink_to(slot.path)
    with pytest.raises(BadInputError, match="plain file"):
        FileSlot.open(link)


def test_halves_of_two_slots_are_refused(slot: FileSlot, tmp_path: Path) -> None:
    """A slot put together from copies of two is not opened."""
    other = FileSlot.create(tmp_path / "b.slot")
    slot.prepare(1, b"1" * 32)
    other.prepare(2, b"2" * 32)
    patch(slot.path, 0, other.path.read_bytes()[:HALF])
    with pytest.raises(BadInputError, match="two slots"):
        FileSlot.open(slot.path)


def test_generations_that_do_not_follow_are_refused(slot: FileSlot) -> None:
    """An old half copied back beside a much newer one is found."""
    slot.prepare(1, b"1" * 32)
    old = slot.path.read_bytes()[HALF:]
    for generation in (2, 3, 4):
        slot.prepare(generation, bytes([generation]) * 32)
        slot.destroy(generation - 1)
    patch(slot.path, HALF, old)
    with pytest.raises(BadInputError, match="do not follow"):
        FileSlot.open(slot.path)


def test_a_half_in_the_wrong_place_is_refused(slot: FileSlot) -> None:
    """A generation must lie in the half of its parity."""
    slot.prepare(1, b"1" * 32)
    half = slot.path.read_bytes()[HALF:]
    slot.path.write_bytes(half + bytes(HALF))
    with pytest.raises(BadInputError, match="belongs elsewhere"):
        FileSlot.open(slot.path)


@pytest.mark.parametrize("uri", ["", "file", "file:", "vault:token=x", "/plain/path"])
def test_an_unknown_backend_is_refused_with_the_known_ones(uri: str) -> None:
    """The error says how a slot is named."""
    with pytest.raises(BadInputError, match="scheme of file"):
        open_slot(uri)


def test_overwrite_never_lengthens_a_file(tmp_path: Path) -> None:
    """An overwrite past the end is our own mistake and writes nothing."""
    durable.write_file(tmp_path / "f", b"12345")
    with pytest.raises(InternalError):
        durable.overwrite(tmp_path / "f", 4, b"67")
    assert (tmp_path / "f").read_bytes() == b"12345"


def test_overwrite_of_a_missing_file_changes_nothing(tmp_path: Path) -> None:
    """What cannot be opened was not written: the error is 'failed', and says what to mend."""
    with pytest.raises(StateError, match="nothing was changed; put the folder back") as told:
        durable.overwrite(tmp_path / "none", 0, b"x")

    assert not isinstance(told.value, StateUnknownError)


CHANGES: dict[str, Callable[[Path], None]] = {
    "write": lambda path: durable.write_file(path, b"new"),
    "rename": lambda path: durable.write_file(path, b"new"),
    "sync-folder": lambda path: durable.write_file(path, b"new"),
    "unlink": durable.remove_file,
    "mkdir": lambda path: durable.make_folder(path.with_name("folder")),
    "overwrite": lambda path: durable.overwrite(path, 0, b"new"),
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("action", CHANGES)
def test_failed_and_unknown_are_two_errors(tmp_path: Path, action: str, number: int, moment: str) -> None:
    """What was refused before anything changed says so with its mend; a fault that may have let it happen says that."""
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def fail(met: str, _path: Path) -> None:
        if met == f"{moment} {action}":
            raise OSError(number, os.strerror(number))

    with durable.observed(fail), pytest.raises(StateError, match=re.escape(str(tmp_path))) as told:
        CHANGES[action](path)

    sure = action == "write" or (number != errno.EIO and action not in {"sync-folder", "overwrite"})
    assert isinstance(told.value, StateUnknownError) is not sure
    assert ("nothing was changed" in str(told.value)) is sure
    assert re.search("make room|mount that disk|the right to write|look at that disk", str(told.value))


def test_a_folder_that_another_process_made_first_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that make one folder at once both have it; a file in its place is refused."""
    mkdir = Path.mkdir

    def late(path: Path, mode: int) -> None:
        mkdir(path, mode)
        mkdir(path, mode)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", late)
        durable.make_folder(tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StateError, match="a file stands where the folder should"):
        durable.make_folder(tmp_path / "file")


def test_a_disk_that_gives_other_bytes_back_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every overwrite is read back and compared."""
    durable.write_file(tmp_path / "f", b"12345")
    monkeypatch.setattr(os, "pread", lambda *_: b"other")
    with pytest.raises(StateUnknownError, match="replace the disk"):
        durable.overwrite(tmp_path / "f", 0, b"abcde")


def test_a_write_that_cannot_be_done_changes_nothing(tmp_path: Path) -> None:
    """Writing into a missing folder is told as nothing changed."""
    with pytest.raises(StateError, match="nothing was changed"):
        durable.write_file(tmp_path / "none" / "f", b"x")
    assert list(tmp_path.iterdir()) == []


def test_pieces_that_fail_leave_the_old_file(tmp_path: Path) -> None:
    """A stream that breaks off leaves the earlier file and no staged one."""
    durable.write_file(tmp_path / "f", b"old")

    def pieces() -> object:
        yield b"new"
        raise BadInputError("broken off")

    with pytest.raises(BadInputError, match="broken off"):
        durable.write_stream(tmp_path / "f", pieces())  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f": b"old"}


def test_a_staged_file_is_published_whole(tmp_path: Path) -> None:
    """A file another library wrote appears under its name, and the staged name is gone."""
    (tmp_path / "staged").write_bytes(b"table")
    durable.publish(tmp_path / "staged", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_publishing_across_folders_is_our_own_mistake(tmp_path: Path) -> None:
    """A rename between folders is not known to be atomic."""
    with pytest.raises(InternalError):
        durable.publish(tmp_path / "staged", tmp_path / "other" / "final")


def test_removing_twice_is_harmless(tmp_path: Path) -> None:
    """A removal that a crash cut short can be done again."""
    durable.write_file(tmp_path / "f", b"x")
    durable.remove_file(tmp_path / "f")
    durable.remove_file(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []
