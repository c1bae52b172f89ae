"""Secrets that lie about: whole states by their first bytes, and 32-byte candidates in text or raw bytes.

An attacker looks for them in everything that is not one of our formats: logs, leftovers, memory.
"""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator

import numpy as np

from unheld_branch.keys.columns import DayKeys
from unheld_custodian import state as custodian_states
from unheld_custodian.state import Whole
from unheld_verify import crypto
from unheld_verify.errors import UnheldError

KEY_BYTES = 32
PRIVATE_BYTES = 96
MOST_BYTES = 8 << 20  # more than any state takes
RAW_MOST = 64 << 10  # of a file that is no text, every offset of so many bytes is tried

_DAY, _OPEN, _CUSTODIAN, _SLOT = b"UNHDAYK1", b"UNHOPEN1", b"UNHCUST3", b"UNHSLOT1"
_MAGIC = re.compile(rb"UNH(?:DAYK1|OPEN1|CUST3|SLOT1)")
_WRITTEN = re.compile(
    rb"[0-9a-fA-F]{64,}|[A-Za-z0-9+/]{43}=" + rb"|b'(?:[^'\\]|\\.)*'" + rb'|b"(?:[^"\\]|\\.)*"', re.DOTALL
)
_PRIVATE_HEX = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{192}(?![0-9a-fA-F])")
_PRIVATE_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{128}(?![A-Za-z0-9+/=])")
_LEAST_VALUES = 16  # 32 random bytes with fewer different values: once in 10^11
_SLOT_SIGNED, _SLOT_BYTES = 128, 160
_KEY_ENTRY = 11 + KEY_BYTES  # a column key in a custodian's memory, with its name


def found(data: bytes) -> Iterator[bytes]:
    """Every whole state in these bytes, wherever it begins."""
    for start in (match.start() for match in _MAGIC.finditer(data)):
        length = _length(data[start : start + MOST_BYTES])
        if length and start + length <= len(data):
            yield data[start : start + length]


def _length(data: bytes) -> int:
    magic = data[:8]
    if magic == _OPEN:
        rest = _length(data[40:])
        return 40 + rest if data[40:48] == _DAY else 0
    if magic == _DAY:
        return 22 + int.from_bytes(data[18:22], "big") * (5 + KEY_BYTES * int.from_bytes(data[16:18], "big"))
    if magic == _SLOT:
        whole = crypto.sha256(data[:_SLOT_SIGNED]) == data[_SLOT_SIGNED:_SLOT_BYTES]
        return _SLOT_BYTES if whole else 0
    return _custodian_length(data)


def _custodian_length(data: bytes) -> int:
    end = 12 + int.from_bytes(data[8:12], "big")
    return end + _KEY_ENTRY * sum(map(int, re.findall(rb'"keys":(\d+)', data[12:end])))


def parsed(state: bytes) -> tuple[bytes, bytes | DayKeys | Whole] | None:
    """(directory key or nothing, what the state is): a slot's secret, day keys or a custodian's memory."""
    try:
        if state[:8] == _OPEN:
            return state[8:40], DayKeys.from_bytes(state[40:])
        if state[:8] == _DAY:
            return b"", DayKeys.from_bytes(state)
        if state[:8] == _CUSTODIAN:
            return b"", custodian_states.decode(state)
    except (UnheldError, ValueError, KeyError, TypeError):
        return None
    return (b"", state[32:64]) if state[:8] == _SLOT else None


def in_text(data: bytes) -> list[bytes]:
    """32-byte strings written as hex, base64 or Python's repr, in the order in which they stand."""
    keys: list[bytes] = []
    for text in (match.group() for match in _WRITTEN.finditer(data)):
        if text.startswith((b"b'", b'b"')):
            keys.append(_literal(text))
        elif text.endswith(b"="):
            keys.append(base64.b64decode(text))
        else:
            keys += [bytes.fromhex(text[at : at + 64].decode()) for at in range(0, len(text) - 63, 64)]
    return [key for key in keys if looks_random(key)]


def _literal(text: bytes) -> bytes:
    try:
        value = ast.literal_eval(text.decode("ascii"))
    except (SyntaxError, ValueError):
        return b""
    return value if isinstance(value, bytes) else b""


def in_bytes(data: bytes) -> list[bytes]:
    """32-byte strings at every offset of bytes that are no text, as far as `RAW_MOST`."""
    raw = b"" if data.isascii() else data[: RAW_MOST + KEY_BYTES]
    filled = np.cumsum(np.frombuffer(b"\0" + raw, np.uint8) != 0)
    enough = filled[KEY_BYTES:] - filled[:-KEY_BYTES] >= _LEAST_VALUES - 1  # zeros are one value, however many
    windows = (raw[at : at + KEY_BYTES] for at in np.flatnonzero(enough).tolist())
    return [key for key in windows if looks_random(key)]


def privates(data: bytes) -> list[bytes]:
    """Private keys that boxes are sealed to: written as hex or base64, or alone in a file."""
    written = [bytes.fromhex(text.decode()) for text in _PRIVATE_HEX.findall(data)]
    written += [base64.b64decode(text) for text in _PRIVATE_BASE64.findall(data)]
    return [key for key in (*written, data) if len(key) == PRIVATE_BYTES and looks_random(key[:KEY_BYTES])]


def looks_random(key: bytes) -> bool:
    """Whether 32 bytes may be a key: text, counters and pointers have fewer different bytes."""
    return len(key) == KEY_BYTES and len(set(key)) >= _LEAST_VALUES
