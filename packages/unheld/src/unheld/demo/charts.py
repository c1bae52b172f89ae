"""Charts of the page as inline SVG, drawn here and now: the page needs neither script nor network."""

from __future__ import annotations

from html import escape
from typing import Any

import altair as alt
import pyarrow as pa
import vl_convert as vlc
from markupsafe import Markup

from unheld.demo.measures import Slope

INK, GRID = "#24313a", "#dfe5e8"
# blue, vermilion, green of Okabe and Ito: told apart by all common kinds of colour vision
COLOURS = ["#0072b2", "#d55e00", "#007a59"]
# each kind lives shorter than the one before, so that what is seen on top is the most that can be read
KINDS = {"charge": "when and how long", "contact": "and with whom", "place": "and from where"}
SIDES = ("network of 2021", "with unheld, everything seized")
_AXIS = {"gridColor": GRID, "domainColor": GRID, "tickColor": GRID, "labelColor": INK, "labelFontSize": 12}
_TITLE = {"titleColor": INK, "titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 8}
_LOOK: dict[str, Any] = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS | _TITLE,
    "legend": {"labelColor": INK, "labelFontSize": 13},
    "header": {"labelColor": INK, "labelFontSize": 13, "labelFontWeight": "bold", "title": None},
}
_WORDS = (
    "Two areas over the days that are over. Left, the network of 2021: all three kinds of facts stay at one height"
    " through the whole year. Right, with unheld: places end after 7 days, contacts after 30, charges after 90."
)


def slope_chart(slope: Slope) -> Markup:
    """How many people's day can be read, by how many days ago it was: both sides on one scale."""
    rows = [
        {"side": name, "days ago": age, "people": count, "kind": KINDS[kind]}
        for name, side in zip(SIDES, (slope.left, slope.right), strict=True)
        for kind, counts in side.items()
        for age, count in zip(slope.ages, counts, strict=True)
    ]
    axis = alt.Axis(format=",.0f", tickCount=4)
    base = (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_area(interpolate="step", opacity=0.85)
        .encode(
            x=alt.X("days ago:Q", title="days ago", scale=alt.Scale(reverse=True, nice=False)),
            y=alt.Y("people:Q", title="people whose day can be read", stack=None, axis=axis),
        )
    )
    wide, narrow = (base.encode(color=_colour(list(KINDS.values()), columns)) for columns in (3, 1))
    picture = _svg(wide.properties(width=340, height=200), 2, "slope-wide", "wide", _WORDS)
    return picture + _svg(narrow.properties(width=215, height=150), 1, "slope-narrow", "narrow", _WORDS)


def _colour(names: list[str], columns: int) -> alt.Color:
    legend = alt.Legend(title=None, orient="top", symbolType="square", columns=columns)
    return alt.Color("kind:N", scale=alt.Scale(domain=names, range=COLOURS), legend=legend)


def _svg(chart: alt.Chart, columns: int, name: str, kind: str, words: str) -> Markup:
    """A chart as SVG, its two sides beside or below each other."""
    whole = chart.facet(alt.Facet("side:N", sort=list(SIDES)), columns=columns)
    styled = whole.properties(background="transparent").configure(**_LOOK)
    svg = vlc.vegalite_to_svg(styled.to_dict())
    # ids must differ between the pictures of one page, or one picture is clipped by a hidden one
    svg = svg.replace('id="', f'id="{name}-').replace("url(#", f"url(#{name}-")
    head = f'<svg class="{kind}" role="img" aria-label="{escape(words)}" '
    return Markup(svg.replace("<svg ", head, 1))  # noqa: S704  # drawn by our own code from plain figures
