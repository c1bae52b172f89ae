"""Why a row is bad. A reason never repeats a value: reasons are printed, values are somebody's."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Faults = npt.NDArray[np.uint8]


class Fault(IntEnum):
    """What is wrong with one value; `TEXTS` says it in words."""

    NONE = 0
    NUMBER = 1
    NAME = 2
    SUBSCRIPTION = 3
    IMSI = 4
    IMEI = 5
    TIME = 6
    NO_SUCH_HOUR = 7
    TOO_OLD = 8
    TOO_NEW = 9
    EVENT = 10
    DIRECTION = 11
    COUNT = 12
    AMOUNT = 13
    DEGREES = 14
    FREE_NUMBER = 15
    LONG_TEXT = 16
    CELL = 17
    LOOKUP = 18
    MISSING = 19
    KEY = 20
    CONTROL = 21


TEXTS = {
    Fault.NUMBER: "digits that are no valid phone number here (mend: [numbers] home, bare or accept)",
    Fault.NAME: "neither a number nor a sender name of 1 to 11 GSM characters",
    Fault.SUBSCRIPTION: "no subscription number of 1 to 32 characters A-Z a-z 0-9 . _ -",
    Fault.IMSI: "no IMSI: 14 or 15 digits with a country's code in front",
    Fault.IMEI: "no IMEI: 14 to 16 digits with a right check digit",
    Fault.TIME: "not a time in the format of the mapping (mend: [time] format)",
    Fault.NO_SUCH_HOUR: "a local time that the zone skips at its clock change (mend: [time] zone)",
    Fault.TOO_OLD: "a time before 1980",
    Fault.TOO_NEW: "a time more than a year ahead",
    Fault.EVENT: "an event type that the mapping does not name (mend: values)",
    Fault.DIRECTION: "a direction that the mapping does not name (mend: values)",
    Fault.COUNT: "not a whole number from 0 up, or too large",
    Fault.AMOUNT: "not a number, or too large",
    Fault.DEGREES: "not degrees on Earth",
    Fault.FREE_NUMBER: "a number in free text: 7 or more digits may name a person",
    Fault.LONG_TEXT: "text longer than 63 bytes",
    Fault.CELL: "7 or more digits, but not a cell in the format of the mapping (mend: format)",
    Fault.LOOKUP: "a key that the lookup table does not hold",
    Fault.MISSING: "empty, and a record needs it",
    Fault.KEY: "no public key of 64 hexadecimal digits",
    Fault.CONTROL: "control characters in text",
}


def none(count: int) -> Faults:
    """No fault in `count` values."""
    return np.zeros(count, np.uint8)
