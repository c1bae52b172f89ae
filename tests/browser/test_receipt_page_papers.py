"""Promises of the receipt page's verifier of papers: whatever a paper holds, it says what `unheld_verify` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from tests.support.browser import opened
from tests.support.receipt_page import LOG, NO_WEBCRYPTO, Found, of_page, of_python
from unheld import page as receipt_page
from unheld_verify import canonical, checkpoint, crypto, merkle, note, paper, proof, receipt, statement

ORIGIN, SEED, PLAN = LOG["origin"], bytes.fromhex(LOG["seed"]), b"p" * 32
STORE, DAY = "0123456789abcdef0123456789abcdef", "2026-03-02"
IDENTITY = bytes([1]) + bytes(31)
ERASED: dict[str, Any] = {"day": "2026-03-01", "slots": "file", "copies": 1}
# y of the eight points of small order, some in a second spelling.
SMALL = [
    bytes(32),
    IDENTITY,
    bytes([0xEC]) + b"\xff" * 30 + b"\x7f",
    bytes([0xED]) + b"\xff" * 30 + b"\x7f",
    bytes([0xEE]) + b"\xff" * 31,
    bytes([1]) + bytes(30) + b"\x80",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
]


@pytest.fixture(scope="module", params=["", NO_WEBCRYPTO], ids=["WebCrypto", "noble"])
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(receipt_page.build(LOG["vkey"]), encoding="utf-8")
    with opened(browser, path, before=request.param) as shown:
        yield shown


@pytest.fixture(scope="module")
def native(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("page") / "native.html"
    path.write_text(receipt_page.build(LOG["vkey"]), encoding="utf-8")
    with opened(browser, path) as shown:
        yield shown


def said(kind: str, day: str = DAY, **fields: Any) -> dict[str, Any]:
    """A statement, whatever its fields are."""
    return {"v": 1, "log": ORIGIN, "kind": kind, "day": day, **fields}


def founding(key: bytes, **changed: Any) -> dict[str, Any]:
    """The statement that names headquarters' key."""
    fields = {"store": STORE, "genesis": "00" * 32, "policy": {"headquarters": key.hex()}}
    return said("genesis", **({"day": "2026-01-01"} | fields | changed))


def proofs(statements: list[dict[str, Any]], party: receipt.Party | None = None) -> list[bytes]:
    """Receipts of statements that are truly in a signed log; the last one names a party, if one is given."""
    openings = [statement.Opening(one, bytes([at]) * 32) for at, one in enumerate(statements)]
    leaves = [merkle.leaf_hash(opening.entry) for opening in openings]
    signed = checkpoint.sign(checkpoint.Checkpoint(ORIGIN, len(leaves), merkle.root(leaves)), SEED)
    tree = merkle.subtree_of(leaves)
    return [
        receipt.encode(
            one, party if one is openings[-1] else None, at, merkle.prove_inclusion(at, len(leaves), tree), signed
        )
        for at, one in enumerate(openings)
    ]


def made(kind: str = "manifest", body: Any = None, day: str = DAY, store: str = STORE) -> paper.Paper:
    """A signed paper without proofs."""
    return paper.Paper(kind, ORIGIN, store, day, body or {"a": 1}, b"s" * 32).signed(PLAN)


def proven(one: paper.Paper, *more: dict[str, Any], founded: dict[str, Any] | None = None) -> paper.Paper:
    """A paper with the proofs of its founding, its naming and more."""
    named = said("paper", paper=one.kind, digest=one.digest.hex())
    return one.proven(proofs([founded or founding(one.key), named, *more]))


def nested(kind: str, depth: int) -> bytes:
    """A paper whose whole nests `depth` deep, written by hand: no writer of ours would."""
    inner = {"object": ('{"a":', "1", "}"), "list": ("[", "1", "]")}[kind]
    count = depth - 2
    body = '{"a":' + inner[0] * count + inner[1] + inner[2] * count + "}"
    text = made(body={"a": "BODY"})._unsigned()
    unsigned = canonical.encode(text).decode().replace('{"a":"BODY"}', body)
    digest = crypto.sha256(b"unheld/v1/paper\n", unsigned.encode())
    shown = proofs([founding(bytes.fromhex(text["key"])), said("paper", paper="manifest", digest=digest.hex())])
    listed = ",".join(f'"{note.base64_text(item)}"' for item in shown)
    signature = crypto.sign(PLAN, b"unheld/v1/paper\n" + digest).hex()
    whole = unsigned.replace(',"salt"', f',"proofs":[{listed}],"salt"')
    return whole.replace(',"store"', f',"signature":"{signature}","store"').encode()


@pytest.mark.parametrize("kind", ["object", "list"])
@pytest.mark.parametrize(
    ("depth", "outcome"),
    [
        (99, "verified"),
        (100, "verified"),
        (101, "unreadable"),
        (900, "unreadable"),
        (1100, "unreadable"),
        (3000, "unreadable"),
        (50_000, "unreadable"),
    ],
)
def test_nesting_ends_at_the_same_depth(native: Page, kind: str, depth: int, outcome: str) -> None:
    """A paper that nests deeper than the specification allows is read by no verifier, wherever its stack would end."""
    data = nested(kind, depth)
    assert of_page(native, data) == of_python(data, LOG["vkey"])
    assert of_page(native, data).outcome == outcome


@pytest.mark.parametrize("key", SMALL, ids=[key.hex()[:8] for key in SMALL])
@pytest.mark.parametrize("point", [IDENTITY, SMALL[2]], ids=["one", "minus one"])
def test_key_with_which_everybody_signs_has_signed_nothing(page: Page, key: bytes, point: bytes) -> None:
    """A paper under a key of small order is false to both, with WebCrypto and without."""
    one = replace(made(), key=key, signature=b"")
    data = proven(replace(one, signature=point + bytes(32))).encode()
    assert of_page(page, data) == of_python(data, LOG["vkey"]) == Found("false", 2)


def test_signature_in_a_second_spelling_is_false(page: Page) -> None:
    """A signature whose number is not the smallest of its kind is another one."""
    order = 2**252 + 27742317777372353535851937790883648493
    one = proven(made())
    second = int.from_bytes(one.signature[32:], "little") + order
    data = replace(one, signature=one.signature[:32] + second.to_bytes(32, "little")).encode()
    assert of_page(page, data) == of_python(data, LOG["vkey"]) == Found("false", 2)


DAYS = st.sampled_from(
    ["2026-03-02", "2025-12-31", "2026-01-01", "2026-03-03", "2028-02-29", "0001-01-01", "9999-12-31"]
)
DESTROYED = st.sampled_from(
    [
        ERASED,
        {},
        [],
        "x",
        ERASED | {"copies": 2},
        ERASED | {"copies": True},
        ERASED | {"more": 1},
        ERASED | {"day": DAY},
    ]
)
TITLES = st.sampled_from([paper.CERTIFICATE_TITLE, paper.CERTIFICATE_TITLE + " ", "", 1, [paper.CERTIFICATE_TITLE]])
KEYED = st.sampled_from(["", "00", "00" * 32, True, {}, made().key.hex().upper()])


@st.composite
def _papers(draw: st.DrawFn) -> bytes:
    """A signed paper, truly named in a signed log, with one or two things out of place."""
    kind = draw(st.sampled_from(["certificate", "certificate", "manifest"]))
    title = draw(st.just(paper.CERTIFICATE_TITLE) | TITLES)
    destroyed = draw(st.just(ERASED) | DESTROYED)
    one = made(kind, {"title": title, "destroyed": destroyed}, draw(st.just(DAY) | DAYS))
    policy = draw(
        st.just({"headquarters": one.key.hex()}) | st.just("x") | st.fixed_dictionaries({"headquarters": KEYED})
    )
    tree = receipt.party_tree(["tel:+9599990001"], STORE, lambda count: bytes(range(count)))
    statements = [
        founding(one.key, policy=policy, day=draw(st.just("2026-01-01") | DAYS)),
        founding(one.key, store=draw(st.sampled_from([STORE, "ff" * 16]))),
        said("paper", draw(st.just(DAY) | DAYS), paper=kind, digest=one.digest.hex()),
        said("paper", paper="manifest", digest="00" * 32),
        said("erase-everything", **ERASED),
        said("erase-everything", **(ERASED | {"copies": 1, "slots": draw(st.sampled_from(["file", "other"]))})),
        said("standstill", group="a.b", digest="00" * 32, begins="2026-03-01", ends=draw(DAYS)),
        said("erase-parties", root=tree.root.hex(), leaves=tree.leaves, slots="file", copies=1),
    ]
    person = draw(st.sampled_from([None, None, None, tree.parties[0]]))
    shown = proofs(statements, person)
    chosen = draw(st.just([0, 2, 4]) | st.lists(st.integers(0, len(shown) - 1), max_size=6))
    return one.proven([shown[at] for at in chosen]).encode()


@settings(max_examples=250)
@given(data=_papers())
@example(
    data=proven(
        made("certificate", {"title": paper.CERTIFICATE_TITLE, "destroyed": ERASED}), said("erase-everything", **ERASED)
    ).encode()
)
def test_altered_papers(native: Page, data: bytes) -> None:
    """Whatever a signed paper and its proofs say, in whatever order, both verifiers judge it alike and say the same."""
    assert of_page(native, data) == of_python(data, LOG["vkey"])


PAPER = proven(made(body={"a": "text", "n": 1})).encode()
RECEIPT = proofs([said("claim-answered")])[0]


def _replaced(old: bytes, new: bytes) -> bytes:
    assert old in PAPER
    return PAPER.replace(old, new, 1)


@pytest.mark.parametrize(
    "data",
    [
        _replaced(b'"n":1', b'"n":1.0'),
        _replaced(b'"n":1', b'"n":1e0'),
        _replaced(b'"n":1', b'"n":-0'),
        _replaced(b'"n":1', b'"n":null'),
        _replaced(b'"n":1', b'"n":9007199254740993'),
        _replaced(b'"n":1', b'"n":1,"n":1'),
        _replaced(b'"text"', b'"\\ud800"'),
        _replaced(b'"text"', b'"\xed\xa0\x80"'),
        _replaced(b'"text"', b'"\\u0074ext"'),
        _replaced(b'"text"', b'"\x00"'),
        _replaced(b'"text"', b'"\\u0000"'),
        _replaced(b'"text"', '"e\u0301"'.encode()),
        _replaced(b'"a"', b'"__proto__"'),
        _replaced(b'"day":', b'"day" :'),
        _replaced(b',"kind"', b',\r\n"kind"'),
        _replaced(b'"key"', b'"key,kind"'),
        _replaced(b'"v":1', b'"v":1.0'),
        _replaced(b'"v":1', b'"v":2'),
        b"\xef\xbb\xbf" + PAPER,
        PAPER + b"\n",
        PAPER[:-1],
        b" " * 200 + PAPER,
        PAPER.decode().encode("utf-16"),
        PAPER.replace(b"{", b"{" + b" " * 4_000_000, 1),
        made().proven([b"x"] * 4096).encode(),
        b"{" * 100_000,
        canonical.encode(canonical.decode(PAPER) | {"proofs": [note.base64_text(b"x")] * 4097}),
    ],
)
def test_second_spellings_of_papers(native: Page, data: bytes) -> None:
    """A paper that could be read in two ways, or is too large, is refused by both in the same step."""
    assert of_page(native, data) == of_python(data, LOG["vkey"])
    assert of_page(native, data).outcome != "verified"


def _cosigned(*lines: str) -> bytes:
    """The good receipt with further signature lines after the log's own."""
    parsed = proof.parse(RECEIPT)
    return proof.encode(replace(parsed, checkpoint=parsed.checkpoint + "".join(f"{one}\n" for one in lines).encode()))


OWN = proof.parse(RECEIPT).checkpoint.decode().splitlines()[-1]
WITNESS = f"\u2014 witness.example {note.base64_text(b'abcd' + b'x' * 64)}"


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ((), "verified"),
        ((WITNESS,), "verified"),
        ((WITNESS,) * 98, "verified"),
        ((WITNESS,) * 100, "unreadable"),
        ((OWN,), "verified"),
        ((OWN[:-8] + "AAAAAA==",), "false"),
        ((WITNESS.replace("witness", "wit+ness"),), "unreadable"),
        ((WITNESS.replace("witness", "wit\u00a0ness"),), "unreadable"),
        ((WITNESS.replace("witness", "wit\ufeffness"),), "verified"),
        ((WITNESS.replace("witness", "wit\u202eness"),), "verified"),
        ((WITNESS + " ",), "unreadable"),
        (("",), "unreadable"),
        ((WITNESS[2:],), "unreadable"),
        (("\u2014 w " + note.base64_text(b"abcd"),), "unreadable"),
        ((WITNESS + "\r",), "unreadable"),
    ],
)
def test_further_signature_lines(native: Page, lines: tuple[str, ...], outcome: str) -> None:
    """Lines of unknown keys are passed over, a second line of the log's key must be right, none may be ill-formed."""
    data = _cosigned(*lines)
    assert of_page(native, data) == of_python(data, LOG["vkey"])
    assert of_page(native, data).outcome == outcome


def test_signs_that_are_not_seen_are_written_out(native: Page) -> None:
    """What would turn, hide or break the words of the result is shown as an escape, as the other verifier prints it."""
    name = "A\u202e\u200b\n\t\x1b\u2028\U000e0041\u00a0B"
    fields: dict[str, Any] = {"demand": "1a" * 16, "asks": ["traffic"], "targets": 1, "root": "00" * 32, "leaves": 16}
    data = proofs([said("demand-received", authority=name, **fields)])[0]
    assert of_page(native, data) == of_python(data, LOG["vkey"])
    assert r"A\u202e\u200b\n\t\x1b\u2028\U000e0041\xa0B" in of_page(native, data).says
