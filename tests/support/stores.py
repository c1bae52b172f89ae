"""Small real deployments for tests: store, custodians, copies, log and headquarters under one folder, on a fixed clock.

    made = made_store(tmp_path, n=3, t=2)
    made.open_day(date(2026, 7, 1))
    made.ingest(operator.day(date(2026, 7, 1)))
    made.close()

Each call opens the deployment anew from disk, as a command would. With UNHELD_TEST_DATABASE=postgresql the databases of
all of them lie in PostgreSQL.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pyarrow as pa

from tests.support import databases
from unheld.assembly import CLOCK_VARIABLE, Database, Deployment, found
from unheld.plans import planning
from unheld.testing import textfile
from unheld.workflows import running
from unheld_branch.custody.client import Remote
from unheld_branch.kernel.clock import FixedClock
from unheld_branch.records.mapping import Mapping, mapping_of
from unheld_branch.store import store as stores
from unheld_branch.store.policy import Policy
from unheld_branch.store.store import Store
from unheld_branch.workflows import apply, day, delivery, ingest, lapse, park
from unheld_custodian.kept import NAME, Kept
from unheld_custodian.state import State
from unheld_slots.places import slot_uri
from unheld_slots.sealed import SealedState
from unheld_slots.slot import open_slot
from unheld_verify import columns, crypto, note

FIRST_DAY = date(2026, 7, 1)
LAST_SECOND = 86_399
MAPPINGS = Path(__file__).parents[2] / "examples" / "mappings"


def mapping(name: str = "synthetic") -> Mapping:
    """A mapping of `examples/mappings`."""
    return mapping_of(MAPPINGS / f"{name}.toml")


@dataclass
class TestStore:
    """A deployment and the second it lives in. `folder` is the test's own; the store lies in `folder/s`."""

    __test__: ClassVar[bool] = False

    folder: Path
    deployment: Deployment
    now: int

    @property
    def root(self) -> Path:
        """The store's folder; slots, custodians, headquarters and log lie beside it."""
        return self.deployment.root

    def copied(self, folder: Path) -> TestStore:
        """The same deployment in another folder: a test may change it, and founding one takes longer than this."""
        databases.copy(self.folder, folder)
        return TestStore(folder, Deployment(folder / self.root.name), self.now)

    @property
    def clock(self) -> FixedClock:
        """The clock of every call; it stands until `set_clock` or `open_day` moves it."""
        return FixedClock(self.now)

    @property
    def custodians(self) -> Remote:
        """The custodians, opened from disk."""
        return self.deployment.open_custodians(self.clock)

    def states(self) -> list[State]:
        """What every custodian that is here holds of its newest set, once its own calendar did what is due."""
        desks = self.deployment.desks(self.clock.now)
        here = [int(path.name[-1]) for path in sorted(self.deployment.custodians.glob("custodian-[0-9]"))]
        for index in here:
            desks.desk(index).tick()
        return [self.state(index) for index in here]

    def state(self, index: int) -> State:
        """What one custodian holds of its newest set, from its disk."""
        slot = open_slot(slot_uri(self.deployment.custodian_slots, f"custodian-{index}"))
        whole = Kept(SealedState(self.deployment.custodians / f"custodian-{index}", NAME, slot)).whole
        return whole.sets[max(whole.sets)]

    @contextmanager
    def opened(self, *, write: bool = True) -> Iterator[Store]:
        """The store under its lock."""
        with stores.opened(self.deployment.places(), self.clock, write=write) as store:
            yield store

    def set_clock(self, when: date, seconds: int = LAST_SECOND) -> None:
        """Move the clock to `seconds` after midnight UTC of a day."""
        self.now = columns.day_of(when) * 86_400 + seconds

    def open_day(self, when: date) -> day.Opened:
        """Open a day at its last second, so that every record of it has happened."""
        self.set_clock(when)
        with self.opened() as store:
            return day.open_day(store, self.custodians)

    def ingest(
        self, *sources: Path | pa.Table, by: str = "synthetic", options: ingest.Options | None = None
    ) -> ingest.IngestReport:
        """Take tables or files into the open day by the mapping named `by`."""
        with self.opened() as store:
            return ingest.ingest(store, self._files(sources), mapping(by), options)

    def park(self, *sources: Path | pa.Table, by: str = "synthetic") -> park.ParkReport:
        """Park tables or files, one batch each."""
        with self.opened() as store:
            return park.park(store, self._files(sources), mapping(by))

    def unpark(self, batch: str) -> delivery.Delivery:
        """Open a parked batch into the open day."""
        with self.opened() as store:
            return park.unpark(store, self.custodians, batch)

    def close(self) -> day.Closed:
        """Close the open day."""
        with self.opened() as store:
            return day.close_day(store, self.custodians)

    def lapse(self) -> lapse.Lapsed:
        """Drop what is due by the clock."""
        with self.opened() as store:
            return lapse.lapse(store, self.custodians)

    def forget(self, *identities: str) -> apply.Applied:
        """Plan and apply the forgetting of parties."""
        with self.opened() as store:
            return self._apply(store, planning.plan_parties(store, identities, self.deployment.seed("plan")))

    def forget_day(self, event_day: date, cls: str = "") -> apply.Applied:
        """Plan and apply the forgetting of an event day, or of one class of it."""
        with self.opened() as store:
            seed = self.deployment.seed("plan")
            return self._apply(store, planning.plan_day(store, columns.day_of(event_day), cls, seed))

    def everything(self) -> apply.Applied:
        """Plan and apply the forgetting of everyone."""
        with self.opened() as store:
            return self._apply(store, planning.plan_everything(store, self.deployment.seed("plan")))

    def publish(self) -> int:
        """Publish what waits in the outbox; entries published."""
        with self.opened() as store:
            return running.publish(self.deployment, store)

    def _apply(self, store: Store, planned: planning.Planned) -> apply.Applied:
        return apply.apply(store, self.custodians, planned.plan, planned.plan.digest[:8])

    def _files(self, sources: tuple[Path | pa.Table, ...]) -> list[Path]:
        return [self._written(item) if isinstance(item, pa.Table) else item for item in sources]

    def _written(self, table: pa.Table) -> Path:
        folder = self.folder / "delivered"
        folder.mkdir(exist_ok=True)
        return textfile.write(table, folder / f"{len(list(folder.iterdir())):04}.csv")


@dataclass
class Saved:
    """A deployment, and everything of its folder as it was: each test gets it back in the same place.

    One with copies of the tree names their places, so that it cannot be used from another folder.
    """

    made: TestStore

    def __post_init__(self) -> None:
        shutil.copytree(self.made.folder, self._kept)
        self._now = self.made.now
        self._databases = databases.keep(self.made.folder)

    def again(self) -> TestStore:
        """As it was, whatever was done since."""
        shutil.rmtree(self.made.folder)
        shutil.copytree(self._kept, self.made.folder)
        databases.put_back(self._databases)
        return TestStore(self.made.folder, Deployment(self.made.root), self._now)

    @property
    def _kept(self) -> Path:
        return self.made.folder.with_name(f"{self.made.folder.name}-kept")


def made_store(
    tmp_path: Path,
    n: int = 1,
    t: int = 1,
    copies: int = 0,
    first_day: date = FIRST_DAY,
    slots: dict[str, str] | None = None,
    *,
    remote: bool = False,
    far: dict[str, bytes] | None = None,
    placed: dict[str, Database] | None = None,
    **policy: Any,
) -> TestStore:
    """A new deployment under `tmp_path` that began at midnight of `first_day`; `policy` overrides fields of Policy.

    `slots` names slots that lie elsewhere than in files, `placed` databases in PostgreSQL. `remote`: its custodians are
    yet to be founded elsewhere. `far` are copies on other machines and their keys.
    The first of its kind is founded; others are copies of it, with the same keys, before anything was done with it.
    """
    if copies or slots or remote or far or placed is not None:
        names = (*(str(tmp_path / f"copy-{number}") for number in range(1, copies + 1)), *(far or {}))
        fields = {"copies": names, **policy}
        return _founded(tmp_path, n, t, first_day, fields, slots, remote=remote, far=far, placed=placed)
    kind = repr((n, t, first_day, policy))
    if kind not in _FIRSTS:
        _FIRSTS[kind] = _founded(_firsts_folder() / str(len(_FIRSTS)), n, t, first_day, policy)
    return _FIRSTS[kind].copied(tmp_path)


_FIRSTS: dict[str, TestStore] = {}


@cache
def _firsts_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="unheld-test-stores-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _founded(
    tmp_path: Path,
    n: int,
    t: int,
    first_day: date,
    policy: dict[str, Any],
    slots: dict[str, str] | None = None,
    *,
    remote: bool = False,
    far: dict[str, bytes] | None = None,
    placed: dict[str, Database] | None = None,
) -> TestStore:
    tmp_path.mkdir(exist_ok=True)
    began = columns.day_of(first_day) * 86_400
    seeds = {"log": crypto.random_bytes(32), "plan": crypto.random_bytes(32)}
    origin = "store.example/unheld"
    fields: dict[str, Any] = {
        "store_id": crypto.random_bytes(16), "origin": origin, "created": began, "set_number": 1, "n": n, "t": t,
        "lifetimes": columns.LIFETIME_DEFAULTS, "late_days": 45, "coarsen": "none", "home": "MM",
        "copies": (), "canaries": (),
        "log_key": note.format_key(note.Key(origin, crypto.sign_public(seeds["log"]))),
        "plan_key": crypto.sign_public(seeds["plan"]).hex(),
        **policy,
    }  # fmt: skip
    deployment = Deployment(tmp_path / "s")
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(began)}):
        where = databases.chosen(len(fields["copies"]) + 1 - len(far or {})) if placed is None else placed
        found(deployment, Policy(**fields), seeds, slots, remote=remote, databases=where, pins=far)
    return TestStore(tmp_path, deployment, began)
