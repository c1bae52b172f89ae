"""The letter and the transparency report in a browser, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import opened, violations
from tests.support.demands import DAY, filed, held, register_of
from unheld.demands import figures, letters, model, reporting, rules
from unheld.demands.model import Act
from unheld.papers.html import html

NAME = "ဝန်ကြီးဌာန <b>of everything</b> " + "W" * 80


def _paper(kind: str, folder: Path) -> str:
    demand = model.begin(bytes(16), Act("received", DAY * 86_400, "", {"filed": filed(authority=NAME).to_json()}))
    fields = {"codes": ["DeFactoImpossibility", "MultipleTargets"], "held": held().to_json()}
    demand = model.apply(demand, Act("refused", DAY * 86_400, "An Officer", fields))
    policy = register_of(folder).made.deployment.policy()
    if kind == "letter":
        return html(letters.letter(demand, policy, rules.rulebook(rules.shipped_packs())))
    return html(reporting.document(figures.from_register([demand], [], [], DAY), policy.origin, "MM"))


@pytest.fixture(params=["letter", "report"])
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page from disk; leaving it fails if it asked for anything."""
    path = tmp_path / "paper.html"
    path.write_text(_paper(request.param, tmp_path), encoding="utf-8")
    with opened(browser, path) as shown:
        yield shown


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_stands_in_the_way(page: Page, width: int) -> None:
    """axe-core finds nothing, and nothing has to be moved sideways."""
    page.set_viewport_size({"width": width, "height": 800})

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_authority_is_named_as_it_wrote_itself(page: Page) -> None:
    """Markup in a name is seen as text."""
    assert page.get_by_text("<b>of everything</b>").first.is_visible()
