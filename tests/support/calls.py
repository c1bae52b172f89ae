"""A few call records by hand, and what a store holds of one party as the reader's edition finds it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import unheld_reader as reader

from tests.support import databases
from tests.support.stores import TestStore
from unheld.testing import traffic
from unheld_branch.store.database import Database, Transaction
from unheld_branch.store.postgresql import Settings
from unheld_slots.durable import observed
from unheld_slots.pkcs11.session import TokenError
from unheld_verify import columns
from unheld_verify.errors import StateUnknownError

DAY = 86_400
FIRST = date(2026, 7, 1)
ALICE, BOB, CAROL = "+99911111111", "+99922222222", "+99933333333"
OFF_NET = "+99977777777"


@dataclass(frozen=True)
class Call:
    """One record: whose, when (day and second), whom it names, where, by which SIM. An owner "" is known by its SIM."""

    owner: str
    day: date = FIRST
    second: int = 3600
    to: str | None = BOB
    seconds: int = 60
    cell: str | None = "c1"
    imsi: str | None = None
    partner: str | None = None

    def row(self) -> dict[str, Any]:
        """The columns of the synthetic operator."""
        return {
            "event_type": "call",
            "outgoing": True,
            "datetime": datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
            + timedelta(seconds=self.second),
            "duration": self.seconds,
            "msisdn": self.owner or None,
            "msisdn_counterpart": self.to,
            "imsi": self.imsi,
            "imei": None,
            "location_id": self.cell,
            "volume_upload": None,
            "volume_download": None,
            "network": None,
            "operator_code": self.partner,
            "country_code": None,
        }


def calls(*given: Call) -> pa.Table:
    """Records as a file of the synthetic operator."""
    return pa.Table.from_pylist([call.row() for call in given], schema=traffic.SCHEMA)


def many(count: int, owner: str = ALICE, when: date = FIRST, first: int = 0) -> list[Call]:
    """`count` calls of one party, one a second: enough that a single odd row does not refuse the file."""
    return [Call(owner, when, first + number, cell=None) for number in range(count)]


def registry(*rows: dict[str, Any]) -> pa.Table:
    """Registry rows of the synthetic operator: msisdn, and what else is given."""
    names = ("msisdn", "imsi", "imei", "holder", "since", "document")
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})


def opened(made: TestStore) -> reader.OpenedStore:
    """The store as the reader's edition opens it, with every custodian's keys."""
    folder, slots = made.deployment.custodians, made.deployment.custodian_slots
    places = {path: slots / f"{path.name}.slot" for path in sorted(folder.glob("custodian-*"))}
    with patch.object(reader, "catalog", _catalog):
        return reader.open_store(made.root, made.deployment.slots, places)


def _catalog(path: Path, *given: Any, read: Callable[..., reader.Catalog] = reader.catalog) -> reader.Catalog:
    """The catalog of a store, whatever its database: the reader's edition reads SQLite's files."""
    where = Settings.read(path.parent)
    if where is None:
        return read(path, *given)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        databases.as_sqlite(where, file)
        return read(file, *given)


def held(made: TestStore, identity: str, cls: str = "charge", ended: int = 0) -> list[tuple[date, int]]:
    """(event day, second) of every record of a class that opens for an identity, sorted."""
    found = []
    for folio in opened(made).folios(identity, ended):
        if folio.column[0] == cls:
            found += [(columns.date_of(folio.column[1]), _second(record)) for record in folio.records]
    return sorted(found)


def _second(record: dict[str, Any]) -> int:
    return int(record["time"])


def facts(made: TestStore, identity: str) -> list[dict[str, Any]]:
    """Identity facts of a party."""
    return [fact for folio in opened(made).folios(identity) if folio.column[0] == "identity" for fact in folio.records]


def names(made: TestStore, owner: str, identity: str, ended: int = 0) -> int:
    """How many of the owner's contact records name this identity, by its alias of each column."""
    store = opened(made)
    count = 0
    for folio in store.folios(owner):
        if folio.column[0] == "contact":
            aliases = {
                store.secrets(row, folio.column).alias
                for number, row in store.rows(identity, ended).items()
                if number in (0, _month(folio.column[2]))
            }
            count += sum(record.get("counterpart") in aliases for record in folio.records)
    return count


def _month(day: int) -> int:
    when = columns.date_of(day)
    return when.year * 100 + when.month


def trees(made: TestStore, identity: str) -> set[int]:
    """The numbers of the trees that have a row of this identity."""
    return set(opened(made).rows(identity))


def snapshot(*folders: Path) -> dict[Path, bytes]:
    """Every file below folders with its bytes."""
    return {path: path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


class Crash(BaseException):
    """The machine stopped: no Exception, so nothing tidies up."""


FAULTS = ("dies", "fails", "gone")
"""At a durable step: the machine stops; that step fails and the disk works again; the disk fails from then on."""


@contextmanager
def steps(at: int | None = None, fault: str = "dies") -> Iterator[list[str]]:
    """Both sides of every durable step and of every database commit: broken at moment number `at`, by one of FAULTS.

    A step that is broken before it was not stored; after it, it was stored and is reported failed. Gives the names of
    the moments that were met.
    """
    met: list[str] = []

    def step(moment: str, path: Path) -> None:
        met.append(f"{moment} {path.parent.name}/{path.name}")
        late = -1 if at is None else len(met) - 1 - at
        if late == 0 or (late > 0 and fault != "fails"):
            _break(fault, moment, path)

    commit = Database.transaction

    @contextmanager
    def transaction(database: Database) -> Iterator[Transaction]:
        with commit(database) as held:
            yield held
            step("before commit", database.path)
        step("after commit", database.path)

    with observed(step), patch.object(Database, "transaction", transaction):
        yield met


def _break(fault: str, moment: str, path: Path) -> None:
    if fault == "dies":
        raise Crash
    if "commit" in moment:
        raise StateUnknownError(f"{path}: the disk failed; open the store again to learn what was stored")
    if "token" in moment:
        raise TokenError("DeviceError", "the token failed")
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def crash_points(act: Callable[[], object]) -> list[str]:
    """The steps of an act that is not cut off."""
    with steps() as met:
        act()
    return met


def tally(items: Iterable[Any]) -> Counter[Any]:
    """How often each item stands there."""
    return Counter(items)
