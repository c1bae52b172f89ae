"""Data centres: stores of one network that each keep the records of their own range of parties.

Whose records a centre keeps is a public function of the identity they come under: it needs no key, asks nobody, and
says of nobody that they are known (`docs/spec/journal.md`). So two centres never hold the same record, and none is
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unheld_verify import crypto
from unheld_verify.errors import BadInputError

CENTRES_MOST = 16
_LABEL = b"unheld/v1/centre"
_ID_BYTES = 16


@dataclass(frozen=True)
class Centre:
    """Data centre `number`, from 1, of `of` that share a network; `first` is the store id of number 1."""

    number: int
    of: int
    first: bytes

    def __post_init__(self) -> None:
        whole = type(self.number) is int and type(self.of) is int
        if not whole or not 2 <= self.of <= CENTRES_MOST or not 1 <= self.number <= self.of:
            raise BadInputError(f"data centre {self.number} of {self.of}: of 2 to {CENTRES_MOST}, numbered from 1")
        if len(self.first) != _ID_BYTES:
            raise BadInputError("data centre: the first one's store id has another length")

    def document(self) -> dict[str, Any]:
        """As the genesis document has it."""
        return {"number": self.number, "of": self.of, "first": self.first.hex()}


def centre_for(identity: str, of: int) -> int:
    """The number, from 1, of the data centre that keeps the records of an identity: ranges of a digest's prefix."""
    prefix = int.from_bytes(crypto.sha256(_LABEL, identity.encode())[:2], "big")
    return 1 + (prefix * of >> 16)
