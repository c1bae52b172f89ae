"""Make erasure plans: find what they would drop, seal it, sign it. Nothing changes here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.rows import Bytes, Rows, join, order
from unheld_branch.store.policy import Policy
from unheld_branch.store.store import Store
from unheld_branch.store.targets import Targets, seal_targets
from unheld_verify import columns, receipt
from unheld_verify.errors import BadInputError
from unheld_verify.plan import Plan, erased_columns


@dataclass(frozen=True)
class Planned:
    """A signed plan. For one party also the box with that person's part of the receipt, and the claim code to it."""

    plan: Plan
    box: bytes = b""
    claim_code: str = field(default="", repr=False)


def plan_parties(store: Store, identities: Sequence[str], seed: bytes, held_on: date | None = None) -> Planned:
    """A plan to forget parties, in every tree that has a row of theirs: present holders, or those of a day.

    It does not show who of them has a row, nor how many: planning leaves no trace, so it must not answer whether
    somebody is known here. Applying it tells, in the log too, and then there is nothing left to tell of.
    """
    distinct = list(dict.fromkeys(identities))
    targets = _targets(store.parties(), distinct, held_on)
    tree = receipt.party_tree(distinct, store.policy.store_id.hex())
    plan = Plan(
        store.policy.store_id,
        "party" if len(distinct) == 1 else "parties",
        columns.day_text(store.today()),
        {"parties": len(distinct)},
        sealed=seal_targets(targets, store.root.plan_key, store.policy.store_id, len(distinct)),
        root=tree.root,
        leaves=tree.leaves,
    ).signed(seed)
    if len(distinct) > 1:
        return Planned(plan)
    code = receipt.new_claim_code()
    return Planned(plan, receipt.seal_box(code, tree.parties[0]), receipt.format_claim_code(code))


def _targets(parties: Parties, identities: Sequence[str], held_on: date | None) -> Targets:
    found: dict[int, tuple[Bytes, Bytes]] = {}
    for number in sorted(parties.trees):
        rows = (
            parties.find(identities, [number]).rows if held_on is None else _held(parties, identities, number, held_on)
        )
        if len(rows):
            found[number] = (rows.tags, rows.labels)
    return Targets(found)


def _held(parties: Parties, identities: Sequence[str], number: int, when: date) -> Rows:
    """Who held the identities at the end of a day, also where a holder after them was forgotten.

    Earlier holders are looked for whoever was found: how long it takes says nothing.
    """
    second = (columns.day_of(when) + 1) * 86_400 - 1
    found = parties.owner_at(identities, [second] * len(identities), [number]).rows
    earlier = join([parties.earlier_holder(name, second, number) for name in identities])
    return join([found, earlier.take(~np.isin(order(earlier.tags), order(found.tags)))])


def plan_day(store: Store, event_day: int, cls: str, seed: bytes) -> Planned:
    """A plan to forget an event day's records, or one class of it.

    Raises BadInputError for a class not known, a day that has not begun, and `identity` of any but a month's first day.
    """
    if event_day > store.today():
        raise BadInputError(f"{columns.day_text(event_day)} has not begun")
    if cls and cls not in columns.CLASSES:
        raise BadInputError(f"there is no class {cls!r}: choose {', '.join(columns.CLASSES)}")
    if cls == "identity" and event_day != columns.month_start(event_day):
        first = columns.day_text(columns.month_start(event_day))
        raise BadInputError(f"identity is kept by month: name the first day of the month, {first}")
    act = "class" if cls else "day"
    pairs = erased_columns(act, event_day, cls)
    files = [f for f in store.catalog.live_files() if (f.column.cls, f.column.event_day) in pairs]
    counts = {"columns": len({file.column for file in files}), "blocks_at_most": sum(file.blocks for file in files)}
    plan = Plan(store.policy.store_id, act, columns.day_text(store.today()), counts, event_day, cls, _no_targets(store))
    return Planned(plan.signed(seed))


def plan_everything(store: Store, seed: bytes) -> Planned:
    """A plan to forget everyone."""
    counts = {
        "rows": sum(tree.rows for tree in store.root.trees.values()),
        "columns": len({file.column for file in store.catalog.live_files()}),
    }
    made = columns.day_text(store.today())
    plan = Plan(store.policy.store_id, "everything", made, counts, sealed=_no_targets(store))
    return Planned(plan.signed(seed))


def everything_again(policy: Policy, made: str, seed: bytes) -> Plan:
    """A plan that custodians answer once everyone was forgotten, also where the store is gone. No branch needs it."""
    return Plan(policy.store_id, "everything", made, {}).signed(seed)


def _no_targets(store: Store) -> bytes:
    return seal_targets(Targets({}), store.root.plan_key, store.policy.store_id)
