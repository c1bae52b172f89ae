"""What the scenes share: the world, its two networks, the one attacker, and what was measured so far."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType

from unheld.assembly import Deployment
from unheld.demo.measures import Measure, Value
from unheld.demo.orders import Orders
from unheld.demo.plain_network import PlainNetwork
from unheld.demo.sealed_network import SealedNetwork
from unheld.demo.world import World
from unheld.plans.planning import Planned
from unheld.testing.seizure import Seizer, Seizure

Tell = Callable[[str], None]


@dataclass
class Replay(AbstractContextManager["Replay"]):
    """One run. `run` is the folder of the two networks, `out` that of what a reader gets. Ends with its copies.

    `lists` orders arrive; the large tree has `big_rows` rows.
    """

    world: World
    out: Path
    run: Path
    tell: Tell
    big_rows: int
    lists: int
    measures: list[Measure] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    notes: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.left = PlainNetwork(self.world, self.run / "network-of-2021")
        self.right = SealedNetwork(self.world, self.run / "with-unheld")
        self.seizer = Seizer(self.world.operator)
        self.orders = Orders(self.world, self.lists)
        self.refusals: dict[str, int] = {}
        self.forgotten: Planned | None = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.left.close()
        self.right.close()

    @property
    def deployment(self) -> Deployment:
        """The right's deployment."""
        return self.right.deployment

    @cached_property
    def nights(self) -> Nights:
        """What can be read in the night after the last day that is over."""
        return Nights(
            self.seizer.seize(self.left.seen()),
            self.seizer.seize(self.right.seen()),
            self.seizer.seize(self.right.seen(abroad=True)),
        )

    def scene(self, number: int) -> Rows:
        """Where the rows of a scene are noted."""
        return Rows(number, self.measures, self.notes.setdefault(number, []))

    def link(self, words: str, path: Path) -> None:
        """Note a file for the reader."""
        self.files[words] = path.relative_to(self.out).as_posix()


@dataclass(frozen=True)
class Nights:
    """Seizures of one night: the left, the right at the branch, the right everywhere with every custodian."""

    left: Seizure
    branch: Seizure
    everywhere: Seizure


@dataclass(frozen=True)
class Rows:
    """The rows of one scene while they are measured; the two values are the left's and the right's."""

    scene: int
    _measures: list[Measure]
    _notes: list[str]

    def zero(self, measure: str, unit: str, left: Value, right: Value) -> None:
        """Note a row of which the right must have nothing, and the left something."""
        self.exactly(measure, unit, left, right, 0)

    def exactly(self, measure: str, unit: str, left: Value, right: Value, wanted: Value) -> None:
        """Note a row of which the right must be what is wanted."""
        self._measures.append(Measure(self.scene, measure, unit, left, right, wanted))

    def shown(self, measure: str, unit: str, left: Value, right: Value) -> None:
        """Note a row that promises nothing."""
        self._measures.append(Measure(self.scene, measure, unit, left, right))

    def note(self, words: str) -> None:
        """Note what must be said beside the rows."""
        self._notes.append(words)
