"""The open day: the only keys the branch holds, sealed under a slot of their own so that a reboot loses nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from unheld_branch.keys.columns import DayKeys
from unheld_slots import durable
from unheld_slots.sealed import SealedState
from unheld_slots.slot import create_slot, open_slot, renew_slot
from unheld_verify import crypto, formats
from unheld_verify.columns import EventColumn
from unheld_verify.errors import BadInputError, DiskError, NewerError, SealedError, StateUnknownError, UnheldError

_NAME = "open"
_NONE = b"UNHOPEN0"
_MAGIC = b"UNHOPEN1"
_LOST = (
    "mend: put back the open day's slot and the store's open-*.sealed as they were. Until then what comes is parked; "
    "the day closes as it stands, and the next opens with a new slot"
)


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
    """Where the open day lives: a sealed file in the store, its key in a slot outside it.

    It is looked for when it is needed: what does not need today's keys goes on where it is lost.
    """

    def __init__(self, folder: Path, uri: str) -> None:
        self._folder = folder
        self._uri = uri

    @classmethod
    def create(cls, folder: Path, uri: str) -> OpenDaySlot:
        """Lay out the slot with no day open."""
        SealedState(folder, _NAME, create_slot(uri)).create(_NONE)
        return cls(folder, uri)

    @cached_property
    def _sealed(self) -> SealedState:
        return SealedState(self._folder, _NAME, open_slot(self._uri))

    def read(self) -> OpenDay | None:
        """The open day, or None. Raises SealedError with the mend where slot or sealed file are lost or damaged.

        Raises DiskError or StateUnknownError where a disk fails just now: that is no loss of keys.
        """
        try:
            state = self._sealed.load()
            formats.check_magic("open", state, self._sealed.path)
            if state != _NONE and state[:8] != _MAGIC:
                raise BadInputError("the open day's state is of a version not known here")
            return None if state == _NONE else OpenDay(DayKeys.from_bytes(state[40:]), state[8:40])
        except (DiskError, NewerError, StateUnknownError):
            raise
        except UnheldError as error:
            raise SealedError(f"today's keys cannot be read here: {error}\n  {_LOST}") from None

    def keep(self, day: OpenDay) -> None:
        """Hold this day; the key of what was held before is overwritten."""
        self._sealed.replace(_MAGIC + day.directory_key + day.keys.to_bytes())

    def drop(self) -> None:
        """Hold no day: today's keys are gone from the branch when this returns."""
        self._sealed.replace(_NONE)

    def renew(self) -> None:
        """Hold no day, in a new slot, in the place of one that is lost or damaged: its keys are of a day that is over.

        Raises what making a slot there raises: a folder that is not mounted, a token that is away.
        """
        self.__dict__.pop("_sealed", None)
        slot = renew_slot(self._uri)
        for path in self._folder.glob(f"{_NAME}-*.sealed"):
            durable.remove_file(path)
        SealedState(self._folder, _NAME, slot).create(_NONE)
