"""What one sealing day brings: calls, messages, data sessions, and the records of earlier days that come late.

A day is drawn by itself from (seed, day). Events are stationary: what arrives on day e has the same spread of
(time of day, delay) as what happens on any day, so an event that needed k midnights to arrive happened on day e - k.
Both records of a call between two subscribers therefore arrive on one day with one time.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from unheld.testing.arrow import Ints, ints, take
from unheld.testing.population import Population
from unheld.testing.textfile import DAY

LATEST_DAYS = 30
LOCAL = 23_400  # seconds: local time is UTC+06:30, so a call at 00:20 local belongs to yesterday's UTC day
# share of events per local hour: a quiet night, a busy noon, a busier evening
RHYTHM = np.array([8, 4, 3, 2, 3, 8, 20, 38, 52, 58, 60, 62, 64, 60, 56, 55, 58, 66, 76, 80, 74, 56, 34, 17])
CALL, SMS, DATA = 0, 1, 2
KINDS = pa.array(["call", "sms", "data"], pa.string())
NETWORKS = pa.array(["2G", "3G", "4G"], pa.string())
PARTNERS = pa.array(["99901", "99902", "99903"], pa.string())
PARTNER_COUNTRY = pa.array(["999"], pa.string())
# of all events: among people, data sessions, messages of services, visitors
PEOPLE, SESSION, SERVICE = 0.50, 0.38, 0.09
RECORDS_PER_EVENT = 1.43  # measured: calls and messages between two subscribers leave two

_TEXT, _COUNT = pa.string(), pa.int64()
SCHEMA = pa.schema(
    [
        pa.field("event_type", _TEXT),
        pa.field("outgoing", pa.bool_()),
        pa.field("datetime", pa.timestamp("s", tz="UTC")),
        pa.field("duration", _COUNT),
        pa.field("msisdn", _TEXT),
        pa.field("msisdn_counterpart", _TEXT),
        pa.field("imsi", _TEXT),
        pa.field("imei", _TEXT),
        pa.field("location_id", _TEXT),
        pa.field("volume_upload", _COUNT),
        pa.field("volume_download", _COUNT),
        pa.field("network", _TEXT),
        pa.field("operator_code", _TEXT),
        pa.field("country_code", _TEXT),
    ]
)


class _Events:
    """The events of one sealing day in order of arrival, before they become records."""

    def __init__(self, rng: np.random.Generator, people: Population, e: date, count: int) -> None:
        """Draw `count` events that arrive on sealing day `e`."""
        self.time = _times(rng, e, count)
        self.actor = np.searchsorted(people.activity, rng.random(count)).astype(np.int64)
        source = rng.random(count)
        people_only = source < PEOPLE
        session = (source >= PEOPLE) & (source < PEOPLE + SESSION)
        service = (source >= PEOPLE + SESSION) & (source < PEOPLE + SESSION + SERVICE)
        visitor = source >= PEOPLE + SESSION + SERVICE
        self.kind = np.where(session, DATA, np.where(service | (rng.random(count) < 0.35), SMS, CALL))
        self.peer = np.where(service, _services(rng, people, count), _peers(rng, people, self.actor))
        self.kind[self.peer < 0] = DATA  # who knows nobody still uses the network
        self.peer[self.kind == DATA] = -1
        self.actor[visitor] = people.subscribers + rng.integers(0, people.roamers, int(visitor.sum()))
        foreign = self.peer >= people.subscribers
        self.outgoing = ~service & ~(people_only & foreign & (rng.random(count) < 0.5))
        self.mirrored = people_only & (self.peer >= 0) & ~foreign
        self.amount = _amounts(rng, self.kind)


def arriving(people: Population, seed: int, e: date, records: int) -> pa.Table:
    """About `records` records that arrive on sealing day `e`, in order of arrival (columns as in SCHEMA)."""
    rng = np.random.default_rng([seed, 2, e.toordinal()])
    events = _Events(rng, people, e, max(1, round(records / RECORDS_PER_EVENT)))
    rows = np.repeat(np.arange(len(events.time)), 1 + events.mirrored)
    second = np.concatenate([[False], rows[1:] == rows[:-1]])
    owner = np.where(second, events.peer[rows], events.actor[rows])
    other = np.where(second, events.actor[rows], events.peer[rows])
    visitor = owner >= people.subscribers
    partner = np.where(visitor, owner % 3, np.where(other >= people.subscribers, other % 3, -1))
    partner[other >= people.first_sender] = -1
    kind = events.kind[rows]
    cell = _cells(rng, people, owner, events.time[rows])
    return pa.table(
        [
            take(KINDS, kind),
            pa.array(events.outgoing[rows] & ~second),
            ints(events.time[rows]).cast(SCHEMA.field("datetime").type),
            ints(events.amount[0][rows], kind != SMS),
            take(people.msisdn, owner, ~visitor),
            take(people.book, other, other >= 0),
            take(people.imsi, owner),
            take(people.imei, owner),
            people.cells["location_id"].take(ints(cell)),
            ints(events.amount[1][rows], kind == DATA),
            ints(events.amount[2][rows], kind == DATA),
            take(NETWORKS, np.where(kind == DATA, 2, owner % 3)),
            take(PARTNERS, partner, partner >= 0),
            take(PARTNER_COUNTRY, np.zeros_like(partner), partner >= 0),
        ],
        schema=SCHEMA,
    )


def _times(rng: np.random.Generator, e: date, count: int) -> Ints:
    """When the events happened (seconds since 1970, UTC), in the order in which they arrive on day `e`."""
    hour = rng.choice(24, count, p=RHYTHM / RHYTHM.sum())
    local = hour * 3600 + rng.integers(0, 3600, count)
    clock = (local - LOCAL) % DAY
    arrival = clock + _delays(rng, count)
    order = np.argsort(arrival % DAY, kind="stable")
    midnight = (e - date(1970, 1, 1)).days * DAY
    return (midnight - arrival // DAY * DAY + clock)[order]


def _delays(rng: np.random.Generator, count: int) -> Ints:
    """Seconds until a record arrives: most minutes, some hours, 1.5 % days (partners abroad), 30 days at most."""
    kind = rng.random(count)
    minutes = rng.exponential(600, count)
    hours = rng.uniform(3600, 10 * 3600, count)
    days = rng.random(count) ** 2 * (LATEST_DAYS * DAY)
    delay = np.where(kind < 0.93, minutes, np.where(kind < 0.985, hours, days))
    return delay.astype(np.int64)


def _peers(rng: np.random.Generator, people: Population, actor: Ints) -> Ints:
    """One contact of each actor, the first ones of the list far more often; -1 for somebody who has none."""
    begin = people.contact_start[actor]
    known = people.contact_start[actor + 1] - begin
    nth = (rng.random(len(actor)) ** 2.5 * known).astype(np.int64)
    return np.where(known > 0, people.contacts[np.minimum(begin + nth, len(people.contacts) - 1)], -1)


def _services(rng: np.random.Generator, people: Population, count: int) -> Ints:
    return rng.integers(people.first_sender, len(people.book), count)


def _amounts(rng: np.random.Generator, kind: Ints) -> tuple[Ints, Ints, Ints]:
    """Seconds, bytes up, bytes down: log-normal, as measured networks are."""
    count = len(kind)
    seconds = rng.lognormal(4.2, 1.1, count).astype(np.int64) + 1
    down = rng.lognormal(13.0, 2.0, count).astype(np.int64)
    return seconds, (down * rng.uniform(0.05, 0.3, count)).astype(np.int64), down


def _cells(rng: np.random.Generator, people: Population, owner: Ints, time: Ints) -> Ints:
    """Work in working hours, else home, one in eight somewhere near; visitors are in the busy middle."""
    local = time + LOCAL
    weekday = (local // DAY + 3) % 7 < 5  # 1970-01-01 was a Thursday
    at_work = weekday & (local % DAY // 3600 >= 9) & (local % DAY // 3600 < 18)
    resident = np.minimum(owner, people.subscribers - 1)
    cell = np.where(at_work, people.work[resident], people.home[resident])
    astray = rng.random(len(owner)) < 0.125
    cell = cell + astray * rng.integers(-3, 4, len(owner))
    middle = people.cells.num_rows // 2 + owner % 5
    cell = np.where(owner >= people.subscribers, middle, cell)
    return cell.astype(np.int64) % int(people.cells.num_rows)
