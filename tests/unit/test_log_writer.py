"""The log's writer: appends once, proves what it holds, and refuses to fork."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unheld_branch.log.tiles import LogWriter
from unheld_verify import checkpoint, crypto, merkle, statement, tiles
from unheld_verify.errors import BadInputError, NoStoreError, StateError, VerificationError

ORIGIN = "log.example/unheld"
SEED = bytes(range(32))
ENTRIES = [crypto.sha256(number.to_bytes(4, "big")) for number in range(800)]
OPENING = statement.commit(statement.make(ORIGIN, "open", "2026-01-06", sealing_day="2026-01-06", set=0))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5))
@settings(max_examples=15)
def test_log_verifies_after_every_publication(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    """However entries are cut into publications, each leaves a log that verifies whole and continues the one before."""
    folder = tmp_path_factory.mktemp("logs") / "log"
    writer = LogWriter.create(folder, SEED, ORIGIN)
    entries = ENTRIES * 2
    for size in sizes:
        old, old_root = writer.size, writer.root
        writer.append(old, entries[old : old + size])

        log = tiles.open_log(str(folder))
        head = tiles.verify_log(log, writer.key)
        assert head.root == merkle.root([merkle.leaf_hash(entry) for entry in entries[: old + size]])
        if old:
            path = merkle.prove_consistency(old, head.size, log.subtree(head.size))
            merkle.verify_consistency(old, head.size, old_root, head.root, path)


def test_every_entry_is_provable(tmp_path: Path) -> None:
    """Each entry's proof holds under the checkpoint that comes with it."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:700])

    for index in (0, 255, 256, 511, 512, 699):
        proof = writer.prove(index)
        head = checkpoint.verify(proof.checkpoint, writer.key)
        merkle.verify_inclusion(index, head.size, merkle.leaf_hash(ENTRIES[index]), proof.path, head.root)
        assert proof.index == index


def test_appending_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """A publication repeated because its outcome was unknown leaves every byte as it was."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    head = writer.append(0, ENTRIES[:300])
    before = _files(tmp_path)

    again = LogWriter(tmp_path / "log", SEED, ORIGIN).append(0, ENTRIES[:300])

    assert again == head
    assert _files(tmp_path) == before


def test_appending_what_is_partly_there_adds_the_rest(tmp_path: Path) -> None:
    """Entries that stand already are found in their place, and only those after them are published."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:300])

    writer.append(200, ENTRIES[200:500])

    whole = LogWriter.create(tmp_path / "whole", SEED, ORIGIN).append(0, ENTRIES[:500])
    assert (writer.size, writer.root) == (500, whole.root)


@pytest.mark.parametrize(("start", "reason"), [(301, "publish what is missing"), (299, "other entries"), (0, "other")])
def test_gap_or_other_entries_are_refused(tmp_path: Path, start: int, reason: str) -> None:
    """A published number is never given another entry and none is left out; nothing changes."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:300])
    before = _files(tmp_path)

    with pytest.raises(StateError, match=reason):
        writer.append(start, ENTRIES[500:510])

    assert _files(tmp_path) == before


@pytest.mark.parametrize("entry", [b"", bytes(31), bytes(33)])
def test_entry_of_another_length_is_refused(tmp_path: Path, entry: bytes) -> None:
    """An entry that could be told from a dummy by its length is refused; nothing changes."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    before = _files(tmp_path)

    with pytest.raises(BadInputError, match="32 bytes"):
        writer.append(0, [ENTRIES[0], entry])

    assert _files(tmp_path) == before


def test_folder_without_checkpoint_is_no_log(tmp_path: Path) -> None:
    """A log is begun on purpose only: a wrong path does not become a second log."""
    with pytest.raises(NoStoreError, match="holds no log"):
        LogWriter(tmp_path, SEED, ORIGIN)


def test_lost_checkpoint_does_not_fork_the_log(tmp_path: Path) -> None:
    """Where tiles stand without their checkpoint no new log begins."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN).append(0, ENTRIES[:3])
    (tmp_path / "log" / "checkpoint").unlink()

    with pytest.raises(StateError, match="fork"):
        LogWriter.create(tmp_path / "log", SEED, ORIGIN)


def test_log_with_entries_is_not_begun_again(tmp_path: Path) -> None:
    """Creating where a log with entries stands is refused and changes nothing."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN).append(0, ENTRIES[:3])
    before = _files(tmp_path)

    with pytest.raises(StateError, match="already holds"):
        LogWriter.create(tmp_path / "log", SEED, ORIGIN)

    assert _files(tmp_path) == before


def test_creating_an_empty_log_twice_is_one_log(tmp_path: Path) -> None:
    """A creation repeated after a crash is one creation."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    before = _files(tmp_path)

    assert LogWriter.create(tmp_path / "log", SEED, ORIGIN).size == 0
    assert _files(tmp_path) == before


@pytest.mark.parametrize(("seed", "origin"), [(bytes(32), ORIGIN), (SEED, "log.example/other")])
def test_another_key_or_origin_does_not_continue_a_log(tmp_path: Path, seed: bytes, origin: str) -> None:
    """A log is continued by its own key under its own origin only."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN)

    with pytest.raises(VerificationError):
        LogWriter(tmp_path / "log", seed, origin)


def test_altered_tiles_are_not_signed_into_the_log(tmp_path: Path) -> None:
    """Whoever edits the tiles in the folder does not get the edit signed with the next publication."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN).append(0, ENTRIES[:300])
    tile = tmp_path / "log" / "tile/0/001.p/44"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])

    with pytest.raises(VerificationError, match="signed root"):
        LogWriter(tmp_path / "log", SEED, ORIGIN)


def test_altered_bundle_is_not_carried_into_the_next(tmp_path: Path) -> None:
    """An entry edited in the last bundle is not copied into the next one under a new signature."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:300])
    bundle = tmp_path / "log" / "tile/entries/001.p/44"
    bundle.write_bytes(tiles.encode_bundle([bytes(32), *ENTRIES[257:300]]))
    before = _files(tmp_path)

    with pytest.raises(VerificationError, match="does not hold"):
        writer.append(300, ENTRIES[300:310])

    assert _files(tmp_path) == before


def test_opening_is_published_once_and_verifies(tmp_path: Path) -> None:
    """A published opening stands under its entry's number; publishing it again changes nothing."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, [ENTRIES[0], OPENING.entry])

    writer.publish_opening(1, OPENING)
    before = _files(tmp_path)
    writer.publish_opening(1, OPENING)

    assert tiles.open_log(str(tmp_path / "log")).opening(1) == OPENING
    assert _files(tmp_path) == before


@pytest.mark.parametrize(("index", "kind"), [(0, VerificationError), (2, BadInputError), (-1, BadInputError)])
def test_opening_of_another_entry_is_not_published(tmp_path: Path, index: int, kind: type[Exception]) -> None:
    """An opening is published under its own entry only."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, [ENTRIES[0], OPENING.entry])

    with pytest.raises(kind):
        writer.publish_opening(index, OPENING)

    assert not (tmp_path / "log" / "openings").exists()


def test_everyone_may_read_the_log(tmp_path: Path) -> None:
    """The folder is public, so that any web server can hand it out."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:3])

    for path in [tmp_path / "log", *(tmp_path / "log").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)
