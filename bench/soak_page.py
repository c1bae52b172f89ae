"""The figures of soaks as a picture and a page: `python -m bench.soak_page` writes docs/soak.png and docs/soak.md."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
import vl_convert as vlc

from bench.machine import words

ROOT = Path(__file__).parents[1]
RUNS = ("soak.json", "soak-large.json")
DOCS = ROOT / "docs"
COMMANDS = ("ingest", "day close", "day open", "branch apply", "log publish")
WARM = 2
_MIB = 2**20
_SIZES = {"blocks": "blocks", "catalog": "catalog", "log": "log", "row commitments": "row commitments"}
_HEAD = """# Soak: months of a network's life

`make soak` lives them through the real commands, each a process of its own, custodians (2 of 3) across HTTP: files on
time, late, twice and replaced; outages, when what comes is parked; people, days and classes erased; lapses; a folder
copy that follows; a log published daily; own access; demands; processes killed (SIGKILL) on the way; an upgrade in the
middle. At the end `check`, `log verify`, the doctor and every receipt must pass, and the reader's edition must open
what a plain model says, record for record, and nothing of anybody forgotten.

![Sizes and memory by day](soak.png)

"""


def read(path: Path) -> dict[str, Any]:
    """The figures of one run."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def called(run: dict[str, Any]) -> str:
    """What a run is called in the picture."""
    return f"{run['plan']['subscribers']:,} subscribers"


def _rows(run: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for day in run["days"]:
        sizes, peaks = day["sizes"], {name: day["peaks"].get(name) for name in COMMANDS}
        found = [("MiB on disk", "custodian's state", sizes["custodians"])]
        found += [("MiB on disk", name, sizes[key]) for key, name in _SIZES.items()]
        found += [("peak MiB of a process", name, peak) for name, peak in peaks.items() if peak]
        found += [("peak MiB of a process", "custodians", day["custodians"])] if day["custodians"] else []
        rows += [
            {"run": called(run), "kind": kind, "what": what, "day": day["number"], "MiB": size / _MIB}
            for kind, what, size in found
        ]
    return rows


def picture(runs: list[dict[str, Any]]) -> alt.VConcatChart:
    """Sizes above, memory below; a column a run. Sizes are on a logarithmic scale: a log is a thousandth of blocks."""
    data = pa.Table.from_pylist([row for run in runs for row in _rows(run)])
    panes = []
    for kind in ("MiB on disk", "peak MiB of a process"):
        scale = alt.Scale(type="log") if kind == "MiB on disk" else alt.Scale(zero=True)
        base = alt.Chart(data).transform_filter(alt.datum.kind == kind).mark_line(strokeWidth=2)
        beside = [
            base.transform_filter(alt.datum.run == called(run))
            .encode(
                x=alt.X("day:Q", title="day"),
                y=alt.Y("MiB:Q", title=kind, scale=scale),
                color=alt.Color("what:N", title=None),
            )
            .properties(width=360, height=220, title=called(run))
            for run in runs
        ]
        panes.append(alt.hconcat(*beside))
    whole: alt.VConcatChart = alt.vconcat(*panes).resolve_scale(color="independent").configure(background="white")
    return whole


def slope(run: dict[str, Any], name: str) -> float:
    """By how many percent of its mean a command's peak memory grows a day, after the first days."""
    peaks = [day["peaks"][name] for day in run["days"][WARM:] if name in day["peaks"]]
    line = np.polynomial.Polynomial.fit(np.arange(len(peaks)), peaks, 1).convert()
    return float(100 * line.coef[1] / mean(peaks))


def page(runs: list[dict[str, Any]]) -> str:
    """What was run, exactly, and its figures."""
    lines = [_HEAD]
    for run in runs:
        days, checked = run["days"], run["checked"]
        lines.append(f"## {called(run)}, {len(days)} days of {run['plan']['days']}\n")
        records = sum(day["records"] for day in days)
        lines.append(f"{records:,} records, {run['killed']} processes killed, {run['seconds'] / 60:,.0f} minutes.\n")
        if not checked:
            lines.append("Broken off before its end: its sizes and memory count, its checks were not made.\n")
        lines += ["| at the end | |", "|---|--:|"]
        lines += [f"| {name} | {value:,} |" for name, value in checked.items()]
        lines += [f"| {name}, MiB | {size / _MIB:,.1f} |" for name, size in days[-1]["sizes"].items()]
        lines += ["", "| command | mean peak, MiB | growth a day, % |", "|---|--:|--:|"]
        for name in COMMANDS:
            peaks = [day["peaks"][name] for day in days[WARM:] if name in day["peaks"]]
            lines.append(f"| `{name}` | {mean(peaks) / _MIB:,.0f} | {slope(run, name):+.2f} |")
        lines.append("")
    return "\n".join([*lines, f"Measured on {words()}, a machine that did other work beside: times mean nothing.", ""])


def main() -> None:
    """Draw and write."""
    runs = [read(path) for path in (ROOT / "bench" / name for name in RUNS) if path.exists()]
    spec = picture(runs).to_dict()
    (DOCS / "soak.png").write_bytes(vlc.vegalite_to_png(spec, scale=1.5))
    (DOCS / "soak.md").write_text(page(runs), "utf-8")


if __name__ == "__main__":
    main()
