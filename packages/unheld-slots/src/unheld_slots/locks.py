"""One process or many readers at a place on a disk: `flock`, released when a process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unheld_slots import durable
from unheld_verify.errors import LockedError


@contextmanager
def locked(path: Path, words: str, *, exclusive: bool = True) -> Iterator[None]:
    """Hold the lock file `path`, or raise LockedError with these words at once. DiskError where it cannot be made."""
    handle = durable.open_for_writing(path, os.O_CREAT)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(words) from None
        yield
    finally:
        os.close(handle)
