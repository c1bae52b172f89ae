"""The clock, as a value that workflows are given, so that tests and simulations choose the day."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Protocol

from unheld_verify.errors import BadInputError

CLOCK_VARIABLE = "UNHELD_CLOCK"
_END = 1 << 32


class Clock(Protocol):
    """Tells the time. `now` is Unix seconds, UTC."""

    def now(self) -> int:
        """Unix seconds, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Unix seconds, UTC."""
        return int(time.time())


@dataclass
class FixedClock:
    """A clock that stands where it is put: for simulated days."""

    seconds: int

    def now(self) -> int:
        """Unix seconds, UTC."""
        return self.seconds


def machine_clock() -> Clock:
    """The machine's clock, or the Unix seconds in UNHELD_CLOCK: for simulated days, and `status` says so.

    Raises BadInputError for a clock that the formats cannot write: days lapse by it.
    """
    given = os.environ.get(CLOCK_VARIABLE)
    try:
        found: Clock = SystemClock() if given is None else FixedClock(int(given))
    except ValueError:
        raise BadInputError(f"{CLOCK_VARIABLE} is {given!r}: it must be Unix seconds") from None
    if not 0 <= found.now() < _END:
        raise BadInputError(f"the clock stands at {found.now()}, outside 1970 to 2106: set it, days lapse by it")
    return found
