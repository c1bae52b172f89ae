"""Readers of what branch, headquarters, custodians and subscribers say to each other.

Where a signature or a seal would shut out everything but what its maker wrote, the maker is hostile: what is fed in is
signed or sealed by the right key first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

from tests.support.founding import HEADQUARTERS, Founding
from tests.support.reader import Reader, folder, text
from tests.support.readers_proof import vector
from unheld_branch.custody import client
from unheld_custodian import pages, state
from unheld_custodian.desk import Desk
from unheld_slots.slot import FileSlot
from unheld_verify import canonical, columns, crypto, custody, grant, note, parked, roster, signed
from unheld_verify.columns import Attestation, Push
from unheld_verify.custody import Address
from unheld_verify.errors import BadInputError
from unheld_verify.parked import ParkedHeader
from unheld_verify.signed import Document, Signed

ADDRESS = Address(bytes(range(16)), 1, 2)
CUSTODIAN, SUBSCRIBER = b"\x10" * 32, b"\x05" * 32
PUBLIC = crypto.sign_public(CUSTODIAN)


@cache
def made() -> Founding:
    """A ceremony of two of three, with the same keys in every process: what is kept of a corpus stays good."""
    drawn = (bytes([at]) * 32 for at in range(0x40, 0x80))
    privates = (bytes([at]) * 96 for at in range(0x80, 0x90))

    def keypair() -> tuple[bytes, bytes]:
        private = next(privates)
        return private, crypto.park_public(private)

    with (
        mock.patch.object(crypto, "random_bytes", side_effect=lambda _: next(drawn)),
        mock.patch.object(crypto, "park_keypair", keypair),
    ):
        return Founding(3, 2)


@cache
def keypair() -> tuple[bytes, bytes]:
    """A one-time key."""
    private = b"\x31" * 96
    return private, crypto.park_public(private)


def _resigned(kind: str, seed: bytes, read: Callable[[Signed], Any], data: bytes) -> Document:
    """A document of that kind, signed by who should, as its reader accepts it."""
    document = canonical.decode(data)
    if not isinstance(document, dict) or document.get("kind") != kind:
        raise BadInputError("not a document of that kind")
    said = signed.decode(signed.sign(document, seed).encode(), kind)
    read(said)
    return said.document


def _signed_kind(kind: str, seed: Callable[[], bytes], read: Callable[[Signed], Any], covers: Sequence[str]) -> Reader:
    return Reader(
        f"said-{kind}", lambda data: _resigned(kind, seed(), read, data), lambda: [canonical.encode(_made_of(kind))],
        tuple(covers), canonical.encode, slow=True,
    )  # fmt: skip


@cache
def _script() -> Signed:
    return made().transcript()


def _made_of(kind: str) -> Document:
    match kind:
        case "grant":
            said = signed.decode(vector("grant")["grant"].encode())
        case "door":
            said = custody.door(ADDRESS, keypair()[1], 1, CUSTODIAN)
        case "parking":
            said = custody.parking(ADDRESS, {("outage", 3): keypair()[1]}, 1, CUSTODIAN)
        case "complaint":
            said = roster.complaint(_script(), 0, "why", made().seeds[0])
        case "confirm":
            said = roster.confirm(_script(), 0, made().seeds[0])
        case "founded":
            said = made().founded(_script())
        case _:
            documents = {"draft": made().draft, "join": made().joins[1], "deal": made().deals[0]}
            said = (documents | {"roster": made().roster, "transcript": _script()})[kind]
    return said.document


@cache
def _values() -> bytes:
    return canonical.encode(vector("grant")["values"])


@cache
def push() -> Push:
    """A push with two columns and two parking keys."""
    keys = {("charge", 20_640): {0: b"a" * 32, 1: b"b" * 32}, ("contact", 20_639): {0: b"c" * 32, 1: b"d" * 32}}
    park = {("outage", 3): keypair()[1], ("quarantine", 20_640): keypair()[1]}
    return Push(1, 2, 20_640, keys, columns.checks(keys), park, Attestation(b"{}", b"s" * 64))


def _attested(data: bytes) -> Document:
    """What a custodian signed, as the branch counts on it."""
    said = Attestation(data, crypto.sign(CUSTODIAN, columns.ATTEST_LABEL + data))
    found = made().found
    others = tuple(found.signs[:2])
    client.check(said, replace(found, signs=(*others, PUBLIC)), 2, client.Expected("closed", 20_640))
    return said.read(PUBLIC)


def _statement() -> bytes:
    return canonical.encode({
        "v": 1, "kind": "closed", "store": bytes(16).hex(), "set": 1, "custodian": 2,
        "day": "2026-07-06", "columns": [["charge", "2026-07-06"]], "generation": 7, "slot": "file",
    })  # fmt: skip


def _letter(data: bytes) -> bytes:
    """The inside of a letter that somebody sealed to the door."""
    sealed = crypto.box_seal(keypair()[1], data, b"unheld/v1/letter" + ADDRESS.encode())
    ask = custody.open_letter({"sealed": note.base64_text(sealed)}, ADDRESS, keypair()[0])
    return custody.padded(ask.encode())


@cache
def _asked() -> Signed:
    return signed.decode(vector("custody")["ask"].encode())


def _answer(data: bytes) -> bytes:
    """The inside of an answer that a custodian gave to an ask."""
    ask = _asked()
    reply = crypto.park_public(bytes.fromhex(vector("custody")["reply_private"]))
    sealed = crypto.box_seal(reply, data, b"unheld/v1/answer" + ask.digest)
    document = {"v": 1, "kind": "answer", "store": ADDRESS.store.hex(), "set": 1, "from": 2, "at": 1}
    said = signed.sign(document | {"ask": ask.digest.hex(), "sealed": note.base64_text(sealed)}, CUSTODIAN)
    private = bytes.fromhex(vector("custody")["reply_private"])
    return custody.padded(canonical.encode(custody.open_answer(said.encode(), ask, ADDRESS, PUBLIC, private)))


def _parked_box(data: bytes) -> bytes:
    """The inside of a custodian's box in a parked batch."""
    private, public = keypair()
    box = crypto.box_seal(public, data, parked.box_info(b"s" * 16, b"b" * 16, 0))
    header = ParkedHeader(b"s" * 16, b"b" * 16, "outage", 3, 1, 3, 2, (box, box, box))
    shares = parked.open_box(private, header, 0)
    return b"".join(number.to_bytes(2, "big") + share for number, share in shares.items())


def _parked_header() -> bytes:
    whole = bytes.fromhex(vector("parked")["file"])
    return whole[12 : 12 + int.from_bytes(whole[8:12], "big")]


def _sealed_values(data: bytes) -> Any:
    """The inside of what a custodian sealed for a subscriber."""
    said = signed.decode(vector("grant")["grant"].encode())
    private = bytes.fromhex(vector("grant")["answer_private"])
    document = {"v": 1, "kind": "values", "store": said.document["store"], "set": 1, "from": 0}
    whole = document | {"grant": said.digest.hex(), "values": canonical.decode(data)}
    info = b"unheld/v1/values" + said.digest + (1).to_bytes(4, "big") + bytes([0])
    sealed = crypto.box_seal(crypto.park_public(private), signed.sign(whole, CUSTODIAN).encode(), info)
    return grant.values_body(grant.open_values(sealed, said, (1, 0), PUBLIC, private))


@cache
def _desk() -> Desk:
    place = folder() / "desk"
    place.mkdir()
    return Desk.create(place, FileSlot.create(folder() / "desk.slot"), "Desk", lambda: 20_640 * 86_400)


def _told(data: bytes) -> bytes:
    """What a custodian answers on its open line: always a document of ours."""
    answer = _desk().handle(data)
    assert isinstance(canonical.decode(answer), dict)
    return answer


def _form(data: bytes) -> str:
    """What a form of the person's pages does: `ACT?FIELDS`."""
    act, _, fields = data.partition(b"?")
    do = pages._ACTS.get(text(act))
    if do is None:
        raise BadInputError("no such form")
    given = {name: values[-1] for name, values in parse_qs(fields.decode("ascii", "replace")).items()}
    return do(_desk(), given)


def _state() -> bytes:
    begun = state.State(
        bytes(16), 1, 0, 3, 2, columns.LIFETIME_DEFAULTS, 45, 20_641, b"k" * 32, {1: b"c" * 32},
        keys={(1, 20_640, 20_640, 1): b"x" * 32}, open_days=(20_640,), erased=frozenset({("place", 20_600)}),
        park={("outage", 3): b"p" * 96}, issues={20_640: (b"d" * 32,)}, tombstones={b"t" * 16: 3},
        used={b"u" * 32: (b"a" * 32, 9)}, asked={b"m" * 32: 2}, emptied={b"e" * 32: 1},
        unparked={b"b" * 16: (3, 4, (b"q" * 32,))}, entombed={b"n" * 32: (2, 5)},
    )  # fmt: skip
    ceremony = state.Ceremony(b"{}", 1, 5, b"s" * 32, drawn={0: b"z" * 32}, said={b"h" * 32: b"{}"})
    request = state.Request("ab", "draft", "00", 1, "who", "what", ("one",), 3, ("A", "B"))
    times = {b"": (9, 9, 0), b"\x01" * 32: (9, 8, 1)}
    return state.encode(
        state.Whole(
            "Custodian", times, {(bytes(16), 1): begun}, {(bytes(16), 2): ceremony}, (request,),
            (state.Line(4, "words"),), (0, ""), b"t" * 8,
        )
    )  # fmt: skip


def _found() -> roster.Roster:
    return made().found


READERS = (
    _signed_kind("draft", lambda: HEADQUARTERS, roster.draft_of, ["unheld_verify.roster.draft_of"]),
    _signed_kind(
        "join",
        lambda: made().seeds[1],
        lambda said: roster.join_of(said, made().draft, 1),
        ["unheld_verify.roster.join_of"],
    ),
    _signed_kind("roster", lambda: HEADQUARTERS, roster.roster_of, ["unheld_verify.roster.roster_of"]),
    _signed_kind(
        "deal",
        lambda: made().seeds[0],
        lambda said: roster.deal_of(said, _found(), 0),
        ["unheld_verify.roster.deal_of"],
    ),
    _signed_kind(
        "transcript",
        lambda: HEADQUARTERS,
        lambda said: (roster.transcript_of(said), roster.spoken_digest(said)),
        ["unheld_verify.roster.transcript_of", "unheld_verify.roster.spoken_digest"],
    ),
    _signed_kind(
        "confirm",
        lambda: made().seeds[0],
        lambda said: roster.confirm_of(said, _script(), _found()),
        ["unheld_verify.roster.confirm_of"],
    ),
    _signed_kind(
        "complaint",
        lambda: made().seeds[0],
        lambda said: roster.complaint_of(said, _script(), _found(), 0),
        ["unheld_verify.roster.complaint_of"],
    ),
    _signed_kind(
        "founded",
        lambda: HEADQUARTERS,
        lambda said: (roster.founded_of(said), roster.transcript_digest(said)),
        ["unheld_verify.roster.founded_of", "unheld_verify.roster.transcript_digest"],
    ),
    _signed_kind("grant", lambda: SUBSCRIBER, grant.verified, ["unheld_verify.grant.verified"]),
    _signed_kind(
        "door",
        lambda: CUSTODIAN,
        lambda said: custody.door_key(said, ADDRESS, PUBLIC),
        ["unheld_verify.custody.door_key"],
    ),
    _signed_kind(
        "parking",
        lambda: CUSTODIAN,
        lambda said: custody.parking_of(said, ADDRESS, PUBLIC),
        ["unheld_verify.custody.parking_of"],
    ),
    Reader(
        "ask",
        lambda data: custody.ask_of(canonical.decode(data)),
        lambda: [canonical.encode(_asked().document)],
        ("unheld_verify.custody.ask_of",),
        lambda ask: canonical.encode(ask.document()),
    ),
    Reader(
        "push",
        lambda data: custody.push_of(canonical.decode(data)),
        lambda: [canonical.encode(custody.push_body(push()))],
        ("unheld_verify.custody.push_of",),
    ),
    Reader(
        "parking-keys",
        lambda data: custody.publics_of(canonical.decode(data)),
        lambda: [canonical.encode(custody.publics_body(push().park))],
        ("unheld_verify.custody.publics_of",),
        lambda publics: canonical.encode(custody.publics_body(publics)),
    ),
    Reader(
        "attestation",
        lambda data: custody.attestation_of(canonical.decode(data)),
        lambda: [canonical.encode(custody.attestation_body(push().testimony))],
        ("unheld_verify.custody.attestation_of",),
    ),
    Reader(
        "attested",
        _attested,
        lambda: [_statement()],
        ("unheld_verify.columns.Attestation.read", "unheld_branch.custody.client.check"),
        canonical.encode,
    ),
    Reader(
        "values",
        lambda data: grant.values_of(canonical.decode(data)),
        lambda: [_values()],
        ("unheld_verify.grant.values_of",),
        lambda values: canonical.encode(grant.values_body(values)),
    ),
    Reader(
        "sealed-values",
        _sealed_values,
        lambda: [_values()],
        ("unheld_verify.grant.open_values",),
        canonical.encode,
        slow=True,
    ),
    Reader(
        "padded",
        custody.unpadded,
        lambda: [custody.padded(b""), custody.padded(b"x" * 5000)],
        ("unheld_verify.custody.unpadded",),
        custody.padded,
    ),
    Reader(
        "letter",
        _letter,
        lambda: [custody.padded(vector("custody")["ask"].encode())],
        ("unheld_verify.custody.open_letter",),
        bytes,
        slow=True,
    ),
    Reader(
        "answer",
        _answer,
        lambda: [custody.padded(canonical.encode(vector("custody")["answers"][0]["body"]))],
        ("unheld_verify.custody.open_answer",),
        bytes,
        slow=True,
    ),
    Reader(
        "parked-header",
        ParkedHeader.decode,
        lambda: [_parked_header()],
        ("unheld_verify.parked.ParkedHeader.decode",),
        lambda header: header.encode(),
    ),
    Reader(
        "parked-box",
        _parked_box,
        lambda: [b"".join(at.to_bytes(2, "big") + b"s" * 32 for at in columns.held(3, 2, 0))],
        ("unheld_verify.parked.open_box",),
        bytes,
        slow=True,
    ),
    Reader(
        "desk",
        _told,
        lambda: [vector("custody")["knock"].encode(), made().draft.encode()],
        ("unheld_custodian.desk.Desk.handle",),
        slow=True,
    ),
    Reader(
        "form",
        _form,
        lambda: [b"answer?id=practice&answer=approve&said=one+two", b"freeze?", b"thaw?"],
        ("unheld_custodian.desk.Desk.decide",),
        slow=True,
    ),
    Reader("custodian", state.decode, lambda: [_state()], ("unheld_custodian.state.decode",), state.encode),
)
