"""The left column: a network as networks were kept in 2021. A year of plain files, and a database with papers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from unheld.demo.world import World, write_service
from unheld.testing import textfile
from unheld.testing.recorder import Copies
from unheld.testing.recording import Recording

_BILLED_DAYS = 31


class PlainNetwork:
    """All in one country, in clear: `files` of records, `customers.db` with registry and last bills, `service`."""

    def __init__(self, world: World, folder: Path) -> None:
        self.folder = folder
        self._world = world
        self._copies = Copies([folder])

    def live(self) -> int:
        """Keep every day of the past, and the registry with it; how many records."""
        files = self.folder / "files"
        files.mkdir(parents=True)
        write_service(self._world, self.folder / "service")
        records = 0
        with closing(sqlite3.connect(self.folder / "customers.db")) as database, database:
            _keep(database, "customers", self._world.operator.registry())
            for place, (day, table) in enumerate(self._world.past()):
                textfile.write(table, files / f"cdr-{day}.csv")
                records += table.num_rows
                if place >= self._world.history - _BILLED_DAYS:
                    _keep(database, "bills", table.select(["msisdn", "datetime", "duration"]))
        return records

    def morning(self) -> None:
        """Keep what comes in until noon."""
        textfile.write(self._world.morning(), self.folder / "files" / f"cdr-{self._world.today}.csv")

    def seen(self) -> Recording:
        """What somebody finds who comes now; abroad there is nothing that he would need."""
        return self._copies.recording()

    def close(self) -> None:
        """Remove the copies of the run."""
        self._copies.__exit__(None, None, None)


def _keep(database: sqlite3.Connection, name: str, table: pa.Table) -> None:
    texts = textfile.as_text(table)
    columns = ", ".join(f'"{column}" TEXT' for column in texts.column_names)
    database.execute(f'CREATE TABLE IF NOT EXISTS "{name}" ({columns})')
    marks = ", ".join("?" for _ in texts.column_names)
    rows = zip(*(column.to_pylist() for column in texts.columns), strict=True)
    database.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)  # noqa: S608 - our own names
