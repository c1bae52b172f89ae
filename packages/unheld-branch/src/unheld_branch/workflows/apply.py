"""Apply: carry out an erasure plan signed at headquarters, in the durable order. Nothing here can plan or refuse."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from unheld_branch.keys.parties.rows import PUBLIC_KEY, Rows
from unheld_branch.store import parkkeys, pending
from unheld_branch.store import targets as sealed_targets
from unheld_branch.store.store import Store
from unheld_branch.store.targets import Targets
from unheld_branch.store.vault import first_root
from unheld_branch.workflows.custodians import Custodians, enough, everybody, numbers
from unheld_verify import columns, grant
from unheld_verify.errors import AwayError, PartialError, SealedError
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


def apply(store: Store, custodians: Custodians, plan: Plan, typed: str, targets: Targets | None = None) -> Applied:
    """Check signature and confirmation, then act. Raises NotAllowedError, VerificationError or StateError before it.

    `targets` is whose rows the plan drops, where it was opened before another plan's commit ended the key.
    """
    plan.verify(bytes.fromhex(store.policy.plan_key), store.policy.store_id)
    plan.confirm(typed)
    targets = sealed_targets.opened(plan, store.root.plan_key) if targets is None else targets
    start = time.perf_counter()
    if plan.act in {"party", "parties"}:
        rows, gone, attested = _parties(store, plan, targets), 0, 0
        bury(store, custodians)
    elif plan.act == "everything":
        rows, gone, attested = _everything(store, custodians, plan)
    else:
        rows, (gone, attested) = 0, _columns(store, custodians, plan)
    elapsed = (time.perf_counter() - start) * 1000
    store.tidy()
    return Applied(plan.act, rows, gone, attested, elapsed)


def _parties(store: Store, plan: Plan, targets: Targets) -> int:
    """Drop rows: their keys go with the old root, in this store and in every copy."""
    parties, gone = store.parties(), []
    for number, (tags, labels) in targets.trees.items():
        if number in parties.trees:
            parties, dropped = parties.drop(number, tags, labels)
            gone.append(dropped.rows)
    pending.bury(store.folder, plan, tombstones(store, gone))
    entry = {"kind": "erase", "act": plan.act, "plan": plan.digest, "root": plan.root.hex(), "leaves": plan.leaves}
    said = _said(store, "erase-parties", root=plan.root.hex(), leaves=plan.leaves, copies=store.trees_counted)
    store.commit(entry, say=[said], parties=parties, plan_applied=True)
    return sum(map(len, gone))


def tombstones(store: Store, dropped: Iterable[Rows]) -> set[bytes]:
    """What custodians keep of the labels of those rows that have a subscriber key: nobody can ask for the others."""
    keyed = [rows.labels[rows.extras_of(PUBLIC_KEY)[0]] for rows in dropped]
    return {grant.tombstone(store.policy.store_id, label.tobytes()) for labels in keyed for label in labels}


def bury(store: Store, custodians: Custodians) -> None:
    """Name forgotten labels to custodians: what not all of them hold now is named again with the next lapse."""
    applied, lifetimes = store.catalog.applied, store.policy.lifetimes
    for plan, hashes in pending.buried(store.folder, applied, store.today(), lifetimes):
        pending.acknowledged(store.folder, plan, hashes - custodians.tombstone(plan, hashes))


def again(store: Store, custodians: Custodians) -> None:
    """Go on with what has begun: tell custodians that were away, and finish what a crash or their absence cut short.

    A plan that custodians hear of counts here too: else their keys would be gone, and journal and log not tell of it.
    """
    for plan in pending.plans(store.folder, store.today(), store.policy.lifetimes):
        with suppress(AwayError, PartialError, SealedError):  # it stays begun
            if plan.act == "everything":
                _everything(store, custodians, plan)
            else:
                _columns(store, custodians, plan)
    bury(store, custodians)


def _columns(store: Store, custodians: Custodians, plan: Plan) -> tuple[int, int]:
    """Drop the keys of an event day, or of one class of it: at the custodians, then in the open day."""
    pairs = plan.columns
    pending.keep(store.folder, plan)
    heard = custodians.erase(plan)
    held = store.day_slot.read()
    if held is not None:
        store.day_slot.keep(held.without(pairs))
    enough(heard, "this is not called erased; apply the same plan when they are back")
    if plan.digest not in store.catalog.applied:
        day = columns.day_text(plan.event_day)
        fields = {"class": plan.cls} if plan.act == "class" else {}
        said = _said(store, f"erase-{plan.act}", event_day=day, custodians=numbers(heard), **fields)
        entry = {"kind": "erase", "act": plan.act, "plan": plan.digest, "event_day": day, **fields}
        store.commit(entry, say=[said], plan_applied=True)
    if everybody(heard):
        pending.done(store.folder, plan)
    return len(pairs), len(numbers(heard))


def _everything(store: Store, custodians: Custodians, plan: Plan) -> tuple[int, int, int]:
    """Forget everyone: the old root key goes first, which alone closes every folio; then all columns.

    Parking keys go before it: custodians end theirs, and what were parked after a crash between would be lost.
    """
    rows = sum(tree.rows for tree in store.root.trees.values())
    if plan.digest not in store.catalog.applied:
        store.copies.require(store.catalog.released)  # before anything begins
        pending.keep(store.folder, plan)
        parkkeys.drop(store.folder)
        said = _said(store, "erase-everything", copies=store.trees_counted)
        store.commit({"kind": "erase", "act": "everything", "plan": plan.digest}, say=[said], everything=first_root())
        _end_day(store)
    heard = custodians.erase_everything(plan)
    if everybody(heard):
        pending.done(store.folder, plan)
    enough(heard, "every row is forgotten here; they are told of the columns with each lapse until they testify")
    return rows, 0, len(numbers(heard))


def _end_day(store: Store) -> None:
    """Hold no key of any day, whatever state the slot of the open day is in."""
    try:
        store.day_slot.read()
    except SealedError:
        store.day_slot.renew()
    else:
        store.day_slot.drop()


def _said(store: Store, kind: str, **fields: object) -> Opening:
    return store.opening(kind, slots=store.slot_words(), **fields)
