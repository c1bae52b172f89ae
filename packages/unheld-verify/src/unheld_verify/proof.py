"""Proof files (c2sp.org/tlog-proof@v1): index, inclusion path and checkpoint of one entry, and opaque extra bytes.

Nothing in a proof is true before its parts are verified, and the extra bytes are never authenticated by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from unheld_verify import checkpoint, merkle, note
from unheld_verify.errors import BadInputError

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 2 * note.MAX_NOTE_BYTES


@dataclass(frozen=True)
class Proof:
    """Entry `index`, its `path` to the root, the signed checkpoint as bytes, and `extra` (empty: none)."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""


def parse(data: bytes) -> Proof:
    """Read a proof file. Raises BadInputError; verifies nothing."""
    if len(data) > MAX_PROOF_BYTES:
        raise BadInputError(f"proof file is larger than {MAX_PROOF_BYTES} bytes")
    head, blank, signed = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadInputError("proof file: the lines before the checkpoint are not ASCII") from None
    if not blank or lines.pop(0) != HEADER:
        raise BadInputError(f"proof file: the first line is not {HEADER!r}, or no checkpoint follows an empty line")
    extra = _parse_extra(lines)
    index = lines.pop(0) if lines else ""
    if not index.startswith("index ") or not checkpoint.is_decimal(index[6:]):
        raise BadInputError("proof file: the line 'index N' is missing, or N is not decimal without leading zeros")
    if int(index[6:]) > checkpoint.MAX_SIZE or len(lines) > merkle.MAX_PROOF:
        raise BadInputError("proof file: the index or the path is too large for any log")
    proof = Proof(int(index[6:]), tuple(_parse_hash(line) for line in lines), signed, extra)
    checkpoint.parse(note.parse(signed).text)
    return proof


def encode(proof: Proof) -> bytes:
    """Write a proof file: the bytes `parse` read."""
    lines = [HEADER]
    if proof.extra:
        lines.append(f"extra {note.base64_text(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines += [note.base64_text(value) for value in proof.path]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + proof.checkpoint


def _parse_extra(lines: list[str]) -> bytes:
    if not lines or not lines[0].startswith("extra "):
        return b""
    extra = note.base64_bytes(lines.pop(0)[6:], "proof file: extra")
    if not extra:
        raise BadInputError("proof file: a line 'extra' without data; leave it out")
    return extra


def _parse_hash(line: str) -> bytes:
    value = note.base64_bytes(line, "proof file: a hash of the path")
    if len(value) != merkle.HASH_BYTES:
        raise BadInputError(f"proof file: a hash of the path has {len(value)} bytes, not {merkle.HASH_BYTES}")
    return value
