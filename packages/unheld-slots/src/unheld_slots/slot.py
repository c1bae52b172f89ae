"""Erasable slots: the only memory of unheld that must forget (`docs/spec/slot.md`)."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unheld_slots import durable, mirror
from unheld_slots.contract import (
    BINDING_BYTES,
    ID_BYTES,
    SECRET_BYTES,
    Live,
    Slot,
    check_fits,
    check_follows,
)
from unheld_slots.mirror import MirrorSlot, Place
from unheld_slots.pkcs11.slot import TokenSlot
from unheld_verify import crypto, formats
from unheld_verify.errors import BadInputError, NoStoreError, StateError

__all__ = [
    "BINDING_BYTES",
    "ID_BYTES",
    "SECRET_BYTES",
    "FileSlot",
    "Live",
    "Slot",
    "check_new",
    "create_slot",
    "mirrored",
    "open_slot",
    "places_of",
    "renew_slot",
]

_MAGIC = b"UNHSLOT1"
_HALF = 4096
_EMPTY = bytes(_HALF)
_SIGNED = 128


class FileSlot:
    """A slot in one preallocated file of two halves, written in place only. It honours the contract of `Slot`.

    The file belongs outside the store and outside every backup and snapshot: a copy of it is a copy of the secret.
    """

    def __init__(self, path: Path, slot_id: bytes) -> None:
        self.path = path
        self.slot_id = slot_id
        self._sure = True

    @classmethod
    def check(cls, path: Path) -> None:
        """See that a new slot can be made there. Raises StateError, and NoStoreError where its folder is missing."""
        if path.exists() or path.is_symlink():
            raise StateError(f"{path}: there is a file already; give a new place, a slot is never replaced")
        if not path.parent.is_dir():
            raise NoStoreError(f"{path}: its folder is not there; make it, or mount the disk")

    @classmethod
    def create(cls, path: Path) -> FileSlot:
        """Lay out an empty slot. Raises StateError when something is already there: a slot is never replaced."""
        cls.check(path)
        durable.write_file(path, _EMPTY * 2)
        return cls(path, crypto.random_bytes(ID_BYTES))

    @classmethod
    def renew(cls, path: Path) -> FileSlot:
        """An empty slot in the place of one that is lost or damaged; what stands there is overwritten first."""
        if path.is_file() and not path.is_symlink():
            durable.overwrite(path, 0, bytes(path.stat().st_size))
            durable.remove_file(path)
        return cls.create(path)

    @classmethod
    def open(cls, path: Path) -> FileSlot:
        """Open a slot; a half torn by a crash is emptied. Raises NoStoreError, BadInputError.

        Where no half is whole nothing is emptied: a damaged secret may be put right. The id of a slot with no live
        generation is made anew: nothing refers to it.
        """
        halves = _read(path, sure=False)
        whole = any(_is_whole(half) for half in halves)
        ids = {_decode(half)[0] for half in halves if _is_whole(half)}
        for half in halves:
            formats.check_magic("slot", half, path)
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
        halves = _read(self.path, sure=self._sure)
        self._sure = True
        for number, half in enumerate(halves):
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
        check_fits(generation, secret, binding)
        check_follows(self.path, generation, [live.generation for live in self.live()])
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
        self._sure = False  # a write that fails may be shown all the same by what reads it
        durable.overwrite(self.path, number * _HALF, half)
        self._sure = True


@dataclass(frozen=True)
class _Backend:
    """What a URI's scheme stands for: see that a slot can be made, make it, open it, renew it. Each takes a URI.

    `adopt` gives an empty slot the id of another.
    """

    check: Callable[[str], None]
    create: Callable[[str], Slot]
    open: Callable[[str], Slot]
    renew: Callable[[str], Slot]
    adopt: Callable[[Slot, bytes], None] = lambda slot, slot_id: setattr(slot, "slot_id", slot_id)


def _emptied(uri: str) -> Slot:
    slot = TokenSlot.open(uri)
    slot.wipe()
    return slot


_BACKENDS = {
    "file": _Backend(
        lambda uri: FileSlot.check(_path(uri)),
        lambda uri: FileSlot.create(_path(uri)),
        lambda uri: FileSlot.open(_path(uri)),
        lambda uri: FileSlot.renew(_path(uri)),
    ),
    "pkcs11": _Backend(TokenSlot.check, TokenSlot.create, TokenSlot.open, _emptied),
    mirror.SCHEME: _Backend(
        lambda uri: _check_sides(*places_of(uri)),
        lambda uri: MirrorSlot.create(*_sides(uri)),
        lambda uri: MirrorSlot.open(*_sides(uri)),
        lambda uri: MirrorSlot.renew(*_sides(uri)),
    ),
}


def places_of(uri: str) -> list[str]:
    """The places a URI names: the two of a mirrored slot, `mirror:URI,URI`, or the one. Raises BadInputError."""
    if not uri.startswith(f"{mirror.SCHEME}:"):
        return [uri]
    sides = re.split(r",(?=[a-z0-9]+:)", uri.partition(":")[2])
    if len(set(sides)) != 2 or len(sides) != 2 or any(side.startswith(f"{mirror.SCHEME}:") for side in sides):
        raise BadInputError(
            f"slot {uri!r}: a mirrored slot has two places, write mirror:URI,URI, neither of them again"
        )
    return sides


def mirrored(uri: str) -> MirrorSlot | None:
    """A mirrored slot as it stands, also where it would not open; None for a slot of one place."""
    return MirrorSlot(*_sides(uri)) if len(places_of(uri)) == 2 else None


def _check_sides(first: str, second: str) -> None:
    check_new(first)
    check_new(second)


def _sides(uri: str) -> tuple[Place, Place]:
    first, second = (_place(side) for side in places_of(uri))
    return first, second


def _place(uri: str) -> Place:
    backend = _backend(uri)
    made = (lambda: backend.create(uri), lambda: backend.open(uri), lambda: backend.renew(uri))
    return Place(uri, *made, backend.adopt)


def check_new(uri: str) -> None:
    """See that `create_slot` will do, and change nothing. Raises what it would raise."""
    _backend(uri).check(uri)


def create_slot(uri: str) -> Slot:
    """Make the slot named by `uri`, for example `file:/media/key/root.slot`. Raises BadInputError, StateError."""
    return _backend(uri).create(uri)


def open_slot(uri: str) -> Slot:
    """Open the slot named by `uri`. Raises BadInputError, NoStoreError, and for a token WrongKeyError, StateError."""
    return _backend(uri).open(uri)


def renew_slot(uri: str) -> Slot:
    """An empty slot in the place of one that is lost or damaged. What it held ends: for what may be asked for again.

    Raises as `create_slot` where nothing can be made there, and as `open_slot` for a token that is away.
    """
    return _backend(uri).renew(uri)


def _backend(uri: str) -> _Backend:
    scheme, colon, place = uri.partition(":")
    if not colon or not place or "\0" in place or scheme not in _BACKENDS:
        raise BadInputError(f"slot {uri!r}: write SCHEME:PLACE with a scheme of {', '.join(_BACKENDS)}")
    return _BACKENDS[scheme]


def _path(uri: str) -> Path:
    return Path(uri.partition(":")[2])


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


def _read(path: Path, *, sure: bool) -> list[bytes]:
    """Both halves; from the disk itself where a write may have been cut short."""
    try:
        found = path.lstat()
        fits = stat.S_ISREG(found.st_mode) and found.st_size == 2 * _HALF
        if fits and not sure:
            durable.make_sure(path)
        data = path.read_bytes() if fits else b""
    except OSError as error:
        raise NoStoreError(
            f"{path}: no slot can be read there ({error.strerror}): check the path and the disk"
        ) from None
    if len(data) != 2 * _HALF:
        raise BadInputError(f"{path}: not a slot: a slot is a plain file of {2 * _HALF} bytes")
    return [data[:_HALF], data[_HALF:]]
