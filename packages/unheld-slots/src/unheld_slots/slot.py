"""Erasable slots: the only memory of unheld that must forget (`docs/spec/slot.md`)."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from unheld_slots import durable
from unheld_verify import crypto
from unheld_verify.errors import BadInputError, InternalError, NoStoreError, StateError

ID_BYTES = 16
SECRET_BYTES = 32
BINDING_BYTES = 64

_MAGIC = b"UNHSLOT1"
_HALF = 4096
_EMPTY = bytes(_HALF)
_SIGNED = 128
_TOP_GENERATION = 2**64


@dataclass(frozen=True)
class Live:
    """A generation that a slot holds: the only object through which its secret is reached."""

    generation: int
    secret: bytes = field(repr=False)
    binding: bytes


class Slot(Protocol):
    """Holds the secret of one generation, and of two while the owner replaces one by the other.

    What every backend promises, and one contract suite checks:

    - `slot_id` is 16 bytes, the same as long as any generation lives.
    - `live()` reads the place itself, never a memory of it, and gives 0 to 2 generations, the older first; two differ
      by one. After a crash during any call it gives what was live before that call or what is live after it.
    - `prepare` adds a generation. It is refused (StateError, nothing changed) while two are live, or when the new one
      does not follow the one that is. When it returns the secret survives a power cut.
    - `destroy` ends a generation, and only while another lives, so that no slip forgets everything. When it returns the
      secret cannot be read at this place again; how much further that holds is what `words()` says, in plain words.
    - `wipe` ends all of them: the owner ends.
    - A call that raises StateUnknownError may or may not have happened: call `live()`, never repeat it blind.

    Locking is the owner's: one process works on a slot.
    """

    @property
    def slot_id(self) -> bytes: ...  # noqa: D102 - the contract stands above

    def live(self) -> list[Live]: ...  # noqa: D102
    def prepare(self, generation: int, secret: bytes, binding: bytes = b"") -> None: ...  # noqa: D102
    def destroy(self, generation: int) -> None: ...  # noqa: D102
    def wipe(self) -> None: ...  # noqa: D102
    def words(self) -> str: ...  # noqa: D102


class FileSlot:
    """A slot in one preallocated file of two halves, written in place only. It honours the contract of `Slot`.

    The file belongs outside the store and outside every backup and snapshot: a copy of it is a copy of the secret.
    """

    def __init__(self, path: Path, slot_id: bytes) -> None:
        self.path = path
        self.slot_id = slot_id

    @classmethod
    def create(cls, path: Path) -> FileSlot:
        """Lay out an empty slot. Raises StateError when something is already there: a slot is never replaced."""
        if path.exists() or path.is_symlink():
            raise StateError(f"{path}: there is a file already; give a new place, a slot is never replaced")
        durable.write_file(path, _EMPTY * 2)
        return cls(path, crypto.random_bytes(ID_BYTES))

    @classmethod
    def open(cls, path: Path) -> FileSlot:
        """Open a slot; a half torn by a crash is emptied. Raises NoStoreError, BadInputError.

        Where no half is whole nothing is emptied: a damaged secret may be put right. The id of a slot with no live
        generation is made anew: nothing refers to it.
        """
        halves = _read(path)
        whole = any(_is_whole(half) for half in halves)
        ids = {_decode(half)[0] for half in halves if _is_whole(half)}
        if not ids and not all(_may_be_torn(half) for half in halves):
            raise BadInputError(f"{path}: not a slot of a version known here; nothing in it was changed")
        if len(ids) > 1:
            raise BadInputError(f"{path}: its halves belong to two slots: it was put together from copies")
        slot = cls(path, ids.pop() if ids else crypto.random_bytes(ID_BYTES))
        for number, half in enumerate(halves):
            if whole and half != _EMPTY and not _is_whole(half):
                slot._write(number, _EMPTY)
        slot.live()
        return slot

    def live(self) -> list[Live]:
        """The generations on the disk now, the older first. Raises BadInputError when halves do not fit together."""
        found: list[Live] = []
        for number, half in enumerate(_read(self.path)):
            if _is_whole(half):
                slot_id, live = _decode(half)
                if slot_id != self.slot_id or live.generation % 2 != number:
                    raise BadInputError(
                        f"{self.path}: half {number} belongs elsewhere: it was put together from copies"
                    )
                found.append(live)
        found.sort(key=lambda live: live.generation)
        if len(found) == 2 and found[1].generation - found[0].generation != 1:
            raise BadInputError(
                f"{self.path}: generations {found[0].generation} and {found[1].generation} do not follow"
            )
        return found

    def prepare(self, generation: int, secret: bytes, binding: bytes = b"") -> None:
        """Write a new generation into the spare half. Raises StateError when it is not the next one."""
        if len(secret) != SECRET_BYTES or len(binding) > BINDING_BYTES or not 0 < generation < _TOP_GENERATION:
            raise InternalError("a slot holds a generation above 0, 32 bytes of secret, up to 64 of binding")
        held = [live.generation for live in self.live()]
        if len(held) == 2 or (held and generation != held[0] + 1):
            raise StateError(f"{self.path}: generation {generation} cannot follow {held}: open the owner again first")
        self._write(generation % 2, _encode(self.slot_id, generation, secret, binding))

    def destroy(self, generation: int) -> None:
        """Overwrite one of two live generations with zeros. Raises StateError when it is the only one, or not live."""
        held = [live.generation for live in self.live()]
        if len(held) != 2 or generation not in held:
            raise StateError(f"{self.path}: generation {generation} may only be destroyed while another lives ({held})")
        self._write(generation % 2, _EMPTY)

    def wipe(self) -> None:
        """Overwrite both halves with zeros. A crash between them leaves one live: wipe again."""
        for number in (0, 1):
            self._write(number, _EMPTY)

    def words(self) -> str:
        """How far an erasure at this place holds, in plain words, printed wherever one is reported."""
        return "file: does not survive a snapshot of this disk"

    def _write(self, number: int, half: bytes) -> None:
        durable.overwrite(self.path, number * _HALF, half)


# A backend is a URI scheme and two ways in: make a new slot, open one that is there.
_BACKENDS: dict[str, tuple[Callable[[Path], Slot], Callable[[Path], Slot]]] = {
    "file": (FileSlot.create, FileSlot.open),
}


def create_slot(uri: str) -> Slot:
    """Make the slot named by `uri`, for example `file:/media/key/root.slot`. Raises BadInputError, StateError."""
    (create, _), place = _backend(uri)
    return create(place)


def open_slot(uri: str) -> Slot:
    """Open the slot named by `uri`. Raises BadInputError, NoStoreError."""
    (_, opener), place = _backend(uri)
    return opener(place)


def _backend(uri: str) -> tuple[tuple[Callable[[Path], Slot], Callable[[Path], Slot]], Path]:
    scheme, colon, place = uri.partition(":")
    if not colon or not place or scheme not in _BACKENDS:
        raise BadInputError(f"slot {uri!r}: write SCHEME:PLACE with a scheme of {', '.join(_BACKENDS)}")
    return _BACKENDS[scheme], Path(place)


def _encode(slot_id: bytes, generation: int, secret: bytes, binding: bytes) -> bytes:
    signed = _MAGIC + slot_id + generation.to_bytes(8, "big") + secret + binding.ljust(BINDING_BYTES, b"\0")
    return (signed + crypto.sha256(signed)).ljust(_HALF, b"\0")


def _is_whole(half: bytes) -> bool:
    end = _SIGNED + 32
    return half[:8] == _MAGIC and crypto.sha256(half[:_SIGNED]) == half[_SIGNED:end] and not any(half[end:])


def _may_be_torn(half: bytes) -> bool:
    return all(byte in (0, written) for byte, written in zip(half, _MAGIC, strict=False))


def _decode(half: bytes) -> tuple[bytes, Live]:
    return half[8:24], Live(int.from_bytes(half[24:32], "big"), half[32:64], half[64:128])


def _read(path: Path) -> list[bytes]:
    try:
        mode = path.lstat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise NoStoreError(
            f"{path}: no slot can be read there ({error.strerror}): check the path and the disk"
        ) from None
    if not stat.S_ISREG(mode) or len(data) != 2 * _HALF:
        raise BadInputError(f"{path}: not a slot: a slot is a plain file of {2 * _HALF} bytes")
    return [data[:_HALF], data[_HALF:]]
