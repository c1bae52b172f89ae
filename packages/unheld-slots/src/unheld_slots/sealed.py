"""A state that can be replaced so that the earlier one is gone (`docs/spec/slot.md`, sealed state)."""

from __future__ import annotations

import re
from pathlib import Path

from unheld_slots import durable
from unheld_slots.slot import ID_BYTES, SECRET_BYTES, Live, Slot
from unheld_verify import crypto, formats
from unheld_verify.errors import (
    DiskError,
    NoStoreError,
    RolledBackError,
    SealedError,
    StateError,
    UnheldError,
    WrongKeyError,
)

_MAGIC = b"UNHSEAL1"
_HEAD = len(_MAGIC) + ID_BYTES + 8


class SealedState:
    """Bytes sealed in `folder` under the live generation of a slot. Only the slot is secret; files may be copied."""

    def __init__(self, folder: Path, name: str, slot: Slot) -> None:
        self.slot = slot
        self._folder = folder
        self._name = name

    @property
    def generation(self) -> int:
        """The generation that opens now. Raises SealedError when the slot holds none."""
        return self._settle().generation

    @property
    def path(self) -> Path:
        """The file that opens now. Raises SealedError when the slot holds none."""
        return self._file(self.generation)

    def create(self, state: bytes) -> None:
        """Seal the first state. Raises StateError when there is one already."""
        if self.slot.live() or self._files():
            raise StateError(f"{self._folder}: there is a state {self._name!r} already; choose a new folder and slot")
        self._write(1, state)

    def load(self) -> bytes:
        """The state, after finishing a replacement that a crash cut short.

        Raises SealedError (slot wiped), NoStoreError (file missing), RolledBackError (only older files are there) or
        WrongKeyError (file altered, or of another slot).
        """
        return self._open(self._settle())

    def replace(self, state: bytes) -> None:
        """Seal `state` and destroy the key of the one before. After a crash anywhere, `load` gives one or the other."""
        old = self._settle()
        # 1 new key in the spare half · 2 new file, durable · 3 old key destroyed · 4 old file's name removed
        self._write(old.generation + 1, state)
        self.slot.destroy(old.generation)
        durable.remove_file(self._file(old.generation))

    def wipe(self) -> None:
        """End it: no state opens any more."""
        self.slot.wipe()
        for path in self._files():
            durable.remove_file(path)

    def _write(self, generation: int, state: bytes) -> None:
        secret = crypto.random_bytes(SECRET_BYTES)
        self.slot.prepare(generation, secret)
        head = self._head(generation)
        durable.write_file(self._file(generation), head + crypto.seal(secret, state, head + self._name.encode("ascii")))

    def _settle(self) -> Live:
        live = self.slot.live()
        if not live:
            raise SealedError(f"the slot of {self._folder} holds no key: it was wiped, or never filled")
        if len(live) == 2:
            live = [self._decide(*live)]
        for path in self._files():
            if path != self._file(live[0].generation) and self._file(live[0].generation).exists():
                durable.remove_file(path)
        for path in self._folder.glob(f".{self._name}-*.sealed.part"):  # a file that a crash left half written
            durable.remove_file(path)
        return live[0]

    def _decide(self, older: Live, newer: Live) -> Live:
        if self._opens(newer) and self._lasts(newer):
            self.slot.destroy(older.generation)
            return newer
        self._open(older)  # raises when neither opens: then nothing is destroyed
        self.slot.destroy(newer.generation)
        return older

    def _opens(self, live: Live) -> bool:
        try:
            self._open(live)
        except (NoStoreError, RolledBackError, WrongKeyError):
            # a disk that fails just now says nothing of the file, nor does a version of a later release
            return False
        return True

    def _lasts(self, live: Live) -> bool:
        """Whether the file stands on the disk, not only in the memory of a system that was cut off while it wrote."""
        durable.make_sure(self._folder)
        durable.make_sure(self._file(live.generation))
        return self._opens(live)

    def _open(self, live: Live) -> bytes:
        path = self._file(live.generation)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise self._missing(path) from None
        except OSError as error:
            raise DiskError(
                f"{path}: cannot be read: {error.strerror}; nothing was changed; mend it, then call again"
            ) from None
        head = self._head(live.generation)
        formats.check_magic("sealed", data, path)
        if data[:_HEAD] != head:
            raise WrongKeyError(f"{path}: belongs to another slot or generation; put back the file made with this slot")
        try:
            return crypto.unseal(live.secret, data[_HEAD:], head + self._name.encode("ascii"))
        except WrongKeyError as error:
            raise WrongKeyError(f"{path}: {error}") from None

    def _missing(self, path: Path) -> UnheldError:
        others = [other.name for other in self._files()]
        if others:
            return RolledBackError(f"{path} is missing but {', '.join(others)} is there: an older copy was put back")
        return NoStoreError(f"{path} is missing: is the right folder mounted?")

    def _head(self, generation: int) -> bytes:
        return _MAGIC + self.slot.slot_id + generation.to_bytes(8, "big")

    def _file(self, generation: int) -> Path:
        return self._folder / f"{self._name}-{generation}.sealed"

    def _files(self) -> list[Path]:
        ours = re.compile(rf"{re.escape(self._name)}-\d+\.sealed")
        return sorted(path for path in self._folder.glob("*.sealed") if ours.fullmatch(path.name))
