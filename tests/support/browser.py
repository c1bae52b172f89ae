"""A browser without network for tests of pages, and axe-core (MPL-2.0, never shipped) to ask what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, sync_playwright

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


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium, closed at the end."""
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@contextmanager
def opened(browser: Browser, path: Path, *, width: int = 360, script: bool = True, before: str = "") -> Iterator[Page]:
    """A page from disk, in a browser that is offline; `before` is a script that runs ahead of the page's own.

    Fails at the end if the page asked for anything but its file, or if its script threw or complained.
    """
    seen: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 740}, java_script_enabled=script, offline=True, locale="en"
    )

    def cut(route: Route) -> None:
        seen.append(f"request: {route.request.url}")
        route.abort()

    page = context.new_page()
    page.route(lambda url: not url.startswith(("file:", "data:")), cut)
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("console", lambda message: seen.append(f"console: {message.text}") if message.type == "error" else None)
    if before:
        page.add_init_script(before)
    page.goto(path.as_uri())
    yield page
    context.close()
    assert seen == []


def violations(page: Page) -> list[str]:
    """What axe-core finds: `rule: elements`, for WCAG 2.2 A and AA and its own best practices."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe_source())
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
    return [f"{item['id']}: {[node['target'] for node in item['nodes']]}" for item in found]


@cache
def axe_source() -> str:
    """axe-core, as the locked test package carries it."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
