"""The reader's edition, part one: bytes in, values out. Every format of `docs/spec` from its page alone.

This is a second implementation. It shares no line with the packages and imports none of them, so where the two agree,
it is the page that made them agree. Read it from top to bottom beside the pages: each step says in prose what comes
next, each function names the page it follows. Nothing here touches a disk; `unheld_reader.py` does.

A folio opens when two secrets meet: the party's key, which one erasable slot leads to, and the column's keys, which
t custodians hold. Steps 1 to 4 follow the first, step 5 the second, steps 6 and 7 bring them together.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import reduce
from itertools import accumulate, combinations, pairwise
from typing import Any, NamedTuple

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyarrow import parquet

# 0. What every page uses (README.md): big-endian integers, days since 1970, canonical JSON, AES-256-GCM, HMAC.
# A reader accepts only what a writer of the page would have written; everything else is a FormatError.


class FormatError(ValueError):
    """Bytes that are not what a page says. The text names the page."""


class Gone(ValueError):  # noqa: N818 - it is no fault: this is what forgetting looks like
    """Keys that would open this are not there."""


def must(holds: bool, what: str) -> None:
    """Refuse what a page rules out."""
    if not holds:
        raise FormatError(what)


def num(data: bytes) -> int:
    """An unsigned big-endian integer."""
    return int.from_bytes(data, "big")


def put(value: int, width: int) -> bytes:
    """An unsigned big-endian integer of `width` bytes."""
    return value.to_bytes(width, "big")


def cut(data: bytes, *widths: int) -> list[bytes]:
    """Parts of the given widths, and the rest."""
    places = list(accumulate(widths, initial=0))
    must(places[-1] <= len(data), "a structure is shorter than its page says")
    return [*(data[a:b] for a, b in pairwise(places)), data[places[-1] :]]


def pieces(data: bytes, width: int) -> list[bytes]:
    """Equal parts."""
    must(len(data) % width == 0, "a list does not end where an item ends")
    return [data[at : at + width] for at in range(0, len(data), width)]


def ascend(items: list[bytes]) -> bool:
    """Whether items are sorted and unique."""
    return all(a < b for a, b in pairwise(items))


def jcs(value: object) -> bytes:
    """RFC 8785 for what this project writes: no floats, no null, ASCII keys (README.md)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parsed(data: bytes) -> Any:
    """Canonical JSON. Whatever would be written in other bytes is refused."""
    value = json.loads(data)
    must(jcs(value) == data, "JSON is not canonical")
    return value


def sha(*parts: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(b"".join(parts)).digest()


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256."""
    return hmac.digest(key, data, "sha256")


def unseal(key: bytes, sealed: bytes, aad: bytes, nonce: bytes = b"") -> bytes:
    """AES-256-GCM; the nonce stands before the ciphertext where none is given. Raises Gone under another key."""
    if not nonce:
        nonce, sealed = cut(sealed, 12)
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Gone("this key does not open it") from None


def day(text: str) -> int:
    """The number of a day written YYYY-MM-DD."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def month_tree(e: int) -> int:
    """The number yyyymm of the tree of a sealing day's off-net parties (node.md)."""
    when = date(1970, 1, 1) + timedelta(e)
    return when.year * 100 + when.month


# 1. A slot (slot.md) is the one thing that can really be erased: 32 bytes overwritten in place. All the rest of a
# store is ciphertext that hangs from such secrets.


class Generation(NamedTuple):
    """One live half of a slot."""

    slot_id: bytes
    number: int
    secret: bytes
    binding: bytes


def slot(data: bytes) -> list[Generation]:
    """The live generations of a file slot, newest first (slot.md)."""
    must(len(data) == 8192, "slot.md: a slot has 8,192 bytes")
    live = []
    for parity, half in enumerate(pieces(data, 4096)):
        magic, slot_id, number, secret, binding, check, zeros = cut(half, 8, 16, 8, 32, 64, 32)
        if magic == b"UNHSLOT1" and check == sha(half[:128]) and not any(zeros) and num(number) % 2 == parity:
            live.append(Generation(slot_id, num(number), secret, binding))
    live.sort(key=lambda half: -half.number)
    if len(live) == 2:
        must(live[0].slot_id == live[1].slot_id, "slot.md: both halves have the same slot id")
        must(live[0].number == live[1].number + 1, "slot.md: live generations differ by one")
    return live


def sealed_state(files: Mapping[str, bytes], name: str, live: Iterable[Generation]) -> bytes:
    """The state that one of the live generations opens, newest first; `files` by file name (slot.md)."""
    for generation in live:
        found = files.get(f"{name}-{generation.number}.sealed", b"")
        head = b"UNHSEAL1" + generation.slot_id + put(generation.number, 8)
        if found[:32] == head:
            return unseal(generation.secret, found[32:], head + name.encode())
    raise Gone(f"no state named {name} opens under its slot")


# 2. The journal (journal.md) is a chain from the genesis document on; what a store has is a fold over it.


def journal_heads(genesis: bytes, entries: Iterable[bytes]) -> list[bytes]:
    """head(0), head(1), … (journal.md)."""
    heads = [sha(b"unheld/v1/journal", sha(genesis))]
    for entry in entries:
        heads.append(sha(b"\1", heads[-1], sha(entry)))
    return heads


def live_files(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The fold over the journal (journal.md): files that are there, by path; `open` names the batch of an open day."""
    files: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry["kind"] in {"batch", "close"}:
            new = entry["batch"] if entry["kind"] == "batch" else ""
            gone = [entry["replaces"]] if new else entry["merged"]
            files = {path: file for path, file in files.items() if file["open"] == "" or file["open"] not in gone}
            files |= {file["path"]: {**file, "open": new} for file in entry["files"]}
        elif entry["kind"] in {"lapse", "erase"}:
            files = {path: file for path, file in files.items() if not _ends(entry, file["class"], file["event_day"])}
    return files


def _ends(entry: Mapping[str, Any], cls: str, event_day: str) -> bool:
    if entry["kind"] == "lapse":
        return [cls, event_day] in entry["columns"]
    if entry["act"] not in {"day", "class"}:
        return bool(entry["act"] == "everything")
    classes = [entry["class"]] if entry["act"] == "class" else ["charge", "contact", "place"]
    return cls in classes and event_day == entry["event_day"]


# 3. The root node (node.md) is sealed under the root slot and holds the keys of every tree.


def root_node(sealed: bytes, secret: bytes, store: bytes, generation: int) -> dict[str, Any]:
    """The root node of a generation (node.md)."""
    value: dict[str, Any] = parsed(unseal(secret, sealed, b"unheld/v1/root" + store + put(generation, 8)))
    must((value["v"], value["generation"]) == (1, generation), "node.md: root node of another version or generation")
    return value


# 4. From the root node a tag leads down one tree to one row: party key and label. Nodes are sealed, each under a key
# that stands in its parent alone; when a row is dropped, every node on its way gets a new key.


class Row(NamedTuple):
    """A party in one tree. `extras` as (kind, 32 bytes)."""

    tag: bytes
    key: bytes
    label: bytes
    since: int
    ended: int
    extras: tuple[tuple[int, bytes], ...]


def tag(tag_key: bytes, identity: str, ended: int = 0) -> bytes:
    """How a tree names an identity (node.md)."""
    return hashlib.blake2b(put(ended, 4) + identity.encode("ascii"), digest_size=16, key=tag_key).digest()


def leaf(data: bytes) -> list[Row]:
    """The rows of a leaf (node.md)."""
    kind, count, rest = cut(data, 1, 4)
    n = num(count)
    must(kind == b"\1" and 1 <= n <= 768, "node.md: a leaf has 1 to 768 rows")
    *columns, number, rest = cut(rest, 16 * n, 32 * n, 16 * n, 4 * n, 4 * n, 4)
    extras = pieces(rest, 49)
    must(len(extras) == num(number) and ascend(extras), "node.md: extras are counted, sorted and unique")
    tags, keys, labels, since, ended = (pieces(part, len(part) // n) for part in columns)
    must(ascend(tags) and {extra[:16] for extra in extras} <= set(tags), "node.md: tags are sorted and unique")
    owned = {t: tuple((x[16], x[17:]) for x in extras if x[:16] == t) for t in {extra[:16] for extra in extras}}
    times = zip(map(num, since), map(num, ended), strict=True)
    return [Row(t, key, lb, *at, owned.get(t, ())) for t, key, lb, at in zip(tags, keys, labels, times, strict=True)]


def inner(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """The children of an inner node: lowest tag, id, key (node.md)."""
    kind, count, rest = cut(data, 1, 2)
    children = [(item[:16], item[16:32], item[32:]) for item in pieces(rest, 64)]
    must(kind == b"\2" and 1 <= num(count) == len(children) <= 256, "node.md: an inner node has 1 to 256 children")
    lowest = [child[0] for child in children]
    must(ascend(lowest) and lowest[0] == bytes(16), "node.md: children ascend from zero")
    return children


def leaves(
    nodes: Mapping[bytes, bytes], store: bytes, tree: Mapping[str, Any], wanted: bytes | None = None
) -> list[list[Row]]:
    """The leaves of a tree of the root node, or the one where a tag would stand (node.md).

    A node's key encrypts once, so the nonce is zero.
    """
    level = [(bytes.fromhex(tree["node"]), bytes.fromhex(tree["key"]))] if tree["node"] else []
    for depth in range(tree["depth"], 0, -1):
        plain = [unseal(key, nodes[i], b"unheld/v1/node" + store + i, bytes(12)) for i, key in level]
        if depth == 1:
            return [leaf(data) for data in plain]
        children = [child for data in plain for child in inner(data)]
        chosen = children if wanted is None else [child for child in children if child[0] <= wanted][-1:]
        level = [(i, key) for _, i, key in chosen]
    return []


def count_parties(nodes: Mapping[bytes, bytes], store: bytes, tree: Mapping[str, Any]) -> int:
    """Parties of a tree (an IMSI's row and its number's are one): every node is opened, nobody is given out."""
    rows = [row for part in leaves(nodes, store, tree) for row in part]
    must(ascend([row.tag for row in rows]) and len(rows) == tree["rows"], "node.md: rows ascend, as many as counted")
    return len({row.key for row in rows})


def commitment(row: Row, identity: str) -> bytes:
    """What `rows/<generation>.bin` holds of a row that was made in that commit (node.md)."""
    said = {"v": 1, "label": row.label.hex(), "identity": identity, "since": row.since}
    return mac(mac(row.key, b"unheld/v1/row"), jcs(said))


# 5. The other secret: the column function (column.md). Each custodian holds some components; the keys of all of them
# together evaluate it. While a day is open the branch holds them too, under its open slot.

CLASSES = {"charge": 1, "contact": 2, "place": 3, "identity": 4}
NAMES = {number: name for name, number in CLASSES.items()}
Column = tuple[str, int, int]  # class, event day d, sealing day e


def where(number_of_set: int, column: Column) -> bytes:
    """A column as it stands in what is authenticated: class u8 ‖ set u32 ‖ d u32 ‖ e u32 (folio.md, block.md)."""
    cls, d, e = column
    return put(CLASSES[cls], 1) + put(number_of_set, 4) + put(d, 4) + put(e, 4)


def components(n: int, t: int) -> list[tuple[int, ...]]:
    """The components: subsets of custodians that do not hold them (column.md)."""
    return list(combinations(range(n), t - 1))


def column_key(chain: bytes, steps: int, cls: str, d: int, e: int) -> bytes:
    """A column key from a chain that stands `steps` days before e (column.md)."""
    for _ in range(steps):
        chain = mac(chain, b"unheld/v1/next")
    of_day = mac(chain, b"unheld/v1/day" + put(e, 4))
    return mac(of_day, b"unheld/v1/col" + put(CLASSES[cls], 1) + put(d, 4))


def column_value(keys: Iterable[bytes], label: bytes) -> bytes:
    """F(label): the XOR of one AES block a component (column.md)."""
    return xor(Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(label) for key in keys)  # noqa: S305


def xor(parts: Iterable[bytes]) -> bytes:
    """XOR of byte strings of one length."""
    return reduce(lambda a, b: bytes(x ^ y for x, y in zip(a, b, strict=True)), parts)


class Custodian(NamedTuple):
    """A custodian's state: header, chains by component, keys by (column, component)."""

    header: dict[str, Any]
    chains: dict[int, bytes]
    keys: dict[tuple[Column, int], bytes]


def custodian(data: bytes) -> Custodian:
    """A custodian's opened state (custodian.md)."""
    magic, length, rest = cut(data, 8, 4)
    must(magic == b"UNHCUST1", "custodian.md: not a custodian's state")
    header_bytes, rest = cut(rest, num(length))
    header = parsed(header_bytes)
    chains, keys = cut(rest, 34 * header["chains"])
    rows = pieces(keys, 43)
    must(len(rows) == header["keys"] and ascend(rows), "custodian.md: keys are sorted and counted")
    held = {((NAMES[row[0]], num(row[1:5]), num(row[5:9])), num(row[9:11])): row[11:] for row in rows}
    return Custodian(header, {num(item[:2]): item[2:] for item in pieces(chains, 34)}, held)


class OpenDay(NamedTuple):
    """What the branch holds while a day is open: column keys of all components, and the directory key."""

    keys: dict[tuple[Column, int], bytes]
    directory_key: bytes


def open_day(data: bytes) -> OpenDay:
    """The open day's opened state (column.md, last paragraph)."""
    if data == b"UNHOPEN0":
        return OpenDay({}, b"")
    magic, directory, days, _, e, per_column, count, rest = cut(data, 8, 32, 8, 4, 4, 2, 4)
    must(magic == b"UNHOPEN1" and days == b"UNHDAYK1", "column.md: not an open day's state")
    rows = pieces(rest, 5 + 32 * num(per_column))
    must(len(rows) == num(count) and ascend(rows), "column.md: columns are sorted and counted")
    columns = {(NAMES[row[0]], num(row[1:5]), num(e)): pieces(row[5:], 32) for row in rows}
    return OpenDay({(column, s): key for column, keys in columns.items() for s, key in enumerate(keys)}, directory)


# 6. Both secrets enter one hash (folio.md). Out come the key of the block, the key of its id, and the alias by which
# other parties' blocks name this party in this column.


class Secrets(NamedTuple):
    """What a folio's two secrets make."""

    block_key: bytes
    id_key: bytes
    alias: bytes

    def block_id(self, batch: bytes) -> bytes:
        """Where the folio's block of a batch is found."""
        return hashlib.blake2b(batch, digest_size=16, key=self.id_key).digest()


def folio(party_key: bytes, value: bytes, number_of_set: int, column: Column) -> Secrets:
    """The secrets of a folio (folio.md)."""
    info = b"unheld/v1/folio" + where(number_of_set, column)
    okm = hashlib.sha512(put(1, 4) + party_key + value + info).digest()
    return Secrets(*cut(okm, 32, 16, 8)[:3])


def handle(party_key: bytes, store: bytes, e: int) -> bytes:
    """What groups a party's blocks of one open day (folio.md)."""
    return hashlib.blake2b(b"unheld/v1/handle" + store + put(e, 4), digest_size=16, key=party_key).digest()[:8]


# 7. A block is found by its id among dummies that look the same, opened, and read (block.md).

FIELDS = {
    1: ("time", ""), 2: ("event_type", "charge"), 3: ("outgoing", "charge"), 4: ("duration", "charge"),
    5: ("volume_upload", "charge"), 6: ("volume_download", "charge"), 7: ("amount", "charge"),
    8: ("balance", "charge"), 9: ("channel", "charge"), 10: ("network", "charge"), 20: ("counterpart", "contact"),
    21: ("imsi", "contact"), 22: ("imei", "contact"), 23: ("operator_code", "contact"),
    24: ("country_code", "contact"), 30: ("location_id", "place"), 31: ("latitude", "place"),
    32: ("longitude", "place"),
}  # fmt: skip
Value = int | str | bytes | None


def padme(length: int) -> int:
    """The padded size of a plaintext (block.md)."""
    if length <= 64:
        return 64
    e = length.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return -(-length // unit) * unit


def open_block(sealed: bytes, key: bytes, store: bytes, place: bytes, ids: bytes) -> bytes:
    """The plaintext of a block; `place` from `where`, `ids` = batch id ‖ block id (block.md)."""
    return unseal(key, sealed, b"unheld/v1/block" + store + place + ids)


def records(plain: bytes, cls: str) -> list[dict[str, Value]]:
    """The records of a block of rows, or the facts of a block of class identity (block.md)."""
    if plain[0] == 2:
        must(cls == "identity", "block.md: facts stand in class identity only")
        text, _ = cut(plain[5:], num(plain[1:5]))
        _check_padding(plain, 5 + len(text))
        return [dict(item) for item in parsed(text)]
    must(plain[0] == 1 and cls != "identity", "block.md: a format not known")
    head = 2 + 2 * plain[1]
    fields = [(number, coded >> 6, coded & 63) for number, coded in pieces(plain[2:head], 2)]
    must(ascend([put(number, 1) for number, _, _ in fields]), "block.md: fields ascend")
    known = all(number in FIELDS and FIELDS[number][1] in {"", cls} for number, _, _ in fields)
    must(known and all(kind < 3 and width for _, kind, width in fields), "block.md: a field of another class or kind")
    widths = [width for _, _, width in fields]
    body, _ = cut(plain[head + 4 :], num(plain[head : head + 4]) * sum(widths))
    _check_padding(plain, head + 4 + len(body))
    times = [row[: widths[0]] for row in pieces(body, sum(widths))]
    must(fields[0][0] == 1 and times == sorted(times), "block.md: rows are sorted by time")
    return [
        {FIELDS[n][0]: _value(part, kind, n) for (n, kind, _), part in zip(fields, cut(row, *widths), strict=False)}
        for row in pieces(body, sum(widths))
    ]


def _check_padding(plain: bytes, length: int) -> None:
    must(len(plain) == padme(length) and not any(plain[length:]), "block.md: padding")


def _value(data: bytes, kind: int, field: int) -> Value:
    if not any(data):
        return None
    if kind == 2:
        return data if field == 20 else data.rstrip(b"\0").decode()
    coded = num(data) - 1
    return coded if kind == 0 else (coded >> 1) ^ -(coded & 1)


class BlockFile(NamedTuple):
    """A file of blocks: where each id stands, and the sealed blocks."""

    place: dict[bytes, int]
    blocks: pa.Array


def block_file(data: bytes, said: Mapping[str, Any]) -> BlockFile:
    """A file of blocks, checked against what the journal says of it (block.md, journal.md)."""
    must((len(data), sha(data).hex()) == (said["bytes"], said["sha256"]), "journal.md: the file is another one")
    table = parquet.read_table(pa.BufferReader(data))
    schema = pa.schema([("block_id", pa.binary(16)), ("block", pa.binary())])
    must(table.schema.names == schema.names and table.schema.types == schema.types, "block.md: other columns")
    ids, size = table["block_id"].to_pylist(), table.num_rows
    must(ascend(ids) and size == said["blocks"], "block.md: blocks are sorted by id and counted")
    must(size >= 256 and size % (1 << (size.bit_length() - 3)) == 0, "block.md: the number of blocks is padded")
    return BlockFile({block_id: at for at, block_id in enumerate(ids)}, table["block"].combine_chunks())


def handles(data: bytes, directory_key: bytes, store: bytes, place: bytes, batch: bytes) -> list[bytes]:
    """The handles beside a file of an open batch, in the order of its blocks (block.md)."""
    return pieces(unseal(directory_key, data, b"unheld/v1/handles" + store + place + batch), 8)
