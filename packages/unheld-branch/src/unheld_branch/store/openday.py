"""The open day: the only keys the branch holds, sealed under a slot of their own so that a reboot loses nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from unheld_branch.keys.columns import DayKeys
from unheld_slots.sealed import SealedState
from unheld_slots.slot import create_slot, open_slot
from unheld_verify import crypto
from unheld_verify.columns import EventColumn
from unheld_verify.errors import BadInputError

_NAME = "open"
_NONE = b"UNHOPEN0"
_MAGIC = b"UNHOPEN1"


@dataclass(frozen=True)
class OpenDay:
    """Column keys of the open sealing day, and the key that groups its batches' blocks until the close."""

    keys: DayKeys = field(repr=False)
    directory_key: bytes = field(repr=False)

    @property
    def day(self) -> int:
        """The sealing day."""
        return self.keys.day

    def without(self, pairs: Collection[EventColumn]) -> OpenDay:
        """The same day without the keys of erased columns."""
        kept = {pair: keys for pair, keys in self.keys.keys.items() if pair not in pairs}
        return OpenDay(replace(self.keys, keys=kept), self.directory_key)


def begin(keys: DayKeys) -> OpenDay:
    """A day that opens now, with a fresh directory key."""
    return OpenDay(keys, crypto.random_bytes(32))


def ended(day: OpenDay) -> OpenDay:
    """The name of a day whose keys are gone: what is left while custodians have not all heard of its close."""
    return begin(replace(day.keys, keys={}))


class OpenDaySlot:
    """Where the open day lives: a sealed file in the store, its key in a slot outside it."""

    def __init__(self, sealed: SealedState) -> None:
        self._sealed = sealed

    @classmethod
    def create(cls, folder: Path, uri: str) -> OpenDaySlot:
        """Lay out the slot with no day open."""
        made = cls(SealedState(folder, _NAME, create_slot(uri)))
        made._sealed.create(_NONE)
        return made

    @classmethod
    def open(cls, folder: Path, uri: str) -> OpenDaySlot:
        """Open an existing one."""
        return cls(SealedState(folder, _NAME, open_slot(uri)))

    def read(self) -> OpenDay | None:
        """The open day, or None."""
        state = self._sealed.load()
        if state == _NONE:
            return None
        if state[:8] != _MAGIC:
            raise BadInputError("the open day's state is of a version not known here")
        return OpenDay(DayKeys.from_bytes(state[40:]), state[8:40])

    def keep(self, day: OpenDay) -> None:
        """Hold this day; the key of what was held before is overwritten."""
        self._sealed.replace(_MAGIC + day.directory_key + day.keys.to_bytes())

    def drop(self) -> None:
        """Hold no day: today's keys are gone from the branch when this returns."""
        self._sealed.replace(_NONE)

    def words(self) -> str:
        """The class of the slot, in plain words."""
        return self._sealed.slot.words()
