"""The recorder that sees every byte a command writes: `strace` rebuilds all files from the system calls.

Files are followed by path from the first byte on; each sync, rename, removal and truncation keeps the version before
it. Ways to write that strace cannot show the bytes of (shared writable mappings, splices) stop the recording with an
error instead of leaving a hole; SQLite's `-shm` is such a mapping, and holds page numbers only.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from unheld.testing.recording import SLOT_SUFFIX, Archive, Recording
from unheld_verify.errors import CannotVerifyError

_WRITES = "write,pwrite64,writev,pwritev,pwritev2"
_CHANGES = "openat,open,creat,lseek,truncate,ftruncate,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync"
_BLIND = "mmap,sendfile,copy_file_range,splice,tee,vmsplice,io_uring_setup,link,linkat"
_MOST_BYTES = (1 << 30) - 1  # of one call: the most that strace takes, so that nothing is cut

_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)(?:<.*>)?(?: .*)?$")
_UNFINISHED = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")
_TEXT = re.compile(r'"([^"]*)"(\.\.\.)?')  # -xx writes every byte as \x.., so no quote stands inside
_FILE = re.compile(r"^\d+<([^>]+)>")
_FOLDER = re.compile(r"(?:AT_FDCWD|\d+)<([^>]+)>, \"")
_MAPPED = re.compile(r", \d+<([^>]+)>")
_NOT_FILES = re.compile(r"/(dev/(?!shm/)|proc/|sys/)|[^/]")


class Strace:
    """Records commands run one after the other; what they write lies in one archive."""

    def __init__(self) -> None:
        self.words = "every byte written, by strace"
        self._archive = Archive()
        self._disk = _Disk(self._archive)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._archive.__exit__(kind, error, at)

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command and record it with its children. Its failure is the caller's to judge.

        Raises CannotVerifyError when it wrote in a way that cannot be seen.
        """
        with tempfile.NamedTemporaryFile(prefix="unheld-trace-", suffix=".txt") as trace:
            flags = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", str(_MOST_BYTES), "-o", trace.name]
            calls = f"trace={_WRITES},{_CHANGES},{_BLIND}"
            done = subprocess.run(
                ["strace", *flags, "-e", calls, *command], env=env, capture_output=True, text=True, check=False
            )
            with Path(trace.name).open(encoding="ascii", errors="replace") as lines:
                for call in _calls(lines):
                    self._disk.take(call)
        self._disk.sync_all()
        return done

    def recording(self) -> Recording:
        """Everything written so far, with the slots as they are now."""
        return self._archive.recording(self.words, self._disk.slots())


@dataclass(frozen=True)
class _Call:
    """One system call that succeeded: its name, arguments as strace prints them, and what it returned."""

    name: str
    arguments: str
    returned: int

    @property
    def file(self) -> str:
        """The path of the descriptor that the call names first; empty when it is no file."""
        return _path(found.group(1)) if (found := _FILE.match(self.arguments)) else ""

    def texts(self) -> list[bytes]:
        """The strings among the arguments. Raises CannotVerifyError when one was cut."""
        found = list(_TEXT.finditer(self.arguments))
        if any(text.group(2) for text in found):
            raise CannotVerifyError(f"strace cut off the bytes of a {self.name}: the recording has a hole")
        return [_bytes(text.group(1)) for text in found]

    def paths(self) -> list[str]:
        """The paths among the arguments, made absolute."""
        folders = [_path(text) for text in _FOLDER.findall(self.arguments)]
        texts = [text.decode() for text in self.texts()]
        found = [str(Path(folders[n], text)) if n < len(folders) else text for n, text in enumerate(texts)]
        if not all(path.startswith("/") for path in found):
            raise CannotVerifyError(f"a {self.name} names a path below a folder that strace does not show")
        return found


def _calls(lines: Iterator[str]) -> Iterator[_Call]:
    begun: dict[str, str] = {}
    for raw in lines:
        line = raw.rstrip("\n")
        if unfinished := _UNFINISHED.match(line):
            begun[unfinished.group(1)] = unfinished.group(2)
            continue
        if resumed := _RESUMED.match(line):
            line = f"{resumed.group(1)} {begun.pop(resumed.group(1), '')}{resumed.group(2)}"
        if (found := _LINE.match(line)) and not found.group(4).startswith("-"):
            yield _Call(found.group(2), found.group(3), int(found.group(4), 0))


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _path(escaped: str) -> str:
    path = _bytes(escaped).decode("utf-8", "replace")
    return "" if _NOT_FILES.match(path) else path


@dataclass
class _Disk:
    """The files as the calls so far made them."""

    archive: Archive
    files: dict[str, bytearray] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)  # where the next `write` goes
    unsynced: dict[str, list[range]] = field(default_factory=dict)  # written since the last version was kept

    def take(self, call: _Call) -> None:
        """Carry out one call."""
        name = call.name
        if name in _WRITES.split(","):
            self._write(call)
        elif name in {"fsync", "fdatasync"}:
            self._sync(call.file)
        elif name in _BLIND.split(","):
            self._blind(call)
        else:
            _CHANGERS[name](self, call)

    def _write(self, call: _Call) -> None:
        path = call.file
        if not path:
            return
        data = b"".join(call.texts())[: call.returned]
        placed = call.name.startswith("p")
        at = _offset(call) if placed else self.ends.get(path, 0)
        held = self.files.setdefault(path, bytearray())
        waiting = self.unsynced.setdefault(path, [])
        if any(at < part.stop and part.start < at + len(data) for part in waiting):
            self._sync(path)  # what is written over may have reached the disk before
        waiting.append(range(at, at + len(data)))
        held.extend(bytes(max(0, at + len(data) - len(held))))
        held[at : at + len(data)] = data
        if not placed:
            self.ends[path] = at + len(data)

    def _sync(self, path: str) -> None:
        """Keep the version that a sync makes durable; of a slot none, since it is overwritten in place."""
        self.unsynced.get(path, []).clear()
        if path not in self.files or path.endswith(SLOT_SUFFIX):
            return
        self.archive.keep(path, bytes(self.files[path]))
        main = path.removesuffix("-wal")
        if main in self.files:
            self.archive.keep_database(main, bytes(self.files[main]), bytes(self.files.get(f"{main}-wal", b"")))

    def _lost(self, path: str) -> None:
        """A name goes away, its bytes stay on the disk: those of a slot too."""
        if path in self.files:
            self.archive.keep(path, bytes(self.files[path]))

    def _open(self, call: _Call) -> None:
        path = call.paths()[0]
        if "O_TRUNC" in call.arguments or call.name == "creat":
            self._lost(path)
            self.files[path] = bytearray()
        if not re.search("O_RDONLY", call.arguments):
            self.ends[path] = len(self.files.get(path, b"")) if "O_APPEND" in call.arguments else 0

    def _seek(self, call: _Call) -> None:
        if call.file:
            self.ends[call.file] = call.returned

    def _cut(self, call: _Call) -> None:
        path = call.file or call.paths()[0]
        length = int(call.arguments.rsplit(", ", 1)[1])
        held = self.files.setdefault(path, bytearray())
        self._lost(path)
        del held[length:]
        held.extend(bytes(length - len(held)))

    def _rename(self, call: _Call) -> None:
        source, target = call.paths()
        self._lost(target)
        self._lost(source)
        for path in [path for path in self.files if path == source or path.startswith(f"{source}/")]:
            self.files[target + path.removeprefix(source)] = self.files.pop(path)

    def _unlink(self, call: _Call) -> None:
        for path in call.paths():
            self._lost(path)
            self.files.pop(path, None)

    def _blind(self, call: _Call) -> None:
        if call.name == "mmap" and not ("PROT_WRITE" in call.arguments and "MAP_SHARED" in call.arguments):
            return
        if call.name == "mmap":
            found = _MAPPED.search(call.arguments)
            path = _path(found.group(1)) if found else ""
            if not path or path.endswith("-shm") or path.startswith("/memfd:"):
                return
        raise CannotVerifyError(f"the command wrote by {call.name}, whose bytes strace does not show")

    def sync_all(self) -> None:
        """At the end of a command everything written is as good as on the disk."""
        for path in list(self.files):
            self._sync(path)

    def slots(self) -> dict[str, bytes]:
        """What the slots hold now."""
        return {path: bytes(data) for path, data in self.files.items() if path.endswith(SLOT_SUFFIX)}


def _offset(call: _Call) -> int:
    place = call.arguments.rsplit(", ", 2) if call.name == "pwritev2" else call.arguments.rsplit(", ", 1)
    return int(place[1])


_CHANGERS: dict[str, Callable[[_Disk, _Call], None]] = {
    "openat": _Disk._open,
    "open": _Disk._open,
    "creat": _Disk._open,
    "lseek": _Disk._seek,
    "truncate": _Disk._cut,
    "ftruncate": _Disk._cut,
    "rename": _Disk._rename,
    "renameat": _Disk._rename,
    "renameat2": _Disk._rename,
    "unlink": _Disk._unlink,
    "unlinkat": _Disk._unlink,
}
