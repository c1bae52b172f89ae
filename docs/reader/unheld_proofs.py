"""The reader's edition of the proofs: checks receipts and papers by the pages of `docs/spec` alone.

A second implementation, to be read from top to bottom beside statement.md, receipt.md and paper.md. It shares no line
with the packages and imports none of them; of foreign code it needs `cryptography`, for Ed25519. It says whether a
file holds and what it states, as JSON; for plain words, and for what no proof proves, use `unheld-verify`.

    python docs/reader/unheld_proofs.py LOG-KEY FILE…
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Json = dict[str, Any]


class FalseProof(ValueError):  # noqa: N818
    """A proof that is not as the pages say."""


def must(holds: bool, what: str) -> None:
    if not holds:
        raise FalseProof(what)


# 1. What every page uses: canonical JSON, SHA-256, base64 and hex in one spelling each, Ed25519.


def jcs(value: object) -> bytes:
    """RFC 8785 for what this project writes: no floats, no null, ASCII keys (README.md)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parsed(data: bytes) -> Any:
    """JSON in the one spelling a writer would use."""
    try:
        value = json.loads(data)
        must(jcs(value) == data, "README.md: JSON in another spelling")
        must(nested(value) <= 100, "README.md: JSON nests too deep")
    except (ValueError, RecursionError):
        raise FalseProof("README.md: no canonical JSON") from None
    return value


def nested(value: object) -> int:
    """How deep objects and lists stand in one another."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(nested, inner), default=0)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def unarmoured(text: object) -> bytes:
    """Base64, in the one spelling a writer would use."""
    try:
        data = base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise FalseProof("no base64") from None
    must(base64.b64encode(data).decode() == text, "base64 in another spelling")
    return data


def raw(text: object, width: int) -> bytes:
    """Lower-case hex of `width` bytes."""
    must(isinstance(text, str) and len(text) == 2 * width and not set(text) - set("0123456789abcdef"), "no such hex")
    return bytes.fromhex(str(text))


def signed(public: bytes, signature: bytes, message: bytes) -> None:
    """Refuse what this Ed25519 key did not sign."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise FalseProof("the signature is another key's") from None


# 2. The log (statement.md; RFC 6962; C2SP tlog-checkpoint and tlog-proof) is a tree over entries of 32 bytes that
# say nothing by themselves. A statement opens one.

STATEMENTS = {
    "genesis": "store genesis policy", "open": "sealing_day set", "batch": "sealing_day records_at_most rows",
    "close": "sealing_day records_at_most generation root head", "erase-parties": "root leaves slots copies",
    "erase-day": "event_day custodians slots", "erase-class": "event_day class custodians slots",
    "erase-everything": "slots copies", "lapse": "columns custodians", "parked": "period records_at_most",
    "demand-received": "demand authority asks targets root leaves", "demand-narrowed": "demand asks root leaves",
    "demand-refused": "demand codes root leaves", "demand-withdrawn": "demand root leaves", "claim-answered": "",
    "paper": "paper digest", "group": "key", "standstill": "group digest begins ends",
    "custodians": "set digest n t begins custodians", "access-answered": "",
    "copy-released": "copy copies listed generation", "copy-returned": "copy copies listed generation",
    "copy-promoted": "copy copies listed generation",
    "upgrade": "from to digest",
}  # fmt: skip
PAPERS = ("buyer-record", "certificate", "manifest")


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
    must(type(index) is int and 0 <= index < size, "statement.md: the index is not in the tree")
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
    """Refuse a statement that this version would not write (statement.md): other fields, or lists out of order."""
    must(text["v"] == 1 and text["kind"] in STATEMENTS, "statement.md: a version or kind not known")
    names = {"v", "log", "kind", "day", *STATEMENTS[text["kind"]].split()}
    must(text.keys() == names and text["log"] == origin, "statement.md: other fields, or of another log")
    for name in {"asks", "codes"} & names:
        must(text[name] != [] and ascend(text[name]), f"statement.md: {name} ascend, and there is one")
    must(text["kind"] != "standstill" or text["begins"] < text["ends"], "statement.md: a pause has a day")
    must(text["kind"] != "custodians" or 0 < text["t"] <= text["n"], "statement.md: t of n, from 1 to n")


def ascend(items: Iterable[Any]) -> bool:
    """Whether items are sorted and unique."""
    return all(a < b for a, b in pairwise(items))


def entry(r: bytes, said: Mapping[str, Any]) -> bytes:
    """The log's entry of a statement (statement.md)."""
    must(len(r) == 32, "statement.md: r has 32 bytes")
    return hmac.digest(r, jcs(said), "sha256")


# 3. A receipt carries a statement with its place in the tree, and for a person the leaf of theirs.


def receipt(text: str, vkey: str) -> Json:
    """The opening of a receipt, once everything holds (receipt.md, in its order)."""
    head, _, note = text.partition("\n\n")
    magic, *lines = head.split("\n")
    must(magic == "c2sp.org/tlog-proof@v1" and len(lines) > 1 and lines[0][:6] == "extra ", "receipt.md: form")
    extra, index, *path = lines
    must(index[:6] == "index " and index[6:].isdecimal(), "receipt.md: form")
    signed_by_log = checkpoint(note, vkey)
    opening: Json = parsed(unarmoured(extra[6:]))
    must(opening.keys() - {"party"} == {"r", "statement"}, "receipt.md: an opening is r, statement and perhaps a party")
    said: Json = opening["statement"]
    statement(said, signed_by_log.origin)
    made = entry(raw(opening["r"], 32), said)
    root = included(made, int(index[6:]), signed_by_log.size, [unarmoured(line) for line in path])
    must(root == signed_by_log.root, "receipt.md: the entry is not in the tree")
    if "party" in opening:
        must("leaves" in said, "receipt.md: a statement without leaves is about no party")
        says = "forgotten" if said["kind"] == "erase-parties" else "named"
        must(party_root(opening["party"], said["leaves"], says).hex() == said["root"], "receipt.md: not this party")
    return opening


def party_root(party: Mapping[str, Any], size: int, says: str = "forgotten") -> bytes:
    """The root that a person's part leads to (receipt.md)."""
    must(party.keys() == {"identity", "store", "r", "index", "path"}, "receipt.md: a party's fields")
    said = {"v": 1, "kind": says, "identity": party["identity"], "store": party["store"]}
    return included(entry(raw(party["r"], 32), said), party["index"], size, [raw(item, 32) for item in party["path"]])


# 4. A paper is signed by headquarters, whose key the log's founding statement names, and named in the log by digest.


def paper(data: bytes, vkey: str) -> Json:
    """A paper, once everything holds (paper.md, in its order)."""
    must(len(data) <= 4_000_000, "paper.md: too large")
    made: Json = parsed(data)
    names = {"v", "kind", "log", "store", "day", "salt", "body", "key", "signature", "proofs"}
    must(isinstance(made, dict) and made.keys() == names and made["v"] == 1, "paper.md: fields or version")
    must(type(made["v"]) is int and made["kind"] in PAPERS and isinstance(made["log"], str), "paper.md: kind or log")
    must(isinstance(made["body"], dict) and isinstance(made["proofs"], list), "paper.md: body or proofs")
    must(len(made["proofs"]) <= 4096 and str(date.fromisoformat(str(made["day"]))) == made["day"], "paper.md: day")
    key, _, _ = raw(made["key"], 32), raw(made["store"], 16), raw(made["salt"], 32)
    unsigned = {name: value for name, value in made.items() if name not in {"signature", "proofs"}}
    digest = sha(b"unheld/v1/paper\n", jcs(unsigned))
    signed(key, raw(made["signature"], 64), b"unheld/v1/paper\n" + digest)
    openings = [receipt(unarmoured(item).decode(), vkey) for item in made["proofs"]]
    must(all("party" not in opening for opening in openings), "paper.md: a proof names a person")
    said = [opening["statement"] for opening in openings]
    founded = [s for s in said if s["kind"] == "genesis" and s["store"] == made["store"] and s["day"] <= made["day"]]
    must(any(s["policy"]["headquarters"] == made["key"] for s in founded), "paper.md: not headquarters' key")
    named = {"kind": "paper", "paper": made["kind"], "digest": digest.hex(), "log": made["log"]}
    must(any(named.items() <= s.items() and made["day"] <= s["day"] for s in said), "paper.md: not named in the log")
    if made["kind"] == "certificate":
        erased = [{n: s[n] for n in ("day", "slots", "copies")} for s in said if s["kind"] == "erase-everything"]
        must(made["body"].get("title") == "Keys of this store destroyed", "paper.md: another title")
        must(jcs(made["body"].get("destroyed")) in map(jcs, erased), "paper.md: not what the log states of the erasure")
        must(made["body"]["destroyed"]["day"] <= made["day"], "paper.md: dated before what it certifies")
    return made


def main(words: Sequence[str]) -> int:
    """Check files; 0 if all hold, 20 if not."""
    key, *files = words
    worst = 0
    for place in files:
        data = Path(place).read_bytes()
        try:
            found = paper(data, key) if data.startswith(b"{") else receipt(data.decode(), key)["statement"]
            print(f"{place}: holds: {jcs({n: v for n, v in found.items() if n != 'proofs'}).decode()!a}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"{place}: FALSE, or of a later version: {error!a}")
            worst = 20
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
