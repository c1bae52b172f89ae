"""Upgrade plans (`docs/spec/upgrade.md`): which parts of a deployment go from which format to which. Pure: no I/O.

Made and signed at headquarters like an erasure plan; it names parts and versions, nobody and no key.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from unheld_verify import canonical, columns, formats
from unheld_verify.confirmed import Confirmed
from unheld_verify.errors import BadInputError

PARTS = ("register", "store")
_RELEASE_MOST = 40


@dataclass(frozen=True)
class Part:
    """One part of a deployment, the format that it has, and the one that it gets."""

    name: str
    old: int
    new: int


@dataclass(frozen=True)
class UpgradePlan(Confirmed):
    """A plan as it stands in its file. `release` made it, and every later one carries it out."""

    DOMAIN = b"unheld/v1/upgrade\n"

    made: str
    release: str
    parts: tuple[Part, ...]

    def _unsigned(self) -> dict[str, Any]:
        parts = [[part.name, part.old, part.new] for part in self.parts]
        head = {"v": 1, "kind": "upgrade", "store": self.store_id.hex()}
        return head | {"made": self.made, "release": self.release, "parts": parts}

    def part(self, name: str) -> Part | None:
        """What happens to a part, if anything does."""
        return next((part for part in self.parts if part.name == name), None)


def decode(data: bytes, place: str = "upgrade plan") -> UpgradePlan:
    """Parse a plan file. Raises NewerError where it leads to a format that this release does not know, BadInputError
    unless encoding it again gives the same bytes."""
    document = canonical.decode(data)
    formats.check_json("upgrade", document, place)
    try:
        parts = tuple(Part(*part) for part in document["parts"])
        plan = UpgradePlan(
            bytes.fromhex(document["store"]), document["made"], document["release"], parts,
            signature=base64.b64decode(document["signature"], validate=True),
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
