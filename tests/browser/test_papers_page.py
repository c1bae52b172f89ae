"""A paper's page in a browser: small screens, nothing asked for, nothing in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import opened, violations
from tests.support.papers import BURMESE, HOSTILE, every_block
from unheld.papers.document import Document
from unheld.papers.html import html

PAPERS = {
    "plain": every_block(),
    "hostile": every_block(HOSTILE, name=HOSTILE),
    "burmese": every_block(BURMESE, rows=40, name=BURMESE),
}


@pytest.fixture(params=PAPERS)
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A paper's page; leaving it fails if it asked for anything."""
    document: Document = PAPERS[request.param]
    path = tmp_path / "paper.html"
    path.write_text(html(document), encoding="utf-8")
    with opened(browser, path) as shown:
        yield shown


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_stands_in_the_way(page: Page, width: int) -> None:
    """axe-core finds nothing, on a phone and on a desk."""
    page.set_viewport_size({"width": width, "height": 800})

    assert violations(page) == []


@pytest.mark.parametrize("width", [320, 360, 768, 1200])
def test_no_sideways_scroll(page: Page, width: int) -> None:
    """At no width has the page to be moved sideways, whatever words stand in it."""
    page.set_viewport_size({"width": width, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_text_runs_nothing(page: Page) -> None:
    """The title is still the paper's: no script of a name ran."""
    page.wait_for_load_state("networkidle")

    assert page.title().startswith("A paper ")
    assert page.locator("script, img").count() == 0


def test_on_a_phone_each_cell_names_its_column(page: Page) -> None:
    """Where a table cannot stand beside itself, every cell says what it is."""
    label = page.evaluate("getComputedStyle(document.querySelector('td'), '::before').content")

    assert "Count" in label
