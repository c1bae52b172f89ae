"""The case folder: two programs accept it and catch every change, and nothing of another person is in it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB
from tests.support.cases import SPOILERS, Case, made_case
from tests.support.stores import made_store
from unheld.exit import casefolder, issuing
from unheld_verify import bag, cli, note
from unheld_verify.errors import BadInputError, CannotVerifyError, UnheldError, VerificationError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A deployment whose store is gone."""
    with pytest.MonkeyPatch.context() as patched:
        return made_case(tmp_path_factory.mktemp("case"), patched)


@pytest.fixture(autouse=True)
def _clock(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNHELD_CLOCK", str(case.made.now))


@pytest.fixture(scope="module")
def built(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case folder of alice's with a letter; tests that change it take a copy."""
    letter = tmp_path_factory.mktemp("letters") / "letter.txt"
    letter.write_text(f"On 2026-07-01 my number {ALICE} was named in a demand.\n")
    out = tmp_path_factory.mktemp("built") / "case"
    case.build(out, letters=[letter])
    return out


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the case folder."""
    shutil.copytree(built, tmp_path / "copy")
    return tmp_path / "copy"


def bagit_accepts(folder: Path) -> bool:
    """Whether the bagit library's own command accepts a folder."""
    command = [sys.executable, "-m", "bagit", "--validate", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def ours_accepts(folder: Path, case: Case) -> bool:
    """Whether our verifier accepts a folder."""
    try:
        bag.verify(folder, case.key)
    except UnheldError:
        return False
    return True


def _need_openssl() -> None:
    if shutil.which("openssl") is None:
        assert not os.environ.get("CI"), "openssl is missing: .ci installs it"
        pytest.skip("openssl is not on this machine")


def lines_of(place: Path) -> list[str]:
    """The lines of the manifests that name a path."""
    return [line for path in place.glob("*manifest-*.txt") for line in path.read_text().splitlines()]


def relist(folder: Path) -> None:
    """Write all manifests and the counts of a changed folder anew, as whoever changes it would."""
    for path in (*folder.glob("*manifest-*.txt"), folder / "bag-info.txt", folder / "bagit.txt"):
        path.unlink()
    import bagit  # type: ignore[import-untyped]

    moved = folder.with_name("moved")
    (folder / "data").rename(moved)
    shutil.rmtree(folder)
    moved.rename(folder)
    bagit.make_bag(str(folder), {}, checksums=["sha256", "sha512"])


def test_both_verifiers_accept_it(built: Path, case: Case) -> None:
    """The bagit library's own command and ours accept the folder as it was made."""
    assert bagit_accepts(built)
    assert ours_accepts(built, case)


def test_the_command_tells_of_each_proof_in_it(built: Path, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """`unheld-verify` says what every receipt and paper of a folder says, for people and for programs."""
    assert cli.main([str(built), "--log-key", note.format_key(case.key)]) == 0
    told = capsys.readouterr().out
    assert cli.main([str(built), "--json", "--log-key", note.format_key(case.key)]) == 0
    inside = json.loads(capsys.readouterr().out)["results"][0]["inside"]

    assert inside.keys() == bag.verify(built, case.key).receipts.keys() | bag.verify(built, case.key).papers.keys()
    assert all(f"\n  {path}: " in told for path in inside)


def test_a_paper_is_verified_by_itself(built: Path, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """The command takes a paper for what it is."""
    papers = bag.verify(built, case.key).papers
    path = next(iter(papers))

    assert cli.main([str(built / path), "--log-key", note.format_key(case.key)]) == 0
    assert papers[path].says in capsys.readouterr().out


def test_it_holds_what_the_log_says_and_what_it_says_to_this_person(built: Path, case: Case) -> None:
    """Proofs of everybody's statements, alice's own of the demand, the register's paper, the log and the texts."""
    found = bag.verify(built, case.key)

    kinds = sorted(re.sub(r".*/(\w+)-\d+-(.*)\.tlog-proof", r"\1 \2", path) for path in found.receipts)
    assert kinds == [
        "log demand-received", "log demand-refused", "log erase-everything", "log standstill",
        "party demand-received", "party demand-refused",
    ]  # fmt: skip
    assert [item.paper.kind for item in found.papers.values()] == ["buyer-record"]
    top = {path.name for path in (built / "data").iterdir()}
    texts = {"HOW-TO-VERIFY.txt", "WHAT-THIS-PROVES.txt", "chronology.csv", "receipt.html"}
    assert top == {"log", "proofs", "papers", "letters"} | texts


def test_log_in_it_has_the_public_files_and_no_others(built: Path, case: Case) -> None:
    """A file that somebody left beside the log is not taken along."""
    public = {str(path.relative_to(case.deployment.log)) for path in case.deployment.log.rglob("*") if path.is_file()}
    copied = {str(path.relative_to(built / "data/log")) for path in (built / "data/log").rglob("*") if path.is_file()}

    assert copied <= public
    assert "checkpoint" in copied


def test_nobody_else_is_in_it(built: Path) -> None:
    """No file of alice's folder holds bob's number, in any form that a search would find."""
    for path in built.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert BOB.encode() not in data, path
            assert BOB.removeprefix("+").encode() not in data, path


def test_chronology_tells_every_published_statement_by_date(built: Path) -> None:
    """The table has a line for each statement, with its day, its entry and plain words."""
    rows = list(csv.DictReader((built / "data/chronology.csv").read_text().splitlines()))

    assert [row["day"] for row in rows] == sorted(row["day"] for row in rows)
    assert {"genesis", "open", "erase-everything", "demand-refused", "standstill", "paper"} <= {r["kind"] for r in rows}
    assert any("the keys of every party were destroyed" in row["words"] for row in rows)


def test_texts_say_what_is_proven_and_what_is_not(built: Path) -> None:
    """A reader without tools finds every proof's sentence, and the limits; whose number it is stays in the receipt."""
    text = (built / "data/WHAT-THIS-PROVES.txt").read_text()

    assert ALICE not in text
    assert "the person whom this receipt names in store" in text
    assert "is a line that this demand named." in text
    assert "Rollback by the owner is not detectable" in text
    assert "nothing shows that what they say is true" in text


def test_commands_of_the_text_run_and_verify(built: Path, case: Case) -> None:
    """What HOW-TO-VERIFY.txt tells to type does what it says, line by line, and leaves the folder as it was."""
    _need_openssl()
    text = (built / "data/HOW-TO-VERIFY.txt").read_text()
    script = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    script = script.replace("python3 unheld_proofs.py", f"{sys.executable} {ROOT}/docs/reader/unheld_proofs.py")
    before = {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}

    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=built, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    assert done.stdout.count(": holds: ") == 7
    assert note.format_key(case.key) in text
    assert {path: path.read_bytes() for path in built.rglob("*") if path.is_file()} == before


def test_openssl_refuses_a_changed_checkpoint(copy: Path) -> None:
    """The commands for OpenSSL fail where the log's state is not what its key signed."""
    _need_openssl()
    text = (copy / "data/HOW-TO-VERIFY.txt").read_text().split("3. That")[1].split("4. That")[0]
    script = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    place = copy / "data/log/checkpoint"
    place.write_text(place.read_text().replace("\n32\n", "\n33\n"))

    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=copy, capture_output=True, check=False)

    assert done.returncode != 0


def test_every_changed_file_is_caught_by_both(built: Path, case: Case, tmp_path: Path) -> None:
    """Whichever file is changed by a byte, both verifiers refuse the folder."""
    shutil.copytree(built, tmp_path / "c")
    for path in sorted(item for item in (tmp_path / "c").rglob("*") if item.is_file()):
        whole = path.read_bytes()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        assert not ours_accepts(tmp_path / "c", case), path
        if not path.name.startswith("tagmanifest"):  # a spoilt first line there is another file's line to bagit
            import bagit

            with pytest.raises(bagit.BagError):
                bagit.Bag(str(tmp_path / "c")).validate()
        path.write_bytes(whole)
    assert ours_accepts(tmp_path / "c", case)


@pytest.mark.parametrize("path", ["data/new.txt", "data/log/openings/99.json", "data/proofs/new.tlog-proof"])
def test_added_file_is_caught_by_both(copy: Path, case: Case, path: str) -> None:
    """A file that no manifest lists is refused."""
    (copy / path).write_text("x")

    assert not bagit_accepts(copy)
    assert not ours_accepts(copy, case)


@pytest.mark.parametrize("pattern", ["data/log/checkpoint", "data/proofs/*", "data/papers/*", "data/letters/*"])
def test_removed_file_is_caught_by_both(copy: Path, case: Case, pattern: str) -> None:
    """A listed file that is not there is refused."""
    next(copy.glob(pattern)).unlink()

    assert not bagit_accepts(copy)
    assert not ours_accepts(copy, case)


@pytest.mark.parametrize("spoil", SPOILERS)
def test_what_is_no_case_folder_is_not_read(copy: Path, case: Case, spoil: Callable[[Path], None]) -> None:
    """Links, pipes, files from elsewhere, paths that lead out and unknown forms are refused as unreadable."""
    spoil(copy)

    with pytest.raises(BadInputError, match=r"^step [12], "):
        bag.verify(copy, case.key)


def test_renamed_file_is_false(copy: Path, case: Case) -> None:
    """A file under another name leaves number and bytes as they were, and is still not what is listed."""
    letter = next((copy / "data/letters").iterdir())
    letter.rename(letter.with_name("another.txt"))

    with pytest.raises(VerificationError, match=r"another\.txt is not listed in"):
        bag.verify(copy, case.key)


def test_wrong_count_is_false(copy: Path, case: Case) -> None:
    """A folder that tells of other bytes and files than it holds is false."""
    path = copy / "bag-info.txt"
    path.write_text(re.sub(r"Payload-Oxum: .*", "Payload-Oxum: 1.1", path.read_text()))

    with pytest.raises(VerificationError, match="data/ holds"):
        bag.verify(copy, case.key)


@pytest.mark.parametrize("name", ["bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"])
def test_missing_list_cannot_be_verified(copy: Path, case: Case, name: str) -> None:
    """Without its lists a folder is neither whole nor not."""
    (copy / name).unlink()

    with pytest.raises((CannotVerifyError, VerificationError), match=name):
        bag.verify(copy, case.key)


@pytest.mark.parametrize(
    ("path", "error", "step"),
    [
        ("data/log/private.key", BadInputError, "3, log: data/log/private.key"),
        ("data/proofs/note.txt", BadInputError, "4, proofs: data/proofs/note.txt"),
        ("data/papers/will.pdf", BadInputError, "5, papers: data/papers/will.pdf"),
        ("data/proofs/x.tlog-proof", BadInputError, "4, proofs: data/proofs/x.tlog-proof: step 1, form"),
        ("data/papers/x.json", BadInputError, "5, papers: data/papers/x.json: step 1, form"),
    ],
)
def test_listing_a_file_anew_does_not_make_it_a_proof(
    copy: Path, case: Case, path: str, error: type[UnheldError], step: str
) -> None:
    """With all lists written anew, what is no log file, receipt or paper is still refused by its name."""
    (copy / path).write_text("x")
    relist(copy)

    assert bagit_accepts(copy)
    with pytest.raises(error, match=f"^step {re.escape(step)}"):
        bag.verify(copy, case.key)


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001",
        "tile/7/000",
        "tile/entries/x001/000",
        "tile/0/000.p/31",
        "openings/000.json",
        "openings/\u0661.json",
    ],
)
def test_file_that_a_log_of_this_size_does_not_have_is_refused(copy: Path, case: Case, path: str) -> None:
    """No file of the log goes unread: another person's data could lie in it under a tile's name."""
    (copy / "data/log" / path).parent.mkdir(parents=True, exist_ok=True)
    (copy / "data/log" / path).write_text(f"tel:{BOB}")
    relist(copy)

    with pytest.raises(BadInputError, match=r"^step 3, log: "):
        bag.verify(copy, case.key)


@pytest.mark.parametrize("pair", [("Letter.txt", "letter.txt"), ("\u00e9.txt", "e\u0301.txt")])
def test_paths_that_are_one_elsewhere_are_refused(copy: Path, case: Case, pair: tuple[str, str]) -> None:
    """Two names that some computers take for one are no form of a folder that is carried between computers."""
    for name in pair:
        (copy / "data/letters" / name).write_text("x")
    relist(copy)

    with pytest.raises(BadInputError, match=r"^step 1, form: .* are one name"):
        bag.verify(copy, case.key)


def test_left_out_openings_are_counted_and_no_promise_is_called_kept(copy: Path, case: Case) -> None:
    """Whoever takes the openings of objections away leaves a whole folder; its words do not say that none is there."""
    before = bag.verify(copy, case.key).promises
    for path in (copy / "data/log/openings").iterdir():
        if '"standstill"' in path.read_text():
            path.unlink()
    for path in (copy / "data/proofs").glob("*standstill*"):
        path.unlink()
    relist(copy)

    found = bag.verify(copy, case.key)

    assert (found.promises.standstills, found.promises.closed) == (0, before.closed + 1)
    assert f"nothing is said: {found.promises.closed}" in found.promises.words
    assert any("No promise is shown to be kept" in line for line in found.not_proven)


def test_paper_shows_the_handover_whose_opening_was_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest in the folder is a handover, whatever is left of the log's openings."""
    case = made_case(tmp_path / "s", monkeypatch, broken=True)
    case.build(tmp_path / "out")
    for path in (tmp_path / "out/data/log/openings").iterdir():
        if '"manifest"' in path.read_text() or '"standstill"' in path.read_text():
            path.unlink()
    relist(tmp_path / "out")

    assert len(bag.verify(tmp_path / "out", case.key).promises.broken) == 1


def test_certificate_of_a_store_that_went_on_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of an early erasure holds, and verifier and text say that it covers nothing that came after."""
    made = made_store(tmp_path / "s")
    monkeypatch.setenv("UNHELD_CLOCK", str(made.now))
    made.open_day(date(2026, 7, 1))
    made.everything()
    made.publish()
    said = next(o.statement for _, o in issuing.openings(made.deployment) if o.statement["kind"] == "erase-everything")
    destroyed = {name: said[name] for name in ("day", "slots", "copies")}
    body = {"title": "Keys of this store destroyed", "destroyed": destroyed}
    issuing.issue(made.deployment, issuing.draft(made.deployment, "certificate", body))
    made.set_clock(date(2026, 7, 2))
    made.open_day(date(2026, 7, 2))
    made.publish()
    key = made.deployment.log_key()
    casefolder.build(
        tmp_path / "out", casefolder.Wanted(log=made.deployment.log, key=key, deployment=made.deployment), "2026-07-02"
    )

    line = bag.verify(tmp_path / "out", key).not_proven[0]

    assert re.match(r"data/papers/certificate-\w+\.json: the store went on after the erasure", line)
    assert "the store went on after the erasure" in (tmp_path / "out/data/WHAT-THIS-PROVES.txt").read_text()


def test_changed_log_is_false_though_listed_anew(copy: Path, case: Case) -> None:
    """Lists can be written anew, the log's signature cannot."""
    path = copy / "data/log/tile/0/000.p/32"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    relist(copy)

    with pytest.raises(VerificationError, match=r"^step 3, log: step 2, entries: tile"):
        bag.verify(copy, case.key)


def test_another_persons_receipt_is_refused_though_listed_anew(copy: Path, case: Case) -> None:
    """A folder with receipts of two persons is refused, and names files, not numbers."""
    case.receipt(copy / "data/proofs/other.tlog-proof", case.bob)
    relist(copy)

    with pytest.raises(BadInputError, match=r"another person's receipt.*other\.tlog-proof") as caught:
        bag.verify(copy, case.key)
    assert BOB not in str(caught.value)


def test_receipts_of_two_persons_make_no_folder(case: Case, tmp_path: Path) -> None:
    """Whoever gives another person's receipt gets no folder and no debris."""
    other = case.receipt(tmp_path / "bob.tlog-proof", case.bob)

    with pytest.raises(BadInputError, match="more than one person"):
        case.build(tmp_path / "out", receipts=[other])
    assert [path.name for path in tmp_path.iterdir()] == ["bob.tlog-proof"]


@pytest.mark.parametrize("text", [f"call {BOB}", "or 0 9 5 9 1 2 3 4 5", "၀၉၇၂၁၂၃၄၅၆၇", "tel:+9599990001"])
def test_letter_with_another_number_makes_no_folder(case: Case, tmp_path: Path, text: str) -> None:
    """A number of somebody else in a letter is refused with file and line, and is not repeated."""
    (tmp_path / "letter.txt").write_text(f"first line\n{text}\n")

    with pytest.raises(BadInputError, match=r"letter\.txt: line 2 holds a number") as caught:
        case.build(tmp_path / "out", letters=[tmp_path / "letter.txt"])
    assert text not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_letter_is_named_plainly(case: Case, tmp_path: Path) -> None:
    """A letter's name is looked at too: it may hold a number, or signs that lists cannot write."""
    for name in (f"{BOB.removeprefix('+')}.txt", ".hidden", "a%0Ab.txt", "letter.txt ", "letter."):
        (tmp_path / name).write_text("x")
        with pytest.raises(BadInputError):
            case.build(tmp_path / "out", letters=[tmp_path / name])


@pytest.mark.parametrize("pair", [("Letter.txt", "letter.txt"), ("\uac00.txt", "\u1100\u1161.txt")])
def test_letters_that_are_one_file_elsewhere_make_no_folder(case: Case, tmp_path: Path, pair: tuple[str, str]) -> None:
    """Where names differ by capitals or by Unicode's spelling alone, a court's computer would keep one of the two."""
    for name in pair:
        (tmp_path / name).write_text("x")

    with pytest.raises(BadInputError, match="two letters of that name"):
        case.build(tmp_path / "out", letters=[tmp_path / name for name in pair])


def test_letter_that_no_program_reads_is_told(case: Case, tmp_path: Path) -> None:
    """A picture or PDF goes in, and whoever makes the folder is told to look at it."""
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7 0000000015 00000 n")

    made = case.build(tmp_path / "out", letters=[tmp_path / "scan.pdf"])

    assert made.unread == ["letters/scan.pdf"]


def test_folder_without_a_person_holds_public_proofs_alone(case: Case, tmp_path: Path) -> None:
    """Made for nobody, from nothing but the log and its key, the folder verifies and names nobody."""
    case.build(tmp_path / "out", party=None, deployment=None)

    found = bag.verify(tmp_path / "out", case.key)
    assert {item.party for item in found.receipts.values()} == {None}
    assert found.papers == {}


def test_folder_that_is_not_empty_is_left_alone(case: Case, tmp_path: Path) -> None:
    """A folder with something in it is refused and keeps what it has."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")

    with pytest.raises(UnheldError, match="not empty"):
        case.build(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_broken_promise_is_a_finding_and_the_folder_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handover within a standstill is told in the folder and by the verifier, and the folder verifies."""
    case = made_case(tmp_path / "s", monkeypatch, broken=True)
    built = case.build(tmp_path / "out")

    found = bag.verify(tmp_path / "out", case.key)

    assert len(built.broken) == len(found.promises.broken) == 1
    assert "FINDING: A promise was broken" in (tmp_path / "out/data/WHAT-THIS-PROVES.txt").read_text()


def test_receipt_of_another_history_is_false(case: Case, copy: Path, tmp_path: Path) -> None:
    """A receipt under a checkpoint that the folder's log does not continue shows two histories, and is false."""
    fork = tmp_path / "fork"
    from unheld_branch.log.tiles import LogWriter
    from unheld_verify import receipt, statement

    writer = LogWriter.create(fork, case.deployment.seed("log"), case.key.name)
    opening = statement.commit(statement.make(case.key.name, "claim-answered", "2026-07-01"))
    writer.append(0, [opening.entry])
    shown = writer.prove(0)
    data = receipt.encode(opening, None, 0, shown.path, shown.checkpoint)
    (copy / "data/proofs/fork.tlog-proof").write_bytes(data)
    relist(copy)

    with pytest.raises(VerificationError, match="two histories"):
        bag.verify(copy, case.key)
