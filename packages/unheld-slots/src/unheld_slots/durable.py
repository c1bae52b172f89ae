"""Durable changes of files: the only module of unheld that knows fsync and rename.

A change is a sequence of *durable steps*. Whatever a crash leaves is what the steps before it stored, so callers order
steps and never need to undo one. Two kinds of failure are kept apart: DiskError says that nothing was changed,
StateUnknownError that the change may or may not be on the disk (read again, never retry blind). A disk that says no
(full, read-only, no right) has changed nothing; after any other fault a rename may have been done.

Tests break every step in turn through `observed`.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unheld_verify.errors import DiskError, InternalError, StateUnknownError

Observer = Callable[[str, Path], None]

_observers: list[Observer] = []

# What the system answers before it changes anything, and what a person does about it.
_REFUSALS = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room on that disk, or raise the quota",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EROFS: "mount that disk for writing",
    errno.EACCES: "give the user who runs this the right to write there",
    errno.EPERM: "give the user who runs this the right to write there",
    errno.ENOENT: "put the folder back, or mount its disk",
    errno.ENOTDIR: "put the folder back, or mount its disk",
    errno.EEXIST: "a file stands where the folder should; take it away",
    errno.EISDIR: "a folder stands where the file should; take it away",
    errno.ELOOP: "a link stands where the file should; take it away",
}


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

    Raises DiskError (nothing changed) or StateUnknownError (renamed, but the folder could not be synced).
    """
    write_stream(path, (data,), mode)


# as write_file, one write a piece
def write_stream(path: Path, pieces: Iterable[bytes], mode: int = 0o600) -> None:
    """Replace `path` by the joined `pieces`, holding one at a time. What `pieces` raises leaves `path` as it was."""
    staged = path.with_name(f".{path.name}.part")
    try:
        with _untouched(path), step("write", path):
            _write_synced(staged, pieces, mode)
    except Exception:
        with suppress(
            OSError
        ):  # the error that ended the write is the one to tell; what is left is no part of anything
            staged.unlink(missing_ok=True)
        raise
    _rename(staged, path)


# open(staged) fsync close · rename(staged, path) · open(folder) fsync close
def publish(staged: Path, path: Path) -> None:
    """Make a file that another library wrote durable under its final name. Both lie in the same folder."""
    if staged.parent != path.parent:
        raise InternalError(f"{staged} and {path} lie in different folders: a rename would not be atomic")
    with _untouched(path), step("write", path), staged.open("rb") as file:
        _sync(file.fileno())
    _rename(staged, path)


# unlink(path) · open(folder) fsync close
def remove_file(path: Path) -> None:
    """Remove the name `path` if it is there. Its bytes stay on the disk: this forgets nothing, only a slot does."""
    with _changed(path), step("unlink", path):
        path.unlink(missing_ok=True)
    _sync_folder(path.parent)


# mkdir(path) · open(parent) fsync close
def make_folder(path: Path, mode: int = 0o700) -> None:
    """Create the folder `path` in an existing one, durably; an existing folder is left as it is."""
    if path.is_dir():
        return
    with _changed(path), step("mkdir", path):
        try:
            path.mkdir(mode)
        except FileExistsError:
            if not path.is_dir():  # else another process was quicker
                raise
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

    The file keeps its inode and its length. Raises DiskError when it cannot be opened for writing, and
    StateUnknownError when the disk failed or gave other bytes back: the range may hold old, new or torn bytes.
    """
    file = open_for_writing(path)
    try:
        with _unknown(path, f"bytes from {offset} may be old, new or torn: open it again"), step("overwrite", path):
            _overwrite(file, path, offset, data)
    finally:
        os.close(file)


# open(path) fsync posix_fadvise(DONTNEED) close
def make_sure(path: Path) -> None:
    """See that what is read at a file or folder from now on is what its disk holds, and survives a power cut.

    After a crash between a write and its sync the system still shows what was written, and after a sync that failed it
    shows it and calls it stored. Whoever ends a key because of what stands there calls this first. Raises DiskError.
    """
    with _untouched(path):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _sync(file)
            if stat.S_ISREG(os.fstat(file).st_mode):
                _drop_cache(file, 0, 0)
        finally:
            os.close(file)


def open_for_writing(path: Path, flags: int = 0) -> int:
    """A descriptor of a file to be written in place. Raises DiskError with the mend."""
    with _untouched(path):
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)


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
    with _changed(path), step("rename", path):
        staged.rename(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    with _unknown(folder, "its last change may not survive a crash"), step("sync-folder", folder):
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
def _untouched(path: Path) -> Iterator[None]:
    """Around what leaves `path` as it was, however it fails."""
    try:
        yield
    except OSError as error:
        raise DiskError(_told(path, error, "nothing was changed")) from error


@contextmanager
def _changed(path: Path) -> Iterator[None]:
    """Around one change that the system does whole: where it refused nothing was changed, else nobody knows."""
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSALS:
            raise DiskError(_told(path, error, "nothing was changed")) from error
        raise StateUnknownError(_told(path, error, "it may have been done all the same")) from error


@contextmanager
def _unknown(path: Path, outcome: str) -> Iterator[None]:
    """Around what may be done, in part or not at all when it fails."""
    try:
        yield
    except OSError as error:
        raise StateUnknownError(_told(path, error, outcome)) from error


def _told(path: Path, error: OSError, outcome: str) -> str:
    mend = _REFUSALS.get(error.errno or 0, "look at that disk, then call again: what was done is found there")
    return f"{path}: {error.strerror or error}; {outcome}; {mend}"
