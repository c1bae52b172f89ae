"""The clock, as a value that workflows are given, so that tests and simulations choose the day."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


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
