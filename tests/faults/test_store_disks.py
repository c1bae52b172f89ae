"""Real disks that refuse: full, read-only, without the right to write; and foundings that were cut short."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.acts import telling
from tests.support.calls import ALICE, BOB, FIRST, Call, Crash, calls, crash_points, held, steps
from tests.support.stores import TestStore, made_store
from unheld.assembly import BEGUN, CLOCK_VARIABLE, Deployment
from unheld.workflows import founding
from unheld.workflows.founding import Wishes
from unheld_branch.store.check import check
from unheld_slots import durable
from unheld_verify.errors import DiskError, InternalError, LockedError, NoStoreError, StateError, UnheldError

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk of its own")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    with mounted(tmp_path / "disk", "size=24m") as folder:
        yield folder


def whole(made: TestStore, second: int) -> None:
    """It opens, checks, and takes something in."""
    with made.opened() as store:
        assert check(store).findings == ()
    made.ingest(calls(Call(BOB, second=second)))


@ROOT
@pytest.mark.sqlite  # the database has to lie on the disk that is full
def test_a_full_disk_loses_nothing(disk: Path, tmp_path: Path) -> None:
    """With no room left every act says so and changes nothing; with room again the same act is done."""
    made = made_store(disk / "m")
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE)))
    file = Path(shutil.copy(made.folder / "delivered" / "0000.csv", tmp_path / "more.csv"))
    file.write_text(file.read_text().replace(ALICE, BOB))
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    for act in (lambda: made.ingest(file), lambda: made.forget("tel:" + ALICE), made.close):
        with pytest.raises(UnheldError) as told:
            act()
        assert not isinstance(told.value, InternalError)
        assert "disk" in str(told.value)
    (disk / "filler").unlink()

    assert held(made, "tel:" + ALICE) == [(FIRST, 3600)]
    assert made.ingest(file).records == 1
    assert made.forget("tel:" + ALICE).rows == 1
    assert held(made, "tel:" + ALICE) == []
    whole(made, 9)


@ROOT
def test_a_disk_that_turns_read_only_loses_nothing(disk: Path) -> None:
    """What is called is refused with a mend; writable again, all is there."""
    made = made_store(disk / "m")
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE)))
    file = made.folder / "delivered" / "0000.csv"
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(DiskError, match="Read-only file system; nothing was changed; mount that disk for writing"):
        made.ingest(file)
    with pytest.raises(DiskError, match="mount that disk for writing"):
        durable.write_file(disk / "new", b"x")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)

    assert held(made, "tel:" + ALICE) == [(FIRST, 3600)]
    whole(made, 9)


@pytest.mark.parametrize("most", [8192, 65_536])
def test_a_limit_on_files_loses_nothing(tmp_path: Path, most: int) -> None:
    """A file that may not grow further ends an act with the place and the mend; without the limit it is done."""
    made = made_store(tmp_path / "m")
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    given = calls(Call(BOB, second=5))
    file = made._written(given)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(StateError, match=str(tmp_path)):
            made.ingest(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert made.ingest(file).records == 1
    assert held(made, "tel:" + BOB) == [(FIRST, 5)]
    whole(made, 9)


WISHES = Wishes(charge=Path("charge"))


def _cut_short(made: Deployment, wishes: Wishes, at: int) -> None:
    made.root.parent.mkdir()
    with pytest.raises(Crash), steps(at):
        founding.found(made, wishes)


def _founded_after_all(made: Deployment, wishes: Wishes) -> None:
    """Do what the refusal says, to the word."""
    begun = [path for path in made.root.parent.rglob("*") if path.name != BEGUN and path != made.register]
    if begun:
        with pytest.raises(StateError, match="was cut short") as told:
            founding.found(made, wishes)
        for path in map(Path, str(told.value).split(": ", 1)[1].split()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    founding.found(made, wishes)


@pytest.mark.parametrize("every", [60, pytest.param(10, marks=pytest.mark.slow)])
def test_a_founding_cut_short_anywhere_says_what_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """It is neither founded over nor opened half made; once what it names is removed it is founded as if never."""
    monkeypatch.setenv(CLOCK_VARIABLE, "1782864000")
    (tmp_path / "uncut").mkdir()
    slot = {"root": f"file:{tmp_path / 'key.slot'}"}
    wishes = replace(WISHES, charge=tmp_path / "charge", copies=[tmp_path / "copy"], slots=slot)
    points = crash_points(lambda: founding.found(Deployment(tmp_path / "uncut" / "s"), wishes))
    last = max(at for at, point in enumerate(points) if point.endswith("inventory.json"))
    for at in sorted({*list(telling(points, after=True).values())[::every], last}):
        for path in (tmp_path / "copy", tmp_path / "copy.slots"):
            shutil.rmtree(path, ignore_errors=True)
        (tmp_path / "key.slot").unlink(missing_ok=True)
        made = Deployment(tmp_path / str(at) / "s")
        _cut_short(made, wishes, at)
        if not (made.root / "inventory.json").exists():
            with pytest.raises((StateError, NoStoreError)), made.opened(write=True):
                pass
            _founded_after_all(made, wishes)
        with made.opened(write=True) as store:
            assert check(store).findings == ()


def test_a_founding_that_only_left_its_mark_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark goes last; a store that is whole is opened though it came back, and is never told to be removed."""
    monkeypatch.setenv(CLOCK_VARIABLE, "1782864000")
    made = Deployment(tmp_path / "s")
    founding.found(made, Wishes())
    (made.register / BEGUN).touch()

    with made.opened(write=True) as store:
        assert check(store).findings == ()
    with pytest.raises(StateError, match=r"not empty; a store begins in new folders, nothing was changed"):
        founding.found(made, Wishes())


def test_two_who_found_at_once_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever step of a founding another begins in the same place: it is refused, and the first one's is whole."""
    monkeypatch.setenv(CLOCK_VARIABLE, "1782864000")
    made, told = Deployment(tmp_path / "s"), list[UnheldError]()

    def other(moment: str, path: Path) -> None:
        if moment == "before write":
            with pytest.raises(UnheldError) as refused:
                founding.found(made, Wishes())
            told.append(refused.value)

    with durable.observed(other):
        founding.found(made, Wishes())

    assert len(told) > 10
    assert {type(error) for error in told} == {LockedError}
    with made.opened(write=True) as store:
        assert check(store).findings == ()
