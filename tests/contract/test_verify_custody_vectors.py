"""The vectors of custody, set and grant, read by a second implementation written from the pages, and by the code."""

from __future__ import annotations

import ast
import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import second_custody as second
from unheld_verify import custody, grant, roster, signed, spoken
from unheld_verify.custody import Address
from unheld_verify.errors import StateError

VECTORS = Path(__file__).parents[2] / "vectors"
CUSTODY, SET, GRANT = (json.loads((VECTORS / f"{name}.json").read_text()) for name in ("custody", "set", "grant"))
SETS: list[dict[str, Any]] = SET["sets"]
raw = bytes.fromhex


def test_the_second_implementation_imports_nothing_of_ours() -> None:
    """It is written from the pages: the standard library and cryptography, and no code under test."""
    tree = ast.parse(Path(second.__file__).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"cryptography"}


@pytest.mark.parametrize("vector", SETS, ids=lambda vector: f"n={len(vector['custodians'])}")
def test_a_founded_set_is_read_from_the_page(vector: dict[str, Any]) -> None:
    """Digests, words and the chains of each custodian follow from the founded set as the page says."""
    found = second.founded(second.parsed(vector["founded"].encode()))

    assert (found.roster.hex(), found.transcript.hex(), found.words) == (
        vector["roster"], vector["transcript"], vector["words"],
    )  # fmt: skip
    for index, one in enumerate(vector["custodians"]):
        own = {int(s): raw(seed) for s, seed in one["seeds"].items()}
        made = second.chains(found, index, own, raw(one["transport"]))
        assert {str(s): chain.hex() for s, chain in made.items()} == one["chains"]


@pytest.mark.parametrize("vector", SETS, ids=lambda vector: f"n={len(vector['custodians'])}")
def test_numbers_follow_from_signing_seeds(vector: dict[str, Any]) -> None:
    """The number that a custodian tells is that of its signing seed."""
    deals = json.loads(vector["founded"])["document"]["transcript"]["document"]["deals"]
    told = [deal["document"]["number"] for deal in deals]
    assert told == [second.number(raw(one["sign_seed"])).hex() for one in vector["custodians"]]


@pytest.mark.parametrize("vector", SETS, ids=lambda vector: f"n={len(vector['custodians'])}")
def test_the_code_reads_the_founded_set(vector: dict[str, Any]) -> None:
    """The committed set is still founded for the code, with the same words and chains."""
    said = signed.decode(vector["founded"].encode(), "founded")
    script = signed.from_json(said.document["transcript"], "transcript")

    assert roster.founded_of(said)[1] == tuple(range(len(vector["custodians"])))
    assert " ".join(spoken.words(roster.spoken_digest(script))) == vector["words"]
    for index, one in enumerate(vector["custodians"]):
        own = {int(s): raw(seed) for s, seed in one["seeds"].items()}
        made = roster.receive(script, index, own, raw(one["transport"]))
        assert {str(s): chain.hex() for s, chain in made.items()} == one["chains"]


def test_a_letter_is_read_from_the_page() -> None:
    """Door, letter and ask of the vectors are what the page says, for the second implementation."""
    door = second.door(second.parsed(CUSTODY["door"].encode()), raw(CUSTODY["custodian"]))
    letter = second.parsed(CUSTODY["letter"].encode())

    asked = second.ask(letter, raw(CUSTODY["door_private"]), door, raw(CUSTODY["branch"]))

    assert second.jcs({"document": asked.document, "signature": base64.b64encode(asked.signature).decode()}) == (
        CUSTODY["ask"].encode()
    )
    assert (asked.digest.hex(), second.address(letter, "to").hex()) == (CUSTODY["ask_digest"], CUSTODY["address"])


def test_answers_are_read_from_the_page() -> None:
    """Each answer of the vectors opens to its body under the reply key of its ask."""
    asked = second.said(second.parsed(CUSTODY["ask"].encode()), "ask")
    for one in CUSTODY["answers"]:
        value = second.parsed(one["answer"].encode())
        body = second.answered(value, asked, raw(CUSTODY["reply_private"]), raw(CUSTODY["custodian"]))
        assert body == one["body"]


def test_the_code_reads_letters_and_answers() -> None:
    """The committed letter and answers are still read by the code; a refusal is raised as what it is."""
    address = Address(bytes(range(16)), 1, 2)
    ask = custody.open_letter(json.loads(CUSTODY["letter"]), address, raw(CUSTODY["door_private"]))
    good, bad = (one["answer"].encode() for one in CUSTODY["answers"])
    keys = raw(CUSTODY["custodian"]), raw(CUSTODY["reply_private"])

    assert ask.encode().decode() == CUSTODY["ask"]
    assert custody.open_answer(good, ask, address, *keys) == CUSTODY["answers"][0]["body"]
    with pytest.raises(StateError, match="is over"):
        custody.open_answer(bad, ask, address, *keys)
    assert (custody.knock(address).decode(), custody.wait().decode()) == (CUSTODY["knock"], CUSTODY["wait"])


def test_a_grant_is_read_from_the_page() -> None:
    """Label, tombstone, grant and values of the vectors follow as the page says."""
    said = second.grant(second.parsed(GRANT["grant"].encode()))
    document = said.document
    label = second.label(raw(document["subscriber"]), raw(document["salt"]))
    place = (GRANT["place"][0], GRANT["place"][1])
    keys = raw(GRANT["custodian"]), raw(GRANT["answer_private"])

    found = second.values(base64.b64decode(GRANT["sealed"]), said, place, *keys)

    assert (said.digest.hex(), label.hex()) == (GRANT["digest"], GRANT["label"])
    assert second.tombstone(raw(document["store"]), label).hex() == GRANT["tombstone"]
    assert found == GRANT["values"]
    for *_, held in found:
        for s, value in held.items():
            assert second.value_of(raw(GRANT["column_keys"][s]), label).hex() == value


def test_the_code_reads_the_grant() -> None:
    """The committed grant and values are still read by the code."""
    said = signed.decode(GRANT["grant"].encode(), "grant")
    place = (GRANT["place"][0], GRANT["place"][1])

    found = grant.open_values(
        base64.b64decode(GRANT["sealed"]), said, place, raw(GRANT["custodian"]), raw(GRANT["answer_private"])
    )

    assert grant.verified(said).label.hex() == GRANT["label"]
    assert grant.values_body(found) == GRANT["values"]
