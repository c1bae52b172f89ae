"""Our own vectors: made anew they are the same bytes, and every receipt in them comes out as it says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from unheld_verify import merkle, note, paper, proof, receipt, statement
from unheld_verify.errors import UnheldError, WrongKeyError

FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS: dict[str, Any] = json.loads((FOLDER / "log.json").read_text())
KEY = note.parse_key(VECTORS["vkey"])


PAPERS: dict[str, Any] = json.loads((FOLDER / "paper.json").read_text())
PAPERS_KEY = note.parse_key(PAPERS["vkey"])


def _maker(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"make_{name}", FOLDER / f"make_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["log", "paper"])
def test_vectors_are_made_again_to_the_same_bytes(name: str) -> None:
    """Fixed seeds give the committed file, byte for byte: no format changed unseen."""
    maker = _maker(name)

    assert maker.encode(maker.make()) == (FOLDER / f"{name}.json").read_text()


def test_root_is_that_of_the_listed_entries() -> None:
    """The signed root is the RFC 6962 root over the entries as listed."""
    signed = note.parse(VECTORS["checkpoint"].encode())

    root = merkle.root([merkle.leaf_hash(bytes.fromhex(entry)) for entry in VECTORS["entries"]])

    assert signed.text == f"{VECTORS['origin']}\n{len(VECTORS['entries'])}\n{note.base64_text(root)}\n"


def test_there_is_a_receipt_of_every_kind() -> None:
    """No kind of statement is without a vector."""
    assert {made["kind"] for made in VECTORS["receipts"]} == set(statement.KINDS)


@pytest.mark.parametrize("made", VECTORS["receipts"], ids=lambda made: made["says"][-40:])
def test_receipt_verifies_in_seven_steps(made: dict[str, Any]) -> None:
    """A good receipt passes the seven steps in their order and says what the vector says."""
    steps: list[int] = []

    verified = receipt.verify(made["receipt"].encode(), KEY, lambda step: steps.append(step.number))

    assert steps == [1, 2, 3, 4, 5, 6, 7]
    assert verified.says == made["says"]


@pytest.mark.parametrize("made", VECTORS["receipts"], ids=lambda made: made["says"][-40:])
def test_every_receipt_says_what_is_not_proven(made: dict[str, Any]) -> None:
    """No kind of receipt speaks without saying what it leaves unproven."""
    words = " ".join(receipt.verify(made["receipt"].encode(), KEY).not_proven)

    for phrase in (
        "keys of this store only",
        "copies elsewhere",
        "testimony",
        "Rollback by the owner is not detectable",
    ):
        assert phrase in words


@pytest.mark.parametrize("bad", VECTORS["bad_receipts"], ids=lambda bad: bad["flaw"])
def test_bad_receipt_fails_at_its_step(bad: dict[str, Any]) -> None:
    """A receipt with one flaw fails at the step that looks for it, as false or as not verifiable."""
    with pytest.raises(UnheldError, match=rf"^step {bad['step']}, ") as caught:
        receipt.verify(bad["receipt"].encode(), KEY)

    assert caught.value.exit_code == bad["exit_code"]


def test_box_opens_with_its_claim_code() -> None:
    """A box of the vectors opens with its claim code to a person's part of a receipt."""
    box = VECTORS["box"]

    party = receipt.open_box(receipt.parse_claim_code(box["claim_code"]), bytes.fromhex(box["box"]))

    assert party.identity == box["identity"]


def test_box_is_noise_to_another_code() -> None:
    """A box tells nothing to who holds another claim code."""
    with pytest.raises(WrongKeyError):
        receipt.open_box(bytes(16), bytes.fromhex(VECTORS["box"]["box"]))


def test_receipt_of_another_log_is_false() -> None:
    """A receipt does not verify under the key of another log, even one of the same name."""
    stranger = note.Key(KEY.name, bytes.fromhex(VECTORS["seed"]))

    with pytest.raises(UnheldError, match="no signature by a given key"):
        receipt.verify(VECTORS["receipts"][0]["receipt"].encode(), stranger)


def test_proofs_read_back() -> None:
    """Every receipt of the vectors is written back to the same bytes."""
    for made in VECTORS["receipts"]:
        assert proof.encode(proof.parse(made["receipt"].encode())) == made["receipt"].encode()


def test_there_is_a_paper_of_every_kind() -> None:
    """No kind of paper is without a vector."""
    assert [made["kind"] for made in PAPERS["papers"]] == list(statement.PAPERS)


@pytest.mark.parametrize("made", PAPERS["papers"], ids=lambda made: made["kind"])
def test_paper_verifies_in_seven_steps(made: dict[str, Any]) -> None:
    """A good paper passes the seven steps in their order, says what the vector says, and is written back the same."""
    data, steps = made["paper"].encode(), list[int]()

    checked = paper.verify(data, PAPERS_KEY, lambda step: steps.append(step.number))

    assert steps == [1, 2, 3, 4, 5, 6, 7]
    assert (checked.says, checked.paper.digest.hex()) == (made["says"], made["digest"])
    assert checked.paper.encode() == data


@pytest.mark.parametrize("bad", PAPERS["bad_papers"], ids=lambda bad: bad["flaw"])
def test_bad_paper_fails_at_its_step(bad: dict[str, Any]) -> None:
    """A paper with one flaw fails at the step that looks for it: false, not verifiable or unreadable."""
    with pytest.raises(UnheldError, match=rf"^step {bad['step']}, ") as caught:
        paper.verify(bad["paper"].encode(), PAPERS_KEY)

    assert caught.value.exit_code == bad["exit_code"]


def test_every_paper_says_what_is_not_proven() -> None:
    """A paper's own word is not taken for truth, and a certificate says whom it does not bind."""
    said = {made["kind"]: paper.verify(made["paper"].encode(), PAPERS_KEY).not_proven for made in PAPERS["papers"]}

    assert all("It does not prove that what the paper says is true" in lines[0] for lines in said.values())
    assert any("does not bind anyone who copied rows" in line for line in said["certificate"])
    assert not any("does not bind anyone who copied rows" in line for line in said["manifest"])


@pytest.mark.parametrize("kind", ["demand-received", "demand-narrowed", "demand-refused", "demand-withdrawn"])
def test_receipt_of_a_demand_says_that_this_line_was_named(kind: str) -> None:
    """Who was named in a demand holds a receipt that says so, and says for their line alone what became of it."""
    texts = [made["receipt"] for made in VECTORS["receipts"] if made["kind"] == kind and "tel:" in made["says"]]

    says = receipt.verify(texts[0].encode(), KEY).says

    assert says.endswith("is a line that this demand named.")
    assert says.count("tel:") == 1
