"""A second implementation of what a store and a far copy say to each other.

Written from `docs/spec/{copy,node}.md` alone; it imports the standard library and what the second implementation of
custody reads. Whatever the pages do not allow raises RefusedError.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from tests.support.second_custody import b64, by, framed, must, parsed, raw, said, sha, unsealed

ACTS = {"make", "standing", "sums", "rows", "step", "finish", "missing", "file", "end"}
_MAGIC = b"UNHCOPY1"


class Asked(NamedTuple):
    """What a letter asks, the key that its answer is sealed to, and the digest that the answer names."""

    act: str
    body: dict[str, Any]
    blob: bytes
    reply: bytes
    digest: bytes


class Row(NamedTuple):
    """A row of a leaf without extras: tag, party key, label, since and ended."""

    tag: bytes
    key: bytes
    label: bytes
    since: bytes
    ended: bytes


def door(value: Any, copy: bytes) -> bytes:
    """The key of a copy's door."""
    document = by(said(value, "copy-door"), copy)
    must(set(document) == {"v", "kind", "key"}, "a door with other fields")
    return b64(document["key"])


def _unframed(plain: bytes) -> tuple[Any, bytes]:
    frame = framed(plain)
    end = 4 + int.from_bytes(frame[:4])
    return parsed(frame[4:end]), frame[end:]


def letter(data: bytes, private: bytes, door_key: bytes, copy: bytes, branch: bytes, number: int) -> Asked:
    """What letter `number` to a door asks."""
    line = sha(door_key)
    must(data[:8] == _MAGIC and data[8:40] == line, "for another door")
    value, blob = _unframed(unsealed(private, data[40:], b"unheld/v1/copy-letter" + copy + line))
    one = said(value, "copy-ask")
    document = by(one, branch)
    must(set(document) == {"v", "kind", "act", "copy", "door", "number", "reply", "body", "blob"}, "other fields")
    must((raw(document["copy"], 32), raw(document["door"], 32)) == (copy, line), "for another copy or door")
    must(document["number"] == number and raw(document["blob"], 32) == sha(blob), "not this letter, or other bytes")
    must(document["act"] in ACTS, "an act that is none")
    return Asked(document["act"], document["body"], blob, b64(document["reply"]), one.digest)


def answer(data: bytes, private: bytes, about: bytes, copy: bytes) -> tuple[dict[str, Any], bytes]:
    """(fields, bytes) of the answer to the ask with this digest."""
    must(data[:8] == _MAGIC, "no answer")
    value, blob = _unframed(unsealed(private, data[8:], b"unheld/v1/copy-answer" + about))
    document = by(said(value, "copy-answer"), copy)
    must(set(document) == {"v", "kind", "ask", "body", "blob"}, "other fields")
    must(raw(document["ask"], 32) == about and raw(document["blob"], 32) == sha(blob), "to another ask, or other bytes")
    body: dict[str, Any] = document["body"]
    return body, blob


def rows(leaf: bytes) -> list[Row]:
    """The rows of a leaf that has no extras (node.md)."""
    n = int.from_bytes(leaf[1:5])
    found, at = [], 5
    for width in (16, 32, 16, 4, 4):
        found.append([leaf[at + i * width : at + (i + 1) * width] for i in range(n)])
        at += n * width
    must(leaf[:1] == b"\1" and leaf[at:] == bytes(4), "no leaf, or one with extras")
    return [Row(*one) for one in zip(*found, strict=True)]


def leaf(some: Sequence[Row]) -> bytes:
    """The leaf of some rows that have no extras (node.md)."""
    return b"\1" + len(some).to_bytes(4) + b"".join(b"".join(column) for column in zip(*some, strict=True)) + bytes(4)


def packed(some: Sequence[Row]) -> bytes:
    """Rows as they travel: leaves of at most 768, each after its length."""
    leaves = [leaf(some[at : at + 768]) for at in range(0, len(some), 768)]
    return b"".join(len(one).to_bytes(4) + one for one in leaves)


def sums(some: Sequence[Row], bits: int, key: bytes) -> bytes:
    """The digest of each bucket of sorted rows."""
    found = [bytes(16)] * 2**bits
    for bucket, group in groupby(some, lambda row: int.from_bytes(row.tag[:2]) >> 16 - bits):
        found[bucket] = hmac.digest(key, packed(list(group)), "sha256")[:16]
    return b"".join(found)
