"""What plans of headquarters have in common: a digest that a person confirms, and headquarters' signature over it.

Source: `docs/spec/plan.md`, `docs/spec/upgrade.md`. Pure: no I/O.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from unheld_verify import canonical, crypto
from unheld_verify.errors import NotAllowedError

DIGITS = 8
"""How many digits of the digest a person types at least."""


@dataclass(frozen=True)
class Confirmed(ABC):
    """A document that headquarters signs and a person confirms before anything is done."""

    DOMAIN: ClassVar[bytes]

    store_id: bytes
    signature: bytes = field(default=b"", kw_only=True)

    @abstractmethod
    def _unsigned(self) -> dict[str, Any]:
        """What is signed, as JSON."""

    @property
    def digest(self) -> str:
        """Hex digest that a person confirms."""
        return crypto.sha256(canonical.encode(self._unsigned())).hex()

    def signed(self, seed: bytes) -> Self:
        """This document with headquarters' signature."""
        return replace(self, signature=crypto.sign(seed, self.DOMAIN + bytes.fromhex(self.digest)))

    def encode(self) -> bytes:
        """The bytes of its file."""
        return canonical.encode(self._unsigned() | {"signature": base64.b64encode(self.signature).decode()})

    def verify(self, public: bytes, store_id: bytes) -> None:
        """Raises NotAllowedError when it is another store's, VerificationError when headquarters did not sign it."""
        if self.store_id != store_id:
            raise NotAllowedError(f"this plan is for store {self.store_id.hex()}, not for {store_id.hex()}")
        crypto.verify(public, self.signature, self.DOMAIN + bytes.fromhex(self.digest))

    def confirm(self, typed: str) -> None:
        """Raises NotAllowedError unless `typed` is the digest's first 8 or more digits."""
        if len(typed) < DIGITS or not self.digest.startswith(typed.lower()):
            raise NotAllowedError(
                f"nothing was changed: confirm with the first {DIGITS} or more digits of this plan's digest"
            )
