"""Hardening of a process that will hold keys: no core file, no ptrace by its user, no swap if allowed. And its fork."""

from __future__ import annotations

import ctypes
import os
import resource
import warnings
from dataclasses import dataclass
from pathlib import Path

_PR_SET_DUMPABLE = 4
_MCL_CURRENT_AND_FUTURE = 3


@dataclass(frozen=True)
class Hardening:
    """What the system granted."""

    no_core: bool
    no_dump: bool
    locked_memory: bool


def harden(*, lock_memory: bool = False) -> Hardening:
    """Ask for every protection and say which were granted; nothing here is a promise against root."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    no_dump = hasattr(libc, "prctl") and libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    locked = lock_memory and hasattr(libc, "mlockall") and libc.mlockall(_MCL_CURRENT_AND_FUTURE) == 0
    return Hardening(no_core=True, no_dump=no_dump, locked_memory=locked)


def fork() -> int:
    """As `os.fork`. Newer Pythons warn: a lock of another thread stays shut in the child. See that it takes none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def memory_is_locked() -> bool:
    """Whether this process keeps all its memory out of swap."""
    status = Path("/proc/self/status")
    lines = status.read_text("ascii").splitlines() if status.is_file() else []
    return any(line.startswith("VmLck:") and line.split()[1] != "0" for line in lines)
