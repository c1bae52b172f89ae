"""Erasure plans (`docs/spec/plan.md`): made and signed at headquarters, applied by the branch and by custodians.

Whose rows a plan drops is sealed: what is here tells the act, the day and the counts. Pure: no I/O.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unheld_verify import canonical, columns, formats
from unheld_verify.columns import EventColumn
from unheld_verify.confirmed import Confirmed
from unheld_verify.errors import BadInputError

ACTS = ("party", "parties", "day", "class", "everything")
_RECORD_CLASSES = ("charge", "contact", "place")


def erased_columns(act: str, event_day: int, cls: str) -> list[EventColumn]:
    """What an act on an event day erases. A day has no `identity`: that column is a month's, and is a class's act."""
    if act == "class":
        return [(cls, event_day)]
    return [(name, event_day) for name in _RECORD_CLASSES] if act == "day" else []


@dataclass(frozen=True)
class Plan(Confirmed):
    """A plan as it stands in its file. Fields as in the spec page; empty where the act does not need them."""

    DOMAIN = b"unheld/v1/plan\n"

    act: str
    made: str
    counts: Mapping[str, int]
    event_day: int = -1
    cls: str = ""
    sealed: bytes = b""
    root: bytes = b""
    leaves: int = 0

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


def decode(data: bytes) -> Plan:
    """Parse a plan file. Raises BadInputError unless encoding it again gives the same bytes."""
    document = canonical.decode(data)
    formats.check_json("plan", document)
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
