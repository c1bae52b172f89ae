"""Upgrade plans (`docs/spec/upgrade.md`): which parts of a deployment go from which format to which. Pure: no I/O.

Made and signed at headquarters like an erasure plan; it names parts and versions, nobody and no key.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

from unheld_verify import canonical, columns, crypto, formats
from unheld_verify.errors import BadInputError, NotAllowedError
from unheld_verify.plan import CONFIRM_DIGITS

PARTS = ("register", "store")
_RELEASE_MOST = 40
_SIGNED = b"unheld/v1/upgrade\n"


@dataclass(frozen=True)
class Part:
    """One part of a deployment, the format that it has, and the one that it gets."""

    name: str
    old: int
    new: int


@dataclass(frozen=True)
class UpgradePlan:
    """A plan as it stands in its file. `release` made it, and every later one carries it out."""

    store_id: bytes
    made: str
    release: str
    parts: tuple[Part, ...]
    signature: bytes = b""

    def _unsigned(self) -> dict[str, Any]:
        parts = [[part.name, part.old, part.new] for part in self.parts]
        head = {"v": 1, "kind": "upgrade", "store": self.store_id.hex()}
        return head | {"made": self.made, "release": self.release, "parts": parts}

    @property
    def digest(self) -> str:
        """Hex digest that a person confirms."""
        return crypto.sha256(canonical.encode(self._unsigned())).hex()

    def part(self, name: str) -> Part | None:
        """What happens to a part, if anything does."""
        return next((part for part in self.parts if part.name == name), None)

    def signed(self, seed: bytes) -> UpgradePlan:
        """This plan with headquarters' signature."""
        return replace(self, signature=crypto.sign(seed, _SIGNED + bytes.fromhex(self.digest)))

    def encode(self) -> bytes:
        """The bytes of a plan file."""
        return canonical.encode(self._unsigned() | {"signature": base64.b64encode(self.signature).decode()})

    def verify(self, public: bytes, store_id: bytes) -> None:
        """Raises NotAllowedError when it is another store's, VerificationError when headquarters did not sign it."""
        if self.store_id != store_id:
            raise NotAllowedError(f"this plan is for store {self.store_id.hex()}, not for {store_id.hex()}")
        crypto.verify(public, self.signature, _SIGNED + bytes.fromhex(self.digest))

    def confirm(self, typed: str) -> None:
        """Raises NotAllowedError unless `typed` is the digest's first 8 or more digits."""
        if len(typed) < CONFIRM_DIGITS or not self.digest.startswith(typed.lower()):
            raise NotAllowedError(
                f"nothing was changed: confirm with the first {CONFIRM_DIGITS} or more digits of this plan's digest"
            )


def decode(data: bytes, place: str = "upgrade plan") -> UpgradePlan:
    """Parse a plan file. Raises NewerError where it leads to a format that this release does not know, BadInputError
    unless encoding it again gives the same bytes."""
    document = canonical.decode(data)
    formats.check_json("upgrade", document, place)
    try:
        parts = tuple(Part(*part) for part in document["parts"])
        plan = UpgradePlan(
            bytes.fromhex(document["store"]), document["made"], document["release"], parts,
            base64.b64decode(document["signature"], validate=True),
        )  # fmt: skip
        columns.day_number(plan.made)
        named = type(plan.release) is str and 0 < len(plan.release) <= _RELEASE_MOST
        sound = plan.encode() == data and parts != () and len(plan.store_id) == 16 and named
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(f"{place}: is no upgrade plan: {error!r}; `unheld upgrade plan` makes one") from None
    names = [part.name for part in parts]
    known = all(isinstance(name, str) and name in PARTS for name in names)
    if not sound or not known or names != sorted(set(names)):
        raise BadInputError(f"{place}: has fields or values that this version does not write; make a new one")
    for part in parts:
        formats.known(part.name, part.old, place)
        formats.known(part.name, part.new, place)
        if part.old >= part.new:
            raise BadInputError(f"{place}: {part.name} goes from {part.old} to {part.new}, which is no upgrade")
    return plan
