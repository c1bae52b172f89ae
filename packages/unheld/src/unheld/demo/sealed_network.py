"""The right column: the same network with unheld. Store and copy in the country; custodians and headquarters not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from unheld.assembly import Deployment
from unheld.demo.calendar import EVENING, NOON, OPENING, at
from unheld.demo.world import World, between, write_service
from unheld.inventory import Inventory, Place
from unheld.plans import planning
from unheld.testing import textfile
from unheld.testing.recorder import Copies
from unheld.testing.recording import Recording
from unheld.workflows import founding, running
from unheld_branch.records.mapping import Mapping, mapping_of
from unheld_branch.workflows import apply as applying
from unheld_branch.workflows import day as days
from unheld_branch.workflows import lapse as lapses
from unheld_branch.workflows.apply import Applied
from unheld_branch.workflows.ingest import ingest
from unheld_slots import durable
from unheld_verify import columns
from unheld_verify.errors import InternalError

LATE_DAYS = 90
CUSTODIANS, THRESHOLD = 3, 2
_MAPPINGS = Path(__file__).parent / "mappings"


@dataclass(frozen=True)
class TakenIn:
    """What became of the past: records sealed, and records older than every lifetime, counted and not stored."""

    sealed: int
    too_old: int


class SealedNetwork:
    """A real deployment. `country` and `abroad` are the folders that lie there; the copies are a backup every night."""

    def __init__(self, world: World, folder: Path) -> None:
        self.deployment = Deployment(folder / "store")
        self._world = world
        self._sources, self._copy, self.service = folder / "sources", folder / "copy", folder / "service"
        self._registry = _mapping("synthetic-registry")
        self._calls = _mapping("synthetic")
        self._in_country, self._abroad = Copies(self.country), Copies(self.abroad)

    @property
    def country(self) -> tuple[Path, ...]:
        """Everything at the branch: store, copy, their slots, the public log, what mediation delivers to, service."""
        made, slots = self.deployment, self._copy.with_name("copy.slots")
        return (made.root, made.slots, self._copy, slots, made.log, self._sources, self.service)

    @property
    def abroad(self) -> tuple[Path, ...]:
        """Custodians and headquarters."""
        made = self.deployment
        return (made.custodians, made.custodian_slots, made.headquarters, made.register)

    def live(self) -> TakenIn:
        """Found the store on the last day of the past, seal what may live of it, delete its source, close the day."""
        night = self._world.night
        self._sources.mkdir(parents=True)
        write_service(self._world, self.service)
        with at(night, OPENING):
            wishes = founding.Wishes(n=CUSTODIANS, t=THRESHOLD, late_days=LATE_DAYS, home="MM", copies=[self._copy])
            founding.found(self.deployment, wishes)
            self._note_places()
            self.open_day()
        with at(night, EVENING):
            registry = textfile.write(self._world.operator.registry(), self._sources / "registry.csv")
            self.take_in(registry, self._registry)
            taken = self._seal_past()
            self.end_day()
        return taken

    def morning(self) -> None:
        """Open the day after, and take in what comes until noon."""
        today = self._world.today
        with at(today, OPENING):
            self.open_day()
        with at(today, NOON):
            self.take_in(textfile.write(self._world.morning(), self._sources / f"cdr-{today}.csv"), self._calls)

    def open_day(self) -> None:
        """Open the clock's day."""
        with self.deployment.opened(write=True) as store:
            days.open_day(store, self.deployment.open_custodians())

    def take_in(self, source: Path, mapping: Mapping) -> int:
        """Seal a file and delete it; how many records. The demo's own files are never refused."""
        with self.deployment.opened(write=True) as store:
            report = ingest(store, [source], mapping)
        if report.refused:
            raise InternalError(f"the demo's own file was refused: {report}")
        self.drain()
        return report.records

    def drain(self) -> None:
        """Delete the source files: they are sealed now, and nothing would be gained if they stayed."""
        for path in sorted(self._sources.iterdir()):
            durable.remove_file(path)

    def end_day(self) -> None:
        """Close the day, let lapse what is due, publish."""
        with self.deployment.opened(write=True) as store:
            custodians = self.deployment.open_custodians()
            days.close_day(store, custodians)
            lapses.lapse(store, custodians)
            running.publish(self.deployment, store)

    def forget(self, identity: str) -> tuple[Applied, planning.Planned]:
        """Forget one party by plan, as an officer would."""
        with self.deployment.opened(write=True) as store:
            planned = planning.plan_parties(store, [identity], self.deployment.seed("plan"))
            custodians = self.deployment.open_custodians()
            return applying.apply(store, custodians, planned.plan, planned.plan.digest[:8]), planned

    def seen(self, *, abroad: bool = False) -> Recording:
        """What somebody finds who comes to the branch now with every backup of it; with `abroad`, to everybody."""
        here = self._in_country.recording()
        return here.joined(self._abroad.recording()) if abroad else here

    def back_up(self) -> None:
        """Somebody's backup of everything everywhere, slots excepted."""
        self._in_country.take()
        self._abroad.take()

    def close(self) -> None:
        """Remove the copies of the run."""
        for copies in (self._in_country, self._abroad):
            copies.__exit__(None, None, None)

    def _seal_past(self) -> TakenIn:
        """The past as far back as its facts may live. What is older is counted and not stored."""
        oldest = (columns.day_of(self._world.night) - LATE_DAYS) * 86_400
        given, kept = 0, []
        for _, table in self._world.past():
            given += table.num_rows
            kept.append(between(table, oldest, 1 << 32))
        archive = textfile.write(pa.concat_tables(kept), self._sources / "archive.csv")
        sealed = self.take_in(archive, self._calls)
        return TakenIn(sealed, given - sealed)

    def _note_places(self) -> None:
        inventory, owner, day = Inventory(self.deployment.root), "network operations", self._world.night.isoformat()
        inventory.add(Place("mediation", owner, "records until they are sealed", "hours", True, day))
        inventory.add(Place("subscriber register", owner, "numbers and SIMs", "while in service", False, day))


def _mapping(name: str) -> Mapping:
    return mapping_of(_MAPPINGS / f"{name}.toml")
