"""Erasure plans (`docs/spec/plan.md`): made and signed at headquarters, applied by the branch's service."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unheld_branch.keys.parties.rows import Bytes
from unheld_branch.store.coding import RECORD_CLASSES
from unheld_verify import canonical, columns, crypto
from unheld_verify.columns import EventColumn
from unheld_verify.errors import BadInputError, NotAllowedError, StateError, WrongKeyError

ACTS = ("party", "parties", "day", "class", "everything")
CONFIRM_DIGITS = 8
_SIGNED = b"unheld/v1/plan\n"
_SEALED = b"unheld/v1/plan"
_ENTRY = 4 + 16 + 16
_LEAST_ENTRIES = 16


def erased_columns(act: str, event_day: int, cls: str) -> list[EventColumn]:
    """What an act on an event day erases. A day has no `identity`: that column is a month's, and is a class's act."""
    if act == "class":
        return [(cls, event_day)]
    return [(name, event_day) for name in RECORD_CLASSES] if act == "day" else []


@dataclass(frozen=True)
class Targets:
    """Whose rows a plan drops: by tree, n tags and n labels."""

    trees: Mapping[int, tuple[Bytes, Bytes]] = field(repr=False)

    def encode(self, least: int = 0) -> bytes:
        """tree u32 ‖ tag 16 ‖ label 16 each, padded with zero entries to a power of two of at least 16 and `least`."""
        entries = [
            number.to_bytes(4, "big") + tag.tobytes() + label.tobytes()
            for number, (tags, labels) in sorted(self.trees.items())
            for tag, label in zip(tags, labels, strict=True)
        ]
        count = max(_LEAST_ENTRIES, 1 << max(0, max(len(entries), least) - 1).bit_length())
        return b"".join(entries).ljust(count * _ENTRY, b"\0")


def decode_targets(data: bytes) -> Targets:
    """The inverse of `Targets.encode`. Raises BadInputError."""
    if not data or len(data) % _ENTRY:
        raise BadInputError("plan: its entries are cut off")
    table = np.frombuffer(data, np.uint8).reshape(-1, _ENTRY)
    table = table[table[:, 4:].any(axis=1)]
    numbers = np.ascontiguousarray(table[:, :4]).view(">u4").reshape(-1)
    return Targets(
        {int(n): (table[numbers == n, 4:20].copy(), table[numbers == n, 20:].copy()) for n in np.unique(numbers)}
    )


@dataclass(frozen=True)
class Plan:
    """A plan as it stands in its file. Fields as in the spec page; empty where the act does not need them."""

    store_id: bytes
    act: str
    made: str
    counts: Mapping[str, int]
    event_day: int = -1
    cls: str = ""
    sealed: bytes = b""
    root: bytes = b""
    leaves: int = 0
    signature: bytes = b""

    def _unsigned(self) -> dict[str, Any]:
        document: dict[str, Any] = {"v": 1, "kind": "erase", "store": self.store_id.hex(), "act": self.act}
        if self.act in {"day", "class"}:
            document["event_day"] = columns.day_text(self.event_day)
        if self.act == "class":
            document["class"] = self.cls
        if self.act in {"party", "parties"}:
            document |= {"root": self.root.hex(), "leaves": self.leaves}
        sealed = base64.b64encode(self.sealed).decode()
        return document | {"sealed": sealed, "counts": dict(self.counts), "made": self.made}

    @property
    def columns(self) -> list[EventColumn]:
        """The (class, event day) pairs whose keys it drops: none of them for parties, and for everything all go."""
        return erased_columns(self.act, self.event_day, self.cls)

    @property
    def digest(self) -> str:
        """Hex digest that a person confirms."""
        return crypto.sha256(canonical.encode(self._unsigned())).hex()

    def signed(self, seed: bytes) -> Plan:
        """This plan with headquarters' signature."""
        signature = crypto.sign(seed, _SIGNED + bytes.fromhex(self.digest))
        return Plan(**{**self.__dict__, "signature": signature})

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

    def targets(self, plan_key: bytes) -> Targets:
        """Whose rows it drops. Raises StateError when the plan died with an earlier root."""
        try:
            return decode_targets(crypto.unseal(plan_key, self.sealed, _SEALED + self.store_id))
        except WrongKeyError:
            raise StateError(
                "this plan does not open any more: a plan was applied, or everything forgotten, since it was made; "
                "make a new one with `unheld erase plan`"
            ) from None


def seal_targets(targets: Targets, plan_key: bytes, store_id: bytes, named: int = 0) -> bytes:
    """The sealed entries of a plan: no number, name or tag stands in it in clear.

    `named` parties give room for as many entries, so that its length does not say how many of them have a row.

    A plan without targets has them too, all padding: what opens under one plan key only applies only once.
    """
    return crypto.seal(plan_key, targets.encode(named), _SEALED + store_id)


def decode(data: bytes) -> Plan:
    """Parse a plan file. Raises BadInputError unless encoding it again gives the same bytes."""
    document = canonical.decode(data)
    try:
        plan = Plan(
            store_id=bytes.fromhex(document["store"]),
            act=document["act"],
            made=document["made"],
            counts=document["counts"],
            event_day=columns.day_number(document["event_day"]) if "event_day" in document else -1,
            cls=document.get("class", ""),
            sealed=base64.b64decode(document["sealed"], validate=True),
            root=bytes.fromhex(document.get("root", "")),
            leaves=document.get("leaves", 0),
            signature=base64.b64decode(document["signature"], validate=True),
        )
        known = _is_known(plan) and plan.encode() == data
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInputError(f"plan: {error!r}; `unheld erase plan` makes one") from None
    if not known:
        raise BadInputError("plan: has fields or values that this version does not write; make a new one")
    return plan


def _is_known(plan: Plan) -> bool:
    columns.day_number(plan.made)
    figures = (plan.leaves, *plan.counts.values())
    named = plan.act in ACTS and (plan.act != "class" or plan.cls in columns.CLASSES)
    return named and all(type(figure) is int and figure >= 0 for figure in figures)
