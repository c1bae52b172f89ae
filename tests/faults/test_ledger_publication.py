"""What headquarters says reaches the log once, closed until it is due, with a store or none, whatever crashes."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import ALICE, FIRST, Call, Crash, calls, crash_points, steps
from tests.support.stores import TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE
from unheld.ledger import Ledger, places_of, published
from unheld.workflows import running
from unheld_branch.kernel.locks import locked
from unheld_verify import checkpoint, columns, statement, tiles
from unheld_verify.errors import BadInputError, LockedError, RolledBackError, VerificationError
from unheld_verify.statement import Opening


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestStore:
    """A store with three statements of its own waiting: genesis, open, batch."""
    made = made_store(tmp_path / "m")
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE)))
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))
    return made


def post(made: TestStore, count: int = 1, due: date | None = None) -> list[Opening]:
    """Post statements of headquarters."""
    origin, ledger, posted = made.deployment.policy().origin, Ledger(made.deployment.ledger), []
    for number in range(count):
        said = statement.make(origin, "paper", "2026-07-01", paper="manifest", digest=f"{number:064x}")
        posted.append(statement.commit(said))
        ledger.post(posted[-1], columns.day_of(due) if due else 0)
    return posted


def lose_store(made: TestStore) -> None:
    """Nothing of the store is there any more."""
    made.root.rename(made.folder / "lost")


def alone(made: TestStore) -> int:
    """Publish without a store."""
    return running.publish(made.deployment, None)


def entries(made: TestStore) -> list[bytes]:
    """Every entry of the log, which verifies whole."""
    log = tiles.open_log(str(made.deployment.log))
    size = tiles.verify_log(log, made.deployment.log_key()).size
    return [log.entry(index, size) for index in range(size)]


def opened(made: TestStore) -> list[bytes]:
    """The entries whose openings are published."""
    log = tiles.open_log(str(made.deployment.log))
    return [log.opening(index).entry for index in log.opened(len(entries(made)))]


def each_once(made: TestStore, posted: list[Opening]) -> bool:
    """Whether every posted entry stands in the log exactly once, and no entry twice."""
    found = entries(made)
    return len(set(found)) == len(found) and {item.entry for item in posted} <= set(found)


def test_closed_entries_take_the_places_of_dummies(made: TestStore) -> None:
    """A publication with statements of headquarters has as many entries as any other."""
    posted = post(made, 5, due=date(2026, 9, 1))

    assert made.publish() == 32
    assert each_once(made, posted)
    assert len(opened(made)) == 4


def test_forty_waiting_statements_go_out_in_one_publication(made: TestStore) -> None:
    """Where the dummies of one cadence are too few, the publication has two."""
    posted = post(made, 40)

    assert made.publish() == 64
    assert each_once(made, posted)
    assert len(opened(made)) == 44


@pytest.mark.parametrize("with_store", [True, False], ids=["store", "no store"])
def test_opening_waits_until_it_is_due_and_comes_out_then(
    made: TestStore, monkeypatch: pytest.MonkeyPatch, with_store: bool
) -> None:
    """Before the day nothing tells; at the next publication from that day on, however late, the opening is there."""
    posted = post(made, due=FIRST + timedelta(10))
    if not with_store:
        lose_store(made)
    publish = made.publish if with_store else lambda: alone(made)
    publish()
    made.set_clock(FIRST + timedelta(9))
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))
    publish()
    before = posted[0].entry in opened(made)
    made.set_clock(FIRST + timedelta(400))
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))
    publish()

    assert (before, posted[0].entry in opened(made)) == (False, True)
    assert each_once(made, posted)


def _rows(made: TestStore) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(made.root / "catalog.db")) as connection:
        return list(connection.execute("SELECT id, length(r), statement, entry_index FROM outbox ORDER BY id"))


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_closed_entry_looks_like_a_dummy_in_store_and_log(made: TestStore, tmp_path: Path) -> None:
    """With and without a closed statement, store and log have the same files, sizes and rows but for random bytes."""
    shutil.copytree(made.folder, tmp_path / "before")
    made.publish()
    quiet = (_rows(made), _sizes(made.root), _sizes(made.deployment.log))
    shutil.rmtree(made.folder)
    shutil.copytree(tmp_path / "before", made.folder)
    posted = post(made, due=FIRST + timedelta(30))
    made.publish()

    assert (_rows(made), _sizes(made.root), _sizes(made.deployment.log)) == quiet
    for folder in (made.root, made.deployment.log):
        data = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert posted[0].r not in data
        assert b"manifest" not in data


@pytest.mark.parametrize("with_store", [True, False], ids=["store", "no store"])
def test_publication_cut_off_anywhere_gives_each_entry_one_place(
    made: TestStore, tmp_path: Path, with_store: bool
) -> None:
    """After a crash at any step, publishing again gives a whole log with each entry once and every opening."""
    posted = post(made, 3)
    if not with_store:
        lose_store(made)
    publish = made.publish if with_store else lambda: alone(made)
    shutil.copytree(made.folder, tmp_path / "before")
    points = crash_points(publish)
    complete = len(opened(made))
    for at in range(0, len(points) - 1, 2):
        shutil.rmtree(made.folder)
        shutil.copytree(tmp_path / "before", made.folder)
        with pytest.raises(Crash), steps(at):
            publish()
        publish()

        assert each_once(made, posted), points[at]
        assert len(opened(made)) == complete, points[at]
        assert len(entries(made)) in {32, 64}, points[at]


def test_entry_that_a_store_published_is_not_published_again_without_it(made: TestStore) -> None:
    """A store that is lost after it published leaves nothing to be said a second time."""
    posted = post(made, 2)
    made.publish()
    lose_store(made)
    more = post(made)
    alone(made)
    alone(made)

    assert each_once(made, posted + more)
    assert len(entries(made)) == 96


def test_store_that_comes_back_says_nothing_twice(made: TestStore) -> None:
    """What was published while a store was away is not published by it again, and its own statements still are."""
    posted = post(made, 2)
    made.root.rename(made.folder / "away")
    alone(made)
    (made.folder / "away").rename(made.root)
    more = post(made)
    made.publish()

    assert each_once(made, posted + more)
    assert len(opened(made)) == 7


def test_store_that_comes_back_to_places_that_were_taken_plans_anew(
    made: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publication cut off before a store went away does not keep it from publishing when it is back."""
    posted = post(made, 2)
    with monkeypatch.context() as patched:

        def crash(*_: object) -> None:
            raise Crash

        patched.setattr("unheld_branch.log.tiles.LogWriter.append", crash)
        with pytest.raises(Crash):
            made.publish()
    made.root.rename(made.folder / "away")
    alone(made)
    (made.folder / "away").rename(made.root)
    made.publish()

    assert each_once(made, posted)
    assert len(opened(made)) == 6


def _roots(made: TestStore, seen: dict[int, bytes]) -> None:
    """Note the size and root that the log's key signed; one size has one root for ever."""
    head = checkpoint.verify(tiles.open_log(str(made.deployment.log)).checkpoint(), made.deployment.log_key())
    assert seen.setdefault(head.size, head.root) == head.root, f"size {head.size} was signed with two roots"


@pytest.mark.parametrize("back", [1, 2, 3])
@pytest.mark.parametrize("with_store", [True, False], ids=["store", "no store"])
def test_log_folder_from_a_backup_is_never_continued_with_other_entries(
    made: TestStore, tmp_path: Path, with_store: bool, back: int
) -> None:
    """An older copy of the log's folder is refused, or comes to be what it was; no size is signed a second time."""
    made.publish()
    if not with_store:
        lose_store(made)
    publish = made.publish if with_store else lambda: alone(made)
    seen = dict[int, bytes]()
    for number in range(4):
        _roots(made, seen)
        shutil.copytree(made.deployment.log, tmp_path / f"log{number}")
        post(made, 1)
        publish()
    _roots(made, seen)
    newest = tmp_path / "newest"
    made.deployment.log.rename(newest)
    shutil.copytree(tmp_path / f"log{4 - back}", made.deployment.log)
    post(made, 1)
    for _ in range(5):
        with suppress(RolledBackError):
            publish()
        _roots(made, seen)

    assert {size % 32 for size in seen} == {0}
    if max(seen) > 160:  # it came to be what it was, and went on
        return
    shutil.rmtree(made.deployment.log)
    newest.rename(made.deployment.log)
    publish()
    _roots(made, seen)
    assert len(set(entries(made))) == len(entries(made)) == 192


def test_log_that_went_on_without_its_store_is_not_taken_back_by_it(made: TestStore, tmp_path: Path) -> None:
    """A store that was away knows nothing of what was published; an older log beside it makes no second history."""
    made.publish()
    shutil.copytree(made.deployment.log, tmp_path / "older")
    seen = dict[int, bytes]()
    made.root.rename(made.folder / "away")
    post(made)
    alone(made)
    _roots(made, seen)
    (made.folder / "away").rename(made.root)
    shutil.rmtree(made.deployment.log)
    shutil.copytree(tmp_path / "older", made.deployment.log)

    with pytest.raises(RolledBackError, match="put back the newest"):
        made.publish()

    _roots(made, seen)


@pytest.mark.parametrize("with_store", [True, False], ids=["store", "no store"])
def test_two_publications_do_not_run_at_once(made: TestStore, with_store: bool) -> None:
    """While another process publishes, publishing is refused and the log stays as it is."""
    post(made)
    if not with_store:
        lose_store(made)
    with locked(made.deployment.register / "publishing", exclusive=True), pytest.raises(LockedError):
        (made.publish if with_store else lambda: alone(made))()

    assert entries(made) == []


def test_paper_is_published_by_who_holds_the_register(made: TestStore) -> None:
    """Headquarters issues and publishes in one act, under the register's lock, also when the store is gone."""
    posted = post(made)
    lose_store(made)
    with locked(made.deployment.register / "lock", exclusive=True):
        alone(made)

    assert each_once(made, posted)


def test_altered_bundle_is_not_mended_by_publishing_again(made: TestStore) -> None:
    """A log whose entries were changed is false, and nothing is added to it."""
    made.publish()
    bundle = made.deployment.log / "tile" / "entries" / "000.p" / "32"
    bundle.write_bytes(bundle.read_bytes()[:-1] + bytes([bundle.read_bytes()[-1] ^ 1]))

    with pytest.raises(VerificationError, match="does not hold the hashes"):
        made.publish()


def test_statement_is_published_when_the_log_holds_it(made: TestStore) -> None:
    """A posted statement is not yet the log's; after a publication it is, at one place."""
    opening = post(made)[0]
    log, key = tiles.open_log(str(made.deployment.log)), made.deployment.log_key()
    before = published(opening, log, key)
    made.publish()

    assert (before, published(opening, log, key)) == (False, True)
    assert list(places_of([opening.entry, bytes(32)], log, 32)) == [opening.entry]


def test_ledger_keeps_the_order_of_posting(made: TestStore) -> None:
    """Statements are kept in the order in which they were posted, with their days."""
    posted = post(made, 12, due=FIRST)

    kept = Ledger(made.deployment.ledger).kept()

    assert [item.opening for item in kept] == posted
    assert {item.due for item in kept} == {columns.day_of(FIRST)}


def test_statement_that_the_log_would_refuse_is_not_posted(made: TestStore) -> None:
    """One bad statement must not keep the others from being published for ever."""
    with pytest.raises(VerificationError):
        Ledger(made.deployment.ledger).post(Opening({"kind": "paper", "v": 1}, bytes(32)))

    assert Ledger(made.deployment.ledger).kept() == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"due":true,"r":"00","statement":{},"v":1}', '{"due":0,"more":1,"r":"00","statement":{},"v":1}',
     '{"due":0,"r":"0","statement":{},"v":1}', '{"due":0,"r":"00","statement":{},"v":0}'],
)  # fmt: skip
def test_spoilt_file_of_the_ledger_is_named(made: TestStore, text: str) -> None:
    """A file that is no statement is named with the mend; it is not passed over."""
    post(made)
    path = made.deployment.ledger / "00000001.json"
    path.write_text(text)

    with pytest.raises(BadInputError, match=r"00000001\.json.*put back"):
        Ledger(made.deployment.ledger).kept()
