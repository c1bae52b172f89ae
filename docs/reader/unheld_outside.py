"""The reader's edition, part three: what leaves a store. Parked batches, erasure plans, and the public log.

Nothing here opens a folio. A parked batch needs t custodians; a plan the root node; the log and the receipts need
no key at all, which is the point of them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from unheld_formats import (
    FormatError,
    Gone,
    components,
    cut,
    jcs,
    mac,
    must,
    num,
    parsed,
    pieces,
    put,
    sha,
    unseal,
    xor,
)


def unarmoured(text: str) -> bytes:
    """Base64, in the one spelling a writer would use."""
    data = base64.b64decode(text, validate=True)
    must(base64.b64encode(data).decode() == text, "base64 in another spelling")
    return data


def signed(public: bytes, signature: bytes, message: bytes) -> None:
    """Refuse what this Ed25519 key did not sign."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise FormatError("the signature is another key's") from None


# 1. Batches that were parked while no day was open, which any t custodians open (parked.md).


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
    info = b"unheld/v1/parked" + bytes.fromhex(header["store"] + header["batch"]) + put(index, 1)
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
        unseal(key, segment, found.digest + put(number == last, 1), put(number, 12))
        for number, segment in enumerate(found.segments)
    )


# 2. An erasure plan (plan.md) is made and signed at headquarters; its targets open under the root node of its time
# alone, and for nobody once a plan was applied.


def plan_digest(plan: Mapping[str, Any], headquarters: bytes) -> bytes:
    """The digest of a plan, once its signature holds (plan.md). Raises FormatError."""
    digest = sha(jcs({name: value for name, value in plan.items() if name != "signature"}))
    signature = base64.b64decode(plan["signature"], validate=True)
    signed(headquarters, signature, b"unheld/v1/plan\n" + digest)
    return digest


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


# 3. The log (statement.md; RFC 6962; C2SP tlog-checkpoint and tlog-proof) is a tree over entries of 32 bytes that
# say nothing by themselves. A statement opens one; a receipt carries it with its place in the tree.

FIELDS = {
    "genesis": "store genesis policy", "open": "sealing_day set", "batch": "sealing_day records_at_most rows",
    "close": "sealing_day records_at_most generation root head", "erase-parties": "root leaves slots copies",
    "erase-day": "event_day custodians slots", "erase-class": "event_day class custodians slots",
    "erase-everything": "slots copies", "lapse": "columns custodians", "parked": "period records_at_most",
}  # fmt: skip


def tree_root(items: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962, section 2.1."""
    if not items:
        return sha()
    if len(items) == 1:
        return sha(b"\0", items[0])
    half = 1 << ((len(items) - 1).bit_length() - 1)
    return sha(b"\1", tree_root(items[:half]), tree_root(items[half:]))


def included(item: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an inclusion path leads to (RFC 9162, section 2.1.3.2)."""
    must(0 <= index < size, "statement.md: the index is not in the tree")
    at, last, found, rest = index, size - 1, sha(b"\0", item), list(path)
    while last:
        if at % 2 or at < last:  # a node without a sibling is its own parent
            must(bool(rest), "statement.md: the inclusion path is too short")
            other = rest.pop(0)
            found = sha(b"\1", other, found) if at % 2 else sha(b"\1", found, other)
        at, last = at // 2, last // 2
    must(not rest, "statement.md: the inclusion path is too long")
    return found


class Checkpoint(NamedTuple):
    """What a log's key signed: its origin, size and root."""

    origin: str
    size: int
    root: bytes


def checkpoint(text: str, vkey: str) -> Checkpoint:
    """A signed note of a log (C2SP signed-note, tlog-checkpoint)."""
    name, key_hash, key = vkey.split("+", 2)
    public = unarmoured(key)
    must(public[:1] == b"\1" and sha(name.encode(), b"\n", public)[:4].hex() == key_hash, "signed-note: key")
    body, _, lines = text.rpartition("\n\n")
    given = [unarmoured(line.split(" ")[2]) for line in lines.splitlines() if line.startswith(f"— {name} ")]
    mine = [item[4:] for item in given if item[:4].hex() == key_hash]
    must(len(mine) == 1, "signed-note: no signature of this key")
    signed(public[1:], mine[0], body.encode() + b"\n")
    origin, size, root = body.split("\n")[:3]
    must(origin == name and str(int(size)) == size, "tlog-checkpoint: origin or size")
    return Checkpoint(origin, int(size), unarmoured(root))


def statement(text: Mapping[str, Any], origin: str) -> None:
    """Refuse a statement that this version would not write (statement.md)."""
    must(text["v"] == 1 and text["kind"] in FIELDS, "statement.md: a version or kind not known")
    names = {"v", "log", "kind", "day", *FIELDS[text["kind"]].split()}
    must(text.keys() == names and text["log"] == origin, "statement.md: other fields, or of another log")


def entry(r: bytes, said: Mapping[str, Any]) -> bytes:
    """The log's entry of a statement (statement.md)."""
    must(len(r) == 32, "statement.md: r has 32 bytes")
    return mac(r, jcs(said))


def receipt(text: str, vkey: str) -> dict[str, Any]:
    """The statement of a receipt, once everything holds (receipt.md, in its order)."""
    head, _, note = text.partition("\n\n")
    magic, extra, index, *path = head.split("\n")
    must(magic == "c2sp.org/tlog-proof@v1" and extra[:6] == "extra " and index[:6] == "index ", "receipt.md: form")
    signed_by_log = checkpoint(note, vkey)
    opening = parsed(unarmoured(extra[6:]))
    said: dict[str, Any] = opening["statement"]
    statement(said, signed_by_log.origin)
    made = entry(bytes.fromhex(opening["r"]), said)
    root = included(made, int(index[6:]), signed_by_log.size, [unarmoured(line) for line in path])
    must(root == signed_by_log.root, "receipt.md: the entry is not in the tree")
    if "party" in opening:
        must(said["kind"] == "erase-parties", "receipt.md: only a forgetting of parties has a person's part")
        must(party_root(opening["party"], said["leaves"]).hex() == said["root"], "receipt.md: the party is not in it")
    return said


def party_root(party: Mapping[str, Any], size: int) -> bytes:
    """The root that a person's part leads to (receipt.md)."""
    said = {"v": 1, "kind": "forgotten", "identity": party["identity"], "store": party["store"]}
    own = mac(bytes.fromhex(party["r"]), jcs(said))
    return included(own, party["index"], size, [bytes.fromhex(item) for item in party["path"]])


def open_box(box: bytes, claim_code: str) -> dict[str, Any]:
    """A person's part out of its box (receipt.md)."""
    secret = bytes.fromhex(claim_code.replace("-", ""))
    key = HKDF(SHA256(), 32, None, b"unheld/v1/box").derive(secret)
    value: dict[str, Any] = parsed(unseal(key, box, b""))
    return value
