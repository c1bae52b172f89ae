"""What a store and a far copy write to each other, as bytes (`docs/spec/copy.md`). Pure: no I/O, no clock.

Pinned keys only sign. Every exchange is sealed to a one-time ML-KEM-768+X25519 key that the copy made for it in memory,
and every answer to one of the store's, so that a recorded line opens for nobody who takes a long-lived key later.

    knock →                 (anybody, in clear)
          ← door            a key of the copy's, in memory only, signed by it
    letter 0, 1, 2 … →      each signed by the branch, sealed to the door, numbered
          ← answer          signed by the copy, sealed to the letter's own key; errors too
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store import copying
from unheld_branch.store.copying import Making, Part, Standing, Step
from unheld_branch.store.database import Waiting
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_verify import canonical, crypto, custody, errors, note, signed
from unheld_verify.errors import BadInputError, StateError, UnheldError, VerificationError
from unheld_verify.signed import Document, Signed

MAGIC = b"UNHCOPY1"
PATH = "/v1/copy"
BYTES_MOST = 32 << 20
DOOR_BYTES = 32
ACTS = ("make", "standing", "sums", "rows", "step", "finish", "missing", "file", "end")
LAST = ("finish", "end")
"""Acts that end their exchange: what comes next begins with a knock."""
NO_DOOR = "no such exchange: knock again"
_ERRORS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, UnheldError)
}


@dataclass(frozen=True)
class Ask:
    """One letter's content: an act with fields, and bytes that are not text."""

    act: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    blob: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Line:
    """One exchange as both sides count it: the copy's signing key, and the door of this exchange."""

    copy: bytes
    door: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of the door."""
        return crypto.sha256(self.door)


def knock() -> bytes:
    """Ask a copy for a door: the one message that needs no signature."""
    return canonical.encode({"v": 1, "kind": "copy-knock"})


def door(public: bytes, seed: bytes) -> Signed:
    """A copy's key to seal one exchange to; its private half is never on a disk."""
    return signed.sign({"v": 1, "kind": "copy-door", "key": note.base64_text(public)}, seed)


def door_key(said: Signed, copy: bytes) -> bytes:
    """The key of a door. Raises VerificationError when this copy did not sign it, BadInputError."""
    key = note.base64_bytes(str(said.by(copy, "the copy").get("key")), "door key")
    if len(key) != crypto.PARK_PUBLIC_BYTES:
        raise BadInputError("door: its key has another length")
    return key


def letter(ask: Ask, line: Line, number: int, reply: bytes, seed: bytes) -> tuple[bytes, bytes]:
    """(the sealed letter, the digest that its answer names)."""
    document = {
        "v": 1, "kind": "copy-ask", "act": ask.act, "copy": line.copy.hex(), "door": line.digest.hex(),
        "number": number, "reply": note.base64_text(reply), "body": dict(ask.fields),
        "blob": crypto.sha256(ask.blob).hex(),
    }  # fmt: skip
    one = signed.sign(document, seed)
    sealed = crypto.box_seal(line.door, _framed(one, ask.blob), _letter_info(line))
    return MAGIC + line.digest + sealed, one.digest


def door_of(data: bytes) -> bytes:
    """The digest of the door that a letter is sealed to. Raises BadInputError."""
    if data[: len(MAGIC)] != MAGIC or len(data) < len(MAGIC) + DOOR_BYTES:
        raise BadInputError("this is no letter to a copy")
    return data[len(MAGIC) : len(MAGIC) + DOOR_BYTES]


def open_letter(data: bytes, line: Line, private: bytes) -> tuple[Signed, bytes]:
    """The signed ask of a letter and its bytes. Raises WrongKeyError, BadInputError; nothing of it is true yet."""
    plain = crypto.box_open(private, data[len(MAGIC) + DOOR_BYTES :], _letter_info(line))
    return _unframed(plain, "copy-ask")


def ask_of(said: Signed, blob: bytes, line: Line, number: int, branch: bytes) -> tuple[Ask, bytes]:
    """(what is asked, the key for the answer), if this branch asked it here, now, as letter `number`.

    Raises VerificationError for a letter of somebody else, to another copy or exchange, or out of order.
    """
    document = said.by(branch, "the branch")
    here = {"copy": line.copy.hex(), "door": line.digest.hex(), "number": number, "blob": crypto.sha256(blob).hex()}
    if any(not signed.same(document.get(name), value) for name, value in here.items()):
        raise VerificationError("letter: it is for another copy or exchange, or not the next one")
    reply, act, body = document.get("reply"), document.get("act"), document.get("body")
    key = note.base64_bytes(str(reply), "reply key")
    if len(key) != crypto.PARK_PUBLIC_BYTES or act not in ACTS or not isinstance(body, dict):
        raise BadInputError("letter: an act or fields that this version does not write")
    return Ask(str(act), body, blob), key


def answer(about: Signed, reply: bytes, fields: Document, blob: bytes, seed: bytes) -> bytes:
    """A copy's answer, sealed to the letter's own key."""
    document = {"v": 1, "kind": "copy-answer", "ask": about.digest.hex(), "body": fields}
    one = signed.sign(document | {"blob": crypto.sha256(blob).hex()}, seed)
    return MAGIC + crypto.box_seal(reply, _framed(one, blob), _answer_info(about.digest))


def open_answer(data: bytes, about: bytes, copy: bytes, private: bytes) -> tuple[Document, bytes]:
    """(fields, bytes) of the answer to the letter with this digest. Raises what the copy raised, VerificationError."""
    plain = crypto.box_open(private, data[len(MAGIC) :], _answer_info(about))
    said, blob = _unframed(plain, "copy-answer")
    document = said.by(copy, "the copy")
    body = document.get("body")
    if document.get("ask") != about.hex() or document.get("blob") != crypto.sha256(blob).hex():
        raise VerificationError("answer: it is to another letter")
    if not isinstance(body, dict):
        raise BadInputError("answer: fields that this version does not write")
    if "error" in body:
        raise _ERRORS.get(str(body["error"]), StateError)(str(body.get("words"))[:1000])
    return body, blob


def refusal(error: UnheldError) -> Document:
    """An error as the fields of an answer."""
    return {"error": type(error).__name__, "words": str(error)[:1000]}


def _letter_info(line: Line) -> bytes:
    return b"unheld/v1/copy-letter" + line.copy + line.digest


def _answer_info(about: bytes) -> bytes:
    return b"unheld/v1/copy-answer" + about


def _framed(one: Signed, blob: bytes) -> bytes:
    head = one.encode()
    return custody.padded(len(head).to_bytes(4, "big") + head + blob)


def _unframed(plain: bytes, kind: str) -> tuple[Signed, bytes]:
    data = custody.unpadded(plain)
    end = 4 + int.from_bytes(data[:4], "big")
    return signed.decode(data[4:end], kind), data[end:]


def making_ask(making: Making) -> Ask:
    """`Copy.make` as an ask."""
    (tree,) = making.first.trees.values()
    fields = {
        "name": making.name, "plan_key": making.first.plan_key.hex(), "tag_key": tree.tag_key.hex(),
        "entry": note.base64_text(making.entry), "head": making.head.hex(), "branch_seed": making.branch_seed.hex(),
    }  # fmt: skip
    return Ask("make", fields, making.genesis)


def making_of(ask: Ask) -> Making:
    """The inverse of `making_ask`."""
    said = ask.fields
    first = RootNode(1, _key(said["plan_key"]), {}, {SUBSCRIBERS: Tree(_key(said["tag_key"]))})
    entry = note.base64_bytes(said["entry"], "entry")
    return Making(str(said["name"]), ask.blob, first, entry, _key(said["head"]), _key(said["branch_seed"]))


def standing_fields(standing: Standing) -> Document:
    """A standing as the fields of an answer."""
    rows = {str(number): count for number, count in standing.rows.items()}
    where = {"generation": standing.generation, "head": standing.head.hex(), "erasing": standing.erasing}
    return where | {"rows": rows, "words": standing.words}


def standing_of(said: Document) -> Standing:
    """The inverse of `standing_fields`. Raises BadInputError."""
    try:
        rows = {int(number): int(count) for number, count in said["rows"].items()}
        made = Standing(int(said["generation"]), _key(said["head"]), bool(said["erasing"]), rows, str(said["words"]))
        sound = signed.same(standing_fields(made), said)
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound:
        raise BadInputError("answer: a standing that this version does not write")
    return made


def part_ask(part: Part) -> Ask:
    """`Copy.rows` as an ask: the bytes are the rows to drop (16 each), then those to add."""
    fields = {
        "tree": part.tree, "tag_key": part.tag_key.hex(), "deletes": len(part.deletes),
        "bits": part.bits, "buckets": list(part.buckets),
    }  # fmt: skip
    return Ask("rows", fields, part.deletes.tobytes() + copying.packed(part.upserts))


def part_of(ask: Ask) -> Part:
    """The inverse of `part_ask`."""
    said = ask.fields
    end = rows_.TAG_BYTES * int(said["deletes"])
    deletes = np.frombuffer(ask.blob[:end], np.uint8).reshape(-1, rows_.TAG_BYTES)
    bits, buckets = int(said["bits"]), tuple(map(int, said["buckets"]))
    if not 0 <= bits <= 16 or any(not 0 <= one < 1 << bits for one in buckets) or list(buckets) != sorted(set(buckets)):
        raise BadInputError("rows for a copy: buckets that this version does not write")
    upserts = copying.unpacked(ask.blob[end:])
    return Part(int(said["tree"]), _key(said["tag_key"]), upserts, deletes, bits, buckets)


def step_ask(step: Step) -> Ask:
    """`Copy.step` as an ask."""
    waiting = [
        [one.r.hex(), note.base64_text(one.statement), -1 if one.index is None else one.index] for one in step.outbox
    ]
    fields = {
        "generation": step.generation, "head": step.head.hex(), "plan_key": step.plan_key.hex(),
        "dedup": {str(day): key.hex() for day, key in step.dedup.items()},
        "tag_keys": {str(number): key.hex() for number, key in step.tag_keys.items()},
        "outbox": waiting,
    }  # fmt: skip
    return Ask("step", fields, step.entry)


def step_of(ask: Ask) -> Step:
    """The inverse of `step_ask`."""
    said = ask.fields
    waiting = tuple(
        Waiting(0, _key(r), note.base64_bytes(text, "statement"), None if index < 0 else int(index))
        for r, text, index in said["outbox"]
    )
    dedup = {int(day): _key(key) for day, key in said["dedup"].items()}
    tag_keys = {int(number): _key(key) for number, key in said["tag_keys"].items()}
    head, plan_key = _key(said["head"]), _key(said["plan_key"])
    return Step(int(said["generation"]), ask.blob, head, plan_key, dedup, tag_keys, waiting)


def _key(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != crypto.KEY_BYTES:
        raise BadInputError(f"letter: {crypto.KEY_BYTES} bytes are needed, not {len(value)}")
    return value
