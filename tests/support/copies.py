"""Copies for tests: a copy in a folder, the same one behind letters, and a line between that can be cut or recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from tests.support.stores import TestStore, made_store
from unheld_branch.copies import remote
from unheld_branch.copies.keeper import Keeper
from unheld_branch.copies.remote import FarCopy
from unheld_branch.store import copying, seeds
from unheld_branch.store.copying import Copy
from unheld_verify.errors import AwayError

FAR = "http://copy.example:8450"


@dataclass
class Wire:
    """A line to a keeper in this process. `cut` at message n: "before" it arrives, "after" it was answered, or never.

    `seen` is everything that went over it.
    """

    keeper: Keeper
    cut: tuple[int, str] | None = None
    down: bool = False
    seen: list[bytes] = field(default_factory=list)
    count: int = 0

    def call(self, _index: int, data: bytes) -> bytes:
        """Bring one message and its answer."""
        at, self.count = self.count, self.count + 1
        if self.down or self.cut == (at, "before"):
            self.down = True
            raise AwayError("does not answer")
        self.seen.append(data)
        came = self.keeper.handle(data)
        self.seen.append(came)
        if self.cut == (at, "after"):
            self.down = True
            raise AwayError("does not answer")
        return came


@dataclass
class Far:
    """A store whose one copy is behind a wire."""

    made: TestStore
    folder: Path
    wire: Wire

    def again(self) -> None:
        """The copy's machine starts anew: what its process had in memory is gone."""
        self.wire.keeper.close()
        self.wire.keeper = keeper(self.folder, self.made)
        self.wire.down, self.wire.cut = False, None


def keeper(folder: Path, made: TestStore | None = None) -> Keeper:
    """The keeper of a copy's folder, by the clock of a store."""
    return Keeper(folder, copying.slots_of(folder), (lambda: made.now) if made else (lambda: 0))


def reaching(wire: Wire) -> Callable[..., Callable[[str], Copy]]:
    """What takes the place of `remote.reach`: far copies are behind the wire."""
    real = remote.reach

    def reach(root: Path, slots: Path, pins: dict[str, bytes] | None = None) -> Callable[[str], Copy]:
        near = real(root, slots, pins)

        def reached(name: str) -> Copy:
            if not copying.is_far(name):
                return near(name)
            key = (pins if pins is not None else remote.read_pins(root))[name]
            return FarCopy(name, key, lambda: seeds.read(slots / seeds.BRANCH, "put it back"), wire)

        return reached

    return reach


def far_store(folder: Path) -> Far:
    """A store with one copy behind a wire; use it inside `patched`."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "far"
    wire = Wire(keeper(place))
    with patched(wire):
        made = made_store(folder / "m", far={FAR: wire.keeper.key})
    far = Far(made, place, wire)
    far.again()
    return far


def patched(wire: Wire) -> AbstractContextManager[object]:
    """Inside it every far copy is at the end of this wire."""
    return patch.object(remote, "reach", reaching(wire))
