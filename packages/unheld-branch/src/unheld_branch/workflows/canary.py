"""Canaries: the operator's own test SIMs, named at genesis. What they sealed today opens today, so that engineers see
their pipeline work. Nobody else's records open, and no past day does.
"""

from __future__ import annotations

from dataclasses import dataclass

from unheld_branch.keys.parties.parties import Parties
from unheld_branch.store import blocks, coding, files
from unheld_branch.store.sealing import PartyKeys, Sealer
from unheld_branch.store.store import Store
from unheld_branch.store.vault import SUBSCRIBERS, month_tree
from unheld_verify import columns
from unheld_verify.errors import NotAllowedError, SealedError


@dataclass(frozen=True)
class Seen:
    """Today's records of one canary in one column: class, event day, and seconds of each record within that day."""

    cls: str
    event_day: str
    times: tuple[int, ...]


def look(store: Store, canary: str) -> list[Seen]:
    """What today's batches hold of one canary. Raises NotAllowedError for anyone else, SealedError without open day."""
    if canary not in store.policy.canaries:
        raise NotAllowedError("this is not a canary of this store's genesis: nobody else's records can be looked at")
    open_day = store.open_day()
    if open_day is None:
        raise SealedError("no day is open: a canary is looked at while its day is")
    keys = _keys(store.parties(), canary, open_day.day)
    sealer = Sealer(store.folder, store.policy.store_id, open_day)
    seen = []
    for batch in store.catalog.open_batches():
        for file in batch.files:
            if keys is not None and sealer.is_open(file.column.cls, file.column.event_day):
                seen += _in_file(sealer, file, keys)
    return seen


def _keys(parties: Parties, canary: str, day: int) -> PartyKeys | None:
    rows = parties.find([canary], [SUBSCRIBERS, month_tree(day)]).rows
    return PartyKeys(rows.keys, rows.labels) if len(rows) else None


def _in_file(sealer: Sealer, file: files.ColumnFile, keys: PartyKeys) -> list[Seen]:
    column = (file.column.cls, file.column.event_day)
    secrets = sealer.secrets(keys, *column)
    place = sealer.place(*column, file.batch_id)
    block_id = secrets.block_id(0, file.batch_id)
    held = files.read(sealer.folder, file)
    ids = held.ids.tobytes()
    at = next((i for i in range(len(held.blocks)) if ids[i * 16 : i * 16 + 16] == block_id), None)
    if at is None:
        return []
    plaintext = blocks.open_block(place, secrets.block_key(0), block_id, held.blocks[at])
    text = columns.day_text(file.column.event_day)
    if file.column.cls == "identity":
        return [Seen("identity", text, ())]
    times = coding.times(blocks.columns_of([blocks.read_rows(plaintext)]))
    return [Seen(file.column.cls, text, tuple(times.tolist()))]
