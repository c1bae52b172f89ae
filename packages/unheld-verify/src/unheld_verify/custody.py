"""What branch, headquarters and custodians say to each other (`docs/spec/custody.md`). Pure: no I/O, no clock.

Pinned keys only sign. Whoever receives something makes a one-time ML-KEM-768+X25519 key for it and destroys it after
opening, so that a recorded line opens for nobody who takes a long-lived key later:

    knock →                       (anybody, in clear)
          ← door                  a key of the custodian's, in memory only, signed by it
    letter: ask sealed to it →    signed by the branch or headquarters, with a one-time key for the answer
          ← answer                signed by the custodian, sealed to that one-time key; errors too

A letter to a door that the custodian has no more (it started anew) is answered with the door it has now.

    act                 body of the ask    body of the answer
    open                day                `push_body`
    close               day                `attestation_body`
    lapse               -                  `attestation_body`
    erase               plan (base64)      `attestation_body`
    erase-everything    plan (base64)      `attestation_body`
    park                -                  parking (`parking`, as JSON)
    unpark              header (base64)    shares (hex, by component)
    tombstone           plan, hashes       hashes (of those asked, the ones that it holds now; hex)
    status              -                  figures

Besides, every ask of a running set carries `seen`, the newest [generation, tag] of this custodian that the asker knows
of, and every answer `generation` and `tag`, the custodian's own: so that neither goes back unseen.

The documents of a ceremony (`unheld_verify.roster`) travel as they are: they are signed, and what is secret in them is
sealed to one-time keys already. A custodian answers each with its next one, or with `wait` until a person decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from unheld_verify import canonical, crypto, errors, note, signed
from unheld_verify.columns import (
    PARK_REASONS,
    Attestation,
    EventColumn,
    ParkPeriod,
    Push,
    day_number,
    day_text,
    in_order,
)
from unheld_verify.errors import BadInputError, PartialError, UnheldError, VerificationError
from unheld_verify.signed import Document, Signed
from unheld_verify.words import one_line

BRANCH, HEADQUARTERS = "branch", "headquarters"
ACTS = {
    BRANCH: ("open", "close", "lapse", "erase", "erase-everything", "park", "unpark", "tombstone", "status"),
    HEADQUARTERS: ("beat", "erase", "erase-everything", "evaluate", "freeze", "thaw", "retire", "drill", "status"),
}
"""Who may ask for what. `erase` and `erase-everything` carry a plan that headquarters signed, whoever brings it."""
SKEW_SECONDS = 600
"""How far the clocks of who asks and who answers may differ."""
EARLY_SECONDS = 300
"""How long before its day a push may be asked for."""
DOOR_SECONDS = 3600
NONCE_BYTES = 16
STEP_BYTES = 4096
"""What is sealed in letters and answers has a multiple of these."""
_WORDS_MOST = 1000
_ERRORS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, UnheldError)
}


class Transport(Protocol):
    """How bytes reach custodian `index` and come back: HTTP, a call in this process, or a simulated network.

    Raises AwayError when no answer came: what was asked may or may not have been done.
    """

    def call(self, index: int, data: bytes) -> bytes: ...  # noqa: D102


@dataclass(frozen=True)
class Heard:
    """What asking every custodian of a set brought: who testified, who said no, who did not answer; by index, why.

    `needed` is how many must testify to an erasing (n-t+1) before fewer than t are left that may hold the keys;
    `names` is what the set calls its custodians.
    """

    set: int
    needed: int
    attested: tuple[Attestation, ...]
    refused: Mapping[int, str] = field(default_factory=dict)
    away: Mapping[int, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises PartialError when one that answered said no. Who is away has a calendar of its own."""
        if self.refused:
            why = reasons({**self.refused, **self.away}, self.names)
            raise PartialError(f"{len(self.attested)} custodians did it, and these did not: {why}")


def called(names: Sequence[str], index: int) -> str:
    """What people call a custodian: its name in the set; where that is not known, its number as its pages count it."""
    return names[index] if index < len(names) else f"custodian {index + 1}"


def reasons(named: Mapping[int, object], names: Sequence[str] = ()) -> str:
    """Custodians and why, in words."""
    told = ((called(names, index), str(why)) for index, why in sorted(named.items()))
    return "; ".join(why if why.startswith(f"{who}: ") else f"{who}: {why}" for who, why in told)


@dataclass(frozen=True)
class Address:
    """One custodian of one set of one store."""

    store: bytes
    set: int
    index: int

    def encode(self) -> bytes:
        """The fixed 21 bytes that bind a box to it."""
        return self.store + self.set.to_bytes(4, "big") + bytes([self.index])


@dataclass(frozen=True)
class Ask:
    """Something asked of a custodian. `role` is who asks, `reply` the public one-time key for the answer."""

    act: str
    address: Address
    role: str
    at: int
    reply: bytes
    body: Mapping[str, Any] = field(default_factory=dict)
    nonce: bytes = field(default_factory=lambda: crypto.random_bytes(NONCE_BYTES))

    def document(self) -> Document:
        """As JSON values."""
        return {
            "v": 1,
            "kind": "ask",
            "act": self.act,
            "store": self.address.store.hex(),
            "set": self.address.set,
            "to": self.address.index,
            "from": self.role,
            "at": self.at,
            "nonce": self.nonce.hex(),
            "reply": note.base64_text(self.reply),
            "body": dict(self.body),
        }


def ask_of(document: Document) -> Ask:
    """The inverse of `Ask.document`. Raises BadInputError."""
    try:
        address = Address(bytes.fromhex(document["store"]), document["set"], document["to"])
        ask = Ask(
            document["act"], address, document["from"], document["at"], note.base64_bytes(document["reply"], "reply"),
            document["body"], bytes.fromhex(document["nonce"]),
        )  # fmt: skip
        sound = (
            ask.act in ACTS[ask.role]
            and all(type(number) is int and 0 <= number < 2**32 for number in (address.set, address.index, ask.at))
            and address.index < 256
            and (len(address.store), len(ask.nonce), len(ask.reply)) == (16, NONCE_BYTES, crypto.PARK_PUBLIC_BYTES)
            and signed.same(ask.document(), document)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound:
        raise BadInputError("ask: unknown act, or fields that this version does not write")
    return ask


def knock(address: Address) -> bytes:
    """Ask a custodian for its door key: the one message that needs no signature."""
    head = {"v": 1, "kind": "knock", "store": address.store.hex(), "set": address.set}
    return canonical.encode(head | {"to": address.index})


def wait() -> bytes:
    """What a custodian answers to a document of a ceremony until the person there has decided."""
    return canonical.encode({"v": 1, "kind": "wait"})


def refused(words: str) -> bytes:
    """What a custodian answers, in clear, to what nobody proper signed: it proves nothing."""
    return canonical.encode({"v": 1, "kind": "refused", "words": words})


def declined(address: Address, about: bytes, words: str, seed: bytes) -> Signed:
    """The person's no to the document of a ceremony with this digest; `seed` is of the key that it names."""
    document = {"about": about.hex(), "sign": crypto.sign_public(seed).hex(), "words": words}
    return signed.sign(_of(address, "refused") | document, seed)


def active(address: Address, transcript: bytes, seed: bytes) -> Signed:
    """A custodian's word that it serves the set whose transcript has this digest."""
    return signed.sign(_of(address, "active") | {"transcript": transcript.hex()}, seed)


def door(address: Address, public: bytes, at: int, seed: bytes) -> Signed:
    """A custodian's key to seal letters to, good for an hour from `at`; its private half is never on a disk."""
    document = _of(address, "door") | {"at": at, "key": note.base64_text(public)}
    return signed.sign(document, seed)


def door_key(door: Signed, address: Address, public: bytes) -> bytes:
    """The key of a door. Raises VerificationError when this custodian did not sign it, BadInputError."""
    document = _check(door, address, public)
    if door.kind != "door":
        raise BadInputError(f"custodian {address.index + 1}: a {door.kind} is no door")
    key = note.base64_bytes(str(document.get("key")), "door key")
    if len(key) != crypto.PARK_PUBLIC_BYTES:
        raise BadInputError("door: its key has another length")
    return key


def padded(data: bytes) -> bytes:
    """What is sealed in letters and answers: a whole number of steps, so that lengths tell few acts apart."""
    framed = len(data).to_bytes(4, "big") + data
    return framed + bytes(-len(framed) % STEP_BYTES)


def unpadded(plaintext: bytes) -> bytes:
    """The inverse of `padded`. Raises BadInputError."""
    data = plaintext[4 : 4 + int.from_bytes(plaintext[:4], "big")]
    if padded(data) != plaintext:
        raise BadInputError("letter: what is sealed in it is not padded as this version does it")
    return data


def letter(ask: Signed, address: Address, door: bytes) -> bytes:
    """An ask, sealed to a door key."""
    sealed = crypto.box_seal(door, padded(ask.encode()), b"unheld/v1/letter" + address.encode())
    head = {"v": 1, "kind": "letter", "store": address.store.hex(), "set": address.set, "to": address.index}
    return canonical.encode(head | {"door": crypto.sha256(door)[:8].hex(), "sealed": note.base64_text(sealed)})


def open_letter(document: Document, address: Address, private: bytes) -> Signed:
    """The ask in a letter. Raises WrongKeyError when it is sealed to another door, BadInputError."""
    sealed = note.base64_bytes(str(document.get("sealed")), "letter")
    return signed.decode(unpadded(crypto.box_open(private, sealed, b"unheld/v1/letter" + address.encode())), "ask")


def answer(ask: Signed, address: Address, at: int, body: Document, seed: bytes) -> Signed:
    """A custodian's answer, sealed to the ask's one-time key."""
    reply = note.base64_bytes(ask.document["reply"], "reply")
    sealed = crypto.box_seal(reply, padded(canonical.encode(body)), b"unheld/v1/answer" + ask.digest)
    document = _of(address, "answer") | {"at": at, "ask": ask.digest.hex(), "sealed": note.base64_text(sealed)}
    return signed.sign(document, seed)


def open_answer(data: bytes, ask: Signed, address: Address, public: bytes, private: bytes) -> Document:
    """What a custodian answered to `ask`; `private` is the one-time key. An error it answered is raised here.

    Raises VerificationError when it did not sign this or answers another ask, WrongKeyError, BadInputError.
    """
    document = _check(signed.decode(data, "answer"), address, public)
    if document.get("ask") != ask.digest.hex():
        raise VerificationError(f"custodian {address.index + 1}: it answers something else than what was asked")
    sealed = note.base64_bytes(str(document.get("sealed")), "answer")
    body = canonical.decode(unpadded(crypto.box_open(private, sealed, b"unheld/v1/answer" + ask.digest)))
    if not isinstance(body, dict):
        raise BadInputError("answer: not an object")
    if "error" in body:
        raise _ERRORS.get(str(body["error"]), UnheldError)(one_line(str(body.get("words")))[:_WORDS_MOST])
    return body


def refusal(error: UnheldError) -> Document:
    """The body of an answer that refuses."""
    return {"error": type(error).__name__, "words": str(error)}


def push_body(push: Push) -> Document:
    """A push as the body of an answer."""
    ordered = in_order(push.keys)
    return {
        "set": push.set,
        "index": push.index,
        "day": day_text(push.day),
        "columns": [[cls, day_text(day)] for cls, day in ordered],
        "keys": {
            str(component): b"".join(push.keys[pair][component] for pair in ordered).hex() for component in push.checks
        },
        "checks": {str(component): check for component, check in push.checks.items()},
        "park": publics_body(push.park),
        "testimony": attestation_body(push.testimony),
    }


def push_of(body: Document) -> Push:
    """The inverse of `push_body`. Raises BadInputError."""
    try:
        pairs: list[EventColumn] = [(cls, day_number(day)) for cls, day in body["columns"]]
        joined = {int(component): bytes.fromhex(keys) for component, keys in body["keys"].items()}
        if any(len(keys) != 32 * len(pairs) for keys in joined.values()):  # else a short push makes millions of keys
            raise BadInputError("push: keys are not one for every column")
        keys = {
            pair: {component: keys[32 * at : 32 * at + 32] for component, keys in joined.items()}
            for at, pair in enumerate(pairs)
        }
        checks = {int(component): check for component, check in body["checks"].items()}
        push = Push(
            body["set"], body["index"], day_number(body["day"]), keys, checks, publics_of(body["park"]),
            attestation_of(body["testimony"]),
        )  # fmt: skip
        written = push_body(push)
        sound = type(push.set) is type(push.index) is int and signed.same(
            written, {name: body[name] for name in written}
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(f"push: {error!r}") from None
    if not sound:
        raise BadInputError("push: keys, fields or values that this version does not write")
    return push


def publics_body(publics: Mapping[ParkPeriod, bytes]) -> list[list[Any]]:
    """Parking keys as JSON."""
    return [[reason, period, note.base64_text(key)] for (reason, period), key in sorted(publics.items())]


def publics_of(listed: Any) -> dict[ParkPeriod, bytes]:
    """The inverse of `publics_body`. Raises BadInputError."""
    try:
        publics = {(reason, int(period)): note.base64_bytes(key, "parking key") for reason, period, key in listed}
        sound = signed.same(publics_body(publics), listed) and {reason for reason, _ in publics} <= set(PARK_REASONS)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"parking keys: {error!r}") from None
    if not sound or any(len(key) != crypto.PARK_PUBLIC_BYTES for key in publics.values()):
        raise BadInputError("parking keys: keys or values that this version does not write")
    return publics


def parking(address: Address, publics: Mapping[ParkPeriod, bytes], at: int, seed: bytes) -> Signed:
    """A custodian's parking keys: kept at the branch as signed, so that nobody puts keys of their own there."""
    return signed.sign(_of(address, "parking") | {"at": at, "keys": publics_body(publics)}, seed)


def parking_of(said: Signed, address: Address, public: bytes) -> dict[ParkPeriod, bytes]:
    """The keys of a `parking`. Raises VerificationError when this custodian did not sign it, BadInputError."""
    document = _check(said, address, public)
    if said.kind != "parking":
        raise BadInputError(f"custodian {address.index + 1}: these are no parking keys")
    return publics_of(document.get("keys"))


def attestation_body(attested: Attestation) -> Document:
    """An attestation as JSON."""
    return {
        "statement": note.base64_text(attested.statement),
        "signature": note.base64_text(attested.signature),
    }


def attestation_of(value: Any) -> Attestation:
    """The inverse of `attestation_body`. Raises BadInputError. Nothing of it is true before `Attestation.read`."""
    try:  # an answer has fields of its own beside it
        return Attestation(
            note.base64_bytes(value["statement"], "statement"), note.base64_bytes(value["signature"], "signature")
        )
    except (KeyError, TypeError) as error:
        raise BadInputError(f"attestation: {error!r}") from None


def _of(address: Address, kind: str) -> Document:
    return {"v": 1, "kind": kind, "store": address.store.hex(), "set": address.set, "from": address.index}


def _check(said: Signed, address: Address, public: bytes) -> Document:
    document = said.by(public, f"custodian {address.index + 1}")
    if any(not signed.same(document.get(name, ""), value) for name, value in _of(address, said.kind).items()):
        raise VerificationError(
            f"custodian {address.index + 1}: this {said.kind} is another custodian's, set's or store's"
        )
    return document
