"""Promises of the demo's page in a browser that has no network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import opened, violations
from tests.support.story import sample
from unheld.demo.measures import Measure
from unheld.demo.page import render


@pytest.fixture(params=["kept", "broken"])
def page(browser: Browser, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in a browser without network, which fails if it asks for anything but its file."""
    story = sample() if request.param == "kept" else sample(Measure(4, "records", "records", 9, 1, 0))
    path = tmp_path / "index.html"
    path.write_text(render(story), encoding="utf-8")
    with opened(browser, path, script=True) as shown:
        yield shown


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_stands_in_the_way(page: Page, width: int) -> None:
    """axe-core finds nothing, on a phone's width and on a wide one."""
    page.set_viewport_size({"width": width, "height": 800})

    assert violations(page) == []


@pytest.mark.parametrize("width", [320, 360, 768, 1200])
def test_no_sideways_scroll(page: Page, width: int) -> None:
    """At no width has the page to be moved sideways."""
    page.set_viewport_size({"width": width, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_headings_step_down_by_one(page: Page) -> None:
    """One first heading, and no level is skipped: a listener can walk the page."""
    levels = [int(h.evaluate("e => e.tagName[1]")) for h in page.locator("h1,h2,h3,h4,h5,h6").all()]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize(("width", "seen"), [(320, "narrow"), (1200, "wide")])
def test_the_chart_is_seen_once_and_has_words(page: Page, width: int, seen: str) -> None:
    """Of the chart one size shows, and it is announced in words."""
    page.set_viewport_size({"width": width, "height": 800})
    charts = [chart for chart in page.locator("figure svg").all() if chart.is_visible()]

    assert [chart.get_attribute("class") for chart in charts] == [seen]
    assert all(chart.get_attribute("aria-label") for chart in charts)


def test_the_page_needs_no_script_and_names_its_language(page: Page) -> None:
    """There is no script in the page, its tab says what it is, and a screen reader knows which voice to take."""
    assert page.locator("script").count() == 0
    assert page.title() == "2021, replayed: what is not held cannot be handed over"
    assert page.locator("html").get_attribute("lang") == "en"


def test_on_a_phone_each_figure_says_whose_it_is(page: Page) -> None:
    """Where the columns stand below each other, every figure carries the name of its column."""
    page.set_viewport_size({"width": 360, "height": 740})
    cells = page.locator("table:not(.bars) tbody td").all()
    shown = {cell.evaluate("e => getComputedStyle(e, '::before').content.includes(': ')") for cell in cells}

    assert shown == {True}
    assert {cell.get_attribute("data-is") for cell in cells} == {"network of 2021", "with unheld"}
