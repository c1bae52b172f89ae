"""The works that are measured, and every call of the `unheld` command line in one place (`Store`)."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import duckdb

from bench.harness import Run, interleaved, middle, run
from bench.results import Result, figure
from unheld.testing.bulk import bench_csv, bench_registry

COMMAND = Path(sys.executable).with_name("unheld")
FORGETTER = [sys.executable, "-m", "bench.forgetter"]
PEER = f"DuckDB {duckdb.__version__}"
ALL = {"msisdn": "owner", "datetime": "datetime"}
CLASSES = {
    "charge": {n: n for n in ("event_type", "outgoing", "duration", "volume_upload", "volume_download", "network")},
    "contact": {
        "msisdn_counterpart": "counterpart",
        "imsi": "imsi",
        "imei": "imei",
        "operator_code": "operator_code",
        "country_code": "country_code",
    },
    "place": {"location_id": "location_id"},
}
SEAL = {"seal-csv": ["contact"], "seal-csv-3": ["charge", "contact", "place"]}
FORGET = {"forget-1e4": 10**4, "forget-1e5": 10**5, "forget-1e6": 10**6}
RECORDS_PER_PARTY = 5  # in the stores that forget
_FORGOTTEN = 25  # parties a store, the first of which pay for what a process does once
_PEER_DROPS = 5


class Store:
    """A fresh store, used as an operator would: through the installed command."""

    def __init__(self, folder: Path) -> None:
        """Name a store in a folder that does not exist yet, or exists and is to go."""
        self._base = folder
        self.folder = folder / "store"
        self.clear()

    def clear(self) -> None:
        """Begin anew: the store and everything beside it goes."""
        shutil.rmtree(self._base, ignore_errors=True)
        self._base.mkdir(parents=True)

    def call(self, *words: str | Path) -> Run:
        """One call of the command line."""
        return run([str(COMMAND), "--store", str(self.folder), "--no-input", *map(str, words)])

    def prepare(self, registry: Path, mapping: Path) -> None:
        """Make the store, open the day, and enter the subscribers."""
        self.call("init")
        self.call("day", "open")
        self.call("ingest", registry, "--mapping", mapping)

    def ingest(self, records: Path, mapping: Path) -> Run:
        """Seal a file of records."""
        return self.call("ingest", records, "--mapping", mapping)

    def close(self) -> Run:
        """Close the day."""
        return self.call("day", "close")

    def forget(self, *what: str | Path) -> float:
        """Plan and apply; give the milliseconds of the durable act, as the command itself tells them."""
        plan = self.folder.with_suffix(".plan")
        for old in (plan, plan.with_suffix(".box")):
            old.unlink(missing_ok=True)
        planned = json.loads(self.call("erase", "plan", *what, "--out", plan, "--json").output)
        applied = self.call("erase", "apply", plan, "--confirm", planned["digest"], "--json")
        return float(json.loads(applied.output)["milliseconds"])

    def sealed_bytes(self) -> int:
        """Bytes of all blocks in the store."""
        return sum(path.stat().st_size for path in (self.folder / "blocks").rglob("*.parquet"))


def mapping(path: Path, classes: Sequence[str]) -> Path:
    """Write the mapping that keeps the columns of some classes and nothing else."""
    lines = ['kind = "records"']
    for name, columns in {"all": ALL, **{name: CLASSES[name] for name in classes}}.items():
        lines += [f'[columns.{column}]\nfield = "{fills}"\nclass = "{name}"' for column, fills in columns.items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def registry_mapping(path: Path) -> Path:
    """Write the mapping of the benchmark's registry."""
    path.write_text(
        'kind = "registry"\n[columns.msisdn]\nfield = "owner"\nclass = "all"\n'
        '[columns.imsi]\nfield = "imsi"\nclass = "all"\n',
        "utf-8",
    )
    return path


def columns(classes: Sequence[str]) -> list[str]:
    """The columns of the CSV that a mapping of these classes keeps; the peer writes just these."""
    return [*ALL, *(column for name in classes for column in CLASSES[name])]


def peer(*words: str | Path) -> Run:
    """One call of the peer."""
    return run([sys.executable, "-m", "bench.peer", *map(str, words)])


def seal(folder: Path, rows: int, parties: int, rounds: int) -> Iterator[Result]:
    """Sealing one day's file, beside writing it as plain sorted Parquet."""
    records = bench_csv(folder / "records.csv", rows, parties, _yesterday())
    registry, known = bench_registry(folder / "registry.csv", parties), registry_mapping(folder / "registry.toml")
    for work, classes in SEAL.items():
        rule = mapping(folder / f"{work}.toml", classes)
        plain = folder / "plain.parquet"
        store = Store(folder / "store")

        def ours(store: Store = store, rule: Path = rule) -> Run:
            store.clear()
            store.prepare(registry, known)
            return store.ingest(records, rule)

        found = interleaved({"ours": ours, "peer": partial(peer, "sort", records, plain, *columns(classes))}, rounds)
        closing = store.close()
        yield from _sealed(work, found, store.sealed_bytes() / rows, plain.stat().st_size / rows)
        yield Result(f"{work}-close", closing.seconds, "s")


def _yesterday() -> date:
    """The newest event day that is over: an open day seals nothing of the future."""
    return datetime.now(UTC).date() - timedelta(days=1)


def _sealed(work: str, found: dict[str, list[Run]], ours: float, plain: float) -> Iterator[Result]:
    seconds = [middle(found[who], lambda r: r.seconds) for who in ("ours", "peer")]
    peaks = [middle(found[who], lambda r: r.peak / 2**20) for who in ("ours", "peer")]
    yield _beside(work, seconds[0], "s", seconds[1])
    yield _beside(f"{work}-bytes", ours, "B/CDR", plain)
    yield _beside(f"{work}-memory", peaks[0], "MiB", peaks[1])


def forget(folder: Path, rounds: int, most: int = 10**6) -> Iterator[Result]:
    """Forgetting one of many parties, beside rewriting the one Parquet file that names it; then everyone."""
    known, rule = registry_mapping(folder / "registry.toml"), mapping(folder / "all.toml", list(CLASSES))
    for work, parties in FORGET.items():
        if parties > most:
            continue
        records = bench_csv(folder / "records.csv", parties * RECORDS_PER_PARTY, parties, _yesterday())
        registry, plain = bench_registry(folder / "registry.csv", parties), folder / "plain.parquet"
        store = Store(folder / "store")
        store.prepare(registry, known)
        store.ingest(records, rule)
        store.close()
        peer("sort", records, plain, *columns(list(CLASSES)))
        yield _forgotten(work, store, plain, some_numbers(registry, max(rounds, _FORGOTTEN)))
    many = folder / "many.txt"
    half = some_numbers(registry, parties)[_FORGOTTEN : parties // 2]
    many.write_text("\n".join(half) + "\n", "utf-8")
    yield Result("forget-half", store.forget("--file", many), "ms")
    yield Result("forget-everything", store.forget("--everything"), "ms")


def _forgotten(work: str, store: Store, plain: Path, numbers: Sequence[str]) -> Result:
    """Some parties are forgotten here by one process, and dropped there one after the other."""
    named = plain.with_name("named.txt")
    named.write_text("\n".join(numbers) + "\n", "utf-8")
    ours = json.loads(run([*FORGETTER, str(store.folder), str(named)]).output)
    theirs = [float(json.loads(peer("drop", plain, number).output)["ms"]) for number in numbers[:_PEER_DROPS]]
    return _beside(work, median(ours), "ms", median(theirs))


def some_numbers(registry: Path, count: int) -> list[str]:
    """The first numbers of a registry, which is in random order."""
    with registry.open(encoding="utf-8") as lines:
        return [line.partition(",")[0] for line, _ in zip(lines, range(count + 1), strict=False)][1:]


def _beside(work: str, ours: float, unit: str, other: float) -> Result:
    return Result(work, round(ours, 3), unit, round(other / ours, 3), f"{PEER}: {figure(other)} {unit}")
