"""demo: the whole way on generated data, in a minute."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from unheld.cli.app import app
from unheld.cli.output import Answer, Surface, command, settings
from unheld.demo.result import DemoResult


@command(app, "demo", Surface.FIGURES)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report and everything of the run.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another network.")] = 7,
    subscribers: Annotated[int, typer.Option(min=50, help="How many people who cannot exist.")] = 20_000,
    days: Annotated[int, typer.Option(min=1, help="How many days they live.")] = 14,
) -> Answer:
    """A synthetic network lives, an attacker tries it, a party is forgotten, then everyone."""
    from unheld.demo import run as demos  # noqa: PLC0415 - its plots and attacker load only where they are wanted

    result = demos.run(out.absolute(), demos.Sizes(seed, subscribers, days), _tell)
    said = [
        f"{result.records:,} records of {result.subscribers:,} subscribers in {len(result.days)} days",
        (
            f"attacker: {_opened(result, must_fail=False)} where nothing was forgotten (the positive control), "
            f"{_opened(result, must_fail=True)} of what was"
        ),
        f"one party forgotten in {result.forgetting_ms:.1f} ms, everyone in {result.everything_ms:.1f} ms",
        f"log: {result.log_entries} entries verified; receipt: {out / 'receipt.tlog-proof'}",
        f"report: {out / 'report.html'}  ({result.seconds:.0f} s)",
    ]
    return Answer(said, _document(result), 0 if result.as_promised else 20)


def _opened(result: DemoResult, *, must_fail: bool) -> str:
    attempts = [attempt for attempt in result.attacker if attempt.must_fail is must_fail]
    return f"{sum(item.opened for item in attempts):,} of {sum(item.folios_tried for item in attempts):,} folios opened"


def _document(result: DemoResult) -> dict[str, Any]:
    document = asdict(result)
    for day in [*document["days"], *document["readable"]]:
        day["day"] = day["day"].isoformat()
    return {**document, "as_promised": result.as_promised}


def _tell(line: str) -> None:
    if not (settings.quiet or settings.as_json):
        print(line, file=sys.stderr)
