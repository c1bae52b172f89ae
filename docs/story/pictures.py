"""Makes the pictures of docs/story.md from the page of a demo: `python docs/story/pictures.py [demo/index.html]`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_HERE = Path(__file__).parent
_FLAGS = ["--no-sandbox", "--disable-gpu"]


def main(page: Path) -> None:
    """One picture a scene, as a reader sees it on a screen of 900 points."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=_FLAGS)
        shown = browser.new_page(viewport={"width": 900, "height": 900}, color_scheme="light")
        shown.goto(page.absolute().as_uri())
        for scene in range(1, 6):
            shown.locator(f"section[aria-labelledby=scene-{scene}]").screenshot(path=_HERE / f"scene-{scene}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else "demo/index.html"))
