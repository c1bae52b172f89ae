"""The server dies in the middle and its standby takes over; and what a base backup with its WAL still opens."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import unheld_reader as reader

from tests.support import databases, postgres
from tests.support.calls import ALICE, BOB, CAROL, FIRST, Call, calls, held, steps
from tests.support.postgres import Server
from tests.support.stores import TestStore, made_store
from unheld.assembly import Database, Deployment
from unheld_branch.keys.parties import root as root_nodes
from unheld_branch.store.check import check
from unheld_branch.store.postgresql import SINGLE_NODE, SYNCHRONOUS, Settings
from unheld_slots.slot import open_slot
from unheld_verify.errors import RolledBackError, StateError, UnheldError, WrongKeyError

pytestmark = pytest.mark.slow
MINE = [(FIRST, 3600)]


def _forget(made: TestStore) -> object:
    return made.forget("tel:" + ALICE)


def _ingest(made: TestStore) -> object:
    folder = made.folder / "delivered"
    files = sorted(folder.iterdir())
    return made.ingest(files[1] if len(files) > 1 else calls(Call(CAROL)))


ACTS: dict[str, Callable[[TestStore], object]] = {"forget": _forget, "ingest": _ingest}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestStore, Server]]:
    """A store with an open day and two parties, and the folder of its stopped server."""
    with postgres.own() as server:
        server.ask("postgres", f"GRANT pg_read_all_stats TO {postgres.ROLE}")
        made = made_store(tmp_path_factory.mktemp("t") / "m", placed={"store": Database(server.url(), SINGLE_NODE)})
        made.open_day(FIRST)
        made.ingest(calls(Call(ALICE), Call(BOB)))
        server.stop()
        yield made, server


@pytest.fixture
def pair(template: tuple[TestStore, Server], tmp_path: Path) -> Iterator[tuple[TestStore, Server, Server]]:
    """A copy of it with a server and a synchronous standby of its own; its settings name both."""
    made, stopped = template
    first = Server(postgres.scratch())
    postgres.run_any("cp", "-a", stopped.data, first.folder)
    first.start()
    second = first.standby()
    first.set(synchronous_standby_names="second")
    first.until("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")
    shutil.copytree(made.folder, tmp_path / "m")
    own = TestStore(tmp_path / "m", Deployment(tmp_path / "m" / "s"), made.now)
    replace(_settings(own), url=first.url(second), standby=SYNCHRONOUS).write(own.root)
    yield own, first, second
    first.kill()
    second.kill()


def _settings(made: TestStore) -> Settings:
    found = Settings.read(made.root)
    assert found is not None
    return found


# Where the server dies: (act, moment, which of these moments). A forgetting has one commit, between two slot writes.
MOMENTS = [
    ("forget", "before overwrite s.slots/root.slot", 0),
    ("forget", "before commit s/database.toml", 0),
    ("forget", "after commit s/database.toml", 0),
    ("forget", "before overwrite s.slots/root.slot", 1),
    ("forget", "after overwrite s.slots/root.slot", 1),
    ("ingest", "before commit s/database.toml", 0),
    ("ingest", "after commit s/database.toml", 0),
    ("ingest", "before overwrite s.slots/root.slot", 1),
]


@contextmanager
def _at(moment: str, number: int, act: Callable[[], None]) -> Iterator[None]:
    """Do something at one moment of what is done meanwhile."""
    met: list[str] = []

    def step(_fault: str, when: str, path: Path) -> None:
        met.append(f"{when} {path.parent.name}/{path.name}")
        if met[-1] == moment and met.count(moment) == number + 1:
            act()

    with patch("tests.support.calls._break", step), steps(0, "gone"):
        yield


@pytest.mark.parametrize(("act", "moment", "number"), MOMENTS)
def test_a_failover_in_the_middle_loses_nothing_and_resurrects_nothing(
    pair: tuple[TestStore, Server, Server], act: str, moment: str, number: int
) -> None:
    """The standby that took over has all that was acknowledged; what was cut short ends when it is done again."""
    made, first, second = pair
    acknowledged = False
    with _at(moment, number, first.kill), suppress(UnheldError):
        ACTS[act](made)
        acknowledged = True
    assert first.process is None
    second.promote()
    third = second.standby("third")
    second.set(synchronous_standby_names="third")
    second.until("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")
    try:
        _look(made, act, acknowledged)
        with suppress(StateError):
            ACTS[act](made)
        _look(made, act, acknowledged=True)
    finally:
        third.kill()


def _look(made: TestStore, act: str, acknowledged: bool) -> None:
    with made.opened() as store:
        assert [item for item in check(store).findings if item.kind != "extra"] == []
        assert len(store.vault.slot.live()) == 1
    mine, carol = held(made, "tel:" + ALICE), held(made, "tel:" + CAROL)
    assert held(made, "tel:" + BOB) == MINE
    assert mine in ([[]] if act == "forget" and acknowledged else [[], MINE] if act == "forget" else [MINE])
    assert carol in ([MINE] if act == "ingest" and acknowledged else [[], MINE] if act == "ingest" else [[]])


def test_a_standby_that_took_over_alone_finishes_nothing(pair: tuple[TestStore, Server, Server]) -> None:
    """The one server that is left is not enough to destroy a key, until a person says that it stands alone."""
    made, first, second = pair
    with _at("after commit s/database.toml", 0, first.kill), suppress(UnheldError):
        made.forget("tel:" + ALICE)
    second.promote()
    with pytest.raises(StateError, match="is erasing"), made.opened():
        pass
    replace(_settings(made), url=second.url(), standby=SINGLE_NODE).write(made.root)

    _look(made, "forget", acknowledged=True)


@pytest.mark.parametrize("when", ["begun", "filled", "just before"])
def test_a_base_backup_and_its_wal_open_nothing_that_was_forgotten(
    archived: tuple[TestStore, Server, Path, Path], tmp_path: Path, when: str
) -> None:
    """Restored to any time before the forgetting, no key of today opens a root of then; the keys of then would."""
    made, _, backup, slots = archived
    restored = _restored(backup, when)
    try:
        where = replace(_settings(made), url=restored.url())
        databases.as_sqlite(where, tmp_path / "catalog.db")
        then = _roots(restored, where.schema)
        today = [live.secret for live in open_slot(f"file:{made.deployment.slots / 'root.slot'}").live()]
        store_id = made.deployment.policy().store_id
        for generation, body in then:
            for secret in today:
                with pytest.raises(WrongKeyError):
                    root_nodes.unseal(body, secret, store_id, generation)
        genesis = (made.root / "genesis.json").read_bytes()
        old = reader.catalog(tmp_path / "catalog.db", genesis, reader.slot((slots / when / "root.slot").read_bytes()))
        known = sum(
            len(reader.leaf(data))
            for tree in old.root["trees"].values()
            for data in reader.leaves(old.nodes, store_id, tree)
        )
    finally:
        restored.kill()

    assert len(then) == 1
    assert known == {"begun": 0, "filled": 2, "just before": 3}[when]


def test_a_store_put_on_a_restored_server_opens_nothing(
    archived: tuple[TestStore, Server, Path, Path], tmp_path: Path
) -> None:
    """Point-in-time recovery gives no store back: its slot has gone on, and the error says so."""
    made, _, backup, _ = archived
    shutil.copytree(made.folder, tmp_path / "m")
    other = TestStore(tmp_path / "m", Deployment(tmp_path / "m" / "s"), made.now)
    restored = _restored(backup, "just before")
    try:
        replace(_settings(other), url=restored.url()).write(other.root)
        with pytest.raises(RolledBackError, match="opens nothing"), other.opened():
            pass
    finally:
        restored.kill()


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestStore, Server, Path, Path]]:
    """A store that forgot somebody; a base backup of before with the WAL up to now; the slots at three times before."""
    wal, slots, backup = postgres.scratch(), tmp_path_factory.mktemp("slots"), postgres.scratch()
    with postgres.own(archive_mode="on", archive_command=f"cp %p {wal}/%f") as server:
        made = made_store(tmp_path_factory.mktemp("a") / "m", placed={"store": Database(server.url(), SINGLE_NODE)})
        made.open_day(FIRST)
        postgres.run("pg_basebackup", "-D", backup / "data", "-d", f"host={server.folder} user=postgres", "-c", "fast")

        def mark(name: str) -> None:
            shutil.copytree(made.deployment.slots, slots / name)
            server.ask("postgres", "SELECT pg_create_restore_point(%s)", name)

        mark("begun")
        made.ingest(calls(Call(ALICE)))
        mark("filled")
        made.ingest(calls(Call(CAROL)))
        mark("just before")
        made.forget("tel:" + ALICE)
        (wal_file,) = server.ask("postgres", "SELECT pg_walfile_name(pg_switch_wal())")[0]
        server.until("SELECT last_archived_wal >= %s FROM pg_stat_archiver", wal_file)
        (backup / "wal").symlink_to(wal)
        yield made, server, backup, slots


def _restored(backup: Path, when: str) -> Server:
    """A server of the base backup, recovered to a time."""
    server = Server(
        postgres.scratch(),
        {
            "restore_command": f"cp {(backup / 'wal').resolve()}/%f %p",
            "recovery_target_name": when,
            "recovery_target_action": "promote",
        },
    )
    postgres.run_any("cp", "-a", backup / "data", server.folder)
    postgres.run_any("touch", server.data / "recovery.signal")
    server.start()
    server.until("SELECT NOT pg_is_in_recovery()")
    return server


def _roots(server: Server, schema: str) -> list[tuple[int, bytes]]:
    return [
        (int(one), bytes(body))
        for one, body in server.ask("postgres", f"TABLE {schema}.root", database=postgres.DATABASE)
    ]
