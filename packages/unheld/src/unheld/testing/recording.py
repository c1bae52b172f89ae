"""What a disk ever held in a run: every version of every file, every row ever in a database, the slots as they end.

A recorder (`unheld.testing.recorder`) fills an `Archive`; an attacker reads the `Recording` of it. What an erasable
slot held before it was overwritten in place is left out: that it is gone is the one assumption (`docs/security.md`).
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType

from unheld.testing.memory import Dump
from unheld.testing.synthetic import Operator
from unheld_verify import crypto

SLOT_SUFFIX = ".slot"
DATABASE_MAGIC = b"SQLite format 3\0"
_TABLES = {"node": ("id", "body"), "root": ("generation", "body"), "journal": ("entry",)}
_FAST = Path("/dev/shm")  # noqa: S108 - a scratch folder made by tempfile below it, where memory holds files


@dataclass(frozen=True)
class Version:
    """The bytes that stood at `path` once; the recorder keeps them at `held`."""

    path: str
    held: Path
    size: int

    def read(self) -> bytes:
        """The bytes."""
        return self.held.read_bytes()


@dataclass(frozen=True)
class Recording:
    """Everything that reached the disk, the slots and the memory at the end, and messages that went over lines.

    `words` names the recorder.
    """

    words: str
    versions: tuple[Version, ...]
    nodes: frozenset[tuple[bytes, bytes]] = field(repr=False)
    roots: frozenset[tuple[int, bytes]] = field(repr=False)
    journal: frozenset[bytes] = field(repr=False)
    slots: Mapping[str, bytes] = field(repr=False)
    memory: tuple[Dump, ...] = field(default=(), repr=False)
    lines: tuple[bytes, ...] = field(default=(), repr=False)

    def without_slots(self, *patterns: str) -> Recording:
        """The same for an attacker who did not get these slots, for example `*/s.custodian-slots/custodian-0.slot`."""
        kept = {path: data for path, data in self.slots.items() if not any(fnmatch(path, one) for one in patterns)}
        return replace(self, slots=kept)

    def joined(self, other: Recording) -> Recording:
        """The same for somebody who has both: two places, say a branch and a custodian."""
        return Recording(
            self.words,
            self.versions + other.versions,
            self.nodes | other.nodes,
            self.roots | other.roots,
            self.journal | other.journal,
            {**self.slots, **other.slots},
            self.memory + other.memory,
            self.lines + other.lines,
        )

    def with_memory(self, *dumps: Dump) -> Recording:
        """The same for an attacker who also read the memory of living processes."""
        return replace(self, memory=(*self.memory, *dumps))

    def with_lines(self, *messages: bytes) -> Recording:
        """The same for an attacker who also wrote down what went over lines to custodians, either way."""
        return replace(self, lines=(*self.lines, *messages))

    def betrayals(self, operator: Operator) -> int:
        """How many versions of files hold an identity of `operator` in clear. 0 is the promise.

        It looks for one synthetic operator's own impossible identities, as text, and for nothing else.
        """
        found = _finder(operator)
        return sum(found(version.read()) for version in self.versions)


def _finder(operator: Operator) -> Callable[[bytes], bool]:
    """Whether bytes hold a planted identity: only runs of printable characters can."""
    marks = {mark.encode() for mark in operator.planted()}
    lengths = sorted({len(mark) for mark in marks})
    runs = re.compile(rb"[\x20-\x7e]{%d,}" % lengths[0])

    def windows(run: bytes) -> Iterator[bytes]:
        for length in lengths:
            for start in range(len(run) - length + 1):
                yield run[start : start + length]

    return lambda data: any(window in marks for run in runs.findall(data) for window in windows(run))


class Archive:
    """Keeps every distinct version of every file in a scratch folder, and every row that a database ever held."""

    def __init__(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="unheld-recording-", dir=_FAST if _FAST.is_dir() else None))
        self._versions: dict[tuple[str, str], Version] = {}
        self._rows: dict[str, set[tuple[object, ...]]] = {table: set() for table in _TABLES}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        shutil.rmtree(self._scratch)

    def keep(self, path: str, data: bytes) -> None:
        """Keep these bytes as a version of `path`, unless they are all zero."""
        digest = crypto.sha256(data).hex()
        if (path, digest) in self._versions or not data.strip(b"\0"):
            return
        held = self._scratch / digest
        if not held.exists():
            held.write_bytes(data)
        self._versions[path, digest] = Version(path, held, len(data))

    def keep_database(self, path: str, main: bytes, ahead: bytes) -> None:
        """Keep a database and its write-ahead file as they stood at one moment, and every row in them."""
        if not main.startswith(DATABASE_MAGIC):
            return
        self.keep(path, main)
        self.keep(f"{path}-wal", ahead)
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        (folder / "db").write_bytes(main)
        if ahead:
            (folder / "db-wal").write_bytes(ahead)
        with closing(sqlite3.connect(folder / "db")) as connection:
            for table, names in _TABLES.items():
                self._rows[table].update(_rows(connection, table, names))
        shutil.rmtree(folder)

    def recording(self, words: str, slots: Mapping[str, bytes]) -> Recording:
        """Everything kept so far, with the slots as they are now."""
        return Recording(
            words,
            tuple(self._versions.values()),
            frozenset(self._rows["node"]),  # type: ignore[arg-type]  # columns as the store declares them
            frozenset(self._rows["root"]),  # type: ignore[arg-type]
            frozenset(entry for (entry,) in self._rows["journal"]),  # type: ignore[misc]
            dict(slots),
        )


def _rows(connection: sqlite3.Connection, table: str, names: tuple[str, ...]) -> list[tuple[object, ...]]:
    try:
        return connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()  # noqa: S608 - our own names
    except sqlite3.DatabaseError:  # between two writes: the state before was recorded, the one after will be
        return []
