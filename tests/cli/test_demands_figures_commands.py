"""`demand letter` and `demand report` as their users meet them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.commands import Box, Ended
from unheld.papers import fonts

NUMBER = "+959790000001"


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A store with nothing in it but the demand `filed`."""
    made = Box(tmp_path)
    assert made("init", "--home", "MM", "--custodians", "3", "--threshold", "2").code == 0
    return made


def filed(box: Box, authority: str = "Ministry of Transport") -> str:
    """File a demand; its id."""
    targets = box.folder / "targets.txt"
    targets.write_text(NUMBER)
    words = ("--authority", authority, "--authority-kind", "ministry", "--asks", "location", "--targets", targets)
    ended = box("demand", "receive", *words, "--json")
    assert ended.code == 0, ended
    return str(ended.document["demand"])


def refused(box: Box, authority: str = "Ministry of Transport") -> str:
    """File a demand and refuse it; its id."""
    made = filed(box, authority)
    assert box("demand", "refuse", made, "--code", "DeFactoImpossibility", "--by", "An Officer").code == 0
    return made


def test_a_letter_is_written_twice(box: Box, tmp_path: Path) -> None:
    """A refusal's letter is one HTML and one PDF file in the folder named, and the number is in neither."""
    ended = box("demand", "letter", refused(box), "--out", tmp_path / "out", "--json")

    assert ended.document["files"] == [str(tmp_path / "out" / f"letter.{kind}") for kind in ("html", "pdf")]
    assert "Ministry of Transport" in (tmp_path / "out" / "letter.html").read_text("utf-8")
    assert (tmp_path / "out" / "letter.pdf").read_bytes().startswith(b"%PDF-")
    assert not [path for path in (tmp_path / "out").iterdir() if NUMBER[1:].encode() in path.read_bytes()]


def test_who_sends_it_is_told_that_no_lawyer_has_read_it(box: Box, tmp_path: Path) -> None:
    """The command says that the texts are unreviewed; the letter itself does not."""
    assert "have a lawyer read it" in box("demand", "letter", refused(box), "--out", tmp_path / "out").out
    assert "lawyer" not in (tmp_path / "out" / "letter.html").read_text("utf-8")


def test_the_officer_signs_by_choice(box: Box, tmp_path: Path) -> None:
    """Who refused stands in the letter only where `--signed-by` says so."""
    made = refused(box)
    box("demand", "letter", made, "--out", tmp_path / "a")
    box("demand", "letter", made, "--out", tmp_path / "b", "--signed-by", "An Officer")
    plain, signed = ((tmp_path / name / "letter.html").read_text("utf-8") for name in "ab")

    assert "An Officer" not in plain
    assert "An Officer" in signed


def test_an_open_demand_has_no_letter(box: Box, tmp_path: Path) -> None:
    """Nothing is written for a demand of which nothing is refused."""
    ended = box("demand", "letter", filed(box), "--out", tmp_path / "out")

    assert ended.code == 1
    assert "nothing of it is refused" in ended.err
    assert not (tmp_path / "out").exists()


def test_without_a_font_the_page_stands(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no font has a name's letters, the HTML is written, the error says so and names what to install."""
    made = refused(box, "ဝန်ကြီးဌာန")
    monkeypatch.setattr(fonts, "_find", lambda _: None)
    ended = box("demand", "letter", made, "--out", tmp_path / "out")

    assert ended.code == 1
    assert "letter.html is written" in ended.err
    assert "fonts-sil-padauk" in ended.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.html"]


def test_a_report_is_three_files(box: Box, tmp_path: Path) -> None:
    """The report is a page, a CSV and a JSON file, and the answer begins with refusals."""
    refused(box)
    ended = box("demand", "report", "--out", tmp_path / "out")

    assert ended.out.startswith("1 of 1 demand refused, 0 complied with\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.csv", "report.html", "report.json"]


def test_papers_outlive_the_store(box: Box, tmp_path: Path) -> None:
    """With the store's folder gone, letter and report are the same files as before."""
    made = refused(box)
    box("log", "publish")

    def papers() -> dict[str, bytes]:
        for words in (("letter", made), ("report",)):
            assert box("demand", *words, "--out", tmp_path / "out").code == 0
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    before = papers()
    shutil.rmtree(box.root)

    assert papers() == before


def test_an_outsider_counts_the_log_alone(box: Box, tmp_path: Path) -> None:
    """With a copy of the log and its key, and no store, the same outcomes are counted."""
    refused(box)
    box("log", "publish")
    log = shutil.copytree(box.root.with_name("s.log"), tmp_path / "elsewhere" / "log")
    key = tmp_path / "elsewhere" / "key"
    key.write_text(json.loads((box.root.with_name("s.register") / "genesis.json").read_text())["log_key"] + "\n")
    outsider = Box(tmp_path / "elsewhere")

    def report(by: Box, out: Path, *words: str | Path) -> Ended:
        return by("demand", "report", "--out", out, "--json", *words)

    theirs = report(outsider, tmp_path / "theirs", "--log", log, "--log-key", f"@{key}")
    ours = report(box, tmp_path / "ours")

    assert {**theirs.document, "files": []} == {**ours.document, "files": []}
    assert json.loads((tmp_path / "theirs" / "report.json").read_text())["source"] == "log"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "2026-13-01"), 1, "is not a date"),
        (("--from", "2026-07-02", "--to", "2026-07-01"), 1, "ends before it begins"),
        (("--log", "somewhere"), 2, "needs both --log and --log-key"),
        (("--log-key", "x"), 2, "needs both --log and --log-key"),
    ],
)
def test_bad_words_write_nothing(words: tuple[str, ...], code: int, said: str, box: Box, tmp_path: Path) -> None:
    """A period or a log that cannot be is refused by name, and no file is written."""
    ended = box("demand", "report", "--out", tmp_path / "out", *words)

    assert (ended.code, said in ended.err) == (code, True), ended
    assert not (tmp_path / "out").exists()


def test_an_altered_log_is_told_as_false(box: Box, tmp_path: Path) -> None:
    """The report of a log with a changed opening ends with code 20."""
    refused(box)
    box("log", "publish")
    path = min((box.root.with_name("s.log") / "openings").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"day":"2026-', b'"day":"2025-'))

    assert box("demand", "report", "--out", tmp_path / "out").code == 20
