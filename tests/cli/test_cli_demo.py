"""`unheld demo`: its answer for people and programs, and what it leaves in its folder for outsiders to check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unheld.cli.surface import DOCUMENTS, ENVELOPE, paths

COMMAND = Path(sys.executable).with_name("unheld")
ROW = {"scene", "measure", "unit", "network_of_2021", "with_unheld", "must_be_zero"}


def demo(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    call = [str(COMMAND), "demo", "--out", str(out), "--subscribers", "60", *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def answer(out: Path) -> dict[str, Any]:
    """The JSON answer of one run, in a folder that an earlier one left."""
    out.mkdir()
    (out / ".unheld-demo").touch()
    (out / "old.html").touch()
    done = demo(out, "--seed", "3", "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def verifier(*words: str) -> subprocess.CompletedProcess[str]:
    call = [str(COMMAND.with_name("unheld-verify")), *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def log_key(out: Path) -> str:
    genesis = json.loads((out / "run" / "with-unheld" / "store" / "genesis.json").read_text("utf-8"))
    return str(genesis["log_key"])


def test_every_row_has_the_same_fields(answer: dict[str, Any]) -> None:
    """A program reads every measure alike, all five scenes are there, and all promises are kept."""
    assert [set(row) for row in answer["measures"]] == [ROW] * len(answer["measures"])
    assert {row["scene"] for row in answer["measures"]} == {1, 2, 3, 4, 5}
    assert answer["kept"] is True


def test_rows_that_must_be_zero_are_and_the_left_finds(answer: dict[str, Any]) -> None:
    """Through the whole command: left above zero and right zero wherever nothing may be there."""
    zero = [row for row in answer["measures"] if row["must_be_zero"]]

    assert len(zero) >= 10
    assert all(row["network_of_2021"] > 0 and row["with_unheld"] == 0 for row in zero)


def test_the_answer_has_no_key_that_is_not_listed(answer: dict[str, Any]) -> None:
    """Every key of the document is in the closed list, and every listed one is there."""
    assert paths(answer) == {*ENVELOPE, *DOCUMENTS["demo"]}


def test_the_files_named_are_there(out: Path, answer: dict[str, Any]) -> None:
    """What the answer names lies in the folder, and the page links to it."""
    page = (out / "index.html").read_text("utf-8")

    assert answer["files"]
    assert all((out / name).is_file() and f'href="{name}"' in page for name in answer["files"])


@pytest.mark.parametrize("place", ["claimant/forgotten.tlog-proof", "certificate/certificate.json", "case-folder"])
def test_outsiders_check_what_the_demo_made(out: Path, answer: dict[str, Any], place: str) -> None:
    """The claimant's receipt, the certificate and the case folder verify with the log's key alone."""
    checked = verifier(str(out / place), "--log-key", log_key(out))

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "VERIFIED" in checked.stdout


def test_a_demo_takes_the_place_of_the_one_before(out: Path, answer: dict[str, Any]) -> None:
    """`make demo` can be run again: nothing of the last run stays among the new files."""
    assert not (out / "old.html").exists()
    assert "seed 3" in (out / "index.html").read_text("utf-8")


def test_only_a_demo_of_before_is_replaced(tmp_path: Path) -> None:
    """A folder that no demo made is never emptied."""
    (tmp_path / "mine.txt").write_text("mine")

    done = demo(tmp_path)

    assert done.returncode == 1
    assert "not an earlier demo's" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_too_few_people_are_refused(tmp_path: Path) -> None:
    """Words that make no network end before anything is written."""
    done = subprocess.run(
        [str(COMMAND), "demo", "--out", str(tmp_path / "demo"), "--subscribers", "3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert not (tmp_path / "demo").exists()
