"""Park: write for weeks without custodians, and read none of it; later open a parked batch into a day that is open."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from unheld_branch.records.chunks import BadRow
from unheld_branch.records.codecs.sources import expand
from unheld_branch.records.mapping import Mapping
from unheld_branch.records.reader import CHUNK_ROWS, Reader
from unheld_branch.store import parked as formats
from unheld_branch.store import parking
from unheld_branch.store.sealing import Sealer
from unheld_branch.store.store import Store
from unheld_branch.workflows import quarantine, sinks
from unheld_branch.workflows.custodians import Custodians
from unheld_branch.workflows.delivery import Delivery, at_most, drafted
from unheld_branch.workflows.ingest import Options, Refusal, digest, ensure_dedup, known, reader_of
from unheld_slots import durable
from unheld_verify.errors import BadInputError, SealedError, StateError
from unheld_verify.words import one_line

_WORDS_MOST = 200

_PIECE_ROWS = 65_536


@dataclass
class ParkReport:
    """What was parked: batches, records, rows not understood, files refused and files known already."""

    batches: list[str] = field(default_factory=list)
    records: int = 0
    quarantined: int = 0
    refused: list[Refusal] = field(default_factory=list)
    known: list[str] = field(default_factory=list)


@dataclass
class _Passed:
    """What passed by while a stream was written: a count of records, and the rows that were not understood."""

    records: int = 0
    bad: list[BadRow] = field(default_factory=list)


def park(store: Store, sources: Sequence[str | Path], mapping: Mapping, options: Options | None = None) -> ParkReport:
    """Park files, one batch each: unreadable to everybody but t custodians. Raises StateError without parking keys."""
    if mapping.kind == "registry":
        raise StateError("a registry is not parked: take it in when a day is open")
    ensure_dedup(store)
    report, options = ParkReport(), options or Options()
    for source in expand(sources):
        reader, passed = reader_of(store, source, mapping, options), _Passed()
        try:
            entry = parking.park(store, "outage", _stream(reader, passed), 0, [])
        except BadInputError as error:
            report.refused.append(Refusal(source.name, str(error)))
            continue
        file = reader.report().files[-1]
        if known(store, file):
            durable.remove_file(store.folder / entry["path"])
            report.known.append(file.name)
            continue
        sinks.made(store.folder)
        if passed.bad:
            _commit(store, quarantine.park(store, passed.bad))
        _commit(store, entry | {"records": passed.records, "digests": [digest(store, file)]})
        sinks.totals(store.folder, entry["batch"], reader.report().totals)
        report.batches.append(entry["batch"])
        report.records += passed.records
        report.quarantined += len(passed.bad)
    return report


def _commit(store: Store, entry: dict[str, Any]) -> None:
    said = store.opening("parked", period=entry["period"], records_at_most=at_most(entry["records"]))
    store.commit(entry | {"kind": "parked"}, say=[said])


def _stream(reader: Reader, passed: _Passed) -> Iterator[bytes]:
    """Canonical records as one Arrow IPC stream, in pieces; nothing of it touches the disk unsealed."""
    sink = io.BytesIO()
    writer: pa.ipc.RecordBatchStreamWriter | None = None
    for chunk in reader:
        for start in range(0, chunk.table.num_rows, _PIECE_ROWS):
            table = _plain(chunk.table.slice(start, _PIECE_ROWS))
            writer = writer or pa.ipc.new_stream(sink, table.schema)
            writer.write_table(table)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
        writer = writer or pa.ipc.new_stream(sink, _plain(chunk.table.slice(0, 0)).schema)
        passed.records += chunk.table.num_rows
        passed.bad.extend(chunk.bad)
    if writer is None:
        raise BadInputError("it has no rows; is it the right file?")
    writer.close()
    yield sink.getvalue()


def _plain(table: pa.Table) -> pa.Table:
    """Dictionaries as plain text: a stream's dictionaries may not change between its batches."""
    fields = [
        pa.field(item.name, item.type.value_type if pa.types.is_dictionary(item.type) else item.type)
        for item in table.schema
    ]
    return table.cast(pa.schema(fields))


def unpark(store: Store, custodians: Custodians, batch: str) -> Delivery:
    """Open a parked batch into the open day: its records are sealed by their own event days."""
    waiting = {item.batch.hex(): item for item in store.catalog.waiting()}
    if batch not in waiting:
        raise StateError(f"no parked batch {batch} waits: `unheld park list` names those that do")
    if waiting[batch].reason != "outage":
        raise SealedError("quarantine is not opened: mend the mapping and take the file in again with --replaces")
    open_day = store.open_day()
    if open_day is None:
        raise SealedError("no day is open: `unheld day open` first")
    path = parking.checked(store, waiting[batch])
    header = formats.read_header(path)
    shares = custodians.open_parked(header.encode())
    names = next((one.draft.names for one in store.sets() if one.draft.set == header.set), ())
    with drafted(store, Sealer(store.folder, store.policy.store_id, open_day), unparks=batch) as draft:
        for table in records(formats.open_parked(path, shares, names), path):
            draft.take(table)
        return draft.commit()


def records(pieces: Iterator[bytes], path: Path) -> Iterator[pa.Table]:
    """The records that were parked, from the plaintext of their file. Raises BadInputError for other bytes."""
    try:
        # Arrow takes what one read gives for all there is: a message longer than a segment needs a reader that goes on
        yield from _chunks(pa.ipc.open_stream(io.BufferedReader(_Joined(pieces))))
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        words = one_line(str(error))[:_WORDS_MOST]
        raise BadInputError(f"{path}: what is parked there are no records ({words}); park the source anew") from None


def _chunks(stream: pa.ipc.RecordBatchStreamReader) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for part in stream:
        waiting.append(part)
        if sum(item.num_rows for item in waiting) >= CHUNK_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


class _Joined(io.RawIOBase):
    """Pieces as one readable stream, a piece in memory at a time."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from the held piece or the next."""
        if not self._held:
            self._held = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count
