"""A mirrored slot through any history of writes, crashes at any half, losses, and sides put back from a backup."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unheld.testing.simdisk import FAULTS, Crash, Disk, MemorySlot
from unheld_slots.contract import Live, Slot
from unheld_slots.mirror import MirrorSlot, Place
from unheld_verify import crypto
from unheld_verify.errors import NoStoreError, RolledBackError, StateError

FAULT = st.none() | st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from(FAULTS))
SIDE = st.integers(0, 1)
ACTS = st.one_of(
    st.tuples(st.just("replace"), FAULT),
    st.tuples(st.just("give up"), FAULT),
    st.tuples(st.just("open"), st.none()),
    st.tuples(st.sampled_from(["lose", "keep", "put back"]), SIDE),
)


@dataclass
class Sides:
    """Two devices, their owner's generation, and what was promised of it.

    `needed` is the secret that the owner's own data is sealed under; `gone` are those whose destruction returned, but
    for keys that sealed nothing. At most one side is lost or put back at a time.
    """

    disks: list[Disk] = field(default_factory=lambda: [Disk(), Disk()])
    lost: set[int] = field(default_factory=set)
    kept: dict[int, list[Live]] = field(default_factory=dict)
    back: int | None = None
    needed: Live = field(default_factory=lambda: Live(1, crypto.random_bytes(32), bytes(64)))
    gone: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.slot = MirrorSlot.create(*(self._place(number) for number in (0, 1)))
        self.slot.prepare(1, self.needed.secret, self.needed.binding)

    def _place(self, number: int) -> Place:
        def opened() -> Slot:
            if number in self.lost:
                raise NoStoreError(f"disk {number} is not there")
            return MemorySlot(self.disks[number])

        def anew() -> Slot:
            self.lost.discard(number)
            self.disks[number] = Disk()
            return opened()

        def adopt(_slot: Slot, slot_id: bytes) -> None:
            self.disks[number].slot_id = slot_id

        return Place(f"memory:{number}", opened, opened, anew, adopt)

    def reopened(self) -> MirrorSlot:
        """As after a restart; a person acts where it says that one is needed."""
        for disk in self.disks:
            disk.fault = None
        self.slot = MirrorSlot(*(self._place(number) for number in (0, 1)))
        try:
            self.slot = MirrorSlot.open(*(self._place(number) for number in (0, 1)))
        except RolledBackError:
            assert self.back is not None, "no crash leaves what a person has to look at"
            self._mended()
        self.checked()
        return self.slot

    def _mended(self) -> None:
        assert self.back is not None
        try:
            self.slot.mend()
        except StateError:  # two secrets of one generation: the person takes away what was put back
            self.lost.add(self.back)
            self.slot = MirrorSlot(*(self._place(number) for number in (0, 1)))
            self.slot.mend()

    def checked(self) -> None:
        """What is promised whenever it can be read."""
        live = self.slot.live()
        assert self.needed in live
        assert not {one.secret for one in live} & self.gone
        if not self.lost:
            assert [disk.lives for disk in self.disks] == [live, live]
            self.back = None

    def settled(self) -> None:
        """The owner of two generations keeps the one that its data is under."""
        live = self.reopened().live()
        if len(live) == 2 and not self.lost:
            other = next(one for one in live if one != self.needed)
            self.slot.destroy(other.generation)
            self._ended(other)

    def replace(self, fault: tuple[int, int, str] | None, *, keep: bool) -> None:
        """Prepare a generation, and destroy the one before it, or (`keep`) the new one. Refused with a side away."""
        self.settled()
        new = Live(self.needed.generation + 1, crypto.random_bytes(32), bytes(64))
        old = self.needed
        if self.lost:
            with pytest.raises(StateError, match="no generation was added"):
                self.slot.prepare(new.generation, new.secret)
            return
        if fault is not None:
            self.disks[fault[0]].fault = fault[1:]
        with suppress(Crash, StateError):
            self.slot.prepare(new.generation, new.secret)
            self.needed = old if keep else new
            self.slot.destroy(new.generation if keep else old.generation)
            self._ended(new if keep else old)

    def _ended(self, one: Live) -> None:
        """Its destruction returned. A key that sealed nothing may come back with a device: it opens nothing."""
        if one.generation < self.needed.generation:
            self.gone.add(one.secret)

    def lose(self, side: int) -> None:
        """A device is away, or back as it was."""
        if side in self.lost:
            self.lost.discard(side)
        elif not self.lost and self.back is None:
            self.lost.add(side)

    def keep(self, side: int) -> None:
        """Somebody takes a backup of a device, which nobody should."""
        self.kept[side] = list(self.disks[side].lives)

    def put_back(self, side: int) -> None:
        """And puts it back."""
        if side in self.kept and not self.lost and self.back is None:
            self.disks[side].put_back({}, self.kept[side])
            self.back = side


def _lives(acts: list[tuple[str, Any]]) -> None:
    sides = Sides()
    for name, given_ in acts:
        if name in {"replace", "give up"}:
            sides.replace(given_, keep=name == "give up")
        elif name == "open":
            sides.settled()
        else:
            getattr(sides, name.replace(" ", "_"))(given_)
    sides.lost.clear()
    sides.settled()
    sides.replace(None, keep=False)

    assert sides.reopened().live() == [sides.needed]


@settings(max_examples=300)
@given(st.lists(ACTS, max_size=24))
def test_no_history_shows_what_was_destroyed_or_loses_the_only_one(acts: list[tuple[str, Any]]) -> None:
    """live() has the generation that the owner's data is under, and none whose destruction returned."""
    _lives(acts)


@pytest.mark.slow
@settings(max_examples=5000)
@given(st.lists(ACTS, max_size=60))
def test_no_longer_history_does_either(acts: list[tuple[str, Any]]) -> None:
    """The same for many and longer ones."""
    _lives(acts)
