"""What the demo measures: rows of two columns, and which figure a row must have for the promise to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Value = int | float | str | None
"""None: there is no such thing on that side."""


@dataclass(frozen=True)
class Measure:
    """One row. `wanted` is what the right must be, where something is promised; where it is 0, the left must not be."""

    scene: int
    measure: str
    unit: str
    left: Value
    right: Value
    wanted: Value = None

    @property
    def must_be_zero(self) -> bool:
        """Whether the promise is that nothing is there."""
        return self.wanted == 0 and self.wanted is not None

    @property
    def kept(self) -> bool:
        """Whether the right is what it must be, and the left shows that the same code finds something."""
        shown = not self.must_be_zero or bool(self.left)
        return self.wanted is None or (self.right == self.wanted and shown)

    def to_json(self) -> dict[str, Any]:
        """As `unheld demo --json` has it."""
        return {
            "scene": self.scene,
            "measure": self.measure,
            "unit": self.unit,
            "network_of_2021": self.left,
            "with_unheld": self.right,
            "must_be_zero": self.must_be_zero,
        }


@dataclass(frozen=True)
class Slope:
    """How many party-days can be read, by how many days ago they were; one list for each kind of facts."""

    ages: tuple[int, ...]
    left: dict[str, tuple[int, ...]]
    right: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Story:
    """A run of the demo: figures and words, no identities. The page and the terminal are drawn from this alone."""

    seed: int
    subscribers: int
    history: int
    full: bool
    measures: tuple[Measure, ...]
    slope: Slope
    refusals: dict[str, int]
    records: int
    files: dict[str, str]
    seconds: float = 0.0
    slot_words: str = ""
    inventory_words: str = ""
    notes: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def of(self, scene: int) -> Sequence[Measure]:
        """The rows of a scene."""
        return [measure for measure in self.measures if measure.scene == scene]

    @property
    def broken(self) -> Sequence[Measure]:
        """Promises that this run did not keep."""
        return [measure for measure in self.measures if not measure.kept]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken
