"""The outbox: what was committed reaches the log once, in batches of 32, whatever crashes on the way."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, Crash, calls, crash_points, snapshot, steps
from tests.support.stores import Saved, TestStore, made_store
from unheld_branch.log.tiles import LogWriter
from unheld_branch.store.database import Transaction
from unheld_verify import crypto, statement, tiles
from unheld_verify.tiles import Log


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store with six statements waiting: genesis, custodians, open, batch, forgetting, close."""
    made = made_store(tmp_path / "m")
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    made.forget("tel:" + ALICE)
    made.close()
    return made


def log_of(made: TestStore) -> Log:
    """The public log."""
    return tiles.open_log(str(made.deployment.log))


def size(made: TestStore) -> int:
    """Entries of the log, which verifies whole."""
    return tiles.verify_log(log_of(made), made.deployment.log_key()).size


def kinds(made: TestStore) -> list[str]:
    """The kinds of all published openings, in the log's order."""
    log = log_of(made)
    return [log.opening(index).statement["kind"] for index in log.opened(size(made))]


def test_statements_are_published_with_dummies_and_open(made: TestStore) -> None:
    """A publication has 32 entries, opens those that say something, and the log verifies."""
    assert made.publish() == 32

    assert size(made) == 32
    assert kinds(made) == ["genesis", "custodians", "open", "batch", "erase-parties", "close"]
    for index in log_of(made).opened(32):
        statement.verify(log_of(made).opening(index), made.deployment.policy().origin)


def test_a_quiet_day_looks_like_any_other(made: TestStore) -> None:
    """With nothing waiting 32 dummies go out: that nothing happened is not told."""
    made.publish()

    assert made.publish() == 32
    assert (size(made), len(kinds(made))) == (64, 6)


def test_more_than_a_cadence_goes_out_in_whole_cadences(made: TestStore) -> None:
    """Forty statements take 64 entries; none is left behind."""
    with made.opened() as store:
        for _ in range(35):
            store.commit({"kind": "rows", "rows": ""}, say=[store.opening("parked", period=1, records_at_most=1024)])

    assert made.publish() == 64
    assert len(kinds(made)) == 41


def test_what_comes_later_goes_out_later(made: TestStore) -> None:
    """A statement waits for the next cadence, and stands in it once."""
    made.publish()
    made.open_day(FIRST + timedelta(1))
    made.publish()

    assert kinds(made)[6:] == ["open"]
    assert size(made) == 64


def test_dummies_cannot_be_told_from_statements(made: TestStore) -> None:
    """All entries are 32 bytes, and none stands twice."""
    made.publish()

    entries = log_of(made).entries(0, 32)
    assert len(set(entries)) == 32
    assert {len(entry) for entry in entries} == {32}


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_publication_cut_off_anywhere_is_ended_by_the_next(made: TestStore, earlier: int) -> None:
    """After a crash at any step, doing it again gives one log with each statement once and its opening."""
    for _ in range(earlier):
        made.publish()
        made.open_day(FIRST + timedelta(1))
    saved = Saved(made)
    points = crash_points(made.publish)
    expected = kinds(made)
    openings = len(list((made.deployment.log / "openings").iterdir()))
    last = max(at for at, point in enumerate(points) if point.startswith("before rename") and ".json" in point)
    for at in [*range(0, last, 3), last]:
        made = saved.again()
        with pytest.raises(Crash), steps(at):
            made.publish()
        assert size(made) in {32 * earlier, 32 * earlier + 32}

        made.publish()

        assert size(made) == 32 * earlier + 32, points[at]
        assert kinds(made) == expected
        assert len(list((made.deployment.log / "openings").iterdir())) == openings


def test_what_was_planned_before_a_crash_is_what_is_published(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places and dummies are fixed before the log is touched: a second try writes the same entries."""
    tried: list[list[bytes]] = []
    append = LogWriter.append

    def failing(writer: LogWriter, start: int, entries: list[bytes]) -> object:
        tried.append(list(entries))
        if len(tried) == 1:
            raise Crash
        return append(writer, start, entries)

    monkeypatch.setattr(LogWriter, "append", failing)
    with pytest.raises(Crash):
        made.publish()
    made.open_day(FIRST + timedelta(1))
    made.publish()

    assert tried[0] == tried[1]
    assert kinds(made)[-1] == "close"
    made.publish()
    assert kinds(made)[-1] == "open"


def test_a_crash_before_places_are_fixed_changes_nothing(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing reached database or log."""
    before = snapshot(made.deployment.log)

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "plan_entries", crash)
        with pytest.raises(Crash):
            made.publish()

    assert snapshot(made.deployment.log) == before
    assert made.publish() == 32


def test_a_change_and_its_statement_are_stored_together(made: TestStore) -> None:
    """A change that was not committed says nothing: statement and entry of the journal stand or fall as one."""
    with made.opened() as store:
        waiting = len(store.vault.database.outbox())
        opening = store.opening("parked", period=1, records_at_most=1024)
        with steps(2), pytest.raises(Crash):
            store.commit({"kind": "rows", "rows": ""}, say=[opening])

    with made.opened() as store:
        assert len(store.vault.database.outbox()) == waiting


def test_no_statement_names_anybody(made: TestStore) -> None:
    """Nothing in the log has a number, a tag or a key of a party in it, hashed or not."""
    made.publish()
    data = b"".join(snapshot(made.deployment.log).values())
    for mark in (ALICE, BOB):
        number = mark.removeprefix("+").encode()
        assert number not in data
        for hashed in (crypto.sha256(number), crypto.sha256(b"tel:+" + number)):
            assert hashed not in data
            assert hashed.hex().encode() not in data
