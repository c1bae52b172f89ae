"""What the reader's edition has no need of to open a store, read a second time: from the pages alone, as it is.

Parked batches, plans, the log and its receipts, commitments to rows, handles; and the checks that bytes are those that
a writer of the pages would have written, and no others. Like the edition this imports no code of ours but the edition.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import reduce
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyarrow import parquet
from unheld_proofs import ascend, jcs
from unheld_reader import CLASSES, FIELDS, FormatError, Gone, cut, must, num, parsed, pieces, sha, unseal


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256."""
    return hmac.digest(key, data, "sha256")


def xor(parts: Iterable[bytes]) -> bytes:
    """XOR of byte strings of one length."""
    return reduce(lambda a, b: bytes(x ^ y for x, y in zip(a, b, strict=True)), parts)


def signed(public: bytes, signature: bytes, message: bytes) -> None:
    """Refuse what this Ed25519 key did not sign."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise FormatError("the signature is another key's") from None


# 1. What a writer of the pages would have written, and nothing else: nodes, states, blocks and their files.


class LeafRow(NamedTuple):
    """What a leaf says of a party besides its keys. `extras` as (kind, 32 bytes)."""

    since: int
    ended: int
    extras: tuple[tuple[int, bytes], ...]


def leaf(data: bytes) -> dict[bytes, LeafRow]:
    """The rows of a leaf by tag; refuses one that no writer makes (node.md)."""
    kind, count, rest = cut(data, 1, 4)
    n = num(count)
    must(kind == b"\1" and 1 <= n <= 768, "node.md: a leaf has 1 to 768 rows")
    *columns, number, rest = cut(rest, 16 * n, 32 * n, 16 * n, 4 * n, 4 * n, 4)
    tags, _, _, since, ended = (pieces(part, len(part) // n) for part in columns)
    extras = pieces(rest, 49)
    must(len(extras) == num(number) and ascend(extras), "node.md: extras are counted, sorted and unique")
    must(ascend(tags) and {extra[:16] for extra in extras} <= set(tags), "node.md: tags are sorted and unique")
    times = zip(map(num, since), map(num, ended), strict=True)
    must(
        all(end == 0 or end > begin for begin, end in zip(map(num, since), map(num, ended), strict=True)),
        "node.md: ended",
    )
    return {
        tag: LeafRow(*at, tuple((x[16], x[17:]) for x in extras if x[:16] == tag))
        for tag, at in zip(tags, times, strict=True)
    }


def inner(data: bytes) -> list[bytes]:
    """The children of an inner node; refuses one that no writer makes (node.md)."""
    kind, count, rest = cut(data, 1, 2)
    children = pieces(rest, 64)
    must(kind == b"\2" and 1 <= num(count) == len(children) <= 256, "node.md: an inner node has 1 to 256 children")
    lowest = [child[:16] for child in children]
    must(ascend(lowest) and lowest[0] == bytes(16), "node.md: children ascend from zero")
    return children


def commitment(party_key: bytes, label: bytes, identity: str, since: int) -> bytes:
    """What `rows/<generation>.bin` holds of a row that was made in that commit (node.md)."""
    said = {"v": 1, "label": label.hex(), "identity": identity, "since": since}
    return mac(mac(party_key, b"unheld/v1/row"), jcs(said))


def components(n: int, t: int) -> list[tuple[int, ...]]:
    """The components: subsets of custodians that do not hold them (column.md)."""
    return list(combinations(range(n), t - 1))


def column_key(chain: bytes, steps: int, cls: str, d: int, e: int) -> bytes:
    """A column key from a chain that stands `steps` days before e (column.md)."""
    for _ in range(steps):
        chain = mac(chain, b"unheld/v1/next")
    of_day = mac(chain, b"unheld/v1/day" + e.to_bytes(4))
    return mac(of_day, b"unheld/v1/col" + CLASSES.index(cls).to_bytes(1) + d.to_bytes(4))


def directory_key(open_day: bytes) -> bytes:
    """The directory key of an open day's state (column.md)."""
    magic, key, _ = cut(open_day, 8, 32)
    must(magic == b"UNHOPEN1", "column.md: not an open day's state")
    return key


def custodian(data: bytes) -> dict[str, Any]:
    """The header of the one set of a custodian; refuses a state that no writer makes (custodian.md)."""
    _, length, rest = cut(data, 8, 4)
    text, keys = cut(rest, num(length))
    sets: dict[str, dict[str, Any]] = parsed(text)["sets"]
    ((place, header),) = sets.items()
    must(place == f"{header['store']}:{header['set']}", "custodian.md: a set is named by its store and number")
    must(len(keys) == 43 * header["keys"], "custodian.md: keys are counted")
    mine = [s for s, away in enumerate(components(header["n"], header["t"])) if header["index"] not in away]
    must({int(s) for s in header["chains"]} <= set(mine), "custodian.md: chains of components held elsewhere")
    rows = pieces(keys, 43)
    must(ascend(rows), "custodian.md: keys are sorted")
    must({num(row[9:11]) for row in rows} <= set(mine), "custodian.md: keys of components held elsewhere")
    return header


def handle(party_key: bytes, store: bytes, e: int) -> bytes:
    """What groups a party's blocks of one open day (folio.md)."""
    data = b"unheld/v1/handle" + store + e.to_bytes(4)
    return hashlib.blake2b(data, digest_size=16, key=party_key).digest()[:8]


def handles(data: bytes, directory_key: bytes, store: bytes, place: bytes, batch: bytes) -> list[bytes]:
    """The handles beside a file of an open batch, in the order of its blocks (block.md)."""
    return pieces(unseal(directory_key, data, b"unheld/v1/handles" + store + place + batch), 8)


KINDS = dict.fromkeys((1, 2, 3, 4, 5, 6), "u") | dict.fromkeys((7, 8, 31, 32), "s")
"""The kind of each field that is a number (block.md); the others are b, or d where all are digits."""
_OWN = {"charge": range(2, 11), "contact": range(20, 25), "place": range(30, 33)}


def padme(length: int) -> int:
    """The padded size of a plaintext (block.md)."""
    if length <= 64:
        return 64
    e = length.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return -(-length // unit) * unit


def check_block(plain: bytes, cls: str) -> None:
    """Refuse a plaintext that no writer makes (block.md)."""
    must(plain[0] == (2 if cls == "identity" else 1), "block.md: a format not known in this class")
    length = 5 + num(plain[1:5]) if cls == "identity" else _check_rows(plain, cls)
    must(len(plain) == padme(length) and not any(plain[length:]), "block.md: padding")


def _check_rows(plain: bytes, cls: str) -> int:
    """The length of what stands before the padding."""
    constant, varying = plain[1:3]
    listed, number, rest = cut(plain[3:], 2 * (constant + varying), 4)
    fields = [(field, "usbd"[coded >> 6], coded & 63) for field, coded in pieces(listed, 2)]
    _check_fields(fields[:constant], cls)
    _check_fields(fields[constant:], cls)
    numbers = [field for field, _, _ in fields]
    must(1 in numbers and len(set(numbers)) == len(numbers), "block.md: every block has times, no field stands twice")
    widths, count = [width for _, _, width in fields], num(number)
    once, rest = cut(rest, sum(widths[:constant]))
    body, _ = cut(rest, count * sum(widths[constant:]))
    rows = [body[len(body) // count * at :][: len(body) // count] for at in range(count)]
    parts = [cut(once + row, *widths) for row in rows]
    times = [part[numbers.index(1)] for part in parts]
    must(bool(times) and any(times[0]) and times == sorted(times), "block.md: rows have times and are sorted by them")
    digits = [num(part[at]) for part in parts for at, (_, kind, _) in enumerate(fields) if kind == "d"]
    must(
        all(value == 0 or str(value)[0] == "1" < str(value) for value in digits),
        "block.md: not what 1 and digits write",
    )
    must(all(value < 2 * 10**18 for value in digits), "block.md: more than 18 digits")
    return 3 + len(listed) + 4 + len(once) + len(body)


def _check_fields(fields: list[tuple[int, str, int]], cls: str) -> None:
    must(ascend([field for field, _, _ in fields]), "block.md: fields ascend")
    for field, kind, width in fields:
        must(field in FIELDS and (field == 1 or field in _OWN[cls]), "block.md: a field not known in this class")
        must(kind in KINDS.get(field, "bd"), "block.md: a field of another kind")
        must(1 <= width <= (63 if kind == "b" else 8), "block.md: a width out of bounds")


def check_file(data: bytes) -> None:
    """Refuse a file of blocks that no writer makes (block.md)."""
    table = parquet.ParquetFile(pa.BufferReader(data)).read()
    schema = pa.schema([("block_id", pa.binary(16)), ("block", pa.binary())])
    must(table.schema.names == schema.names and table.schema.types == schema.types, "block.md: other columns")
    must(ascend(table["block_id"].to_pylist()), "block.md: blocks are sorted by id")
    size = table.num_rows
    must(size >= 256 and size % (1 << (size.bit_length() - 3)) == 0, "block.md: the number of blocks is padded")


# 2. Batches that were parked while no day was open, which any t custodians open (parked.md).


class Parked(NamedTuple):
    """A parked batch as its file says it."""

    header: dict[str, Any]
    digest: bytes
    segments: list[bytes]


def parked(data: bytes) -> Parked:
    """The header and the sealed segments of a parked file (parked.md)."""
    magic, length, rest = cut(data, 8, 4)
    must(magic == b"UNHPARK1", "parked.md: not a parked batch")
    header, rest = cut(rest, num(length))
    segments = []
    while rest:
        segment, rest = cut(rest[4:], num(rest[:4]))
        segments.append(segment)
    return Parked(parsed(header), sha(header), segments)


def shares(found: Parked, index: int, mlkem: bytes, x25519: bytes) -> dict[int, bytes]:
    """What custodian `index` takes out of its box, by component (parked.md)."""
    private = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(mlkem), X25519PrivateKey.from_private_bytes(x25519)
    )
    header, suite = found.header, Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    info = b"unheld/v1/parked" + bytes.fromhex(header["store"] + header["batch"]) + index.to_bytes(1)
    plain = suite.decrypt(base64.b64decode(header["boxes"][index], validate=True), private, info)
    held = {num(item[:2]): item[2:] for item in pieces(plain, 34)}
    mine = [s for s, away in enumerate(components(header["n"], header["t"])) if index not in away]
    must(list(held) == mine, "parked.md: a box holds its custodian's components, ascending")
    return held


def unpark(found: Parked, held: Mapping[int, bytes]) -> bytes:
    """The plaintext of a parked batch from the shares of every component (parked.md)."""
    if len(held) < len(components(found.header["n"], found.header["t"])):
        raise Gone("too few custodians opened their boxes")
    key, last = xor(held.values()), len(found.segments) - 1
    return b"".join(
        unseal(key, number.to_bytes(12) + segment, found.digest + (number == last).to_bytes(1))
        for number, segment in enumerate(found.segments)
    )


# 3. An erasure plan (plan.md) is made and signed at headquarters; its targets open under the root node of its time
# alone, and for nobody once a plan was applied.


def plan_digest(plan: Mapping[str, Any], headquarters: bytes, label: bytes = b"unheld/v1/plan\n") -> bytes:
    """The digest of a plan, once its signature holds (plan.md; upgrade.md has another label). Raises FormatError."""
    digest = sha(jcs({name: value for name, value in plan.items() if name != "signature"}))
    signature = base64.b64decode(plan["signature"], validate=True)
    signed(headquarters, signature, label + digest)
    return digest


def upgrade_digest(plan: Mapping[str, Any], headquarters: bytes) -> bytes:
    """The digest of an upgrade plan, once its signature and its parts hold (upgrade.md). Raises FormatError."""
    parts = plan["parts"]
    names = [name for name, _, _ in parts]
    must(names == sorted(set(names)) and set(names) <= {"register", "store"} and names != [], "upgrade.md: parts")
    must(all(old < new for _, old, new in parts), "upgrade.md: a format goes up")
    return plan_digest(plan, headquarters, b"unheld/v1/upgrade\n")


def plan_targets(plan: Mapping[str, Any], plan_key: bytes) -> list[tuple[int, bytes, bytes]]:
    """Tree, tag and label of each row that a plan drops (plan.md)."""
    sealed = base64.b64decode(plan["sealed"], validate=True)
    plain = pieces(unseal(plan_key, sealed, b"unheld/v1/plan" + bytes.fromhex(plan["store"])), 36)
    must(len(plain) >= 16 and len(plain).bit_count() == 1, "plan.md: entries are padded to a power of two")
    entries = [entry for entry in plain if any(entry)]
    must(plain[: len(entries)] == entries, "plan.md: padding stands at the end")
    return [(num(entry[:4]), entry[4:20], entry[20:]) for entry in entries]


def next_plan_key(plan_key: bytes) -> bytes:
    """The plan key after a plan was applied (plan.md)."""
    return sha(b"unheld/v1/plan-step", plan_key)


# 4. What the log says, as a store holds it; the log itself and its receipts are read by the edition of the proofs.


class Said(NamedTuple):
    """A line of the outbox: its opening, the statement (empty for a dummy), and its place in the log if it has one."""

    r: bytes
    statement: bytes
    place: int | None


def outbox(database: Path) -> list[Said]:
    """What a store said or will say in the log (journal.md)."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [Said(*line) for line in connection.execute("SELECT r, statement, entry_index FROM outbox ORDER BY id")]


def open_box(box: bytes, claim_code: str) -> dict[str, Any]:
    """A person's part out of its box (receipt.md)."""
    secret = bytes.fromhex(claim_code.replace("-", ""))
    key = HKDF(SHA256(), 32, None, b"unheld/v1/box").derive(secret)
    value: dict[str, Any] = parsed(unseal(key, box, b""))
    return value
