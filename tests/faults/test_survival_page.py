"""`docs/survival.md` is what happens: its table is held to the table of acts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import acts, databases
from tests.support.acts import ACTS
from tests.support.survival import PAGE, listed, named_steps, rows

pytestmark = pytest.mark.spread

SQLITE = pytest.mark.skipif(databases.kind() != "sqlite", reason="the page names the steps of a store in SQLite")


@SQLITE
@pytest.mark.parametrize("name", ACTS)
def test_the_page_has_every_kind_of_step_of_an_act(tmp_path: Path, name: str) -> None:
    """A step that comes or goes is told on the page: `python -m tests.support.survival` writes it."""
    assert sorted((row.act, row.step) for row in listed() if row.act == name) == sorted(named_steps(tmp_path, name))


@SQLITE
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ACTS)
def test_a_crash_leaves_what_the_page_says(tmp_path: Path, name: str) -> None:
    """Before each kind of step: what stands there, and whether the next open finds the old state or the new."""
    assert sorted(row for row in listed() if row.act == name) == sorted(rows(tmp_path, name))


def test_the_page_says_what_the_next_open_does_with_each_remains() -> None:
    """Whatever the table says is left stands in the list above it."""
    text = PAGE.read_text("utf-8")
    kinds = {kind for row in listed() for kind in row.leaves.split("; ")}
    told = {acts.ORPHAN, acts.ERASING, acts.STATE, acts.STRAYS, acts.NOTHING}

    assert kinds <= told
    assert [kind for kind in sorted(kinds) if f"| *{kind}* |" not in text] == []
