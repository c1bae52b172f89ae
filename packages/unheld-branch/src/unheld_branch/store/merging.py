"""Merging at the close: all blocks of one folio become one padded block, under a new batch id.

Parties are taken in slices, so that memory is bounded by a slice and not by the country; each slice makes one file a
column. Blocks whose handle no living party has are dummies or somebody forgotten: nobody can tell, and they are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from unheld_branch.kernel import beside
from unheld_branch.keys.parties.rows import LABEL_BYTES, Rows, order, positions
from unheld_branch.keys.parties.rows import join as join_rows
from unheld_branch.store import blocks, coding, files, layout
from unheld_branch.store.blocks import Facts, SealedBlocks
from unheld_branch.store.files import ColumnFile
from unheld_branch.store.layout import Codes
from unheld_branch.store.sealing import PartyKeys, Sealer, order_of
from unheld_verify import crypto

_SECONDS = 86_400
_PARTIES_A_SLICE = 500_000
_BYTES_A_SLICE = 64 << 20
EventColumn = tuple[str, int]
Labels = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class _Opened:
    """The opened blocks of one column: plaintexts, and which of the parties present each belongs to."""

    parties: Codes
    plaintexts: list[bytes]


def slice_size(opened: Sequence[ColumnFile], parties: int) -> int:
    """How many of `parties` to merge at once, so that the blocks of the largest column stay within memory."""
    sizes = Counter[EventColumn]()
    for file in opened:
        sizes[file.column.cls, file.column.event_day] += file.size
    parts = -(-max(sizes.values(), default=0) // _BYTES_A_SLICE)
    return min(_PARTIES_A_SLICE, parties // max(1, parts) + 1)


def slices(leaves: Iterable[Rows], size: int) -> Iterator[PartyKeys]:
    """Party keys and labels of whole trees, in slices of about `size`.

    A linked row repeats its party, in this slice or in an earlier one, and is left out: no record is merged twice.
    """
    waiting: list[Rows] = []
    seen = order(np.zeros((0, LABEL_BYTES), np.uint8))
    for rows in leaves:
        waiting.append(rows)
        if sum(map(len, waiting)) >= size:
            seen, parties = _party_keys(waiting, seen)
            yield parties
            waiting = []
    if waiting:
        yield _party_keys(waiting, seen)[1]


def _party_keys(parts: list[Rows], seen: Labels) -> tuple[Labels, PartyKeys]:
    """(labels of all linked parties so far, the parties that are new)."""
    rows = join_rows(parts)
    labels, first = np.unique(order(rows.labels), return_index=True)
    fresh = first[positions(seen, labels) < 0]
    linked = positions(np.sort(order(rows.links()[0])), order(rows.tags)) >= 0
    return np.union1d(seen, order(rows.labels[linked])), PartyKeys(rows.keys[fresh], rows.labels[fresh])


def merge(sealer: Sealer, opened: Sequence[ColumnFile], parties: PartyKeys) -> list[ColumnFile]:
    """The closed column files of one slice of parties. `opened` are the column files of the day's batches."""
    batch_id, finder = crypto.random_bytes(16), _Finder.of(sealer, parties)
    ordered = sorted(opened, key=lambda file: (file.column.cls, file.column.event_day))
    made = []
    for column, group in groupby(ordered, key=lambda file: (file.column.cls, file.column.event_day)):
        if sealer.is_open(*column):
            made += _merge_column(sealer, list(group), finder, column, batch_id)
    return made


@dataclass(frozen=True)
class _Finder:
    """Finds which party of a slice a block belongs to, by its handle."""

    parties: PartyKeys
    handles: npt.NDArray[np.uint64]
    order: Codes

    @classmethod
    def of(cls, sealer: Sealer, parties: PartyKeys) -> _Finder:
        """Parties by the handles that their blocks have in the open day."""
        handles = sealer.handles(parties).view(">u8").astype(np.uint64)
        order = np.argsort(handles, kind="stable")
        return cls(parties, handles[order], order)

    def find(self, wanted: npt.NDArray[np.void]) -> tuple[Codes, Codes]:
        """(numbers of the blocks that may belong to the slice, the party of each): every party with that handle.

        Eight bytes may fall together for two of a country's parties; the block's id decides.
        """
        asked = wanted.view(">u8").astype(np.uint64)
        first, last = np.searchsorted(self.handles, asked), np.searchsorted(self.handles, asked, side="right")
        counts = last - first
        numbers = np.repeat(np.arange(len(asked)), counts)
        places = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
        return numbers, self.order[np.repeat(first, counts) + places]


def _merge_column(
    sealer: Sealer, opened: Sequence[ColumnFile], finder: _Finder, column: EventColumn, batch_id: bytes
) -> list[ColumnFile]:
    found = [finder.find(_handles(sealer, file)) for file in opened]
    present = np.unique(np.concatenate([parties for _, parties in found]))
    if not len(present):
        return []
    sources = [
        _Source(file, files.read(sealer.folder, file), numbers, np.searchsorted(present, parties))
        for file, (numbers, parties) in zip(opened, found, strict=True)
    ]

    def merged(start: int, end: int) -> SealedBlocks | None:
        return _merge_parties(sealer, sources, finder.parties.at(present[start:end]), start, (column, batch_id))

    parts = [part for part in beside.halves(merged, len(present)) if part is not None]
    if not parts:
        return []
    place = sealer.place(*column, batch_id)
    return [files.write(sealer.folder, place, files.with_dummies(blocks.joined(parts)), None)]


@dataclass(frozen=True)
class _Source:
    """A column file of the day: its blocks that may belong to the slice, and which of the parties each."""

    file: ColumnFile
    held: SealedBlocks
    numbers: Codes
    parties: Codes


def _merge_parties(
    sealer: Sealer, sources: Sequence[_Source], parties: PartyKeys, first: int, made: tuple[EventColumn, bytes]
) -> SealedBlocks | None:
    """One block each of some parties, from number `first` on, in a column under a new batch id; None if none has any.

    Opened, merged and sealed by one process: see `beside`.
    """
    column, batch_id = made
    secrets = sealer.secrets(parties, *column)
    owners, plaintexts = [], list[bytes]()
    for source in sources:
        mine = (source.parties >= first) & (source.parties < first + len(secrets))
        place, owner, numbers = sealer.place(*column, source.file.batch_id), source.parties[mine] - first, []
        ids, held = secrets.at(owner).block_ids(place.batch_id), source.held.ids[source.numbers[mine]]
        # A dummy's handle may happen to be a party's; its id never is.
        sure = np.flatnonzero(blocks.ids_array(ids) == held)
        owner, numbers = owner[sure], source.numbers[mine][sure].tolist()
        owners.append(owner)
        plaintexts += blocks.open_each(
            place, secrets.at(owner), [ids[at] for at in sure.tolist()], [source.held.blocks[at] for at in numbers]
        )
    if not plaintexts:
        return None
    found = _Opened(np.concatenate(owners), plaintexts)
    if column[0] == "identity":
        folio, merged = _merged_facts(found)
    else:
        # Blocks of one delivery are merged already, and its pattern is the day's.
        folio, merged = (found.parties, plaintexts) if len(sources) == 1 else _merged_rows(found)
    return blocks.seal(sealer.place(*column, batch_id), secrets.at(folio), merged)


def _handles(sealer: Sealer, file: ColumnFile) -> npt.NDArray[np.void]:
    place = sealer.place(file.column.cls, file.column.event_day, file.batch_id)
    return files.read_handles(sealer.folder, place, file, sealer.open_day.directory_key)


def _merged_rows(found: _Opened) -> tuple[Codes, list[bytes]]:
    """(parties, one plaintext each): rows by time, then in the order in which they came."""
    alike: dict[bytes, list[int]] = {}
    for number, text in enumerate(found.plaintexts):
        alike.setdefault(text[: 1 + layout.head_bytes(text[1:3])], []).append(number)
    read = [blocks.read_alike([found.plaintexts[number] for number in group]) for group in alike.values()]
    columns = layout.concatenate([part for _, part in read])
    numbers = np.concatenate(list(alike.values()))
    arrived = np.repeat(numbers, np.concatenate([counts for counts, _ in read]))
    places = order_of(arrived)
    owner, times = found.parties[arrived[places]], coding.times(columns)[places]
    places = places[order_of(owner * _SECONDS + times)]
    owner = found.parties[arrived[places]]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    ordered = {number: column.take(places) for number, column in columns.items()}
    return owner[starts], blocks.rows_plaintexts(ordered, np.append(starts, len(owner)))


def _merged_facts(found: _Opened) -> tuple[Codes, list[bytes]]:
    """(parties, one plaintext each): every distinct fact, in the order in which they came.

    What came in one block stays as it was written: most registries are taken in once a day.
    """
    texts: dict[int, list[bytes]] = {}
    for party, plaintext in zip(found.parties.tolist(), found.plaintexts, strict=True):
        texts.setdefault(party, []).append(plaintext)
    merged = [parts[0] if len(parts) == 1 else _joined_facts(parts) for parts in texts.values()]
    return np.array(list(texts), np.int64), merged


def _joined_facts(plaintexts: Sequence[bytes]) -> bytes:
    facts: Facts = []
    for plaintext in plaintexts:
        facts += [fact for fact in blocks.read_facts(plaintext) if fact not in facts]
    return blocks.facts_plaintext(facts)
