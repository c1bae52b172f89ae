"""Columns: classes and their lifetimes, components, chains, the column function (`docs/spec/column.md`). Pure: no I/O.

A day is an integer, days since 1970-01-01 UTC. A class has a word in Python and JSON and a number in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any

from unheld_verify import canonical, crypto
from unheld_verify.errors import BadInputError

CLASSES = {"charge": 1, "contact": 2, "place": 3, "identity": 4}
CLASS_NAMES = {number: name for name, number in CLASSES.items()}
LIFETIME_DEFAULTS = {"charge": 90, "contact": 30, "place": 7, "identity": 62}
LATE_DAYS_DEFAULT = 45
PARK_REASONS = ("outage", "quarantine")
ATTEST_LABEL = b"unheld/v1/attest\n"

_LIFETIME_MOST = {"charge": 400, "contact": 180, "place": 30, "identity": 62}
# The registry's column must outlive the longest month by a day, in which it is resealed into the next one.
_LIFETIME_LEAST = {"charge": 1, "contact": 1, "place": 1, "identity": 32}
_LATE_MOST = 90
_CUSTODIANS_MOST = 9
_EPOCH = date(1970, 1, 1)
LAST_DAY = (date.max - _EPOCH).days
"""The last day that has a date: 9999-12-31."""
_FIRST_MONDAY = 4  # 1970-01-05
_QUARANTINE_DAYS = 7

EventColumn = tuple[str, int]
"""(class, event day): what lapses and what is erased, whatever day it was sealed on."""
ParkPeriod = tuple[str, int]
"""(reason, period): what a parking key pair belongs to."""


@dataclass(frozen=True, order=True)
class Column:
    """(class, event day, sealing day)."""

    cls: str
    event_day: int
    sealing_day: int


@dataclass(frozen=True)
class Push:
    """What one custodian hands over at the opening of a day: its components' column keys, checks and parking keys.

    `testimony` is its signed attestation that it opened the day.
    """

    set: int
    index: int
    day: int
    keys: Mapping[EventColumn, Mapping[int, bytes]]
    checks: Mapping[int, str]
    park: Mapping[ParkPeriod, bytes]
    testimony: Attestation


@dataclass(frozen=True)
class Attestation:
    """A custodian's signed testimony: JCS bytes and an Ed25519 signature (`docs/spec/custodian.md`)."""

    statement: bytes
    signature: bytes

    def read(self, public: bytes) -> dict[str, Any]:
        """The statement, if `public` signed it. Raises VerificationError, or BadInputError when it is not canonical."""
        crypto.verify(public, self.signature, ATTEST_LABEL + self.statement)
        fields: dict[str, Any] = canonical.decode(self.statement)
        if not isinstance(fields, dict):
            raise BadInputError("attestation: what is signed is no object")
        return fields


def day_of(when: date) -> int:
    """The day number of a date; a datetime with a time zone is taken to UTC first."""
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise BadInputError(f"{when}: a time without a time zone has no day; give it one")
        when = when.astimezone(UTC).date()
    return (when - _EPOCH).days


def date_of(day: int) -> date:
    """The date of a day number."""
    return _EPOCH + timedelta(days=day)


def day_text(day: int) -> str:
    """A day number as an ISO date, the form it has in JSON and in paths."""
    return date_of(day).isoformat()


def day_number(text: str) -> int:
    """The day number of an ISO date. Raises BadInputError."""
    try:
        day = day_of(date.fromisoformat(text))
    except ValueError:
        raise BadInputError(f"{text!r} is not a date; write YYYY-MM-DD") from None
    if day < 0 or day_text(day) != text:
        raise BadInputError(f"{text!r} is no day from 1970-01-01 on, written YYYY-MM-DD")
    return day


def month_start(day: int) -> int:
    """The first day of the month of `day`: the event day of its `identity` column."""
    return day_of(date_of(day).replace(day=1))


def check_lifetimes(lifetimes: Mapping[str, int]) -> dict[str, int]:
    """The lifetimes in days, one for every class and within its hard bounds. Raises BadInputError."""
    if set(lifetimes) != set(CLASSES):
        raise BadInputError(f"lifetimes: name exactly the classes {', '.join(CLASSES)}")
    for cls, days in lifetimes.items():
        if not _LIFETIME_LEAST[cls] <= days <= _LIFETIME_MOST[cls]:
            raise BadInputError(
                f"lifetimes.{cls}: {days} days is out of bounds; choose {_LIFETIME_LEAST[cls]} to {_LIFETIME_MOST[cls]}"
            )
    return dict(lifetimes)


def check_late_days(days: int) -> int:
    """How many days late a record may be sealed, within bounds. Raises BadInputError."""
    if not 0 <= days <= _LATE_MOST:
        raise BadInputError(f"late_days: {days} is out of bounds; choose 0 to {_LATE_MOST}")
    return days


def components(n: int, t: int) -> list[tuple[int, ...]]:
    """The (t-1)-subsets of n custodians, in order; the number of a component is its place in this list."""
    if not 1 <= t <= n <= _CUSTODIANS_MOST:
        raise BadInputError(f"custodians: {t} of {n} is not possible; choose 1 <= t <= n <= {_CUSTODIANS_MOST}")
    return list(combinations(range(n), t - 1))


def holders(n: int, t: int, component: int) -> list[int]:
    """The custodians that hold a component: those outside its subset."""
    return [index for index in range(n) if index not in components(n, t)[component]]


def held(n: int, t: int, index: int) -> list[int]:
    """The numbers of the components that custodian `index` holds, ascending."""
    return [number for number, subset in enumerate(components(n, t)) if index not in subset]


def next_link(chain: bytes) -> bytes:
    """c(S, e+1) from c(S, e)."""
    return crypto.hmac_sha256(chain, b"unheld/v1/next")


def day_key(chain: bytes, day: int) -> bytes:
    """k(S, e) from c(S, e)."""
    return crypto.hmac_sha256(chain, b"unheld/v1/day", day.to_bytes(4, "big"))


def column_key(key_of_day: bytes, cls: str, event_day: int) -> bytes:
    """k(S, class, d, e) from k(S, e)."""
    return crypto.hmac_sha256(key_of_day, b"unheld/v1/col", bytes([CLASSES[cls]]), event_day.to_bytes(4, "big"))


def due(cls: str, event_day: int, lifetimes: Mapping[str, int]) -> int:
    """The day at whose start the keys of (class, event day) are erased."""
    return event_day + lifetimes[cls]


def window(day: int, late_days: int, lifetimes: Mapping[str, int]) -> list[EventColumn]:
    """The (class, event day) pairs that sealing day `day` may seal into, in the order of class number and day."""
    first = max(0, day - late_days)
    pairs: list[EventColumn] = []
    for cls in CLASSES:
        days: Iterable[int] = (month_start(day),) if cls == "identity" else range(first, day + 1)
        pairs += [(cls, event_day) for event_day in days if due(cls, event_day, lifetimes) > day]
    return pairs


def living(today: int, lifetimes: Mapping[str, int]) -> list[EventColumn]:
    """Every (class, event day) up to `today` that has not lapsed, in the order of class number and day."""
    pairs: list[EventColumn] = []
    for cls in CLASSES:
        days = range(max(0, today - lifetimes[cls] + 1), today + 1)
        pairs += [(cls, day) for day in days if cls != "identity" or day == month_start(day)]
    return pairs


def in_order(pairs: Iterable[EventColumn]) -> list[EventColumn]:
    """Pairs in the order of class number and day."""
    return sorted(pairs, key=lambda pair: (CLASSES[pair[0]], pair[1]))


def evaluate(keys: Sequence[bytes], labels: bytes) -> bytes:
    """F(label) for every 16-byte label in `labels`, joined: the XOR of AES-256 under the key of each component."""
    if not keys or len(labels) % 16:
        raise BadInputError("the column function takes the keys of all components and labels of 16 bytes")
    return crypto.xor([crypto.aes_blocks(key, labels) for key in keys])


def checks(keys: Mapping[EventColumn, Mapping[int, bytes]]) -> dict[int, str]:
    """For every component, the hex hash of its column keys in order, by which custodians are compared."""
    ordered = in_order(keys)
    numbers = sorted({number for held_keys in keys.values() for number in held_keys})
    return {
        number: crypto.sha256(b"unheld/v1/check", *(keys[pair][number] for pair in ordered)).hex() for number in numbers
    }


def park_period(reason: str, day: int) -> int:
    """The period of a batch parked on `day`: the week since 1970-01-05 for an outage, the day for quarantine."""
    _check_reason(reason)
    return (day - _FIRST_MONDAY) // 7 if reason == "outage" else day


def park_due(reason: str, period: int, late_days: int) -> int:
    """The day at whose start the private key of a parking period is erased."""
    _check_reason(reason)
    if reason == "outage":
        return _FIRST_MONDAY + 7 * (period + 1) + late_days
    return period + _QUARANTINE_DAYS


def _check_reason(reason: str) -> None:
    if reason not in PARK_REASONS:
        raise BadInputError(f"parked: unknown reason {reason!r}; choose {' or '.join(PARK_REASONS)}")
