"""Every decoder of what travels: whatever stands in place of whatever, it raises an error of ours or reads it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.founding import HEADQUARTERS, HOSTILE, Founding, changed, deep, paths, without
from unheld_verify import canonical, columns, crypto, custody, grant, note, roster, signed
from unheld_verify.columns import Attestation, Push
from unheld_verify.custody import Address
from unheld_verify.errors import BadInputError, UnheldError
from unheld_verify.signed import Signed

VECTORS = Path(__file__).parents[2] / "vectors"
ADDRESS = Address(bytes(range(16)), 1, 2)
CUSTODIAN = b"\x10" * 32
PUBLIC = crypto.sign_public(CUSTODIAN)
MANY = settings(max_examples=150, deadline=None)


@cache
def _made() -> Founding:
    return Founding(3, 2)


@cache
def _vector(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return found


def _push() -> dict[str, Any]:
    keys = {("charge", 20_640): {0: b"a" * 32, 1: b"b" * 32}, ("contact", 20_639): {0: b"c" * 32, 1: b"d" * 32}}
    park = {("outage", 3): crypto.park_keypair()[1], ("quarantine", 20_640): crypto.park_keypair()[1]}
    return custody.push_body(Push(1, 2, 20_640, keys, columns.checks(keys), park, Attestation(b"{}", b"s" * 64)))


PUSH = _push()
KEY_OF: dict[str, Callable[[], bytes]] = {
    "draft": lambda: HEADQUARTERS,
    "roster": lambda: HEADQUARTERS,
    "transcript": lambda: HEADQUARTERS,
    "founded": lambda: HEADQUARTERS,
    "join": lambda: _made().seeds[1],
    "deal": lambda: _made().seeds[0],
    "confirm": lambda: _made().seeds[0],
    "complaint": lambda: _made().seeds[0],
    "grant": lambda: b"\x05" * 32,
    "door": lambda: CUSTODIAN,
    "parking": lambda: CUSTODIAN,
}


@cache
def _signed(kind: str) -> Signed:
    made = _made()
    script = made.transcript()
    match kind:
        case "grant":
            return signed.decode(_vector("grant")["grant"].encode())
        case "door":
            return custody.door(ADDRESS, crypto.park_keypair()[1], 1, CUSTODIAN)
        case "parking":
            return custody.parking(ADDRESS, {("outage", 3): crypto.park_keypair()[1]}, 1, CUSTODIAN)
        case "complaint":
            return roster.complaint(script, 0, "why", made.seeds[0])
        case "confirm":
            return roster.confirm(script, 0, made.seeds[0])
    documents = {"draft": made.draft, "roster": made.roster, "join": made.joins[1], "deal": made.deals[0]}
    return (documents | {"transcript": script, "founded": made.founded(script)})[kind]


def _script() -> tuple[Signed, roster.Roster]:
    return _signed("transcript"), _made().found


READ: dict[str, Callable[[Signed], Any]] = {
    "draft": roster.draft_of,
    "join": lambda said: roster.join_of(said, _made().draft, 1),
    "roster": roster.roster_of,
    "deal": lambda said: roster.deal_of(said, _made().found, 0),
    "transcript": lambda said: (roster.transcript_of(said), roster.spoken_digest(said)),
    "confirm": lambda said: (roster.confirm_of(said, *_script()),),
    "complaint": lambda said: roster.complaint_of(said, *_script(), 0),
    "founded": lambda said: (roster.founded_of(said), roster.transcript_digest(said)),
    "grant": grant.verified,
    "door": lambda said: custody.door_key(said, ADDRESS, PUBLIC),
    "parking": lambda said: custody.parking_of(said, ADDRESS, PUBLIC),
}


def _spoilt(data: Any, value: Any) -> Any:
    """A value with something else, or nothing, in one of its places."""
    at = data.draw(st.sampled_from(list(paths(value))))
    if at and data.draw(st.booleans()):
        return without(value, at)
    return changed(value, at, data.draw(st.sampled_from(HOSTILE)))


@pytest.mark.parametrize("kind", KEY_OF)
def test_each_kind_is_read_as_it_was_written(kind: str) -> None:
    """The documents that the next test spoils are good ones."""
    assert READ[kind](signed.decode(_signed(kind).encode(), kind))


@settings(MANY, max_examples=600)
@given(st.sampled_from(sorted(KEY_OF)), st.data())
def test_no_spoilt_document_breaks_its_reader(kind: str, data: Any) -> None:
    """Another value at any place, signed anew by the same signer, is read or refused with an error of ours."""
    document = _spoilt(data, _signed(kind).document)
    read = None
    with suppress(UnheldError):
        said = Signed(document, _signed(kind).signature)
        if isinstance(document, dict) and "kind" in document:
            said = signed.sign(document, KEY_OF[kind]())
        read = READ[kind](signed.decode(said.encode(), kind))
    assert read is None or isinstance(document, dict)


@MANY
@given(st.data())
def test_no_spoilt_envelope_breaks_its_reader(data: Any) -> None:
    """What is no signed document, at any place of it, is refused as bad input."""
    whole = _signed("join").as_json()
    spoilt = _spoilt(data, whole)
    try:
        said = signed.from_json(spoilt, "join")
    except UnheldError:
        return
    assert said.as_json() == spoilt


@pytest.mark.parametrize("depth", [90, 101, 5000])
def test_nesting_without_end_is_refused(depth: int) -> None:
    """Lists in one another stop a reader where the page says, not where its stack ends."""
    data = b'{"document":' + b"[" * depth + b"]" * depth + b',"signature":""}'
    with pytest.raises(BadInputError):
        signed.decode(data)
    with pytest.raises(BadInputError):
        custody.publics_of(deep(depth))


@MANY
@given(st.data())
def test_no_spoilt_ask_breaks_its_reader(data: Any) -> None:
    """An ask with anything in any place is read, and then written to the same, or refused as bad input."""
    spoilt = _spoilt(data, json.loads(_vector("custody")["ask"])["document"])
    try:
        ask = custody.ask_of(spoilt)
    except UnheldError:
        return
    assert canonical.encode(ask.document()) == canonical.encode(spoilt)
    assert ask.address.encode()


@MANY
@given(st.data())
def test_no_spoilt_push_breaks_its_reader(data: Any) -> None:
    """A push with anything in any place is read, and then written to the same, or refused as bad input."""
    spoilt = _spoilt(data, PUSH)
    try:
        push = custody.push_of(spoilt)
    except UnheldError:
        return
    written = custody.push_body(push)
    assert canonical.encode(written) == canonical.encode({name: spoilt[name] for name in written})


@MANY
@given(st.data())
def test_no_spoilt_values_break_their_reader(data: Any) -> None:
    """Values with anything in any place are read, and then written to the same, or refused as bad input."""
    spoilt = _spoilt(data, _vector("grant")["values"])
    try:
        found = grant.values_of(spoilt)
    except UnheldError:
        return
    assert canonical.encode(grant.values_body(found)) == canonical.encode(spoilt)


@MANY
@given(st.data())
def test_no_spoilt_letter_or_answer_breaks_its_reader(data: Any) -> None:
    """A letter or answer with anything in any place opens to what was sealed, or is refused with an error of ours."""
    vector = _vector("custody")
    name = data.draw(st.sampled_from(["letter", "answer"]))
    whole = json.loads(vector["letter"] if name == "letter" else vector["answers"][0]["answer"])
    spoilt = _spoilt(data, whole)
    ask = signed.decode(vector["ask"].encode())
    opened: Any = None
    with suppress(UnheldError):
        if name == "answer":
            private = bytes.fromhex(vector["reply_private"])
            opened = custody.open_answer(canonical.encode(spoilt), ask, ADDRESS, PUBLIC, private)
        elif isinstance(spoilt, dict):
            opened = custody.open_letter(spoilt, ADDRESS, bytes.fromhex(vector["door_private"]))
    assert opened in (None, ask, vector["answers"][0]["body"])


def test_an_answer_that_cannot_be_sealed_is_an_error_of_ours() -> None:
    """An ask with a reply key of small order is refused, not answered in clear and not a crash."""
    vector = _vector("custody")
    ask = json.loads(vector["ask"])["document"]
    reply = note.base64_bytes(ask["reply"], "reply")[:1184] + bytes(32)
    said = signed.sign({**ask, "reply": note.base64_text(reply)}, b"\x02" * 32)

    with pytest.raises(BadInputError, match="nothing can be sealed"):
        custody.answer(said, ADDRESS, 1, {}, CUSTODIAN)
