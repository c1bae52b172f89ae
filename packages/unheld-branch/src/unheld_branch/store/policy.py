"""The policy: what genesis pins for ever, within bounds that no setting can pass (design rule: hard bounds in code)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unheld_branch.store.centres import Centre
from unheld_verify import canonical, columns, crypto, formats
from unheld_verify.errors import BadInputError

# What canaries sealed today opens today: a longer list could be of people.
_CANARIES_MOST = 16
# A pause shorter than a week is none; one longer than a year would be a weapon of its own.
_STANDSTILL_LEAST, _STANDSTILL_MOST = 7, 365
STANDSTILL_DEFAULT = 30


@dataclass(frozen=True)
class Policy:
    """The genesis document. Every field is pinned; another policy needs another store.

    `lifetimes` and `late_days` in days; `coarsen` as in a mapping (`none`, `prefix:N`, `grid:DEGREES`); `copies` are
    folders of further party trees; `canaries` identities of the operator's own test SIMs; `log_key` the log's vkey;
    `plan_key` headquarters' Ed25519 key for erasure plans and papers, hex; `standstill_days` how long a handover waits
    after an objection; `centre` which data centre of the network this is, where it has several.
    """

    store_id: bytes
    origin: str
    created: int
    set_number: int
    n: int
    t: int
    lifetimes: Mapping[str, int]
    late_days: int
    coarsen: str
    home: str
    copies: tuple[str, ...]
    canaries: tuple[str, ...]
    log_key: str
    plan_key: str
    standstill_days: int = STANDSTILL_DEFAULT
    centre: Centre | None = None

    def __post_init__(self) -> None:
        columns.check_lifetimes(self.lifetimes)
        columns.check_late_days(self.late_days)
        columns.components(self.n, self.t)
        if len(self.canaries) > _CANARIES_MOST:
            raise BadInputError(f"canaries: {len(self.canaries)} are too many; {_CANARIES_MOST} test SIMs are enough")
        if self.centre is not None and (self.centre.number == 1) != (self.centre.first == self.store_id):
            raise BadInputError("data centre: the first is number 1, and no other one is")
        if not _STANDSTILL_LEAST <= self.standstill_days <= _STANDSTILL_MOST:
            raise BadInputError(
                f"standstill: {self.standstill_days} days; choose {_STANDSTILL_LEAST} to {_STANDSTILL_MOST}"
            )

    def document(self) -> dict[str, Any]:
        """The genesis document as JSON values; release is shut by default and there is no way to open it."""
        return {
            "v": 1,
            "store": self.store_id.hex(),
            "origin": self.origin,
            "created": self.created,
            "custodians": {"set": self.set_number, "n": self.n, "t": self.t},
            "lifetimes": dict(self.lifetimes),
            "late_days": self.late_days,
            "coarsen": self.coarsen,
            "home": self.home,
            "copies": list(self.copies),
            "canaries": list(self.canaries),
            "log_key": self.log_key,
            "plan_key": self.plan_key,
            "standstill_days": self.standstill_days,
            "release": "never",
            **({"centre": self.centre.document()} if self.centre else {}),
        }

    def public(self) -> dict[str, Any]:
        """What the log publishes of it: the rules and how many test SIMs, neither their numbers nor paths."""
        document = self.document()
        rules = {
            name: document[name]
            for name in ("custodians", "lifetimes", "late_days", "coarsen", "standstill_days", "release")
        }
        centre = {"centre": document["centre"]} if self.centre else {}
        return rules | {"canaries": len(self.canaries), "headquarters": self.plan_key} | centre

    @property
    def digest(self) -> bytes:
        """SHA-256 of the genesis document."""
        return crypto.sha256(canonical.encode(self.document()))

    def lifetime(self, cls: str) -> int:
        """Days a class of facts lives after its event day."""
        return self.lifetimes[cls]


def _centre(said: Mapping[str, Any]) -> Centre:
    return Centre(said["number"], said["of"], bytes.fromhex(said["first"]))


def read(path: Path) -> Policy:
    """The genesis document in a file. Raises NewerError or BadInputError naming it."""
    document = canonical.decode(path.read_bytes())
    formats.check_json("genesis", document, path)
    return from_document(document)


def from_document(document: Mapping[str, Any]) -> Policy:
    """The inverse of `Policy.document`. Raises BadInputError on anything it would not write."""
    try:
        custodians, centre = document["custodians"], document.get("centre")
        policy = Policy(
            bytes.fromhex(document["store"]), document["origin"], document["created"], custodians["set"],
            custodians["n"], custodians["t"], document["lifetimes"], document["late_days"], document["coarsen"],
            document["home"], tuple(document["copies"]), tuple(document["canaries"]), document["log_key"],
            document["plan_key"], document["standstill_days"], _centre(centre) if centre is not None else None,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"genesis document: {error!r}") from None
    if canonical.encode(policy.document()) != canonical.encode(dict(document)):
        raise BadInputError("genesis document: has fields or values that this version does not write")
    return policy
