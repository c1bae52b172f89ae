"""Numbers that cannot belong to anyone, so that no test, demo or benchmark ever names a person.

- MSISDN: country code 999 is not assigned (ITU-T E.164 list); libphonenumber refuses it.
- IMSI: MCC 001, MNC 01 is the test network (ITU-T E.212 Annex; 3GPP TS 34.108).
- IMEI: a type allocation code that starts with 00 is a test device (GSMA TS.06); the check digit is right.

Everything is vectorised: integers in, Arrow strings out.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from unheld.testing.arrow import Ints, joined, text

ON_NET = range(10_000_000, 70_000_000)
OFF_NET = range(70_000_000, 100_000_000)
HOME_MSIN = range(9_000_000_000)
ROAMER_MSIN = range(9_000_000_000, 10_000_000_000)
IMEI_BODIES = range(10**12)


def draw(rng: np.random.Generator, among: range, count: int) -> Ints:
    """`count` different integers of a range, in random order. Raises ValueError if the range is too small."""
    return rng.choice(len(among), count, replace=False).astype(np.int64) + among.start


def msisdns(national: Ints) -> pa.StringArray:
    """Eight-digit national numbers as `+999xxxxxxxx`."""
    return joined("+", text(national + 999 * 10**8))


def imsis(msin: Ints) -> pa.StringArray:
    """Ten-digit subscriber identification numbers as 15-digit IMSIs of the test network."""
    return joined("00101", text(msin, 10))


def imeis(bodies: Ints) -> pa.StringArray:
    """Twelve digits after the `00` of a test device as 15-digit IMEIs with their Luhn digit."""
    return joined("00", text(bodies * 10 + _luhn(bodies), 13))


def _luhn(bodies: Ints) -> Ints:
    total = np.zeros(len(bodies), np.int64)
    rest = bodies
    for place in range(12):
        digit = rest % 10
        if place % 2 == 0:  # the digit beside the check digit is doubled, then every second one
            digit = digit * 2
            digit = digit - 9 * (digit > 9)
        total += digit
        rest = rest // 10
    return (-total) % 10
