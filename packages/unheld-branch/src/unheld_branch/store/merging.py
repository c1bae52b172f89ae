"""Merging at the close: all blocks of one folio become one padded block, under a new batch id.

Parties are taken in slices, so that memory is bounded by a slice and not by the country; each slice makes one file a
column. Blocks whose handle no living party has are dummies or somebody forgotten: nobody can tell, and they are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.keys.parties.rows import join as join_rows
from unheld_branch.store import blocks, coding, files, layout
from unheld_branch.store.blocks import Facts
from unheld_branch.store.files import ColumnFile
from unheld_branch.store.layout import Coded
from unheld_branch.store.sealing import Codes, PartyKeys, Sealer
from unheld_verify import crypto

PARTIES_A_SLICE = 500_000
EventColumn = tuple[str, int]


@dataclass(frozen=True)
class _Opened:
    """The opened blocks of one column: plaintexts and which party of the slice each belongs to."""

    parties: Codes
    plaintexts: list[bytes]


def slices(leaves: Iterable[Rows]) -> Iterator[PartyKeys]:
    """Party keys and labels of whole trees, in slices; a linked row repeats its party and is left out."""
    waiting: list[Rows] = []
    count = 0
    for rows in leaves:
        waiting.append(rows)
        count += len(rows)
        if count >= PARTIES_A_SLICE:
            yield _party_keys(waiting)
            waiting, count = [], 0
    if waiting:
        yield _party_keys(waiting)


def _party_keys(parts: list[Rows]) -> PartyKeys:
    rows = join_rows(parts)
    _, first = np.unique(rows.labels.view("V16").reshape(-1), return_index=True)
    return PartyKeys(rows.keys[first], rows.labels[first])


def merge(sealer: Sealer, opened: Sequence[ColumnFile], parties: PartyKeys) -> list[ColumnFile]:
    """The closed column files of one slice of parties. `opened` are the column files of the day's batches."""
    batch_id = crypto.random_bytes(16)
    ordered = sorted(opened, key=lambda file: (file.column.cls, file.column.event_day))
    made = []
    for (cls, event_day), group in groupby(ordered, key=lambda file: (file.column.cls, file.column.event_day)):
        if sealer.is_open(cls, event_day):
            made += _merge_column(sealer, list(group), parties, (cls, event_day), batch_id)
    return made


def _merge_column(
    sealer: Sealer, opened: Sequence[ColumnFile], parties: PartyKeys, column: EventColumn, batch_id: bytes
) -> list[ColumnFile]:
    secrets = sealer.secrets(parties, *column)
    found = _open_all(sealer, opened, secrets)
    if not found.plaintexts:
        return []
    place = sealer.place(*column, batch_id)
    present, plaintexts = _merged_facts(found) if column[0] == "identity" else _merged_rows(found)
    sealed = blocks.seal(place, secrets.at(present), iter(plaintexts))
    return [files.write(sealer.folder, place, files.with_dummies(sealed), None)]


def _open_all(sealer: Sealer, opened: Sequence[ColumnFile], secrets: FolioSecrets) -> _Opened:
    """Every block of these files that a party of the slice can open, batch after batch."""
    handles = secrets.handles().view(">u8")
    by_handle = np.argsort(handles, kind="stable")
    owners: list[Codes] = [np.zeros(0, np.int64)]
    plaintexts: list[bytes] = []
    for file in opened:
        place = sealer.place(file.column.cls, file.column.event_day, file.batch_id)
        held = files.read_open(sealer.folder, place, file, sealer.open_day.directory_key)
        wanted = held.handles.view(">u8")
        at = np.searchsorted(handles[by_handle], wanted).clip(max=len(handles) - 1)
        party = by_handle[at]
        mine = np.flatnonzero(handles[party] == wanted)
        owners.append(party[mine])
        for number in mine.tolist():
            key, block_id = secrets.block_key(int(party[number])), held.ids[number].tobytes()
            plaintexts.append(blocks.open_block(place, key, block_id, held.blocks[number]))
    return _Opened(np.concatenate(owners), plaintexts)


def _merged_rows(found: _Opened) -> tuple[Codes, Iterator[bytes]]:
    """(parties, one plaintext each): rows by time, then in the order in which they came."""
    parts: list[Coded] = []
    owners: list[Codes] = []
    for head, group in groupby(range(len(found.plaintexts)), key=lambda i: _head(found.plaintexts[i])):
        del head
        numbers = list(group)
        read = [blocks.read_rows(found.plaintexts[number]) for number in numbers]
        parts.append(layout.from_rows(np.concatenate([rows for _, rows in read]), read[0][0]))
        owners.append(np.repeat(found.parties[numbers], [len(rows) for _, rows in read]))
    coded, owner = layout.concatenate(parts), np.concatenate(owners)
    order = np.lexsort((_number(coded[coding.TIME]), owner))
    ordered: Coded = {number: column[order] for number, column in coded.items()}
    shape = layout.fit(ordered, coding.KINDS)
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    bounds = [*starts.tolist(), len(owner)]
    return owner[order][starts], blocks.rows_plaintexts(layout.to_rows(ordered, shape), shape, bounds)


def _head(plaintext: bytes) -> bytes:
    return plaintext[: 2 + 2 * plaintext[1]]


def _number(column: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    return column.astype(np.uint64)


def _merged_facts(found: _Opened) -> tuple[Codes, Iterator[bytes]]:
    """(parties, one plaintext each): every distinct fact, in the order in which they came."""
    merged: dict[int, Facts] = {}
    for party, plaintext in zip(found.parties.tolist(), found.plaintexts, strict=True):
        facts = merged.setdefault(party, [])
        facts += [fact for fact in blocks.read_facts(plaintext) if fact not in facts]
    return np.array(list(merged), np.int64), (blocks.facts_plaintext(facts) for facts in merged.values())
