"""Guesses what a column is, by its name and by the shape of its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from unheld_branch.records import times
from unheld_branch.records.schema import EVENT_TYPES, RECORD_FIELDS, REGISTRY_FIELDS
from unheld_branch.records.times import TimeRule

# Names as exports write them, without case, spaces and signs.
_NAMES = {
    "owner": "msisdn owner caller callerid from anumber aparty calling callingnumber subscriber subscriberid",
    "counterpart": "msisdncounterpart counterpart to bnumber bparty called callednumber callee calleeid "
    "correspondentid recipient receiver destination",
    "datetime": "datetime timestamp starttime eventtime calltime",
    "date": "date day",
    "time": "time",
    "event_type": "eventtype interaction type kind callrecordtype service",
    "outgoing": "outgoing direction",
    "duration": "duration durationseconds callduration seconds",
    "volume_upload": "volumeupload upload uplink bytesup",
    "volume_download": "volumedownload download downlink bytesdown",
    "amount": "amount rechargeamount charge cost",
    "balance": "balance",
    "channel": "channel",
    "network": "network rat",
    "imsi": "imsi",
    "imei": "imei",
    "operator_code": "operatorcode operator plmn",
    "country_code": "countrycode country",
    "location_id": "locationid celltower cell cellid antennaid antenna towerid cgi ecgi",
    "latitude": "latitude lat",
    "longitude": "longitude lon lng",
}
_REGISTRY_NAMES = {
    "owner": "msisdn owner number phone phonenumber telephone telefonnummer subscriberid",
    "imsi": "imsi",
    "imei": "imei",
    "holder": "holder holderid customer customerid kundeid",
    "since": "since activated activation registered anmeldedatum",
    "public_key": "publickey",
}
_EVENTS = {"voice": "call", "calls": "call", "text": "sms", "mds": "data", "gprs": "data", "topups": "topup"}
_EVENTS |= {"recharge": "topup", "forwards": "forward"}
_BY_NAME = {word: field for field, words in _NAMES.items() for word in words.split()}
_BY_REGISTRY_NAME = {word: field for field, words in _REGISTRY_NAMES.items() for word in words.split()}
_FORMATS = (
    "iso",
    "%Y%m%d %H%M",
    "%Y%m%d%H%M%S",
    "%Y%m%d %H%M%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "epoch",
    "epoch-ms",
    "%Y-%m-%d",
)
_NEVER_AHEAD = 4_102_444_800  # 2100: any time that a file of today can hold
_ENOUGH = 0.9
_MOST_WORDS = 12
_TIME_OF_DAY = r".*\d\d:\d\d.*|\d{8} ?\d{4}(\d\d)?|1\d{9}(\d{3})?"


@dataclass(frozen=True, slots=True)
class Guess:
    """A field that a column may fill; `scheme` where its identities are no phone numbers, `values` for its words."""

    field: str
    klass: str
    scheme: str = ""
    values: tuple[tuple[str, str], ...] = ()


def guesses(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, list[Guess | None]]:
    """The kind of the table and one guess a column, None where there is none; no field twice.

    A table without any time of day is a registry.
    """
    values = [[row[number].strip() for row in rows if row[number].strip()] for number in range(len(columns))]
    kind = "records" if any(_share(texts, _TIME_OF_DAY) for texts in values) else "registry"
    names, fields = (_BY_NAME, RECORD_FIELDS) if kind == "records" else (_BY_REGISTRY_NAME, REGISTRY_FIELDS)
    taken: set[str] = set()
    found: list[Guess | None] = []
    for name, texts in zip(columns, values, strict=True):
        field = names.get(re.sub(r"[^a-z]", "", name.lower())) or _by_shape(texts)
        if field is None or field not in fields or field in taken:
            found.append(None)
            continue
        taken.add(field)
        found.append(Guess(field, fields[field].klass, _scheme(field, texts), _words(field, texts)))
    return kind, _whole_times(found, taken)


def _whole_times(found: list[Guess | None], taken: set[str]) -> list[Guess | None]:
    """A date without a time of day, or the other way round, or both beside a whole time, cannot be mapped."""
    if "datetime" in taken:
        return [None if guess and guess.field in {"date", "time"} else guess for guess in found]
    if len(taken & {"date", "time"}) == 1:
        return [Guess("datetime", "all") if guess and guess.field in {"date", "time"} else guess for guess in found]
    return found


def _words(field: str, texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The event words of the file where they are few and plain, each with the event it may mean."""
    words = sorted({text.lower() for text in texts})
    plain = len(words) <= _MOST_WORDS and all(re.fullmatch(r"[a-z][a-z _-]{0,15}", word) for word in words)
    if field != "event_type" or not plain or set(words) <= EVENT_TYPES.keys():
        return ()
    return tuple((word, word if word in EVENT_TYPES else _EVENTS.get(word, "other")) for word in words)


def _by_shape(values: Sequence[str]) -> str | None:
    if _share(values, r"(41|40|2\d|3\d|5\d|6\d|7\d)\d{13}") and not _share(values, r"(.)\1*"):
        return "imsi"
    if _share(values, r"(\+|\(?0)\d[\d ()/+-]{5,18}"):
        return "owner"
    if _share(values, r"\d{4}-\d\d-\d\d"):
        return "date"
    if _share(values, r"\d\d:\d\d(:\d\d([.,]\d+)?)?"):
        return "time"
    return "datetime" if _share(values, r"\d{4}[-/]?\d\d[-/]?\d\d[T ]\d\d:?\d\d.*") else None


def _share(values: Sequence[str], pattern: str) -> bool:
    hits = sum(re.fullmatch(pattern, value.strip()) is not None for value in values)
    return bool(values) and hits >= _ENOUGH * len(values)


def _scheme(field: str, values: Sequence[str]) -> str:
    """Ids too short for phone numbers, or with zeros no call prefix explains, are the operator's own."""
    if field not in {"owner", "counterpart"} or not values:
        return ""
    return "sub" if _share(values, r"[A-Za-z0-9._-]{1,5}|00[A-Za-z0-9]{1,6}") else ""


def time_format(found: Sequence[Guess | None], rows: Sequence[Sequence[str]]) -> str:
    """The first known format that reads the times of the file; `iso` where none does."""
    places = [
        n
        for name in ("datetime", "date", "time", "since")
        for n, guess in enumerate(found)
        if guess and guess.field == name
    ]
    texts = pa.array([" ".join(row[n] for n in places).strip() for row in rows] if places else [], pa.string())
    for name in _FORMATS:
        read, _ = times.seconds(texts, TimeRule(name), _NEVER_AHEAD)
        if len(texts) and len(read) - read.null_count >= _ENOUGH * len(read):
            return name
    return "iso"
