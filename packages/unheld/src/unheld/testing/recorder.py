"""Recorders: what fills a recording. Two ways behind one interface, and each says in `words` which it is.

- `Copies`: a full copy of all folders whenever `take` is called, like a backup every night. Works everywhere; what
  is written and gone between two copies it does not see.
- `Strace` (`unheld.testing.tracing`): every byte that a command writes, seen by the kernel. Linux with strace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from unheld.testing.recording import DATABASE_MAGIC, SLOT_SUFFIX, Archive, Recording
from unheld_verify.custody import Transport


class Recorder(Protocol):
    """Fills an archive; a context manager, since the archive ends with it."""

    words: str

    def recording(self) -> Recording:
        """Everything recorded so far, with the slots as they are now."""


class Tap:
    """A line to custodians on which somebody writes down every byte, both ways, in `messages`."""

    def __init__(self, line: Transport) -> None:
        self.messages: list[bytes] = []
        self._line = line

    def call(self, index: int, data: bytes) -> bytes:
        """Over the line. Raises what it raises; what was sent stays written down."""
        self.messages.append(data)
        came = self._line.call(index, data)
        self.messages.append(came)
        return came


class Copies:
    """A full copy of `folders` at every `take`: a backup every night that forgets to leave out nothing but slots."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.words = "full copies of every folder after every step"
        self._folders = folders
        self._archive = Archive()
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._slots: dict[Path, tuple[int, bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._archive.__exit__(kind, error, at)

    def take(self) -> None:
        """Copy what changed since the last copy."""
        slots = []
        for name in sorted(name for folder in self._folders for name in _files(folder)):
            if name.endswith(SLOT_SUFFIX):
                slots.append(Path(name))
                continue
            with suppress(FileNotFoundError):  # SQLite takes its write-ahead file away when it is done with it
                self._take_file(name)
        self._take_slots(slots)

    def recording(self) -> Recording:
        """All copies and one more of now, with the slots as they are now."""
        self.take()
        return self._archive.recording(self.words, {str(path): data for path, (_, data) in self._slots.items()})

    def _take_file(self, name: str) -> None:
        about = Path(name).stat()
        mark = (about.st_ino, about.st_size, about.st_mtime_ns)
        if self._seen.get(name) != mark:
            self._keep(Path(name))
            self._seen[name] = mark

    def _keep(self, path: Path) -> None:
        main = path.with_name(path.name.removesuffix("-wal"))
        data = main.read_bytes() if main.exists() else b""
        if data.startswith(DATABASE_MAGIC):
            ahead = main.with_name(main.name + "-wal")
            self._archive.keep_database(str(main), data, ahead.read_bytes() if ahead.exists() else b"")
        else:
            self._archive.keep(str(path), path.read_bytes())

    def _take_slots(self, paths: Sequence[Path]) -> None:
        """A slot may only be overwritten in place: one that was replaced or removed left its bytes on the disk."""
        before, self._slots = self._slots, {}
        for path in paths:
            self._slots[path] = (path.stat().st_ino, path.read_bytes())
        for path, (inode, data) in before.items():
            if path not in self._slots or self._slots[path][0] != inode:
                self._archive.keep(str(path), data)


def _files(folder: Path) -> Iterator[str]:
    """Every file below a folder, by its path: after every step of a test, so as texts, which are cheaper."""
    for where, _, names in os.walk(folder):
        yield from (f"{where}/{name}" for name in names)
