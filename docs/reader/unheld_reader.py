"""The reader's edition, part two: opens a store given its slots, by the formats of `unheld_formats.py` alone.

It is for whoever checks the formats. It is shipped with nothing, it changes nothing, and it is no way to look for
people: it takes one identity, whose keys the caller holds already, and gives that party's folios; or figures of the
whole store, which name nobody:

    python docs/reader/unheld_reader.py STORE

What leaves a store (parked batches, plans, the log) is read by `unheld_outside.py`.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import unheld_formats as formats
import unheld_outside as outside
from unheld_formats import BlockFile, Column, Custodian, Gone, OpenDay, Row, Secrets, Value, must

# A state is a file in the folder that is backed up; the slot that opens it lies elsewhere, and is not.


def state(folder: Path, name: str, slot_file: Path) -> bytes:
    """A sealed state on disk."""
    files = {path.name: path.read_bytes() for path in folder.glob(f"{name}-*.sealed")}
    return formats.sealed_state(files, name, formats.slot(slot_file.read_bytes()))


# The database holds the journal and the sealed nodes (journal.md). The chain is checked from the genesis document on.
# The root slot's binding names the newest root node and the newest head: the three are of one generation or the store
# is refused, so a part that was rolled back is met here.


class Database(NamedTuple):
    """What stands in catalog.db: entries by generation (the first is number 1), root nodes, nodes, and the outbox."""

    entries: list[dict[str, Any]]
    heads: list[bytes]
    roots: dict[int, bytes]
    nodes: dict[bytes, bytes]
    outbox: list[tuple[int, bytes, bytes, int | None]]


def database(path: Path, genesis: bytes) -> Database:
    """Read catalog.db, and check its chain (journal.md)."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        chain = list(connection.execute("SELECT generation, entry, head FROM journal ORDER BY generation"))
        roots = dict(connection.execute("SELECT generation, body FROM root"))
        nodes = dict(connection.execute("SELECT id, body FROM node"))
        outbox = list(connection.execute("SELECT id, r, statement, entry_index FROM outbox ORDER BY id"))
    heads = formats.journal_heads(genesis, [entry for _, entry, _ in chain])
    must([number for number, _, _ in chain] == list(range(1, len(chain) + 1)), "journal.md: a generation is missing")
    must([head for _, _, head in chain] == heads[1:], "journal.md: the chain is broken")
    return Database([formats.parsed(entry) for _, entry, _ in chain], heads, roots, nodes, outbox)


def newest_root(found: Database, live: Iterable[formats.Generation], store: bytes) -> dict[str, Any]:
    """The root node of the newest generation, checked against the slot's binding (slot.md, journal.md)."""
    number = max(found.roots)
    must(number == len(found.entries), "journal.md: the newest root node and the newest entry are of one generation")
    keys = [generation for generation in live if generation.number == number]
    must(len(keys) == 1, f"slot.md: the root slot does not hold generation {number}")
    bound = formats.sha(found.roots[number]) + found.heads[number]
    must(keys[0].binding == bound, "slot.md: the root slot is bound to another root node or journal head")
    return formats.root_node(found.roots[number], keys[0].secret, store, number)


# The whole: a store with its slots, and as many custodians as the caller holds the slots of. A folio is found by
# computing where it would lie, so nobody can be met here whose keys and identity are not both at hand.


class Folio(NamedTuple):
    """What one block says of a party: records (times count from the event day's midnight) or identity facts."""

    column: Column
    batch: bytes
    secrets: Secrets
    records: list[dict[str, Value]]


class OpenedStore(NamedTuple):
    """A store whose keys the caller holds. `read` keeps the files that were read."""

    folder: Path
    genesis: dict[str, Any]
    found: Database
    root: dict[str, Any]
    day: OpenDay
    custodians: list[Custodian]
    files: dict[str, dict[str, Any]]
    read: dict[str, BlockFile]

    @property
    def store(self) -> bytes:
        """The store's id."""
        return bytes.fromhex(self.genesis["store"])

    def rows(self, identity: str, ended: int = 0) -> dict[int, Row]:
        """The rows of one identity, by tree; `ended` for an earlier holder."""
        rows: dict[int, Row] = {}
        for number, tree in self.root["trees"].items():
            wanted = formats.tag(bytes.fromhex(tree["tag_key"]), identity, ended)
            near = formats.leaves(self.found.nodes, self.store, tree, wanted)
            rows |= {int(number): row for part in near for row in part if row.tag == wanted}
        return rows

    def secrets(self, row: Row, column: Column) -> Secrets:
        """The folio of a row in a column. Raises Gone when a component of its keys is not here."""
        terms, keys = self.genesis["custodians"], list[bytes]()
        sources = [self.day.keys, *(item.keys for item in self.custodians)]
        for component in range(len(formats.components(terms["n"], terms["t"]))):
            held = {keys.get((column, component)) for keys in sources} - {None}
            must(len(held) <= 1, "column.md: two holders of a component differ")
            keys += [key for key in held if key]
            if not held:
                raise Gone("too few custodians hold this column")
        return formats.folio(row.key, formats.column_value(keys, row.label), terms["set"], column)

    def folios(self, identity: str, ended: int = 0) -> Iterator[Folio]:
        """Everything that opens of one identity."""
        rows = self.rows(identity, ended)
        for path, file in self.files.items():
            e = formats.day(Path(path).parts[-2])
            column = (file["class"], formats.day(file["event_day"]), e)
            for row in (rows[number] for number in (0, formats.month_tree(e)) if number in rows):
                try:
                    made = self.secrets(row, column)
                except Gone:
                    continue
                yield from self._block(path, row, made, column)

    def _block(self, path: str, row: Row, made: Secrets, column: Column) -> Iterator[Folio]:
        batch, file, place = bytes.fromhex(Path(path).stem), self.folder / path, formats.where(self._set, column)
        if path not in self.read:
            self.read[path] = formats.block_file(file.read_bytes(), self.files[path])
        blocks, block_id = self.read[path], made.block_id(batch)
        if block_id not in blocks.place:
            return
        at = blocks.place[block_id]
        if self.files[path]["open"] and self.day.directory_key:
            listed = formats.handles(
                file.with_suffix(".handles").read_bytes(), self.day.directory_key, self.store, place, batch
            )
            own = formats.handle(row.key, self.store, column[2])
            must(listed[at] == own, "block.md: the handle is not the party's")
        plain = formats.open_block(blocks.blocks[at].as_py(), made.block_key, self.store, place, batch + block_id)
        yield Folio(column, batch, made, formats.records(plain, column[0]))

    @property
    def _set(self) -> int:
        return int(self.genesis["custodians"]["set"])

    def parked(self, path: str) -> bytes:
        """The plaintext of a parked batch, with the custodians that are here (parked.md, custodian.md)."""
        found, held = outside.parked((self.folder / path).read_bytes()), dict[int, bytes]()
        for item in self.custodians:
            for key in item.header["park"]:
                if (key["reason"], key["period"]) == (found.header["reason"], found.header["period"]):
                    private = bytes.fromhex(key["mlkem"]), bytes.fromhex(key["x25519"])
                    held |= outside.shares(found, item.header["index"], *private)
        return outside.unpark(found, held)


def open_store(folder: Path, slots: Path, custodians: Mapping[Path, Path] | None = None) -> OpenedStore:
    """Open a store by its root and open slots; custodians by their state's folder, each with its slot file."""
    genesis = (folder / "genesis.json").read_bytes()
    document = formats.parsed(genesis)
    found = database(folder / "catalog.db", genesis)
    must(document == found.entries[0]["policy"], "journal.md: the first entry holds the genesis document")
    root = newest_root(found, formats.slot((slots / "root.slot").read_bytes()), bytes.fromhex(document["store"]))
    here = [formats.custodian(state(path, "custodian", file)) for path, file in (custodians or {}).items()]
    must(all(item.header["store"] == document["store"] for item in here), "custodian.md: a custodian of another store")
    today = formats.open_day(state(folder, "open", slots / "open.slot"))
    return OpenedStore(folder, document, found, root, today, here, formats.live_files(found.entries), {})


def open_party(
    folder: Path, slots: Path, custodians: Mapping[Path, Path], identity: str, ended: int = 0
) -> list[Folio]:
    """The folios of one identity: what its party's key and the columns' keys open, and nothing of anybody else."""
    return list(open_store(folder, slots, custodians).folios(identity, ended))


def figures(folder: Path) -> dict[str, int]:
    """Figures of a whole store, its slots beside it: every node is opened and every file is checked."""
    opened = open_store(folder, folder.with_name(folder.name + ".slots"))
    for path, file in opened.files.items():
        formats.block_file((folder / path).read_bytes(), file)
    trees = opened.root["trees"].values()
    return {
        "generation": opened.root["generation"],
        "parties": sum(formats.count_parties(opened.found.nodes, opened.store, tree) for tree in trees),
        "columns": len({Path(path).parent for path in opened.files}),
        "files": len(opened.files),
        "blocks": sum(file["blocks"] for file in opened.files.values()),
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} STORE")
    for name, figure in figures(Path(sys.argv[1])).items():
        print(f"{name:10} {figure:>12,}")
