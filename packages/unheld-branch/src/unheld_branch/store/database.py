"""The database of a store: journal, nodes, root node, outbox. Every change of it is one transaction.

When a commit returns, it survives a power cut. `engines` and `postgresql` say where a database lies.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from unheld_branch.keys.parties.nodes import Changes
from unheld_branch.store import postgresql
from unheld_branch.store.engines import SQLITE, Backend, Concern, SqliteFile
from unheld_verify import crypto
from unheld_verify.errors import StateUnknownError

_META = sa.MetaData()
_JOURNAL = sa.Table(
    "journal",
    _META,
    sa.Column("generation", sa.Integer, primary_key=True),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("head", sa.LargeBinary, nullable=False),
)
_NODE = sa.Table(
    "node",
    _META,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
_ROOT = sa.Table(
    "root",
    _META,
    sa.Column("generation", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_OUTBOX = sa.Table(
    "outbox",
    _META,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("r", sa.LargeBinary, nullable=False),
    sa.Column("statement", sa.LargeBinary, nullable=False),
    sa.Column("entry_index", sa.Integer),
)
_IDS_A_QUERY = 500

# Written once: building a statement costs more than running it, and a forgetting runs a dozen.
_ONE_NODE = sa.select(_NODE.c.id, _NODE.c.body).where(_NODE.c.id == sa.bindparam("wanted"))
_SOME_NODES = sa.select(_NODE.c.id, _NODE.c.body).where(_NODE.c.id.in_(sa.bindparam("wanted", expanding=True)))
_ROOT_NODE = sa.select(_ROOT.c.generation, _ROOT.c.body)
_LAST_HEAD = sa.select(_JOURNAL.c.head).order_by(_JOURNAL.c.generation.desc()).limit(1)


@dataclass(frozen=True)
class Waiting:
    """A statement of the outbox: it has no place in the log while `index` is None. A dummy has no statement, its
    entry is `r`."""

    id: int
    r: bytes
    statement: bytes
    index: int | None

    @property
    def entry(self) -> bytes:
        """The log entry."""
        return crypto.hmac_sha256(self.r, self.statement) if self.statement else self.r


class Transaction:
    """One change of a database: all of it is stored, or nothing. Reads see what it wrote."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get_many(self, node_ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """Sealed nodes by id. Raises KeyError naming one that is missing."""
        return _get_many(self._connection, node_ids)

    def store_nodes(self, changes: Changes) -> None:
        """Add new nodes, delete dead ones."""
        if changes.new:
            self._connection.execute(sa.insert(_NODE), [{"id": id_, "body": body} for id_, body in changes.new])
        for part in _slices(changes.dead):
            self._connection.execute(sa.delete(_NODE).where(_NODE.c.id.in_(part)))

    def delete_all_nodes(self) -> None:
        """Delete every node: the root of the commit leads to none of them."""
        self._connection.execute(sa.delete(_NODE))

    def finish(self, generation: int, root: bytes, entry: bytes, head: bytes) -> None:
        """Replace the root node and append the journal entry."""
        self._connection.execute(sa.delete(_ROOT))
        self._connection.execute(sa.insert(_ROOT), {"generation": generation, "body": root})
        row = {"generation": generation, "entry": entry, "head": head}
        self._connection.execute(sa.insert(_JOURNAL), row)

    def plan_entries(self, places: Mapping[int, int], dummies: Iterable[tuple[int, bytes]]) -> None:
        """Fix the log index of waiting statements (by id) and of dummies (index, entry) before they are published."""
        for id_, index in places.items():
            self._connection.execute(sa.update(_OUTBOX).where(_OUTBOX.c.id == id_).values(entry_index=index))
        rows = [{"r": entry, "statement": b"", "entry_index": index} for index, entry in dummies]
        if rows:
            self._connection.execute(sa.insert(_OUTBOX), rows)

    def post(self, openings: Iterable[tuple[bytes, bytes]]) -> None:
        """Put (r, statement) pairs into the outbox."""
        rows = [{"r": r, "statement": statement} for r, statement in openings]
        if rows:
            self._connection.execute(sa.insert(_OUTBOX), rows)

    def replace_outbox(self, rows: Iterable[Waiting]) -> None:
        """Hold these statements and no others: a copy's outbox is its store's."""
        self._connection.execute(sa.delete(_OUTBOX))
        listed = [{"r": row.r, "statement": row.statement, "entry_index": row.index} for row in rows]
        if listed:
            self._connection.execute(sa.insert(_OUTBOX), listed)

    def restate(self, id_: int, statement: bytes) -> None:
        """Let a statement that waits say something else."""
        self._connection.execute(sa.update(_OUTBOX).where(_OUTBOX.c.id == id_).values(statement=statement))


class Database:
    """Journal, nodes, root and outbox of one store (or of one copy of its tree)."""

    def __init__(self, backend: Backend) -> None:
        self.path = backend.path
        self._backend = backend
        self._engine = backend.engine()
        self._held: sa.Connection | None = None
        self._writer: sa.Connection | None = None
        self._unsure = False

    @cached_property
    def _anew(self) -> sa.Engine:
        return self._backend.engine(anew=True)

    @classmethod
    def create(cls, folder: Path) -> Database:
        """Lay out an empty database; refuses one that is there, and a server on which it would not last."""
        database = cls(_backend(folder))
        try:
            with database._explained(), database._backend.founding(database._engine) as connection:
                _META.create_all(connection, checkfirst=False)
        except BaseException:
            database.disconnect()
            raise
        return database

    @classmethod
    def open(cls, folder: Path) -> Database:
        """Open an existing database, for reading until `hold`. Raises NoStoreError."""
        backend = _backend(folder)
        backend.look()
        return cls(backend)

    def hold(self) -> None:
        """Be the only one at work on it until `disconnect`. Raises LockedError, NoStoreError, AwayError.

        One connection holds the lock and writes, so that nobody writes who lost the lock.
        """
        if self._writer is None:
            with self._explained(), ExitStack() as undone:
                undone.callback(self._engine.dispose)
                writer = undone.enter_context(self._engine.connect())
                writer = writer.execution_options(isolation_level="SERIALIZABLE")
                self._backend.lock(writer)
                self._writer = writer
                undone.pop_all()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One write transaction. After an error in its commit the state is unknown: open the store again."""
        with self._explained(), self._writing() as writer, writer.begin() as change:
            yield Transaction(writer)
            with self._backend.committing(writer):
                change.commit()

    def ready(self) -> None:
        """See that a change made now will outlive its server. Raises StateError with the mend. Changes nothing."""
        with self._explained():
            self._backend.ready(self._engine)

    def confirm(self) -> None:
        """See that all that was stored outlives its server: without it no old key may die. Raises StateError."""
        with self._explained(), self._writing() as writer:
            self._backend.confirm(writer)

    def make_sure(self) -> None:
        """See that what is read from now on is what the disk holds, whatever a crash cut short. Raises DiskError."""
        self._backend.make_sure()

    def words(self) -> str:
        """What it is and what it survives, in plain words."""
        with self._connected() as connection:
            return self._backend.words(connection)

    def concerns(self) -> list[Concern]:
        """What around it could undo what the store promises."""
        with self._connected() as connection:
            return list(self._backend.concerns(connection))

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        """The same database through a connection opened now: it reads what was stored, not what another remembers.

        The other connection stays: closing SQLite's last one would copy the write-ahead file back, at every commit.
        """
        with self._explained(), self._anew.connect() as connection:
            view = copy.copy(self)
            view._held = connection
            yield view

    def disconnect(self) -> None:
        """Let go of it, and of the lock. SQLite's write-ahead part is copied back and removed."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """The connection that writes; after an error of it nothing is written until the store is opened again."""
        self.hold()
        if self._writer is None or self._unsure:
            raise StateUnknownError(f"{self.path}: an earlier change is unsure; open the store again")
        try:
            yield self._writer
        except (sa.exc.DBAPIError, StateUnknownError):
            self._unsure = True
            raise

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """A connection for reading."""
        if self._held is not None:
            yield self._held
            return
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise StateUnknownError(
                f"{self.path}: {error.orig}; open the store again to learn what was stored"
            ) from error

    def has_nodes(self) -> bool:
        """Whether any node lies here, of whatever generation."""
        with self._connected() as connection:
            return connection.execute(sa.select(_NODE.c.id).limit(1)).first() is not None

    def root(self) -> tuple[int, bytes] | None:
        """Generation and sealed bytes of the root node."""
        with self._connected() as connection:
            row = connection.execute(_ROOT_NODE).one_or_none()
        return None if row is None else (row.generation, row.body)

    def journal(self) -> list[tuple[int, bytes, bytes]]:
        """(generation, entry, head) in order."""
        query = sa.select(_JOURNAL.c.generation, _JOURNAL.c.entry, _JOURNAL.c.head).order_by(_JOURNAL.c.generation)
        with self._connected() as connection:
            return [(row.generation, row.entry, row.head) for row in connection.execute(query)]

    def journal_head(self) -> bytes:
        """The newest head; empty before the first entry."""
        with self._connected() as connection:
            return connection.execute(_LAST_HEAD).scalar_one_or_none() or b""

    def get_many(self, node_ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """Sealed nodes by id. Raises KeyError naming one that is missing."""
        with self._connected() as connection:
            return _get_many(connection, node_ids)

    def node_ids(self) -> set[bytes]:
        """Every node id stored, for `check`."""
        with self._connected() as connection:
            return set(connection.execute(sa.select(_NODE.c.id)).scalars())

    def outbox(self) -> list[Waiting]:
        """Every statement, in order of commit."""
        query = sa.select(_OUTBOX.c.id, _OUTBOX.c.r, _OUTBOX.c.statement, _OUTBOX.c.entry_index).order_by(_OUTBOX.c.id)
        with self._connected() as connection:
            return [Waiting(row.id, row.r, row.statement, row.entry_index) for row in connection.execute(query)]


def _backend(folder: Path) -> Backend:
    """Where a folder's database lies: in the folder, or where its `database.toml` says."""
    settings = postgresql.Settings.read(folder)
    if settings is None:
        return SqliteFile(folder / SQLITE)
    return postgresql.PostgresSchema(folder / postgresql.NAME, settings)


def _get_many(connection: sa.Connection, node_ids: Iterable[bytes]) -> dict[bytes, bytes]:
    wanted = list(node_ids)
    found: dict[bytes, bytes] = {}
    for part in _slices(wanted):
        if len(part) == 1:
            rows = connection.execute(_ONE_NODE, {"wanted": part[0]})
        else:
            rows = connection.execute(_SOME_NODES, {"wanted": part})
        found.update((row.id, row.body) for row in rows)
    for node_id in wanted:
        if node_id not in found:
            raise KeyError(node_id)
    return found


def _slices(ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (ids[i : i + _IDS_A_QUERY] for i in range(0, len(ids), _IDS_A_QUERY))
