"""Promises of the receipt page's verifier: it says of every file what `unheld_verify` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from tests.support.browser import opened
from tests.support.receipt_page import (
    LOG,
    NO_ED25519,
    NO_WEBCRYPTO,
    OF_EXIT_CODE,
    PAPERS,
    Found,
    of_page,
    of_python,
)
from unheld import page as receipt_page
from unheld_verify import canonical, checkpoint, crypto, merkle, note, proof, receipt, statement

ENGINES = {"WebCrypto": "", "noble": NO_WEBCRYPTO}
GOOD = [made["receipt"].encode() for made in LOG["receipts"]]
BAD = [(made["flaw"], made["receipt"].encode(), made["exit_code"], made["step"]) for made in LOG["bad_receipts"]]
BAD_PAPERS = [(made["flaw"], made["paper"].encode(), made["exit_code"], made["step"]) for made in PAPERS["bad_papers"]]
SEED = bytes.fromhex(LOG["seed"])
STORE = "0123456789abcdef0123456789abcdef"
PARTY = "tel:+9599990001"
TREES = {
    says: receipt.party_tree([PARTY], STORE, lambda n: crypto.sha256(bytes([n]))[:n], says)
    for says in ("forgotten", "named")
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(receipt_page.build(LOG["vkey"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=ENGINES)
def page(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Page]:
    with opened(browser, file, before=ENGINES[request.param]) as shown:
        yield shown


@pytest.fixture(scope="module")
def native(browser: Browser, file: Path) -> Iterator[Page]:
    with opened(browser, file) as shown:
        yield shown


@pytest.fixture(scope="module")
def for_papers(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page made for the log of the papers."""
    path = tmp_path_factory.mktemp("page") / "papers.html"
    path.write_text(receipt_page.build(PAPERS["vkey"]), encoding="utf-8")
    with opened(browser, path) as shown:
        yield shown


@pytest.mark.parametrize(("before", "engine"), [("", "WebCrypto"), (NO_WEBCRYPTO, "noble"), (NO_ED25519, "noble")])
def test_engine(browser: Browser, file: Path, before: str, engine: str) -> None:
    """Where a browser lacks WebCrypto, or its Ed25519, the page computes with what is in its own file, and says so."""
    with opened(browser, file, before=before) as shown:
        assert of_page(shown, GOOD[0]).outcome == "verified"
        assert shown.locator("#result .small").inner_text() == f"Signatures and hashes: {engine}."


def test_receipts_of_every_kind(page: Page) -> None:
    """Every good receipt is verified, in the very words of the other verifier, with its whole list of limits."""
    assert {made["kind"] for made in LOG["receipts"]} == set(statement.KINDS)
    assert [of_page(page, data) for data in GOOD] == [of_python(data, LOG["vkey"]) for data in GOOD]


@pytest.mark.parametrize(("flaw", "data", "exit_code", "step"), BAD, ids=[flaw for flaw, *_ in BAD])
def test_bad_receipts(page: Page, flaw: str, data: bytes, exit_code: int, step: int) -> None:
    """Every bad receipt fails in its step, and false is never shown as unknown, nor unknown as false."""
    assert of_page(page, data) == Found(OF_EXIT_CODE[exit_code], step)


def test_papers(for_papers: Page) -> None:
    """Papers are verified in the same words and with the same limits."""
    papers = [made["paper"].encode() for made in PAPERS["papers"]]
    assert [of_page(for_papers, data) for data in papers] == [of_python(data, PAPERS["vkey"]) for data in papers]


@pytest.mark.parametrize(("flaw", "data", "exit_code", "step"), BAD_PAPERS, ids=[flaw for flaw, *_ in BAD_PAPERS])
def test_bad_papers(for_papers: Page, flaw: str, data: bytes, exit_code: int, step: int) -> None:
    """Every bad paper fails in its step and in its way."""
    assert of_page(for_papers, data) == Found(OF_EXIT_CODE[exit_code], step)


def _bytes_changed(data: bytes, at: int, length: int, put: bytes) -> bytes:
    at %= len(data) + 1
    return data[:at] + put + data[at + length :]


def _lines_swapped(data: bytes, first: int, second: int) -> bytes:
    lines = data.split(b"\n")
    a, b = first % len(lines), second % len(lines)
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


SIGNS = st.sampled_from([b"\n", b"\n\n", b" ", b"=", b"+", b"\x00", b"\x85", b"\xff", b"\xef\xbb\xbf", "— ".encode()])
ALTERED = st.one_of(
    st.builds(_bytes_changed, st.sampled_from(GOOD), st.integers(0, 4000), st.integers(0, 3), st.binary(max_size=2)),
    st.builds(_bytes_changed, st.sampled_from(GOOD), st.integers(0, 4000), st.integers(0, 80), SIGNS),
    st.builds(_lines_swapped, st.sampled_from(GOOD), st.integers(0, 40), st.integers(0, 40)),
)


@settings(max_examples=300)
@given(data=ALTERED)
@example(data=b"")
@example(data=b"\xef\xbb\xbf" + GOOD[0])
@example(data=GOOD[0].replace(b"\n", b"\r\n"))
@example(data=GOOD[0][:-1])
@example(data=GOOD[0] + b"\n")
def test_altered_bytes(native: Page, data: bytes) -> None:
    """Whatever is changed in a receipt's bytes, both verifiers come to the same outcome in the same step."""
    assert of_page(native, data) == of_python(data, LOG["vkey"])


def _in_a_log(said: dict[str, Any], r: bytes, party: receipt.Party | None, before: int) -> bytes:
    """A receipt whose statement is in a signed log, so that nothing but its rules can be wrong."""
    written = canonical.encode(said)
    entry = crypto.hmac_sha256(r, written)
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(before)] + [merkle.leaf_hash(entry)]
    head = checkpoint.Checkpoint(LOG["origin"], len(leaves), merkle.root(leaves))
    path = merkle.prove_inclusion(before, len(leaves), merkle.subtree_of(leaves))
    return receipt.encode(statement.Opening(said, r), party, before, path, checkpoint.sign(head, SEED))


def _nested(depth: int) -> dict[str, Any]:
    return {"a": 1} if depth == 1 else {"a": _nested(depth - 1)}


ODD = [
    *(True, False, -1, 0, 1, 2, 15, 16, 17, 32, 2**52, 2**53 - 1, "", "x", "x" * 2000, "x" * 2001),
    *(
        "\U0001f600" * 2000,
        "a b",
        "a+b",
        "a\ufeffb",
        "a\x85b",
        "a\x1cb",
        "a\u2028b",
        "a\u202eb\u200bc\nd\te\x1b\U000e0041",
        "<b>{day}</b>",
        "a" * 32,
        "A" * 32,
    ),
    *("a" * 64, "a" * 63, "2024-02-29", "2023-02-29", "2100-02-29", "0000-01-01", "2026-1-06", "2026-13-01"),
    *(
        "2026-01-06\n",
        "place",
        "manifest",
        "constructor",
        LOG["origin"],
        LOG["vkey"],
        LOG["vkey"] + "=",
        "x" + LOG["vkey"],
    ),
    *([], [0], [0, 1], [1, 0], [1, 1], [True, 2], ["a"], ["a", "b"], ["b", "a"], ["a", "a"], ["a", "ab"], ["ab", "a"]),
    *(
        ["\uffff", "\U0001f600"],
        ["\U0001f600", "\uffff"],
        ["registry"],
        ["registry", "traffic"],
        ["traffic", "registry"],
    ),
    *([["place", "2026-01-01"]], [["charge", "2026-01-02"], ["charge", "2026-01-01"]], [["x", "2026-01-01"]], [[]]),
    *({}, {"a": [1, True, ["x", ["y"]], {"b": []}]}, _nested(7), _nested(8), _nested(9), {"__proto__": "x"}),
]


@st.composite
def _stated(draw: st.DrawFn) -> bytes:
    """A receipt of a statement with one or two values put out of place, truly in a log."""
    made = draw(st.sampled_from(LOG["receipts"]))
    said = canonical.decode(proof.parse(made["receipt"].encode()).extra)["statement"]
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(said)) | st.sampled_from(["x", "__proto__", "toString"]))
        said = said | {name: draw(st.sampled_from(ODD))}
    if draw(st.integers(0, 9)) == 0:
        said.pop(draw(st.sampled_from(sorted(said))))
    r = draw(st.sampled_from([b"r" * 32] * 8 + [b"r" * 31, b"r" * 33, b""]))
    party = draw(st.sampled_from([None, TREES["forgotten"].parties[0], TREES["named"].parties[0]]))
    tree = draw(st.sampled_from([TREES["forgotten"], TREES["named"]]))
    if "root" in said and draw(st.booleans()):
        said = said | {"root": tree.root.hex(), "leaves": tree.leaves}
    return _in_a_log(said, r, party, draw(st.integers(0, 20)))


@settings(max_examples=400)
@given(data=_stated())
def test_altered_statements(native: Page, data: bytes) -> None:
    """Whatever a signed log's statement holds, both verifiers judge it alike and say it in the same words."""
    assert of_page(native, data) == of_python(data, LOG["vkey"])


def _extra_replaced(text: str) -> bytes:
    """A receipt with this text in place of its opening."""
    good = proof.parse(GOOD[0])
    return proof.encode(proof.Proof(good.index, good.path, good.checkpoint, text.encode("utf-8", "surrogatepass")))


OPENING = proof.parse(GOOD[0]).extra.decode()


@pytest.mark.parametrize(
    "text",
    [
        OPENING.replace('"v":1', '"v":1,"v":1'),
        OPENING.replace('"v":1', '"v":1.0'),
        OPENING.replace('"v":1', '"v":9007199254740993'),
        OPENING.replace('"v":1', '"v":-0'),
        OPENING.replace('"v":1', '"v":1e0'),
        OPENING.replace('"v":1', '"v":null'),
        OPENING.replace('"v":1', '"v":NaN'),
        OPENING.replace('"v":1', '"v":true'),
        OPENING.replace('"v":1', '"v":"1"'),
        OPENING.replace("default", "d\\u0065fault"),
        OPENING.replace("default", "\\ud800"),
        OPENING.replace("default", "\ud800"),
        OPENING.replace('"policy"', '"pölicy"'),
        OPENING.replace(":", ": "),
        OPENING + "\n",
        "\ufeff" + OPENING,
        "[" * 100_000,
        "{}",
        "[]",
        "1",
        '"x"',
        json.dumps({"party": {}, **json.loads(OPENING)}, sort_keys=True, separators=(",", ":")),
    ],
)
def test_second_spellings(native: Page, text: str) -> None:
    """An opening that could be read in two ways is false to both verifiers, in the same step."""
    data = _extra_replaced(text)
    assert of_page(native, data) == of_python(data, LOG["vkey"])
    assert of_page(native, data).outcome == "false"


def test_checkpoint_of_another_origin(native: Page) -> None:
    """A checkpoint that the log's key signed for another log is false."""
    good = proof.parse(GOOD[0])
    head = checkpoint.parse(note.parse(good.checkpoint).text)
    text = checkpoint.encode(checkpoint.Checkpoint("log.example/two", head.size, head.root))
    forged = note.encode(note.sign(text, LOG["origin"], SEED))
    data = proof.encode(proof.Proof(good.index, good.path, forged, good.extra))
    assert of_page(native, data) == of_python(data, LOG["vkey"]) == Found("false", 2)


def test_too_large(native: Page) -> None:
    """A file larger than any receipt is refused before it is taken apart."""
    data = GOOD[0] + b"x" * proof.MAX_PROOF_BYTES
    assert of_page(native, data) == of_python(data, LOG["vkey"]) == Found("unreadable", 1)
