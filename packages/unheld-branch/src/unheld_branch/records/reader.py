"""Read sources through a mapping, chunk by chunk, and refuse a file of which too much is bad."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from unheld_branch.records import identities, lookups
from unheld_branch.records.assemble import Assembled, assemble, bad_rows, wanted
from unheld_branch.records.chunks import BadRow, Chunk, FileReport, SourceReport
from unheld_branch.records.codecs import csv, parquet
from unheld_branch.records.codecs.batches import Batch
from unheld_branch.records.codecs.sources import Opened, Progress, Source, decompressed, expand, opened
from unheld_branch.records.columns import Context
from unheld_branch.records.mapping import Mapping
from unheld_branch.records.places import CoarsenRule
from unheld_branch.records.totals import Totals
from unheld_verify.errors import BadInputError, UsageError

CHUNK_ROWS = 6_000_000
CHUNK_BYTES = 640 << 20
"""The most text that is held for one chunk; wide rows make shorter chunks."""
LOOK_ROWS = 20_000
_BLOCK_BYTES = 8 << 20
_PIECE_BYTES = 1 << 20
_ROW_BYTES = 128
_SHOWN = 3

Own = Callable[[pa.ChunkedArray], npt.NDArray[np.bool_]]
"""Which records, by the identities whose they are, a store keeps."""


class Reader:
    """Iterate once for the chunks, then ask for the report."""

    def __init__(
        self,
        sources: Sequence[str | Path],
        mapping: Mapping,
        *,
        chunk_rows: int = CHUNK_ROWS,
        progress: Progress | None = None,
        owner: str | None = None,
        coarsen: str | None = None,
        now: int | None = None,
        own: Own | None = None,
    ) -> None:
        if chunk_rows < 1:
            raise UsageError(f"chunk_rows is {chunk_rows}: take at least 1")
        self._mapping, self._chunk_rows, self._progress = mapping, chunk_rows, progress
        self._sources = expand(sources)
        self._coarsen = mapping.coarsen if coarsen is None else CoarsenRule.parse(coarsen)
        self._coarsen.check([rule.field.name for rule in mapping.columns], mapping.lookups)
        self._now = int(time.time()) if now is None else now
        self._owner = _constant_owner(mapping, owner)
        self._files: list[FileReport] = []
        self._saved, self._reasons = Counter[str](), Counter[str]()
        self._totals = Totals()
        self._own_mask, self._elsewhere = own, 0

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks of one file after the other. Raises BadInputError when a file must be refused."""
        done = 0
        for source in self._sources:
            with opened(source, self._teller(done)) as raw:
                yield from self._file(source, raw)
            done += raw.count

    def report(self) -> SourceReport:
        """What was read to its end so far."""
        return SourceReport(tuple(self._files), dict(self._saved), dict(self._reasons), self._totals, self._elsewhere)

    def _teller(self, done: int) -> Callable[[int], None]:
        sizes = [source.size for source in self._sources]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        if self._progress is None:
            return lambda _: None
        tell = self._progress
        return lambda count: tell(done + count, total)

    def _file(self, source: Source, raw: Opened) -> Iterator[Chunk]:
        context = Context(
            self._mapping, self._coarsen, lookups.load(self._mapping.lookups.values(), source.folder), self._now
        )
        read = bad = 0
        for number, group in enumerate(self._groups(self._batches(source, raw))):
            if number == 0 and _rows(group) > LOOK_ROWS:
                self._look(group, context, source.name)
            found = assemble(group, context, self._owner)
            read += _rows(group)
            bad += len(found.bad) + sum(len(batch.broken) for batch in group)
            self._refuse(group, found, source.name, read, bad)
            chunk = self._chunk(group, found, source.name)
            group.clear()  # the text goes before the next is read
            yield chunk
            del chunk, found
        self._files.append(FileReport(source.name, raw.sha256, raw.count, read, bad))

    def _batches(self, source: Source, raw: Opened) -> Iterator[Batch]:
        if self._mapping.format == "parquet":
            return parquet.batches(source, raw, wanted(self._mapping))
        size = min(_BLOCK_BYTES, max(4096, self._chunk_rows * _ROW_BYTES))
        return csv.batches(
            decompressed(raw, source.name, min(size, _PIECE_BYTES)),
            self._mapping.csv,
            wanted(self._mapping),
            source.name,
            size,
        )

    def _groups(self, batches: Iterator[Batch]) -> Iterator[list[Batch]]:
        """Batches of one chunk each."""
        group: list[Batch] = []
        for batch in batches:
            group.append(batch)
            if self._full(group):
                yield group
                group = []
        if group:
            yield group

    def _full(self, group: Sequence[Batch]) -> bool:
        return _rows(group) >= self._chunk_rows or sum(one.bytes for one in group) >= CHUNK_BYTES

    def _look(self, group: Sequence[Batch], context: Context, name: str) -> None:
        """A wrong mapping shows in the first rows: refuse before the first chunk leaves."""
        first = _sliced(group[0], LOOK_ROWS)
        found = assemble([first], context, self._owner)
        self._refuse([first], found, name, _rows([first]), len(found.bad) + len(first.broken))

    def _refuse(self, group: Sequence[Batch], found: Assembled, name: str, read: int, bad: int) -> None:
        if bad <= self._mapping.max_bad * read:
            return
        shown = []
        for row in bad_rows(group, found, name):
            shown.append(row)
            if len(shown) == _SHOWN:
                break
        lines = "".join(f"\n  line {row.line}: {row.reason}" for row in shown)
        raise BadInputError(
            f"{name}: {bad:,} of {read:,} rows are bad, more than {self._mapping.max_bad:.1%}: the file is refused, "
            f"nothing of it is kept{lines}\n  mend: correct {self._mapping.place} (`unheld map` proposes a mapping), "
            "or mend the file"
        )

    def _chunk(self, group: Sequence[Batch], found: Assembled, name: str) -> Chunk:
        bad: tuple[BadRow, ...] = tuple(bad_rows(group, found, name))
        self._reasons.update(row.reason for row in bad)
        for batch in group:
            self._saved.update(batch.saved)
        table = found.table
        if self._mapping.kind == "records":
            table = self._own(table)
            self._totals.add(table)
        return Chunk(name, table, bad, _rows(group), self._full(group))

    def _own(self, table: pa.Table) -> pa.Table:
        """The records that are this store's to keep; others are counted."""
        if self._own_mask is None or not table.num_rows:
            return table
        own = self._own_mask(table["owner"])
        self._elsewhere += int((~own).sum())
        return table.filter(pa.array(own))


def read_records(
    sources: Sequence[str | Path],
    mapping: Mapping,
    *,
    chunk_rows: int = CHUNK_ROWS,
    progress: Progress | None = None,
    owner: str | None = None,
    coarsen: str | None = None,
    now: int | None = None,
    own: Own | None = None,
) -> Reader:
    """A reader of `sources` (files, folders, globs, `-`) through `mapping`.

    A chunk closes at the first block at or beyond `chunk_rows`. `owner` is whose records they are where no column says
    it; `coarsen` is the store's policy and goes before the mapping's; `now` is the clock in Unix seconds;
    `own` says whose records are read, of all if None. Raises BadInputError naming file, line and mend.
    """
    return Reader(
        sources, mapping, chunk_rows=chunk_rows, progress=progress, owner=owner, coarsen=coarsen, now=now, own=own
    )


def _rows(group: Sequence[Batch]) -> int:
    return sum(len(batch.lines) + len(batch.broken) for batch in group)


def _sliced(batch: Batch, rows: int) -> Batch:
    last = batch.lines[:rows][-1] if len(batch.lines) else 0
    return replace(
        batch,
        columns={name: column.at(slice(rows)) for name, column in batch.columns.items()},
        lines=batch.lines[:rows],
        broken=tuple(row for row in batch.broken if len(batch.lines) <= rows or row.line <= last),
    )


def _constant_owner(mapping: Mapping, given: str | None) -> str | None:
    """The identity of a source that is one party's own."""
    mapped = mapping.rule("owner") is not None
    text = mapping.constants.get("owner") if given is None else given
    if text is None:
        if not mapped:
            raise UsageError(f"{mapping.place}: no column is the owner: say whose records they are (owner)")
        return None
    if mapped:
        raise UsageError(f"{mapping.place}: a column is the owner, so none can be given for the whole file")
    scheme = "sub" if text.startswith("sub:") else "imsi" if text.startswith("imsi:") else "number"
    texts = pa.array([text.removeprefix(f"{scheme}:").strip()])
    found = identities.identities(texts, scheme, mapping.numbers)[0][0].as_py()
    if found is None:
        raise UsageError("owner: neither a number, imsi:… nor sub:…; mend the owner that was given")
    return str(found)
