"""A branch alone, with real desks across a line that a test cuts; headquarters is signatures alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from tests.support.calls import Call, calls
from tests.support.ceremony import DAY, SEEDS, STORE, World, draft
from unheld.testing import textfile
from unheld_branch.custody.attested import Attested
from unheld_branch.custody.client import Client, Remote
from unheld_branch.kernel.clock import FixedClock
from unheld_branch.store import sets
from unheld_branch.store import store as stores
from unheld_branch.store.policy import Policy
from unheld_branch.store.store import Places, Store
from unheld_branch.store.targets import Targets, seal_targets
from unheld_branch.workflows import day, plans
from unheld_verify import canonical, columns, crypto, custody, note
from unheld_verify.errors import AwayError
from unheld_verify.plan import Plan
from unheld_verify.roster import Draft
from unheld_verify.signed import Signed

HOUR = 3600
_FOUNDED: dict[tuple[int, int], tuple[TemporaryDirectory[str], Branch]] = {}


@dataclass
class Branch:
    """A store at `folder/s` of an operator whose custodians are `world`'s; `cut` are those that do not answer."""

    folder: Path
    world: World
    clock: FixedClock
    cut: set[int] = field(default_factory=set)

    @classmethod
    def made(cls, folder: Path, n: int = 3, t: int = 2) -> Branch:
        """Founded at midnight of DAY, nothing open: a copy of one that is founded once for all tests of a process."""
        if (n, t) not in _FOUNDED:
            kept = TemporaryDirectory()
            _FOUNDED[n, t] = (kept, cls.founded(Path(kept.name), n, t))
        return _FOUNDED[n, t][1].copied(folder)

    def copied(self, folder: Path) -> Branch:
        """The same in another folder, its desks in new processes."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        clocks = [replace(clock) for clock in self.world.clocks]
        world = replace(self.world, folder=folder / "abroad", desks=list(self.world.desks), clocks=clocks, seen={})
        for index in range(len(clocks)):
            world.reopen(index)
        return replace(self, folder=folder, world=world, clock=replace(self.clock), cut=set())

    @classmethod
    def founded(cls, folder: Path, n: int = 3, t: int = 2) -> Branch:
        """Founded anew, with custodians of its own."""
        (folder / "abroad").mkdir()
        world = World.of(folder / "abroad", n)
        founded = found(world, draft(n, t))
        branch = cls(folder, world, FixedClock(DAY * 86_400))
        branch.at(DAY)
        stores.create(branch.places, branch.policy(n, t), branch.clock, bytes(32))
        sets.keep(branch.places.root, founded, branch.policy(n, t))
        return branch

    @property
    def places(self) -> Places:
        """Where it lies."""
        return Places(self.folder / "s", self.folder / "s.slots")

    @staticmethod
    def policy(n: int, t: int) -> Policy:
        """What genesis pins."""
        log = note.format_key(note.Key("store.example/unheld", crypto.sign_public(b"l" * 32)))
        plan_key = crypto.sign_public(SEEDS[custody.HEADQUARTERS]).hex()
        return Policy(
            STORE, "store.example/unheld", DAY * 86_400, 1, n, t, columns.LIFETIME_DEFAULTS, 45, "none", "MM", (), (),
            log, plan_key,
        )  # fmt: skip

    def at(self, day: int, hour: float = 12) -> None:
        """Set every clock, here and abroad."""
        self.clock.seconds = day * 86_400 + int(hour * HOUR)
        self.world.at(self.clock.seconds)

    def beat(self) -> None:
        """Headquarters is heard by all, whatever line the branch has."""
        for index in range(len(self.world.desks)):
            self.world.ask(index, "beat", {"day": columns.day_text(self.world.today)})

    def call(self, index: int, data: bytes) -> bytes:
        """The line."""
        if index in self.cut:
            raise AwayError("the line is cut")
        return self.world.desks[index].handle(data)

    @contextmanager
    def opened(self) -> Iterator[tuple[Store, Remote]]:
        """The store under its lock, and its custodians."""
        with stores.opened(self.places, self.clock, write=True) as store:
            held = store.sets()
            kept = Attested(store.folder, held)
            clients = [
                Client(one, self, SEEDS[custody.BRANCH], custody.BRANCH, self.clock.now, kept.seen(one.draft.set))
                for one in held
            ]
            yield store, Remote(*clients, seconds=None, keep=kept.keep)

    def attested(self) -> Attested:
        """What was attested to this branch."""
        with stores.opened(self.places, self.clock) as store:
            return Attested(store.folder, store.sets())

    def plan(self, act: str, event_day: int = -1, cls: str = "", sealed: bytes = b"") -> Plan:
        """A plan that headquarters signed today."""
        made = Plan(STORE, act, columns.day_text(self.clock.seconds // 86_400), {}, event_day, cls, sealed)
        return made.signed(SEEDS[custody.HEADQUARTERS])

    def forget(self, event_day: int) -> Plan:
        """A plan for one event day, as headquarters makes it from the branch's plan key."""
        with stores.opened(self.places, self.clock) as store:
            sealed = targets_of(store)
        return self.plan("day", event_day, sealed=sealed)


def found(world: World, made: Draft) -> Signed:
    """The ceremony, and the founded set that it ends with."""
    kept: list[Signed] = []
    to_all = world.to_all

    def keeping(said: Signed) -> list[Signed]:
        kept.append(said)
        return to_all(said)

    with mock.patch.object(world, "to_all", keeping):
        world.found(made)
    return kept[-1]


def targets_of(store: Store) -> bytes:
    """The sealed targets of a plan that names nobody."""
    return seal_targets(Targets({}), store.root.plan_key, store.policy.store_id)


def canonical_of(path: Path) -> object:
    """A JSON file."""
    return canonical.decode(path.read_bytes())


def open_day(branch: Branch) -> day.Opened:
    """Open the day."""
    with branch.opened() as (store, custodians):
        return day.open_day(store, custodians)


def close_day(branch: Branch) -> day.Closed:
    """Close the day."""
    with branch.opened() as (store, custodians):
        return day.close_day(store, custodians)


def written(branch: Branch, name: str, *given: Call) -> Path:
    """A file of calls."""
    return textfile.write(calls(*given), branch.folder / f"{name}.csv")


def apply(branch: Branch, path: Path) -> str:
    """What became of a plan's file."""
    with branch.opened() as (store, custodians):
        return plans.apply_files(store, custodians, [path])[0].became


def dropped(branch: Branch, plan: Plan, name: str = "") -> Path:
    """A plan in the branch's folder for plans."""
    (branch.folder / "plans").mkdir(exist_ok=True)
    path = branch.folder / "plans" / (name or f"{plan.digest[:8]}.json")
    path.write_bytes(plan.encode())
    return path
