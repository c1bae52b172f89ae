"""Promises of the receipt page as a file: one piece, closed, reproducible, and with one source for its words."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import in_process
from unheld import page
from unheld.page import tables
from unheld_verify import note, statement, words
from unheld_verify.errors import BadInputError, InternalError

KEY = "log.example/unheld+9514d771+AZjq12oLUpCwPt7hkOPCCMMuWA90537ee5Jqzxar9mFn"
SOURCE = Path(page.__file__).parent
SCRIPTS = "".join(path.read_text("utf-8") for path in sorted((SOURCE / "js").glob("*.js")))
PLACES = re.compile(r"\{(\w+)\}")


class _Tags(HTMLParser):
    """Every tag with its attributes, and the text of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, str] = {}
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_data(self, data: str) -> None:
        if self._within in {"style", "script"}:
            self.inline[self._within] = self.inline.get(self._within, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def policy(self) -> dict[str, str]:
        content = next(given["content"] for _, given in self.tags if "http-equiv" in given)
        return dict(rule.split(" ", 1) for rule in str(content).split("; "))


@pytest.fixture(scope="module")
def text() -> str:
    return page.build(KEY)


@pytest.fixture(scope="module")
def tags(text: str) -> _Tags:
    return _Tags(text)


def test_same_input_same_page(text: str) -> None:
    """Whoever builds the page for a log gets the same bytes and can compare them."""
    assert page.build(KEY) == text


def test_page_is_small(text: str) -> None:
    """It can be sent over Bluetooth or a slow line: less than 150 kB."""
    assert len(text.encode()) < 150_000


@pytest.mark.parametrize("kind", ["script", "style"])
def test_only_its_own_script_and_style_run(tags: _Tags, kind: str) -> None:
    """The policy names the digest of the one script and the one style, and nothing else runs."""
    digest = base64.b64encode(hashlib.sha256(tags.inline[kind].encode()).digest()).decode()
    assert [tag for tag, _ in tags.tags].count(kind) == 1
    assert tags.policy()[f"{kind}-src"] == f"'sha256-{digest}'"


def test_policy_allows_no_connection(tags: _Tags) -> None:
    """What the policy does not name is refused: no connection, no frame, no worker, no form."""
    policy = tags.policy()
    assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert set(policy) == {
        *("default-src", "script-src", "style-src", "font-src", "img-src", "base-uri", "form-action"),
        "require-trusted-types-for",
    }


def test_nothing_is_fetched(tags: _Tags) -> None:
    """No tag and no style rule names an address that a browser would ask for."""
    named = [value for _, given in tags.tags for name, value in given.items() if name in {"src", "href", "action"}]
    assert named == ["data:,"]
    assert re.findall(r"url\((?!data:)|@import", tags.inline["style"]) == []
    assert [tag for tag, _ in tags.tags if tag in {"iframe", "img", "object", "embed", "form", "base"}] == []


@pytest.mark.parametrize(
    "word",
    [
        *("fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "RTCPeer", "import(", "Worker"),
        *("localStorage", "sessionStorage", "indexedDB", "cookie", "caches", "innerHTML", "eval(", "new Function"),
    ],
)
def test_script_neither_sends_nor_keeps(tags: _Tags, word: str) -> None:
    """The script has no word with which a page sends or keeps anything, or makes markup of text."""
    assert word not in tags.inline["script"]


def test_title_and_icon_are_neutral(text: str) -> None:
    """A tab, a history or a glance at a phone does not tell what was checked."""
    assert re.findall("<title>(.*?)</title>", text) == ["Check a file"]
    assert '<link rel="icon" href="data:,">' in text


def test_page_says_for_which_log_it_was_made(text: str) -> None:
    """A page with a key in it names the log and says whence a key has to come."""
    assert "This page was made for the log</span> <b>log.example/unheld</b>" in text
    assert "A key found beside the file proves nothing." in text


def test_page_without_key_asks_for_it() -> None:
    """Without a key no log is named and the field is empty."""
    made = page.build()
    assert 'aria-describedby="key-hint"></textarea>' in made
    assert 'data-say="key.made_for"' not in made


def test_key_cannot_bring_markup() -> None:
    """A log's name that is markup stands in the page as text."""
    key = note.format_key(note.Key("<i>x</i>\"'", b"\x07" * 32))
    assert "<i>" not in page.build(key)


@pytest.mark.parametrize("key", ["x", KEY[:-1], KEY.replace("9514", "9515"), "@file", " " + KEY])
def test_no_key_no_page(key: str) -> None:
    """A mistyped key fails the build, not the reader."""
    with pytest.raises(BadInputError):
        page.build(key)


@pytest.mark.parametrize("licence", ["noble-ed25519", "noble-hashes", "padauk"])
def test_licences_travel_with_the_file(text: str, licence: str) -> None:
    """The licence of everything vendored stands in the page."""
    said = (SOURCE / "vendor" / f"LICENSE-{licence}").read_text("utf-8")
    assert said.splitlines()[-1] in text


@pytest.mark.parametrize("name", sorted(statement.shapes()))
def test_every_field_has_a_check(name: str) -> None:
    """The script has a check for every field of every statement."""
    made = tables.shape(statement.shapes()[name])
    assert re.search(rf"^  {made['check']}:", SCRIPTS, flags=re.MULTILINE) or f"  {made['check']}," in SCRIPTS


def test_unknown_shape_fails_the_build() -> None:
    """A field of a new form cannot slip into the page unchecked."""
    with pytest.raises(InternalError, match="a colour"):
        tables.shape("a colour")


@pytest.mark.parametrize("kind", sorted(statement.KINDS))
def test_words_come_from_the_verifier(kind: str) -> None:
    """A statement's sentence and what it does not prove are those of unheld_verify, by filling in its values."""
    values = {name: f"<{name}>" for name in statement.KINDS[kind]}
    said = tables.english()
    filled = PLACES.sub(lambda found: values[found[1]], said[f"says.{kind}"])
    limits = [said[key] for key in (f"unproven.{kind}", *(f"unproven.{n}" for n in range(len(words.NOT_PROVEN))))]
    assert (filled, tuple(limits)) == (words.says({"kind": kind} | values), words.not_proven(kind))


def test_script_and_catalogue_know_the_same_keys() -> None:
    """No text is missing and none is left over."""
    template = (SOURCE / "page.html.j2").read_text("utf-8")
    plain = set(re.findall(r'"((?:[a-z_]+\.)*[a-z_.0-9-]+)"', template + SCRIPTS))
    failures = {f"why.{name}" for name in re.findall(r'(?:untrue|unknown|unreadable)\("(\w+)"', SCRIPTS)}
    states = ("verified", "false", "unknown", "unreadable", "none")
    made = {f"{group}.{state}" for group in ("outcome", "state") for state in states} - {"outcome.none"}
    made |= {f"next.{state}" for state in ("false", "unknown", "unreadable")}
    made |= {f"{prefix}step.{number}" for prefix in ("", "paper.") for number in range(1, 8)}
    made |= {f"among.{leaf}" for leaf in statement.LEAVES.values()}
    own: dict[str, str] = json.loads((SOURCE / "en.json").read_text("utf-8"))
    used = failures | made | {key for key in own if key.startswith("plain.")} | (plain & set(own))
    assert used == set(own)


def test_plain_words_are_of_known_kinds() -> None:
    """Every short claim belongs to a kind that exists."""
    keys = [key.split(".")[1] for key in tables.english() if key.startswith("plain.")]
    assert set(keys) - {"other"} <= set(statement.KINDS)


def _burmese() -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = json.loads((SOURCE / "my.json").read_text("utf-8"))
    return made


@pytest.mark.parametrize("key", sorted(_burmese()))
def test_burmese_is_of_todays_english(key: str) -> None:
    """Each Burmese text names the English it translates, keeps its places for values, and says if it was reviewed."""
    entry = _burmese()[key]
    assert tables.english()[key] == entry["en"]
    assert sorted(PLACES.findall(entry["my"])) == sorted(PLACES.findall(entry["en"]))
    assert entry["reviewed"] is False


def test_changed_english_drops_its_burmese(monkeypatch: pytest.MonkeyPatch) -> None:
    """A translation of words that have changed is not shown: the new English stands alone."""
    changed = tables.english() | {"when": "On which day"}
    monkeypatch.setattr(tables, "english", lambda: changed)
    assert "when" not in tables.burmese()
    assert "unproven" in tables.burmese()


@pytest.mark.parametrize("path", sorted(SOURCE.glob("js/*.js")), ids=lambda path: path.name)
def test_scripts_are_in_the_page(text: str, path: Path) -> None:
    """Each part of the source stands in the page as it is written, for whoever reads it there."""
    assert path.stem in page.SCRIPTS
    assert path.read_text("utf-8") in text


def test_command_writes_the_page(tmp_path: Path) -> None:
    """`unheld receipt page` writes the page for a log's key, also from a file, and says what it is for."""
    (tmp_path / "key").write_text(KEY + "\n")
    ended = in_process(["receipt", "page", "--out", str(tmp_path / "a.html"), "--log-key", f"@{tmp_path / 'key'}"])
    assert ended.code == 0
    assert "made for the log log.example/unheld" in ended.out
    assert (tmp_path / "a.html").read_text("utf-8") == page.build(KEY)


def test_command_without_key(tmp_path: Path) -> None:
    """Without a key the page is written and the answer says that it asks."""
    ended = in_process(["receipt", "page", "--out", str(tmp_path / "a.html")])
    assert ended.code == 0
    assert "asks its reader" in ended.out


def test_command_with_a_bad_key_writes_nothing(tmp_path: Path) -> None:
    """A key that is none ends the command, and no file is there."""
    ended = in_process(["receipt", "page", "--out", str(tmp_path / "a.html"), "--log-key", "x"])
    assert ended.code == 1
    assert not (tmp_path / "a.html").exists()
