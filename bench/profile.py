"""Where the CPU-seconds of an ingest and a close go, by stage: `python -m bench.profile [--rows N] [--parties N]`.

CPU-seconds of all processes, since those hold on a machine that others use too; the peer's stand beside them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from bench import peer, works
from unheld.assembly import Deployment
from unheld.testing.bulk import bench_csv, bench_registry
from unheld_branch.records import columns, totals
from unheld_branch.records.codecs import csv
from unheld_branch.records.mapping import mapping_of
from unheld_branch.store import blocks, coding, files, merging, sealing
from unheld_branch.workflows import day, delivery, routing
from unheld_branch.workflows.ingest import ingest

# None of these calls another, so that each second is counted once. A second process's are one line of their own.
STAGES: dict[str, list[tuple[Any, str]]] = {
    "cut and check lines": [(csv, "_block")],
    "parse and code cells": [(csv, "_batch")],
    "read columns": [(columns, "read")],
    "totals": [(totals.Totals, "add")],
    "find parties": [(routing, "resolve"), (merging, "_party_keys"), (merging._Finder, "find")],
    "aliases": [(sealing.Sealer, "_aliases")],
    "order and code facts": [(sealing, "_order"), (coding, "coded_facts")],
    "open and merge": [(blocks, "open_each"), (merging, "_merged_rows")],
    "lay out folios": [(blocks, "_same_layout")],
    "seal": [(blocks, "seal")],
    "dummies": [(files, "with_dummies")],
    "files": [(files, "write"), (files, "read")],
    "commit": [(delivery.Draft, "commit")],
}


@contextmanager
def staged(spent: Counter[str]) -> Iterator[None]:
    """Count the CPU-seconds of each stage's functions, whichever thread calls them."""
    with ExitStack() as stack:
        for stage, places in STAGES.items():
            for owner, name in places:
                stack.enter_context(mock.patch.object(owner, name, _counted(getattr(owner, name), stage, spent)))
        yield


def _counted(function: Callable[..., Any], stage: str, spent: Counter[str]) -> Callable[..., Any]:
    def counted(*given: Any, **named: Any) -> Any:
        begin = time.thread_time()
        try:
            return function(*given, **named)
        finally:
            spent[stage] += time.thread_time() - begin  # type: ignore[assignment]

    return counted


def _seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _told(title: str, work: Callable[[], object]) -> None:
    spent: Counter[str] = Counter()
    own, beside = _seconds(resource.RUSAGE_SELF), _seconds(resource.RUSAGE_CHILDREN)
    with staged(spent):
        work()
    own, beside = _seconds(resource.RUSAGE_SELF) - own, _seconds(resource.RUSAGE_CHILDREN) - beside
    print(f"\n| {title} | CPU-s |\n|---|--:|")
    for stage in STAGES:
        if spent[stage]:
            print(f"| {stage} | {spent[stage]:.2f} |")
    print(f"| everything else | {own - sum(spent.values()):.2f} |")
    print(f"| the second process | {beside:.2f} |\n| **together** | **{own + beside:.2f}** |", flush=True)


def main() -> None:
    """Make the files and a store, then print one table for each act."""
    words = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    words.add_argument("--rows", type=int, default=5_000_000)
    words.add_argument("--parties", type=int, default=200_000)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        records = bench_csv(folder / "records.csv", given.rows, given.parties, works._yesterday())
        registry, known = bench_registry(folder / "r.csv", given.parties), works.registry_mapping(folder / "r.toml")
        for work, classes in works.SEAL.items():
            rule = mapping_of(works.mapping(folder / f"{work}.toml", classes))
            store = works.Store(folder / "store")
            store.prepare(registry, known)
            where = Deployment(store.folder)
            _told(f"{work}: DuckDB", partial(peer.sort, records, folder / "p.parquet", works.columns(classes)))
            with where.opened(write=True) as held:
                _told(f"{work}: ingest", partial(ingest, held, [records], rule))
                _told(f"{work}: close", partial(day.close_day, held, where.open_custodians()))


if __name__ == "__main__":
    main()
