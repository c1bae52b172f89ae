"""A delivery: what one commit takes in. It is sealed chunk by chunk and committed whole, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from unheld_branch.keys.parties import commitments
from unheld_branch.keys.parties.newcomers import Made
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.rows import join as join_rows
from unheld_branch.records.chunks import BadRow
from unheld_branch.store import files
from unheld_branch.store.files import ColumnFile
from unheld_branch.store.sealing import Sealer
from unheld_branch.store.store import Store
from unheld_branch.workflows import quarantine, routing, sinks
from unheld_branch.workflows.sinks import Charges
from unheld_slots import durable
from unheld_verify import columns, crypto
from unheld_verify.statement import Opening

ROW_BYTES_HELD = 256 << 20


@dataclass(frozen=True)
class Delivery:
    """What one commit took in. `batch` is its name for `--replaces`."""

    batch: str
    files: tuple[str, ...]
    records: int
    counts: dict[str, int]
    quarantined: int


@dataclass
class Draft:
    """A delivery in the making: thrown away as a whole when its file is refused."""

    store: Store
    sealer: Sealer
    parties: Parties
    charges: Charges
    replaces: str = ""
    unparks: str = ""
    made: list[Made] = field(default_factory=list)
    files: list[ColumnFile] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    records: int = 0
    batch: bytes = b""
    committing: bool = False

    def take(self, table: pa.Table) -> None:
        """Route, name and seal one chunk of call records."""
        routed = routing.route(table, self.store, self.sealer)
        self.counts.update(routed.counts)
        self.bad.extend(routed.bad)
        if routed.table.num_rows:
            resolved = routing.resolve(routed.table, self.parties, self.sealer.open_day.day)
            self.parties = resolved.parties
            self.made.extend(resolved.made)
            self.bad.extend(resolved.bad)
            if len(resolved.events.when):
                batch, written, counts = self.sealer.seal(resolved.events)
                self.note(batch, written, len(resolved.events.when))
                self.counts.update(counts)
                self.charges.write(resolved.events.table)
        self.ease()

    def note(self, batch: bytes, written: list[ColumnFile], records: int) -> None:
        """Take column files just written into the delivery."""
        self.batch = self.batch or batch
        self.files.extend(written)
        self.records += records

    def ease(self) -> None:
        """Commit rows ahead of their records when they would outgrow memory; without records they say nothing."""
        if self.parties.nodes.held > ROW_BYTES_HELD:
            root = self._commitments()
            self.store.commit({"kind": "rows", "rows": root}, say=[self._said(0, root)], parties=self.parties)
            self.parties, self.made = self.store.parties(), []

    def commit(self) -> Delivery:
        """One commit: rows, column files, digests, quarantine. Charge lines leave once it stands."""
        store, day = self.store, columns.day_text(self.sealer.open_day.day)
        batch = (self.batch or crypto.random_bytes(16)).hex()
        root = self._commitments()
        parked = [quarantine.park(store, self.bad)] if self.bad else []
        entry: dict[str, Any] = {
            "kind": "batch",
            "batch": batch,
            "day": day,
            "records": self.records,
            "files": [file.entry() for file in self.files],
            "digests": self.digests,
            "rows": root,
            "counts": dict(self.counts),
            "replaces": self.replaces,
            "unparks": self.unparks,
            "parked": parked,
        }
        said = self._said(self.records, root)
        sinks.made(store.folder)
        self.charges.ready(batch)
        if self.replaces:
            sinks.replaced(store.folder, batch, self.replaces)
        self.committing = True
        store.commit(entry, say=[said], parties=self.parties)
        self.charges.leave()
        return Delivery(batch, tuple(self.names), self.records, dict(self.counts), len(self.bad))

    def _said(self, records: int, root: str) -> Opening:
        """What the log is told: 32 random bytes take the place of a root, so that it does not show who was new."""
        day, rows = columns.day_text(self.sealer.open_day.day), root or crypto.random_bytes(32).hex()
        return self.store.opening("batch", sealing_day=day, records_at_most=at_most(records), rows=rows)

    def _commitments(self) -> str:
        """Write the leaves over the rows made so far; their root, or "" when there are none."""
        if not self.made:
            return ""
        rows = join_rows([made.rows for made in self.made])
        leaves = commitments.leaves(rows, [name for made in self.made for name in made.identities])
        folder = self.store.folder / "rows"
        durable.make_folder(folder)
        durable.write_file(folder / f"{self.store.root.generation + 1}.bin", commitments.encode(leaves))
        return commitments.root(leaves).hex()

    def discard(self) -> None:
        """Remove what was staged: the store is as it was. Once a commit began, the next opening decides instead."""
        if self.committing:
            return
        self.charges.discard()
        for file in self.files:
            files.remove(self.store.folder, file)


@contextmanager
def drafted(store: Store, sealer: Sealer, *, replaces: str = "", unparks: str = "") -> Iterator[Draft]:
    """A draft that leaves nothing behind when its block raises."""
    sinks.settle(store.folder, {batch.hex() for batch in store.catalog.batches})
    draft = Draft(store, sealer, store.parties(), Charges(store.folder), replaces, unparks)
    try:
        yield draft
    except BaseException:
        draft.discard()
        raise


def at_most(count: int) -> int:
    """A padded figure: the smallest power of two, 1,024 or more, that is not below `count`."""
    return max(1024, 1 << max(0, count - 1).bit_length())
