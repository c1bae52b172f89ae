"""Promises of the receipt page to whoever holds a receipt: on a small phone, by keyboard, in print, in Burmese."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import opened, violations
from tests.support.receipt_page import LOG, NO_WEBCRYPTO, PAPERS, of_page
from unheld import page as receipt_page
from unheld.page import tables
from unheld_verify import canonical, note, proof
from unheld_verify.statement import LEAVES

NUMBER = "tel:+9599990001"
OF_PERSON = {
    made["kind"]: made["receipt"] for made in LOG["receipts"] if made["kind"] in LEAVES and NUMBER in made["says"]
}
LAPSE = next(made["receipt"] for made in LOG["receipts"] if made["kind"] == "lapse")
FORGOTTEN = OF_PERSON["erase-parties"]
BAD = {made["flaw"]: made["receipt"] for made in LOG["bad_receipts"]}
CASES = {
    "verified": FORGOTTEN,
    "false": BAD["another identity"],
    "unknown": BAD["unknown kind"],
    "unreadable": "a letter to my aunt",
}
WIDTHS = [320, 360, 1200]
OTHER_KEY = note.format_key(note.Key("log.example/two", b"\x07" * 32))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(receipt_page.build(LOG["vkey"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tab(browser: Browser, file: Path) -> Iterator[Page]:
    with opened(browser, file) as shown:
        yield shown


@pytest.fixture
def page(tab: Page, file: Path) -> Page:
    """The page as it is when it has just been opened."""
    tab.set_viewport_size({"width": 360, "height": 740})
    tab.emulate_media(media="screen")
    tab.goto(file.as_uri())
    return tab


@pytest.fixture
def keyless(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page that was made for no log."""
    path = tmp_path / "page.html"
    path.write_text(receipt_page.build(), encoding="utf-8")
    with opened(browser, path) as shown:
        yield shown


def give(page: Page, text: str) -> None:
    of_page(page, text.encode())


def paste(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#check")


def burmese(page: Page) -> None:
    page.click("[data-language=my]")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("erase-parties", "The owner of the log stated that this line was forgotten"),
        ("demand-received", "an authority demanded data of this line"),
        ("demand-refused", "a demand on this line was refused."),
        ("demand-narrowed", "a demand on this line was refused in part"),
        ("demand-withdrawn", "a demand on this line was withdrawn"),
    ],
)
def test_claim_in_plain_words(page: Page, kind: str, said: str) -> None:
    """A claimant reads in one sentence what is stated of their line, and that it is the owner who states it."""
    give(page, OF_PERSON[kind])
    expect(page.locator(".hero p").first).to_contain_text(said)
    expect(page.locator(".exact")).to_contain_text(NUMBER)


def test_lapse_in_plain_words(page: Page) -> None:
    """A receipt of a lapse says which days are gone."""
    give(page, LAPSE)
    expect(page.locator(".hero")).to_contain_text("the keys of these days are gone, because their time was over")
    expect(page.locator(".exact")).to_contain_text("contact of 2025-12-06, place of 2025-12-29")


def test_when_is_a_plain_date(page: Page) -> None:
    """The day stands there as a date, as the owner's word, with the size of the log."""
    give(page, FORGOTTEN)
    expect(page.locator("#result")).to_contain_text("2026-01-06. This day is the owner's word.")
    expect(page.locator("#result")).to_contain_text("had 288 entries when it was signed")


@pytest.mark.parametrize(
    ("outcome", "icon"), [("verified", "✓"), ("false", "✗"), ("unknown", "?"), ("unreadable", "!")]
)
def test_outcome_first_in_words_and_sign(page: Page, outcome: str, icon: str) -> None:
    """The outcome leads the result and holds the focus; it is told by words and a sign, not by colour alone."""
    give(page, CASES[outcome])
    heading = page.locator("#result > .hero:first-child h2")
    expect(heading).to_be_focused()
    expect(heading).to_contain_text(tables.english()[f"outcome.{outcome}"])
    expect(heading.locator(".icon")).to_have_text(icon)


def test_steps_tell_their_own_states(page: Page) -> None:
    """Each of the seven steps says whether it was right, false, or not reached."""
    give(page, CASES["false"])
    states = [item.get_attribute("data-state") for item in page.locator("#steps li").all()]
    assert states == [*["verified"] * 5, "false", "none"]
    expect(page.locator("#steps li").nth(6)).to_contain_text("not checked")


def test_false_receipt_shows_no_claim(page: Page) -> None:
    """What a false receipt claims is not repeated as if it were said: no sentence, no day, no raw parts."""
    give(page, FORGOTTEN)
    give(page, CASES["false"])
    assert page.locator(".exact, details pre:visible, #unproven").count() == 0
    expect(page.locator("#result")).not_to_contain_text("9599990009")
    expect(page.locator("#result")).to_contain_text("Nothing is proven by this file.")


@pytest.mark.parametrize(
    "given", ["a letter to my aunt", "\x89PNG\r\n", "%PDF-1.7", "PK\x03\x04", "<!doctype html>", ""]
)
def test_wrong_file_gets_one_sentence(page: Page, given: str) -> None:
    """A file of another kind gets one clear sentence."""
    give(page, given)
    expect(page.locator(".hero p").first).to_have_text("This file is no receipt and no paper of unheld.")


def test_entry_without_opening_is_unknown(page: Page) -> None:
    """A receipt without its statement is not false: the page says what is missing."""
    give(page, BAD["no opening"])
    expect(page.locator("h2#outcome")).to_contain_text("Cannot be checked")
    expect(page.locator(".hero")).to_contain_text("This means neither true nor false.")


def test_key_that_the_reader_types(keyless: Page) -> None:
    """A page made for no log checks with the key that its reader types, also where a message broke it in two."""
    keyless.fill("#key", f" {LOG['vkey'][:30]}\n{LOG['vkey'][30:]}\n")
    give(keyless, FORGOTTEN)
    expect(keyless.locator("#outcome")).to_contain_text("Checked: it agrees with the log")
    expect(keyless.locator("#key-hint")).to_contain_text("A key found beside the file proves nothing.")


@pytest.mark.parametrize("key", ["", "x", LOG["vkey"][:-1]])
def test_missing_key_is_said(keyless: Page, key: str) -> None:
    """Without a right key nothing is checked, and the page says that it is the key."""
    keyless.fill("#key", key)
    give(keyless, FORGOTTEN)
    expect(keyless.locator(".hero p").first).to_contain_text("The key of the log is missing or mistyped.")
    expect(keyless.locator(".hero")).not_to_contain_text("Ask for the file again")
    assert keyless.locator("#steps").count() == 0


def test_key_of_another_log(page: Page) -> None:
    """With another log's key the receipt is false, and the page says that the key may be the reason."""
    page.fill("#key", OTHER_KEY)
    give(page, FORGOTTEN)
    expect(page.locator("#outcome")).to_contain_text("FALSE")
    expect(page.locator(".hero")).to_contain_text("Either the key is of another log, or the receipt is forged.")


def test_another_key_takes_the_result_away(page: Page) -> None:
    """A result belongs to its key: when the key is changed, the result goes, and comes anew on request."""
    give(page, FORGOTTEN)
    page.fill("#key", OTHER_KEY)
    expect(page.locator("#result")).to_be_hidden()
    page.click("#check")
    expect(page.locator("#outcome")).to_contain_text("FALSE")


@pytest.mark.parametrize("change", [str, str.strip, lambda text: text.replace("\n", "\r\n"), "\n {}\n\n".format])
def test_pasted_text(page: Page, change: Callable[[str], str]) -> None:
    """A receipt's text may be pasted; line ends that a message lost or added do no harm."""
    paste(page, change(FORGOTTEN))
    expect(page.locator("#outcome")).to_contain_text("Checked")


def test_pasted_paper(browser: Browser, tmp_path: Path) -> None:
    """A paper is one line of JSON without an end, and may be pasted, too."""
    path = tmp_path / "page.html"
    path.write_text(receipt_page.build(PAPERS["vkey"]), encoding="utf-8")
    with opened(browser, path) as shown:
        paste(shown, PAPERS["papers"][1]["paper"])
        expect(shown.locator("#outcome")).to_contain_text("Checked")


def test_dropped_file(page: Page) -> None:
    """A file dropped anywhere on the page is checked, and the browser does not leave the page for it."""
    drop = """encoded => {
      const carried = new DataTransfer();
      carried.items.add(new File([atob(encoded)], "file"));
      const event = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
      return document.querySelector("footer").dispatchEvent(event);
    }"""
    not_cancelled = page.evaluate(drop, base64.b64encode(FORGOTTEN.encode().replace("—".encode(), b"-")).decode())
    expect(page.locator("#outcome")).to_contain_text("This cannot be read")
    assert not_cancelled is False


def test_clear_leaves_nothing(page: Page) -> None:
    """One press takes the receipt and everything about it off the page, and a later check has nothing to check."""
    paste(page, FORGOTTEN)
    expect(page.locator("#result")).to_contain_text(NUMBER)
    page.click("#forget")
    page.click("#check")
    assert NUMBER not in page.content()
    assert (page.input_value("#text"), page.locator("#result").is_visible()) == ("", False)


def test_nothing_is_stored(page: Page) -> None:
    """After a check nothing is kept in the browser, and the address has not changed."""
    before = page.url
    give(page, FORGOTTEN)
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.url == before
    assert page.evaluate("navigator.serviceWorker ? navigator.serviceWorker.controller : null") is None


def test_statement_with_markup_is_text(page: Page) -> None:
    """What a log's owner writes into a statement stands there as text."""
    said = canonical.decode(proof.parse(FORGOTTEN.encode()).extra)
    made = BAD["unknown kind"].encode()
    parsed = proof.parse(made)
    said["statement"]["kind"] = "<img src=x onerror=alert(1)>"
    forged = proof.Proof(parsed.index, parsed.path, parsed.checkpoint, canonical.encode(said))
    give(page, proof.encode(forged).decode())
    expect(page.locator(".hero")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#result img").count() == 0


def test_without_script_the_page_says_so(browser: Browser, file: Path) -> None:
    """With scripts off the page says that nothing was checked, and what to do; it shows no dead buttons."""
    with opened(browser, file, script=False) as shown:
        expect(shown.locator("#off")).to_contain_text("Nothing was checked.")
        expect(shown.locator("#app")).to_be_hidden()


def test_with_script_that_notice_is_gone(page: Page) -> None:
    """With scripts on the notice is away and the form is there."""
    expect(page.locator("#off")).to_be_hidden()
    expect(page.locator("#app")).to_be_visible()


def test_keyboard_alone(page: Page) -> None:
    """Everything is reached with Tab and done with Enter or Space, in the order of the page."""
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if reached[-1] == "text":
            page.keyboard.insert_text(FORGOTTEN)
    assert [name.split(" ")[0] for name in reached] == [
        *("English", tables.OWN_NAME, "key", "file", "text", "check", "forget"),
        "Licences",
    ]
    page.locator("#check").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#outcome")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Space")
    expect(page.locator("#result details pre")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "my"])
def test_axe_finds_nothing(page: Page, language: str) -> None:
    """axe-core finds nothing in the way, in both languages, before a check and after each, details opened."""
    page.click(f"[data-language={language}]")
    found = violations(page)
    for text in CASES.values():
        give(page, text)
        page.eval_on_selector_all("details", "all => all.forEach(item => item.open = true)")
        found += violations(page)
    assert found == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["en", "my"])
def test_no_sideways_scroll(page: Page, width: int, language: str) -> None:
    """At no width has the page to be moved sideways, details opened."""
    give(page, FORGOTTEN)
    page.click(f"[data-language={language}]")
    page.set_viewport_size({"width": width, "height": 740})
    page.eval_on_selector_all("details", "all => all.forEach(item => item.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_headings_step_down_by_one(page: Page) -> None:
    """One first heading, and no level is skipped: a listener can walk the page."""
    give(page, FORGOTTEN)
    levels = [int(item.evaluate("e => e.tagName[1]")) for item in page.locator("h1,h2,h3:visible").all()]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_fingers_hit_the_buttons(page: Page) -> None:
    """Each button is at least 44 pixels high."""
    heights = [button.bounding_box() for button in page.locator("button").all()]
    assert min(box["height"] for box in heights if box) >= 44


def test_printed_result_stands_alone(page: Page) -> None:
    """On paper the outcome, the claim and its limits stand, without the form for the file."""
    give(page, FORGOTTEN)
    page.emulate_media(media="print")
    expect(page.locator(".hero")).to_be_visible()
    expect(page.locator("#unproven")).to_be_visible()
    expect(page.locator("#text")).to_be_hidden()


@pytest.mark.parametrize("width", WIDTHS)
def test_whole_key_is_seen(page: Page, width: int) -> None:
    """The key stands there whole, to be compared with another, on a small screen and on paper."""
    page.set_viewport_size({"width": width, "height": 740})
    assert page.eval_on_selector("#key", "key => key.scrollHeight <= key.clientHeight")


@pytest.mark.parametrize("outcome", ["", *CASES])
def test_burmese_says_that_it_was_not_reviewed(page: Page, outcome: str) -> None:
    """While Burmese is shown a banner says, in both languages, that no native speaker reviewed it."""
    if outcome:
        give(page, CASES[outcome])
    burmese(page)
    banner = page.locator("#unreviewed")
    expect(banner).to_be_visible()
    expect(banner.locator("[lang=en]")).to_contain_text("has not been reviewed by a native speaker")
    expect(banner.locator("[lang=my]")).to_contain_text(tables.burmese()["unreviewed"])


def test_every_burmese_text_has_its_english_beside_it(page: Page) -> None:
    """No Burmese text stands alone: its English follows it, marked as English."""
    give(page, FORGOTTEN)
    burmese(page)
    shown = page.locator("main [lang=my], h1 [lang=my]").all()
    alone = [item.inner_text() for item in shown if item.evaluate("e => e.nextElementSibling?.lang") != "en"]
    assert alone == []
    assert len(shown) > 20


def test_what_has_no_burmese_is_marked_english(page: Page) -> None:
    """In the Burmese page a text without translation is English by itself, and a screen reader is told so."""
    give(page, FORGOTTEN)
    burmese(page)
    assert page.locator("html").get_attribute("lang") == "my"
    limits = page.locator("#unproven li span")
    assert {item.get_attribute("lang") for item in limits.all()} == {"en"}
    assert page.locator(".exact").get_attribute("lang") == "en"


def test_burmese_has_room_above_and_below(page: Page) -> None:
    """Stacked letters need room: lines of Burmese are at least 1.7 times as high as its letters."""
    give(page, FORGOTTEN)
    burmese(page)
    ratios = page.eval_on_selector_all(
        "main [lang=my], h1 [lang=my]",
        """all => all.map(item => { const style = getComputedStyle(item);
          return parseFloat(style.lineHeight) / parseFloat(style.fontSize); })""",
    )
    assert min(ratios) >= 1.7


def test_burmese_font_is_in_the_file(page: Page) -> None:
    """A phone without a Burmese font shows letters and no boxes: the font is in the file and is used."""
    burmese(page)
    page.evaluate("document.fonts.ready")
    assert page.evaluate("[...document.fonts].map(font => [font.family, font.status])") == [["Padauk", "loaded"]]


def test_languages_change_back(page: Page) -> None:
    """English comes back whole, with the same result, and the buttons say which language is shown."""
    give(page, FORGOTTEN)
    before = page.locator("body").inner_text()
    burmese(page)
    assert page.get_attribute("[data-language=my]", "aria-pressed") == "true"
    page.click("[data-language=en]")
    assert page.locator("body").inner_text() == before
    expect(page.locator("#unreviewed")).to_be_hidden()


def test_later_file_wins(browser: Browser, file: Path) -> None:
    """Two files given in a hurry: the result that stays is of the second."""
    with opened(browser, file, before=NO_WEBCRYPTO) as shown:
        both = """([first, second]) => { for (const text of [first, second]) {
          document.getElementById("text").value = text; document.getElementById("check").click(); } }"""
        shown.evaluate(both, [FORGOTTEN, CASES["false"]])
        expect(shown.locator("#outcome")).to_contain_text("FALSE")
        shown.wait_for_timeout(300)
        expect(shown.locator("#outcome")).to_contain_text("FALSE")
