"""The facts of a record, each with its number, class and kind: the table of `docs/spec/block.md` in Python.

A test reads the page and compares, so the two cannot drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

ALL = "all"
"""The class of what every class needs: whose record it is and when it happened."""

EVENT_TYPES = MappingProxyType({"call": 1, "sms": 2, "data": 3, "topup": 4, "location": 5, "forward": 6, "other": 7})
TEXT_BYTES = 63
"""The widest a text field of a block can be, in bytes."""


@dataclass(frozen=True, slots=True)
class Field:
    """One fact: number and kind as in a block, class, how a mapped column is read (`shape`), and its Arrow type."""

    number: int
    name: str
    klass: str
    kind: str
    shape: str
    arrow: pa.DataType


IDENTITY = pa.dictionary(pa.int32(), pa.string())

FIELDS: tuple[Field, ...] = (
    Field(1, "datetime", ALL, "u", "time", pa.int64()),
    Field(2, "event_type", "charge", "u", "event", pa.uint8()),
    Field(3, "outgoing", "charge", "u", "direction", pa.bool_()),
    Field(4, "duration", "charge", "u", "count", pa.uint32()),
    Field(5, "volume_upload", "charge", "u", "count", pa.uint64()),
    Field(6, "volume_download", "charge", "u", "count", pa.uint64()),
    Field(7, "amount", "charge", "s", "amount", pa.int64()),
    Field(8, "balance", "charge", "s", "amount", pa.int64()),
    Field(9, "channel", "charge", "b", "text", pa.string()),
    Field(10, "network", "charge", "b", "text", pa.string()),
    Field(20, "counterpart", "contact", "b", "identity", IDENTITY),
    Field(21, "imsi", "contact", "b", "imsi", pa.string()),
    Field(22, "imei", "contact", "b", "imei", pa.string()),
    Field(23, "operator_code", "contact", "b", "text", pa.string()),
    Field(24, "country_code", "contact", "b", "text", pa.string()),
    Field(30, "location_id", "place", "b", "place", pa.string()),
    Field(31, "latitude", "place", "s", "degrees", pa.int32()),
    Field(32, "longitude", "place", "s", "degrees", pa.int32()),
)

OWNER = Field(0, "owner", ALL, "", "identity", IDENTITY)
"""Whose record it is: finds the party's row and is never written into a block."""

_PARTS = (Field(0, "date", ALL, "", "time", pa.string()), Field(0, "time", ALL, "", "time", pa.string()))
RECORD_FIELDS = MappingProxyType({field.name: field for field in (OWNER, *FIELDS, *_PARTS)})
"""What a column of call records may be mapped to; `date` and `time` together are one `datetime`."""

REGISTRY_FIELDS = MappingProxyType(
    {
        field.name: field
        for field in (
            OWNER,
            Field(0, "imsi", ALL, "", "imsi", pa.string()),
            Field(0, "imei", "identity", "", "imei", pa.string()),
            Field(0, "holder", ALL, "", "holder", pa.string()),
            Field(0, "since", ALL, "", "time", pa.int64()),
            Field(0, "public_key", ALL, "", "key", pa.string()),
        )
    }
)
"""What a column of a registry may be mapped to; any other name with the class `identity` is a fact of the party."""


def fact(name: str) -> Field:
    """A text fact of a registry under a name of the mapping's own."""
    return Field(0, name, "identity", "", "fact", pa.string())
