"""demo: 2021 replayed in five scenes, in two columns, in two minutes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unheld.cli.app import app
from unheld.cli.output import Answer, Surface, command, settings


@command(app, "demo", Surface.FIGURES)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the page and everything of the run.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another network.")] = 7,
    subscribers: Annotated[int, typer.Option(min=50, help="How many people who cannot exist.")] = 3_000,
    full: Annotated[bool, typer.Option("--full", help="Build and drop all 18 million rows: 8 GB of memory.")] = False,
) -> Answer:
    """Replay 2021: a network as networks were kept, and the same one with unheld. One attacker goes through both."""
    from unheld.demo import bigtree, run, terminal  # noqa: PLC0415 - its plots and attacker load where they are wanted

    rows = bigtree.COUNTRY if full else run.Sizes.rows
    story = run.run(out.absolute(), run.Sizes(seed, subscribers, rows=rows), _tell)
    said = [*terminal.lines(story), f"read it with its pictures: {out / run.PAGE}  ({story.seconds:.0f} s)"]
    document = {
        "seed": story.seed,
        "subscribers": story.subscribers,
        "records": story.records,
        "measures": [measure.to_json() for measure in story.measures],
        "kept": story.kept,
        "files": sorted(story.files.values()),
        "seconds": round(story.seconds, 1),
    }
    broken = [f"scene {measure.scene}: {measure.measure}: not as promised" for measure in story.broken]
    return Answer(said, document, 0 if story.kept else 20, broken)


def _tell(line: str) -> None:
    if not (settings.quiet or settings.as_json):
        print(line, file=sys.stderr)
