"""Signing keys as files: the hex of a 32-byte Ed25519 seed. They sign, they open nothing."""

from __future__ import annotations

from pathlib import Path

from unheld_verify import crypto
from unheld_verify.errors import BadInputError

BRANCH = "branch.seed"
"""What the branch asks custodians with. It lies with the slots, out of every backup."""
BRANCH_MEND = "put it back; without it the custodians open no day"


def read(path: Path, mend: str) -> bytes:
    """The seed in a file. Raises BadInputError with the `mend` when it cannot be read."""
    try:
        seed = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError):
        seed = b""
    if len(seed) != crypto.KEY_BYTES:
        raise BadInputError(f"{path}: this signing key cannot be read; {mend}")
    return seed
