"""Months of a network's life through the real commands, with everything that goes wrong in months; then every check.

    python -m bench.soak [--days 60] [--subscribers 100000] [--events 1.0] [--seed 7] [--out bench/soak.json]

Each day: files on time and late, some twice, some replaced; outages, when custodians are away and what comes is parked;
erasures of people, days, classes; lapse; a folder copy that follows; a published log; processes that are killed on the
way. In the middle the store is upgraded. A plain model (`bench.soak_model`) says what must open and what must not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench import own_access
from bench.harness import WorkFailedError
from bench.soak_model import CLASSES, Held, Model
from bench.soak_network import Network
from unheld.access import card
from unheld.access.folder import Wish
from unheld.testing import textfile
from unheld.testing.synthetic import Operator
from unheld_verify import columns, formats
from unheld_verify.errors import UnheldError

ROOT = Path(__file__).parents[1]
MAPPINGS = ROOT / "examples" / "mappings"
RECORDS, REGISTRY = MAPPINGS / "synthetic.toml", MAPPINGS / "synthetic-registry.toml"
FIRST = date(2026, 7, 1)
MORNING, NOON, EVENING, NIGHT = 600, 43_200, 72_000, 86_399
KEPT = 24
"""People who are never forgotten and are looked at in the end; the first of them has a card."""


@dataclass(frozen=True)
class Plan:
    """How long, how many, how busy. `storm`: how often each command is killed before it is done, where it can be."""

    days: int = 60
    subscribers: int = 100_000
    events: float = 1.0
    seed: int = 7
    storm: int = 0


@dataclass(frozen=True)
class Day:
    """The figures of one day: seconds by command, peak bytes by command, bytes on the disk, resident custodians."""

    number: int
    records: int
    happened: tuple[str, ...]
    seconds: dict[str, float]
    peaks: dict[str, int]
    sizes: dict[str, int]
    custodians: int
    wall: float


@dataclass
class Soak:
    """One run in a folder of its own."""

    folder: Path
    plan: Plan
    out: Path
    days: list[Day] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.plan.seed)  # noqa: S311 - when processes are killed, no secret
        self.network = Network(self.folder, self.rng, looks=0.5 if self.plan.storm else 0)
        self.operator = Operator(
            self.plan.seed, self.plan.subscribers, self.plan.days, FIRST, events_per_day=self.plan.events
        )
        people = self.operator.population.msisdn.to_pylist()
        self.rng.shuffle(people)
        doomed = min(3 * self.plan.days, (len(people) - KEPT) // 2)
        self.kept, self.doomed = people[:KEPT], people[KEPT : KEPT + doomed]
        self.model = Model((*self.kept, *self.doomed))
        self.card = card.new()
        self.waiting: list[pa.Table] = []
        self.receipts: list[Path] = []
        self.happened: list[str] = []
        self._is_open = False
        self._began = time.time()
        self._files = self.folder / "delivered"

    def run(self) -> None:
        """Live all days, check everything, write the figures."""
        self._files.mkdir(parents=True)
        try:
            self.network.at(FIRST, 0)
            self.network.begin()
            for number in range(self.plan.days):
                self._live(number)
            found = self._checked()
        finally:
            self.network.end()
        self._keep(found)

    def _keep(self, checked: dict[str, Any] | None) -> None:
        """Write the figures as they are: a run that is broken off leaves those of its days, and nothing checked."""
        figures = {
            "plan": asdict(self.plan), "release": formats.release(), "killed": self.network.killed,
            "checked": checked or {}, "seconds": round(time.time() - self._began),
            "days": [asdict(one) for one in self.days],
        }  # fmt: skip
        self.out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")

    def _live(self, number: int) -> None:
        began, when = time.perf_counter(), FIRST + timedelta(days=number)
        self.happened, self.network.peaks = [], {}
        self.network.seconds.clear()
        table = self.operator.day(when)
        away_all_day, away_till_noon = number % 20 == 13, number % 6 == 3
        self.network.at(when, MORNING)
        if not (away_all_day or away_till_noon):
            self._open(number)
        if number == 0:
            self._register()
        self.network.at(when, NOON)
        self._take_in(number, "morning", *_until_noon(table, when))
        if away_till_noon and not away_all_day:
            self.network.custodians_come()
            self._open(number)
            self._unpark(when)
        self.network.at(when, EVENING)
        self._acts(number, when, is_open=not away_all_day)
        self.network.at(when, NIGHT)
        self._take_in(number, "evening", _after_noon(table, when))
        self._end(number, when, is_open=not away_all_day)
        self._note(number, table.num_rows, time.perf_counter() - began)

    def _open(self, number: int) -> None:
        self.network.call("day", "open", kill=self._kills(number % 9 == 4))
        self._is_open = True

    def _register(self) -> None:
        """Everybody, and one of them with a card."""
        table = self.operator.registry()
        keys = [self.card.public.hex() if one == self.kept[0] else None for one in table["msisdn"].to_pylist()]
        rule = self.folder / "registry.toml"
        rule.write_text(REGISTRY.read_text("utf-8") + 'public_key = { field = "public_key", class = "all" }\n', "utf-8")
        table = table.append_column("public_key", pa.array(keys, pa.string()))
        self.network.call("ingest", textfile.write(table, self._files / "registry.csv"), "--mapping", rule)

    def _take_in(self, number: int, part: str, *tables: pa.Table) -> None:
        """Deliver files, or park them where no day is open."""
        for at, table in enumerate(tables):
            path = textfile.write(table, self._files / f"{number:03}-{part}-{at}.csv")
            if not self._is_open:
                self.network.call("park", "add", path, "--mapping", RECORDS, kill=self._kills(number % 4 == 1))
                self.waiting.append(table)
                self._tell("parked")
                continue
            self._ingest(number, table, path, again=number % 4 == 1 and at == 0, corrected=number % 7 == 5 and at == 0)

    def _ingest(self, number: int, table: pa.Table, path: Path, *, again: bool, corrected: bool) -> None:
        day = columns.day_of(FIRST) + number
        kill = 0 if corrected else self._kills(self.rng.random() < 0.3)
        taken = self.network.call("ingest", path, "--mapping", RECORDS, "--json", kill=kill)
        found = self.model.delivered(table, day)
        self.model.take(found)
        if again:
            self.network.call("ingest", path, "--mapping", RECORDS)
            self._tell("a file twice")
        if corrected:
            self._correct(table, path, taken.document["deliveries"][0]["batch"], found)

    def _correct(self, table: pa.Table, path: Path, batch: str, found: Held) -> None:
        """The file comes again without its first twentieth."""
        better = table.slice(table.num_rows // 20)
        path = textfile.write(better, path.with_stem(f"{path.stem}-corrected"))
        self.network.call("ingest", path, "--mapping", RECORDS, "--replaces", batch)
        day = int(os.environ["UNHELD_CLOCK"]) // 86_400
        self.model.replace(found, self.model.delivered(better, day))
        self._tell("a file replaced")

    def _unpark(self, when: date) -> None:
        """Open every parked batch of records into the open day."""
        if not self.waiting:
            return
        listed = self.network.call("park", "list", "--json").document["parked"]
        for batch in (one["batch"] for one in listed if one["reason"] == "outage"):
            self.network.call("park", "open", batch)
        for table in self.waiting:
            self.model.take(self.model.delivered(table, columns.day_of(when)))
        self.waiting.clear()
        self._tell("parked batches opened")

    def _acts(self, number: int, when: date, *, is_open: bool) -> None:
        """What headquarters does of an evening."""
        if is_open:
            self._forget(number)
        if is_open and number % 11 in {5, 8}:
            self._erase(number, when)
        if number % 10 == 6:
            self._demand(number)
        if number % 15 == 14 and is_open:
            self._own(number)
        if number == self.plan.days // 2:
            self._upgrade()

    def _forget(self, number: int) -> None:
        """One person with a receipt, and every second day a list of two more."""
        lists = [self.doomed[3 * number : 3 * number + 1]] + [self.doomed[3 * number + 1 : 3 * number + 3]] * (
            number % 2
        )
        for at, people in enumerate(filter(None, lists)):
            names, plan = self.folder / "names.txt", self.folder / f"{number:03}-{at}.plan"
            names.write_text("\n".join(people))
            made = self.network.call("erase", "plan", "--file", names, "--out", plan, "--json").document
            self._apply(plan, kill=self._kills(self.rng.random() < 0.3))
            self.model.forget(people)
            if made["claim_code"]:
                plan.with_suffix(".code").write_text(made["claim_code"])
                self.receipts.append(plan.with_suffix(".box"))
        self._tell("people forgotten")

    def _erase(self, number: int, when: date) -> None:
        """An event day of three days ago, or the contacts of one of two days ago."""
        a_class = number % 11 == 5
        day, plan = when - timedelta(days=2 if a_class else 3), self.folder / f"{number:03}-day.plan"
        words = ("--class", "contact") if a_class else ()
        self.network.call("erase", "plan", "--day", day, *words, "--out", plan)
        self._apply(plan, kill=self._kills(self.rng.random() < 0.5))
        self.model.erase((cls, columns.day_of(day)) for cls in (("contact",) if a_class else CLASSES))
        self._tell("a class of a day erased" if a_class else "a day erased")

    def _apply(self, plan: Path, *, kill: int) -> None:
        """By the branch's own program, as a plan that came in. Killed, it is given the same plan again."""
        again = shutil.copyfile(plan, plan.with_suffix(".again.plan"))
        self.network.branch("apply", plan, kill=kill, wanted=(0, 1))
        if plan.exists() or not (plan.parent / "applied" / plan.name).exists():
            raise WorkFailedError(f"{plan}: was not applied")
        again.unlink()

    def _demand(self, number: int) -> None:
        """An order names three lines and is refused."""
        names = self.folder / "lines.txt"
        names.write_text("\n".join(self.kept[1:4]))
        told = ("--authority", "Ministry", "--authority-kind", "ministry", "--asks", "location", "--by", "Anna")
        folder = self.network.deployment.register / "demands"
        before = set(folder.iterdir()) if folder.exists() else set()
        self.network.call("demand", "receive", *told, "--targets", names)
        [made] = set(folder.iterdir()) - before
        self.network.call("demand", "check", made.name)
        self.network.call("demand", "refuse", made.name, "--code", "MultipleTargets", "--by", "Anna")
        self._tell("a demand refused")

    def _own(self, number: int) -> None:
        """The person with the card reads what is held of them."""
        wish = Wish(classes=CLASSES)
        took = own_access.seconds(
            self.network.deployment, self.card, f"tel:{self.kept[0]}", self.folder / f"own-{number:03}", wish
        )
        self.network.seconds["own access"] = sum(took.values()) - took["records"]
        today = int(os.environ["UNHELD_CLOCK"]) // 86_400
        mine = sum(count for (who, _, day), count in self.model.held.items() if who == self.kept[0] and day <= today)
        self._tell(f"own access: {int(took['records'])} of {mine} facts")

    def _upgrade(self) -> None:
        """To this release's formats, killed on the way."""
        plan = self.folder / "upgrade.plan"
        made = self.network.call("upgrade", "plan", "--out", plan, "--json").document
        if not made["plan"]:
            raise WorkFailedError("the store had nothing to upgrade")
        for part in (0, self._kills(True)):
            self.network.call("upgrade", "apply", plan, "--confirm", made["digest"], kill=part)
        self._tell("upgraded")

    def _end(self, number: int, when: date, *, is_open: bool) -> None:
        """Close, lapse, publish; before an outage the custodians go away."""
        if number % 5 == 2:
            self.network.custodians_go()
            self.network.custodians_come()
            self._tell("custodians killed and started")
        if is_open:
            self._close()
        self._is_open = False
        self.network.call("lapse", "run", kill=self._kills(number % 8 == 6), wanted=(0, 1, 3))
        self.model.lapse(columns.day_of(when))
        self.network.call("log", "publish", kill=self._kills(number % 7 == 1))
        if number == self.plan.days // 3:
            shutil.copyfile(self.network.deployment.root / "catalog.db", self.folder / "old-catalog.db")
        following = number + 1
        if following < self.plan.days and (following % 20 == 13 or following % 6 == 3):
            self.network.custodians_go()
            self._tell("custodians away")
        elif self.network.process is None:
            self.network.custodians_come()
            self.network.call("custody", "beat")

    def _close(self) -> None:
        """Close the day. Where the process that was killed had closed it, the next one says that none is open."""
        ended = self.network.call("day", "close", kill=self._kills(self.rng.random() < 0.25), wanted=(0, 1))
        if ended.code and self.network.call("status", "--json").document["open_day"]:
            raise WorkFailedError(f"day close: {ended.error}")

    def _note(self, number: int, records: int, wall: float) -> None:
        network = self.network
        seconds = {name: round(took, 2) for name, took in network.seconds.items()}
        self.days.append(
            Day(
                number, records, tuple(self.happened), seconds, dict(network.peaks), network.sizes(),
                network.custodians_bytes(), round(wall, 1),
            )
        )  # fmt: skip
        for path in self._files.iterdir():
            path.unlink()
        self._keep(None)
        print(f"day {number:3}: {records:,} records, {wall:.0f} s, {', '.join(self.happened)}", flush=True)

    def _kills(self, usual: bool) -> int:
        """How often a command is killed before it is done."""
        return self.plan.storm or int(usual)

    def _tell(self, words: str) -> None:
        if words not in self.happened:
            self.happened.append(words)

    def _checked(self) -> dict[str, Any]:
        """Every check there is. Raises WorkFailedError with what does not hold."""
        network = self.network
        network.call("log", "publish")
        checked = network.call("check", "--json").document
        network.call("log", "verify")
        doctor = network.call("doctor", "--json", wanted=(0, 1, 2)).document["findings"]
        if failed := [one["words"] for one in doctor if one["level"] == "failure"]:
            raise WorkFailedError(f"the doctor says: {'; '.join(failed)}")
        for box in self.receipts:
            proof, code = box.with_suffix(".tlog-proof"), box.with_suffix(".code")
            network.call("receipt", "open", box, "--code", f"@{code}", "--out", proof)
            network.call("receipt", "check", proof)
        expected, opened = self._compare()
        return {
            "entries of the journal": checked["entries"], "nodes": checked["nodes"], "files": checked["files"],
            "copies": checked["copies"], "doctor's warnings": sum(one["level"] == "warning" for one in doctor),
            "receipts": len(self.receipts), "people looked at": len(self.model.people),
            "people forgotten": len(self.model.forgotten), "records that must open": expected,
            "records that open": opened,
        }  # fmt: skip

    def _compare(self) -> tuple[int, int]:
        """What opens, by the reader's edition with every custodian's keys, beside what the model says."""
        import unheld_reader as reader  # noqa: PLC0415 - a folder of the repository, not installed

        made, held = self.network.deployment, self.folder / "custodians"
        places = {path: held / "desk-slots" / f"{path.name}.slot" for path in sorted((held / "desks").iterdir())}
        store = reader.open_store(made.root, made.slots, places)
        found: Held = Counter()
        for person in self.model.people:
            for folio in store.folios(f"tel:{person}"):
                if folio.column[0] in CLASSES:
                    found[person, folio.column[0], folio.column[1]] += len(folio.records)
        wrong = {key: (self.model.held[key], found[key]) for key in {*found, *self.model.held}
                 if self.model.held[key] != found[key]}  # fmt: skip
        if wrong:
            some = "; ".join(f"{key[1:]} wanted {pair[0]}, opens {pair[1]}" for key, pair in sorted(wrong.items())[:8])
            raise WorkFailedError(f"{len(wrong)} of {len(self.model.held)} folios differ from the model: {some}")
        self._old_copy(reader)
        return self.model.held.total(), found.total()

    def _old_copy(self, reader: Any) -> None:
        """A catalog of a month ago opens nothing with today's slot."""
        made = self.network.deployment
        genesis, slot = (made.root / "genesis.json").read_bytes(), (made.slots / "root.slot").read_bytes()
        try:
            reader.catalog(self.folder / "old-catalog.db", genesis, reader.slot(slot))
        except reader.FormatError:
            return
        raise WorkFailedError("an old copy of the catalog opened under today's slot")


def _until_noon(table: pa.Table, when: date) -> Iterator[pa.Table]:
    """What happened today until noon, and what comes late: of earlier days, and from partners abroad."""
    midnight = columns.day_of(when) * 86_400
    second = table["datetime"].cast(pa.int64())
    yield table.filter(pc.and_(pc.greater_equal(second, midnight), pc.less(second, midnight + NOON)))
    yield table.filter(pc.less(second, midnight))


def _after_noon(table: pa.Table, when: date) -> pa.Table:
    second = table["datetime"].cast(pa.int64())
    return table.filter(pc.greater_equal(second, columns.day_of(when) * 86_400 + NOON))


def main() -> None:
    """Read the words, live, write."""
    words = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    for name, value in asdict(Plan()).items():
        words.add_argument(f"--{name}", type=type(value), default=value)
    words.add_argument("--out", type=Path, default=ROOT / "bench" / "soak.json")
    given = words.parse_args()
    scratch = ROOT / "bench" / "data"
    scratch.mkdir(exist_ok=True)
    plan = Plan(given.days, given.subscribers, given.events, given.seed, given.storm)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        try:
            Soak(Path(folder), plan, given.out).run()
        except UnheldError as error:
            sys.exit(f"soak: {error}")


if __name__ == "__main__":
    main()
