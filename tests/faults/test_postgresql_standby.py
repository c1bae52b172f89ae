"""The destroy step in PostgreSQL: no old key dies before a synchronous standby holds what took its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support import postgres
from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, snapshot
from tests.support.postgres import Server
from tests.support.stores import TestStore, made_store
from unheld.assembly import Database
from unheld.workflows import doctor, status
from unheld_branch.store import postgresql
from unheld_branch.store.check import check
from unheld_branch.store.database import Transaction
from unheld_branch.store.vault import Condition, Vault
from unheld_verify.errors import LockedError, StateError, StateUnknownError

FOLLOWS = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"
WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    with postgres.pair() as both:
        yield both


@pytest.fixture
def first(servers: tuple[Server, Server]) -> Server:
    """The server that takes writes, its standby streaming."""
    one, other = servers
    if other.process is None:
        other.start()
    one.until(FOLLOWS)
    return one


@pytest.fixture
def second(servers: tuple[Server, Server]) -> Server:
    """The standby."""
    return servers[1]


@pytest.fixture
def made(first: Server, tmp_path: Path) -> TestStore:
    """A store with an open day and two parties, on a server with a standby."""
    made = made_store(tmp_path / "m", placed={"store": Database(first.url())})
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    return made


@contextmanager
def _just_before_the_old_key_dies(act: Callable[[], object]) -> Iterator[None]:
    """Do something between a commit that was acknowledged and the destroy step."""
    finish = Vault.finish

    def acting(vault: Vault) -> None:
        act()
        finish(vault)

    with patch.object(Vault, "finish", acting):
        yield


@contextmanager
def _just_before_a_commit(act: Callable[[], object]) -> Iterator[None]:
    """Do something when all of a transaction is said but that it is to be committed."""
    finish = Transaction.finish

    def acting(transaction: Transaction, generation: int, root: bytes, entry: bytes, head: bytes) -> None:
        finish(transaction, generation, root, entry, head)
        act()

    with patch.object(Transaction, "finish", acting):
        yield


def _live_keys(made: TestStore) -> int:
    data = (made.deployment.slots / "root.slot").read_bytes()
    return sum(half.strip(b"\0") != b"" for half in (data[:4096], data[4096:]))


def _forgotten(made: TestStore) -> bool:
    with made.opened() as store:
        assert check(store).findings == ()
        assert store.vault.condition() is Condition.SETTLED
    found = [len(held(made, "tel:" + number)) for number in (ALICE, BOB)]
    assert found in ([0, 1], [1, 1])
    return found == [0, 1]


def test_with_a_standby_a_store_forgets_and_says_who_follows(made: TestStore) -> None:
    """Status and doctor count the standbys that hold what is acknowledged."""
    made.forget("tel:" + ALICE)

    assert _forgotten(made)
    assert status.status(made.deployment)["database"] == "PostgreSQL, synchronous standbys: 1"
    found = [item for item in doctor.examine(made.deployment) if item.name == "database"]
    assert [item.level for item in found] == ["ok"]


def test_a_change_without_a_standby_is_refused_before_anything_changes(made: TestStore, second: Server) -> None:
    """Opening for work says so at once, and nothing differs; looking at the store goes on."""
    second.stop()
    before = snapshot(made.folder)
    with pytest.raises(StateError, match="no synchronous standby is streaming"):
        made.forget("tel:" + ALICE)

    assert snapshot(made.folder) == before
    assert "no change is taken" in status.status(made.deployment)["database"]
    assert "failure" in [item.level for item in doctor.examine(made.deployment) if item.name == "database"]


def test_a_standby_that_leaves_in_the_middle_of_work_stops_the_next_commit(made: TestStore, second: Server) -> None:
    """A store that is open does not begin a commit that it could not finish."""
    with made.opened() as store:
        second.stop()
        with pytest.raises(StateError, match="no synchronous standby"):
            store.commit({"kind": "rows", "rows": ""})
        assert store.vault.condition() is Condition.SETTLED


def test_a_standby_that_leaves_before_the_destroy_step_leaves_the_old_key(
    made: TestStore, second: Server, first: Server
) -> None:
    """Both keys live, the store says that it is erasing and is not served; later it finishes."""
    with _just_before_the_old_key_dies(second.stop), pytest.raises(StateError, match="is erasing"):
        made.forget("tel:" + ALICE)
    assert _live_keys(made) == 2
    with pytest.raises(StateError, match="is erasing"), made.opened():
        pass
    assert _live_keys(made) == 2
    second.start()
    first.until(FOLLOWS)

    assert _forgotten(made)
    assert _live_keys(made) == 1


def test_names_that_are_taken_away_before_the_destroy_step_leave_the_old_key(made: TestStore, first: Server) -> None:
    """A server that no longer waits for anybody is not believed, though its standby still streams."""
    with (
        _just_before_the_old_key_dies(lambda: first.set(synchronous_standby_names="")),
        pytest.raises(StateError, match="names no synchronous standby"),
    ):
        made.forget("tel:" + ALICE)
    assert _live_keys(made) == 2
    first.set(synchronous_standby_names="second")
    first.until(FOLLOWS)

    assert _forgotten(made)


def test_a_commit_that_the_standby_never_confirms_is_unsure(
    made: TestStore, second: Server, first: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL calls a commit done that it stopped waiting for. It is held for unknown, and no old key dies."""
    monkeypatch.setattr(postgresql, "_COMMIT_SECONDS", 1)
    with _just_before_a_commit(second.stop), pytest.raises(StateUnknownError, match="open the store again"):
        made.forget("tel:" + ALICE)
    assert _live_keys(made) == 2
    with pytest.raises(StateError, match="is erasing"), made.opened():
        pass
    second.start()
    first.until(FOLLOWS)

    assert _forgotten(made)


def test_a_commit_that_still_waits_keeps_everybody_else_out(made: TestStore, second: Server, first: Server) -> None:
    """Its client is gone and the server goes on: until it ends nobody takes the key that it needs for an orphan."""
    told: list[BaseException] = []

    def forget() -> None:
        with _just_before_a_commit(second.stop):
            try:
                made.forget("tel:" + ALICE)
            except BaseException as error:
                told.append(error)

    working = threading.Thread(target=forget)
    working.start()
    first.until(WAITS)
    lock = made.root / "lock"
    lock.rename(made.folder / "lock")  # as if its process had died: the file's lock is free
    with pytest.raises(LockedError), made.opened():
        pass
    second.start()
    working.join(30)

    assert told == []
    assert _forgotten(made)
