"""The demo in a terminal: one table a scene, two columns, 79 characters wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from unheld.demo.measures import Measure, Story, Value
from unheld.demo.scenes import SCENES

WIDTH = 79
_WORDS, _SIDE = 45, 15


def lines(story: Story) -> list[str]:
    """Everything a reader of the terminal gets at the end."""
    said = [
        f"{'':{_WORDS}}{'network':>{_SIDE}}{'with':>{_SIDE}}",
        f"{'':{_WORDS}}{'of 2021':>{_SIDE}}{'unheld':>{_SIDE}}",
    ]
    for scene in SCENES:
        said += ["", f"{scene.number}  {scene.title}", "─" * WIDTH]
        for measure in story.of(scene.number):
            said += _row(measure)
    return [*said, "", *_end(story)]


def _row(measure: Measure) -> Iterator[str]:
    first, *rest = textwrap.wrap(f"{measure.measure} ({measure.unit})", _WORDS - 1, subsequent_indent="  ")
    mark = " ✓" if measure.wanted is not None else "  "
    mark = mark if measure.kept else " ✗"
    yield f"{first:{_WORDS}}{figure(measure.left):>{_SIDE}}{figure(measure.right):>{_SIDE}}{mark}".rstrip()
    yield from rest


def figure(value: Value) -> str:
    """A figure as people read it; a dash where there is no such thing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else value


def _end(story: Story) -> Iterator[str]:
    if story.kept:
        yield "✓ kept: every row with a ✓ is as promised; what is 0 was found on the left"
    for measure in story.broken:
        yield f"✗ NOT KEPT: scene {measure.scene}, {measure.measure}: {figure(measure.right)}"
