"""Promises that a log itself shows to be kept or broken: no handover while a standstill runs.

A log with a broken promise is as authentic as any other: it is what makes the breach visible.
"""

from __future__ import annotations

from dataclasses import dataclass

from unheld_verify import tiles
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.tiles import Log


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
            f"before {self.ends} (entry {self.standstill}); a handover manifest was made on {self.day} "
            f"(entry {self.manifest})."
        )


@dataclass(frozen=True)
class Promises:
    """What came of the promises of a log: how many standstills are published, and which were broken."""

    standstills: int
    broken: tuple[Broken, ...]

    @property
    def words(self) -> str:
        """Both numbers as a sentence without its full stop."""
        return f"standstills published: {self.standstills}; handovers made while one ran: {len(self.broken)}"


def kept(log: Log, head: Checkpoint) -> Promises:
    """Compare every published standstill with the days of the handover manifests that the log names.

    Raises as `tiles.published`. A manifest that was dated back, or that the log never named, does not show.
    """
    openings = [(index, opening.statement) for index, opening in tiles.published(log, head)]
    pauses = [(index, said) for index, said in openings if said["kind"] == "standstill"]
    manifests = [(index, said) for index, said in openings if said["kind"] == "paper" and said["paper"] == "manifest"]
    broken = [
        Broken(at, pause["group"], pause["begins"], pause["ends"], index, made["day"])
        for at, pause in pauses
        for index, made in manifests
        if pause["begins"] <= made["day"] < pause["ends"]
    ]
    return Promises(len(pauses), tuple(broken))


def broken(log: Log, head: Checkpoint) -> tuple[Broken, ...]:
    """The broken ones alone."""
    return kept(log, head).broken
