"""Parts of a store put back from a backup, taken away, or used by two processes at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, snapshot
from tests.support.stores import TestStore, made_store
from unheld.assembly import Deployment
from unheld_branch.kernel import locks
from unheld_branch.store import store as stores
from unheld_branch.store.vault import Vault
from unheld_verify import columns, crypto
from unheld_verify.errors import (
    LockedError,
    NoStoreError,
    RolledBackError,
    SealedError,
    StateError,
    StateUnknownError,
    VerificationError,
)


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store with one copy, a day open and two parties."""
    made = made_store(tmp_path / "m", copies=1)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    return made


def _copy(made: TestStore) -> Path:
    return made.folder / "copy-1"


def _keep(made: TestStore, path: Path) -> Path:
    kept = made.folder / "kept" / path.name
    kept.parent.mkdir(exist_ok=True)
    (shutil.copytree if path.is_dir() else shutil.copy)(path, kept)
    return kept


def _put_back(kept: Path, path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
        shutil.copytree(kept, path)
    else:
        shutil.copy(kept, path)


def _clean_close(path: Path) -> None:
    """Leave no write-ahead file, so that one file is the whole database."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.sqlite
@pytest.mark.parametrize("part", ["s/catalog.db", "s.slots/root.slot", "copy-1/catalog.db", "copy-1.slots/root.slot"])
def test_a_part_that_was_put_back_is_refused(made: TestStore, part: str) -> None:
    """The database or the slot of a store, or of its copy, from before the last commit is never served."""
    place = made.folder / part
    if place.suffix == ".db":
        _clean_close(place)
    kept = _keep(made, place)
    made.forget("tel:" + ALICE)
    if place.suffix == ".db":
        _clean_close(place)
    _put_back(kept, place)

    with pytest.raises(RolledBackError, match="use another copy"), made.opened():
        pass


@pytest.mark.sqlite
def test_a_store_put_back_whole_is_caught_by_its_copy(made: TestStore) -> None:
    """A snapshot of database and slot together agrees with itself; the copy, which went on, gives it away."""
    parts = [made.root, made.deployment.slots]
    kept = [_keep(made, part) for part in parts]
    made.forget("tel:" + ALICE)
    for old, part in zip(kept, parts, strict=True):
        _put_back(old, part)

    with pytest.raises(RolledBackError, match="snapshot"), made.opened():
        pass


@pytest.mark.sqlite
@pytest.mark.parametrize("with_slots", [False, True])
def test_a_store_put_back_names_what_it_opens_and_the_copy_to_use(made: TestStore, with_slots: bool) -> None:
    """Without its slots nothing opens, with them the forgotten do, too. The copy is named with its command."""
    parts = [made.root, *([made.deployment.slots] if with_slots else [])]
    _clean_close(made.root / "catalog.db")
    kept = [_keep(made, part) for part in parts]
    made.forget("tel:" + ALICE)
    with made.opened() as store:
        generation = store.catalog.generation
    for old, part in zip(kept, parts, strict=True):
        _put_back(old, part)
    opens = "also whoever was forgotten since: destroy its slots" if with_slots else "nothing of anybody"

    with pytest.raises(RolledBackError) as caught, made.opened():
        pass
    assert f"what opens here: {'who was known at generation' if with_slots else ''}" in str(caught.value)
    assert opens in str(caught.value)
    assert f"use instead: copy {_copy(made)}, of generation {generation}: take {made.root}" in str(caught.value)
    assert f"`unheld-branch copy promote {_copy(made)}`" in str(caught.value)


@pytest.mark.sqlite
def test_a_store_put_back_beside_a_copy_that_is_away_says_so(made: TestStore) -> None:
    """No copy is named as the one to use where none answers."""
    _clean_close(made.root / "catalog.db")
    kept = _keep(made, made.root)
    made.forget("tel:" + ALICE)
    _put_back(kept, made.root)
    _copy(made).rename(_copy(made).with_name("unmounted"))

    with pytest.raises(RolledBackError, match=r"none answers here; copy .* did not say what it has"), made.opened():
        pass


@pytest.mark.sqlite
def test_a_copy_that_was_put_back_casts_no_doubt_on_the_store(made: TestStore) -> None:
    """Nobody is told to give up a store that is whole."""
    place = _copy(made) / "catalog.db"
    _clean_close(place)
    kept = _keep(made, place)
    made.forget("tel:" + ALICE)
    _clean_close(place)
    _put_back(kept, place)

    with pytest.raises(RolledBackError) as caught, made.opened():
        pass
    assert "what opens here" not in str(caught.value)


@pytest.mark.sqlite
def test_a_copy_left_behind_by_two_forgettings_follows_them(made: TestStore) -> None:
    """A copy that was put back, slot and all, from before two forgettings has neither party once the store opens."""
    parts = [_copy(made), _copy(made).with_name("copy-1.slots")]
    kept = [_keep(made, part) for part in parts]
    made.forget("tel:" + ALICE)
    made.forget("tel:" + BOB)
    for old, part in zip(kept, parts, strict=True):
        _put_back(old, part)

    with made.opened() as store:
        assert store.copies.vaults[0].load().generation == store.catalog.generation
        assert [tree.rows for tree in store.copies.vaults[0].load().trees.values()] == [0]


@pytest.mark.sqlite
def test_an_altered_journal_is_refused(made: TestStore) -> None:
    """An entry that was changed in the database, with its heads made anew, does not fit the slot."""
    with closing(sqlite3.connect(made.root / "catalog.db")) as connection:
        connection.execute("UPDATE journal SET head = ? WHERE generation = (SELECT max(generation) FROM journal)", (
            crypto.random_bytes(32),
        ))  # fmt: skip
        connection.commit()

    with pytest.raises(RolledBackError), made.opened():
        pass


@pytest.mark.sqlite
def test_an_older_entry_that_was_altered_is_named(made: TestStore) -> None:
    """A change in the middle of the journal breaks its chain there."""
    with closing(sqlite3.connect(made.root / "catalog.db")) as connection:
        ((entry,),) = connection.execute("SELECT entry FROM journal WHERE generation = 3")
        altered = entry.replace(b"open", b"oben")
        connection.execute("UPDATE journal SET entry = ? WHERE generation = 3", (altered,))
        connection.commit()

    with pytest.raises(VerificationError, match="entry 3 was altered"), made.opened():
        pass


def test_a_wiped_slot_ends_the_store(made: TestStore) -> None:
    """Without its root key nothing is served."""
    with made.opened() as store:
        store.vault.slot.wipe()

    with pytest.raises(SealedError), made.opened():
        pass


def test_a_second_process_is_refused_while_one_works(made: TestStore) -> None:
    """Two processes never work on one store: the second is told so at once."""
    code = f"""
from pathlib import Path
from unheld_branch.kernel import locks
with locks.locked(Path({str(made.root / "lock")!r}), exclusive=True):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="another process"), made.opened():
            pass
        other.communicate("\n")

    with made.opened() as store:
        assert store.catalog.generation > 1


def test_two_openings_in_one_process_exclude_each_other(made: TestStore) -> None:
    """The lock holds between two openings of one process as well."""
    with made.opened(), pytest.raises(LockedError), made.opened():
        pass


def test_readers_share_a_lock(tmp_path: Path) -> None:
    """Many may hold a shared lock; a writer waits for none and is refused."""
    place = tmp_path / "lock"
    with (
        locks.locked(place, exclusive=False),
        locks.locked(place, exclusive=False),
        pytest.raises(LockedError),
        locks.locked(place, exclusive=True),
    ):
        pass
    with locks.locked(place, exclusive=True):
        assert place.exists()


def test_after_a_failed_commit_the_same_opening_commits_no_more(
    made: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store whose last change is unsure takes no other before it was opened again."""

    def unsure(*_: object) -> None:
        raise StateUnknownError("reads back differently")

    with made.opened() as store:
        monkeypatch.setattr(Vault, "reread", unsure)
        with pytest.raises(StateUnknownError):
            store.commit({"kind": "rows", "rows": ""})
        monkeypatch.undo()
        with pytest.raises(StateError):
            store.commit({"kind": "rows", "rows": ""})

    with made.opened() as store:
        assert store.copies.vaults[0].load().generation == store.catalog.generation


def test_a_store_begins_in_an_empty_folder_only(made: TestStore) -> None:
    """Nothing that is there already is laid over."""
    before = snapshot(made.root, made.deployment.slots)

    with pytest.raises(StateError, match="a store begins in a new folder"):
        stores.create(made.deployment.places(), made.deployment.policy(), made.clock, bytes(32))

    assert snapshot(made.root, made.deployment.slots) == before


def test_a_folder_without_a_store_says_so(tmp_path: Path) -> None:
    """Opening a place where nothing was made is its own error."""
    with pytest.raises(NoStoreError, match="unheld init"), Deployment(tmp_path / "none").opened():
        pass


def test_a_store_that_is_gone_is_not_founded_again(tmp_path: Path) -> None:
    """Where headquarters' register outlived the store, the error says what goes on, and not to make another."""
    made = made_store(tmp_path / "m")
    (made.root / "genesis.json").unlink()

    with pytest.raises(NoStoreError, match="the store is gone; demand, log") as told, made.deployment.opened():
        pass

    assert "unheld init" not in str(told.value)


def test_a_missing_column_file_stops_the_close_and_keeps_the_day(made: TestStore) -> None:
    """A batch whose file is gone is named; the day stays open, and closes once the file is back."""
    file = next((made.root / "blocks" / "charge").rglob("*.parquet"))
    data = file.read_bytes()
    file.unlink()

    with pytest.raises(VerificationError, match="missing"):
        made.close()

    file.write_bytes(data)
    assert made.close().records == 2


@pytest.mark.parametrize("suffix", [".parquet", ".handles"])
def test_an_altered_file_of_an_open_day_stops_the_close(made: TestStore, suffix: str) -> None:
    """A flipped byte in a batch's blocks or handles is refused, not merged."""
    file = next((made.root / "blocks" / "charge").rglob(f"*{suffix}"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    with pytest.raises(VerificationError, match="altered"):
        made.close()


def test_missing_handles_stop_the_close(made: TestStore) -> None:
    """Blocks whose handles are gone cannot be grouped, and the error names the file."""
    next((made.root / "blocks" / "charge").rglob("*.handles")).unlink()

    with pytest.raises(VerificationError, match=r"\.handles: missing"):
        made.close()


def _files(made: TestStore) -> set[Path]:
    """Files of the store besides its database."""
    return {path for path in made.root.rglob("*") if path.is_file() and not path.name.startswith("catalog.db")}


def test_opening_for_writing_removes_what_no_entry_names(made: TestStore) -> None:
    """Remains of cut-off acts leave: blocks, parts, parked files, leaves of rows; what stands stays."""
    before = _files(made)
    strays = (
        [
            made.root / "blocks" / "charge" / "2026-07-01" / "2026-07-01" / name
            for name in ("ab.parquet", ".x.parquet.part")
        ]
        + [made.root / "parked" / name for name in ("ab.parked", ".x.parked.part")]
        + [made.root / "rows" / "99.bin"]
    )
    for path in strays:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"x")

    with made.opened(write=True):
        assert _files(made) == before


def test_opening_for_reading_changes_no_file(made: TestStore) -> None:
    """Looking at a store leaves every byte of its blocks and slots."""
    stray = made.root / "parked" / "ab.parked"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    with made.opened(write=False) as store:
        assert store.today() == columns.day_of(FIRST)

    assert stray.exists()
