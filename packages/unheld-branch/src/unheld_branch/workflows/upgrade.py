"""Upgrade: bring a store to a later format by a plan that headquarters signed. Durable, and the same again is nothing.

1. The mark is written: from here on a release that cannot read the later format refuses the store.
2. One commit says so in the journal, with a statement for the log. Before it the store is of its old format, after it
   of the new one; a release that knows both reads it at every step.
"""

from __future__ import annotations

from dataclasses import dataclass

from unheld_branch.store import mark
from unheld_branch.store.store import Store
from unheld_verify.errors import StateError
from unheld_verify.upgrade import UpgradePlan


@dataclass(frozen=True)
class Upgraded:
    """The format that a part has now, and whether it had it before."""

    part: str
    format: int
    again: bool


def check(store: Store, plan: UpgradePlan, typed: str) -> None:
    """Signature, confirmation, and that the plan begins at what is there. Raises before anything changes."""
    plan.verify(bytes.fromhex(store.policy.plan_key), store.policy.store_id)
    plan.confirm(typed)
    part, found = plan.part(mark.STORE), store.catalog.format
    if part is not None and found not in (part.old, part.new):
        raise StateError(
            f"{store.folder}: is of format {found}, and this plan leads from {part.old} to {part.new}; "
            "`unheld upgrade plan` makes one from what is there"
        )


def apply(store: Store, plan: UpgradePlan, typed: str) -> Upgraded | None:
    """Upgrade the store as the plan says; nothing where the plan does not name it."""
    check(store, plan, typed)
    part = plan.part(mark.STORE)
    if part is None:
        return None
    if store.catalog.format == part.new:
        return Upgraded(part.name, part.new, again=True)
    mark.write(store.folder, mark.STORE, part.new)
    step = {"from": part.old, "to": part.new}
    said = store.opening("upgrade", digest=plan.digest, **step)
    store.commit({"kind": "upgrade", "plan": plan.digest, **step}, say=[said])
    return Upgraded(part.name, part.new, again=False)
