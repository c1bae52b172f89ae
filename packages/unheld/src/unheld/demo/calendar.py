"""The demo's calendar: simulated days, so that a year, a standstill and a lapse pass in two minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from unheld.assembly import CLOCK_VARIABLE
from unheld_verify import columns

OPENING, NOON, EVENING = 60, 12 * 3600, 86_390


@contextmanager
def at(day: date, second: int) -> Iterator[None]:
    """The simulated clock: this second of a day, UTC."""
    before = os.environ.get(CLOCK_VARIABLE)
    os.environ[CLOCK_VARIABLE] = str(columns.day_of(day) * 86_400 + second)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CLOCK_VARIABLE]
        else:
            os.environ[CLOCK_VARIABLE] = before
