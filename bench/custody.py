"""What custodians cost: sealing, a day's push and close, grants, a year's state, own access."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.harness import Run, interleaved, middle, run
from bench.results import Result, figure
from bench.works import CLASSES, Store, mapping, registry_mapping
from unheld.testing.bulk import bench_csv, bench_registry
from unheld_branch.kernel.clock import CLOCK_VARIABLE

FOUR_OF_SEVEN = ("--custodians", "7", "--threshold", "4")
ONE = ("--custodians", "1", "--threshold", "1")
_GRANTS, _YEAR, _MONTH = 20, 365, 30
_PEOPLE_OF_A_MONTH = 2_000


class Founded(Store):
    """A store with so many custodians on this machine."""

    def __init__(self, folder: Path, words: tuple[str, ...]) -> None:
        """Name a store; `words` say how many custodians it has."""
        super().__init__(folder)
        self._words = words

    def prepare(self, registry: Path, mapping: Path) -> None:
        """Make the store, open the day, and enter the subscribers."""
        self.call("init", *self._words)
        self.call("day", "open")
        self.ingest(registry, mapping)


def custody(folder: Path, rows: int, parties: int, people: int, rounds: int) -> Iterator[Result]:
    """All figures; `people` is how many subscribers the store has whose day is pushed and closed."""
    yield from sealed(folder, rows, parties, rounds)
    yield from day(folder, people)
    yield from alone(folder)
    yield from own(folder)


def sealed(folder: Path, rows: int, parties: int, rounds: int) -> Iterator[Result]:
    """One day's file sealed under the keys of 4 of 7, beside under those of one custodian."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    records = bench_csv(folder / "records.csv", rows, parties, yesterday)
    registry, known = bench_registry(folder / "registry.csv", parties), registry_mapping(folder / "registry.toml")
    rule = mapping(folder / "all.toml", list(CLASSES))

    def work(words: tuple[str, ...]) -> Run:
        store = Founded(folder / "store", words)
        store.prepare(registry, known)
        return store.ingest(records, rule)

    found = interleaved({"seven": lambda: work(FOUR_OF_SEVEN), "one": lambda: work(ONE)}, rounds)
    seven, one = (middle(found[who], lambda r: r.seconds) for who in ("seven", "one"))
    peer = f"one custodian: {figure(one)} s"
    yield Result("seal-4-of-7", round(seven, 3), "s", round(one / seven, 3), peer)


def day(folder: Path, people: int) -> Iterator[Result]:
    """The push of a day of 4 of 7 into a store of many, and its close after a record for each of them."""
    registry, known = bench_registry(folder / "registry.csv", people), registry_mapping(folder / "registry.toml")
    rule, store = mapping(folder / "all.toml", list(CLASSES)), Founded(folder / "store", FOUR_OF_SEVEN)
    today = datetime.now(UTC).date()
    first, second = (str(int(datetime.combine(when, datetime.min.time(), UTC).timestamp()) + 86_399)
                     for when in (today - timedelta(days=1), today))  # fmt: skip
    os.environ[CLOCK_VARIABLE] = first
    try:
        store.prepare(registry, known)
        store.close()
        os.environ[CLOCK_VARIABLE] = second
        yield Result("custody-push", round(store.call("day", "open").seconds, 3), "s")
        store.ingest(bench_csv(folder / "records.csv", people, people, today), rule)
        yield Result("custody-close", round(store.close().seconds, 3), "s")
    finally:
        del os.environ[CLOCK_VARIABLE]


def alone(folder: Path) -> Iterator[Result]:
    """One custodian of 7 by itself, after a year."""
    (folder / "alone").mkdir()
    words = [str(folder / "alone"), str(_GRANTS), str(_YEAR)]
    found = json.loads(run([sys.executable, "-m", "bench.custodian", *words]).output)
    yield Result("custody-evaluations", round(found["values"] / found["grant_s"], 1), "values/s")
    yield Result("custody-grants", round(1 / found["grant_s"], 2), "grants/s")
    yield Result("custody-state", round(found["state"] / 2**20, 3), "MiB")


def own(folder: Path) -> Iterator[Result]:
    """One person's own access over a month, the custodians across loopback."""
    (folder / "own").mkdir()
    words = [str(folder / "own"), str(_MONTH), str(_PEOPLE_OF_A_MONTH)]
    took = json.loads(run([sys.executable, "-m", "bench.own_month", *words]).output)
    records = took.pop("records")
    yield Result("own-access-30", round(sum(took.values()), 3), "s", None, f"{records:.0f} records opened")
    for step in ("answer", "fetch", "open"):
        yield Result(f"own-access-30-{step}", round(took[step], 3), "s")
