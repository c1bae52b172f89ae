"""`unheld casefolder` as a claimant types it: with the store, without it, and with nothing but log and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB
from tests.support.cases import Case, made_case
from tests.support.commands import Ended, in_process
from unheld_verify import bag, note, receipt


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A deployment whose store is gone."""
    return made_case(tmp_path / "d", monkeypatch)


def run(case: Case, *words: str | Path, store: bool = True) -> Ended:
    """Run `unheld casefolder`, for this deployment or for none."""
    named = ("--store", str(case.made.root)) if store else ()
    return in_process([*named, "--no-input", "casefolder", *map(str, words)])


def boxed(case: Case, folder: Path) -> tuple[Path, Path]:
    """Alice's box and the file with its claim code."""
    code = receipt.new_claim_code()
    (folder / "alice.box").write_bytes(receipt.seal_box(code, case.alice))
    (folder / "code.txt").write_text(receipt.format_claim_code(code) + "\n")
    return folder / "alice.box", folder / "code.txt"


def test_box_and_code_make_a_folder_without_the_store(case: Case, tmp_path: Path) -> None:
    """Who holds a box and its code gets every receipt of theirs, though the store is gone."""
    box, code = boxed(case, tmp_path)

    done = run(case, "--box", box, "--code", f"@{code}", "--out", tmp_path / "out", "--json")

    assert (done.code, done.err) == (0, "")
    assert (done.document["proofs"], done.document["papers"], done.document["waiting"]) == (6, 1, [])
    found = bag.verify(tmp_path / "out", case.key)
    assert {item.party.identity for item in found.receipts.values() if item.party} == {f"tel:{ALICE}"}


def test_log_and_key_are_enough(case: Case, tmp_path: Path) -> None:
    """A claimant with a receipt and a copy of the public log needs no deployment."""
    given = case.receipt(tmp_path / "mine.tlog-proof", case.alice)
    key = note.format_key(case.key)

    done = run(
        case, "--receipt", given, "--log", case.deployment.log, "--log-key", key, "--out", tmp_path / "out", store=False
    )  # fmt: skip

    assert done.code == 0, done.err
    assert len(bag.verify(tmp_path / "out", case.key).receipts) == 5


def test_paper_and_letters_go_in(case: Case, tmp_path: Path) -> None:
    """A paper with its proofs and letters are in the folder, and a letter that nobody read is told."""
    run(case, "--out", tmp_path / "first")
    paper = next((tmp_path / "first/data/papers").iterdir())
    (tmp_path / "a.txt").write_text("to the court")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7")

    letters = ("--letter", tmp_path / "a.txt", "--letter", tmp_path / "b.pdf")
    done = run(case, "--paper", paper, *letters, "--out", tmp_path / "out")

    assert done.code == 0, done.err
    assert "4 proofs, 1 paper, 2 letters" in done.out
    assert "look for numbers of others in it yourself, no program read it: letters/b.pdf" in done.out
    assert {path.name for path in (tmp_path / "out/data/letters").iterdir()} == {"a.txt", "b.pdf"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--log", "https://log.example/x"], 1, "give its folder"),
        (["--code", "@x"], 2, "give --box too"),
        (["--box", "nowhere.box"], 1, "there is no such box"),
        (["--receipt", "nowhere.tlog-proof"], 21, "cannot be read"),
        (["--paper", "nowhere.json"], 21, "cannot be read"),
        (["--letter", "nowhere.txt"], 21, "cannot be read"),
        (["--log", "nowhere"], 21, "cannot be read"),
        (["--log-key", "nonsense"], 1, "no verifier key"),
    ],
)
def test_wrong_words_make_nothing(case: Case, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    """What cannot be had is named, and no folder is begun."""
    done = run(case, *words, "--out", tmp_path / "out")

    assert done.code == code
    assert said in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_another_persons_receipt_makes_nothing(case: Case, tmp_path: Path) -> None:
    """Box of one person and receipt of another: refused, without a number on the screen."""
    box, code = boxed(case, tmp_path)
    given = case.receipt(tmp_path / "bob.tlog-proof", case.bob)

    done = run(case, "--box", box, "--code", f"@{code}", "--receipt", given, "--out", tmp_path / "out")

    assert done.code == 1
    assert "more than one person" in done.err
    assert BOB.removeprefix("+") not in done.err + done.out
    assert not (tmp_path / "out").exists()


def test_spoilt_paper_of_the_register_is_named(case: Case, tmp_path: Path) -> None:
    """A file among the register's papers that is no paper is named, and nothing is made."""
    (case.deployment.register / "papers" / "x.json").write_text("{}")

    done = run(case, "--out", tmp_path / "out")

    assert done.code == 1
    assert "x.json" in done.err
    assert not (tmp_path / "out").exists()
