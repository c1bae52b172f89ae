"""Where the databases of test stores lie: beside them in SQLite, or with UNHELD_TEST_DATABASE=postgresql in PostgreSQL.

Each store has a schema of its own on one server; a copied folder gets a copy of it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

from unheld.assembly import Database
from unheld_branch.store.postgresql import NAME, SINGLE_NODE, Settings

VARIABLE = "UNHELD_TEST_DATABASE"
KINDS = ("sqlite", "postgresql")
_TABLES = ("journal", "node", "root", "outbox")
_numbers = count(1)


def kind() -> str:
    """The kind that this run is for."""
    chosen = os.environ.get(VARIABLE, KINDS[0])
    assert chosen in KINDS, f"{VARIABLE}={chosen}: write one of {', '.join(KINDS)}"
    return chosen


def chosen(places: int) -> dict[str, Database]:
    """Where a store with its copies is founded: `places` databases."""
    if kind() == "sqlite":
        return {}
    from tests.support import postgres

    names = ["store", *(f"copy-{number}" for number in range(1, places))]
    return {name: Database(postgres.shared().url(), SINGLE_NODE) for name in names}


def words(places: int) -> list[str]:
    """The same for `unheld init`."""
    found = chosen(places)
    named = (one.url if name == "store" else f"{name}={one.url}" for name, one in found.items())
    return [word for one in named for word in ("--database", one)] + ["--single-node"] * bool(found)


def settings(folder: Path) -> dict[Path, Settings]:
    """Every database in PostgreSQL of a store at `folder` or below, by its folder."""
    found = {path.parent: Settings.read(path.parent) for path in sorted(folder.rglob(NAME))}
    return {path: one for path, one in found.items() if one is not None}


def copy(source: Path, folder: Path) -> None:
    """Copy a deployment to another folder, with databases of its own."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    part(folder)


def part(folder: Path) -> None:
    """Give a copied folder databases of its own: what it was copied from stays as it is."""
    for path, one in settings(folder).items():
        own = replace(one, schema=f"copy_{next(_numbers)}")
        _copy(one.schema, own.schema)
        own.write(path)


def keep(folder: Path) -> dict[str, str]:
    """Keep every database of a folder as it is: the schema it lies in, and where it was kept."""
    kept = {one.schema: f"kept_{next(_numbers)}" for one in settings(folder).values()}
    for schema, other in kept.items():
        _copy(schema, other)
    return kept


def put_back(kept: dict[str, str]) -> None:
    """As they were when they were kept."""
    for schema, other in kept.items():
        _ask(f"TRUNCATE {', '.join(f'{schema}.{table}' for table in _TABLES)}", *_filling(other, schema))


def discard(kept: dict[str, str]) -> None:
    """Drop what was kept."""
    if kept:
        _ask(*(f"DROP SCHEMA {other} CASCADE" for other in kept.values()))


def dumped(folder: Path, into: Path) -> None:
    """Write every database in PostgreSQL of a folder as SQLite's files, for whoever reads files: recorders do."""
    for path, one in settings(folder).items():
        if into not in path.parents:
            into.mkdir(exist_ok=True)
            as_sqlite(one, into / f"{one.schema}.db")


def _copy(schema: str, other: str) -> None:
    made = (f"CREATE TABLE {other}.{table} (LIKE {schema}.{table} INCLUDING ALL)" for table in _TABLES)
    _ask(f"CREATE SCHEMA {other}", *made, *_filling(schema, other))


def _filling(schema: str, other: str) -> Iterable[str]:
    for table in _TABLES:
        yield f"INSERT INTO {other}.{table} SELECT * FROM {schema}.{table}"
    last = f"(SELECT coalesce(max(id), 0) + 1 FROM {other}.outbox)"
    yield f"SELECT setval(pg_get_serial_sequence('{other}.outbox', 'id'), {last}, false)"


def _ask(*queries: str) -> None:
    from tests.support import postgres

    postgres.shared().ask(postgres.ROLE, "; ".join(queries))


def as_sqlite(one: Settings, path: Path) -> None:
    """Write a database in PostgreSQL as the file that the reader's edition opens."""
    import psycopg

    path.unlink(missing_ok=True)
    with psycopg.connect(one.url) as source, closing(sqlite3.connect(path)) as target:
        for table in _TABLES:
            cursor = source.execute(f"SELECT * FROM {one.schema}.{table}".encode())
            names = [column.name for column in cursor.description or ()]
            target.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", cursor.fetchall())
        target.commit()
