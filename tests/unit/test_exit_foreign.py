"""What a case folder's texts are searched for: numbers of anybody but the person it is for."""

from __future__ import annotations

import pytest

from unheld.exit import foreign


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 0), ("on 2026-07-01, until 31.12.2026", 0), ("1,234,567 entries", 0), ("a" * 23 + "7" * 9, 0),
        ("0" * 64, 0), ("1234567", 1), ("a\nb\n+95 9 999-0001", 3), ("No.95912345678", 1), ("09 599990001", 0),
        ("+9599990001", 0), ("tel:9599990001", 0), ("9990001", 0), ("19599990001", 1), ("123456", 0),
        ("w+12345678+" + "A" * 44, 0),
        ("95_999_00_02", 1), ("95\u2013999\u201300\u201302", 1), ("95\u00b7999\u00b70002", 1),
        ("a9599990002b", 1), ("dead9599990002", 1), ("95'999'0002", 1), ("12:30:45+00:00", 0),
    ],
)  # fmt: skip
def test_numbers_of_others_are_found_and_nothing_else(text: str, line: int) -> None:
    """Seven digits are a number unless they are a date, a digest, a key, or the person's own."""
    own = "tel:+9599990001" if "0001" in text and not text.startswith("a\n") else ""

    assert foreign.first_line(text, own if text != "+95 9 999-0001" else "") == line


@pytest.mark.parametrize(("text", "line"), [("as 99990002 objected", 0), ("99990002.", 0), ("call +9599990002", 1)])
def test_known_name_hides_no_longer_number(text: str, line: int) -> None:
    """A group whose random name is of digits does not let a number pass that has these digits in it."""
    assert foreign.first_line(text, known=["99990002", "log.example/unheld"]) == line
