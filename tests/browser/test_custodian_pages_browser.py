"""A custodian's pages in a browser: small screens, no script, every step by keyboard, nothing in the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.support.browser import violations
from tests.support.ceremony import SEEDS, World, draft
from tests.support.served import Served, founded, invited, served
from unheld_slots import durable
from unheld_slots.places import name_slots
from unheld_verify import columns, signed
from unheld_verify.custody import HEADQUARTERS

DRILL = "0123456789abcdef" * 4
SCREENS = ["", f"request?id={DRILL}", "request?id=practice", "pressure", "history", "settings"]


@contextmanager
def browsing(browser: Browser, running: Served, *, script: bool) -> Iterator[Page]:
    """The pages in a phone's width; leaving fails if they asked for anything elsewhere, or their policy was hurt."""
    seen: list[str] = []
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=script, locale="en")
    page = context.new_page()
    page.on("request", lambda asked: seen.append(asked.url) if not asked.url.startswith(running.link) else None)
    page.on("console", lambda said: seen.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(running.link)
    yield page
    context.close()
    assert [url for url in seen if not url.startswith("data:,")] == []


@pytest.fixture(scope="module")
def looked_at(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Page]]:
    """A custodian with a drill and an invitation waiting; tests only look."""
    with founded(tmp_path_factory.mktemp("looked")) as (world, running):
        world.ask(0, "drill", {"drill": DRILL})
        invited(running, 2)
        with browsing(browser, running, script=True) as page:
            yield running, page


@pytest.fixture(scope="module")
def working(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Served, Page]]:
    """A founded custodian in a browser without script."""
    folder = tmp_path_factory.mktemp("working")
    with founded(folder) as (world, running), browsing(browser, running, script=False) as page:
        yield world, running, page


@pytest.fixture
def at_work(working: tuple[World, Served, Page]) -> tuple[World, Served, Page]:
    """At its first screen again. Each test asks of a set, or gives a drill, of its own."""
    _, running, page = working
    page.goto(running.link)
    return working


@pytest.mark.parametrize("place", SCREENS)
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_stands_in_the_way(looked_at: tuple[Served, Page], place: str, width: int) -> None:
    """axe-core finds nothing on any screen, on a phone's width and on a wide one."""
    running, page = looked_at
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(running.link + place)

    assert violations(page) == []


@pytest.mark.parametrize("place", SCREENS)
@pytest.mark.parametrize(("width", "size"), [(320, 100), (360, 100), (360, 200), (1200, 100), (1200, 200)])
def test_no_sideways_scroll(looked_at: tuple[Served, Page], place: str, width: int, size: int) -> None:
    """At no width and no size of letters has a screen to be moved sideways."""
    running, page = looked_at
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(running.link + place)
    page.evaluate(f"document.documentElement.style.fontSize = '{size}%'")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("place", SCREENS)
def test_a_screen_is_named_and_its_headings_step_down(looked_at: tuple[Served, Page], place: str) -> None:
    """One first heading, no level skipped, the language named, the tab saying what it is; and no script."""
    running, page = looked_at
    page.goto(running.link + place)
    levels = [int(h.evaluate("e => e.tagName[1]")) for h in page.locator("h1,h2,h3,h4").all()]

    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title().startswith(page.locator("h1").inner_text())
    assert page.locator("script").count() == 0


@pytest.mark.parametrize("width", [320, 360, 1200])
@pytest.mark.parametrize("size", [100, 150])
def test_refuse_is_as_large_as_approve(looked_at: tuple[Served, Page], width: int, size: int) -> None:
    """The two have one size and one look, and stand side by side as long as the letters leave room."""
    running, page = looked_at
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{running.link}request?id={DRILL}")
    page.evaluate(f"document.documentElement.style.fontSize = '{size}%'")
    refuse, approve = (box_of(page.get_by_role("button", name=name, exact=True)) for name in ("Refuse", "Approve"))

    assert (refuse["width"], refuse["height"]) == (approve["width"], approve["height"])
    assert size > 100 or refuse["y"] == approve["y"]
    assert refuse["height"] >= 44
    assert len({look_of(page, name) for name in ("Refuse", "Approve")}) == 1


def test_what_can_be_touched_is_large_enough(looked_at: tuple[Served, Page]) -> None:
    """On a phone every button, field and link of the navigation is at least 44 points high."""
    running, page = looked_at
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{running.link}request?id={DRILL}")
    heights = [box_of(one)["height"] for one in page.locator("nav a, button, summary, input:visible").all()]

    assert min(heights) >= 44


def test_a_person_joins_by_reading_and_one_press(browser: Browser, tmp_path: Path) -> None:
    """An invitation is said in one sentence; approving it is what headquarters is then answered with."""
    said = signed.sign(draft(begins=today(), set=2).document(), SEEDS[HEADQUARTERS])
    with served(tmp_path / "held", "--name", "Custodian 0") as running:
        running.handle(said.encode())
        with browsing(browser, running, script=False) as page:
            page.get_by_role("link", name="Look at it").click()
            assert "Will you be one of 3 custodians" in page.locator(".sentence").inner_text()
            page.get_by_role("button", name="Approve", exact=True).click()

            assert page.get_by_role("status").inner_text().startswith("✓")
            assert page.get_by_text("All is well").is_visible()
        assert signed.decode(running.handle(said.encode())).kind == "join"


def test_a_person_refuses_without_a_reason(at_work: tuple[World, Served, Page]) -> None:
    """Refusing asks for nothing; headquarters is answered that this custodian refused."""
    _, running, page = at_work
    said = signed.sign(draft(begins=today(), set=3).document(), SEEDS[HEADQUARTERS])
    running.handle(said.encode())
    page.goto(f"{running.link}request?id={said.digest.hex()}")
    page.get_by_role("button", name="Refuse", exact=True).click()

    assert "You refused it" in page.get_by_role("status").inner_text()
    assert signed.decode(running.handle(said.encode())).kind == "refused"


def test_a_drill_says_that_it_is_one_and_wants_the_words(at_work: tuple[World, Served, Page]) -> None:
    """Wrong words are told and approve nothing; the words that were heard do."""
    world, running, page = at_work
    world.ask(0, "drill", {"drill": DRILL})
    page.goto(f"{running.link}request?id={DRILL}")
    assert page.get_by_text("This is a drill.").first.is_visible()
    assert not page.locator(".words").is_visible()
    page.get_by_label("The words that you heard").fill("these are other words")
    page.get_by_role("button", name="Approve", exact=True).click()
    assert "Nothing has changed" in page.get_by_role("alert").inner_text()
    page.get_by_text("Show my four words").click()
    words = page.locator(".words").inner_text().split()
    page.get_by_label("The words that you heard").fill(" ".join(words).upper())
    page.get_by_role("button", name="Approve", exact=True).click()

    assert world.ask(0, "drill", {"drill": DRILL})["decision"] == "approved"


def test_who_has_answered_is_seen(at_work: tuple[World, Served, Page]) -> None:
    """What headquarters told of the others' answers stands by their names."""
    world, running, page = at_work
    asked = invited(running, 4)
    world.ask(0, "beat", {"day": columns.day_text(today()), "answered": {asked: [1]}})
    page.goto(f"{running.link}request?id={asked}")

    assert page.get_by_role("heading", name="1 of 3 custodians have answered").is_visible()
    assert page.get_by_text("Custodian 1 has answered").is_visible()
    assert page.get_by_text("Custodian 2 has not answered yet").is_visible()


def test_under_pressure_one_press_by_keyboard_freezes(at_work: tuple[World, Served, Page]) -> None:
    """From any screen: to the link with the keyboard, to the button, Enter; the way back is the same."""
    _, running, page = at_work
    page.keyboard.press("Tab")
    assert focused(page).inner_text() == "Go to the text"
    to(page, "Under pressure")
    to(page, "Freeze this custodian")
    assert "Frozen." in page.get_by_role("status").inner_text()
    page.goto(running.link)
    assert page.get_by_role("heading", name="Frozen: nothing is handed out").is_visible()
    page.goto(f"{running.link}pressure")
    to(page, "End the freeze")

    assert page.get_by_text("The freeze is over").is_visible()


def test_answering_needs_the_keyboard_alone(at_work: tuple[World, Served, Page]) -> None:
    """A request is found, opened and refused with Tab and Enter."""
    _, running, page = at_work
    asked = invited(running, 5)
    page.reload()
    to(page, "Look at it")
    to(page, "Refuse")
    page.goto(f"{running.link}request?id={asked}")

    assert page.get_by_text("You refused this.").is_visible()


def test_enter_in_the_field_never_refuses(at_work: tuple[World, Served, Page]) -> None:
    """Who writes the words and presses Enter has approved, with the words."""
    world, running, page = at_work
    drill = DRILL[::-1]
    world.ask(0, "drill", {"drill": drill})
    page.goto(f"{running.link}request?id={drill}")
    page.get_by_label("The words that you heard").fill("wrong words")
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.get_by_role("alert").is_visible()
    assert world.ask(0, "drill", {"drill": drill})["decision"] == ""


def test_practice_shows_how_it_ends(at_work: tuple[World, Served, Page]) -> None:
    """A person can start a drill of their own, and is told that nothing happened."""
    _, running, page = at_work
    page.goto(f"{running.link}settings")
    page.get_by_role("link", name="Start practising").click()
    page.get_by_role("button", name="Refuse", exact=True).click()

    assert "That was practice" in page.get_by_role("status").inner_text()


def test_a_jump_of_the_clock_is_put_to_the_person(browser: Browser, tmp_path: Path) -> None:
    """After months without power the page asks for the date: a wrong one is refused, the right one believed."""
    World.of(tmp_path, 1)
    durable.make_folder(tmp_path / "c0.slot")
    name_slots(tmp_path / "c0.slot", {"custodian": f"file:{tmp_path / '0.slot'}"})
    with served(tmp_path / "c0") as running, browsing(browser, running, script=False) as page:
        page.get_by_role("link", name="Confirm the date").click()
        page.get_by_label("Today's date").fill("2026-07-08")
        page.get_by_role("button", name="Confirm this date").click()
        assert "another date" in page.get_by_role("alert").inner_text()
        page.get_by_label("Today's date").fill(columns.day_text(today()))
        page.get_by_role("button", name="Confirm this date").click()

        assert "The date is confirmed" in page.get_by_role("status").inner_text()
        assert page.get_by_text("Nothing needs to be done").is_visible()


def today() -> int:
    """The day number now."""
    return int(time.time()) // 86_400


def to(page: Page, name: str) -> None:
    """Press Tab until this has the focus, then Enter."""
    for _ in range(30):
        if focused(page).count() and focused(page).inner_text().strip() == name:
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {name} by keyboard")


def focused(page: Page) -> Locator:
    """What has the focus."""
    return page.locator("a:focus, button:focus, summary:focus")


def box_of(one: Locator) -> dict[str, float]:
    """Where it is seen."""
    box = one.bounding_box()
    assert box
    return {"width": box["width"], "height": box["height"], "x": box["x"], "y": box["y"]}


def look_of(page: Page, name: str) -> str:
    """How a button looks."""
    wanted = "e => { const s = getComputedStyle(e); return [s.font, s.color, s.backgroundColor, s.border].join() }"
    return str(page.get_by_role("button", name=name, exact=True).evaluate(wanted))
