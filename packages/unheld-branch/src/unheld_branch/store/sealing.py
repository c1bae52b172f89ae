"""Sealing: records of an open day become blocks, one a party and column, in the column files of one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from unheld_branch.kernel import beside
from unheld_branch.keys import folios
from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.store import blocks, coding, files, layout
from unheld_branch.store.blocks import Facts, Place, SealedBlocks
from unheld_branch.store.files import ColumnFile
from unheld_branch.store.layout import Codes, Column, Texts
from unheld_branch.store.openday import OpenDay
from unheld_verify import columns, crypto
from unheld_verify.columns import Column as KeyColumn

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
    """One column file to be: the rows of its events by party and time, the parties, and where each one's begin."""

    cls: str
    event_day: int
    rows: Codes
    parties: Codes
    bounds: Codes

    def part(self, start: int, end: int) -> _Task:
        """The same for parties start..end."""
        low, high = int(self.bounds[start]), int(self.bounds[end])
        return _Task(
            self.cls,
            self.event_day,
            self.rows[low:high],
            self.parties[start:end],
            self.bounds[start : end + 1] - low,
        )


@dataclass(frozen=True)
class Sealer:
    """Seals into the columns of one open day of one store."""

    folder: Path
    store_id: bytes
    open_day: OpenDay

    def place(self, cls: str, event_day: int, batch_id: bytes) -> Place:
        """Where a block of this day belongs."""
        keys = self.open_day.keys
        return Place(self.store_id, keys.set, KeyColumn(cls, event_day, keys.day), batch_id)

    def secrets(self, parties: PartyKeys, cls: str, event_day: int) -> FolioSecrets:
        """Folio secrets of parties in one column of this day. Raises SealedError if the column is not open."""
        keys = self.open_day.keys
        function = keys.evaluate(cls, event_day, parties.labels.tobytes())
        return folios.derive(parties.keys.tobytes(), function, keys.set, KeyColumn(cls, event_day, keys.day))

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
        written = []
        for cls in coding.classes_of(events.table):
            facts = coding.coded_facts(events.table, cls)
            for task in tasks:
                if task.cls == cls:
                    sealed = self._sealed(events, task, facts, batch_id, handles)
                    padding = least if task in widest else 0
                    written.append(self._write(sealed, cls, task.event_day, batch_id, padding))
        return batch_id, written, counts

    def _tasks(self, events: Events, order: Codes, counts: Counter[str]) -> Iterator[_Task]:
        days, owners = events.when[order] // _SECONDS, events.owner[order]
        for day, start, end in _runs(days):
            inside = owners[start:end]
            bounds = np.flatnonzero(np.diff(inside, prepend=-1))
            parties = inside[bounds]
            for cls in coding.classes_of(events.table):
                if self.is_open(cls, day):
                    yield _Task(cls, day, order[start:end], parties, np.append(bounds, end - start))
                else:
                    counts[f"{cls}: lapsed or erased, not stored"] += end - start

    def _sealed(
        self, events: Events, task: _Task, facts: dict[int, Column], batch_id: bytes, handles: npt.NDArray[np.void]
    ) -> SealedBlocks:
        """The blocks of one column file, half of the parties in a process beside this one."""
        facts[coding.TIME] = layout.code_unsigned(events.when - task.event_day * _SECONDS, None)
        if task.cls == "contact" and (events.counterpart >= 0).any():
            facts[coding.COUNTERPART] = self._aliases(events, events.counterpart[task.rows], task.event_day)

        def sealed(start: int, end: int) -> SealedBlocks:
            part = task.part(start, end)
            columns = {number: column.take(part.rows) for number, column in facts.items()}
            secrets = self.secrets(events.owners.at(part.parties), part.cls, part.event_day)
            plaintexts = blocks.rows_plaintexts(columns, part.bounds)
            place = self.place(part.cls, part.event_day, batch_id)
            return blocks.seal(place, secrets, plaintexts, handles[part.parties])

        return blocks.joined(beside.halves(sealed, len(task.parties)))

    def _write(self, sealed: SealedBlocks, cls: str, event_day: int, batch_id: bytes, least: int) -> ColumnFile:
        place, padded = self.place(cls, event_day, batch_id), files.with_dummies(sealed, least=least)
        return files.write(self.folder, place, padded, self.open_day.directory_key)

    def _aliases(self, events: Events, named: Codes, event_day: int) -> Texts:
        """How this column names the counterparts: 8 bytes each, zeros where there is none."""
        parties = distinct(named)

        def made(start: int, end: int) -> npt.NDArray[np.bytes_]:
            return self.secrets(events.counterparts.at(parties[start:end]), "contact", event_day).aliases()

        aliases = np.zeros(len(events.counterparts.keys) + 1, f"S{coding.ALIAS_BYTES}")  # the last is of nobody
        aliases[parties] = np.concatenate(beside.halves(made, len(parties)))
        return Texts(aliases, events.counterpart, unique=True)

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
    return order_of(key)


def order_of(keys: Codes) -> Codes:
    """The places that put numbers from 0 up in order, equal ones as they stand."""
    bits = len(keys).bit_length()
    if int(keys.max(initial=0)).bit_length() + bits < _BITS:
        # sorting (key, place) in one number is ten times faster than a stable sort that gives places
        return np.sort(keys << bits | np.arange(len(keys))) & ((1 << bits) - 1)
    return np.argsort(keys, kind="stable")


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
