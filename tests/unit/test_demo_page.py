"""Promises of the demo's page and of its tables as text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tests.support.story import sample
from unheld.demo import terminal
from unheld.demo.measures import Measure
from unheld.demo.page import render
from unheld.demo.scenes import SCENES

GOOD, BAD = "Every promise was kept in this run", "Do not rely on this build."
FOUND = Measure(4, "records that the buyer reads", "records", 9, 1, 0)
SHOWN_BY_NOBODY = Measure(4, "records that the buyer reads", "records", 0, 0, 0)


def test_a_kept_promise_is_said_first() -> None:
    """Where everything held, the first heading says so and the failure text is absent."""
    page = render(sample())

    assert GOOD in page
    assert BAD not in page


@pytest.mark.parametrize("broken", [FOUND, SHOWN_BY_NOBODY])
def test_a_broken_promise_is_said_first(broken: Measure) -> None:
    """A row that is not zero, or that the left does not find either: the page says which, and that it is not kept."""
    page = render(sample(broken))

    assert BAD in page
    assert GOOD not in page
    assert f"Scene 4: {broken.measure}" in page


class Fetched(HTMLParser):
    """Every address that a browser would fetch by itself, and all ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            elif name in {"href", "src", "srcset", "action", "data", "xlink:href"} and value:
                (self.links if tag == "a" else self.addresses).append(value)


def test_nothing_is_loaded_from_anywhere() -> None:
    """A browser that opens the page fetches nothing; the sources of what was reported are links, and named."""
    found = Fetched(render(sample()))
    outside = {link for link in found.links if "//" in link}

    assert [address for address in found.addresses if not address.startswith(("data:", "#"))] == []
    assert outside == {item.source[1] for scene in SCENES for item in scene.reported}
    assert "url(http" not in render(sample())


def test_ids_are_unique() -> None:
    """No two elements share an id, charts included."""
    ids = Fetched(render(sample())).ids

    assert len(ids) == len(set(ids))


def test_the_same_figures_make_the_same_page() -> None:
    """The page is drawn from the figures alone."""
    assert render(sample()) == render(sample())


def test_what_was_reported_is_attributed_in_every_scene() -> None:
    """No scene tells of others' doings without saying who reported it and that nobody here checked it."""
    page = render(sample())

    assert page.count("As reported by <a href=") == sum(len(scene.reported) for scene in SCENES) >= len(SCENES)
    assert page.count("We have not checked it.") == page.count("As reported by")


def test_words_are_escaped() -> None:
    """Words of a slot, an inventory or a row are text, never markup."""
    page = render(sample(Measure(2, "<script>x</script>", "people", 1, 0, 0)))

    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "words", ["975,411", "4,381,623", "512.4", "Today is not protected.", "audited", "letter.pdf", "1 not covered"]
)
def test_figures_notes_files_and_limits_stand_in_the_page(words: str) -> None:
    """What was measured, what must be said beside it, what was made and what is not shown stand in plain text."""
    assert words in render(sample())


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    """No line of the tables is wider than 79 characters, whatever the figures."""
    wide = Measure(3, "a row whose words go on and on until they have to be broken somewhere", "party-days", 10**11, 1)

    assert max(map(len, terminal.lines(sample(wide)))) <= terminal.WIDTH


def test_the_table_says_every_row_with_both_sides() -> None:
    """Each row of each scene stands in the terminal's table with its two figures."""
    story = sample()
    text = "\n".join(terminal.lines(story))

    assert all(scene.title in text for scene in SCENES)
    for measure in story.measures:
        line = next(line for line in text.splitlines() if line.startswith(measure.measure))
        assert terminal.figure(measure.left) in line
        assert terminal.figure(measure.right) in line


def test_the_table_marks_a_broken_promise() -> None:
    """A row that is not as promised is marked where it stands, and named at the end."""
    lines = terminal.lines(sample(FOUND))

    assert any(line.startswith(FOUND.measure) and line.endswith("✗") for line in lines)
    assert any("NOT KEPT: scene 4" in line for line in lines)


@pytest.mark.parametrize(
    ("left", "right", "wanted", "kept"),
    [
        (5, 0, 0, True),
        (0, 0, 0, False),
        (None, 0, 0, False),
        (5, 1, 0, False),
        (None, 200, 200, True),
        (None, 199, 200, False),
        (0, 7, None, True),
        (5, None, 0, False),
    ],
)
def test_a_zero_counts_only_beside_a_find(left: int | None, right: int | None, wanted: int | None, kept: bool) -> None:
    """A right that must be zero is kept only where the left shows that the same code finds something."""
    assert Measure(1, "row", "unit", left, right, wanted).kept is kept
