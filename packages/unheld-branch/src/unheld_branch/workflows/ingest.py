"""Ingest: files → clean chunks → party rows → sealed column files → one commit. The way of a record, top to bottom.

Small files share a delivery, a file of several chunks is one of its own. A delivery is committed whole or not at
all, and a refused file leaves the store as it was. Nothing plain is written: what cannot be sealed now is parked,
unreadable here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from unheld_branch.records.chunks import Chunk, FileReport, SourceReport
from unheld_branch.records.codecs.sources import Progress, Source, expand
from unheld_branch.records.mapping import Mapping
from unheld_branch.records.reader import CHUNK_ROWS, Reader, read_records
from unheld_branch.store.sealing import Sealer
from unheld_branch.store.store import Store
from unheld_branch.workflows import registry, routing, sinks
from unheld_branch.workflows.delivery import Delivery, Draft, drafted
from unheld_verify import columns, crypto
from unheld_verify.errors import BadInputError, SealedError, StateError

ELSEWHERE = "of another data centre's parties, not stored here: deliver this file there, too"


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken in, and why."""

    file: str
    reason: str


@dataclass
class IngestReport:
    """What an ingest did: figures of the whole, no person in them. `known` were taken in before."""

    deliveries: list[Delivery] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    unstored: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        """Records sealed."""
        return sum(delivery.records for delivery in self.deliveries)


@dataclass(frozen=True)
class Options:
    """How one call of ingest reads: whose the records are where no column says it, chunk size in rows, progress."""

    owner: str | None = None
    replaces: str = ""
    chunk_rows: int = CHUNK_ROWS
    progress: Progress | None = None


def ingest(
    store: Store, sources: Sequence[str | Path], mapping: Mapping, options: Options | None = None
) -> IngestReport:
    """Take files into the open day.

    Raises SealedError when no day is open, StateError when what it should replace is not there.
    """
    open_day = store.open_day()
    if open_day is None:
        raise SealedError("no day is open: `unheld day open` asks the custodians; `unheld park add` writes blind")
    options = options or Options()
    given = expand(sources)
    _check_replaces(store, options.replaces, len(given))
    sealer = Sealer(store.folder, store.policy.store_id, open_day)
    ensure_dedup(store)
    work = _Ingest(store, sealer, mapping, options)
    for source in given:
        try:
            work.take_file(source)
        except BadInputError as error:
            work.refuse([source.name], error)
    work.flush()
    return work.report


@dataclass
class _Ingest:
    store: Store
    sealer: Sealer
    mapping: Mapping
    options: Options
    report: IngestReport = field(default_factory=IngestReport)
    small: list[tuple[Chunk, SourceReport]] = field(default_factory=list)

    def refuse(self, names: Iterable[str], error: BadInputError) -> None:
        """Note files that were not taken in, or raise: what is to replace a batch does so whole."""
        if self.options.replaces:
            raise error
        self.report.refused.extend(Refusal(name, str(error)) for name in names)

    def take_file(self, source: Source) -> None:
        """Hold a small file until there are enough for a delivery; deliver a large one as it is read."""
        reader = reader_of(self.store, source, self.mapping, self.options)
        chunks = self._admitted(reader, source.name)
        first = list(islice(chunks, 1))
        if not first:
            raise BadInputError(f"{source.name}: it has no rows; is it the right file?")
        if first[0].full:
            self.flush()
            self._deliver(chain(_let_go(first), chunks), reader)
        else:
            next(chunks, None)  # to the end of the file
            self._hold(first[0], reader.report())

    def _admitted(self, reader: Reader, name: str) -> Iterator[Chunk]:
        """A file's chunks, as long as the open day can take nearly all of its records: quarantine soon lapses."""
        read = astray = 0
        for chunk in reader:
            read += chunk.read
            if self.mapping.kind == "records":
                astray += routing.astray(chunk.table, self.store.policy, self.sealer.open_day.day)
            if astray > self.mapping.max_bad * read:
                raise BadInputError(
                    f"{name}: {astray:,} of {read:,} records happened after the open day, or more than "
                    f"{self.store.policy.late_days} days before it: the file is refused, nothing of it is kept\n  "
                    "mend: correct clock or time zone, or take records that are too old out of the file"
                )
            yield chunk
            del chunk  # two chunks do not fit into memory

    def _hold(self, chunk: Chunk, said: SourceReport) -> None:
        held = {file.sha256 for _, other in self.small for file in other.files}
        file = said.files[-1]
        if file.sha256 in held or self._is_known(file):
            self.report.known.append(file.name)
            return
        self.small.append((chunk, said))
        if sum(chunk.read for chunk, _ in self.small) >= self.options.chunk_rows:
            self.flush()

    def _is_known(self, file: FileReport) -> bool:
        """A registry is taken in again each month, though unchanged: its facts lapse with their month's column."""
        month = columns.month_start(self.sealer.open_day.day) if self.mapping.kind == "registry" else 0
        return known(self.store, file, self.options.replaces, month)

    def flush(self) -> None:
        """Deliver the small files that wait."""
        waiting, self.small = self.small, []
        if waiting:
            tables = [chunk.table for chunk, _ in waiting]
            bad = tuple(row for chunk, _ in waiting for row in chunk.bad)
            table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
            one = Chunk("", table, bad, sum(chunk.read for chunk, _ in waiting))
            try:
                self._deliver([one], *(said for _, said in waiting))
            except BadInputError as error:
                self.refuse([file.name for _, said in waiting for file in said.files], error)

    def _deliver(self, chunks: Iterable[Chunk], *reports: Reader | SourceReport) -> None:
        with drafted(self.store, self.sealer, replaces=self.options.replaces) as draft:
            for chunk in chunks:
                draft.bad.extend(chunk.bad)
                take(draft, self.mapping, chunk.table)
                del chunk
            said = [report.report() if isinstance(report, Reader) else report for report in reports]
            files = [file for report in said for file in report.files]
            if all(self._is_known(file) for file in files):
                self.report.known.extend(file.name for file in files)
                draft.discard()
                return
            draft.names.extend(file.name for file in files)
            draft.digests.extend(digest(self.store, file) for file in files)
            if elsewhere := sum(report.elsewhere for report in said):
                draft.counts[ELSEWHERE] += elsewhere
            self.report.deliveries.append(draft.commit())
        for report in said:
            self.report.unstored.update(report.saved)
            self.report.reasons.update(report.reasons)
            sinks.totals(self.store.folder, self.report.deliveries[-1].batch, report.totals)


def _let_go(held: list[Chunk]) -> Iterator[Chunk]:
    """What is held, no longer held once it is handed on: two chunks do not fit into memory."""
    while held:
        yield held.pop()


def take(draft: Draft, mapping: Mapping, table: pa.Table) -> None:
    """Seal one chunk of records or of a registry into the draft."""
    if mapping.kind == "registry":
        registry.take(draft, table)
    else:
        draft.take(table)


def reader_of(store: Store, source: Source, mapping: Mapping, options: Options) -> Reader:
    """A reader of one source under the store's policy: its coarsening goes before the mapping's."""
    coarsen = None if store.policy.coarsen == "none" else store.policy.coarsen
    own = partial(routing.owned_by, store.policy.centre) if store.policy.centre else None
    return read_records(
        [source.path or "-"], mapping, chunk_rows=options.chunk_rows, progress=options.progress, owner=options.owner,
        coarsen=coarsen, now=store.clock.now(), own=own,
    )  # fmt: skip


def dedup_keys(store: Store) -> dict[int, bytes] | None:
    """Keys for file digests with one of today, without those whose late window is over; None if today's is there.

    A day that is over and stands open still takes what it could take when it began: its window counts.
    """
    today, held = store.today(), store.catalog.open_day
    if today in store.root.dedup:
        return None
    first = min(today, today if held is None else held.number) - store.policy.late_days
    kept = {day: key for day, key in store.root.dedup.items() if day >= first}
    return {**kept, today: crypto.random_bytes(32)}


def ensure_dedup(store: Store) -> None:
    """Make today's key for file digests where no day was opened today: an outage, or work over midnight."""
    keys = dedup_keys(store)
    if keys is not None:
        store.commit({"kind": "rows", "rows": ""}, dedup=keys)


def digest(store: Store, file: FileReport) -> str:
    """The keyed digest of a file, of today or of the day on which this work began: midnight may pass meanwhile.

    Who holds a guess of its content confirms nothing without the root node.
    """
    newest = max(day for day in store.root.dedup if day <= store.today())
    return crypto.hmac_sha256(store.root.dedup[newest], bytes.fromhex(file.sha256)).hex()


def known(store: Store, file: FileReport, replaces: str = "", since: int = 0) -> bool:
    """Whether this file was taken in within the late window, on day `since` or later, other than by the batch it is to
    replace."""
    content = bytes.fromhex(file.sha256)
    digests = {crypto.hmac_sha256(key, content).hex() for key in store.root.dedup.values()}
    taken, batches = store.catalog.known_digests(), store.catalog.batches
    by = {taken[item] for item in digests & taken.keys()}
    return any(batch.hex() != replaces and (batch not in batches or batches[batch].day >= since) for batch in by)


def _check_replaces(store: Store, replaces: str, given: int) -> None:
    if not replaces:
        return
    files = {batch.id.hex(): len(batch.digests) for batch in store.catalog.open_batches()}
    if replaces not in files:
        raise StateError(
            f"batch {replaces} is not one of the open day: only those are replaced, by the name that ingest told"
        )
    if given < files[replaces]:
        raise StateError(
            f"batch {replaces} holds {files[replaces]} files and leaves as a whole: give the others again as well"
        )
