"""Places in the log: what is planned for a place where something else came to stand, and what was signed elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from unheld_branch.log.outbox import Outbox, publish
from unheld_branch.log.tiles import LogWriter
from unheld_verify import canonical, checkpoint, crypto, statement, tiles
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.errors import BadInputError, RolledBackError

ORIGIN, SEED = "log.example/unheld", bytes(range(32))
ENTRIES = [crypto.sha256(bytes([number])) for number in range(64)]
SAID = statement.commit(statement.make(ORIGIN, "claim-answered", "2026-07-01"))


@dataclass(frozen=True)
class _Item:
    id: int
    r: bytes
    statement: bytes
    index: int | None
    entry: bytes


@dataclass
class _Waiting:
    """An outbox in memory."""

    items: list[_Item] = field(default_factory=list)

    def plan_entries(self, places: Mapping[int, int], dummies: Iterable[tuple[int, bytes]]) -> None:
        self.items = [replace(item, index=places.get(item.id, item.index)) for item in self.items]
        self.items += [_Item(-index, b"", b"", index, entry) for index, entry in dummies]

    @contextmanager
    def transaction(self) -> Iterator[_Waiting]:
        yield self

    def outbox(self) -> Outbox:
        return Outbox(lambda: list(self.items), self.transaction)


def _statement(index: int | None) -> _Item:
    return _Item(1, SAID.r, canonical.encode(SAID.statement), index, SAID.entry)


def test_a_statement_whose_place_was_taken_stands_once_more(tmp_path: Path) -> None:
    """A store that was away while the log went on says again what it had planned to say there; its dummies are gone."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:32])
    away = _Waiting([_statement(3), _Item(2, b"", b"", 4, ENTRIES[60])])

    assert publish(away.outbox(), writer) == 32

    log = tiles.open_log(str(tmp_path / "log"))
    published = [log.entry(index, 64) for index in range(64)]
    assert published[:32] == ENTRIES[:32]
    assert published.count(SAID.entry) == 1
    assert ENTRIES[60] not in published
    assert log.opening(published.index(SAID.entry)).entry == SAID.entry


@pytest.mark.parametrize("index", [-1, 32])
def test_what_is_not_published_is_not_read(tmp_path: Path, index: int) -> None:
    """An entry outside the log is none."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:32])

    with pytest.raises(BadInputError, match=f"entry {index} is not published: the log has 32"):
        writer.entry(index)


def _seen(folder: Path, entries: list[bytes]) -> Checkpoint:
    writer = LogWriter.create(folder, SEED, ORIGIN)
    writer.append(0, entries)
    return checkpoint.verify(writer.checkpoint(), writer.key)


def test_a_log_put_back_is_not_forked(tmp_path: Path) -> None:
    """A folder of yesterday gets no other entries where its key has signed some, and the same ones at once."""
    seen = _seen(tmp_path / "newer", ENTRIES[:48])
    LogWriter.create(tmp_path / "older", SEED, ORIGIN).append(0, ENTRIES[:32])
    older = LogWriter(tmp_path / "older", SEED, ORIGIN, seen)

    with pytest.raises(RolledBackError, match="has signed 48"):
        older.append(32, ENTRIES[40:64])
    assert older.size == 32
    assert older.append(32, ENTRIES[32:48]).root == seen.root
    assert older.append(48, ENTRIES[48:64]).size == 64


def test_a_log_that_reached_what_was_seen_goes_on(tmp_path: Path) -> None:
    """A folder that is as far as the checkpoint that was seen takes any entries after it."""
    seen = _seen(tmp_path / "log", ENTRIES[:32])
    writer = LogWriter(tmp_path / "log", SEED, ORIGIN, seen)

    assert writer.append(32, ENTRIES[32:40]).size == 40
