"""Results as a list in JSON for programs and as a table in Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import words

HEAD = """# Benchmarks

`make bench` writes this page and `bench/results.json`; `make bench-seal` renews the sealing part only. Every ratio is
the peer's figure divided by ours, from interleaved cold processes of one run: above 1 is better than the peer. Absolute
figures say little, for they are of one machine on one day.

- `seal-csv`, `seal-csv-3`: `unheld ingest` of one day's CSV, one class (`contact`) and three, subscribers already
  registered. The peer is DuckDB writing the same columns as plain Parquet, zstd, sorted by party and time, durable.
  `-bytes` is measured after the close, `-memory` is the peak of the largest process, `-close` is `unheld day close`.
- `forget-1e4` and on: one of that many parties forgotten, durable, in a process that forgets several: the median act.
  The peer is DuckDB rewriting the one Parquet file that names the party; a real history names it in a file a day.
- `forget-half`: half of the largest store's parties by one plan, in one commit.
- `forget-everything`: everyone at once, in the largest store measured. No peer: deleting files forgets nothing.
- `seal-4-of-7`: `unheld ingest` of one day's CSV, all classes, under the keys of 7 custodians of whom 4 open a day. The
  peer is the same with one custodian; 0.95 or more is wanted.
- `custody-push`, `custody-close`: `unheld day open` and `unheld day close` with 7 custodians of this machine, in a
  store of a million subscribers with a record each.
- `custody-evaluations`, `custody-grants`: one of the 7, after a year: values of a label under a component's column key,
  and grants for 30 days of every class, each counted durably and sealed to its subscriber.
- `custody-state`: the most that the sealed memory of one of the 7 ever holds in a year, on the default lifetimes.
- `own-access-30`: all steps of one person's own access to 30 days, 7 custodians across HTTP on loopback, 2,000
  subscribers; `-answer` is the custodians' part, `-fetch` the branch's, `-open` the subscriber's.

"""


@dataclass(frozen=True)
class Result:
    """One figure. `ratio` is the peer's figure divided by ours; `peer` says who that is and what it took."""

    work: str
    value: float
    unit: str
    ratio: float | None = None
    peer: str | None = None


def read(path: Path) -> list[Result]:
    """The results of earlier runs; none if there is no file."""
    return [Result(**entry) for entry in json.loads(path.read_text("utf-8"))] if path.exists() else []


def merged(old: Iterable[Result], new: Iterable[Result]) -> list[Result]:
    """Old results with the new ones in the place of those of the same work."""
    return list({result.work: result for result in [*old, *new]}.values())


def write(results: Iterable[Result], data: Path, page: Path) -> None:
    """Write both forms. Directories must exist."""
    listed = list(results)
    data.write_text(json.dumps([asdict(result) for result in listed], indent=1) + "\n", "utf-8")
    page.write_text(HEAD + table(listed) + f"\nMeasured on {words()}.\n", "utf-8")


def table(results: Iterable[Result]) -> str:
    """The results as a Markdown table."""
    lines = ["| work | unheld | ratio | peer |", "|---|--:|--:|---|"]
    for result in results:
        ratio = "" if result.ratio is None else f"{figure(result.ratio)} ×"
        lines.append(f"| `{result.work}` | {figure(result.value)} {result.unit} | {ratio} | {result.peer or ''} |")
    return "\n".join(lines) + "\n"


def figure(value: float) -> str:
    """Three significant digits: `1.46`, `19.1`, `1,250`."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
