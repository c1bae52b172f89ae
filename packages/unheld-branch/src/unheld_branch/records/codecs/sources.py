"""Sources: files, folders, globs and standard input; gzip and zstandard by their first bytes, never by their names."""

from __future__ import annotations

import glob
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from unheld_verify import crypto
from unheld_verify.errors import BadInputError

Progress = Callable[[int, int | None], None]
"""Told now and then: bytes read of all sources, and their sum (None when standard input is among them)."""

STDIN = "-"
_GZIP, _ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read; `path` is None for standard input."""

    name: str
    path: Path | None

    @property
    def size(self) -> int | None:
        """Bytes on disk."""
        return None if self.path is None else self.path.stat().st_size

    @property
    def folder(self) -> Path:
        """Where files named beside it are looked for."""
        return Path() if self.path is None else self.path.parent


def expand(given: Sequence[str | Path]) -> tuple[Source, ...]:
    """Each file once, folders and globs in order of names. Raises BadInputError for what is not there."""
    found: dict[object, Source] = {}
    for item in given:
        for source in _one(item):
            found.setdefault(source.path and source.path.resolve(), source)
    if not found:
        raise BadInputError("no source was given: name files, folders, globs, or - for standard input")
    return tuple(found.values())


def _one(item: str | Path) -> Iterator[Source]:
    if str(item) == STDIN:
        yield Source("standard input", None)
        return
    path = Path(item)
    if path.is_dir():
        paths = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        missing = "the folder holds no file"
    elif path.is_file():
        paths, missing = [path], ""
    else:
        paths = sorted(Path(name) for name in _glob(str(item)) if Path(name).is_file())
        missing = "there is no such file, folder or glob"
    if not paths:
        raise BadInputError(f"{item}: {missing}; mend the path")
    yield from (Source(str(path), path) for path in paths)


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 - a pattern may be absolute, and pathlib takes none such


class Opened(io.RawIOBase):
    """The bytes of a source as they lie there: counted, and hashed as they pass by."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._file, self._tell, self._hash = file, tell, crypto.RunningSha256()
        self.count = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer`; 0 at the end."""
        data = self._file.read(len(cast(memoryview, buffer)))
        cast(memoryview, buffer)[: len(data)] = data
        self._hash.update(data)
        self.count += len(data)
        self._tell(self.count)
        return len(data)

    @property
    def sha256(self) -> str:
        """Hex digest of everything read so far."""
        return self._hash.digest().hex()

    def drain(self) -> None:
        """Read what a decoder left over, so that the digest is of the whole file."""
        while self.read(_READ):
            pass


@contextmanager
def opened(source: Source, tell: Callable[[int], None]) -> Iterator[Opened]:
    """The raw bytes of a source. Raises BadInputError when it cannot be opened."""
    if source.path is None:
        yield Opened(sys.stdin.buffer, tell)
        return
    try:
        file = source.path.open("rb")
    except OSError as error:
        raise BadInputError(
            f"{source.name}: cannot be opened ({error.strerror}); mend its path or its rights"
        ) from None
    with file:
        yield Opened(file, tell)


def decompressed(raw: Opened, name: str, piece: int = _READ) -> Iterator[bytes]:
    """The content in pieces of at most `piece` bytes. Raises BadInputError for a damaged or cut-off archive."""
    buffered = io.BufferedReader(raw, _READ)
    head = buffered.peek(4)[:4]
    if not head:
        raise BadInputError(f"{name}: line 1: the file is empty; get it again, or leave it out")
    if head == PARQUET:
        raise BadInputError(f'{name}: line 1: this is Parquet, not text; mend: format = "parquet" in the mapping')
    try:
        yield from _pieces(_decoder(cast(BinaryIO, buffered), head), piece)
    except (OSError, EOFError, zlib.error, pa.ArrowInvalid) as error:
        raise BadInputError(f"{name}: the archive is damaged or cut off ({error}); get the file again") from None
    raw.drain()


def _decoder(buffered: BinaryIO, head: bytes) -> BinaryIO:
    if head.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=buffered, mode="rb"))
    if head == _ZSTD:
        return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(buffered, "r"), "zstd"))
    return buffered


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while piece := stream.read(size):
        yield piece
