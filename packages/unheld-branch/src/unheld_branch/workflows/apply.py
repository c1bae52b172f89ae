"""Apply: carry out an erasure plan signed at headquarters, in the durable order. Nothing here can plan or refuse."""

from __future__ import annotations

import time
from dataclasses import dataclass

from unheld_branch.store import parkkeys
from unheld_branch.store import targets as sealed_targets
from unheld_branch.store.store import Store
from unheld_branch.store.targets import Targets
from unheld_branch.store.vault import first_root
from unheld_branch.workflows.custodians import Custodians, enough, numbers
from unheld_verify import columns
from unheld_verify.plan import Plan
from unheld_verify.statement import Opening


@dataclass(frozen=True)
class Applied:
    """What an applied plan did: rows whose keys are gone, columns whose keys are gone, and how long the act took."""

    act: str
    rows: int
    columns: int
    custodians: int
    milliseconds: float


def apply(store: Store, custodians: Custodians, plan: Plan, typed: str) -> Applied:
    """Check signature and confirmation, then act. Raises NotAllowedError, VerificationError or StateError before it."""
    plan.verify(bytes.fromhex(store.policy.plan_key), store.policy.store_id)
    plan.confirm(typed)
    targets = sealed_targets.opened(plan, store.root.plan_key)
    start = time.perf_counter()
    if plan.act in {"party", "parties"}:
        rows, gone, attested = _parties(store, plan, targets), 0, 0
    elif plan.act == "everything":
        rows, gone, attested = _everything(store, custodians)
    else:
        rows, (gone, attested) = 0, _columns(store, custodians, plan)
    elapsed = (time.perf_counter() - start) * 1000
    store.tidy()
    return Applied(plan.act, rows, gone, attested, elapsed)


def _parties(store: Store, plan: Plan, targets: Targets) -> int:
    """Drop rows: their keys go with the old root, in this store and in every copy."""
    parties, rows = store.parties(), 0
    for number, (tags, labels) in targets.trees.items():
        if number in parties.trees:
            parties, dropped = parties.drop(number, tags, labels)
            rows += len(dropped.rows)
    entry = {"kind": "erase", "act": plan.act, "root": plan.root.hex(), "leaves": plan.leaves}
    said = _said(store, "erase-parties", root=plan.root.hex(), leaves=plan.leaves, copies=1 + len(store.copies))
    store.commit(entry, say=[said], parties=parties, plan_applied=True)
    return rows


def _columns(store: Store, custodians: Custodians, plan: Plan) -> tuple[int, int]:
    """Drop the keys of an event day, or of one class of it: at the custodians, then in the open day."""
    pairs = plan.columns
    attested = custodians.erase(pairs, store.today())
    held = store.day_slot.read()
    if held is not None:
        store.day_slot.keep(held.without(pairs))
    enough(store.policy, attested, "this is not called erased; apply the same plan when they are back")
    day = columns.day_text(plan.event_day)
    fields = {"class": plan.cls} if plan.act == "class" else {}
    said = _said(store, f"erase-{plan.act}", event_day=day, custodians=numbers(attested), **fields)
    store.commit({"kind": "erase", "act": plan.act, "event_day": day, **fields}, say=[said], plan_applied=True)
    return len(pairs), len(attested)


def _everything(store: Store, custodians: Custodians) -> tuple[int, int, int]:
    """Forget everyone: the old root key goes first, which alone closes every folio; then all columns."""
    rows = sum(tree.rows for tree in store.root.trees.values())
    said = _said(store, "erase-everything", copies=1 + len(store.copies))
    store.commit({"kind": "erase", "act": "everything"}, say=[said], everything=first_root())
    store.day_slot.drop()
    parkkeys.drop(store.folder)
    attested = custodians.erase_everything(store.today())
    enough(store.policy, attested, "every row is forgotten here; for copies of parked batches, plan and apply it again")
    return rows, 0, len(attested)


def _said(store: Store, kind: str, **fields: object) -> Opening:
    return store.opening(kind, slots=store.slot_words(), **fields)
