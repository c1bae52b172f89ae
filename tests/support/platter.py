"""What a disk holds, beside what the system shows of it: for tests of power cuts, and of syncs that fail.

    with Platter(folder) as platter:
        platter.fault = (3, "fails")    # the third sync from now fails, and the system forgets that it did
        act()
        platter.cut()                   # the power goes: the folder is what the disk holds

Bytes reach the disk when their file is synced, names when their folder is. A sync that fails leaves the pages in
memory, marked as if they were stored, as Linux does: later syncs pass over them, and only a cache that is dropped shows
what the disk has. Databases sync by themselves, below Python, and are taken as stored.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from tests.support.calls import Crash

_PAGE = 4096
_BELOW = (".db", ".db-wal", ".db-shm")
_SYNC = os.fsync


class Platter:
    """The disk below a folder. `fault`: at which sync from now, and whether the machine "dies" there or it "fails"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: tuple[int, str] | None = None
        self.syncs = 0
        self._stored: dict[int, bytes] = {}
        self._believed: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}
        self._held: dict[int, int] = {}
        self._patches = ExitStack()

    def __enter__(self) -> Platter:
        for path in [self.folder, *self.folder.rglob("*")]:
            if path.is_dir():
                self._names[path] = self._listed(path)
            elif path.is_file():
                self._stored[self._hold(path)] = path.read_bytes()
        self._patches.enter_context(patch.object(os, "fsync", self._fsync))
        self._patches.enter_context(patch.object(os, "posix_fadvise", self._dropped))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()
        for file in self._held.values():
            os.close(file)

    def cut(self) -> None:
        """The power goes, and comes back: nothing is in memory any more."""
        for folder, names in self._names.items():
            if not folder.is_dir():
                continue
            for path in folder.iterdir():
                if path.is_file() and path.name not in names and not path.name.endswith(_BELOW):
                    path.unlink()
            for name, file in names.items():
                if not name.endswith(_BELOW):
                    _put(folder / name, self._stored.get(file, b""))
        self.fault = None

    def _fsync(self, file: int) -> None:
        place = _open(file).readlink()
        if self.folder not in (place, *place.parents):
            return _SYNC(file)
        self.syncs += 1
        at, kind = self.fault or (0, "")
        failing = self.syncs == at
        if failing and kind == "dies":
            raise Crash
        found = os.fstat(file)
        if stat.S_ISDIR(found.st_mode):
            if not failing:
                self._names[place] = self._listed(place)
        else:
            self._sync_pages(self._hold(place), _content(file), failing=failing)
        if failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(place))
        return None

    def _sync_pages(self, number: int, now: bytes, *, failing: bool) -> None:
        """Pages that changed since the system last believed them stored reach the disk, or are believed to have."""
        disk, believed = self._stored.get(number, b""), self._believed.get(number)
        if not failing:
            before = disk if believed is None else believed
            pages = range(0, max(len(now), 1), _PAGE)
            kept = (disk if _page(now, at) == _page(before, at) else now for at in pages)
            self._stored[number] = b"".join(_page(page, at) for page, at in zip(kept, pages, strict=True))[: len(now)]
        self._believed[number] = now

    def _dropped(self, file: int, _offset: int, _length: int, _advice: int) -> None:
        """Pages that are believed to be stored are read from the disk again."""
        number, now = os.fstat(file).st_ino, _content(file)
        if self._believed.get(number) == now and now != self._stored[number]:
            place = _open(file).readlink()
            _put(place, self._stored[number])
            self._believed[number] = self._stored[number]

    def _listed(self, folder: Path) -> dict[str, int]:
        return {path.name: self._hold(path) for path in folder.iterdir() if path.is_file()}

    def _hold(self, path: Path) -> int:
        """The number of a file, kept open so that no other file is given it."""
        number = path.stat().st_ino
        if number not in self._held:
            self._held[number] = os.open(path, os.O_RDONLY)
        return number


def _open(file: int) -> Path:
    return Path(f"/proc/self/fd/{file}")


def _content(file: int) -> bytes:
    return _open(file).read_bytes()


def _page(data: bytes, at: int) -> bytes:
    return data[at : at + _PAGE]


def _put(path: Path, data: bytes) -> None:
    """In place: a slot keeps its inode."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(data)
        file.truncate()
