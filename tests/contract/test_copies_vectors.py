"""The vectors of `docs/spec/copy.md`, read by a second implementation written from the page, and by the code."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import second_copy as second
from tests.support.second_custody import RefusedError, by, jcs, parsed, said
from unheld_branch.copies import letters
from unheld_branch.copies.letters import Ask, Line
from unheld_branch.store import copying
from unheld_branch.store.replica import marker_of
from unheld_verify import signed
from unheld_verify.errors import StateError, VerificationError, WrongKeyError

VECTORS = Path(__file__).parents[2] / "vectors"
COPY = json.loads((VECTORS / "copy.json").read_text())
raw = bytes.fromhex
BRANCH, KEY, DOOR, REPLY = (raw(COPY[name]) for name in ("branch", "copy", "door_private", "reply_private"))
LETTERS: list[dict[str, Any]] = COPY["letters"]
ANSWERS: list[dict[str, Any]] = COPY["answers"]
ABOUT = raw(LETTERS[2]["digest"])
each_letter = pytest.mark.parametrize("number", range(len(LETTERS)), ids=[one["act"] for one in LETTERS])


def line() -> Line:
    return Line(KEY, letters.door_key(signed.decode(COPY["door"].encode(), "copy-door"), KEY))


def test_the_second_implementation_imports_nothing_of_ours() -> None:
    """It is written from the pages, on what the second implementation of custody reads; no code under test."""
    tree = ast.parse(Path(second.__file__).read_text(encoding="utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    ours = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert ours == {"tests.support.second_custody"}


def test_the_vectors_are_what_the_code_makes() -> None:
    """Made again they are the same; only what is sealed under one-time keys is kept."""
    assert runpy.run_path(str(VECTORS / "make_copy.py"))["build"]() == COPY


def test_there_is_a_letter_of_every_act() -> None:
    """No act is left out."""
    assert {one["act"] for one in LETTERS} == second.ACTS == set(letters.ACTS)


@each_letter
def test_a_letter_is_read_from_the_page(number: int) -> None:
    """Its act, fields, bytes and digest are those that were written."""
    vector = LETTERS[number]
    key = second.door(parsed(COPY["door"].encode()), KEY)
    found = second.letter(raw(vector["sealed"]), DOOR, key, KEY, BRANCH, number)

    assert (found.act, found.body, found.blob.hex(), found.digest.hex()) == (
        vector["act"], vector["body"], vector["bytes"], vector["digest"],
    )  # fmt: skip


@each_letter
def test_the_code_reads_the_letter(number: int) -> None:
    """A letter of another release still asks the same of this one."""
    vector = LETTERS[number]
    said, blob = letters.open_letter(raw(vector["sealed"]), line(), DOOR)
    ask, _ = letters.ask_of(said, blob, line(), number, BRANCH)

    assert ask == Ask(vector["act"], vector["body"], raw(vector["bytes"]))


@each_letter
def test_a_letter_out_of_order_is_refused_by_both(number: int) -> None:
    """Whoever sends a recorded letter again is not heard."""
    data = raw(LETTERS[number]["sealed"])
    key = second.door(parsed(COPY["door"].encode()), KEY)
    with pytest.raises(RefusedError):
        second.letter(data, DOOR, key, KEY, BRANCH, number + 1)
    with pytest.raises(VerificationError):
        letters.ask_of(*letters.open_letter(data, line(), DOOR), line(), number + 1, BRANCH)


@pytest.mark.parametrize("vector", ANSWERS[:2], ids=["bytes", "standing"])
def test_an_answer_is_read_from_the_page_and_by_the_code(vector: dict[str, Any]) -> None:
    """Both find the same fields and bytes."""
    found = second.answer(raw(vector["sealed"]), REPLY, ABOUT, KEY)

    assert found == (vector["body"], raw(vector["bytes"]))
    assert letters.open_answer(raw(vector["sealed"]), ABOUT, KEY, REPLY) == found


def test_an_error_is_an_answer_with_its_name_and_words() -> None:
    """The page's reader sees the fields, the store raises what the copy raised."""
    data = raw(ANSWERS[2]["sealed"])

    body, _ = second.answer(data, REPLY, ABOUT, KEY)

    assert body == ANSWERS[2]["body"] == {"error": "StateError", "words": "the copy has no such tree"}
    with pytest.raises(StateError, match="no such tree"):
        letters.open_answer(data, ABOUT, KEY, REPLY)


def test_an_answer_to_another_letter_opens_for_neither() -> None:
    """An answer says what it answers in what it is sealed with."""
    with pytest.raises(RefusedError):
        second.answer(raw(ANSWERS[0]["sealed"]), REPLY, raw(LETTERS[0]["digest"]), KEY)
    with pytest.raises(WrongKeyError):
        letters.open_answer(raw(ANSWERS[0]["sealed"]), raw(LETTERS[0]["digest"]), KEY, REPLY)


def test_digests_of_buckets_follow_from_the_rows() -> None:
    """Every bucket's digest is computed from the page, empty ones among them."""
    rows, vector = second.rows(raw(COPY["leaf"])), COPY["sums"]

    assert second.leaf(rows).hex() == COPY["leaf"]
    assert second.sums(rows, vector["bits"], raw(vector["key"])).hex() == vector["digests"]


def test_digests_of_finer_buckets_are_those_of_the_code() -> None:
    """Also where most buckets are empty, and where there is one."""
    rows, key = second.rows(raw(COPY["leaf"])), raw(COPY["sums"]["key"])
    ours = [copying.unpacked(second.packed(rows))]

    assert [second.sums(rows, bits, key) == copying.sums(ours, bits, key) for bits in (0, 1, 8, 16)] == [True] * 4


def test_rows_on_their_way_are_leaves_behind_their_length() -> None:
    """The bytes of the letter with rows: tags to drop, then what the page says of the rows."""
    vector = next(one for one in LETTERS if one["act"] == "rows")

    drops = 16 * vector["body"]["deletes"]

    assert vector["bytes"][: 2 * drops] == "fe" * drops
    assert vector["bytes"][2 * drops :] == second.packed(second.rows(raw(COPY["leaf"]))).hex()


def test_the_files_of_a_copy_are_spelt_as_the_page_says(tmp_path: Path) -> None:
    """`copy.json` and `copies.pins.json` have the page's fields in canonical JSON, and the code reads them."""
    marker, pins = parsed(COPY["marker"].encode()), parsed(COPY["pins"].encode())
    (tmp_path / "copy.json").write_text(COPY["marker"])
    found = marker_of(tmp_path)

    assert set(marker) == {"v", "name", "of", "branch", "heard", "promoted"}
    assert found is not None
    assert (found.name, found.branch, found.heard, found.promoted) == (marker["name"], BRANCH, marker["heard"], 0)
    assert pins == {marker["name"]: KEY.hex()}


def test_a_release_is_headquarters_own() -> None:
    """Its fields and signature are the page's; nobody else's key signed it."""
    one = said(parsed(COPY["release"].encode()), "release")

    assert by(one, raw(COPY["headquarters"])).keys() == {"v", "kind", "store", "copy", "made"}
    with pytest.raises(RefusedError):
        by(one, BRANCH)


def test_a_knock_has_no_name() -> None:
    """Who knocks says nothing of itself."""
    assert COPY["knock"].encode() == jcs({"v": 1, "kind": "copy-knock"})
