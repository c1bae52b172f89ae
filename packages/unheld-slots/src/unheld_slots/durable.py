"""Durable changes of files: the only module of unheld that knows fsync and rename.

A change is a sequence of *durable steps*. Whatever a crash leaves is what the steps before it stored, so callers order
steps and never need to undo one. Two kinds of failure are kept apart: StateError says that nothing was changed,
StateUnknownError that the change may or may not be on the disk (read again, never retry blind).

Tests break every step in turn through `observed`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unheld_verify.errors import InternalError, StateError, StateUnknownError

Observer = Callable[[str, Path], None]

_observers: list[Observer] = []


@contextmanager
def observed(callback: Observer) -> Iterator[None]:
    """Call `callback("before ACTION", path)` and `callback("after ACTION", path)` around each durable step.

    Actions: `write`, `rename`, `sync-folder`, `unlink`, `mkdir`, `overwrite`; in a token `token-generate`,
    `token-store`, `token-destroy`, `token-remove`. What the callback raises ends the
    change there, as a crash would; raise a BaseException that is no Exception to get no tidying up either.
    """
    _observers.append(callback)
    try:
        yield
    finally:
        _observers.remove(callback)


# open(staged, O_CREAT|O_TRUNC) write* fsync close · rename(staged, path) · open(folder) fsync close
def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` by a file that holds `data`: after a crash it is the old file or the new one, whole.

    Raises StateError (nothing changed) or StateUnknownError (renamed, but the folder could not be synced).
    """
    write_stream(path, (data,), mode)


# as write_file, one write a piece
def write_stream(path: Path, pieces: Iterable[bytes], mode: int = 0o600) -> None:
    """Replace `path` by the joined `pieces`, holding one at a time. What `pieces` raises leaves `path` as it was."""
    staged = path.with_name(f".{path.name}.part")
    try:
        with step("write", path), _explained(path, StateError, "nothing was changed"):
            _write_synced(staged, pieces, mode)
    except Exception:
        staged.unlink(missing_ok=True)
        raise
    _rename(staged, path)


# open(staged) fsync close · rename(staged, path) · open(folder) fsync close
def publish(staged: Path, path: Path) -> None:
    """Make a file that another library wrote durable under its final name. Both lie in the same folder."""
    if staged.parent != path.parent:
        raise InternalError(f"{staged} and {path} lie in different folders: a rename would not be atomic")
    with step("write", path), _explained(path, StateError, "nothing was changed"), staged.open("rb") as file:
        _sync(file.fileno())
    _rename(staged, path)


# unlink(path) · open(folder) fsync close
def remove_file(path: Path) -> None:
    """Remove the name `path` if it is there. Its bytes stay on the disk: this forgets nothing, only a slot does."""
    with step("unlink", path), _explained(path, StateError, "nothing was changed"):
        path.unlink(missing_ok=True)
    _sync_folder(path.parent)


# mkdir(path) · open(parent) fsync close
def make_folder(path: Path, mode: int = 0o700) -> None:
    """Create the folder `path` in an existing one, durably; an existing folder is left as it is."""
    if path.is_dir():
        return
    with step("mkdir", path), _explained(path, StateError, "nothing was changed"):
        path.mkdir(mode)
    _sync_folder(path.parent)


# as make_folder, from the outermost missing one inwards
def make_folders(path: Path, mode: int = 0o700) -> None:
    """Create the folder `path` and those it lies in, durably."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        make_folder(folder, mode)


# open(path, O_RDWR) pwrite fsync posix_fadvise(DONTNEED) pread close
def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Write `data` over what stands at `offset`, in place, then read it back past the page cache.

    The file keeps its inode and its length. Raises StateUnknownError when the disk refused or gave other bytes back:
    the range may hold old, new or torn bytes.
    """
    with (
        step("overwrite", path),
        _explained(path, StateUnknownError, f"bytes from {offset} may be old, new or torn: open it again"),
    ):
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _overwrite(file, path, offset, data)
        finally:
            os.close(file)


def _overwrite(file: int, path: Path, offset: int, data: bytes) -> None:
    if offset + len(data) > os.fstat(file).st_size:
        raise InternalError(f"{path}: an overwrite must lie inside the file")
    written = os.pwrite(file, data, offset)
    _sync(file)
    _drop_cache(file, offset, len(data))
    if written != len(data) or os.pread(file, len(data), offset) != data:
        raise StateUnknownError(f"{path}: the disk did not give back what was written at {offset}: replace the disk")


def _write_synced(path: Path, pieces: Iterable[bytes], mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, mode), "wb") as file:  # noqa: PTH123 - a descriptor with its own flags
        os.fchmod(file.fileno(), mode)
        for piece in pieces:
            file.write(piece)
        file.flush()
        _sync(file.fileno())


def _rename(staged: Path, path: Path) -> None:
    with step("rename", path), _explained(path, StateError, "nothing was changed"):
        staged.rename(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    with step("sync-folder", folder), _explained(folder, StateUnknownError, "its last change may not survive a crash"):
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(file)
        finally:
            os.close(file)


def _sync(file: int) -> None:
    if sys.platform == "darwin":  # fsync there stops at the drive's own cache
        import fcntl  # noqa: PLC0415

        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fsync(file)


def _drop_cache(file: int, offset: int, length: int) -> None:
    if sys.platform == "linux":  # so that the read back comes from the disk and not from our own memory of the write
        os.posix_fadvise(file, offset, length, os.POSIX_FADV_DONTNEED)


@contextmanager
def step(action: str, path: Path) -> Iterator[None]:
    """One durable step at a place, shown to observers."""
    for observer in list(_observers):
        observer(f"before {action}", path)
    yield
    for observer in list(_observers):
        observer(f"after {action}", path)


@contextmanager
def _explained(path: Path, kind: type[StateError], outcome: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind(f"{path}: {error}; {outcome}") from error
