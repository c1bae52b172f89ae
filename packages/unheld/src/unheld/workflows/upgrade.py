"""Upgrade a deployment by a plan: what would change, signed by headquarters; then the change, in the durable order.

The register goes first and the store last: its commit is the one that the log tells of. A crash at any step leaves
parts of the old format or of the new one, this release reads both, and the same plan again does what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from unheld import assembly
from unheld.assembly import Deployment
from unheld_branch.kernel.locks import locked
from unheld_branch.store import mark
from unheld_branch.store.store import Store
from unheld_branch.workflows import upgrade as branch
from unheld_branch.workflows.upgrade import Upgraded
from unheld_verify import columns, formats
from unheld_verify.errors import StateError
from unheld_verify.upgrade import Part, UpgradePlan


@dataclass(frozen=True)
class Found:
    """Every part of a deployment with its format, and the plan; none where all are of the newest format."""

    parts: tuple[Part, ...]
    plan: UpgradePlan | None


def plan(deployment: Deployment, store: Store) -> Found:
    """What an upgrade would change. Nothing changes here."""
    parts = tuple(Part(name, old, formats.FORMATS[name].newest) for name, old in _formats(deployment, store))
    due = tuple(part for part in parts if part.old < part.new)
    if not due:
        return Found(parts, None)
    made = columns.day_text(assembly.clock().now() // 86_400)
    unsigned = UpgradePlan(store.policy.store_id, made, formats.release(), due)
    return Found(parts, unsigned.signed(deployment.seed("plan")))


def _formats(deployment: Deployment, store: Store) -> list[tuple[str, int]]:
    return [(mark.REGISTER, mark.read(deployment.register, mark.REGISTER)), (mark.STORE, store.catalog.format)]


def apply(deployment: Deployment, store: Store, found: UpgradePlan, typed: str) -> list[Upgraded]:
    """Carry it out: one line a part. Raises NotAllowedError, VerificationError or StateError before it."""
    branch.check(store, found, typed)
    done = [_register(deployment, part) for part in [found.part(mark.REGISTER)] if part is not None]
    last = branch.apply(store, found, typed)
    return [*done, *([last] if last else [])]


def _register(deployment: Deployment, part: Part) -> Upgraded:
    with locked(deployment.register / "lock", exclusive=True):
        had = mark.read(deployment.register, mark.REGISTER)
        if had not in (part.old, part.new):
            raise StateError(f"{deployment.register}: is of format {had}, and this plan leads from {part.old}")
        mark.write(deployment.register, mark.REGISTER, part.new)
    return Upgraded(part.name, part.new, again=had == part.new)
