"""The soak's plain model: of some made-up people, how many records of each class and event day must open. Counts alone.

It knows nothing of keys: what was delivered and is neither lapsed, erased nor forgotten since must open, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from unheld_verify import columns

CLASSES = ("charge", "contact", "place")
Held = Counter[tuple[str, str, int]]
"""How many records, by identity, class and event day."""
_DAY = 86_400


@dataclass
class Model:
    """What must open of `people` (msisdns)."""

    people: tuple[str, ...]
    late_days: int = 45
    held: Held = field(default_factory=Counter)
    erased: set[tuple[str, int]] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)

    def delivered(self, table: pa.Table, sealing_day: int) -> Held:
        """What a file leaves when it is sealed on a day. Facts that are over by then are counted and not stored."""
        mine = table.filter(pc.is_in(table["msisdn"], value_set=pa.array(self.people)))
        days = pc.divide(mine["datetime"].cast(pa.int64()), _DAY).to_pylist()
        found: Held = Counter()
        for person, day in zip(mine["msisdn"].to_pylist(), days, strict=True):
            for cls in CLASSES:
                lives = day + columns.LIFETIME_DEFAULTS[cls] > sealing_day and day >= sealing_day - self.late_days
                if lives and (cls, day) not in self.erased:
                    found[person, cls, day] += 1
        return found

    def take(self, found: Held) -> None:
        """It was sealed."""
        self.held += found

    def replace(self, old: Held, new: Held) -> None:
        """A delivery was taken back, and another came in its place."""
        self.held -= old
        self.held += new

    def forget(self, people: Collection[str]) -> None:
        """All that was sealed of them until now."""
        self.forgotten |= set(people)
        self._drop(lambda key: key[0] in people)

    def erase(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Event days of classes, for good."""
        self.erased |= set(pairs)
        self._drop(lambda key: key[1:] in self.erased)

    def lapse(self, today: int) -> None:
        """What is due by the calendar."""
        self._drop(lambda key: key[2] + columns.LIFETIME_DEFAULTS[key[1]] <= today)

    def _drop(self, gone: Any) -> None:
        self.held = Counter({key: count for key, count in self.held.items() if not gone(key)})
