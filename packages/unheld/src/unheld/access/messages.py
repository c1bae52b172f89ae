"""What subscriber, branch and headquarters hand each other for own access (`docs/spec/access.md`). Pure.

request   subscriber → branch        signed by the card, with a one-time key: whose row, and which columns are there
slip      branch → subscriber        sealed to that key: salt, party key, custodian sets, column files
grant     subscriber → headquarters  `unheld_verify.grant`
answers   headquarters → subscriber  what each custodian sealed to the grant's answer key
wanted    subscriber → branch        a bucket of every column file, the same whether or not it holds anything
blocks    branch → subscriber        those buckets
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import canonical, columns, crypto, formats, note, roster, signed
from unheld_verify.columns import CLASSES, Column, EventColumn
from unheld_verify.errors import BadInputError, NotAllowedError, VerificationError
from unheld_verify.roster import Roster
from unheld_verify.signed import Document, Signed

REQUEST_SECONDS = 7 * 86_400
PREFIX_BYTES = 8
ID_BYTES = 16
_SLIP_INFO = b"unheld/v1/access-slip"


@dataclass(frozen=True)
class HeldFile:
    """A column file as a slip names it: column, custodian set, batch, and how many blocks it shows."""

    column: Column
    set: int
    batch: bytes
    blocks: int

    def body(self) -> list[Any]:
        """As JSON: class, event day, sealing day, set, batch, blocks."""
        return [*_column_body(self.column), self.set, self.batch.hex(), self.blocks]


@dataclass(frozen=True)
class Slip:
    """What a subscriber needs to ask: whose label, which party key, who the custodians are, what is there.

    `founded` are the founding documents of the custodian sets. `gone` lists (class, event day) that lapsed or
    were erased. `since`, `ended`: Unix seconds of the row's time, 0 = from always, and still so.
    """

    store: bytes
    salt: bytes
    party_key: bytes = field(repr=False)
    since: int
    ended: int
    today: int
    founded: tuple[Signed, ...]
    files: tuple[HeldFile, ...]
    gone: tuple[EventColumn, ...]

    def body(self) -> Document:
        """As JSON values."""
        return {
            "v": 1,
            "kind": "access-slip-body",
            "store": self.store.hex(),
            "salt": self.salt.hex(),
            "party_key": self.party_key.hex(),
            "since": self.since,
            "ended": self.ended,
            "today": columns.day_text(self.today),
            "founded": [said.as_json() for said in self.founded],
            "files": [file.body() for file in self.files],
            "gone": [[cls, columns.day_text(day)] for cls, day in self.gone],
        }

    def rosters(self) -> dict[int, Roster]:
        """The custodian sets by number, every signature checked. Raises VerificationError, BadInputError."""
        found = [roster.founded_of(said)[0] for said in self.founded]
        if any(one.draft.store != self.store for one in found):
            raise VerificationError("slip: it names custodians of another store")
        return {one.draft.set: one for one in found}


@dataclass(frozen=True)
class Bucket:
    """All blocks of one column file whose ids begin with the first `bits` bits of `prefix` (8 bytes)."""

    column: Column
    batch: bytes
    bits: int
    prefix: bytes

    def body(self) -> list[Any]:
        """As JSON: class, event day, sealing day, batch, bits, prefix."""
        return [*_column_body(self.column), self.batch.hex(), self.bits, self.prefix.hex()]

    def wider(self, bits: int) -> Bucket:
        """The bucket of fewer bits around this one."""
        return Bucket(self.column, self.batch, bits, masked(self.prefix, bits))


@dataclass(frozen=True)
class Filled:
    """A bucket with what it holds; `bits` may be fewer than were asked for."""

    bucket: Bucket
    ids: tuple[bytes, ...]
    blocks: tuple[bytes, ...]


def request(seed: bytes, at: int, reply: bytes) -> Signed:
    """A card's request for a slip, answered to the one-time key `reply`."""
    document = {"v": 1, "kind": "access-request", "subscriber": crypto.sign_public(seed).hex(), "at": at}
    return signed.sign(document | {"reply": note.base64_text(reply)}, seed)


def requester(said: Signed, now: int) -> bytes:
    """The public key that signed a request. Raises VerificationError, BadInputError, NotAllowedError when it is old."""
    document = said.document
    try:
        public, at = bytes.fromhex(document["subscriber"]), document["at"]
        reply = note.base64_bytes(document["reply"], "reply")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInputError("request: fields that this version does not write") from None
    if len(public) != crypto.KEY_BYTES or len(reply) != crypto.PARK_PUBLIC_BYTES or type(at) is not int:
        raise BadInputError("request: a key of another length, or no time")
    said.by(public)
    if not -REQUEST_SECONDS <= at - now <= REQUEST_SECONDS:
        raise NotAllowedError("this request is more than a week old, or a clock is wrong; make a new one")
    return public


def seal_slip(slip: Slip, asked: Signed) -> bytes:
    """A slip for whoever made the request, and nobody else."""
    reply = note.base64_bytes(asked.document["reply"], "reply")
    sealed = crypto.box_seal(reply, canonical.encode(slip.body()), _SLIP_INFO + asked.digest)
    head = {"v": 1, "kind": "access-slip", "request": asked.digest.hex()}
    return canonical.encode(head | {"sealed": note.base64_text(sealed)})


def open_slip(data: bytes, asked: Signed, private: bytes) -> Slip:
    """The slip for one's own request. Raises WrongKeyError for another request's, BadInputError."""
    sealed = note.base64_bytes(str(_document(data, "access-slip").get("sealed")), "slip")
    body = _document(crypto.box_open(private, sealed, _SLIP_INFO + asked.digest), "access-slip-body")
    return slip_of(body)


def slip_of(body: Document) -> Slip:
    """The inverse of `Slip.body`. Raises BadInputError."""
    try:
        founded = tuple(signed.from_json(said, "founded") for said in body["founded"])
        files = tuple(_file(item) for item in body["files"])
        gone = tuple((str(cls), columns.day_number(day)) for cls, day in body["gone"])
        slip = Slip(
            bytes.fromhex(body["store"]), bytes.fromhex(body["salt"]), bytes.fromhex(body["party_key"]),
            body["since"], body["ended"], columns.day_number(body["today"]), founded, files, gone,
        )  # fmt: skip
        sound = canonical.encode(slip.body()) == canonical.encode(body)
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound or (len(slip.store), len(slip.salt), len(slip.party_key)) != (16, 16, crypto.KEY_BYTES):
        raise BadInputError("slip: fields or values that this version does not write")
    return slip


def answers(asked: Signed, values: Mapping[tuple[int, int], bytes], silent: Mapping[tuple[int, int], str]) -> bytes:
    """What custodians (set, index) sealed for a grant, and why others did not."""
    return canonical.encode({
        "v": 1,
        "kind": "access-answers",
        "grant": asked.digest.hex(),
        "answers": [[set_, index, note.base64_text(sealed)] for (set_, index), sealed in sorted(values.items())],
        "silent": [[set_, index, words] for (set_, index), words in sorted(silent.items())],
    })  # fmt: skip


def answers_of(data: bytes, asked: Signed) -> tuple[dict[tuple[int, int], bytes], dict[tuple[int, int], str]]:
    """The inverse of `answers`. Raises BadInputError, also for another grant's."""
    document = _document(data, "access-answers")
    if document.get("grant") != asked.digest.hex():
        raise BadInputError("answers: they are for another grant; take those for the newest one in this folder")
    try:
        values = {(int(a), int(b)): note.base64_bytes(text, "answer") for a, b, text in document["answers"]}
        silent = {(int(a), int(b)): str(words) for a, b, words in document["silent"]}
        sound = answers(asked, values, silent) == data
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInputError(f"answers: {error!r}") from None
    if not sound:
        raise BadInputError("answers: fields or values that this version does not write")
    return values, silent


def wanted(store: bytes, buckets: tuple[Bucket, ...]) -> bytes:
    """A request for buckets."""
    head = {"v": 1, "kind": "access-wanted", "store": store.hex()}
    return canonical.encode(head | {"buckets": [bucket.body() for bucket in buckets]})


def wanted_of(data: bytes, store: bytes) -> tuple[Bucket, ...]:
    """The buckets asked for. Raises BadInputError, also for another store's."""
    document = _of_store(data, "access-wanted", store)
    try:
        buckets = tuple(_bucket(item) for item in document["buckets"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"request for blocks: {error!r}") from None
    if wanted(store, buckets) != data:
        raise BadInputError("request for blocks: fields or values that this version does not write")
    return buckets


def blocks(store: bytes, filled: tuple[Filled, ...]) -> bytes:
    """Buckets with what they hold."""
    listed = [
        [one.bucket.body(), b"".join(one.ids).hex(), [note.base64_text(block) for block in one.blocks]]
        for one in filled
    ]
    return canonical.encode({"v": 1, "kind": "access-blocks", "store": store.hex(), "buckets": listed})


def blocks_of(data: bytes, store: bytes) -> tuple[Filled, ...]:
    """The inverse of `blocks`. Raises BadInputError."""
    document = _of_store(data, "access-blocks", store)
    try:
        filled = tuple(_filled(*item) for item in document["buckets"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"blocks: {error!r}") from None
    if blocks(store, filled) != data:
        raise BadInputError("blocks: fields or values that this version does not write")
    return filled


def masked(prefix: bytes, bits: int) -> bytes:
    """The first `bits` bits of the first 8 bytes of `prefix`, zeros behind them."""
    width = 8 * PREFIX_BYTES
    value = int.from_bytes(prefix[:PREFIX_BYTES], "big") >> (width - bits) << (width - bits)
    return value.to_bytes(PREFIX_BYTES, "big")


def _document(data: bytes, kind: str) -> Document:
    document = canonical.decode(data)
    formats.check_json("access", document)
    if not isinstance(document, dict) or (document.get("v"), document.get("kind")) != (1, kind):
        raise BadInputError(f"this is no {kind.removeprefix('access-').removesuffix('-body')} of a version known here")
    return document


def _of_store(data: bytes, kind: str, store: bytes) -> Document:
    document = _document(data, kind)
    if document.get("store") != store.hex():
        raise BadInputError(f"this {kind.removeprefix('access-')} file is of another store")
    return document


def _column_body(column: Column) -> list[str]:
    return [column.cls, columns.day_text(column.event_day), columns.day_text(column.sealing_day)]


def _column(cls: Any, event_day: Any, sealing_day: Any) -> Column:
    if cls not in CLASSES:
        raise ValueError("no class of ours")
    return Column(cls, columns.day_number(event_day), columns.day_number(sealing_day))


def _file(item: Any) -> HeldFile:
    cls, event_day, sealing_day, set_, batch, count = item
    if type(set_) is not int or type(count) is not int or count < 1:
        raise ValueError("set and blocks are numbers")
    return HeldFile(_column(cls, event_day, sealing_day), set_, _batch(batch), count)


def _bucket(item: Any) -> Bucket:
    cls, event_day, sealing_day, batch, bits, prefix = item
    found = Bucket(_column(cls, event_day, sealing_day), _batch(batch), bits, bytes.fromhex(prefix))
    if type(bits) is not int or not 0 <= bits <= 8 * PREFIX_BYTES or found.prefix != masked(found.prefix, bits):
        raise ValueError("a bucket's prefix has other bits than it says")
    return found


def _filled(bucket: Any, ids: str, held: list[str]) -> Filled:
    joined = bytes.fromhex(ids)
    split = tuple(joined[at : at + ID_BYTES] for at in range(0, len(joined), ID_BYTES))
    if len(split) != len(held) or len(joined) % ID_BYTES:
        raise ValueError("as many ids as blocks are needed")
    return Filled(_bucket(bucket), split, tuple(note.base64_bytes(text, "block") for text in held))


def _batch(text: str) -> bytes:
    batch = bytes.fromhex(text)
    if len(batch) != ID_BYTES:
        raise ValueError("a batch has 16 bytes")
    return batch
