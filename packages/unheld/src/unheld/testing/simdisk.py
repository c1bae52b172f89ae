"""Disks that exist in memory only, and fail as told: the real `SealedState` runs on them, without a real fsync.

A machine's folder and its slot are two things here as they are outside: a backup has the folder, a snapshot of a
virtual machine has both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import cast

from unheld_slots import durable
from unheld_slots.contract import BINDING_BYTES, ID_BYTES, Live, check_fits, check_follows
from unheld_verify import crypto
from unheld_verify.errors import StateError, StateUnknownError

FAULTS = ("crash before", "crash after", "refused", "unknown")
"""Of a durable step: the power goes with nothing stored, or with all of it; the disk says no; it did it and says no.

A torn write is one of these: a file is renamed whole or not at all, and the half of a slot that is torn holds nothing.
"""


class Crash(BaseException):
    """The power of this machine went."""


@dataclass
class Disk:
    """One machine's files and slot. `fault` is (durable steps to go, one of FAULTS), or None."""

    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    lives: list[Live] = field(default_factory=list, repr=False)
    slot_id: bytes = field(default_factory=lambda: crypto.random_bytes(ID_BYTES))
    fault: tuple[int, str] | None = None
    steps: int = 0

    def step(self, change: Callable[[], None]) -> None:
        """One durable step, broken if its turn has come. Raises Crash, StateError, StateUnknownError."""
        self.steps += 1
        fault = self._due()
        if fault == "crash before":
            raise Crash
        if fault == "refused":
            raise StateError("simulated disk: nothing was changed")
        change()
        if fault == "crash after":
            raise Crash
        if fault == "unknown":
            raise StateUnknownError("simulated disk: open it again")

    def folder(self, name: str = "state") -> Path:
        """A folder on it, to be given to what takes a path."""
        return cast(Path, DiskPath(self, name))

    def backup(self) -> dict[str, bytes]:
        """A copy of the files, as a nightly backup takes it."""
        return dict(self.files)

    def put_back(self, files: dict[str, bytes], lives: list[Live] | None = None) -> None:
        """Restore a backup; with `lives`, the slot's contents of that time, it was a snapshot of the machine."""
        self.files = dict(files)
        if lives is not None:
            self.lives = list(lives)

    def _due(self) -> str | None:
        if self.fault is None:
            return None
        left, kind = self.fault
        self.fault = (left - 1, kind) if left else None
        return None if left else kind


@dataclass(frozen=True)
class MemorySlot:
    """A slot on a simulated disk; it honours the contract of `Slot`."""

    disk: Disk

    @property
    def slot_id(self) -> bytes:
        """16 bytes that stay."""
        return self.disk.slot_id

    def live(self) -> list[Live]:
        """What the disk holds now, the older first."""
        return list(self.disk.lives)

    def prepare(self, generation: int, secret: bytes, binding: bytes = b"") -> None:
        """Add a generation. Raises StateError when it is not the next one."""
        check_fits(generation, secret, binding)
        check_follows("simulated slot", generation, [live.generation for live in self.disk.lives])
        made = Live(generation, secret, binding.ljust(BINDING_BYTES, b"\0"))
        self.disk.step(lambda: self.disk.lives.append(made))

    def destroy(self, generation: int) -> None:
        """End one of two generations. Raises StateError when it is the only one, or not live."""
        held = [live.generation for live in self.disk.lives]
        if len(held) != 2 or generation not in held:
            raise StateError(f"simulated slot: {generation} may only be destroyed while another lives ({held})")
        self.disk.step(lambda: self._keep([live for live in self.disk.lives if live.generation != generation]))

    def wipe(self) -> None:
        """End all of them."""
        while self.disk.lives:
            self.disk.step(lambda: self._keep(self.disk.lives[1:]))

    def words(self) -> str:
        """How far an erasure here holds."""
        return "simulated: nothing of it is anywhere"

    def _keep(self, lives: list[Live]) -> None:
        self.disk.lives = lives


@dataclass(frozen=True, order=True)
class DiskPath:
    """As much of a `Path` as sealed states, ceremonies and parked batches use."""

    disk: Disk = field(compare=False, repr=False)
    at: str

    @property
    def name(self) -> str:
        """The last part."""
        return self.at.rpartition("/")[2]

    @property
    def parent(self) -> DiskPath:
        """The folder it lies in."""
        return DiskPath(self.disk, self.at.rpartition("/")[0])

    def __truediv__(self, name: str) -> DiskPath:
        return DiskPath(self.disk, f"{self.at}/{name}")

    def __str__(self) -> str:
        return self.at

    def exists(self) -> bool:
        """Whether such a file is there."""
        return self.at in self.disk.files

    def is_file(self) -> bool:
        """The same: only files are there by name."""
        return self.exists()

    def is_dir(self) -> bool:
        """Folders are always there."""
        return not self.exists()

    def read_bytes(self) -> bytes:
        """What the file holds. Raises FileNotFoundError."""
        if not self.exists():
            raise FileNotFoundError(self.at)
        return self.disk.files[self.at]

    def open(self, _mode: str = "rb") -> BytesIO:
        """For reading. Raises FileNotFoundError."""
        return BytesIO(self.read_bytes())

    def glob(self, pattern: str) -> list[DiskPath]:
        """Files of this folder that end as `pattern`, a star and an ending."""
        ending = pattern.removeprefix("*")
        return [
            DiskPath(self.disk, at) for at in self.disk.files if at.startswith(f"{self.at}/") and at.endswith(ending)
        ]


@contextmanager
def in_memory() -> Iterator[None]:
    """Let `durable` write files of simulated disks to them; other paths are written as ever."""
    real = (durable.write_stream, durable.remove_file, durable.make_folders, durable.make_sure)

    def write_stream(path: Path, pieces: Iterable[bytes], mode: int = 0o600) -> None:
        if not isinstance(path, DiskPath):
            return real[0](path, pieces, mode)
        data = b"".join(pieces)
        return path.disk.step(lambda: path.disk.files.update({path.at: data}))

    def remove_file(path: Path) -> None:
        if not isinstance(path, DiskPath):
            return real[1](path)
        return path.disk.step(lambda: path.disk.files.pop(path.at, None) and None)

    def make_folders(path: Path, mode: int = 0o700) -> None:
        if not isinstance(path, DiskPath):
            real[2](path, mode)

    def make_sure(path: Path) -> None:
        if not isinstance(path, DiskPath):  # what a simulated disk shows is what it holds: a step stored it or lost it
            real[3](path)

    _put(write_stream, remove_file, make_folders, make_sure)
    try:
        yield
    finally:
        _put(*real)


def _put(*functions: object) -> None:
    for name, function in zip(("write_stream", "remove_file", "make_folders", "make_sure"), functions, strict=True):
        setattr(durable, name, function)
