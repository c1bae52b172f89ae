"""A custodian's memory on its disk: one sealed state, replaced whole at every change (`docs/spec/slot.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from unheld_custodian.moves import noted
from unheld_custodian.state import Whole, decode, encode, secrets
from unheld_slots import durable
from unheld_slots.sealed import SealedState
from unheld_slots.slot import Slot
from unheld_verify import crypto
from unheld_verify.errors import UnheldError

NAME = "custodian"
TAGS_MOST = 4096
_TAG = 8


class Kept:
    """The memory as it is on the disk. After a failed write it is read again, so that nothing is believed written.

    `lost`: whether it let go of a secret, which stays in this process's memory for as long as that lives.
    `trouble`: what reading or writing last failed with. It may name paths: it is for the person here, not for a line.
    """

    def __init__(self, sealed: SealedState) -> None:
        self.trouble: UnheldError | None = None
        self.lost = False
        self._sealed = sealed
        self._read: Whole | None = None

    @classmethod
    def create(cls, folder: Path, slot: Slot, whole: Whole) -> Kept:
        """Lay down a first memory. Raises StateError when one is there."""
        durable.make_folders(folder)
        sealed = SealedState(folder, NAME, slot)
        sealed.create(encode(_tagged(whole)))
        return cls(sealed)

    @property
    def whole(self) -> Whole:
        """All of it. Raises what `SealedState.load` raises."""
        if self._read is None:
            with self._disk():
                self._read = decode(self._sealed.load(), str(self._sealed.path))
        return self._read

    @property
    def generation(self) -> int:
        """How many times it was written."""
        with self._disk():
            return self._sealed.generation

    def stamp(self) -> dict[str, Any]:
        """Its generation and that one's tag. Who knows them knows this memory from a copy that went on elsewhere."""
        return {"generation": self.generation, "tag": self.whole.tags[-_TAG:].hex()}

    def knows(self, generation: int, tag: str) -> bool:
        """Whether it was this one at that generation. One that is older than the tags it keeps is believed."""
        behind, tags = self.generation - generation, self.whole.tags
        return behind >= len(tags) // _TAG or (behind >= 0 and tags[-_TAG * (behind + 1) :][:_TAG].hex() == tag)

    @property
    def slot(self) -> str:
        """How far an erasure holds here, in words."""
        return self._sealed.slot.words()

    def change(self, move: Callable[[Whole], Whole], second: int = 0, words: str = "") -> Whole:
        """Seal what `move` makes of it under a new key and destroy the key of the one before.

        Where that is another memory, `words` (if there are any) go to its journal, with this second.
        """
        before = self.whole
        after = move(before)
        if after != before:
            after, self._read = _tagged(noted(after, second, words) if words else after), None
            with self._disk():
                self._sealed.replace(encode(after))
            self._read = after
            self.lost |= not secrets(before) <= secrets(after)
        return after

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except UnheldError as error:
            self.trouble = error
            raise


def _tagged(whole: Whole) -> Whole:
    return replace(whole, tags=(whole.tags + crypto.random_bytes(_TAG))[-_TAG * TAGS_MOST :])
