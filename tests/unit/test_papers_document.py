"""The model of a paper: what may be printed of a text, and what a table must have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld.papers.document import Table, printable
from unheld_verify.errors import InternalError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("  two \n lines\tand tabs ", "two lines and tabs"),
        ("ring\x07 and colour \x1b[31m", "ring and colour [31m"),
        ("exe.\u202egnp", "exe. gnp"),
        ("half \ud800 a character", "half a character"),
        ("က\u200bခ", "က\u200bခ"),
    ],
)
def test_what_cannot_be_seen_is_not_printed(text: str, shown: str) -> None:
    """Controls, turned writing and broken characters become spaces; marks that a script needs stay."""
    assert printable(text) == shown


@given(st.text(st.characters(codec=None)))
def test_what_is_printed_is_printed_again(text: str) -> None:
    """A printable text is its own printable text, is one line, and can be written as UTF-8."""
    shown = printable(text)

    assert printable(shown) == shown
    assert len(shown.encode().splitlines()) <= 1


def test_a_row_has_a_cell_for_each_column() -> None:
    """A table with a cell too few is the program's own mistake, found where it is made."""
    with pytest.raises(InternalError, match="another number of cells"):
        Table("counts", ("a", "b"), (("one", "2"), ("two",)))
