"""The reader's edition: opens a store given its slots and its custodians' folders, by the pages of `docs/spec` alone.

A second implementation, to be read from top to bottom beside the pages. It shares no line with the packages and
imports none of them, so where the two agree, it is the pages that made them agree. It is shipped with nothing, changes
nothing, and is no way to look for people: `open_party` takes one identity and meets nobody else, and the command line,
`python docs/reader/unheld_reader.py STORE`, tells figures of the whole, which name nobody.

The idea, before the bytes. What is known of one *party* in one *column* (a class of facts, the day they happened, the
day they were sealed) is a *folio*. It opens when two secrets meet: the party's key, to which one erasable slot leads
(steps 1 to 3), and the column's keys, of which any t of n custodians have all (step 4). Both enter one hash (step 5),
which says where the folio's block lies among others that look the same, and opens it (step 6). Forgetting a person
ends the first secret, the lapse of a day ends the second, and the blocks may lie where they are.
"""

from __future__ import annotations

import hashlib
import json
import operator
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import date, timedelta
from functools import reduce
from itertools import accumulate, pairwise
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyarrow import BufferReader, parquet

# 0. What every page uses (README.md): unsigned big-endian integers, days since 1970, canonical JSON, SHA-256 and
# AES-256-GCM. What is not as its page says is a FormatError. That a key is no longer there is no fault: it is what
# forgetting looks like, and it is called Gone.

EPOCH = date(1970, 1, 1)
Json = dict[str, Any]
num = int.from_bytes


class FormatError(ValueError):
    """Bytes that are not what a page says."""


class Gone(ValueError):  # noqa: N818
    """The keys that would open this are not there."""


def must(holds: bool, what: str) -> None:
    if not holds:
        raise FormatError(what)


def cut(data: bytes, *widths: int) -> list[bytes]:
    """Parts of the given widths, and the rest."""
    must(sum(widths) <= len(data), "a structure is shorter than its page says")
    return [data[a:b] for a, b in pairwise([*accumulate(widths, initial=0), None])]


def pieces(data: bytes, width: int) -> list[bytes]:
    must(len(data) % width == 0, "a list does not end where an item ends")
    return [data[at : at + width] for at in range(0, len(data), width)]


def parsed(data: bytes) -> Any:
    value = json.loads(data)
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    must(written.encode() == data, "JSON is not canonical")
    return value


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def unseal(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)
    except InvalidTag:
        raise Gone("this key does not open it") from None


def day(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH).days


# 1. A slot (slot.md) is the one thing that can really be erased: 32 bytes that are overwritten in place. All the rest
# of a store is ciphertext that hangs from such secrets, and may be backed up. While a secret is replaced, two live.


def slot(data: bytes) -> dict[int, tuple[bytes, bytes, bytes]]:
    """Slot id, secret and binding of each live generation."""
    must(len(data) == 8192, "slot.md: a slot has 8,192 bytes")
    live = {}
    for parity, half in enumerate(pieces(data, 4096)):
        magic, slot_id, number, secret, binding, check, zeros = cut(half, 8, 16, 8, 32, 64, 32)
        if magic == b"UNHSLOT1" and check == sha(half[:128]) and not any(zeros) and num(number) % 2 == parity:
            live[num(number)] = (slot_id, secret, binding)
    return live


def state(folder: Path, name: str, slot_file: Path) -> bytes:
    """What is sealed in a folder under a slot: the state that the newest generation opens, or else the one before."""
    for number, (slot_id, secret, _) in sorted(slot(slot_file.read_bytes()).items(), reverse=True):
        file = folder / f"{name}-{number}.sealed"
        head = b"UNHSEAL1" + slot_id + number.to_bytes(8)
        if file.exists() and (sealed := file.read_bytes())[:32] == head:
            with suppress(Gone):
                return unseal(secret, sealed[32:], head + name.encode())
    raise Gone(f"no state named {name} opens under its slot")


# 2. The journal (journal.md) is a chain from the genesis document on. It lies in a database, with the nodes of step 3.
# The root node (node.md) is all that is sealed under the root slot, and has the keys of every tree. The slot's binding
# names it and the newest head of the chain: all are of one generation, or a part of them was rolled back. What a store
# has is a fold over the journal: files come with a batch or a close, and leave with the batch that the close merges,
# or with their column when it lapses or is erased. Forgetting a party ends no file.


class Catalog(NamedTuple):
    entries: list[Json]  # of generations 1, 2, …
    heads: list[bytes]  # head(0), head(1), …
    root: Json
    nodes: dict[bytes, bytes]


def catalog(path: Path, genesis: bytes, live: Mapping[int, tuple[bytes, bytes, bytes]]) -> Catalog:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        chain = list(connection.execute("SELECT generation, entry, head FROM journal ORDER BY generation"))
        newest, sealed = connection.execute("SELECT generation, body FROM root ORDER BY generation DESC").fetchone()
        nodes = dict(connection.execute("SELECT id, body FROM node"))
    heads = journal_heads(genesis, [entry for _, entry, _ in chain])
    must([number for number, _, _ in chain] == list(range(1, newest + 1)), "journal.md: a generation is missing")
    must([head for _, _, head in chain] == heads[1:], "journal.md: the chain is broken")
    must(newest in live, f"slot.md: the root slot does not hold generation {newest}")
    _, secret, binding = live[newest]
    must(binding == sha(sealed) + heads[-1], "slot.md: the root slot is bound to another root node or journal head")
    store = bytes.fromhex(parsed(genesis)["store"])
    root = parsed(unseal(secret, sealed, b"unheld/v1/root" + store + newest.to_bytes(8)))
    must((root["v"], root["generation"]) == (1, newest), "node.md: root node of another version or generation")
    return Catalog([parsed(entry) for _, entry, _ in chain], heads, root, nodes)


def journal_heads(genesis: bytes, entries: Iterable[bytes]) -> list[bytes]:
    first = sha(b"unheld/v1/journal", sha(genesis))
    return list(accumulate(entries, lambda head, entry: sha(b"\1", head, sha(entry)), initial=first))


def live_files(entries: Iterable[Json]) -> dict[str, Json]:
    files: dict[str, Json] = {}
    for entry in entries:
        merged = {entry.get("replaces"), *entry.get("merged", ())}
        classes = [entry["class"]] if "class" in entry else ["charge", "contact", "place"]
        ended = [*entry.get("columns", ()), *([cls, entry["event_day"]] for cls in classes if "event_day" in entry)]
        for path, file in list(files.items()):
            over = [file["class"], file["event_day"]] in ended or entry.get("act") == "everything"
            if over or file["batch"] in merged:
                del files[path]
        files |= {file["path"]: file | {"batch": entry["batch"]} for file in entry.get("files", ())}
    return files


# 3. From the root node a tag, the keyed name of an identity, leads down one tree (node.md) to one row: party key and
# label. A node's key stands in its parent alone and encrypts once, so the nonce is zero. When a row is dropped, every
# node on its way gets a new key, up to the root node under a new secret; where the old secret led, nothing is kept.


class Row(NamedTuple):
    tag: bytes
    key: bytes
    label: bytes


def tag(tag_key: bytes, identity: str, ended: int = 0) -> bytes:
    return hashlib.blake2b(ended.to_bytes(4) + identity.encode("ascii"), digest_size=16, key=tag_key).digest()


def leaf(data: bytes) -> list[Row]:
    n = num(data[1:5])
    tags, keys, labels, _ = cut(data[5:], 16 * n, 32 * n, 16 * n)
    return [Row(*row) for row in zip(pieces(tags, 16), pieces(keys, 32), pieces(labels, 16), strict=True)]


def leaves(nodes: Mapping[bytes, bytes], store: bytes, tree: Json, wanted: bytes = b"") -> list[bytes]:
    """The opened leaves of a tree, or the one where a wanted tag would stand. A child is lowest tag, id and key."""
    plain: list[bytes] = []
    children = [bytes.fromhex("00" * 16 + tree["node"] + tree["key"])] if tree["node"] else []
    while children:
        if wanted:
            children = [child for child in children if child[:16] <= wanted][-1:]
        named = [cut(child, 16, 16)[1:] for child in children]
        plain = [unseal(key, bytes(12) + nodes[i], b"unheld/v1/node" + store + i) for i, key in named]
        children = [child for data in plain if data[0] == 2 for child in pieces(data[3:], 64)]
    return plain


def month_tree(e: int) -> int:
    """The number of the tree of parties outside the network that were met on a sealing day; subscribers' is 0."""
    return int(f"{EPOCH + timedelta(e):%Y%m}")


# 4. The other secret is the column function (column.md): F(label), the XOR of one AES block a component. A component
# is held by all custodians but t-1, so t of them together have every component, and t-1 of them lack one. Each has
# its keys in a sealed state of its own (custodian.md). While a day is open, the branch has them too.

CLASSES = ("", "charge", "contact", "place", "identity")
Column = tuple[str, int, int]  # class, event day d, sealing day e
Keys = dict[tuple[Column, int], bytes]  # by column and number of the component


def custodian(data: bytes) -> tuple[Json, Keys]:
    """Header and keys of a custodian of one set. Its chains make the columns of later days, and open none."""
    must(data[:8] == b"UNHCUST3", "custodian.md: not a custodian's state")
    header_bytes, rest = cut(data[12:], num(data[8:12]))
    (header,) = parsed(header_bytes)["sets"].values()
    rows = pieces(rest[: 43 * header["keys"]], 43)
    return header, {((CLASSES[row[0]], num(row[1:5]), num(row[5:9])), num(row[9:11])): row[11:] for row in rows}


def open_day(data: bytes) -> Keys:
    """The keys of the day that is open, if one is."""
    if data == b"UNHOPEN0":
        return {}
    magic, _, days, _, e, per_column, _, rest = cut(data, 8, 32, 8, 4, 4, 2, 4)
    must(magic == b"UNHOPEN1" and days == b"UNHDAYK1", "column.md: not an open day's state")
    rows = pieces(rest, 5 + 32 * num(per_column))
    columns = {(CLASSES[row[0]], num(row[1:5]), num(e)): pieces(row[5:], 32) for row in rows}
    return {(column, s): key for column, keys in columns.items() for s, key in enumerate(keys)}


def column_value(keys: Iterable[bytes], label: bytes) -> bytes:
    ciphers = (Cipher(algorithms.AES(key), modes.ECB()).encryptor() for key in keys)  # noqa: S305
    return reduce(operator.xor, (num(cipher.update(label)) for cipher in ciphers)).to_bytes(16)


# 5. Both secrets enter one hash (folio.md). Out come the key of the block, the key of its id, and the alias by which
# other parties' blocks name this party in this column, and in no other.


class Secrets(NamedTuple):
    block_key: bytes
    id_key: bytes
    alias: bytes

    def block_id(self, batch: bytes) -> bytes:
        return hashlib.blake2b(batch, digest_size=16, key=self.id_key).digest()


def where(number_of_set: int, column: Column) -> bytes:
    """A column as it stands in what is hashed or authenticated."""
    cls, d, e = column
    return CLASSES.index(cls).to_bytes(1) + number_of_set.to_bytes(4) + d.to_bytes(4) + e.to_bytes(4)


def folio(party_key: bytes, value: bytes, place: bytes) -> Secrets:
    okm = hashlib.sha512(b"\0\0\0\1" + party_key + value + b"unheld/v1/folio" + place).digest()
    return Secrets(okm[:32], okm[32:48], okm[48:56])


# 6. A file of blocks (block.md) is what the journal says it is, to the byte, or it is not read. In it a block is
# found by its id among dummies, opened, and is rows of fixed width: the fields with one value in all rows stand once
# and before the rows of the others. A block of class identity holds facts as JSON instead.

FIELDS = {
    1: "time", 2: "event_type", 3: "outgoing", 4: "duration", 5: "volume_upload", 6: "volume_download", 7: "amount",
    8: "balance", 9: "channel", 10: "network", 20: "counterpart", 21: "imsi", 22: "imei", 23: "operator_code",
    24: "country_code", 30: "location_id", 31: "latitude", 32: "longitude",
}  # fmt: skip
Value = int | str | bytes | None


def block_file(data: bytes, said: Json) -> dict[bytes, bytes]:
    """The sealed blocks of a file by their ids."""
    must((len(data), sha(data).hex()) == (said["bytes"], said["sha256"]), "journal.md: the file is another one")
    table = parquet.ParquetFile(BufferReader(data)).read()
    must(table.num_rows == said["blocks"], "journal.md: the blocks of a file are counted")
    return dict(zip(table["block_id"].to_pylist(), table["block"].to_pylist(), strict=True))


def open_block(sealed: bytes, secrets: Secrets, store: bytes, place: bytes, batch: bytes) -> bytes:
    return unseal(secrets.block_key, sealed, b"unheld/v1/block" + store + place + batch + secrets.block_id(batch))


def records(plain: bytes, cls: str) -> list[dict[str, Value]]:
    must(plain[0] == (2 if cls == "identity" else 1), "block.md: a format not known in this class")
    if cls == "identity":
        return [dict(fact) for fact in parsed(cut(plain[5:], num(plain[1:5]))[0])]
    constant, varying = plain[1:3]
    listed, count, rest = cut(plain[3:], 2 * (constant + varying), 4)
    fields = [(FIELDS.get(number, ""), "usbd"[coded >> 6], coded & 63) for number, coded in pieces(listed, 2)]
    must(all(name and width for name, _, width in fields), "block.md: a field not known")
    widths = [width for _, _, width in fields]
    each = sum(widths[constant:])
    once, body, _ = cut(rest, sum(widths[:constant]), each * num(count))
    rows = (cut(once + body[i * each : (i + 1) * each], *widths) for i in range(num(count)))
    return [{name: value(data, kind, name) for (name, kind, _), data in zip(fields, row, strict=False)} for row in rows]


def value(data: bytes, kind: str, name: str) -> Value:
    if not any(data):
        return None
    if kind == "b":
        return data if name == "counterpart" else data.rstrip(b"\0").decode()
    coded = num(data) - 1
    if kind == "s":
        return (coded >> 1) ^ -(coded & 1)
    return coded if kind == "u" else str(coded + 1)[1:]


# 7. The whole: a store with its slots, and as many custodians as the caller holds the slots of. A folio is found by
# computing where it would lie, so nobody can be met here whose keys and identity are not both at hand.


class Folio(NamedTuple):
    column: Column
    batch: bytes
    secrets: Secrets
    records: list[dict[str, Value]]  # times count from the event day's midnight


class OpenedStore(NamedTuple):
    folder: Path
    store: bytes
    genesis: Json
    catalog: Catalog
    keys: list[Keys]  # of the open day, and of each custodian
    files: dict[str, Json]
    read: dict[str, dict[bytes, bytes]]  # blocks of the files that were read already

    def rows(self, identity: str, ended: int = 0) -> dict[int, Row]:
        """The rows of one identity, by tree; `ended` for an earlier holder (node.md)."""
        rows: dict[int, Row] = {}
        for number, tree in self.catalog.root["trees"].items():
            wanted = tag(bytes.fromhex(tree["tag_key"]), identity, ended)
            near = leaves(self.catalog.nodes, self.store, tree, wanted)
            rows |= {int(number): row for data in near for row in leaf(data) if row.tag == wanted}
        return rows

    def secrets(self, row: Row, column: Column) -> Secrets:
        """The folio of a row in a column. Raises Gone when nobody here holds one of the components."""
        terms, keys = self.genesis["custodians"], list[bytes]()
        for component in range(comb(terms["n"], terms["t"] - 1)):
            held = {known[column, component] for known in self.keys if (column, component) in known}
            must(len(held) <= 1, "column.md: two holders of a component differ")
            if not held:
                raise Gone("too few custodians hold this column")
            keys += held
        return folio(row.key, column_value(keys, row.label), where(terms["set"], column))

    def folios(self, identity: str, ended: int = 0) -> Iterator[Folio]:
        """Everything that opens of one identity."""
        rows = self.rows(identity, ended)
        for path, file in self.files.items():
            e, batch = day(Path(path).parts[-2]), bytes.fromhex(Path(path).stem)
            column = (file["class"], day(file["event_day"]), e)
            place = where(self.genesis["custodians"]["set"], column)
            for number in sorted({0, month_tree(e)} & rows.keys()):
                try:
                    secrets = self.secrets(rows[number], column)
                except Gone:
                    continue
                if sealed := self.blocks(path).get(secrets.block_id(batch)):
                    plain = open_block(sealed, secrets, self.store, place, batch)
                    yield Folio(column, batch, secrets, records(plain, column[0]))

    def blocks(self, path: str) -> dict[bytes, bytes]:
        if path not in self.read:
            self.read[path] = block_file((self.folder / path).read_bytes(), self.files[path])
        return self.read[path]


def open_store(folder: Path, slots: Path, custodians: Mapping[Path, Path]) -> OpenedStore:
    """Open a store by its root and open slots; custodians by their state's folder, each with its slot file."""
    genesis = (folder / "genesis.json").read_bytes()
    document = parsed(genesis)
    found = catalog(folder / "catalog.db", genesis, slot((slots / "root.slot").read_bytes()))
    must(document == found.entries[0]["policy"], "journal.md: the first entry holds the genesis document")
    here = [custodian(state(path, "custodian", file)) for path, file in custodians.items()]
    must(all(header["store"] == document["store"] for header, _ in here), "custodian.md: a custodian of another store")
    keys = [open_day(state(folder, "open", slots / "open.slot")), *(keys for _, keys in here)]
    return OpenedStore(folder, bytes.fromhex(document["store"]), document, found, keys, live_files(found.entries), {})


def open_party(
    folder: Path, slots: Path, custodians: Mapping[Path, Path], identity: str, ended: int = 0
) -> list[Folio]:
    """The folios of one identity: what its party's key and the columns' keys open, and nothing of anybody else."""
    return list(open_store(folder, slots, custodians).folios(identity, ended))


def figures(opened: OpenedStore) -> Iterator[tuple[str, int]]:
    """Figures of a whole store: every node is opened and every file is checked, for nobody in particular."""
    trees = [leaves(opened.catalog.nodes, opened.store, tree) for tree in opened.catalog.root["trees"].values()]
    yield "generation", opened.catalog.root["generation"]
    yield "parties", sum(len({row.key for data in tree for row in leaf(data)}) for tree in trees)
    yield "columns", len({Path(path).parent for path in opened.files})
    yield "files", len(opened.files)
    yield "blocks", sum(len(opened.blocks(path)) for path in opened.files)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} STORE (its slots beside it, in STORE.slots)")
    for name, figure in figures(open_store(Path(sys.argv[1]), Path(sys.argv[1] + ".slots"), {})):
        print(f"{name:10} {figure:>12,}")
