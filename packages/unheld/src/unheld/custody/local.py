"""Custodians on this machine: a desk a folder, called in this process, by the same bytes that would go over a line.

For one machine that is everything, for tests and for a beginning. This program plays the persons at the desks: it
approves whatever headquarters asks them. Custodians in one place protect against nobody who holds that place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from unheld_custodian.desk import Desk
from unheld_slots import durable
from unheld_slots.places import slot_uri
from unheld_slots.slot import Slot, create_slot, open_slot
from unheld_verify import columns
from unheld_verify.errors import AwayError, UnheldError

WORDS = "all custodians are on this machine: whoever holds it holds them"


class LocalDesks:
    """The desks under a folder, as a transport. Hold the store's lock: opening one ends what a crash cut short.

    `slots` holds what must forget: keep it out of every backup. `clock` tells Unix seconds.
    """

    def __init__(self, folder: Path, slots: Path, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._slots = slots
        self.clock = clock
        self._open: dict[int, Desk] = {}

    def create(self, n: int) -> None:
        """Make desks 0 to n-1, those that are there excepted. Raises StateError where a slot is in use already."""
        durable.make_folder(self._folder)
        durable.make_folder(self._slots)
        for index in range(n):
            if not self._place(index).is_dir():
                slot = create_slot(slot_uri(self._slots, name(index)))
                self._open[index] = Desk.create(self._place(index), slot, name(index), self.clock)

    def call(self, index: int, data: bytes) -> bytes:
        """Hand bytes to desk `index`. Raises AwayError, with the reason, where it cannot be opened."""
        return self.desk(index).handle(data)

    def desk(self, index: int) -> Desk:
        """One desk. Raises AwayError, with the reason, where it cannot be opened."""
        if index not in self._open:
            try:
                self._open[index] = Desk.open(self._place(index), self._slot(index), self.clock)
            except UnheldError as error:
                raise AwayError(str(error)) from None
        return self._open[index]

    def heard(self, index: int, number: int) -> int:
        """The day on which one of a set heard headquarters last; 0 where it is of no such set. Raises AwayError."""
        beats = [one["beat"] for one in self.desk(index).overview().sets if one["set"] == number]
        return max(map(columns.day_number, beats), default=0)

    def approve(self) -> None:
        """Play the persons: approve every request that waits. Who is away approves nothing."""
        for desk in self._here():
            for request in desk.requests():
                if not request.decision:
                    desk.decide(request.id, approve=True, said=" ".join(request.words))

    def _here(self) -> Iterator[Desk]:
        for path in sorted(self._folder.glob(name("[0-9]"))):
            try:
                yield self.desk(int(path.name.rpartition("-")[2]))
            except AwayError:
                continue

    def _place(self, index: int) -> Path:
        return self._folder / name(index)

    def _slot(self, index: int) -> Slot:
        if not self._place(index).is_dir():
            raise AwayError(f"{self._place(index)} is missing")
        return open_slot(slot_uri(self._slots, name(index)))


def name(index: int | str) -> str:
    """What a custodian of this machine is called: in a draft, its folder, its slot."""
    return f"custodian-{index}"
