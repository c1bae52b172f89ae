"""A synthetic operator: a registry and call records of people who cannot exist, the same for the same seed.

    operator = Operator(seed=7, subscribers=20_000, days=14, first_day=date(2026, 7, 1))
    operator.write(Path("data"))

Every number is impossible (see `impossible`), every cell lies in the sea, every name starts with "Specimen".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from unheld.testing import impossible, textfile, traffic
from unheld.testing.population import ALPHA_SENDERS, Population, populate, registry
from unheld_verify.errors import UsageError


@dataclass(frozen=True)
class Operator:
    """A network of `subscribers` people over `days` sealing days from `first_day` on.

    `events_per_day` is the mean number of records a subscriber and day. The first sealing days also
    bring late records of up to 30 event days before `first_day`. Raises UsageError for sizes that make no network.
    """

    seed: int
    subscribers: int = 20_000
    days: int = 14
    first_day: date = date(2026, 7, 1)
    events_per_day: float = 4.0

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        most = len(impossible.ON_NET) // 2
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}: take a whole number from 0 up")
        if not 2 <= self.subscribers <= most:
            raise UsageError(f"subscribers is {self.subscribers}: take 2 to {most:,}")
        if self.days < 1:
            raise UsageError(f"days is {self.days}: take at least 1")
        if self.events_per_day <= 0:
            raise UsageError(f"events_per_day is {self.events_per_day}: take more than 0")

    @cached_property
    def population(self) -> Population:
        """Who lives there and who knows whom."""
        return populate(self.seed, self.subscribers)

    @property
    def sealing_days(self) -> list[date]:
        """The days of which `write` makes files."""
        return [self.first_day + timedelta(days=n) for n in range(self.days)]

    def registry(self) -> pa.Table:
        """Columns msisdn, imsi, imei, holder, since, document."""
        return registry(self.population, self.seed, self.first_day)

    def cells(self) -> pa.Table:
        """Columns location_id, lat, lon."""
        return self.population.cells

    def day(self, e: date) -> pa.Table:
        """The records that arrive on sealing day `e`, in order of arrival; columns as in `traffic.SCHEMA`.

        Raises UsageError for a day outside `sealing_days`.
        """
        if e not in self.sealing_days:
            raise UsageError(f"{e} is not a sealing day: take {self.first_day} to {self.sealing_days[-1]}")
        return traffic.arriving(self.population, self.seed, e, round(self.subscribers * self.events_per_day))

    def write(self, folder: Path, *, suffix: str = ".csv") -> list[Path]:
        """Write registry, cells and one file of records a sealing day; give the paths in that order.

        `suffix` is `.csv` or `.csv.gz`. Existing files of these names are replaced.
        """
        if suffix not in {".csv", ".csv.gz"}:
            raise UsageError(f"suffix is {suffix!r}: take .csv or .csv.gz")
        folder.mkdir(parents=True, exist_ok=True)
        tables = {"registry": self.registry(), "cells": self.cells()}
        paths = [textfile.write(table, folder / f"{name}{suffix}") for name, table in tables.items()]
        for e in self.sealing_days:
            paths.append(textfile.write(self.day(e), folder / f"cdr-{e}{suffix}"))
        return paths

    def planted(self) -> list[str]:
        """Every identity of the network as it would betray itself in written bytes; for tests that look for it.

        Numbers come without `+`, so that both spellings are found. Short codes are left out: four digits
        stand in any file.
        """
        people, held = self.population, self.registry()
        numbers = people.book.slice(0, people.first_sender)
        columns = [numbers, people.imsi, people.imei, held["holder"], held["document"]]
        found = [mark.removeprefix("+") for column in columns for mark in column.to_pylist()]
        return [*found, *ALPHA_SENDERS]
