"""What a run of the demo found: plain figures, no identities. The report is drawn from this and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class DayFigures:
    """One sealing day. `records` arrived, `sealed` of them are held, `late` of those happened on an earlier day."""

    day: date
    records: int
    sealed: int
    late: int
    bytes_plain: int  # of the files as they came
    bytes_sealed: int  # of what stands in the store after the close


@dataclass(frozen=True)
class Lifetime:
    """A class of facts, what it holds in plain words, and how many days after its event day it lapses."""

    name: str
    holds: str
    days: int


@dataclass(frozen=True)
class Readable:
    """At the end of `day`, keys still exist that open `party_days` folios of the class `name`."""

    day: date
    name: str
    party_days: int


@dataclass(frozen=True)
class Attempt:
    """An attacker with copies taken after every step and every key alive at `moment` tried to open folios.

    `must_fail` says whether all of them are forgotten by then; an attempt before the forgetting must succeed, or the
    attack shows nothing.
    """

    moment: str
    folios_tried: int
    opened: int
    must_fail: bool

    @property
    def as_promised(self) -> bool:
        """Whether something was tried, and nothing forgotten opened and all the rest did."""
        return self.folios_tried > 0 and self.opened == (0 if self.must_fail else self.folios_tried)


@dataclass(frozen=True)
class DemoResult:
    """Everything the report tells. Times are wall-clock; `forgetting_ms` is one party, durable."""

    seed: int
    subscribers: int
    records: int
    days: tuple[DayFigures, ...]
    lifetimes: tuple[Lifetime, ...]
    readable: tuple[Readable, ...]
    attacker: tuple[Attempt, ...]
    sampled: int  # people whose every folio the attacker tried
    forgetting_ms: float
    everything_ms: float
    log_entries: int
    log_verified: bool
    seconds: float
    slot_words: str  # what kind of memory forgot, and what that does not survive
    inventory_words: str  # how many known places hold such data, and how many are not covered

    @property
    def as_promised(self) -> bool:
        """Whether the log verified and the attacker was tried on forgotten folios and opened none."""
        tried = any(attempt.must_fail for attempt in self.attacker)
        return self.log_verified and tried and all(attempt.as_promised for attempt in self.attacker)
