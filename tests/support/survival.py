"""The table of `docs/survival.md`, made from the table of acts: python -m tests.support.survival rewrites it."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.acts import ACTS, left, telling
from tests.support.calls import Crash, crash_points, steps
from tests.support.stores import Saved, TestStore, made_store

PAGE = Path(__file__).parents[2] / "docs" / "survival.md"
_ROW = re.compile(r"^\| ([\w ]+) \| `([^`|]+)` \| ([^|]+) \| (\w+) \|$", re.MULTILINE)


class Row(NamedTuple):
    """One act, one kind of step, what a crash right before it leaves, and the state that the next open finds."""

    act: str
    step: str
    leaves: str
    state: str


def rows(folder: Path, name: str) -> Iterator[Row]:
    """Break an act before each kind of its steps, and look."""
    made = _ready(folder, name)
    saved, before = Saved(made), ACTS[name].mark(made)
    points = crash_points(lambda: ACTS[name].act(made))
    done = ACTS[name].mark(made)
    for step, at in telling(points).items():
        made = saved.again()
        try:
            with steps(at):
                ACTS[name].act(made)
        except Crash:
            leaves = "; ".join(left(made))
        with made.opened():
            found = ACTS[name].mark(made)
        state = "old" if found == before else "new" if found == done else "part"
        yield Row(name, step.removeprefix("before "), leaves, state)


def named_steps(folder: Path, name: str) -> list[tuple[str, str]]:
    """The kinds of steps of an act, in the order in which they are first met."""
    made = _ready(folder, name)
    return [(name, step.removeprefix("before ")) for step in telling(crash_points(lambda: ACTS[name].act(made)))]


def listed() -> list[Row]:
    """The rows of the page."""
    return [Row(*found) for found in _ROW.findall(PAGE.read_text("utf-8"))]


def _ready(folder: Path, name: str) -> TestStore:
    made = made_store(folder / "m")
    ACTS[name].before(made)
    return made


def main() -> None:
    """Write the rows into the page, in the place of those that stand there."""
    found = []
    for name in ACTS:
        with tempfile.TemporaryDirectory() as folder:
            found += list(rows(Path(folder), name))
        print(name, file=sys.stderr)
    text = _ROW.sub("", PAGE.read_text("utf-8")).rstrip("\n")
    lines = [f"| {row.act} | `{row.step}` | {row.leaves} | {row.state} |" for row in found]
    PAGE.write_text("\n".join([text, *lines]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
