"""What a synthetic operator delivers, as a reader of the pages should find it: the truth that stores are held to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from unheld.testing.synthetic import Operator

DAY = 86_400
EVENTS = {"call": 1, "sms": 2, "data": 3}
LIFETIMES = {"charge": 90, "contact": 30, "place": 7}
CHARGE = ("duration", "volume_upload", "volume_download", "network")
CONTACT = ("imsi", "imei", "operator_code", "country_code")
Column = tuple[str, int, int]
Records = dict[Column, list[dict[str, Any]]]


def identity(number: str) -> str:
    """How a store names a number, a short code or a sender of this operator."""
    if number.startswith("+"):
        return "tel:" + number
    return ("short:" if number.isdigit() else "alpha:") + number


def delivered(operator: Operator, days: Iterable[date]) -> dict[str, Records]:
    """Records by owner and column, in the order of a block; `counterpart` is an identity here, null is left out."""
    found: dict[str, Records] = {}
    for when in days:
        for row in operator.day(when).to_pylist():
            owner = identity(row["msisdn"]) if row["msisdn"] else "imsi:" + row["imsi"]
            for column, record in _facts(row, _day(when)):
                found.setdefault(owner, {}).setdefault(column, []).append(record)
    for columns in found.values():
        for records in columns.values():
            records.sort(key=lambda record: record["time"])
    return found


def _facts(row: dict[str, Any], e: int) -> Iterator[tuple[Column, dict[str, Any]]]:
    d, time = divmod(int(row["datetime"].timestamp()), DAY)
    charge = {"event_type": EVENTS[row["event_type"]], "outgoing": int(row["outgoing"])} | _there(row, CHARGE)
    contact = _there(row, CONTACT)
    if row["msisdn_counterpart"]:
        contact["counterpart"] = identity(row["msisdn_counterpart"])
    facts = {"charge": charge, "contact": contact, "place": _there(row, ("location_id",))}
    for cls, record in facts.items():
        if d + LIFETIMES[cls] > e:
            yield (cls, d, e), {"time": time, **record}


def _there(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if row[name] is not None}


def registered(registry: pa.Table, when: date) -> dict[str, Records]:
    """Identity facts by number, sealed on a day: they stand in the column of that day's month."""
    column = ("identity", _day(when.replace(day=1)), _day(when))
    return {identity(row["msisdn"]): {column: [_fact(row)]} for row in registry.to_pylist()}


def _fact(row: dict[str, Any]) -> dict[str, Any]:
    since = datetime(row["since"].year, row["since"].month, row["since"].day, tzinfo=UTC)
    said = {name: row[name] for name in ("holder", "document", "imei")}
    return said | {"imsi": "imsi:" + row["imsi"], "since": str(int(since.timestamp()))}


def _day(when: date) -> int:
    return (when - date(1970, 1, 1)).days
