"""One true time that moves when told, and clocks that follow it badly."""

from __future__ import annotations

from dataclasses import dataclass, field

DAY = 86_400


@dataclass
class TrueTime:
    """Seconds since 1970 as they are."""

    seconds: float

    def passes(self, seconds: float) -> None:
        """Time goes on; it never goes back."""
        self.seconds += max(0.0, seconds)

    @property
    def day(self) -> int:
        """Days since 1970."""
        return int(self.seconds // DAY)


@dataclass
class NodeClock:
    """One machine's clock: `skew` seconds off, gaining `drift` seconds a second, or set wrong by `jump`."""

    time: TrueTime
    skew: float = 0.0
    drift: float = 0.0
    since: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.since = self.time.seconds

    def jump(self, seconds: float) -> None:
        """Somebody, or a battery, sets it wrong by so much; negative is back."""
        self.skew += seconds

    def right(self) -> None:
        """It is set right."""
        self.skew, self.since = 0.0, self.time.seconds

    @property
    def error(self) -> float:
        """How far ahead of the true time it is, in seconds."""
        return self.skew + self.drift * (self.time.seconds - self.since)

    def now(self) -> int:
        """What it shows, in seconds since 1970."""
        return max(0, int(self.time.seconds + self.error))

    def monotonic(self) -> float:
        """Seconds that no setting changes."""
        return self.time.seconds * (1 + self.drift)

    @property
    def day(self) -> int:
        """The day it shows."""
        return self.now() // DAY
