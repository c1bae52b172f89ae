"""Histories of a whole store: any acts in any order, each cut off by crashes if asked for, held to a plain model.

    with begun(Setting(n=3, t=2)) as life:
        for act in drawn_history(seed):
            life.live(act)
        judged(life)

Acts say with small numbers what they are about; what makes no sense in a state is refused by the store, and that is
held to the model as well. Everything goes through the public workflows.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from tests.support import calls, databases
from tests.support.calls import Call
from tests.support.history_life import DAY, LATE_DAYS, LIFETIMES, MORNING, Act, Deed
from tests.support.history_loss import Losing
from tests.support.history_model import Event, Line, month_start
from tests.support.remembered import remembered
from tests.support.stores import FIRST_DAY, MAPPINGS, Saved, made_store, mapping
from unheld.assembly import CLOCK_VARIABLE
from unheld.testing import simcrypto, textfile
from unheld.testing.planted import identities
from unheld.testing.recorder import Copies
from unheld.testing.synthetic import Operator
from unheld.workflows import checking
from unheld_branch.keys.parties import tree as tree_
from unheld_branch.records.mapping import Mapping as FieldMapping
from unheld_branch.records.mapping import parse
from unheld_branch.workflows import day, ingest, park
from unheld_verify import columns, crypto
from unheld_verify.errors import PartialError, RolledBackError, SealedError, StateError, UnheldError
from unheld_verify.roster import ISSUES_MOST

OPERATOR = Operator(seed=5, subscribers=8, days=1)
NUMBERS = OPERATOR.population.msisdn.to_pylist()
SIMS = OPERATOR.population.imsi.to_pylist()
OFF_NET = [name[4:] for name in identities(OPERATOR) if name[:4] == "tel:" and name[4:] not in NUMBERS]
SMALL: dict[str, Any] = {"LEAF_ROWS": 6, "LEAF_FILL": 4, "INNER_CHILDREN": 4, "INNER_FILL": 3}
_FAST = Path("/dev/shm")


@dataclass(frozen=True)
class Setting:
    """How many custodians, how many of them open a closed day, and how many copies the tree has."""

    n: int = 1
    t: int = 1
    copies: int = 0


KINDS = (
    "deliver", "deliver", "deliver", "register", "register", "wait", "wait", "close", "forget", "forget", "lapse",
    "park", "unpark", "again", "replace", "plan", "apply", "publish", "open", "back", "backup", "restore", "restore",
    "look", "away", "promote",
)  # fmt: skip


def drawn_history(seed: int) -> list[Act]:
    """A history by its seed, one act in three cut off."""
    drawn = Random(seed)
    return [
        Act(
            drawn.choice(KINDS), drawn.randrange(64), drawn.randrange(64),
            tuple(drawn.randrange(drawn.choice((8, 40, 140))) for _ in range(drawn.choice((0, 0, 0, 0, 1, 2)))),
        )
        for _ in range(drawn.randrange(4, 15))
    ]  # fmt: skip


@cache
def keyed() -> FieldMapping:
    """The mapping of a registry with subscriber keys."""
    text = (MAPPINGS / "synthetic-registry.toml").read_text()
    return parse(text + 'public_key = { field = "public_key", class = "all" }\n', "keyed")


@cache
def fields(name: str) -> FieldMapping:
    """A mapping, parsed once."""
    return mapping(name)


@cache
def founded(setting: Setting) -> Saved:
    """The deployment that every history of a setting begins with."""
    folder = Path(tempfile.mkdtemp(prefix="unheld-histories-", dir=_FAST if _FAST.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with simcrypto.drawn(Random(repr(setting))):  # of each its own store id, by which schemas are named
        made = made_store(
            folder / "m", setting.n, setting.t, setting.copies, FIRST_DAY, lifetimes=LIFETIMES, late_days=LATE_DAYS
        )
    return Saved(made)


@contextmanager
def begun(setting: Setting, seed: int = 0) -> Iterator[Life]:
    """A life of its own, in small tree nodes; its random bytes are drawn from a seed."""
    made = founded(setting).again()
    clock = {CLOCK_VARIABLE: str(made.now)}
    with ExitStack() as stack:
        stack.enter_context(patch.multiple(tree_, **SMALL))
        stack.enter_context(patch.dict(os.environ, clock))
        stack.enter_context(simcrypto.drawn(Random(seed)))
        stack.enter_context(remembered())
        life = Life(made, stack.enter_context(Recorder([made.folder])))
        yield life
        for _, dumps, _, _ in life.backups:
            databases.discard(dumps)


class Recorder(Copies):
    """Copies of every folder, and of what lies in PostgreSQL: whoever has the server's disks has its rows."""

    def take(self) -> None:
        """Copy what changed since the last copy."""
        for folder in self._folders:
            databases.dumped(folder, folder / "dumps")
        super().take()


class Life(Losing):
    """Every other act."""

    def _open(self, _act: Act) -> Deed:
        model, today = self.model, self.today
        state, held = model.days.get(today), model.open_day
        self.asked[today] = self.asked.get(today, 0) + 1
        must = state in ("closed", "forgotten") or (held is not None and held != today)
        everything = any(plan.act == "everything" for plan in self.begun.values())
        wrong = today < model.seen or today == model.ended or self.asked[today] > ISSUES_MOST or everything
        no = (StateError,) if must or wrong else ()
        self.fetched.setdefault(today, False)

        def after() -> None:
            self.fetched[today] = True
            if state != "open":
                self._settled()

        return Deed(self._opens, [] if state == "open" else ["open"], no, must, after=after)

    def _parks(self, reason: str) -> bool:
        """Whether keys to park under are here for certain."""
        period, most = columns.park_period(reason, self.today), 10 if reason == "outage" else 14
        times = {day: period - columns.park_period(reason, day) for day in self.fetched}
        return self.today == self.model.seen and any(
            sure and 0 <= times[day] <= most for day, sure in self.fetched.items()
        )

    def _opens(self) -> None:
        with self.made.opened() as store:
            day.open_day(store, self.made.custodians)

    def _close(self, _act: Act) -> Deed:
        held = self.model.open_day
        no = (StateError,) if held is None else ()
        return Deed(self.made.close, [] if held is None else ["close"], no)

    def _events(self, act: Act) -> list[Event]:
        """A few records: today's and late ones, of subscribers, strangers and SIMs."""
        drawn = Random(act.a * 1_000_003 + act.b)
        found = []
        for place in range(1 + drawn.randrange(4)):
            day = self.today - drawn.choice((0, 0, 0, 1, 2, 3, 1, 8))
            second = MORNING + self.serial * 100 + place
            kind, to = drawn.randrange(8), drawn.choice((*NUMBERS, *OFF_NET[:2], None))
            owner = drawn.choice(SIMS[:6]) if kind == 0 else drawn.choice((*NUMBERS, *NUMBERS, OFF_NET[0]))
            found.append(Event(owner, day, second, to, sim=kind == 0))
        return found

    def _written(self, delivered: Sequence[Event] | Line) -> int:
        folder = self.made.folder / "delivered"
        folder.mkdir(exist_ok=True)
        path = folder / f"{len(self.files):04}.csv"
        textfile.write(_table(delivered), path)
        self.files.append((path, delivered))
        return len(self.files) - 1

    def _deliver(self, act: Act) -> Deed:
        return self._ingest(self._written(self._events(act)))

    def _register(self, act: Act) -> Deed:
        drawn = Random(act.a * 1_000_003 + act.b)
        at = drawn.randrange(len(NUMBERS))
        line = Line(
            NUMBERS[at], drawn.choice((SIMS[at], SIMS[at], SIMS[(at + 1) % 6], None)),
            drawn.choice(("Specimen A", "Specimen A", "Specimen B")),
            (self.today - drawn.choice((0, 0, 1, 20))) * DAY, f"35{self.serial:012}",
            drawn.choice((None, None, crypto.sha256(bytes([act.b % 251])).hex())),
        )  # fmt: skip
        return self._ingest(self._written(line))

    def _again(self, act: Act) -> Deed:
        return self._ingest(act.a % len(self.files)) if self.files else Deed(lambda: None)

    def _replace(self, act: Act) -> Deed:
        """Correct a delivery of the open day; of another day it is refused."""
        batches = [name for name, one in self.model.batches.items() if not one.stray]
        if not batches:
            return Deed(lambda: None)
        return self._ingest(self._written(self._events(act)), batches[-1 - act.b % len(batches)])

    def _ingest(self, content: int, replaces: str = "") -> Deed:
        model, (path, delivered) = self.model, self.files[content]
        options = ingest.Options(replaces=replaces)
        is_line = isinstance(delivered, Line)
        by = keyed() if is_line else fields("synthetic")

        def run() -> ingest.IngestReport:
            with self.made.opened() as store:
                return ingest.ingest(store, [path], by, options)

        day = model.open_day
        if day is None:
            return Deed(run, no=(SealedError,), must=True)
        if replaces and model.batches[replaces].state != "open":
            return Deed(run, no=(StateError,), must=True)
        key = [] if self.today in model.dedup else ["rows"]
        outcome = self._outcome(content, delivered, day, replaces)
        if outcome == "refused" and replaces:
            return Deed(run, key, (UnheldError,), must=True) if not key else Deed(run, key, (UnheldError,), again=True)

        def sound(report: ingest.IngestReport) -> None:
            found = "known" if report.known else "refused" if report.refused else "taken"
            assert found == outcome, f"a file was {found}, the model says {outcome}: {report.refused}"

        no = () if is_line or self._parks("quarantine") else (StateError,)
        kinds = [*key, "batch"] if outcome == "taken" else key
        given = delivered if outcome == "taken" else ()
        return Deed(run, kinds, no, sound=sound, delivered=given, seals=given, content=content)

    def _outcome(self, content: int, delivered: Sequence[Event] | Line, day: int, replaces: str) -> str:
        since = month_start(day) if isinstance(delivered, Line) else 0
        if isinstance(delivered, Line):
            known, fits = self.model.known(content, self.today, replaces, since), not self.model.refuses(delivered)
            return "known" if known else "taken" if fits else "refused"
        if not self.model.fits(delivered, day):
            return "refused"
        return "known" if self.model.known(content, self.today, replaces) else "taken"

    def _park(self, act: Act) -> Deed:
        fresh = act.b % 4 or not self.files
        at = self._written(self._events(act)) if fresh else act.a % len(self.files)
        path, delivered = self.files[at]
        if isinstance(delivered, Line):  # a registry is not parked
            return Deed(lambda: None)

        def run() -> park.ParkReport:
            with self.made.opened() as store:
                return park.park(store, [path], fields("synthetic"))

        key = [] if self.today in self.model.dedup else ["rows"]
        kinds = key if self.model.known(at, self.today) else [*key, "parked"]
        no = () if self._parks("outage") else (StateError,)
        return Deed(run, kinds, no, delivered=delivered, content=at)

    def _unpark(self, act: Act) -> Deed:
        waiting = [name for name, one in self.model.parked.items() if one.reason == "outage"]
        if not waiting:
            return Deed(lambda: None)
        name = waiting[act.a % len(waiting)]
        one = self.model.parked[name]
        could = one.state == "parked" and self.model.open_day is not None and one.due > self.model.seen
        sure = could and name not in self.opening and not self.model.all_doubtful and self._parks("quarantine")
        no = () if sure else (UnheldError,)
        self.opening |= {name} if act.crashes else set()
        events = one.events if could else ()
        kinds = ["batch"] if could else []
        return Deed(lambda: self.made.unpark(name), kinds, no, not could, delivered=events, seals=events)

    def _lapse(self, _act: Act) -> Deed:
        today = self.today

        def after() -> None:
            self.model.swept = max(self.model.swept, today)
            self.model.keys = {pair for pair in self.model.keys if self.model.due(pair) > today}
            self._settled()
            assert not self._due(), "something is due that a lapse left"

        partly = (PartialError,) if today < self.model.seen else ()  # custodians believe the latest second they knew
        kinds = ["lapse"] if self._lapsing() else []
        return Deed(self.made.lapse, kinds, partly=partly, again=True, after=after)

    def _lapsing(self) -> bool:
        before = self.made.now - (max(LIFETIMES.values()) + LATE_DAYS) * DAY
        return self._due() or any(0 < ended < before for _, ended in self.model.trees[0].rows)

    def _due(self) -> bool:
        """Whether anything is to end that a lapse ends for good (who still has a SIM of an ended time stays)."""
        model, today = self.model, self.today
        parked = any(one.state == "parked" and one.due <= today for one in model.parked.values())
        return bool(model.due_columns(today) or model.due_trees(today) or parked)

    def _publish(self, _act: Act) -> Deed:
        def after() -> None:
            self.published += 1

        return Deed(self.made.publish, again=True, after=after)

    def _away(self, _act: Act) -> Deed:
        """The disk of the copy is taken away, or is back."""
        if self.has_copy:
            copy = Path(self.made.deployment.places().copies[0])
            gone = copy.with_name(f"{copy.name}-away")
            copy, gone = (gone, copy) if self.copy_away else (copy, gone)
            copy.rename(gone)
            self.copy_away = not self.copy_away
        return Deed(lambda: None)

    # --- copies of the disk

    def _backup(self, _act: Act) -> Deed:
        """A copy of the store's folder, and of its slots, as only a snapshot has them."""

        def run() -> None:
            kept = self.made.folder.with_name(f"backup-{len(self.backups)}")
            shutil.rmtree(kept, ignore_errors=True)
            for part in (self.made.root, self.made.deployment.slots):
                shutil.copytree(part, kept / part.name)
            self.backups.append((kept, databases.keep(self.made.root), self.length, self.published))

        return Deed(run)

    def _restore(self, act: Act) -> Deed:
        """An earlier copy of the store is put back, without its slots or with them, and then the store of now again."""
        if not self.backups:
            return Deed(lambda: None)
        kept, dumps, length, published = self.backups[act.a % len(self.backups)]
        return Deed(lambda: self._restored(kept, dumps, length, published, with_slots=bool(act.b % 2)))

    def _restored(self, kept: Path, dumps: dict[str, str], length: int, published: int, *, with_slots: bool) -> None:
        parts = [self.made.root, *([self.made.deployment.slots] if with_slots else [])]
        present = databases.keep(self.made.root)
        databases.put_back(dumps)
        for part in parts:
            part.rename(part.with_name(f"now-{part.name}"))
            shutil.copytree(kept / part.name, part)
        copied, found = self.has_copy and not self.copy_away, ""
        try:
            findings = checking.check_all(self.made.deployment).findings
            found = "rolled back" if any(one.kind == "rolled back" for one in findings) else "served"
        except RolledBackError:
            found = "refused"
        finally:  # where the check is cut off, too: what crashes is a look at the copy, not the store of now
            for part in parts:
                shutil.rmtree(part)
                part.with_name(f"now-{part.name}").rename(part)
            databases.put_back(present)
            databases.discard(present)
        seen = "refused" if copied or not with_slots else "rolled back" if published < self.published else "served"
        if length == self.length:  # no key died since; places in the log may have been fixed
            seen = "rolled back" if published < self.published and found == "rolled back" else "served"
        expected = seen
        said = f"a copy of generation {length} in the place of {self.length} was {found}, not {expected}"
        assert found == expected, said


def _table(delivered: Sequence[Event] | Line) -> pa.Table:
    if isinstance(delivered, Line):
        row = {
            "msisdn": delivered.number, "imsi": delivered.sim, "imei": delivered.mark, "holder": delivered.holder,
            "since": columns.date_of(delivered.since // DAY).isoformat(),
        }  # fmt: skip
        table = calls.registry(row)
        return table.append_column("public_key", pa.array([delivered.public], pa.string()))
    return calls.calls(*(
        Call(
            "" if one.sim else one.owner, columns.date_of(one.day), one.second, one.to, one.second % 977 + 1,
            f"c{one.second % 13}", one.owner if one.sim else None,
        )
        for one in delivered
    ))  # fmt: skip
