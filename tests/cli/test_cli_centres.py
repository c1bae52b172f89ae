"""Two data centres by the command line: founded beside each other, told of together, forgetting by one question."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls
from tests.support.commands import Box
from tests.support.journey import RECORDS
from unheld.cli.surface import DOCUMENTS, ENVELOPE, paths
from unheld.testing import textfile


@pytest.fixture
def first(tmp_path: Path) -> Box:
    """Data centre 1 of 2; the folder of the second is beside its own."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    box = Box(tmp_path / "one", FIRST, seconds=86_399)
    assert box("init", "--home", "MM", "--centre", "1/2").code == 0
    return box


def _second(first: Box) -> Box:
    return Box(first.folder.with_name("two"), FIRST, seconds=86_399)


def _founded(first: Box, *words: str) -> Box:
    second = _second(first)
    ended = second("init", "--home", "MM", "--centre", "2/2", "--beside", first.root / "genesis.json", *words)
    assert ended.code == 0, ended.err
    return second


def _listed(words: str, document: dict[str, object]) -> bool:
    known = [item.replace("[]", "[[][]]") for item in (*ENVELOPE, *DOCUMENTS[words])]
    return all(any(fnmatchcase(path, item) for item in known) for path in paths(document))


def test_one_question_forgets_at_both(first: Box, tmp_path: Path) -> None:
    """A plan for each, made together and applied each at its store; `status` tells of both until they are even."""
    second, number = _founded(first), tmp_path / "number.txt"
    number.write_text(ALICE)
    file = textfile.write(calls(Call(ALICE), Call(BOB)), tmp_path / "calls.csv")
    for box in (first, second):
        assert box("day", "open").code == 0
        assert "1 of another data centre's parties" in box("ingest", file, "--mapping", RECORDS).out
    both = ("--other", second.root)
    made = first("--json", "erase", "plan", "--file", number, "--out", tmp_path / "a.plan", *both).document
    uneven = "NOT THE SAME NUMBER OF PLANS APPLIED"
    told = []
    for box, plan in ((first, made), (second, made["others"][0])):
        assert box("erase", "apply", plan["plan"], "--confirm", plan["digest"][:8]).code == 0
        told.append(uneven in first("status", *both).out)
    status = first("--json", "status", *both).document

    assert made["others"][0]["plan"] == str(tmp_path / "a.2.plan")
    assert made["claim_code"] != made["others"][0]["claim_code"]
    assert told == [True, False]
    assert [(one["number"], one["erasures"]) for one in status["centres"]] == [(1, 1), (2, 1)]
    assert status["centre"].startswith("data centre 1 of 2: the other one forgets")
    assert _listed("erase plan", made)
    assert _listed("status", status)


def test_a_plan_for_one_says_that_the_other_is_left(first: Box, tmp_path: Path) -> None:
    """Whoever plans at one store alone is told."""
    number = tmp_path / "number.txt"
    number.write_text(ALICE)
    ended = first("erase", "plan", "--file", number, "--out", tmp_path / "a.plan")

    assert "data centre 1 of 2: the other one forgets by a plan of its own" in ended.out


def test_no_plan_is_made_where_one_cannot_be(first: Box, tmp_path: Path) -> None:
    """A file in the way of the second plan, or a store that is no data centre: none of the plans is written."""
    second, number = _founded(first), tmp_path / "number.txt"
    number.write_text(ALICE)
    (tmp_path / "a.2.plan").write_text("in the way")
    words = ("erase", "plan", "--file", number, "--out", tmp_path / "a.plan", "--other")

    assert (first(*words, second.root).code, first(*words, tmp_path / "none").code) == (2, 10)
    assert not (tmp_path / "a.plan").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--centre", "2/2"), 2, "names its genesis.json with --beside"),
        (("--centre", "1/2", "--beside", "GENESIS"), 2, "names its genesis.json with --beside"),
        (("--beside", "GENESIS"), 2, "belongs to --centre"),
        (("--centre", "two"), 2, "write NUMBER/OF"),
        (("--centre", "1/1"), 1, "of 2 to 16"),
        (("--centre", "3/2", "--beside", "GENESIS"), 1, "numbered from 1"),
        (("--centre", "2/3", "--beside", "GENESIS"), 1, "is not of data centre 1 of 3"),
        (("--centre", "2/2", "--beside", "nowhere.json"), 1, "there is no such file"),
        (("--centre", "2/2", "--beside", "GENESIS", "--lifetime", "charge=30"), 1, "the same lifetimes"),
        (("--centre", "2/2", "--beside", "GENESIS", "--home", "TH"), 1, "the same home"),
    ],
)
def test_a_data_centre_that_does_not_fit_is_not_founded(
    first: Box, words: tuple[str, ...], code: int, said: str
) -> None:
    """The error names the mend, and nothing is made."""
    second = _second(first)
    given = [str(first.root / "genesis.json") if word == "GENESIS" else word for word in words]
    ended = second("init", *(() if "--home" in words else ("--home", "MM")), *given)

    assert (ended.code, list(second.folder.iterdir())) == (code, [])
    assert said in re.sub(r"\s+", " ", ended.err)
