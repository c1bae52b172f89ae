"""The branch's service: keeps the days by the clock, and does what headquarters signed. Nobody at the branch decides.

A look at the clock reads the journal and no key. Every step with keys is a process of its own that ends with the keys
it held: what Python leaves in its memory is gone with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unheld_branch.kernel.clock import machine_clock
from unheld_branch.store import store as stores
from unheld_branch.store.journal import Catalog
from unheld_branch.workflows import day, plans
from unheld_verify.errors import SealedError

_HOUR, _DAY = 3600, 86_400


@dataclass(frozen=True)
class Step:
    """One step: the command's words and its exit code."""

    words: str
    exit_code: int


@dataclass
class Service:
    """What is looked after. `call` runs one step in a process of its own, given its name and its arguments.

    Steps: close, lapse, apply PLAN…, open, unpark BATCH, ingest and park SOURCE --mapping FILE.
    """

    root: Path
    call: Callable[..., Step]
    inbox: Path | None = None
    mapping: Path | None = None
    plans: Path | None = None
    lapsed: int = -1

    def run(self, *, once: bool, every: int) -> list[Step]:
        """Do what is due, wait `every` seconds, look again. Ends after one look with `once`, else interrupted."""
        while True:
            done = list(self.look())
            if once:
                return done
            time.sleep(every)

    def look(self) -> Iterator[Step]:
        """What is due now: close what is over, lapse, apply plans, open the day, take in what waits or park it."""
        looked = self.root, self._journal(), self._now()
        if day.must_close(*looked) or day.must_tell(*looked):
            yield self.call("close")
        if self.lapsed != self._now() // _HOUR:
            step = self.call("lapse")
            self.lapsed = self._now() // _HOUR if step.exit_code == 0 else -1
            yield step
        if waiting := plans.waiting(self.plans):
            yield self.call("apply", *map(str, waiting))
        if self._journal().open_day is None and day.next_day(self._journal(), self._now()) is not None:
            yield self.call("open")
        yield from self._records()

    def _records(self) -> Iterator[Step]:
        """Parked batches and the inbox go into the day that is open; without one the inbox is parked."""
        catalog = self._journal()
        open_ = catalog.open_day is not None and catalog.open_day.number >= self._now() // _DAY
        for batch in catalog.waiting() if open_ else ():
            if batch.reason == "outage":
                yield self.call("unpark", batch.batch.hex())
        if self.inbox is None or self.mapping is None or not any(self.inbox.iterdir()):
            return
        words = (str(self.inbox), "--mapping", str(self.mapping))
        if open_:
            step = self.call("ingest", *words)
            yield step
            open_ = step.exit_code != SealedError.exit_code  # else today's keys are lost here
        if not open_:
            yield self.call("park", *words)

    def _journal(self) -> Catalog:
        return stores.journal_of(self.root)

    @staticmethod
    def _now() -> int:
        return machine_clock().now()
