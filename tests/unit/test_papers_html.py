"""A paper as HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from tests.support.papers import BURMESE, HOSTILE, MARKUP, every_block
from unheld.papers.html import html


class _Tags(HTMLParser):
    """Collects tags with their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_block_is_written() -> None:
    """Each text of each kind of block stands on the page."""
    text = _Tags(html(every_block())).text

    for words in ("A paper", "A statement", "A limit", "A heading", "A lower one", "Long value", "one", "A table"):
        assert words in text
    assert text.count("The words of a paper.") == 7
    assert "1,009" in text
    assert "The footer of Ministry" in text


def test_hostile_text_makes_no_element() -> None:
    """Markup in names and texts is shown as text; the page has the same tags as with plain words."""
    plain, hostile = _Tags(html(every_block())), _Tags(html(every_block(HOSTILE, name=HOSTILE)))

    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert MARKUP in hostile.text
    assert "{{ 7 * 7 }}" in hostile.text


def test_hostile_text_is_written_as_utf8() -> None:
    """A half of a character, a control or a turning mark never reaches the file."""
    page = html(every_block(HOSTILE, name=HOSTILE))

    assert page.encode()
    assert not {"\x07", "\x1b", "\u202e", "\u2028", "\ud800"} & set(page)


def test_nothing_is_loaded_and_no_script_runs() -> None:
    """No element of the page can ask for anything, and its policy forbids what would."""
    tags = _Tags(html(every_block())).tags
    policy = [attributes["content"] for tag, attributes in tags if attributes.get("http-equiv")]

    assert not {"script", "img", "iframe", "object", "form", "a"} & {tag for tag, _ in tags}
    assert [attributes for tag, attributes in tags if tag == "link"] == [{"rel": "icon", "href": "data:,"}]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_language_and_title_are_the_documents() -> None:
    """A screen reader gets the paper's language, a tab its title."""
    page = html(every_block(name=BURMESE))

    assert '<html lang="en">' in page
    assert f"<title>A paper {BURMESE}</title>" in page


def test_the_same_document_gives_the_same_page() -> None:
    """Nothing of the clock or of the machine is in the page."""
    assert html(every_block()) == html(every_block())
