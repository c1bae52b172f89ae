"""Charts of the report as inline SVG, drawn here and now: the page needs neither script nor network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Any

import altair as alt
import pyarrow as pa
import vl_convert as vlc
from markupsafe import Markup

from unheld.demo.result import DayFigures, Readable

INK, GRID = "#24313a", "#dfe5e8"
# blue, vermilion, green, purple of Okabe and Ito: told apart by all common kinds of colour vision
COLOURS = ["#0072b2", "#d55e00", "#007a59", "#8a4f7d"]
_AXIS = {"gridColor": GRID, "domainColor": GRID, "tickColor": GRID, "labelColor": INK, "labelFontSize": 12}
_TITLE = {"titleColor": INK, "titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 8}
_LOOK: dict[str, Any] = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS | _TITLE,
    "legend": {"labelColor": INK, "labelFontSize": 13},
}
WIDE, NARROW = (690, 260), (230, 200)


def bytes_chart(days: Sequence[DayFigures]) -> Markup:
    """Plain and sealed megabytes of every sealing day, side by side."""
    rows = [
        {"day": short(figures.day), "what": what, "MB": count / 1e6}
        for figures in days
        for what, count in (("as it came", figures.bytes_plain), ("sealed", figures.bytes_sealed))
    ]
    chart = (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_bar()
        .encode(
            x=_days(),
            y=alt.Y("MB:Q", title="megabytes"),
            xOffset=alt.XOffset("what:N", sort=None),
            color=_colour("what", ["as it came", "sealed"], ["#a9b7bf", COLOURS[0]]),
        )
    )
    return _figure(chart, "bytes", "Bars: megabytes of every sealing day as they came, and sealed.")


def readable_chart(readable: Sequence[Readable]) -> Markup:
    """For each class of facts, how many party-days keys still open at the end of each day."""
    names = list(dict.fromkeys(point.name for point in readable))
    rows = [{"day": short(p.day), "kind": p.name, "open": p.party_days} for p in readable]
    chart = (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_bar()
        .encode(
            x=_days(),
            y=alt.Y("open:Q", title="party-days that keys still open", axis=alt.Axis(format=",.0f")),
            color=_colour("kind", names, COLOURS),
        )
    )
    return _figure(chart, "open", "Stacked bars: party-days of each kind of fact that keys still open, day by day.")


def short(day: date) -> str:
    """A date as a label: `6 Jul`."""
    return f"{day.day} {day:%b}"


def _days() -> alt.X:
    return alt.X("day:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", labelSeparation=8))


def _colour(field: str, names: Sequence[str], colours: Sequence[str]) -> alt.Color:
    scale = alt.Scale(domain=list(names), range=list(colours))
    legend = alt.Legend(title=None, orient="top", symbolType="square", columns=4)
    return alt.Color(f"{field}:N", scale=scale, legend=legend)


def _figure(chart: alt.Chart, name: str, words: str) -> Markup:
    """The chart twice, for wide and narrow screens; the style sheet shows one of them."""
    pictures = (_svg(chart, size, f"{name}-{kind}", kind, words) for kind, size in (("wide", WIDE), ("narrow", NARROW)))
    return Markup("").join(pictures)


def _svg(chart: alt.Chart, size: tuple[int, int], name: str, kind: str, words: str) -> Markup:
    styled = chart.properties(width=size[0], height=size[1], background="transparent").configure(**_LOOK)
    svg = vlc.vegalite_to_svg(styled.to_dict())
    # ids must differ between the pictures of one page, or one picture is clipped by a hidden one
    svg = svg.replace('id="', f'id="{name}-').replace("url(#", f"url(#{name}-")
    head = f'<svg class="{kind}" role="img" aria-label="{escape(words)}" '
    return Markup(svg.replace("<svg ", head, 1))  # noqa: S704  # drawn by our own code from plain figures
