"""One suite for every kind of database: what `Database` promises, in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.databases import KINDS
from unheld_branch.keys.parties.nodes import Changes
from unheld_branch.store.database import Database, Waiting
from unheld_branch.store.postgresql import SINGLE_NODE, Settings
from unheld_verify import crypto
from unheld_verify.errors import NoStoreError, StateError

FIRST, SECOND = (b"%16d" % 1, b"one"), (b"%16d" % 2, b"two")


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder whose database is to lie in it, or on the tests' server."""
    if request.param == "postgresql":
        Settings(postgres.shared().url(), f"contract_{crypto.random_bytes(8).hex()}", SINGLE_NODE).write(tmp_path)
    return tmp_path


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    """One that was just made."""
    made = Database.create(folder)
    yield made
    made.disconnect()


def _fill(database: Database, generation: int = 1) -> None:
    with database.transaction() as transaction:
        transaction.store_nodes(Changes([FIRST, SECOND], []))
        transaction.finish(generation, b"root", b"entry", b"head")
        transaction.post([(b"r", b"statement")])


def _everything(database: Database) -> tuple[object, ...]:
    return database.root(), database.journal(), database.node_ids(), database.outbox()


def test_a_new_database_is_empty(database: Database) -> None:
    """Nothing stands in it, and every question has an answer."""
    assert _everything(database) == (None, [], set(), [])
    assert not database.has_nodes()
    assert database.journal_head() == b""


def test_what_was_committed_is_there_for_another(database: Database, folder: Path) -> None:
    """Nodes, root, journal and outbox of one transaction are read by whoever opens it next."""
    _fill(database)
    database.disconnect()
    other = Database.open(folder)
    found = _everything(other)
    other.disconnect()

    assert found == (
        (1, b"root"), [(1, b"entry", b"head")], {FIRST[0], SECOND[0]}, [Waiting(1, b"r", b"statement", None)]
    )  # fmt: skip


def test_a_transaction_that_fails_stores_nothing(database: Database) -> None:
    """An error on the way leaves no part of it, and the next change is taken."""
    with suppress(KeyError), database.transaction() as transaction:
        transaction.store_nodes(Changes([FIRST], []))
        transaction.get_many([SECOND[0]])

    assert _everything(database) == (None, [], set(), [])
    _fill(database)
    assert database.journal_head() == b"head"


def test_an_error_of_the_database_makes_its_state_unsure(database: Database) -> None:
    """After it nothing is written by the same opening, not even what would be right; another opening learns."""
    _fill(database)
    with pytest.raises(StateError, match="open the store again"):
        _fill(database)
    with pytest.raises(StateError, match="unsure"), database.transaction():
        pass
    database.disconnect()

    assert len(database.journal()) == 1


def test_a_transaction_reads_what_it_wrote(database: Database) -> None:
    """A large change is handed over in parts, and goes on reading."""
    with database.transaction() as transaction:
        transaction.store_nodes(Changes([FIRST], []))
        inside = transaction.get_many([FIRST[0]])

    assert inside == dict([FIRST])


def test_others_see_nothing_of_a_change_before_its_commit(database: Database) -> None:
    """Reading beside a change gives the state before it."""
    with database.transaction() as transaction:
        transaction.store_nodes(Changes([FIRST], []))
        assert database.node_ids() == set()

    assert database.node_ids() == {FIRST[0]}


def test_a_missing_node_is_named(database: Database) -> None:
    """Of many nodes asked for at once the error names the one that is not there."""
    _fill(database)

    with pytest.raises(KeyError) as told:
        database.get_many([FIRST[0], b"%16d" % 3])
    assert told.value.args == (b"%16d" % 3,)


def test_many_nodes_come_and_go(database: Database) -> None:
    """More nodes than one query names are stored, read and deleted."""
    many = [(b"%16d" % number, b"%d" % number) for number in range(1200)]
    with database.transaction() as transaction:
        transaction.store_nodes(Changes(many, []))
    assert database.get_many(id_ for id_, _ in many) == dict(many)
    with database.transaction() as transaction:
        transaction.store_nodes(Changes([], [id_ for id_, _ in many[1:]]))

    assert database.node_ids() == {many[0][0]}


def test_all_nodes_go_at_once(database: Database) -> None:
    """What everyone's forgetting left is deleted."""
    _fill(database)
    with database.transaction() as transaction:
        transaction.delete_all_nodes()

    assert not database.has_nodes()


def test_a_fresh_look_reads_what_is_stored(database: Database) -> None:
    """A connection opened now tells the newest state; nothing of it stays open."""
    _fill(database)
    with database.fresh() as view:
        assert view.root() == (1, b"root")
        assert view.get_many([SECOND[0]]) == dict([SECOND])


def test_places_in_the_log_are_fixed_together(database: Database) -> None:
    """Statements get their places, dummies come behind them, and the order of commits stays."""
    _fill(database)
    (waiting,) = database.outbox()
    with database.transaction() as transaction:
        transaction.plan_entries({waiting.id: 7}, [(8, b"d" * 32)])

    assert [(item.index, item.statement, item.entry) for item in database.outbox()] == [
        (7, b"statement", crypto.hmac_sha256(b"r", b"statement")),
        (8, b"", b"d" * 32),
    ]


def test_a_database_is_not_laid_over_another(database: Database, folder: Path) -> None:
    """Making one where one is changes nothing."""
    _fill(database)

    with pytest.raises(StateError, match="there"):
        Database.create(folder)
    assert database.root() == (1, b"root")


def test_a_database_that_is_not_there_says_so(folder: Path) -> None:
    """Opening one for work where none was made is its own error."""
    with pytest.raises(NoStoreError):
        Database.open(folder).hold()


def test_it_says_what_it_is_and_nothing_is_wrong_with_it(database: Database) -> None:
    """Status and doctor have a sentence for each kind; a new one is no failure."""
    assert database.words() in {
        "SQLite, a file of the store's folder", "PostgreSQL, a single node: its disk lost, all are forgotten"
    }  # fmt: skip
    assert "failure" not in [one.level for one in database.concerns()]
    database.ready()
    database.confirm()
