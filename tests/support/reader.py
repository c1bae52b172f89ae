"""What a reader of bytes is to the tests that feed it hostile ones, and where its files lie."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from unheld_verify.errors import UnheldError

WORDS_MOST = 4_096
"""Signs of the longest error that a hostile file may bring about: it must not flood who reads it."""


@dataclass(frozen=True)
class Reader:
    """A reader of bytes. `examples` are bytes that it accepts.

    `encode` writes what `parse` gave: to the same bytes, wherever a format has one spelling. `covers` are the dotted
    names of the program's functions that read these bytes. `slow`: it opens files or boxes, or checks signatures.
    """

    name: str
    parse: Callable[[bytes], Any]
    examples: Callable[[], Sequence[bytes]]
    covers: tuple[str, ...]
    encode: Callable[[Any], bytes] | None = None
    slow: bool = False


def stand(reader: Reader, data: bytes) -> bool:
    """Whether the reader accepts these bytes. Raises AssertionError where it neither refuses them in words of ours
    nor would write them; whatever else it raises is a fault too."""
    try:
        value = reader.parse(data)
    except UnheldError as error:
        words = str(error)
        assert words.strip(), f"{reader.name}: an error without words"
        assert len(words) <= WORDS_MOST, f"{reader.name}: an error of {len(words)} signs"
        return False
    if reader.encode is not None:
        assert reader.encode(value) == data, f"{reader.name}: accepted what it would not write"
    return True


def text(data: bytes) -> str:
    """As a command line or a form gives it: bytes that are no UTF-8 come as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def untext(words: str) -> bytes:
    """The inverse of `text`."""
    return words.encode("utf-8", "surrogateescape")


@cache
def folder() -> Path:
    """A folder of this process, for readers of files."""
    path = Path(tempfile.mkdtemp(prefix="unheld-readers-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def file(name: str, data: bytes) -> Path:
    """A file with these bytes in this process's folder."""
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
