"""Signed notes (C2SP signed-note 1.0.0), with Ed25519 keys.

A note is a text and lines `— NAME base64(key id ‖ signature)`. Signatures of unknown keys are passed over, a wrong
signature of a known key condemns the note. What the parser accepts, it would write.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from unheld_verify import crypto
from unheld_verify.errors import BadInputError, VerificationError

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100  # the specification asks for at least 16
_ED25519 = b"\x01"
_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class Signature:
    """One signature line: who says to have signed, under which key id (4 bytes), and the signature."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True)
class Note:
    """A text, ending in a newline, and its signatures. Nothing of it is true before `verify`."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class Key:
    """A public Ed25519 key (32 bytes) and its name."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name, newline, type, public key)."""
        return crypto.sha256(self.name.encode(), b"\n", _ED25519, self.public)[:4]


def base64_bytes(text: str, what: str) -> bytes:
    """Decode standard base64 that is written in its one canonical way. `what` names the place in the error."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise BadInputError(f"{what} is not base64") from None
    if base64_text(data) != text:
        raise BadInputError(f"{what} is base64 written in a second way: it was edited")
    return data


def base64_text(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode()


def parse_key(text: str) -> Key:
    """Read a verifier key `NAME+ID+base64(type ‖ public key)`. Raises BadInputError saying what is off."""
    if text.count("+") < 2:  # another secret given by mistake is not repeated
        raise BadInputError("this is no verifier key: the id is missing; give NAME+ID+BASE64")
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    _check_name(name, "verifier key")
    if not re.fullmatch("[0-9a-f]{8}", key_id):
        raise BadInputError(f"verifier key of {name}: the id is not 8 hex digits; give NAME+ID+BASE64")
    data = base64_bytes(encoded, f"verifier key of {name}")
    if data[:1] != _ED25519 or len(data) != 1 + crypto.KEY_BYTES:
        raise BadInputError(f"verifier key of {name} is not an Ed25519 key (type 1, 32 bytes)")
    key = Key(name, data[1:])
    if key.key_id.hex() != key_id:
        raise BadInputError(f"verifier key of {name} has id {key.key_id.hex()}, not {key_id}: name or key was altered")
    return key


def format_key(key: Key) -> str:
    """Write a verifier key."""
    return f"{key.name}+{key.key_id.hex()}+{base64_text(_ED25519 + key.public)}"


def parse(data: bytes) -> Note:
    """Read a signed note. Raises BadInputError; verifies nothing."""
    if len(data) > MAX_NOTE_BYTES:
        raise BadInputError(f"note is larger than {MAX_NOTE_BYTES} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise BadInputError("note is not UTF-8") from None
    if _CONTROL.search(whole):
        raise BadInputError("note holds a control character")
    body, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise BadInputError("note has no signature lines after an empty line, or its last line is cut off")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise BadInputError(f"note has more than {MAX_SIGNATURES} signatures")
    return Note(body + "\n", tuple(_parse_signature(line) for line in lines))


def encode(note: Note) -> bytes:
    """Write a signed note: the bytes `parse` read."""
    lines = [f"{_DASH}{s.name} {base64_text(s.key_id + s.value)}\n" for s in note.signatures]
    return (note.text + "\n" + "".join(lines)).encode()


def sign(text: str, name: str, seed: bytes) -> Note:
    """Sign `text` with the Ed25519 key of a 32-byte seed, under `name`."""
    _check_name(name, "signing key")
    if not text.endswith("\n") or _CONTROL.search(text):
        raise BadInputError("a note's text ends in a newline and holds no control character")
    key = Key(name, crypto.sign_public(seed))
    return Note(text, (Signature(name, key.key_id, crypto.sign(seed, text.encode())),))


def verify(note: Note, keys: Sequence[Key]) -> tuple[Signature, ...]:
    """The signatures that the given keys made. Raises VerificationError if one is wrong or there is none.

    Two given keys with the same name and id are refused with BadInputError: no one could say which signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    if len(known) != len(keys):
        raise BadInputError("two of the given keys have the same name and id: give each key once")
    verified = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        try:
            crypto.verify(key.public, signature.value, note.text.encode())
        except VerificationError:
            raise VerificationError(f"signature of {key.name} ({key.key_id.hex()}) is wrong") from None
        verified.append(signature)
    if not verified:
        signers = ", ".join(f"{s.name} ({s.key_id.hex()})" for s in note.signatures[:3])
        raise VerificationError(f"no signature by a given key; signed by {signers}")
    return tuple(verified)


def _parse_signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise BadInputError("a signature line does not start with an em dash and a space")
    name, space, encoded = line[len(_DASH) :].partition(" ")
    _check_name(name, "signature line")
    if not space:
        raise BadInputError(f"signature line of {name} has no signature")
    data = base64_bytes(encoded, f"signature of {name}")
    if len(data) < 5:
        raise BadInputError(f"signature of {name} is too short")
    return Signature(name, data[:4], data[4:])


def _check_name(name: str, where: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name):
        raise BadInputError(f"{where}: a key's name is not empty and holds neither spaces nor '+'")
    if any("\ud800" <= char <= "\udfff" for char in name):  # a command line gives bytes that are no UTF-8 so
        raise BadInputError(f"{where}: a key's name is text in UTF-8")
