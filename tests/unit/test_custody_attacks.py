"""Attacks on the line to custodians: another's signature, address, ask, kind; replays; words that write on screens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unheld_verify import canonical, crypto, custody, grant, signed, spoken
from unheld_verify.custody import Address, Ask
from unheld_verify.errors import (
    BadInputError,
    NotAllowedError,
    StateError,
    UnheldError,
    VerificationError,
    WrongKeyError,
)
from unheld_verify.grant import Grant
from unheld_verify.signed import Signed

ADDRESS = Address(bytes(range(16)), 1, 2)
BRANCH, CUSTODIAN, OTHER = b"\x02" * 32, b"\x10" * 32, b"\x11" * 32
PUBLIC, OTHERS = crypto.sign_public(CUSTODIAN), crypto.sign_public(OTHER)
PRIVATE, REPLY = crypto.park_keypair()
DOOR_PRIVATE, DOOR = crypto.park_keypair()
ELSEWHERE = [replace(ADDRESS, store=bytes(16)), replace(ADDRESS, set=2), replace(ADDRESS, index=1)]


def _ask(address: Address = ADDRESS, **fields: Any) -> Signed:
    return signed.sign({**Ask("status", address, "branch", 1, REPLY, {"seen": [0, ""]}).document(), **fields}, BRANCH)


@pytest.mark.parametrize("elsewhere", ELSEWHERE, ids=str)
def test_a_letter_opens_at_its_address_alone(elsewhere: Address) -> None:
    """A letter moved to another custodian, set or store does not open there, whatever its envelope says."""
    document = canonical.decode(custody.letter(_ask(), ADDRESS, DOOR))

    with pytest.raises(WrongKeyError):
        custody.open_letter(document, elsewhere, DOOR_PRIVATE)


@pytest.mark.parametrize("elsewhere", ELSEWHERE, ids=str)
def test_a_door_is_of_its_address(elsewhere: Address) -> None:
    """A door of one custodian, set or store is none of another, even under one key."""
    with pytest.raises(VerificationError, match="another custodian's, set's or store's"):
        custody.door_key(custody.door(ADDRESS, DOOR, 1, CUSTODIAN), elsewhere, PUBLIC)


def test_a_door_of_somebody_between_is_refused() -> None:
    """Whoever is on the line cannot put a door of their own before a custodian's."""
    with pytest.raises(VerificationError, match="door of custodian 3: signature is wrong"):
        custody.door_key(custody.door(ADDRESS, DOOR, 1, OTHER), ADDRESS, PUBLIC)


def test_another_signed_document_of_a_custodian_is_no_door() -> None:
    """A key in another document that the same custodian signed is not a door."""
    document = {**custody.door(ADDRESS, DOOR, 1, CUSTODIAN).document, "kind": "parking"}

    with pytest.raises(BadInputError, match="is no door"):
        custody.door_key(signed.sign(document, CUSTODIAN), ADDRESS, PUBLIC)


def test_a_signature_is_of_one_kind() -> None:
    """A signature over a document is none over the same document of another kind."""
    said = _ask()

    with pytest.raises(VerificationError):
        Signed({**said.document, "kind": "answer"}, said.signature).by(crypto.sign_public(BRANCH))


def test_an_answer_to_one_ask_is_none_to_another() -> None:
    """An old answer brought again for a new ask is refused."""
    first, second = _ask(), _ask()
    data = custody.answer(first, ADDRESS, 1, {}, CUSTODIAN).encode()

    with pytest.raises(VerificationError, match="something else than what was asked"):
        custody.open_answer(data, second, ADDRESS, PUBLIC, PRIVATE)


def test_an_answer_signed_anew_by_another_opens_for_nobody() -> None:
    """A custodian that puts its name under another's sealed answer is found: the ask's digest is sealed in."""
    ask, theirs = _ask(), _ask(replace(ADDRESS, index=1))
    sealed = custody.answer(ask, ADDRESS, 1, {}, CUSTODIAN).document["sealed"]
    stolen = custody.answer(theirs, replace(ADDRESS, index=1), 1, {}, OTHER).document
    data = signed.sign({**stolen, "sealed": sealed}, OTHER).encode()

    with pytest.raises(WrongKeyError):
        custody.open_answer(data, theirs, replace(ADDRESS, index=1), OTHERS, PRIVATE)


def test_an_answer_holds_an_object() -> None:
    """A list that a custodian sealed and signed answers nothing."""
    ask = _ask()
    data = custody.answer(ask, ADDRESS, 1, [], CUSTODIAN).encode()  # type: ignore[arg-type]

    with pytest.raises(BadInputError, match="not an object"):
        custody.open_answer(data, ask, ADDRESS, PUBLIC, PRIVATE)


def test_parking_keys_are_of_a_document_of_parking_keys() -> None:
    """Keys in another document that the same custodian signed are not parked under."""
    said = custody.parking(ADDRESS, {}, 1, CUSTODIAN)
    moved = signed.sign({**said.document, "kind": "door"}, CUSTODIAN)

    assert custody.parking_of(said, ADDRESS, PUBLIC) == {}
    with pytest.raises(BadInputError, match="no parking keys"):
        custody.parking_of(moved, ADDRESS, PUBLIC)


def test_a_refusal_is_raised_as_what_it_is_on_one_line() -> None:
    """A custodian's words reach a screen without line breaks, colours or orders of their own, and not without end."""
    body = custody.refusal(StateError("over\n\x1b[31mred" + "x" * 5000))
    ask = _ask()
    data = custody.answer(ask, ADDRESS, 1, body, CUSTODIAN)

    with pytest.raises(StateError) as raised:
        custody.open_answer(data.encode(), ask, ADDRESS, PUBLIC, PRIVATE)

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) <= 1000


@pytest.mark.parametrize("name", ["Exception", "KeyError", "BadInputErro", 7, "crypto"])
def test_an_unknown_refusal_is_an_error_of_ours(name: Any) -> None:
    """A custodian cannot choose an error from outside our tree."""
    ask = _ask()
    data = custody.answer(ask, ADDRESS, 1, {"error": name, "words": "no"}, CUSTODIAN).encode()

    with pytest.raises(UnheldError) as raised:
        custody.open_answer(data, ask, ADDRESS, PUBLIC, PRIVATE)

    assert type(raised.value) is UnheldError


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "evaluate"}, {"act": "beat"}, {"from": "custodian"}, {"from": []}, {"to": 256}, {"to": -1},
        {"to": True}, {"set": True}, {"at": -1}, {"at": 2**32}, {"nonce": "00"}, {"reply": ""}, {"body": []},
        {"more": 1}, {"v": 2},
        {"store": "0A" * 16},
    ],
    ids=str,
)  # fmt: skip
def test_an_ask_is_written_in_one_way(fields: dict[str, Any]) -> None:
    """Acts of another role, values out of bounds and second spellings make no ask."""
    with pytest.raises(BadInputError):
        custody.ask_of(_ask(**fields).document)


@pytest.mark.parametrize("v", [True, 2, "1", [1]])
def test_a_version_is_a_number(v: Any) -> None:
    """`true` is not version 1, and no other version is read as this one."""
    with pytest.raises(BadInputError):
        signed.from_json({"document": {"v": v, "kind": "ask"}, "signature": "A" * 86 + "=="})


@pytest.mark.parametrize("kind", ["", "Ask", "ask\n", "a" * 33, "-ask", "ask {"])
def test_a_kind_is_a_short_word(kind: str) -> None:
    """A kind cannot run over into the document behind it: what is signed is read in one way."""
    with pytest.raises(BadInputError):
        signed.from_json({"document": {"v": 1, "kind": kind}, "signature": "A" * 86 + "=="})


def _grant(**fields: Any) -> tuple[Grant, Signed]:
    made = Grant(bytes(16), crypto.sign_public(OTHER), b"s" * 16, (("charge", 1),), 0, 60, b"n" * 16, REPLY)
    made = replace(made, **fields)
    return made, made.signed(OTHER)


@pytest.mark.parametrize(
    "fields",
    [
        {"columns": ()}, {"columns": (("charge", 2), ("charge", 1))}, {"columns": (("charge", 1), ("charge", 1))},
        {"columns": (("call", 1),)}, {"expires": 0}, {"expires": 7 * 86_400 + 1}, {"not_before": True}, {"salt": b""},
        {"answer": b"k" * 1215}, {"columns": (("contact", 1), ("charge", 1))},
    ],
    ids=str,
)  # fmt: skip
def test_a_grant_is_written_in_one_way(fields: dict[str, Any]) -> None:
    """Columns out of order, times too long and values of another type make no grant."""
    with pytest.raises(BadInputError):
        grant.verified(_grant(**fields)[1])


def test_a_grant_is_the_subscribers_own() -> None:
    """Nobody else can sign for a label: it is made of the subscriber's key."""
    made, _ = _grant()

    with pytest.raises(VerificationError, match="grant of"):
        grant.verified(made.signed(BRANCH))


@pytest.mark.parametrize("now", [-1, 60, 2**31])
def test_a_grant_is_good_in_its_time_alone(now: int) -> None:
    """Before its time and from its end on a grant opens nothing."""
    with pytest.raises(NotAllowedError):
        grant.check_time(_grant()[0], now)


@pytest.mark.parametrize("place", [(1, 1), (2, 2)])
def test_values_are_of_one_custodian_and_set(place: tuple[int, int]) -> None:
    """Values moved to another custodian's or set's answer do not open."""
    _, said = _grant()
    sealed = grant.sealed_values(said, (1, 2), {(("charge", 1), 1): {0: b"v" * 16}}, CUSTODIAN)

    with pytest.raises(WrongKeyError):
        grant.open_values(sealed, said, place, PUBLIC, PRIVATE)


def test_values_of_another_grant_do_not_open() -> None:
    """An answer to an earlier grant is none to a later one, though both have one answer key."""
    _, first = _grant()
    _, later = _grant(nonce=b"m" * 16)
    sealed = grant.sealed_values(first, (1, 2), {}, CUSTODIAN)

    with pytest.raises(WrongKeyError):
        grant.open_values(sealed, later, (1, 2), PUBLIC, PRIVATE)


@pytest.mark.parametrize("field", ["store", "set", "from", "grant"])
def test_values_say_for_whom_they_are(field: str) -> None:
    """Values that a custodian sealed to this answer, but signed for another store, set, place or grant, are refused."""
    _, said = _grant()
    document = {**grant._values_head(said, (1, 2)), "values": [], field: "other"}
    sealed = crypto.box_seal(REPLY, signed.sign(document, CUSTODIAN).encode(), grant._values_info(said, (1, 2)))

    with pytest.raises(VerificationError, match="another grant, set or store"):
        grant.open_values(sealed, said, (1, 2), PUBLIC, PRIVATE)


def test_values_that_another_custodian_signed_are_refused() -> None:
    """Who carries an answer cannot put values of their own into it."""
    _, said = _grant()
    sealed = grant.sealed_values(said, (1, 2), {}, OTHER)

    with pytest.raises(VerificationError, match="custodian 3"):
        grant.open_values(sealed, said, (1, 2), PUBLIC, PRIVATE)


DAY = "1970-01-02"


@pytest.mark.parametrize(
    "rows",
    [
        [["charge", DAY, DAY, {"00": "00" * 16}]], [["charge", DAY, DAY, {"0": "00"}]], [["call", DAY, DAY, {}]],
        [["charge", DAY, DAY, {"0": "00" * 16}]] * 2, [["charge", DAY, DAY]], {"charge": 1},
        [["charge", DAY, DAY, {"0": "0A" * 16}]],
    ],
    ids=str,
)  # fmt: skip
def test_values_are_written_in_one_way(rows: Any) -> None:
    """A component or column that stands twice, in two spellings or in another size is refused."""
    with pytest.raises(BadInputError):
        grant.values_of(rows)


@pytest.mark.parametrize("typed", ["BABAB babab-babab, babab", " babab\nbabab\tbabab . babab "])
def test_spoken_words_are_heard_however_they_are_typed(typed: str) -> None:
    """Case and whatever stands between four words do not matter."""
    assert spoken.same(typed, bytes(8))


@pytest.mark.parametrize("typed", ["", "babab babab babab", "babab babab babab babab babab", "babab babab babab babad"])
def test_other_words_are_not_the_same(typed: str) -> None:
    """One word less, one more, or another one is not the same."""
    assert not spoken.same(typed, bytes(8))


def test_every_value_has_its_own_word() -> None:
    """A word stands for 16 bits: no two values share one, and all have five letters."""
    words = {spoken.words(value.to_bytes(2, "big") * 4)[0] for value in range(2**16)}

    assert len(words) == 2**16
    assert {len(word) for word in words} == {5}


def test_lengths_do_not_tell_acts_apart() -> None:
    """Of every act the ask with a short body, and every short answer, has the length of the others on the line."""
    asks = {
        len(custody.letter(signed.sign(Ask(act, ADDRESS, role, 1, REPLY, body).document(), BRANCH), ADDRESS, DOOR))
        for role, acts in custody.ACTS.items()
        for act in acts
        for body in ({}, {"day": "2026-07-08", "seen": [70, "00" * 8]}, {"words": "x" * 2000})
    }
    bodies: list[dict[str, Any]] = [{}, {"generation": 8}, {"words": "x" * 3000}, custody.refusal(StateError("no"))]
    answers = {len(custody.answer(_ask(), ADDRESS, 1, body, CUSTODIAN).encode()) for body in bodies}
    assert (len(asks), len(answers)) == (1, 1)


@pytest.mark.parametrize("size", [0, 1, 4091, 4092, 4093, 9000])
def test_what_is_padded_comes_back(size: int) -> None:
    """To the byte, and in whole steps."""
    plaintext = custody.padded(b"x" * size)
    assert custody.unpadded(plaintext) == b"x" * size
    assert len(plaintext) % custody.STEP_BYTES == 0


GOOD = custody.padded(b"x")


@pytest.mark.parametrize(
    "wrong", [b"", b"x", GOOD[:-1], GOOD + bytes(4096), GOOD[:-1] + b"y", b"\xff" + GOOD[1:]], ids=range(6)
)
def test_another_padding_is_refused(wrong: bytes) -> None:
    """Nothing can be hidden in it, and one text has one form."""
    with pytest.raises(BadInputError, match="not padded"):
        custody.unpadded(wrong)
