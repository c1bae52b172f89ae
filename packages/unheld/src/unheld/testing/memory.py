"""The memory of a living process, as whoever seizes a running machine sees it (`/proc/PID/mem`, Linux).

CPython keeps 32 secret bytes in an object of its own: type, length 32, hash, the bytes. `Dump.keys` holds the content
of every such object that is still there, freed or not, `Dump.privates` that of those of 96 bytes; parsed states are
found by their first bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unheld.testing import states
from unheld.testing.states import KEY_BYTES, PRIVATE_BYTES, looks_random
from unheld_verify.errors import NotAllowedError

_SIZE_AT, _DATA_AT = 16, 32  # of ob_size and ob_sval in a bytes object of a 64-bit CPython
_CHUNK = 64 << 20
_WRITABLE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw")


@dataclass(frozen=True)
class Dump:
    """What a process's memory holds that may open something: candidate keys, and whole states."""

    keys: tuple[bytes, ...] = field(repr=False)
    states: tuple[bytes, ...] = field(repr=False)
    privates: tuple[bytes, ...] = field(default=(), repr=False)


def dump(pid: int) -> Dump:
    """Read the writable memory of a process. Raises NotAllowedError when this user may not read it."""
    keys: dict[bytes, None] = {}
    privates: dict[bytes, None] = {}
    whole: dict[bytes, None] = {}
    for part in _regions(pid):
        keys.update(dict.fromkeys(_keys(part, KEY_BYTES)))
        privates.update(dict.fromkeys(_keys(part, PRIVATE_BYTES)))
        whole.update(dict.fromkeys(states.found(part)))
    return Dump(tuple(keys), tuple(whole), tuple(privates))


def count(pid: int, secrets: Collection[bytes]) -> int:
    """How many of these secrets, known to the caller, stand somewhere in the memory of a process."""
    left = set(secrets)
    for part in _regions(pid):
        left -= {secret for secret in left if secret in part}
    return len(set(secrets)) - len(left)


def family(pid: int) -> list[int]:
    """A process and those that descend from it, all that live."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:  # it grows while it is walked
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _regions(pid: int) -> Iterator[bytes]:
    """Writable regions in pieces, each of which repeats the last bytes of the piece before."""
    folder = Path(f"/proc/{pid}")
    try:
        lines = (folder / "maps").read_text("ascii", "replace").splitlines()
        with (folder / "mem").open("rb", buffering=0) as memory:
            for found in filter(None, map(_WRITABLE.match, lines)):
                start, end = (int(text, 16) for text in found.groups())
                for at in range(start, end, _CHUNK):
                    yield _read(memory.fileno(), at, min(_CHUNK + states.MOST_BYTES, end - at))
    except OSError as error:
        raise NotAllowedError(f"process {pid}: its memory cannot be read: {error}") from None


def _read(file: int, at: int, length: int) -> bytes:
    try:
        return os.pread(file, length, at)
    except OSError:  # a region that cannot be read, such as a device's
        return b""


def _keys(part: bytes, length: int) -> Iterator[bytes]:
    words = np.frombuffer(part[: len(part) // 8 * 8], np.uint64)
    for word in np.flatnonzero(words == length).tolist():
        start = word * 8 - _SIZE_AT + _DATA_AT
        key = part[start : start + length]
        if part[start + length : start + length + 1] == b"\0" and looks_random(key[:KEY_BYTES]):
            yield key
