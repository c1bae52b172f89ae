"""Hostile bytes, made of good ones: what is flipped, cut, spliced, repeated, nested, or says that it is longer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random

from tests.support.founding import HOSTILE, changed, paths, without

MOST = 1 << 16
"""Bytes of the longest that mutations make; how long a file may be is tested apart."""
_EXTREMES = [b"\xff" * width for width in (1, 2, 4, 8)] + [b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1"]
_SIGNS = [
    b"\0",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\r",
    b"\n",
    b"\n\n",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xcc\x81",
    b'"',
    b"'",
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b"%00",
    b"..",
    b"/",
    b"+",
    b"-",
    b" ",
    b"1e999",
    b"9" * 400,
    b"9" * 5000,
    b"-1",
    b"nan",
    b"\\u0000",
    b"\\ud800",
    b"\xd9\xa3",
    b"[" * 2000,
    b"a." * 500,
    b'"""',
    b"null",
    b"true",
]


def mutated(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """These bytes with one to four things done to them; `others` are what may be spliced in."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(_WAYS)(data, others, random)[:MOST]
    return data


def _flip(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return bytes([random.randrange(256)])
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _out(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    begin, end = _span(data, random)
    return data[:begin] + data[end:]


def _splice(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others) if others else data
    begin, end = _span(other, random)
    at, until = _span(data, random)
    return data[:at] + other[begin:end] + data[until:]


def _repeat(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    begin, end = _span(data, random)
    return data[:end] + data[begin:end] * random.choice((1, 2, 50)) + data[end:]


def _extreme(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    at, value = random.randrange(len(data) + 1), random.choice(_EXTREMES)
    return data[:at] + value + data[at + len(value) :]


def _sign(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    at = random.choice((0, len(data), random.randrange(len(data) + 1)))
    return data[:at] + random.choice(_SIGNS) + data[at + random.choice((0, 1)) :]


def _ends(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n")))


def _number(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Another number in the place of one that is written in digits."""
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return data
    begin = end = random.choice(places)
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return (
        data[:begin]
        + random.choice((b"0", b"-1", b"00", b"255", b"65536", b"4294967296", b"9" * 15, b"9" * 20))
        + data[end:]
    )


def _value(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Another value at some place of what is JSON, written canonically as far as it has such a form."""
    try:
        whole = json.loads(data)
        at = random.choice(list(paths(whole)))
        spoilt = without(whole, at) if at and random.random() < 0.3 else changed(whole, at, random.choice(HOSTILE))
        written = json.dumps(spoilt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return data
    return written.encode("utf-8", "surrogatepass")


def _span(data: bytes, random: Random) -> tuple[int, int]:
    begin = random.randrange(len(data) + 1)
    return begin, min(len(data), begin + random.choice((1, 2, 4, 8, 16, 32, 64, 1000)))


_WAYS: list[Callable[[bytes, Sequence[bytes], Random], bytes]] = [
    _flip, _flip, _cut, _out, _splice, _repeat, _extreme, _sign, _ends, _number, _value, _value, _value,
]  # fmt: skip


def wild(good: bytes) -> list[bytes]:
    """What everybody tries first, on bytes that are good."""
    half = len(good) // 2
    return [
        b"", b"\0", b"\xff" * 64, bytes(4096), b"[" * 50_000, b'{"a":' * 5_000, b"9" * 5_000, b"1e400", b"null",
        b"\xef\xbb\xbf" + good, good + b"\n", good + b"\0", good + good, good[:-1], good[:half], good[half:], good[1:],
        b" " + good, good.replace(b"\n", b"\r\n"), good.replace(b"{", b"[", 1), good[:half] + b"\xff" + good[half:],
        good[:8] + b"\xff\xff\xff\xff" + good[12:], good[::-1], b"a." * 2_000 + b"a=1", b"a=" + b"[" * 5_000,
    ]  # fmt: skip
