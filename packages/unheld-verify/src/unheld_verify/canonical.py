"""RFC 8785 (JCS) for the values unheld uses: objects, lists, strings, booleans and integers below 2^53.

Floats and null are refused, and keys are ASCII, so the standard library's encoder gives RFC 8785's bytes exactly
(its hard parts are numbers and the order of non-ASCII keys). A property test compares with the `rfc8785` package.
"""

from __future__ import annotations

import json
from typing import Any

from unheld_verify.errors import BadInputError

Json = dict[str, "Json"] | list["Json"] | str | int | bool
MAX_DEPTH = 100
"""Objects and lists in one another. A bound of ours, so that every verifier stops at the same place, not where its
stack ends."""
_LIMIT = 2**53
_SHOWN = 80
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def encode(value: Any) -> bytes:
    """Canonical bytes of `value`. Raises BadInputError naming the path of what JCS here does not allow."""
    if not _is_plain(value):
        _check(value, ("$",))
    return _ENCODER.encode(value).encode()


def decode(data: bytes) -> Any:
    """Parse canonical bytes; anything that would not be written back to the same bytes is refused."""
    try:
        value = json.loads(data.decode())
        if encode(value) != data:
            raise BadInputError("JSON is not in canonical form (RFC 8785): it was edited or re-encoded")
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"not canonical JSON: {error}") from None
    return value


def _is_plain(value: Any) -> bool:
    """Whether `_check` would find nothing, for most values; many times as fast, since it names no path."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is dict:
                if not all(type(key) is str and key.isascii() for key in one):
                    return False
                inner += one.values()
            elif kind is list or kind is tuple:
                inner += one
            elif not (kind is bool or (kind is str and one.isascii()) or (kind is int and -_LIMIT < one < _LIMIT)):
                return False
        if not inner:
            return True
        level = inner
    return False


def _check(value: Any, path: tuple[str, ...], depth: int = 0) -> None:
    """Raise BadInputError with the path of what is not allowed. It is put together only then: a name of a million
    signs, written for each of a million values below it, would take hours."""
    if isinstance(value, list | tuple | dict) and depth == MAX_DEPTH:
        raise BadInputError(f"{_shown(path)}…: objects and lists nest more than {MAX_DEPTH} deep")
    if isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int):
        if abs(value) >= _LIMIT:
            raise BadInputError(f"{_shown(path)}: integers at or beyond 2^53 have no canonical form")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check(item, (*path, f"[{number}]"), depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise BadInputError(f"{_shown(path)}: keys must be ASCII strings")
            _check(item, (*path, "." + key), depth + 1)
    else:
        raise BadInputError(f"{_shown(path)}: {type(value).__name__} has no canonical form here")


def _check_text(value: str, path: tuple[str, ...]) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInputError(f"{_shown(path)}: a lone surrogate has no canonical form") from None


def _shown(path: tuple[str, ...]) -> str:
    return "".join(path)[:_SHOWN]
