"""A month of one small network whose custodians answer on loopback, and one person's own access to it. Prints JSON.

python -m bench.own_month FOLDER DAYS PARTIES
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from bench import own_access, works
from unheld.access import card
from unheld.access.folder import Wish
from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.testing import textfile
from unheld.testing.bulk import bench_csv, bench_registry
from unheld.workflows import custody
from unheld_branch.records.mapping import Mapping, mapping_of
from unheld_branch.workflows import day, ingest
from unheld_verify import columns

N, T = 7, 4
FIRST = date(2026, 7, 1)
_LAST = 86_399
_KEYED = '[columns.public_key]\nfield = "public_key"\nclass = "all"\n'


class Network:
    """A deployment whose custodians are another process, on a clock that moves by days."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deployment = Deployment(folder / "store" / "store")
        self.at(FIRST)

    def at(self, when: date) -> None:
        """The last second of a day, for everybody."""
        second = str(columns.day_of(when) * 86_400 + _LAST)
        fresh = self.folder / "clock.new"
        fresh.write_text(second, "ascii")
        fresh.replace(self.folder / "clock")
        os.environ[CLOCK_VARIABLE] = second

    def found(self, port: int) -> None:
        """A store, and its set by the ceremony."""
        store = works.Store(self.folder / "store")
        store.call("init", "--remote", "--custodians", str(N), "--threshold", str(T))
        names = [word for at in range(N) for word in ("--name", f"custodian-{at}=http://127.0.0.1:{port}/{at}")]
        store.call("custody", "init", "--threshold", str(T), *names)
        while not custody.go(self.deployment).over:
            pass

    def take_in(self, source: Path, rule: Mapping) -> None:
        """Seal a file into the open day."""
        with self.deployment.opened(write=True) as store:
            report = ingest.ingest(store, [source], rule)
        if report.refused:
            raise SystemExit(f"{source}: {report.refused[0].reason}")

    def live(self, when: date, sources: dict[Path, Mapping]) -> None:
        """Open, take in, close."""
        self.at(when)
        custody.beat(self.deployment)
        with self.deployment.opened(write=True) as store:
            day.open_day(store, self.deployment.open_custodians())
        for source, rule in sources.items():
            self.take_in(source, rule)
        with self.deployment.opened(write=True) as store:
            day.close_day(store, self.deployment.open_custodians())


def registered(folder: Path, parties: int, public: bytes) -> tuple[Path, Mapping, str]:
    """The registry, whose first subscriber has a card; its mapping, and that subscriber's number."""
    path = bench_registry(folder / "plain.csv", parties)
    number = works.some_numbers(path, 1)[0]
    lines = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    named = pa.table({name: pa.array([line[at] for line in lines[1:]]) for at, name in enumerate(lines[0][:2])})
    keys = pa.array([public.hex() if line[0] == number else None for line in lines[1:]], pa.string())
    rule = works.registry_mapping(folder / "registry.toml")
    rule.write_text(rule.read_text("utf-8") + _KEYED, "utf-8")
    return textfile.write(named.append_column("public_key", keys), folder / "registry.csv"), mapping_of(rule), number


def main(folder: Path, days: int, parties: int) -> dict[str, float]:
    """Live the month, then ask."""
    network, own = Network(folder), card.new()
    registry, rule, number = registered(folder, parties, own.public)
    records = mapping_of(works.mapping(folder / "all.toml", list(works.CLASSES)))
    command = [sys.executable, "-m", "bench.desks", str(folder), str(N), str(folder / "clock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as desks:
        try:
            assert desks.stdout
            network.found(int(desks.stdout.readline()))
            for past in range(days):
                when = FIRST + timedelta(days=past)
                file = bench_csv(folder / f"{when}.csv", parties * works.RECORDS_PER_PARTY, parties, when)
                network.live(when, ({registry: rule} if not past else {}) | {file: records})
            network.at(FIRST + timedelta(days=days))
            return own_access.seconds(network.deployment, own, f"tel:{number}", folder / "own", Wish())
        finally:
            desks.kill()


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
