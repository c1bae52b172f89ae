"""Checkpoints (C2SP tlog-checkpoint 1.0.0): origin, size and root of a log, as the text of a signed note."""

from __future__ import annotations

from dataclasses import dataclass

from unheld_verify import note
from unheld_verify.errors import BadInputError, VerificationError
from unheld_verify.merkle import HASH_BYTES

MAX_SIZE = 2**63 - 1


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log: its origin, its number of entries, the Merkle root over them, and opaque further lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def parse(text: str) -> Checkpoint:
    """Read the text of a checkpoint. Raises BadInputError; verifies nothing."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or "" in lines:
        raise BadInputError("checkpoint: three or more non-empty lines, each ended by a newline, are needed")
    origin, size, encoded, *extensions = lines
    if not is_decimal(size) or int(size) > MAX_SIZE:
        raise BadInputError("checkpoint: the second line is not a decimal size without leading zeros")
    root = note.base64_bytes(encoded, "checkpoint: the root")
    if len(root) != HASH_BYTES:
        raise BadInputError(f"checkpoint: the root has {len(root)} bytes, not {HASH_BYTES}")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def encode(checkpoint: Checkpoint) -> str:
    """Write the text of a checkpoint: what `parse` read."""
    lines = (checkpoint.origin, str(checkpoint.size), note.base64_text(checkpoint.root), *checkpoint.extensions)
    return "".join(f"{line}\n" for line in lines)


def sign(checkpoint: Checkpoint, seed: bytes) -> bytes:
    """A signed checkpoint, under the log's origin as the key's name. Raises BadInputError if it would not read back."""
    text = encode(checkpoint)
    if parse(text) != checkpoint:
        raise BadInputError("checkpoint: a line holds a newline or the size is off")
    return note.encode(note.sign(text, checkpoint.origin, seed))


def verify(data: bytes, key: note.Key) -> Checkpoint:
    """The checkpoint in a signed note, signed by `key`, whose name must be the origin.

    Raises BadInputError (form) or VerificationError (signature, or another log's origin).
    """
    signed = note.parse(data)
    checkpoint = parse(signed.text)
    note.verify(signed, [key])
    if checkpoint.origin != key.name:
        raise VerificationError(f"checkpoint is of log {checkpoint.origin}, the key is of log {key.name}")
    return checkpoint


def is_decimal(text: str) -> bool:
    """Whether `text` is a number in ASCII decimal without leading zeros, of at most 20 digits."""
    return text.isascii() and text.isdigit() and len(text) <= 20 and str(int(text)) == text
