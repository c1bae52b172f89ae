"""Promises that a log itself shows to be kept or broken: no handover while a standstill runs.

A log with a broken promise is as authentic as any other: it is what makes the breach visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unheld_verify import tiles
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.statement import Statement
from unheld_verify.tiles import Log

CLOSED = (
    "Entries of a log can be closed, and openings left out of a copy of it: a standstill, a handover or a demand that "
    "is not shown here may be among them. No promise is shown to be kept."
)


@dataclass(frozen=True)
class Broken:
    """A manifest of a handover that was made while a standstill ran. Entries by their index, days as dates."""

    standstill: int
    group: str
    begins: str
    ends: str
    manifest: int
    day: str

    @property
    def words(self) -> str:
        """The finding as a sentence."""
        return (
            f"A promise was broken: {self.group} objected, and the log promised no handover from {self.begins} until "
            f"before {self.ends} (entry {self.standstill}); a handover manifest is dated {self.day} "
            f"(entry {self.manifest})."
        )


@dataclass(frozen=True)
class Promises:
    """What came of the promises of a log: how many standstills are published, which were broken, and how many of its
    entries are closed. Among those may be dummies, what is not due, and what somebody left out."""

    standstills: int
    broken: tuple[Broken, ...]
    closed: int

    @property
    def words(self) -> str:
        """The numbers as a sentence without its full stop. It never says that a promise was kept."""
        return (
            f"standstills published: {self.standstills}; published handovers against one: {len(self.broken)}; "
            f"closed entries, of which nothing is said: {self.closed}"
        )


def kept(log: Log, head: Checkpoint, shown: Mapping[int, Statement] | None = None) -> Promises:
    """Compare every published standstill with the handover manifests that the log names.

    `shown` are verified statements by their entry, from receipts beside the log, whose openings may be left out of it.
    Raises as `tiles.published`. What is still closed, or was never stated, does not show.
    """
    openings = {**(shown or {}), **{index: opening.statement for index, opening in tiles.published(log, head)}}
    pauses = sum(one["kind"] == "standstill" for one in openings.values())
    return Promises(pauses, broken_by(sorted(openings.items())), head.size - len(openings))


def broken_by(said: Sequence[tuple[int, Statement]]) -> tuple[Broken, ...]:
    """Every standstill with every handover manifest against it, of statements with their places, in their order."""
    pauses = [(index, one) for index, one in said if one["kind"] == "standstill"]
    manifests = [(index, one) for index, one in said if one["kind"] == "paper" and one["paper"] == "manifest"]
    return tuple(
        Broken(at, pause["group"], pause["begins"], pause["ends"], index, made["day"])
        for at, pause in pauses
        for index, made in manifests
        if _breaks(pause, made["day"], later=index > at)
    )


def _breaks(pause: Statement, day: str, *, later: bool) -> bool:
    """Whether a manifest of this day is a handover against a standstill; `later`: it stands after it in the log.

    Of one day the log's order decides. One that stands later and is dated before the objection was dated back.
    """
    begins, ends, stated = (str(pause[name]) for name in ("begins", "ends", "day"))
    if later:
        return day < ends and (day >= begins or day < stated)
    return begins < day < ends


def broken(log: Log, head: Checkpoint) -> tuple[Broken, ...]:
    """The broken ones alone."""
    return kept(log, head).broken
