"""Lapse: drop what is due by the calendar. Nobody decides anything here; custodians have calendars of their own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from unheld_branch.keys.parties.parties import Parties
from unheld_branch.store.store import Store
from unheld_branch.store.vault import SUBSCRIBERS, month_tree
from unheld_branch.workflows.apply import again
from unheld_branch.workflows.custodians import Custodians, numbers
from unheld_verify import columns
from unheld_verify.columns import EventColumn
from unheld_verify.errors import SealedError


@dataclass(frozen=True)
class Lapsed:
    """What is or would be dropped: columns (class, event day), months of other parties, parked batches, old tenures."""

    columns: tuple[EventColumn, ...]
    trees: tuple[int, ...]
    parked: tuple[bytes, ...]
    tenures: int = 0


def due(store: Store) -> Lapsed:
    """What would lapse now; nothing changes."""
    today, catalog, lifetimes = store.today(), store.catalog, store.policy.lifetimes
    held = {(file.column.cls, file.column.event_day) for file in catalog.live_files()}
    pairs = [pair for pair in held if columns.due(*pair, lifetimes) <= today]
    staying = {
        month_tree(file.column.sealing_day)
        for file in catalog.live_files()
        if (file.column.cls, file.column.event_day) not in pairs
    }
    trees = sorted(store.root.trees.keys() - staying - {SUBSCRIBERS, month_tree(today)})
    parked = [
        batch.batch
        for batch in catalog.waiting()
        if columns.park_due(batch.reason, batch.period, store.policy.late_days) <= today
    ]
    return Lapsed(tuple(columns.in_order(pairs)), tuple(trees), tuple(parked))


def lapse(store: Store, custodians: Custodians) -> Lapsed:
    """Drop what is due: at the custodians, in the open day, in the trees; then ciphertext leaves as housekeeping.

    What is due here goes whoever is away. Raises PartialError at the end when a custodian that answered said no.
    """
    today = store.today()
    heard = custodians.lapse()
    again(store, custodians)
    found = due(store)
    held = None
    with suppress(SealedError):  # what cannot be read here ends with its day; where it is put back, with the next lapse
        held = store.day_slot.read()
    if held is not None:
        over = [pair for pair in held.keys.keys if columns.due(*pair, store.policy.lifetimes) <= today]
        if over:
            store.day_slot.keep(held.without(over))
    parties, tenures = _prune(store, found.trees)
    if found.columns or found.trees or found.parked or tenures:
        _commit(store, found, parties, numbers(heard))
    for one in heard:
        one.check()
    return Lapsed(found.columns, found.trees, found.parked, tenures)


def _commit(store: Store, found: Lapsed, parties: Parties, custodians: list[int]) -> None:
    listed = [[cls, columns.day_text(day)] for cls, day in found.columns]
    parked = [batch.hex() for batch in found.parked]
    entry = {"kind": "lapse", "columns": listed, "trees": list(found.trees), "parked": parked}
    said = [store.opening("lapse", columns=sorted(listed), custodians=custodians)] if listed else []
    store.commit(entry, say=said, parties=parties)
    store.tidy()


def _prune(store: Store, trees: tuple[int, ...]) -> tuple[Parties, int]:
    """Months of other parties that nothing names any more, and tenures that ended a whole lifetime ago."""
    parties = store.parties()
    for number in trees:
        parties = parties.drop_tree(number)
    longest = max(store.policy.lifetimes.values()) + store.policy.late_days
    parties, gone = parties.prune(SUBSCRIBERS, max(0, store.clock.now() - longest * 86_400))
    return parties, len(gone)
