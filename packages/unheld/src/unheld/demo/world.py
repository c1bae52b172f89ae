"""The demo's world: one synthetic operator with a past, the same for both columns, and what a day of it is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unheld.demo.calendar import NOON
from unheld.testing import textfile
from unheld.testing.arrow import joined
from unheld.testing.synthetic import Operator
from unheld_verify import columns

SALE_KNOWN = date(2021, 7, 8)
"""The day on which the sale is announced in this replay; everything is counted from it."""
BINDINGS, TARIFFS = "bindings.csv", "tariffs.csv"
_DAY = 86_400
_PRICES = ("1000.00", "2500.00", "5000.00")


@dataclass(frozen=True)
class World:
    """`history` days that are over, then the day on whose noon somebody comes, then the day of the announcement."""

    seed: int
    subscribers: int
    history: int

    @property
    def today(self) -> date:
        """The open day on which somebody comes to the branch."""
        return SALE_KNOWN - timedelta(days=1)

    @property
    def night(self) -> date:
        """The last day that is over."""
        return self.today - timedelta(days=1)

    @cached_property
    def operator(self) -> Operator:
        """The network of people who cannot exist."""
        first = self.today - timedelta(days=self.history)
        return Operator(self.seed, self.subscribers, self.history + 1, first)

    def past(self) -> Iterator[tuple[date, pa.Table]]:
        """Every day that is over with the records that arrived on it."""
        return ((day, self.operator.day(day)) for day in self.operator.sealing_days[:-1])

    def morning(self) -> pa.Table:
        """Today's records until noon. What partners send late comes with the night's file."""
        table = self.operator.day(self.today)
        midnight = columns.day_of(self.today) * _DAY
        return between(table, midnight, midnight + NOON)

    def bindings(self) -> pa.Table:
        """What a network needs to go on: which SIM answers to which number, tariff, balance. No name, no paper."""
        rng = np.random.default_rng([self.seed, 9])
        count = self.subscribers
        cents = pa.array(rng.integers(0, 20_000, count))
        return pa.table(
            {
                "msisdn": self.operator.population.msisdn,
                "imsi": self.operator.population.imsi.slice(0, count),
                "tariff": joined("T", pa.array(rng.integers(1, 1 + len(_PRICES), count)).cast(pa.string())),
                "balance": cents,
            }
        )


def write_service(world: World, folder: Path) -> Path:
    """Write what the network works with in clear, on either side; gives the file."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"T{1 + place}" for place in range(len(_PRICES))]
    textfile.write(pa.table({"tariff": names, "price": list(_PRICES)}), folder / TARIFFS)
    return textfile.write(world.bindings(), folder / BINDINGS)


def between(table: pa.Table, first: int, before: int) -> pa.Table:
    """The records that happened from one second to before another (since 1970)."""
    seconds = table["datetime"].cast(pa.int64())
    return table.filter(pc.and_(pc.greater_equal(seconds, first), pc.less(seconds, before)))
