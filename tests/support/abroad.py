"""A store whose custodians are elsewhere, for a robber: folders of their own, and a line that is written down.

    made = made_abroad(tmp_path, n=4, t=2)
    made.live(OPERATOR, days, at=..., seen=...)

Custodians run on through the whole life, as their services do, with their doors in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.support.stores import TestStore, made_store
from unheld import assembly
from unheld.custody import ceremony
from unheld.custody.ceremony import Ceremony
from unheld.testing.memory import Dump
from unheld.testing.recorder import Copies, Tap
from unheld.testing.recording import Recording
from unheld.testing.synthetic import Operator
from unheld_branch.custody.attested import Attested
from unheld_branch.custody.client import Client, Remote
from unheld_branch.workflows import custody as taking
from unheld_custodian.desk import Desk
from unheld_custodian.state import encode
from unheld_slots.slot import FileSlot
from unheld_verify import columns, crypto
from unheld_verify.custody import BRANCH, HEADQUARTERS
from unheld_verify.roster import Roster

STAGES = ("opened", "sealed", "closed", "night")


@dataclass
class Abroad(TestStore):
    """The store, the desks that hold its columns, and what went over the lines to them, in `tap.messages`."""

    desks: list[Desk] = field(default_factory=list)
    roster: Roster | None = None

    def __post_init__(self) -> None:
        self.tap = Tap(self)

    def call(self, index: int, data: bytes) -> bytes:
        """The line itself: bytes to a desk and back."""
        return self.desks[index].handle(data)

    @property
    def custodians(self) -> Remote:
        """The branch's line to them."""
        assert self.roster
        attested = Attested(self.root, [self.roster])
        return Remote(self.client(BRANCH), seconds=None, keep=attested.keep)

    def client(self, role: str) -> Client:
        """A line of the branch or of headquarters."""
        assert self.roster
        seed = self.deployment.branch_seed() if role == BRANCH else self.deployment.seed("plan")
        seen = Attested(self.root, [self.roster]).seen(1) if role == BRANCH else {}
        return Client(self.roster, self.tap, seed, role, lambda: self.now, seen)

    def desk_folder(self, index: int) -> Path:
        """Where a custodian's disk and slot are."""
        return self.folder / "abroad" / str(index)

    def found(self, n: int, t: int) -> None:
        """The ceremony, over the line."""
        for index in range(n):
            folder = self.desk_folder(index)
            folder.mkdir(parents=True)
            slot = FileSlot.create(folder / "custodian.slot")
            self.desks.append(Desk.create(folder / "state", slot, f"Custodian {index}", lambda: self.now))
        where, seed = self.deployment, self.deployment.seed("plan")
        names, begins = [desk.name for desk in self.desks], self.now // 86_400
        proposed = assembly.draft(where.policy(), 1, names, t, begins, crypto.sign_public(where.branch_seed()))
        made = Ceremony.begin(ceremony.place(where.custody, 1), proposed, seed)
        while not made.go(self.tap, seed).over:
            self.approve()
        assert made.founded
        with self.opened() as store:
            self.roster = taking.take_over(store, made.founded)

    def approve(self) -> None:
        """Every person says yes, having heard the right words."""
        for desk in self.desks:
            for one in desk.requests():
                if not one.decision:
                    desk.decide(one.id, approve=True, said=" ".join(one.words))

    def beat(self) -> None:
        """Headquarters is heard by all."""
        officer = self.client(HEADQUARTERS)
        for index in range(len(self.desks)):
            officer.ask(index, "beat", {"day": columns.day_text(self.now // 86_400)})

    def pass_days(self, count: int) -> None:
        """Days on which nothing is sealed."""
        for _ in range(count):
            self.now += 86_400
            self.beat()
        self.lapse()

    def live(self, operator: Operator, when: date, seen: Callable[[str], None]) -> None:
        """One day: heard, opened, sealed, parked a little, closed; in the night after it, lapsed."""
        self.set_clock(when)
        self.beat()
        self.open_day(when)
        seen("opened")
        self.ingest(operator.day(when))
        seen("sealed")
        self.close()
        seen("closed")
        self.set_clock(when + timedelta(days=1), 3600)
        self.beat()
        self.lapse()
        seen("night")

    def memory(self, index: int) -> Dump:
        """What a custodian's process holds: its memory's content, and the private halves of its doors."""
        desk = self.desks[index]
        doors = tuple(door.private for listed in desk._doors.values() for door in listed)
        return Dump((), (encode(desk._kept.whole),), doors)


def made_abroad(folder: Path, n: int, t: int, **policy: Any) -> Abroad:
    """A new store with `n` custodians elsewhere, founded over the line."""
    made = made_store(folder, n, t, remote=True, **policy)
    abroad = Abroad(made.folder, made.deployment, made.now)
    abroad.found(n, t)
    return abroad


@dataclass(frozen=True)
class Moment:
    """Everything as it was: the branch and headquarters with the recorded line, and each custodian, memory included."""

    stage: str
    second: int
    branch: Recording
    custodians: tuple[Recording, ...]

    def with_custodians(self, held: Collection[int]) -> Recording:
        """What a robber has who got the branch and these custodians."""
        found = self.branch
        for index in held:
            found = found.joined(self.custodians[index])
        return found


@dataclass
class Robber:
    """Copies every disk at every step, and remembers moments, and how many days there were."""

    made: Abroad
    branch: Copies
    custodians: list[Copies]
    moments: list[Moment] = field(default_factory=list)
    days: int = 0

    def take(self) -> None:
        """One more copy of every disk."""
        for copies in (self.branch, *self.custodians):
            copies.take()

    def moment(self, stage: str) -> Moment:
        """Now."""
        branch = self.branch.recording().with_lines(*self.made.tap.messages)
        held = [copies.recording().with_memory(self.made.memory(at)) for at, copies in enumerate(self.custodians)]
        self.moments.append(Moment(stage, self.made.now, branch, tuple(held)))
        return self.moments[-1]


@contextmanager
def robber(made: Abroad) -> Iterator[Robber]:
    """A robber who copies all disks of the branch, of headquarters, and of each custodian."""
    with ExitStack() as held:
        branch = held.enter_context(Copies(made.deployment.folders()))
        each = [held.enter_context(Copies([made.desk_folder(index)])) for index in range(len(made.desks))]
        yield Robber(made, branch, each)
