"""A second implementation of what travels between branch, headquarters, custodians and subscribers.

Written from `docs/spec/{custody,set,grant,column}.md` alone; it imports the standard library and `cryptography`.
Whatever the pages do not allow raises RefusedError.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite


class RefusedError(Exception):
    """Not what the pages allow."""


class Said(NamedTuple):
    """A signed document."""

    document: dict[str, Any]
    signature: bytes
    digest: bytes


class Founded(NamedTuple):
    """A founded set: what its draft says, the custodians' keys, commitments by component, and its spoken words."""

    draft: dict[str, Any]
    signs: list[bytes]
    roster: bytes
    transcript: bytes
    commitments: dict[int, bytes]
    boxes: dict[tuple[int, int], bytes]
    words: str


def must(holds: bool, why: str) -> None:
    """Refuse unless it holds."""
    if not holds:
        raise RefusedError(why)


def jcs(value: Any) -> bytes:
    """Canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parsed(data: bytes) -> Any:
    """A JSON value in its one spelling."""
    try:
        value = json.loads(data)
    except ValueError:
        raise RefusedError("no JSON") from None
    must(jcs(value) == data, "another spelling")
    return value


def sha(*parts: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(b"".join(parts)).digest()


def b64(text: str) -> bytes:
    """Base64 in its one spelling."""
    data = base64.b64decode(text, validate=True)
    must(base64.b64encode(data).decode() == text, "base64 in a second spelling")
    return data


def raw(text: str, size: int) -> bytes:
    """Hex of so many bytes, in small letters."""
    must(bytes.fromhex(text).hex() == text and len(text) == 2 * size, "hex of another size or spelling")
    return bytes.fromhex(text)


def said(value: Any, kind: str) -> Said:
    """A signed document of this kind, its signature not checked yet (custody.md)."""
    must(set(value) == {"document", "signature"}, "not a signed document")
    document = value["document"]
    must(type(document["v"]) is int and document["v"] == 1 and document["kind"] == kind, "another version or kind")
    return Said(document, b64(value["signature"]), sha(jcs(value)))


def by(one: Said, public: bytes) -> dict[str, Any]:
    """The document, if this key signed it (custody.md)."""
    message = b"unheld/v1/signed/" + one.document["kind"].encode() + b"\n" + jcs(one.document)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(one.signature, message)
    except InvalidSignature:
        raise RefusedError(f"{one.document['kind']}: signed by another") from None
    return one.document


def unsealed(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """What was sealed to a one-time key (custody.md)."""
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    key = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(private[:64]), X25519PrivateKey.from_private_bytes(private[64:])
    )
    try:
        plain: bytes = suite.decrypt(sealed, key, info=info)
    except (InvalidTag, ValueError):
        raise RefusedError("it does not open") from None
    return plain


def _fields(document: Mapping[str, Any], *names: str) -> None:
    must(set(document) == {"v", "kind", *names}, f"{document['kind']}: other fields")


# custody.md


def address(document: Mapping[str, Any], index: str) -> bytes:
    """The 21 bytes of an address."""
    place: bytes = document["set"].to_bytes(4) + document[index].to_bytes(1)
    return raw(document["store"], 16) + place


def door(value: Any, public: bytes) -> bytes:
    """The key of a door."""
    document = by(said(value, "door"), public)
    _fields(document, "store", "set", "from", "at", "key")
    return b64(document["key"])


def framed(plain: bytes) -> bytes:
    """What stands in a plaintext of whole steps of 4,096."""
    length = int.from_bytes(plain[:4])
    must(len(plain) == -(-(4 + length) // 4096) * 4096 and not any(plain[4 + length :]), "padded otherwise")
    return plain[4 : 4 + length]


def ask(letter: Any, private: bytes, door_key: bytes, asker: bytes) -> Said:
    """The ask in a letter to a door."""
    must(letter["door"] == sha(door_key)[:8].hex() and letter["kind"] == "letter", "for another door")
    opened = framed(unsealed(private, b64(letter["sealed"]), b"unheld/v1/letter" + address(letter, "to")))
    one = said(parsed(opened), "ask")
    _fields(one.document, "act", "store", "set", "to", "from", "at", "nonce", "reply", "body")
    by(one, asker)
    must(address(one.document, "to") == address(letter, "to"), "an ask of another address")
    return one


def answered(value: Any, asked: Said, private: bytes, public: bytes) -> Any:
    """The body of an answer to an ask."""
    document = by(said(value, "answer"), public)
    _fields(document, "store", "set", "from", "at", "ask", "sealed")
    must(document["ask"] == asked.digest.hex() and address(document, "from") == address(asked.document, "to"), "whose?")
    return parsed(framed(unsealed(private, b64(document["sealed"]), b"unheld/v1/answer" + asked.digest)))


# set.md


def components(n: int, t: int) -> list[tuple[int, ...]]:
    """By number, the custodians that do not hold it (column.md)."""
    return list(combinations(range(n), t - 1))


def founded(value: Any) -> Founded:
    """A founded set, everything in it checked."""
    last = said(value, "founded")
    _fields(last.document, "transcript", "confirms")
    script = said(last.document["transcript"], "transcript")
    _fields(script.document, "roster", "deals")
    listing = said(script.document["roster"], "roster")
    _fields(listing.document, "draft", "joins")
    proposed = said(listing.document["draft"], "draft")
    draft = proposed.document
    for one in (proposed, listing, script, last):
        by(one, raw(draft["headquarters"], 32))
    n, t = len(draft["names"]), draft["t"]
    joins = [_join(one, index, proposed.digest) for index, one in enumerate(listing.document["joins"])]
    for part in ("sign", "transport", "pledge"):
        must(len({join[part] for join in joins}) == n, f"a {part} stands twice")
    signs = [raw(join["sign"], 32) for join in joins]
    deals = [by(said(one, "deal"), sign) for one, sign in zip(script.document["deals"], signs, strict=True)]
    numbers = [_number(deal, join, listing.digest) for deal, join in zip(deals, joins, strict=True)]
    made, boxes = _dealt(deals, n, t)
    confirmed = [by(said(one, "confirm"), signs[one["document"]["index"]]) for one in last.document["confirms"]]
    indices = [one["index"] for one in confirmed]
    must(indices == sorted(set(indices)) and len(indices) >= min(n, t + 1), "too few confirmations")
    must(all(one["transcript"] == script.digest.hex() for one in confirmed), "of another transcript")
    words = spoken(sha(b"unheld/v1/words", listing.digest, *numbers))
    return Founded(draft, signs, listing.digest, script.digest, made, boxes, words)


def _join(value: Any, index: int, draft: bytes) -> dict[str, Any]:
    one = said(value, "join")
    _fields(one.document, "draft", "index", "sign", "transport", "pledge")
    by(one, raw(one.document["sign"], 32))
    must(one.document["draft"] == draft.hex() and one.document["index"] == index, "a join to another draft")
    return one.document


def _number(deal: Mapping[str, Any], join: Mapping[str, Any], roster: bytes) -> bytes:
    _fields(deal, "roster", "index", "number", "commitments", "boxes")
    number = raw(deal["number"], 32)
    must(deal["roster"] == roster.hex() and deal["index"] == join["index"], "a deal for another roster")
    must(sha(b"unheld/v1/pledge", raw(join["sign"], 32), number).hex() == join["pledge"], "not the number pledged")
    return number


def _dealt(deals: list[dict[str, Any]], n: int, t: int) -> tuple[dict[int, bytes], dict[tuple[int, int], bytes]]:
    made: dict[int, bytes] = {}
    boxes: dict[tuple[int, int], bytes] = {}
    for index, deal in enumerate(deals):
        held = {s: [j for j in range(n) if j not in away] for s, away in enumerate(components(n, t))}
        own = {s: holders for s, holders in held.items() if holders[0] == index}
        must(set(deal["commitments"]) == {str(s) for s in own}, "commitments to other components")
        listed = [(box["component"], box["to"]) for box in deal["boxes"]]
        must(listed == [(s, j) for s in sorted(own) for j in own[s][1:]], "other boxes")
        made |= {s: raw(deal["commitments"][str(s)], 32) for s in own}
        boxes |= {(box["component"], box["to"]): b64(box["box"]) for box in deal["boxes"]}
    must(all(len(box) == 1168 for box in boxes.values()), "boxes of another size")
    return made, boxes


def chains(found: Founded, index: int, own: Mapping[int, bytes], transport: bytes) -> dict[int, bytes]:
    """The chains at the first day that a custodian holds; `own` are the seeds that it drew."""
    n, t = len(found.draft["names"]), found.draft["t"]
    begun = {}
    for s, away in enumerate(components(n, t)):
        if index in away:
            continue
        place = found.roster + s.to_bytes(2)
        if (s, index) in found.boxes:
            seed = unsealed(transport, found.boxes[s, index], b"unheld/v1/deal" + place + index.to_bytes(1))
        else:
            seed = own[s]
        must(sha(b"unheld/v1/commit", place, seed) == found.commitments[s] and len(seed) == 32, "it does not fit")
        begun[s] = hmac.digest(seed, b"unheld/v1/chain" + place, "sha256")
    return begun


def number(seed: bytes) -> bytes:
    """A custodian's number for the words, of its signing seed."""
    return hmac.digest(seed, b"unheld/v1/number", "sha256")


def spoken(digest: bytes) -> str:
    """Four words with spaces between."""
    parts: list[Callable[[int], str]] = [lambda v: "bdfghjklmnprstvz"[v & 15], lambda v: "aiou"[v & 3]]
    words = []
    for at in range(0, 8, 2):
        value = int.from_bytes(digest[at : at + 2])
        shifts = [(0, 12), (1, 10), (0, 6), (1, 4), (0, 0)]
        words.append("".join(parts[kind](value >> shift) for kind, shift in shifts))
    return " ".join(words)


# grant.md


def label(public: bytes, salt: bytes) -> bytes:
    """A subscriber's label."""
    return sha(b"unheld/v1/label", public, salt)[:16]


def tombstone(store: bytes, of: bytes) -> bytes:
    """What custodians keep of a forgotten label (custody.md)."""
    return sha(b"unheld/v1/tombstone", store, of)[:16]


def grant(value: Any) -> Said:
    """A grant that its subscriber signed."""
    one = said(value, "grant")
    document = one.document
    names = ("purpose", "store", "subscriber", "salt", "columns", "not_before", "expires", "nonce", "answer")
    _fields(document, *names)
    by(one, raw(document["subscriber"], 32))
    classes = ["charge", "contact", "place", "identity"]
    order = [(classes.index(cls), day) for cls, day in document["columns"]]
    must(order == sorted(set(order)) and 0 < len(order) <= 1600, "columns out of order")
    must(0 < document["expires"] - document["not_before"] <= 7 * 86_400, "a time too long")
    return one


def values(sealed: bytes, asked: Said, place: tuple[int, int], public: bytes, private: bytes) -> list[list[Any]]:
    """A custodian's values for a grant; `place` is (set, index)."""
    info = b"unheld/v1/values" + asked.digest + place[0].to_bytes(4) + place[1].to_bytes(1)
    document = by(said(parsed(unsealed(private, sealed, info)), "values"), public)
    _fields(document, "store", "set", "from", "grant", "values")
    must((document["set"], document["from"]) == place and document["grant"] == asked.digest.hex(), "for another grant")
    must([row[:3] for row in document["values"]] == sorted(row[:3] for row in document["values"]), "out of order")
    listed: list[list[Any]] = document["values"]
    return listed


def value_of(column_key: bytes, of: bytes) -> bytes:
    """The value of one component."""
    cipher = Cipher(algorithms.AES(column_key), modes.ECB()).encryptor()  # noqa: S305 - one block, see column.md
    return cipher.update(of)
