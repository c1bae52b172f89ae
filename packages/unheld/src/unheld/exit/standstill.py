"""Standstills: a registered group objects, and no handover is made for the days that genesis pinned.

What is stated in the ledger or in the public log is what counts, so that a lost file does not end a standstill.
A standstill never stops a forgetting (ADR 0012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unheld.assembly import Deployment
from unheld.exit import issuing, objection
from unheld.exit.objection import Objection
from unheld.ledger import Ledger
from unheld_slots import durable
from unheld_verify import columns, note, statement
from unheld_verify.errors import BadInputError, StateError, VerificationError
from unheld_verify.note import Key
from unheld_verify.statement import Statement

_FOLDER = "objections"


@dataclass(frozen=True)
class Standstill:
    """One standstill: which key objected, and from which day until before which no handover is made."""

    group: str
    digest: str
    begins: str
    ends: str

    def runs(self, day: str) -> bool:
        """Whether it runs on a day."""
        return self.begins <= day < self.ends

    @property
    def words(self) -> str:
        """The standstill in a sentence without its full stop."""
        return f"{self.group} objected: no handover from {self.begins} until before {self.ends}"


def groups(stated: Sequence[Statement]) -> list[Key]:
    """The registered keys."""
    return [note.parse_key(found["key"]) for found in stated if found["kind"] == "group"]


def register(deployment: Deployment, vkey: str) -> Key:
    """Register a group's key: it will be public. Registering it again changes nothing. Hold the register's lock.

    Raises BadInputError, or StateError when another key has the name.
    """
    key = objection.parse_group(vkey)
    known = groups(issuing.statements(deployment))
    if key in known:
        return key
    if key.name in {other.name for other in known}:
        raise StateError(f"another key is registered as {key.name}: ask the group for a key with a new name")
    _post(deployment, "group", key=note.format_key(key))
    return key


def standstills(stated: Sequence[Statement]) -> list[Standstill]:
    """Every standstill that ever began."""
    names = ("group", "digest", "begins", "ends")
    return [Standstill(*(found[name] for name in names)) for found in stated if found["kind"] == "standstill"]


def refuse_handover(stated: Sequence[Statement], day: str) -> None:
    """Raises StateError until every standstill has ended.

    One that was stated has begun: on a day before that, the clock was turned back.
    """
    if running := [pause for pause in standstills(stated) if day < pause.ends]:
        until = max(pause.ends for pause in running)
        names = ", ".join(sorted(pause.group for pause in running))
        raise StateError(
            f"a standstill runs until {until}, after objections by {names}: nothing is handed over before; answer them"
        )


def begin(deployment: Deployment, data: bytes) -> Standstill:
    """Take an objection: keep the note, and begin the standstill. Hold the register's lock.

    Raises BadInputError, VerificationError, or StateError for a group that objected before.
    """
    policy, today = deployment.policy(), issuing.today()
    stated = issuing.statements(deployment)
    registered = groups(stated)
    if not registered:
        raise StateError("no group is registered: unheld exit group add takes a group's public key")
    found = _checked(objection.verify(data, registered), policy.origin, policy.store_id.hex(), today)
    if any(pause.group == found.group for pause in standstills(stated)):
        raise StateError(f"{found.group} has objected before: one standstill for each group, and this was not counted")
    ends = columns.day_text(columns.day_number(today) + policy.standstill_days)
    folder = deployment.register / _FOLDER
    durable.make_folders(folder)
    durable.write_file(folder / f"{found.group}-{found.digest[:8]}.note", data)
    _post(deployment, "standstill", group=found.group, digest=found.digest, begins=today, ends=ends)
    return Standstill(found.group, found.digest, today, ends)


def _checked(found: Objection, origin: str, store: str, today: str) -> Objection:
    if found.origin != origin:
        raise VerificationError(f"the objection is for log {found.origin}, not for {origin}")
    if found.store != store:
        raise VerificationError(f"the objection is for store {found.store}, not for {store}")
    if found.date > today:
        raise BadInputError(f"the objection is dated {found.date}, which is to come; look at the clocks")
    return found


def _post(deployment: Deployment, kind: str, **fields: str) -> None:
    said = statement.make(deployment.policy().origin, kind, issuing.today(), **fields)
    Ledger(deployment.ledger).post(statement.commit(said))
