"""The demo's network: a synthetic operator whose days go through a real store, day after day, by a simulated clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.demo.result import DayFigures
from unheld.plans import planning
from unheld.testing.synthetic import Operator
from unheld.workflows import founding, running
from unheld_branch.records.mapping import Mapping
from unheld_branch.store.store import Store
from unheld_branch.workflows import apply as applying
from unheld_branch.workflows import day as days
from unheld_branch.workflows import lapse as lapses
from unheld_branch.workflows.apply import Applied
from unheld_branch.workflows.ingest import IngestReport, ingest
from unheld_verify import columns
from unheld_verify.errors import InternalError

_NOON, _EVENING = 12 * 3600, 23 * 3600


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


@dataclass
class Network:
    """A synthetic network and its store."""

    operator: Operator
    deployment: Deployment
    registry: Mapping
    calls: Mapping
    sources: Path
    figures: list[DayFigures] = field(default_factory=list)

    def found(self, wishes: founding.Wishes) -> None:
        """Write the sources and found the store on the first day."""
        self.sources.mkdir(parents=True, exist_ok=True)
        self.operator.write(self.sources)
        with at(self.operator.first_day, 60):
            founding.found(self.deployment, wishes)

    def live(self, day: date) -> None:
        """One day: open, take in what arrives (the registry on the first), close, lapse, publish."""
        with at(day, _NOON), self.deployment.opened(write=True) as store:
            days.open_day(store, self.deployment.open_custodians())
            if day == self.operator.first_day:
                _taken(ingest(store, [self.sources / "registry.csv"], self.registry))
            source = self.sources / f"cdr-{day.isoformat()}.csv"
            sealed = _taken(ingest(store, [source], self.calls))
        with at(day, _EVENING), self.deployment.opened(write=True) as store:
            custodians = self.deployment.open_custodians()
            closed = days.close_day(store, custodians)
            lapses.lapse(store, custodians)
            running.publish(self.deployment, store)
            self._note(day, sealed, source.stat().st_size, closed.size)

    def _note(self, day: date, sealed: int, plain: int, size: int) -> None:
        table = self.operator.day(day)
        midnight = pa.scalar(datetime(day.year, day.month, day.day, tzinfo=UTC), pa.timestamp("s", "UTC"))
        late = pc.sum(pc.less(table["datetime"], midnight)).as_py() or 0
        self.figures.append(DayFigures(day, table.num_rows, sealed, late, plain, size))

    def forget(self, identity: str, day: date) -> tuple[Applied, planning.Planned]:
        """Forget one party by plan, as an officer would."""
        with at(day, _EVENING), self.deployment.opened(write=True) as store:
            planned = planning.plan_parties(store, [identity], self.deployment.seed("plan"))
            return self._apply(store, planned), planned

    def forget_everyone(self, day: date) -> Applied:
        """Forget everyone by plan."""
        with at(day, _EVENING), self.deployment.opened(write=True) as store:
            return self._apply(store, planning.plan_everything(store, self.deployment.seed("plan")))

    def _apply(self, store: Store, planned: planning.Planned) -> Applied:
        custodians = self.deployment.open_custodians()
        return applying.apply(store, custodians, planned.plan, planned.plan.digest[:8])

    def publish(self, day: date) -> None:
        """Publish what waits."""
        with at(day, _EVENING), self.deployment.opened(write=True) as store:
            running.publish(self.deployment, store)

    def days(self) -> list[date]:
        """Every day of the network's life."""
        first = self.operator.first_day
        return [first + timedelta(days=number) for number in range(self.operator.days)]


def _taken(report: IngestReport) -> int:
    """Records sealed. The demo's own files are never refused."""
    if report.refused:
        raise InternalError(f"the demo's own file was refused: {report}")
    return report.records
