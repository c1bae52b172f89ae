"""The branch's day: open with the custodians' column keys, close by merging and dropping them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unheld_branch.keys.columns import merge_pushes
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.store import merging, openday, parkkeys
from unheld_branch.store.sealing import Sealer
from unheld_branch.store.store import Store
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_branch.workflows.custodians import Custodians
from unheld_branch.workflows.delivery import at_most
from unheld_branch.workflows.ingest import dedup_keys
from unheld_branch.workflows.routing import month_tree
from unheld_verify import columns
from unheld_verify.errors import StateError


@dataclass(frozen=True)
class Opened:
    """A day that opened: its number, custodians that pushed, columns it can seal into. `again`: it was open already."""

    day: int
    custodians: int
    columns: int
    again: bool


@dataclass(frozen=True)
class Closed:
    """A day that closed: batches merged, records in them, files and bytes they became."""

    day: int
    batches: int
    records: int
    files: int
    size: int


def open_day(store: Store, custodians: Custodians) -> Opened:
    """Open today. The keys go into the open-day slot; a day that lost them is given them again.

    Raises StateError when an earlier day is still open, or when fewer than t custodians answer: then park.
    """
    today, held = store.today(), store.catalog.open_day
    if held is not None and held.number != today:
        raise StateError(f"{columns.day_text(held.number)} is still open: `unheld day close` first")
    if held is None:
        _finish_close(store, custodians)
    if held is None and today in store.catalog.days:
        raise StateError(
            f"{columns.day_text(today)} was closed; the next day opens at 00:00 UTC. Records can be parked"
        )
    pushes = custodians.open_day(today, today)
    keys = merge_pushes(pushes, store.policy.n, store.policy.t)
    parkkeys.keep(store.folder, custodians.park_publics(today))
    kept = store.day_slot.read() if held is not None else None
    if kept is None:
        store.day_slot.keep(openday.begin(keys))
    if held is None:
        checks = {str(number): check for push in pushes for number, check in push.checks.items()}
        day = columns.day_text(today)
        said = store.opening("open", sealing_day=day, set=keys.set)
        entry = {"kind": "open", "day": day, "set": keys.set, "checks": checks}
        store.commit(entry, say=[said], dedup=dedup_keys(store))
    return Opened(today, len(pushes), len(keys.keys), again=held is not None)


def close_day(store: Store, custodians: Custodians) -> Closed:
    """Close the open day: one padded block a folio, keys dropped here, the day closed at the custodians.

    The order leaves no loss: merged files are durable before the commit, the keys die after it; a crash before the
    commit leaves the day open, a crash after it is finished by calling again, or by opening the next day.
    """
    held = store.catalog.open_day
    if held is None:
        finished = _finish_close(store, custodians)
        if finished is None:
            raise StateError("no day is open")
        return _closed(store, finished)
    day = store.open_day()
    if day is None:
        raise StateError("the open day's keys are not here: `unheld day open` asks the custodians for them again")
    batches = store.catalog.open_batches()
    opened = [file for batch in batches for file in batch.files]
    sealer = Sealer(store.folder, store.policy.store_id, day)
    size = merging.slice_size(opened, sum(tree.rows for tree in store.root.trees.values()))
    parts = merging.slices(_leaves(store, held.number), size)
    made = [file for part in parts for file in merging.merge(sealer, opened, part)]
    text = columns.day_text(held.number)
    entry = {
        "kind": "close",
        "day": text,
        "batch": made[0].batch_id.hex() if made else "",
        "files": [file.entry() for file in made],
        "merged": [batch.id.hex() for batch in batches],
    }
    records = sum(batch.records for batch in batches)
    said = store.opening(
        "close",
        sealing_day=text,
        records_at_most=at_most(records),
        generation=store.root.generation,
        root=store.root_digest().hex(),
        head=store.catalog.head.hex(),
    )
    store.commit(entry, say=[said])
    _finish_close(store, custodians)
    return _closed(store, held.number)


def _finish_close(store: Store, custodians: Custodians) -> int | None:
    """After the commit: drop the keys here, tell the custodians, remove the merged batches' ciphertext.

    The keys die first, whoever answers; the day's name stays in their slot until this is finished. Keys of a day that
    the journal does not know are an opening's that a crash cut short: the day has not been, and the custodians may
    still open it.
    """
    kept = store.day_slot.read()
    if kept is None:
        return None
    over = kept.day in store.catalog.days
    if over:
        store.day_slot.keep(openday.ended(kept))
        custodians.close_day(kept.day, store.today())
    store.day_slot.drop()
    store.tidy()
    return kept.day if over else None


def _closed(store: Store, number: int) -> Closed:
    batches = [batch for batch in store.catalog.batches.values() if batch.day == number and batch.state == "closed"]
    files = store.catalog.days[number].files
    records = sum(batch.records for batch in batches)
    return Closed(number, len(batches), records, len(files), sum(file.size for file in files))


def _leaves(store: Store, day: int) -> Iterator[Rows]:
    """All parties that a block of this day may belong to."""
    parties = store.parties()
    for number in (SUBSCRIBERS, month_tree(day)):
        if number in parties.trees:
            yield from parties.walk(number)
