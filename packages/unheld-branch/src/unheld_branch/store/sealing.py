"""Sealing: records of an open day become blocks, one a party and column, in the column files of one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from unheld_branch.keys import folios
from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.store import blocks, coding, files, layout
from unheld_branch.store.blocks import Facts, Place, SealedBlocks
from unheld_branch.store.files import ColumnFile
from unheld_branch.store.layout import Codes, Columns, Texts
from unheld_branch.store.openday import OpenDay
from unheld_verify import columns, crypto
from unheld_verify.columns import Column

_SECONDS = 86_400
_BITS = 63


@dataclass(frozen=True)
class PartyKeys:
    """Party keys (n x 32 bytes) and labels (n x 16) of the parties a batch names."""

    keys: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def at(self, places: Codes) -> PartyKeys:
        """Those at `places`, in that order."""
        return PartyKeys(self.keys[places], self.labels[places])


@dataclass(frozen=True)
class Events:
    """Records to seal: facts, Unix seconds, and which party each belongs to and names (-1: none)."""

    table: pa.Table
    when: Codes
    owner: Codes
    counterpart: Codes
    owners: PartyKeys
    counterparts: PartyKeys


@dataclass(frozen=True)
class _Task:
    """One column file to be: rows start..end of the sorted events, by party."""

    cls: str
    event_day: int
    rows: slice
    parties: Codes
    bounds: Codes


@dataclass(frozen=True)
class Sealer:
    """Seals into the columns of one open day of one store."""

    folder: Path
    store_id: bytes
    open_day: OpenDay

    def place(self, cls: str, event_day: int, batch_id: bytes) -> Place:
        """Where a block of this day belongs."""
        keys = self.open_day.keys
        return Place(self.store_id, keys.set, Column(cls, event_day, keys.day), batch_id)

    def secrets(self, parties: PartyKeys, cls: str, event_day: int) -> FolioSecrets:
        """Folio secrets of parties in one column of this day. Raises SealedError if the column is not open."""
        keys = self.open_day.keys
        function = keys.evaluate(cls, event_day, parties.labels.tobytes())
        return folios.derive(parties.keys.tobytes(), function, keys.set, Column(cls, event_day, keys.day))

    def handles(self, parties: PartyKeys) -> npt.NDArray[np.void]:
        """What groups the blocks of each party on this day."""
        return folios.handles(parties.keys.tobytes(), self.store_id, self.open_day.day)

    def is_open(self, cls: str, event_day: int) -> bool:
        """Whether this day may still seal facts of this class and event day."""
        return (cls, event_day) in self.open_day.keys.keys

    def seal(self, events: Events) -> tuple[bytes, list[ColumnFile], Counter[str]]:
        """Write the column files of one batch: its id, the files, and what was counted instead of stored."""
        batch_id = crypto.random_bytes(16)
        order = _order(events)
        counts: Counter[str] = Counter()
        tasks = list(self._tasks(events, order, counts))
        total = sum(files.rounded(len(task.parties)) for task in tasks)
        most = max((len(task.parties) for task in tasks), default=0)
        widest = [task for task in tasks if len(task.parties) == most]
        missing = max(0, files.LEAST_BLOCKS_A_BATCH - total + files.rounded(most) * len(widest))
        least = -(-missing // len(widest)) if widest else 0
        handles = self.handles(events.owners)
        facts = {cls: coding.coded_facts(events.table, cls) for cls in coding.classes_of(events.table)}
        written = []
        for task in tasks:
            sealed = self._sealed(events, order[task.rows], task, facts[task.cls], batch_id, handles)
            padding = least if task in widest else 0
            written.append(self._write(sealed, task.cls, task.event_day, batch_id, padding))
        return batch_id, written, counts

    def _tasks(self, events: Events, order: Codes, counts: Counter[str]) -> Iterator[_Task]:
        days, owners = events.when[order] // _SECONDS, events.owner[order]
        for day, start, end in _runs(days):
            inside = owners[start:end]
            bounds = np.flatnonzero(np.diff(inside, prepend=-1))
            parties = inside[bounds]
            for cls in coding.classes_of(events.table):
                if self.is_open(cls, day):
                    yield _Task(cls, day, slice(start, end), parties, np.append(bounds, end - start))
                else:
                    counts[f"{cls}: lapsed or erased, not stored"] += end - start

    def _sealed(
        self, events: Events, rows: Codes, task: _Task, facts: Columns, batch_id: bytes, handles: npt.NDArray[np.void]
    ) -> SealedBlocks:
        columns = {number: column.take(rows) for number, column in facts.items()}
        columns[coding.TIME] = layout.code_unsigned(events.when[rows] % _SECONDS, None)
        if task.cls == "contact" and (events.counterpart >= 0).any():
            columns[coding.COUNTERPART] = self._aliases(events, events.counterpart[rows], task.event_day)
        secrets = self.secrets(events.owners.at(task.parties), task.cls, task.event_day)
        plaintexts = blocks.rows_plaintexts(columns, task.bounds)
        place = self.place(task.cls, task.event_day, batch_id)
        return blocks.seal(place, secrets, plaintexts, handles[task.parties])

    def _write(self, sealed: SealedBlocks, cls: str, event_day: int, batch_id: bytes, least: int) -> ColumnFile:
        place, padded = self.place(cls, event_day, batch_id), files.with_dummies(sealed, least=least)
        return files.write(self.folder, place, padded, self.open_day.directory_key)

    def _aliases(self, events: Events, named: Codes, event_day: int) -> Texts:
        """How this column names the counterparts: 8 bytes each, zeros where there is none."""
        parties = distinct(named)
        aliases = np.zeros(len(events.counterparts.keys) + 1, f"S{coding.ALIAS_BYTES}")  # the last is of nobody
        secrets = self.secrets(events.counterparts.at(parties), "contact", event_day)
        aliases[parties] = secrets.aliases()
        return Texts(aliases, named, unique=True)

    def seal_facts(self, parties: PartyKeys, facts: list[Facts]) -> tuple[bytes, list[ColumnFile]]:
        """Write the identity facts of parties: one block each in this month's identity column."""
        batch_id, month = crypto.random_bytes(16), columns.month_start(self.open_day.day)
        place = self.place("identity", month, batch_id)
        secrets = self.secrets(parties, "identity", month)
        sealed = blocks.seal(place, secrets, [blocks.facts_plaintext(fact) for fact in facts], self.handles(parties))
        return batch_id, [self._write(sealed, "identity", month, batch_id, files.LEAST_BLOCKS_A_BATCH)]


def _order(events: Events) -> Codes:
    """Rows by event day, party, time, and then as they came."""
    days = events.when // _SECONDS
    seconds = events.when - days * _SECONDS
    days -= days.min() if len(days) else 0
    span = int(events.owner.max(initial=0)) + 1
    key = (days * span + events.owner) * _SECONDS + seconds
    place_bits = len(key).bit_length()
    if int(key.max(initial=0)).bit_length() + place_bits < _BITS:
        # sorting (key, place) in one number is ten times faster than a stable sort that gives places
        return np.sort(key << place_bits | np.arange(len(key))) & ((1 << place_bits) - 1)
    return np.argsort(key, kind="stable")


def distinct(places: Codes) -> Codes:
    """The places named, each once, ascending; -1 names none."""
    named = np.zeros(int(places.max(initial=-1)) + 2, np.bool_)
    named[places] = True  # -1 is the last
    return np.flatnonzero(named[:-1])


def _runs(values: Codes) -> Iterator[tuple[int, int, int]]:
    """(value, start, end) of each run of equal values."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1)).tolist()
    for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
        yield int(values[start]), start, end
