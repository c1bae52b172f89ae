"""A second process for work that is a million small calls, which threads of one Python cannot share.

It is a fork: it sees all that its parent sees, keys included, gives its result back through anonymous memory, and ends.
Nothing of it touches a disk, and its memory goes with it. A fork of a process with threads may hang, and a machine
short of memory may kill it: then its half is done here, which takes longer, no more.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Generic, TypeVar

from unheld_branch.kernel import process
from unheld_verify.errors import InternalError

_T = TypeVar("_T")
_WORTH = 20_000
_PATIENCE = 30.0
"""Seconds that the other half may take longer than a few times this one."""
_TIMES, _LOOK = 5, 0.002


class _LostError(InternalError):
    """The other process was killed, or hangs."""


@dataclass
class Beside(Generic[_T]):
    """Work going on in a process of its own: `result` waits for it, `stop` ends it."""

    pid: int
    shared: BinaryIO

    def result(self, seconds: float) -> _T:
        """What the work gave, within some seconds from now. Raises what it raised, and InternalError where none came.

        The error tells whether it may be worth another try: see `halves`.
        """
        status = self._ended(seconds)
        with self.shared:
            if os.WIFSIGNALED(status):
                raise _LostError(f"a process beside this one was ended by signal {os.WTERMSIG(status)}")
            if status:
                raise InternalError("a process that sealed or opened blocks failed; nothing was changed")
            self.shared.seek(0)
            found = pickle.load(self.shared)  # noqa: S301 - bytes of our own fork, in memory that nobody else has
        if isinstance(found, BaseException):
            raise found
        result: _T = found
        return result

    def _ended(self, seconds: float) -> int:
        """The status with which the process ended. It is waited for no longer than that; then it hangs, and is ended.

        A wait without end would hold the store's lock, and the open day's keys, for ever.
        """
        until = time.monotonic() + seconds
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                ended = os.waitpid(self.pid, 0)
                break
            time.sleep(_LOOK)
        self.pid = 0
        return ended[1]

    def stop(self) -> None:
        """End the process, if it was not waited for: nobody wants its result any more."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
            self.shared.close()


def begin(work: Callable[[], _T]) -> Beside[_T]:
    """Let `work` go on in a fork. It computes and nothing else: no file, no lock, no library that keeps threads."""
    shared = os.fdopen(os.memfd_create("unheld"), "w+b")
    try:
        pid = process.fork()
    except OSError:
        shared.close()
        raise
    if not pid:
        _end(work, shared)
    return Beside(pid, shared)


def halves(work: Callable[[int, int], _T], count: int) -> list[_T]:
    """The results of `work(start, end)` over `count` folios: of one half here and of the other beside, or of all.

    Few folios are not worth a process.
    """
    if count < _WORTH or not _can():
        return [work(0, count)]
    middle = count // 2
    try:
        other = begin(partial(work, middle, count))
    except OSError:  # no process more to have: it takes longer, no more
        return [work(0, count)]
    try:
        begun = time.monotonic()
        here = work(0, middle)
        try:
            return [here, other.result(_PATIENCE + _TIMES * (time.monotonic() - begun))]
        except _LostError:
            return [here, work(middle, count)]
    finally:
        other.stop()


def _can() -> bool:
    """Whether a second process helps and is as safe as this one: a fork does not inherit locked memory."""
    return hasattr(os, "memfd_create") and len(os.sched_getaffinity(0)) > 1 and not process.memory_is_locked()


def _end(work: Callable[[], object], shared: BinaryIO) -> None:
    """The child's whole life: no handler, no buffer and no clean-up of its parent runs in it."""
    code = 1
    try:
        try:
            found = work()
        except Exception as error:
            found = error
        pickle.dump(found, shared, protocol=5)
        shared.flush()
        code = 0
    finally:
        os._exit(code)
