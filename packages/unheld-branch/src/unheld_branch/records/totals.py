"""Totals for settling accounts between operators: events, minutes and bytes per partner and day, no person in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

HOME = "home"
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Total:
    """Sums of one partner and day: events, seconds of calls, bytes up and down."""

    events: int = 0
    seconds: int = 0
    bytes: int = 0

    @property
    def minutes(self) -> float:
        """Minutes of calls."""
        return self.seconds / 60

    def __add__(self, other: Total) -> Total:
        return Total(self.events + other.events, self.seconds + other.seconds, self.bytes + other.bytes)


@dataclass
class Totals:
    """Running totals by (partner, event day as days since 1970, UTC). A partner is an operator code, else a country
    code, else `home`."""

    by_partner_day: dict[tuple[str, int], Total] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        """Count the rows of one chunk."""
        if not table.num_rows or "datetime" not in table.column_names:
            return
        sums = _grouped(table)
        for row in sums.to_pylist():
            place = (row["partner"], row["day"])
            self.by_partner_day[place] = self.by_partner_day.get(place, Total()) + _total(row)


def _grouped(table: pa.Table) -> pa.Table:
    columns = {
        "partner": _partner(table),
        "day": pc.divide(table["datetime"], _DAY),
        "seconds": _number(table, "duration"),
        "up": _number(table, "volume_upload"),
        "down": _number(table, "volume_download"),
    }
    sums = [("seconds", "sum"), ("up", "sum"), ("down", "sum"), ("day", "count")]
    return pa.table(columns).group_by(["partner", "day"]).aggregate(sums)


def _partner(table: pa.Table) -> pa.ChunkedArray:
    names = [name for name in ("operator_code", "country_code") if name in table.column_names]
    codes = [table[name].cast(pa.string()) for name in names]
    return pc.coalesce(*codes, pa.chunked_array([pa.repeat(HOME, table.num_rows)]))


def _number(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name in table.column_names:
        return table[name].cast(pa.uint64())
    return pa.chunked_array([pa.nulls(table.num_rows, pa.uint64())])


def _total(row: Mapping[str, int | None]) -> Total:
    return Total(row["day_count"] or 0, row["seconds_sum"] or 0, (row["up_sum"] or 0) + (row["down_sum"] or 0))
