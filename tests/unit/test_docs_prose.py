"""The pages keep their promises: links lead somewhere, words have one meaning, sizes hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """A relative link of a page names a file that exists."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [name for name in targets if "://" not in name and not (page.parent / name).exists()]
    assert broken == []


def test_glossary_defines_each_word_once() -> None:
    """One word, one meaning: no word has two lines in the glossary."""
    cells = re.findall(r"^\| ([^|]+) \|", GLOSSARY, flags=re.MULTILINE)
    words = [word.strip() for cell in cells if cell not in {"word"} for word in cell.split(",")]
    assert sorted(word for word in set(words) if words.count(word) > 1) == []


def test_readme_is_short_and_marks_the_demo() -> None:
    """The README stays under 200 lines and has the one place for the demo's output."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (text.count("\n") < 200, text.count("<!-- demo output -->")) == (True, 1)


def test_readme_says_that_nobody_audited() -> None:
    """The limits stand in the README: copies elsewhere, interception, staff, audit."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    said = ("no copy was made earlier", "interception ports", "staff are safe", "has not been audited")
    assert [phrase for phrase in said if phrase not in text] == []


def test_decisions_are_indexed() -> None:
    """Each decision has its line in the index."""
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    assert pages == set(re.findall(r"\]\((\d{4}-[^)]+)\)", index))
