"""Every durable step of a publication broken in turn: readers see a whole log, and a repetition ends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from unheld_branch.log.tiles import LogWriter
from unheld_slots.durable import observed
from unheld_verify import crypto, statement, tiles

ORIGIN = "log.example/unheld"
SEED = bytes(range(32))
ENTRIES = [crypto.sha256(number.to_bytes(4, "big")) for number in range(560)]
OPENING = statement.commit(statement.make(ORIGIN, "open", "2026-01-06", sealing_day="2026-01-06", set=0))
ENTRIES[0] = OPENING.entry
OLD, NEW = 250, 530  # crosses a full tile twice, so that bundles, tiles and level 1 change


class _Crash(BaseException):
    """The machine stopped: no Exception, so nothing tidies up."""


def _steps(act: Callable[[], object]) -> list[str]:
    """All points at which an act can be cut off, in order."""
    seen: list[str] = []
    with observed(lambda moment, path: seen.append(f"{moment} {path.name}")):
        act()
    return seen


def _cut(act: Callable[[], object], at: int) -> None:
    """Run an act until its point `at` and crash there."""
    left = at

    def crash(_moment: str, _path: Path) -> None:
        nonlocal left
        if left == 0:
            raise _Crash
        left -= 1

    with pytest.raises(_Crash), observed(crash):
        act()


def _files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A log before the publication that is to be cut off."""
    LogWriter.create(tmp_path / "old", SEED, ORIGIN).append(0, ENTRIES[:OLD])
    return tmp_path / "old"


def _publish(folder: Path) -> None:
    LogWriter(folder, SEED, ORIGIN).append(OLD, ENTRIES[OLD:NEW])


def test_publication_cut_off_anywhere_is_whole_for_readers_and_ends_when_repeated(old: Path, tmp_path: Path) -> None:
    """After a crash at any step the log verifies at its old or new size, and a repetition gives the uncut log."""
    shutil.copytree(old, tmp_path / "uncut")
    points = _steps(lambda: _publish(tmp_path / "uncut"))
    uncut = _files(tmp_path / "uncut")
    key = LogWriter(old, SEED, ORIGIN).key
    for at in range(len(points)):
        folder = tmp_path / f"cut{at}"
        shutil.copytree(old, folder)
        _cut(lambda folder=folder: _publish(folder), at)  # type: ignore[misc]

        assert tiles.verify_log(tiles.open_log(str(folder)), key).size in (OLD, NEW)
        _publish(folder)
        assert _files(folder) == uncut, points[at]
    assert len(points) > 40


def test_checkpoint_is_the_last_file_of_a_publication(old: Path) -> None:
    """Nothing that the checkpoint covers is written after it."""
    renamed = [point for point in _steps(lambda: _publish(old)) if point.startswith("after rename")]

    assert renamed[-1] == "after rename checkpoint"
    assert renamed.count("after rename checkpoint") == 1


def test_same_publication_cut_off_twice_still_ends(old: Path, tmp_path: Path) -> None:
    """A repetition that is itself cut off is repeated like the first."""
    shutil.copytree(old, tmp_path / "uncut")
    points = _steps(lambda: _publish(tmp_path / "uncut"))
    _cut(lambda: _publish(old), len(points) // 2)
    _cut(lambda: _publish(old), len(points) // 3)

    _publish(old)

    assert _files(old) == _files(tmp_path / "uncut")


def test_other_entries_may_follow_a_publication_that_never_ended(old: Path, tmp_path: Path) -> None:
    """Debris of a publication that was given up does not enter the log that goes on without it."""
    shutil.copytree(old, tmp_path / "uncut")
    points = _steps(lambda: _publish(tmp_path / "uncut"))
    _cut(lambda: _publish(old), len(points) - 6)
    writer = LogWriter(old, SEED, ORIGIN)

    writer.append(OLD, ENTRIES[300:400])

    assert tiles.verify_log(tiles.open_log(str(old)), writer.key).size == OLD + 100


def test_creation_cut_off_anywhere_is_repeated(tmp_path: Path) -> None:
    """A log whose creation was cut off at any step is created by doing it again."""
    points = _steps(lambda: LogWriter.create(tmp_path / "uncut", SEED, ORIGIN))
    for at in range(len(points)):
        folder = tmp_path / f"cut{at}"
        _cut(lambda folder=folder: LogWriter.create(folder, SEED, ORIGIN), at)  # type: ignore[misc]

        assert LogWriter.create(folder, SEED, ORIGIN).size == 0


def test_opening_cut_off_anywhere_is_published_by_repeating(old: Path, tmp_path: Path) -> None:
    """An opening cut off at any step is absent or whole, and there after a repetition."""
    shutil.copytree(old, tmp_path / "uncut")
    points = _steps(lambda: LogWriter(tmp_path / "uncut", SEED, ORIGIN).publish_opening(0, OPENING))
    key = LogWriter(old, SEED, ORIGIN).key
    for at in range(len(points)):
        folder = tmp_path / f"cut{at}"
        shutil.copytree(old, folder)
        writer = LogWriter(folder, SEED, ORIGIN)
        _cut(lambda writer=writer: writer.publish_opening(0, OPENING), at)  # type: ignore[misc]

        assert tiles.verify_log(tiles.open_log(str(folder)), key).size == OLD
        writer.publish_opening(0, OPENING)
        assert tiles.open_log(str(folder)).opening(0) == OPENING
