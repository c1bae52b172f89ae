"""Statements: every kind has its fields and no other, and what is unknown is not called false."""

from __future__ import annotations

from typing import Any

import pytest

from unheld_verify import canonical, crypto, note, statement
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError
from unheld_verify.words import NOT_PROVEN, not_proven, says

ORIGIN = "log.example/unheld"
GOOD: dict[str, dict[str, Any]] = {
    "genesis": {"store": "0a" * 16, "genesis": "0b" * 32, "policy": {"classes": {"place": 7}}},
    "open": {"sealing_day": "2026-01-05", "set": 0},
    "batch": {"sealing_day": "2026-01-05", "records_at_most": 1, "rows": "0c" * 32},
    "close": {
        "sealing_day": "2026-01-05",
        "records_at_most": 8,
        "generation": 3,
        "root": "0d" * 32,
        "head": "0e" * 32,
    },
    "erase-parties": {"root": "0f" * 32, "leaves": 16, "slots": "token", "copies": 1},
    "erase-day": {"event_day": "2026-01-04", "custodians": [], "slots": "token"},
    "erase-class": {"event_day": "2024-02-29", "class": "place", "custodians": [0, 2], "slots": "token"},
    "erase-everything": {"slots": "token", "copies": 2},
    "lapse": {"columns": [["contact", "2025-12-06"], ["place", "2025-12-29"]], "custodians": [1]},
    "parked": {"period": 0, "records_at_most": 4096},
    "demand-received": {
        "demand": "1a" * 16,
        "authority": "Ministry of Roads",
        "asks": ["registry", "traffic"],
        "targets": 3,
        "root": "0f" * 32,
        "leaves": 16,
    },
    "demand-narrowed": {"demand": "1a" * 16, "asks": ["registry"], "root": "0f" * 32, "leaves": 16},
    "demand-refused": {"demand": "1a" * 16, "codes": ["NoCourtOrder", "TooBroad"], "root": "0f" * 32, "leaves": 16},
    "demand-withdrawn": {"demand": "1a" * 16, "root": "0f" * 32, "leaves": 16},
    "claim-answered": {},
    "paper": {"paper": "certificate", "digest": "1b" * 32},
    "group": {"key": note.format_key(note.Key("w-7f3a.example", bytes(range(32))))},
    "standstill": {
        "group": "w-7f3a.example",
        "digest": "1c" * 32,
        "begins": "2026-01-07",
        "ends": "2026-02-06",
    },
    "access-answered": {},
    "copy-released": {"copy": 2, "copies": 2, "listed": 3, "generation": 41},
    "copy-returned": {"copy": 2, "copies": 3, "listed": 3, "generation": 47},
    "copy-promoted": {"copy": 1, "copies": 2, "listed": 2, "generation": 53},
    "upgrade": {"from": 1, "to": 2, "digest": "1e" * 32},
    "custodians": {"set": 3, "digest": "1d" * 32, "n": 3, "t": 2, "begins": "2026-01-07", "custodians": [0, 2]},
}
ODD: list[Any] = [
    -1, 3, True, "", "x", "2026-02-30", "20260105", "0A" * 16, [2, 1], [1, 1], [True], [[]], [{}], ["place"],
    [["place", "2026-01-01"], ["contact", "2026-01-01"]], [["disk", "2026-01-01"]], [[["place"], "2026-01-01"]],
]  # fmt: skip
MAY_BE: dict[str, list[Any]] = {
    "generation": [3],
    "set": [3],
    "period": [3],
    "copies": [3],
    "copy": [3],
    "listed": [3],
    "slots": ["x", "2026-02-30", "20260105", "0A" * 16],
    "n": [3],
    "t": [3],
}
MAY_BE["to"] = [3]
MAY_BE["policy"] = MAY_BE["authority"] = MAY_BE["group"] = MAY_BE["slots"]
MAY_BE["targets"] = [3]
MAY_BE["codes"] = [["place"]]


def _make(kind: str, **changed: Any) -> statement.Statement:
    return statement.make(ORIGIN, kind, "2026-01-06", **(GOOD[kind] | changed))


def test_every_kind_is_tried_here() -> None:
    """The kinds of this page are the kinds of the table."""
    assert set(GOOD) == set(statement.KINDS)


@pytest.mark.parametrize("kind", GOOD)
def test_good_statement_is_made_committed_and_verified(kind: str) -> None:
    """A statement of each kind commits to an entry of 32 bytes and verifies for its log."""
    opening = statement.commit(_make(kind))

    statement.verify(opening, ORIGIN)
    read = statement.parse_opening(canonical.decode(canonical.encode(opening.to_json())))

    assert read == opening
    assert opening.entry == crypto.hmac_sha256(opening.r, canonical.encode(opening.statement))
    assert len(opening.entry) == statement.ENTRY_BYTES


@pytest.mark.parametrize("kind", GOOD)
def test_each_kind_has_words_with_all_that_matters(kind: str) -> None:
    """The sentence of a kind leaves no placeholder and names its date where it has one."""
    made = _make(kind)

    assert "{" not in says(made)
    assert str(made.get("event_day", made.get("sealing_day", ""))) in says(made)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, fields in GOOD.items() for name in fields])
def test_field_takes_no_value_of_another_form(kind: str, name: str) -> None:
    """Making refuses, and verifying calls false, each field with a value of another form."""
    for odd in (value for value in ODD if value not in MAY_BE.get(name, [])):
        with pytest.raises(BadInputError, match=name):
            _make(kind, **{name: odd})
        with pytest.raises(VerificationError):
            statement.verify(statement.Opening(_make(kind) | {name: odd}, bytes(32)), ORIGIN)


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("standstill", {"ends": "2026-01-07"}),
        ("standstill", {"begins": "2026-02-06", "ends": "2026-01-07"}),
        ("standstill", {"group": "two words"}),
        ("group", {"key": "w-7f3a.example+00000000+AAAA"}),
        ("erase-everything", {"slots": "x" * 2001}),
        ("paper", {"paper": "receipt"}),
        ("demand-received", {"asks": []}),
        ("demand-received", {"asks": ["traffic", "registry"]}),
        ("demand-received", {"asks": ["names"]}),
        ("demand-refused", {"codes": []}),
        ("demand-refused", {"codes": ["b", "a"]}),
        ("custodians", {"t": 4}),
        ("custodians", {"t": 0}),
    ],
)
def test_statement_that_would_say_nothing_is_refused(kind: str, changed: dict[str, Any]) -> None:
    """A pause without a day, a key that is none, a text without end or an empty list of reasons is no statement."""
    with pytest.raises(BadInputError, match=f"statement of kind {kind}"):
        _make(kind, **changed)


def test_policy_may_hold_lists_and_objects_a_few_deep() -> None:
    """A policy is put into words whatever its lists hold, and one that nests without end is no statement."""
    nested: Any = 1
    for _ in range(6):
        nested = [nested]
    deep: Any = {}
    for _ in range(400):
        deep = {"a": deep}

    assert "a 1 of 2, b; c x" in says(_make("genesis", policy={"a": [[1, 2], "b"], "c": "x"}))
    assert "n 1" in says(_make("genesis", policy={"n": nested}))
    with pytest.raises(BadInputError, match="policy"):
        _make("genesis", policy=deep)


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_says_what_it_does_not_prove(kind: str) -> None:
    """A kind has a sentence of its own for what it leaves unproven, before those that all share."""
    own, *shared = not_proven(kind)

    assert own.startswith("It does not ")
    assert own.endswith(".")
    assert tuple(shared) == NOT_PROVEN


@pytest.mark.parametrize("kind", GOOD)
def test_no_field_may_be_missing_or_too_much(kind: str) -> None:
    """A statement with a field less or more than its kind has is refused."""
    for name in _make(kind):
        less = {key: value for key, value in _make(kind).items() if key != name}
        with pytest.raises(VerificationError):
            statement.verify(statement.Opening(less, bytes(32)), ORIGIN)
    with pytest.raises(BadInputError, match="too much"):
        _make(kind, note="x")


@pytest.mark.parametrize("day", ["2026-1-6", "06.01.2026", "2026-13-01", "", 20260106])
def test_day_of_the_act_is_a_date(day: Any) -> None:
    """A statement's day is a date that exists, written in one way."""
    with pytest.raises(BadInputError, match="date"):
        statement.make(ORIGIN, "open", day, **GOOD["open"])


def test_unknown_kind_cannot_be_made() -> None:
    """A kind that is not in the table is refused and the known ones are named."""
    with pytest.raises(BadInputError, match="genesis, open"):
        statement.make(ORIGIN, "erase-disk", "2026-01-06")


@pytest.mark.parametrize("change", [{"kind": "erase-disk"}, {"v": 2}])
def test_unknown_kind_or_version_is_neither_true_nor_false(change: dict[str, Any]) -> None:
    """A statement of a later version cannot be verified here, which is not the same as being false."""
    with pytest.raises(CannotVerifyError, match="newer program"):
        statement.verify(statement.Opening(_make("open") | change, bytes(32)), ORIGIN)


@pytest.mark.parametrize("change", [{"kind": 1}, {"v": "1"}, {"v": True}, {"kind": ["open"]}, {"log": ""}, {"log": 5}])
def test_statement_without_its_head_is_false(change: dict[str, Any]) -> None:
    """Version, kind and log have their forms, or the statement is false."""
    with pytest.raises(VerificationError):
        statement.verify(statement.Opening(_make("open") | change, bytes(32)), ORIGIN)


def test_statement_of_another_log_is_false() -> None:
    """A statement shown under another log's checkpoint is false, and both logs are named."""
    with pytest.raises(VerificationError, match=r"log\.example/unheld, not for log\.example/other"):
        statement.verify(statement.commit(_make("open")), "log.example/other")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_entry_needs_r_of_32_bytes(length: int) -> None:
    """No entry is made or opened with r of another length."""
    with pytest.raises(VerificationError, match=f"r has {length} bytes"):
        statement.entry(bytes(length), _make("open"))


def test_no_two_entries_of_one_statement_are_alike() -> None:
    """The same statement committed twice gives unlinkable entries."""
    assert statement.commit(_make("open")).entry != statement.commit(_make("open")).entry


def test_r_does_not_show_in_what_is_printed() -> None:
    """The text of an opening, as a traceback or a log line would show it, does not hold r."""
    opening = statement.commit(_make("open"))

    assert str(list(opening.r)) not in repr(opening)
    assert repr(opening.r) not in repr(opening)


@pytest.mark.parametrize(
    "value",
    [None, [], {}, {"r": "00"}, {"r": 5, "statement": {}}, {"r": "0", "statement": {}}, {"r": "AA", "statement": {}},
     {"r": "00", "statement": []}, {"r": "00", "statement": {}, "more": 1}],
)  # fmt: skip
def test_opening_has_its_form(value: Any) -> None:
    """What is not exactly r in hex and a statement is no opening."""
    with pytest.raises(BadInputError, match="opening"):
        statement.parse_opening(value)
