"""Promises of the demo's report in a browser that has no network."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from unheld.demo.report import render
from unheld.demo.result import Attempt, DayFigures, DemoResult, Lifetime, Readable

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FIRST = date(2026, 7, 1)
LIFETIMES = (
    Lifetime("charge", "when, how long, how much", 90),
    Lifetime("contact", "the other party, the device", 30),
    Lifetime("place", "the radio cell", 7),
)


def sample() -> DemoResult:
    days = [FIRST + timedelta(days=n) for n in range(14)]
    return DemoResult(
        seed=7,
        subscribers=20_000,
        records=1_117_742,
        days=tuple(DayFigures(d, 79_839, 79_101, 2_412, 8_500_000, 2_600_000 + 9_000 * d.day) for d in days),
        lifetimes=LIFETIMES,
        readable=tuple(Readable(d, k.name, 17_500 * min(n + 1, k.days)) for n, d in enumerate(days) for k in LIFETIMES),
        sampled=400,
        attacker=(
            Attempt("Before anything was forgotten", 1_000, 1_000, False),
            Attempt("After one person was forgotten, on that person's folios", 42, 0, True),
            Attempt("After places of the first days lapsed, on those places", 120_000, 0, True),
            Attempt("After everyone was forgotten", 700_000, 0, True),
        ),
        forgetting_ms=3.42,
        everything_ms=6.9,
        log_entries=64,
        log_verified=True,
        seconds=48.3,
        slot_words="file: key overwritten; does not survive a snapshot of this disk",
        inventory_words="This store is 1 of 1 known places holding such data, 0 not covered.",
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, requests: list[str], tmp_path: Path) -> Iterator[Page]:
    """The report, opened from disk at 320 pixels with every other request noted and cut."""
    path = tmp_path / "report.html"
    path.write_text(render(sample()), encoding="utf-8")
    context = browser.new_context(viewport={"width": 320, "height": 640}, java_script_enabled=True, offline=True)

    def cut(route: Route) -> None:
        requests.append(route.request.url)
        route.abort()

    opened = context.new_page()
    opened.route(lambda url: not url.startswith("file:"), cut)
    opened.goto(path.as_uri())
    yield opened
    context.close()


def test_no_request_leaves(page: Page, requests: list[str]) -> None:
    """Opening the report asks for nothing but the file itself."""
    page.wait_for_load_state("networkidle")

    assert [url for url in requests if not url.startswith("data:")] == []


def test_title_says_what_it_is(page: Page) -> None:
    """The tab names the project and the page."""
    assert page.title() == "unheld demo: what is not held cannot be handed over"


def test_headings_step_down_by_one(page: Page) -> None:
    """One first heading, and no level is skipped: a listener can walk the page."""
    levels = [int(h.evaluate("e => e.tagName[1]")) for h in page.locator("h1,h2,h3,h4,h5,h6").all()]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("width", [320, 360, 768, 1200])
def test_no_sideways_scroll(page: Page, width: int) -> None:
    """At no width has the page to be moved sideways, details opened."""
    page.set_viewport_size({"width": width, "height": 800})
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "seen"), [(320, "narrow"), (1200, "wide")])
def test_every_chart_is_seen_once_and_has_words(page: Page, width: int, seen: str) -> None:
    """Of each chart one size shows, and it is announced in words."""
    page.set_viewport_size({"width": width, "height": 800})
    charts = [c for c in page.locator("figure svg").all() if c.is_visible()]

    assert [c.get_attribute("class") for c in charts] == [seen, seen]
    assert all(c.get_attribute("aria-label") for c in charts)


def test_page_needs_no_script(page: Page) -> None:
    """There is no script in the page."""
    assert page.locator("script").count() == 0


def test_language_is_named(page: Page) -> None:
    """A screen reader knows which voice to take."""
    assert page.locator("html").get_attribute("lang") == "en"


def test_text_has_contrast(page: Page) -> None:
    """Every text stands at 4.5 : 1 or better on its ground (WCAG 2.2, 1.4.3)."""
    worst = page.evaluate(CONTRAST)

    assert worst >= 4.5


CONTRAST = """() => {
  const rgb = c => (c.match(/[0-9.]+/g) || []).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = rgb(c).map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (rgb(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
  let worst = 21;
  const text = 'p, li, th, td, dt, dd, h1, h2, figcaption, caption, summary, span, b, strong';
  for (const e of document.querySelectorAll(text)) {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    worst = Math.min(worst, (a + .05) / (b + .05)); }
  return worst; }"""
