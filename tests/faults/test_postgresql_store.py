"""A store whose database lies in PostgreSQL: two machines, a server that is away, settings, rights, logs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, snapshot
from tests.support.commands import Box
from tests.support.stores import TestStore, made_store
from unheld.assembly import Database, Deployment
from unheld.workflows import doctor
from unheld_branch.store import postgresql
from unheld_branch.store.check import check
from unheld_branch.store.database import Database as Tables
from unheld_branch.store.postgresql import NAME, SINGLE_NODE, Settings
from unheld_verify.errors import AwayError, BadInputError, LockedError, NoStoreError, StateError, UnheldError


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> TestStore:
    """A store on the tests' server with an open day and two parties; tests copy it."""
    where = {"store": Database(postgres.shared().url(), SINGLE_NODE)}
    made = made_store(tmp_path_factory.mktemp("first"), placed=where)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    return made


@pytest.fixture
def made(first: TestStore, tmp_path: Path) -> TestStore:
    return first.copied(tmp_path / "m")


def _settings(made: TestStore) -> Settings:
    found = Settings.read(made.root)
    assert found is not None
    return found


def _elsewhere(made: TestStore, folder: Path) -> TestStore:
    """The same store's files on another machine: they name the same database."""
    shutil.copytree(made.folder, folder)
    return TestStore(folder, Deployment(folder / made.root.name), made.now)


@contextmanager
def _server_has(**settings: str) -> Iterator[None]:
    server = postgres.shared()
    before = {name: str(server.ask("postgres", f"SHOW {name}")[0][0]) for name in settings}
    server.set(**settings)
    try:
        yield
    finally:
        server.set(**before)


def _said(made: TestStore, level: str) -> list[str]:
    return [item.words for item in doctor.examine(made.deployment) if (item.name, item.level) == ("database", level)]


def test_a_store_lives_and_forgets_in_postgresql(made: TestStore) -> None:
    """What went in opens, what was forgotten does not, and everything is as the journal says."""
    made.forget("tel:" + ALICE)
    made.close()
    made.publish()

    assert held(made, "tel:" + ALICE) == []
    assert held(made, "tel:" + BOB) == [(FIRST, 3600)]
    with made.opened() as store:
        assert check(store).findings == ()
    assert not (made.root / "catalog.db").exists()


def test_a_copy_of_the_tree_has_a_schema_of_its_own(tmp_path: Path) -> None:
    """A store and its copy, of one store id, share a server and keep apart."""
    url = postgres.shared().url()
    made = made_store(
        tmp_path, copies=1, placed={"store": Database(url, SINGLE_NODE), "copy-1": Database(url, SINGLE_NODE)}
    )
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE)))
    made.forget("tel:" + ALICE)

    with made.opened() as store:
        assert check(store).findings == ()
    roots = []
    for folder in (made.root, tmp_path / "copy-1"):
        database = Tables.open(folder)
        roots.append(database.root())
        database.disconnect()
    assert roots[0] is not None
    assert roots[1] is not None
    assert roots[0][0] == roots[1][0]
    assert roots[0][1] != roots[1][1]


def test_two_machines_never_work_on_one_store(made: TestStore, tmp_path: Path) -> None:
    """Files copied to a second machine have a lock of their own, and the database refuses the second."""
    other = _elsewhere(made, tmp_path / "other")
    before = snapshot(other.folder)
    with made.opened(), pytest.raises(LockedError, match="process or machine"), other.opened():
        pass
    (other.root / "lock").unlink()

    assert snapshot(other.folder) == {path: data for path, data in before.items() if path.name != "lock"}
    with other.opened() as store:
        assert store.catalog.open_day is not None


def test_a_client_that_dies_leaves_the_store_to_the_next(made: TestStore) -> None:
    """The lock lives as long as its holder: no person has to remove anything."""
    code = f"""
from pathlib import Path
from unheld_branch.store.database import Database
database = Database.open(Path({str(made.root)!r}))
database.hold()
print("held", flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError), made.opened():
            pass
        holder.kill()

    with made.opened() as store:
        assert store.catalog.open_day is not None


def test_whoever_lost_the_lock_writes_no_more(made: TestStore) -> None:
    """The session that holds the lock is the one that writes: where it ended, another opening is needed."""
    with made.opened() as store:
        (lock,) = postgres.shared().ask(
            "postgres", "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )  # fmt: skip
        postgres.shared().ask("postgres", "SELECT pg_terminate_backend(%s, 5000)", lock[0])
        for _ in range(2):
            with pytest.raises(UnheldError, match="open the store again"):
                store.commit({"kind": "rows", "rows": ""})

    with made.opened() as store:
        assert check(store).findings == ()


def test_opening_a_store_whose_server_is_away_changes_nothing(made: TestStore) -> None:
    """It is said which file names the server, and what it answered."""
    Settings("postgresql:///unheld?user=unheld&host=/nowhere", _settings(made).schema, SINGLE_NODE).write(made.root)
    before = snapshot(made.folder)

    with pytest.raises(AwayError, match=r"database\.toml: no server answers"), made.opened():
        pass
    assert snapshot(made.folder) == before


def test_another_database_is_not_taken_for_the_store_s(made: TestStore) -> None:
    """A schema that is not there is named, and nothing is made in its place."""
    Settings(_settings(made).url, "elsewhere", SINGLE_NODE).write(made.root)

    with pytest.raises(NoStoreError, match="no schema elsewhere"), made.opened():
        pass


@pytest.mark.parametrize(
    ("url", "schema", "standby", "words"),
    [
        ("postgresql://unheld:secret@localhost/unheld", "s", "none", "PGPASSFILE"),
        ("postgresql:///unheld?password=secret", "s", "none", "PGPASSFILE"),
        ("mysql://localhost/unheld", "s", "none", "postgresql://"),
        ("postgresql://localhost/unheld?colour=red", "s", "none", "cannot be read"),
        ("postgresql://a,b/unheld", "s", "none", "exclude each other"),
        ("postgresql:///unheld", "S; DROP", "none", "small letters"),
        ("postgresql:///unheld", "s", "perhaps", "synchronous"),
        ("postgresql:///unheld?application_name='", "s", "none", "%XX"),
    ],
)
def test_settings_that_are_wrong_are_refused(url: str, schema: str, standby: str, words: str) -> None:
    """Each says what to write; a password is never kept, and never shown."""
    with pytest.raises(BadInputError, match=words) as told:
        Settings(url, schema, standby)

    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "text", ["", "url = 1", "url = 'postgresql:///x'", "= broken", 'url = "a"\nschema = "s"\nstandby = "none"']
)
def test_a_damaged_settings_file_is_named(made: TestStore, text: str) -> None:
    """Nothing is guessed: an empty file does not make a store of files of it."""
    (made.root / NAME).write_text(text)

    with pytest.raises(BadInputError, match=NAME), made.opened():
        pass
    assert not (made.root / "catalog.db").exists()


def test_settings_read_as_they_were_written(tmp_path: Path) -> None:
    """The file is its owner's, and says what it was given."""
    one = Settings("postgresql://unheld@a,b/unheld?sslmode=verify-full", "unheld_1")
    one.write(tmp_path)

    assert Settings.read(tmp_path) == one
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who installed no driver is told what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(BadInputError, match=r"pip install 'unheld-branch\[postgresql\]'"):
        Settings("postgresql:///unheld", "s")


def test_a_server_that_does_not_write_through_is_refused(made: TestStore) -> None:
    """Before anything is changed, with the name of the setting."""
    with _server_has(full_page_writes="off"), pytest.raises(StateError, match="full_page_writes = off"):
        made.forget("tel:" + ALICE)

    assert len(held(made, "tel:" + ALICE)) == 1


def test_a_commit_is_as_durable_as_the_server_can_make_it(made: TestStore) -> None:
    """Whatever the server's default, this store's sessions wait for the disk."""
    with _server_has(synchronous_commit="off"), made.opened() as store, store.vault.database._connected() as connection:
        found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()

    assert found == "on"


def test_init_founds_a_store_in_postgresql_and_says_what_it_survives(tmp_path: Path) -> None:
    """`init --database URL --single-node`, `status`, `doctor` and `check` all know of it."""
    run = Box(tmp_path)
    url = postgres.shared().url()
    assert run("init", "--database", url, "--single-node").code == 0

    assert "a single node: its disk lost, all are forgotten" in run("status").out
    assert "a single node: its disk lost, all are forgotten" in run("doctor").out
    assert run("check").code == 0


def test_init_refuses_a_server_without_a_standby_before_anything_is_made(tmp_path: Path) -> None:
    """Whoever has one server alone must say so."""
    run = Box(tmp_path)
    postgres.shared().ask("postgres", f"GRANT pg_read_all_stats TO {postgres.ROLE}")
    try:
        ended = run("init", "--database", postgres.shared().url())
    finally:
        postgres.shared().ask("postgres", f"REVOKE pg_read_all_stats FROM {postgres.ROLE}")

    assert ended.code == 1
    assert "names no synchronous standby" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_role_that_cannot_see_standbys_is_told_its_grant(tmp_path: Path) -> None:
    """What a plain role does not see it does not take for there."""
    ended = Box(tmp_path)("init", "--database", postgres.shared().url())

    assert f"GRANT pg_read_all_stats TO {postgres.ROLE}" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["--single-node"], ["--database", "elsewhere"], ["--database", "copy-9=postgresql:///x"]]
)
def test_init_refuses_words_about_databases_that_mean_nothing(tmp_path: Path, words: list[str]) -> None:
    """Nothing is made of them."""
    assert Box(tmp_path)("init", *words).code in {1, 2}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings",
    [{"log_statement": "mod"}, {"log_min_duration_statement": "0"}, {"log_parameter_max_length_on_error": "-1"}],
)
def test_doctor_warns_of_a_server_that_logs_what_is_stored(made: TestStore, settings: dict[str, str]) -> None:
    """What stands in a server's log is in nobody's key's reach."""
    assert not any("log shows" in words for words in _said(made, "warning"))
    with _server_has(**settings):
        assert any("log shows" in words for words in _said(made, "warning"))


def test_a_server_s_log_shows_no_value_by_itself(made: TestStore) -> None:
    """Not even an error's text holds a node, an r or a statement; and with statements logged doctor's mend holds."""
    server = postgres.shared()
    server.ask("postgres", f"ALTER ROLE {postgres.ROLE} SET log_parameter_max_length = 0")
    try:
        with _server_has(log_statement="all"):
            assert not any("log shows" in words for words in _said(made, "warning"))
            made.forget("tel:" + ALICE)
            with made.opened() as store, pytest.raises(UnheldError), store.vault.database.transaction() as transaction:
                transaction.finish(1, b"root", b"entry", b"head")
    finally:
        server.ask("postgres", f"ALTER ROLE {postgres.ROLE} RESET log_parameter_max_length")
    log = server.log()
    with made.opened() as store:
        database = store.vault.database
        stored = database.get_many(database.node_ids()).values()
        secrets = [*stored, *(item.r for item in database.outbox())]

    assert "INSERT INTO node" in log
    assert not any(secret.hex()[:40] in log for secret in secrets)


def test_doctor_sees_a_schema_that_others_may_read(made: TestStore) -> None:
    """A schema is its owner's alone; a grant is a failure."""
    assert _said(made, "failure") == []
    postgres.shared().ask(postgres.ROLE, f"GRANT SELECT ON {_settings(made).schema}.node TO PUBLIC")

    assert any("open to other roles" in words for words in _said(made, "failure"))


def test_a_schema_is_private_whatever_the_database_s_defaults(tmp_path: Path) -> None:
    """Default privileges that would hand new tables to everybody reach none of a store's."""
    server = postgres.shared()
    server.ask(postgres.ROLE, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    try:
        made = made_store(tmp_path, placed={"store": Database(server.url(), SINGLE_NODE)})
    finally:
        server.ask(postgres.ROLE, "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC")

    assert _said(made, "failure") == []
    server.ask("postgres", "CREATE ROLE curious LOGIN")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        server.ask("curious", f"TABLE {_settings(made).schema}.journal", database=postgres.DATABASE)


def test_a_founding_that_fails_leaves_no_schema(tmp_path: Path) -> None:
    """Schema and tables come together or not at all."""
    postgresql.Settings(postgres.shared().url(), "public", SINGLE_NODE).write(tmp_path)
    with pytest.raises(StateError, match="schema public is there already"):
        Tables.create(tmp_path)
