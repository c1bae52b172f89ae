"""The database of a store: journal, nodes, root node, outbox. Every change of it is one transaction.

SQLite with synchronous=FULL: when a commit returns, it survives a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from unheld_verify.errors import NoStoreError, StateError, StateUnknownError

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
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("r", sa.LargeBinary, nullable=False),
    sa.Column("statement", sa.LargeBinary, nullable=False),
    sa.Column("entry_index", sa.Integer),
)
_IDS_A_QUERY = 500


@dataclass(frozen=True)
class Waiting:
    """A statement of the outbox: not published while `index` is None."""

    id: int
    r: bytes
    statement: bytes
    index: int | None


@dataclass(frozen=True)
class Write:
    """What one commit stores, all or nothing."""

    generation: int
    root: bytes
    entry: bytes
    head: bytes
    new_nodes: Sequence[tuple[bytes, bytes]]
    dead_nodes: Sequence[bytes]
    outbox: Sequence[tuple[bytes, bytes]]


class Database:
    """Journal, nodes, root and outbox of one store (or of one copy of its tree)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
        sa.event.listen(self._engine, "connect", _set_pragmas)

    @classmethod
    def create(cls, path: Path) -> Database:
        """Lay out an empty database; refuses one that is there."""
        if path.exists():
            raise StateError(f"{path}: there is a database already; choose a new folder")
        database = cls(path)
        _META.create_all(database._engine)
        return database

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open an existing database. Raises NoStoreError."""
        if not path.is_file():
            raise NoStoreError(f"{path}: no store there; `unheld init` makes one")
        return cls(path)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise StateUnknownError(
                f"{self.path}: {error.orig}; open the store again to learn what was stored"
            ) from error

    def write(self, change: Write) -> None:
        """One transaction: nodes, root, journal entry, outbox. After an error the state is unknown: open again."""
        with self._transaction() as connection:
            if change.new_nodes:
                connection.execute(sa.insert(_NODE), [{"id": id_, "body": body} for id_, body in change.new_nodes])
            for part in _slices(change.dead_nodes):
                connection.execute(sa.delete(_NODE).where(_NODE.c.id.in_(part)))
            connection.execute(sa.delete(_ROOT))
            connection.execute(sa.insert(_ROOT), {"generation": change.generation, "body": change.root})
            row = {"generation": change.generation, "entry": change.entry, "head": change.head}
            connection.execute(sa.insert(_JOURNAL), row)
            if change.outbox:
                rows = [{"r": r, "statement": statement} for r, statement in change.outbox]
                connection.execute(sa.insert(_OUTBOX), rows)

    def root(self) -> tuple[int, bytes] | None:
        """Generation and sealed bytes of the root node."""
        with self._transaction() as connection:
            row = connection.execute(sa.select(_ROOT.c.generation, _ROOT.c.body)).one_or_none()
        return None if row is None else (row.generation, row.body)

    def journal(self) -> list[tuple[int, bytes, bytes]]:
        """(generation, entry, head) in order."""
        query = sa.select(_JOURNAL.c.generation, _JOURNAL.c.entry, _JOURNAL.c.head).order_by(_JOURNAL.c.generation)
        with self._transaction() as connection:
            return [(row.generation, row.entry, row.head) for row in connection.execute(query)]

    def get(self, node_id: bytes) -> bytes:
        """One node's bytes. Raises KeyError."""
        return self.get_many([node_id])[node_id]

    def get_many(self, node_ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """Several nodes' bytes by id. Raises KeyError naming one that is missing."""
        wanted = list(node_ids)
        found: dict[bytes, bytes] = {}
        with self._transaction() as connection:
            for part in _slices(wanted):
                query = sa.select(_NODE.c.id, _NODE.c.body).where(_NODE.c.id.in_(part))
                found.update((row.id, row.body) for row in connection.execute(query))
        for node_id in wanted:
            if node_id not in found:
                raise KeyError(node_id)
        return found

    def node_ids(self) -> set[bytes]:
        """Every node id stored, for `check`."""
        with self._transaction() as connection:
            return set(connection.execute(sa.select(_NODE.c.id)).scalars())

    def outbox(self) -> list[Waiting]:
        """Every statement, in order of commit."""
        query = sa.select(_OUTBOX.c.id, _OUTBOX.c.r, _OUTBOX.c.statement, _OUTBOX.c.entry_index).order_by(_OUTBOX.c.id)
        with self._transaction() as connection:
            return [Waiting(row.id, row.r, row.statement, row.entry_index) for row in connection.execute(query)]

    def mark_published(self, indices: dict[int, int]) -> None:
        """Note at which log index each statement of the outbox stands."""
        with self._transaction() as connection:
            for id_, index in indices.items():
                connection.execute(sa.update(_OUTBOX).where(_OUTBOX.c.id == id_).values(entry_index=index))


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=1", "temp_store=MEMORY", "mmap_size=0"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _slices(ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (ids[i : i + _IDS_A_QUERY] for i in range(0, len(ids), _IDS_A_QUERY))
