"""A slot kept twice, best on two devices: the loss of one is no loss (`docs/spec/slot.md`, a mirrored slot).

Neither side is believed alone while both are there. What a crash between two writes leaves is finished; what no crash
leaves is refused until a person acts, since one side was put back from a backup, or is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from unheld_slots.contract import Live, Slot, check_fits, check_follows
from unheld_verify.errors import (
    BadInputError,
    NoStoreError,
    RolledBackError,
    StateError,
    StateUnknownError,
    UnheldError,
)

SCHEME = "mirror"
_MEND = (
    "unheld doctor --mend-slots makes both what the newer one is; a backup of a slot is a copy of its key: destroy it"
)


@dataclass(frozen=True)
class Place:
    """One side: its URI, how to make, open and renew a slot there, and how to give an empty one the id of the other."""

    uri: str
    create: Callable[[], Slot]
    open: Callable[[], Slot]
    renew: Callable[[], Slot]
    adopt: Callable[[Slot, bytes], None]


@dataclass
class _Side:
    """One side as it stands now: the slot, or why it is away."""

    place: Place
    slot: Slot | None
    away: str = ""
    held: list[Live] = field(default_factory=list, repr=False)

    @property
    def generations(self) -> list[int]:
        """Their numbers."""
        return [live.generation for live in self.held]


class MirrorSlot:
    """Two slots that are one. It honours the contract of `Slot` while both are there.

    With one away it can be read, and takes no change: a generation counts when it stands in both, and is gone when it
    is gone from both.
    """

    def __init__(self, first: Place, second: Place) -> None:
        self._places = (first, second)
        self._slots: list[Slot | None] = [None, None]

    @classmethod
    def create(cls, first: Place, second: Place) -> MirrorSlot:
        """An empty slot at both places."""
        made = cls(first, second)
        made._slots = [first.create(), second.create()]
        return made

    @classmethod
    def renew(cls, first: Place, second: Place) -> MirrorSlot:
        """An empty slot in both places, whatever stood there."""
        made = cls(first, second)
        made._slots = [first.renew(), second.renew()]
        return made

    @classmethod
    def open(cls, first: Place, second: Place) -> MirrorSlot:
        """Open both and finish what a crash left between them. Raises as the first does where neither opens.

        Raises RolledBackError, and changes nothing, where no crash leaves them like this.
        """
        made = cls(first, second)
        sides = made._sides()
        if all(side.slot is None for side in sides):
            raise NoStoreError(f"{sides[0].away}; its mirror: {sides[1].away}")
        made._finish(sides)
        return made

    @property
    def slot_id(self) -> bytes:
        """16 bytes, the same on both sides."""
        return next(side.slot.slot_id for side in self._sides() if side.slot is not None)

    def live(self) -> list[Live]:
        """The generations that count. Raises RolledBackError where the sides do not belong together."""
        return self._agreed(self._sides())

    def prepare(self, generation: int, secret: bytes, binding: bytes = b"") -> None:
        """Write a new generation, first here and then there."""
        check_fits(generation, secret, binding)
        sides = self._both("no generation was added")
        held = self._finish(sides)
        check_follows(f"{self}", generation, [live.generation for live in held])
        first, second = self._opened(sides)
        first.prepare(generation, secret, binding)
        with _second_half(self._places[1].uri, "the new generation stands on one side"):
            second.prepare(generation, secret, binding)

    def destroy(self, generation: int) -> None:
        """End one of two generations on both sides: the older from the first on, the newer from the second on.

        So a crash between them never looks as if the other had happened.
        """
        sides = self._both("erasing: the old key still lives")
        held = [live.generation for live in self._finish(sides)]
        if len(held) != 2 or generation not in held:
            raise StateError(f"{self}: generation {generation} may only be destroyed while another lives ({held})")
        order = self._opened(sides) if generation == held[0] else self._opened(sides)[::-1]
        order[0].destroy(generation)
        with _second_half(f"{self}", f"erasing: generation {generation} is gone from one side only"):
            order[1].destroy(generation)

    def wipe(self) -> None:
        """End all of them, on the second side first."""
        first, second = self._opened(self._both("erasing: nothing was wiped"))
        second.wipe()
        with _second_half(self._places[0].uri, "erasing: one side is wiped"):
            first.wipe()

    def words(self) -> str:
        """How far an erasure holds, the weakest side first, and whether one is away and may hold an older key."""
        sides = self._sides()
        said = sorted({side.slot.words() for side in sides if side.slot is not None})
        away = [f"the mirror {side.place.uri} is away and may hold an older key" for side in sides if side.slot is None]
        if len(said) == 1 and not away:
            said = [f"{said[0]}, nor one of its mirror's"]
        return "; ".join([*said, *away])

    def troubles(self) -> list[str]:
        """What is wrong with the sides, for a person; nothing where both agree."""
        sides = self._sides()
        away = [f"{side.place.uri} is away ({side.away}): it may hold an older key" for side in sides if side.away]
        if away:
            return away
        try:
            self._agreed(sides)
        except RolledBackError as error:
            return [str(error)]
        if sides[0].held != sides[1].held:
            return [f"{sides[1].place.uri} lags: generations {sides[1].generations}, not {sides[0].generations}"]
        return []

    def mend(self) -> str:
        """Make both sides what the newer one is, a person having looked. What was done, in words.

        A side that is lost is made anew. Raises StateError where neither says what is right.
        """
        sides = [
            side if side.slot is not None else self._made_anew(number) for number, side in enumerate(self._sides())
        ]
        self._share_id(sides)
        right = _newer(sides)
        done = []
        for side in sides:
            if side.held != right:
                _make(side, right)
                done.append(f"{side.place.uri}: generations {side.generations} overwritten with what its mirror holds")
        return "; ".join(done)

    def __str__(self) -> str:
        return f"{self._places[0].uri} and its mirror {self._places[1].uri}"

    def _made_anew(self, number: int) -> _Side:
        place = self._places[number]
        self._slots[number] = place.renew()
        return _Side(place, self._slots[number])

    def _sides(self) -> list[_Side]:
        sides = [self._side(number) for number in (0, 1)]
        self._share_id(sides)
        return sides

    def _side(self, number: int) -> _Side:
        place = self._places[number]
        try:
            slot = self._slots[number] or place.open()
            held = slot.live()
        except UnheldError as error:
            self._slots[number] = None
            return _Side(place, None, str(error))
        self._slots[number] = slot
        return _Side(place, slot, held=held)

    def _share_id(self, sides: Sequence[_Side]) -> None:
        """A side that holds nothing takes the id of the other."""
        one, other = sorted(sides, key=lambda side: not side.held)
        if one.slot is None or other.slot is None or one.slot.slot_id == other.slot.slot_id:
            return
        if other.held:
            raise BadInputError(f"{self}: they are two slots, not one and its mirror; name the right ones")
        other.place.adopt(other.slot, one.slot.slot_id)

    def _both(self, outcome: str) -> list[_Side]:
        sides = self._sides()
        for side in sides:
            if side.slot is None:
                raise StateError(
                    f"{side.away}; {outcome}: both sides of a mirrored slot are written. Put it back, or name one "
                    f"place in slots.toml and destroy what is at {side.place.uri}: it holds keys of generations before"
                )
        return sides

    @staticmethod
    def _opened(sides: Sequence[_Side]) -> tuple[Slot, ...]:
        return tuple(side.slot for side in sides if side.slot is not None)

    def _agreed(self, sides: Sequence[_Side]) -> list[Live]:
        """What counts: what both hold, a newest one that only the first has, and no oldest one that it has not."""
        here = [side for side in sides if side.slot is not None]
        if not here:
            raise NoStoreError(f"{sides[0].away}; its mirror: {sides[1].away}")
        if len(here) == 1:
            return here[0].held
        first, second = here
        if first.held == second.held or (len(first.held) == 2 and second.held == first.held[:1]):
            return first.held
        if len(second.held) == 2 and first.held == second.held[1:]:
            return first.held
        raise RolledBackError(
            f"{self}: they hold generations {first.generations} and {second.generations}, which no crash leaves: one "
            f"was put back from a backup, or emptied; nothing was changed; {_MEND}"
        )

    def _finish(self, sides: Sequence[_Side]) -> list[Live]:
        """Write on the second side what a crash left unwritten there."""
        agreed = self._agreed(sides)
        if all(side.slot is not None for side in sides) and sides[1].held != agreed:
            _make(sides[1], agreed)
        return agreed


def _newer(sides: Sequence[_Side]) -> list[Live]:
    """Of two that no crash leaves, what is right: the newest generation, and none that either has destroyed before it.

    Where only one has the newest, the other says nothing of what was destroyed since.
    """
    first, second = (side.held for side in sides)
    tops = [held[-1].generation if held else 0 for held in (first, second)]
    if tops[0] != tops[1]:
        return first if tops[0] > tops[1] else second
    if first[-1:] != second[-1:]:
        raise StateError(
            f"{sides[0].place.uri} and its mirror hold two secrets of one generation: name in slots.toml the one that "
            "was never put back, and destroy the other"
        )
    return [live for live in first if live in second]


def _make(side: _Side, right: Sequence[Live]) -> None:
    """Let a side hold these generations, at no moment none of its own that is among them."""
    slot = side.slot
    if slot is None:
        return
    stale = [live for live in side.held if live not in right]
    if len(stale) == len(side.held):
        if stale:
            slot.wipe()
    else:
        for live in stale:
            slot.destroy(live.generation)
    for live in right:
        if live not in side.held:
            slot.prepare(live.generation, live.secret, live.binding)


@contextmanager
def _second_half(place: str, outcome: str) -> Iterator[None]:
    """One side is written: whatever the other says, nobody may take it for not done."""
    try:
        yield
    except StateUnknownError:
        raise
    except UnheldError as error:
        raise StateUnknownError(f"{place}: {outcome} ({error}); opening it again finishes that") from error
