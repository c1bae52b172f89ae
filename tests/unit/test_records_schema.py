"""The schema in Python is the table of the spec page."""

from __future__ import annotations

import re
from pathlib import Path

from unheld_branch.records.schema import EVENT_TYPES, FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "spec" / "block.md").read_text("utf-8")


def _page_rows() -> list[tuple[int, str, str, str]]:
    """(number, name, kind, class) of each field on the page; a kind in brackets stands after the last of its fields."""
    rows: list[tuple[int, str, str, str]] = []
    for cell, klass in re.findall(r"^\| (\d.*?) \| (\w+) \|", PAGE, re.MULTILINE):
        for part in cell.split("), "):
            kind = re.search(r"\((\w)", part)
            assert kind
            rows += [(int(n), name, kind[1], klass) for n, name in re.findall(r"(\d+) ([a-z_]+)", part)]
    return rows


def test_fields_are_those_of_the_page() -> None:
    """Every field has the number, kind and class that docs/spec/block.md gives it, and there is no other."""
    ours = [(f.number, "time" if f.name == "datetime" else f.name, f.kind, f.klass) for f in FIELDS]

    assert ours == _page_rows()


def test_event_codes_are_those_of_the_page() -> None:
    """Event types have the codes that docs/spec/block.md gives them."""
    line = next(line for line in PAGE.splitlines() if "2 event_type" in line)

    assert dict(EVENT_TYPES) == {name: int(code) for code, name in re.findall(r"(\d) ([a-z]+)", line.split("|")[3])}
