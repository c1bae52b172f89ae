"""One writer or many readers a store, across processes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from unheld_slots import locks


def locked(path: Path, *, exclusive: bool) -> AbstractContextManager[None]:
    """Hold the lock file `path`, or raise LockedError at once."""
    words = f"another process works on this store ({path}); wait for it to end, then call again"
    return locks.locked(path, words, exclusive=exclusive)
