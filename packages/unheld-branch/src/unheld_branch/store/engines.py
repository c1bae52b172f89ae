"""Where a database lies and what differs between the kinds of it; `database.py` is the same on all of them."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool

from unheld_slots import durable
from unheld_verify.errors import NoStoreError, StateError

SQLITE = "catalog.db"


@dataclass(frozen=True)
class Concern:
    """What `doctor` says of a database: `level` is ok, warning or failure; `advice` is empty when ok."""

    level: str
    words: str
    advice: str = ""


class Backend(ABC):
    """One place of one database. `path` is the file that stands for it in messages."""

    path: Path

    @abstractmethod
    def engine(self, *, anew: bool = False) -> sa.Engine:
        """Connections for reading; with `anew` each is opened when it is asked for, and closed after."""

    @abstractmethod
    def founding(self, engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
        """A connection to lay out the tables by. Raises StateError where there is a database already."""

    @abstractmethod
    def look(self) -> None:
        """Raise NoStoreError where it is plain without a connection that nothing is there."""

    def lock(self, writer: sa.Connection) -> None:  # noqa: B027 - a file's lock is the store's
        """Keep every other machine out for as long as this connection lives. Raises LockedError, NoStoreError."""

    @contextmanager
    def committing(self, writer: sa.Connection) -> Iterator[None]:
        """Around a commit. Raises StateUnknownError where one without an error may not be as durable as it must be."""
        yield

    def ready(self, engine: sa.Engine) -> None:  # noqa: B027
        """Raise StateError, with the mend, where what is stored now would not outlive the server's disk."""

    def confirm(self, writer: sa.Connection) -> None:  # noqa: B027
        """Raise StateError unless everything that was stored so far outlives the server's disk."""

    def make_sure(self) -> None:  # noqa: B027 - a server does so by itself when it starts again
        """See that what is read from now on is what the disk holds. Raises DiskError."""

    @abstractmethod
    def words(self, connection: sa.Connection) -> str:
        """What it is and what it survives, in plain words."""

    def concerns(self, connection: sa.Connection) -> Iterator[Concern]:
        """What around it could undo what the store promises."""
        yield Concern("ok", self.words(connection))


class SqliteFile(Backend):
    """A file of the store's folder, written with synchronous=FULL: a commit that returned survives a power cut."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def engine(self, *, anew: bool = False) -> sa.Engine:
        """Connections that read without a transaction around each read."""
        pool = NullPool if anew else QueuePool
        engine = sa.create_engine(f"sqlite:///{self.path}", poolclass=pool, isolation_level="AUTOCOMMIT")
        sa.event.listen(engine, "connect", _set_pragmas)
        return engine

    @contextmanager
    def founding(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """A new file with its owner's rights alone, in WAL mode."""
        if self.path.exists():
            raise StateError(f"{self.path}: there is a database already; choose a new folder")
        self.path.touch(0o600)  # SQLite gives its side files the rights of this one
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            yield connection

    def look(self) -> None:
        """The file is there, or its disk is not."""
        if not self.path.is_file():
            raise NoStoreError(f"{self.path} is missing: is its disk there? Nothing goes on without it")

    def make_sure(self) -> None:
        """The file, its write-ahead part, and that they are named there: a crash came before SQLite had synced them."""
        for path in (self.path.parent, self.path, self.path.with_name(f"{self.path.name}-wal")):
            if path.exists():
                durable.make_sure(path)

    def words(self, connection: sa.Connection) -> str:
        """It is as safe as the disk it lies on."""
        return "SQLite, a file of the store's folder"


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("synchronous=FULL", "fullfsync=1", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
