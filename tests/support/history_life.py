"""The frame of a history: acts, what the model expects of each, crashes, and the journal that both follow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.calls import Crash, steps
from tests.support.history_model import Event, Line, Model, Party, number
from tests.support.stores import FIRST_DAY, TestStore
from unheld.assembly import CLOCK_VARIABLE
from unheld.testing.recorder import Copies
from unheld_branch.store import pending
from unheld_branch.store.database import Database
from unheld_verify import canonical, columns
from unheld_verify.errors import SealedError, StateError, UnheldError
from unheld_verify.plan import Plan

LIFETIMES = {"charge": 7, "contact": 4, "place": 2, "identity": 33}
LATE_DAYS = 3
DAY = 86_400
MORNING = 10_000
Targets = Mapping[int, Sequence[tuple[str, int, Party]]]
"""Whom a plan forgets, by tree: identity and end of the holding where the row stood, and whose it was."""


@dataclass(frozen=True)
class Act:
    """One act. `a` and `b` say what it is about; `crashes` at which durable steps it and its repair are cut off."""

    kind: str
    a: int = 0
    b: int = 0
    crashes: tuple[int, ...] = ()


@dataclass
class Deed:
    """An act on this store as it is: what is run, and what the model expects of it.

    `kinds` are the journal's entries that it makes. `no`: the errors that it may end with, changing nothing; where
    `must` stands, it does. `sound` judges the result; `partly` are errors that tell, once all
    was done, that somebody did not do their part. `again`: who is cut off in it does it again.
    """

    run: Callable[[], Any]
    kinds: Sequence[str] = ()
    no: tuple[type[UnheldError], ...] = ()
    must: bool = False
    sound: Callable[[Any], None] = lambda _: None
    delivered: Sequence[Event] | Line = ()
    seals: Sequence[Event] | Line = ()
    plan: Plan | None = None
    content: int = 0
    targets: Targets = field(default_factory=dict)
    partly: tuple[type[UnheldError], ...] = ()
    again: bool = False
    repeats: bool = False
    after: Callable[[], None] = lambda: None


class Chronicle:
    """A store, its model, and everything that its disks ever held; `live` does one act and holds it to the model."""

    def __init__(self, made: TestStore, recorder: Copies) -> None:
        self.made = made
        self.recorder = recorder
        self.model = Model(LIFETIMES, LATE_DAYS)
        self.files: list[tuple[Path, Sequence[Event] | Line]] = []
        self.plans: list[tuple[Plan, Targets, int]] = []
        self.backups: list[tuple[Path, dict[str, str], int, int]] = []
        self.serial = 0
        self.published = 0
        self.asked: dict[int, int] = {}
        self.fetched: dict[int, bool] = {}
        self.begun: dict[str, Plan] = {}
        self.drafted: dict[str, Plan] = {}
        self.copy_away = False
        self.promoted = False
        self.opening: set[str] = set()
        self._entries: list[Mapping[str, Any]] = []
        self._at(columns.day_of(FIRST_DAY))
        with made.opened() as store:
            self.length = len(store.vault.database.journal())
            for item in store.vault.database.outbox():
                self.model.said[canonical.decode(item.statement)["kind"]] += 1
        recorder.take()

    # --- time

    @property
    def today(self) -> int:
        """The day by the clock."""
        return self.made.now // DAY

    def _at(self, today: int) -> None:
        self.made.now = today * DAY + MORNING + self.serial * 100 + 95
        os.environ[CLOCK_VARIABLE] = str(self.made.now)
        self.model.seen = max(self.model.seen, today)

    # --- living

    def live(self, act: Act) -> None:
        """Do one act, and before it what it needs."""
        for one in (*self._before(act), act):
            self.serial += 1
            self._at(self.today)
            self._do(one)

    def _before(self, act: Act) -> list[Act]:
        """As the branch's service: a day that is over is closed, what comes is taken in on the day that is open."""
        held, first = self.model.open_day, []
        if act.kind == "promote":
            first += [Act("now"), Act("lapse"), *([Act("close")] if held is not None else [])]
        if act.kind in ("open", "deliver", "register", "unpark") and held is not None and held < self.today:
            first.append(Act("close"))
        if (
            act.kind in ("deliver", "register", "unpark")
            and held != self.today
            and self.today not in (*self.model.days, self.model.ended)
        ):
            first.append(Act("open"))
        return first

    def _do(self, act: Act) -> None:
        deed: Deed = getattr(self, f"_{act.kind}")(act)
        if self._done(deed, () if act.kind == "promote" else act.crashes[:1]):
            return
        for at in act.crashes[1:]:
            self._reopened(at)
        with self.made.opened():  # what the crash left is finished
            pass
        if "batch" not in self._follow(deed) and deed.seals and self.model.open_day is not None:
            self.model.stray(deed.seals, self.model.open_day)
        if deed.plan is not None and act.b % 3:
            self._leave(deed.plan)
        elif deed.again:
            self._done(self._same(deed), ())

    def _same(self, deed: Deed) -> Deed:
        """What is left of it to do."""
        return replace(deed, kinds=(), no=(StateError, SealedError, *deed.no), must=False, repeats=True, again=False)

    def _done(self, deed: Deed, crashes: tuple[int, ...]) -> bool:
        """Run it; whether it came to its end."""
        error: UnheldError | None = None
        result: Any = None
        try:
            with steps(crashes[0]) if crashes else ExitStack():
                result = deed.run()
        except Crash:
            self.recorder.take()
            return False
        except deed.partly:
            pass
        except UnheldError as raised:
            error = raised
        if error is not None and not isinstance(error, deed.no):
            raise error
        assert not deed.must or error is not None, "what the model refuses was done"
        begun = {"erase"} if self.begun else set()
        met = self._follow(deed)
        if error is not None:
            assert set(met) <= {"rows", *begun}, f"it was refused ({error}), and the journal has {met}"
            if deed.plan is not None:
                self._leave(deed.plan)
            return True
        unlike = [kind for kind in met if kind not in begun] != list(deed.kinds)
        assert not unlike or deed.repeats or begun & {*deed.kinds, *met}, f"the journal has {met}, not {deed.kinds}"
        deed.sound(result)
        deed.after()
        return True

    def _reopened(self, at: int) -> None:
        """Open the store after a crash, and crash again."""
        try:
            with steps(at), self.made.opened():
                pass
        except Crash:
            self.recorder.take()

    def _follow(self, deed: Deed) -> list[str]:
        """Take what the journal has that is new into the model."""
        entries = self._journal()
        new, self.length = entries[self.length :], len(entries)
        for entry in new:
            self._take(entry, deed)
        self.recorder.take()
        return [entry["kind"] for entry in new]

    def _journal(self) -> Sequence[Mapping[str, Any]]:
        database = Database.open(self.made.root)
        try:
            data = [entry for _, entry, _ in database.journal()]
        finally:
            database.disconnect()
        assert len(data) >= len(self._entries), "the journal became shorter"
        self._entries += map(canonical.decode, data[len(self._entries) :])
        return self._entries

    def _take(self, entry: Mapping[str, Any], deed: Deed) -> None:
        model, kind = self.model, entry["kind"]
        if kind == "open":
            model.opened(entry, self.today)
        elif kind == "rows":
            model.rows(entry, self.today)
        elif kind == "batch":
            model.batch(entry, deed.content, deed.delivered, self.made.now)
        elif kind == "close":
            model.closed(entry)
        elif kind == "parked":
            due = columns.park_due(entry["reason"], entry["period"], LATE_DAYS)
            events = deed.delivered if not isinstance(deed.delivered, Line) else ()
            model.park(entry, events, deed.content, due, self.today)
        elif kind == "erase":
            self._erased(entry, deed)
        elif kind == "lapse":
            self._lapsed(entry)
        elif kind == "promote":
            model.said["copy-promoted"] += 1
        else:
            raise AssertionError(f"an entry of kind {kind}")

    def _erased(self, entry: Mapping[str, Any], deed: Deed) -> None:
        """A plan that was begun earlier may be ended by any act that speaks to custodians."""
        plan = self.drafted[entry["plan"]]
        self.model.erase(entry, deed.targets if deed.plan is plan else {})
        self.begun.pop(plan.digest, None)
        if plan.act == "everything":
            self.model.ended, self.fetched = number(plan.made), {}
        self._doubt()

    def _leave(self, plan: Plan) -> None:
        """A plan was cut short, and nobody applies it again: it may have begun, and is then ended by a later act."""
        if plan.act not in ("party", "parties") and plan.digest not in self._applied():
            self.begun[plan.digest] = plan
            self._doubt()

    def _applied(self) -> set[str]:
        return {entry["plan"] for entry in self._journal() if entry["kind"] == "erase"}

    def _settled(self) -> None:
        """Custodians were told of everything that had begun: what is not pending now never began."""
        folder = self.made.root
        self.begun = {digest: plan for digest, plan in self.begun.items() if pending.has(folder, plan)}
        self._doubt()

    def _doubt(self) -> None:
        """Columns of which some keys may be gone, since a plan for them may have begun."""
        plans = self.begun.values()
        self.model.doubtful = {pair for plan in plans for pair in plan.columns}
        self.model.all_doubtful = any(plan.act == "everything" for plan in plans)

    # --- acts

    def _wait(self, act: Act) -> Deed:
        """Days pass."""
        self._at(self.today + (1, 1, 1, 2, 3, 5, 9, 40)[act.a % 8])
        return Deed(lambda: None)

    def _back(self, act: Act) -> Deed:
        """Somebody sets the clock back, and it stays so until days pass."""
        self._at(max(columns.day_of(FIRST_DAY), self.today - 1 - act.a % 2))
        return Deed(lambda: None)

    def _now(self, _act: Act) -> Deed:
        """The clock is set right."""
        self._at(self.model.seen)
        return Deed(lambda: None)

    def _lapsed(self, entry: Mapping[str, Any]) -> None:
        """Held to the model before it is taken into it."""
        model, pairs = self.model, {(cls, number(day)) for cls, day in entry["columns"]}
        due = model.due_columns(self.today)
        assert pairs - model.doubtful == due - model.doubtful, f"lapsed {pairs}, due are {due}"
        assert set(entry["trees"]) == model.due_trees(self.today), f"trees {entry['trees']} lapsed"
        parked = {name for name, one in model.parked.items() if one.state == "parked" and one.due <= self.today}
        assert set(entry["parked"]) == parked, "other parked batches lapsed than are due"
        model.lapse(entry)
        model.prune(self.made.now)
