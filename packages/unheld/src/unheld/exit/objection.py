"""Objections (docs/spec/paper.md): a group's signed note against a handover. A group is a key and a random name.

The name says nothing of who they are: whoever collects names of objectors gets random digits.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from unheld_verify import crypto, note
from unheld_verify.columns import day_number
from unheld_verify.errors import BadInputError, VerificationError
from unheld_verify.note import Key

MAX_WORDS = 10_000
_FIRST = "unheld objection v1"
_NAME = re.compile(r"w-[0-9a-f]{6,16}")
_PRIVATE, _ED25519 = "PRIVATE+KEY+", b"\x01"


@dataclass(frozen=True)
class GroupKey:
    """A group's signing key: a random name and a 32-byte seed."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def public(self) -> Key:
        """What the group gives to headquarters."""
        return Key(self.name, crypto.sign_public(self.seed))

    def encode(self) -> str:
        """The key file's text: a signer key as other C2SP tools write it."""
        return f"{_PRIVATE}{self.name}+{self.public.key_id.hex()}+{base64.b64encode(_ED25519 + self.seed).decode()}\n"


@dataclass(frozen=True)
class Objection:
    """A note as it came, verified: which group signed it, for which log and store, on which date."""

    group: str
    origin: str
    store: str
    date: str
    data: bytes

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the whole note, as the log has it."""
        return crypto.sha256(self.data).hex()


def new_key() -> GroupKey:
    """A fresh key under a random name."""
    return GroupKey(f"w-{crypto.random_bytes(4).hex()}", crypto.random_bytes(32))


def decode_key(text: str) -> GroupKey:
    """Read a key file. Raises BadInputError that repeats nothing of it."""
    parts = text.strip().removeprefix(_PRIVATE).split("+", 2)
    if not text.startswith(_PRIVATE) or len(parts) != 3 or not text.isascii():
        raise BadInputError("this is no group's key; unheld exit group key makes one")
    try:
        data = base64.b64decode(parts[2], validate=True)
    except ValueError:
        raise BadInputError("this key is damaged: its last part is not base64") from None
    key = GroupKey(parts[0], data[1:])
    if data[:1] != _ED25519 or len(data) != 1 + crypto.KEY_BYTES or key.encode() != text.strip() + "\n":
        raise BadInputError("this key is damaged: its parts do not belong together")
    return key


def parse_group(text: str) -> Key:
    """Read a group's public key. Raises BadInputError: also for a name that could say who they are."""
    key = note.parse_key(text)
    if not _NAME.fullmatch(key.name):
        raise BadInputError(
            "a group's key has a random name, w- and 6 to 16 hex digits, so that it tells nobody who they are; "
            "unheld exit group key makes one"
        )
    return key


def sign(key: GroupKey, origin: str, store: str, date: str, words: str) -> bytes:
    """The note of an objection. Raises BadInputError naming what is off."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    if not lines:
        raise BadInputError("an objection says why: at least one line of words")
    if len(words) > MAX_WORDS:
        raise BadInputError(f"an objection has at most {MAX_WORDS:,} signs; put the rest into a paper of your own")
    text = "\n".join([_FIRST, origin, store, date, *lines]) + "\n"
    parse_text(text)
    return note.encode(note.sign(text, key.name, key.seed))


def parse_text(text: str) -> tuple[str, str, str]:
    """(origin, store, date) of an objection's text. Raises BadInputError."""
    lines = text.removesuffix("\n").split("\n")
    if lines[0] != _FIRST or len(lines) < 5 or not any(line.strip() for line in lines[4:]):
        raise BadInputError(f"this is no objection: {_FIRST!r}, the log, the store, a date, then words, a line each")
    origin, store, date = lines[1:4]
    if not origin or not re.fullmatch(r"[0-9a-f]{32}", store):
        raise BadInputError("objection: the second line is the log's name, the third the store in 32 hex digits")
    day_number(date)
    if len(text) > MAX_WORDS + 1_000:
        raise BadInputError(f"objection: more than {MAX_WORDS:,} signs")
    return origin, store, date


def verify(data: bytes, groups: Sequence[Key]) -> Objection:
    """Check a note by the registered keys. Raises BadInputError, or VerificationError if no registered key signed."""
    found = note.parse(data)
    origin, store, date = parse_text(found.text)
    signed = note.verify(found, groups)
    if len(found.signatures) != 1:
        raise BadInputError("an objection has one signature: each group sends a note of its own")
    if note.encode(found) != data:
        raise VerificationError("the note is written in a way that this version does not write")
    return Objection(signed[0].name, origin, store, date, data)
