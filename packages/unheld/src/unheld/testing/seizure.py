"""The seizure: what somebody with a copy of some folders can read. The same code for an operator's plain files and for
a store of unheld: it reads what lies in clear as it lies, and walks the key disclosure graph for what is sealed.

    seizer = Seizer(operator)
    seizer.seize(recording).party_days

It gives counts, on one synthetic operator's recordings, and refuses data of anybody else. An order (a set of synthetic
targets and a window) gets the count of people and party-days it would be given, and nothing more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from unheld.testing.arrow import Ints
from unheld.testing.attacker import Attacker, Loot
from unheld.testing.plain import DAY_BITS, KINDS, Pairs, Plain, pairs, read
from unheld.testing.recording import Recording, Version
from unheld.testing.roster import Roster, roster
from unheld.testing.synthetic import Operator

_DAYS = (1 << DAY_BITS) - 1


@dataclass(frozen=True)
class Order:
    """Whom an order names, and its first and last day (days since 1970)."""

    targets: Collection[str] = field(repr=False)
    first: int
    last: int


@dataclass(frozen=True)
class Given:
    """What orders would be given: people of whom something is readable, and their party-days, each counted once."""

    people: int
    party_days: int


@dataclass(frozen=True)
class Seizure:
    """What can be read. `registry_rows`: people tied to a name or paper. `records`: rows of records, copies counted."""

    registry_rows: int
    records: int
    _by_kind: Mapping[str, Pairs] = field(repr=False)
    _roster: Roster = field(repr=False)

    @property
    def party_days(self) -> int:
        """Distinct (person, event day) of which anything can be read."""
        return len(self._all)

    @property
    def people(self) -> int:
        """Distinct people of whom any day can be read."""
        return len(np.unique(self._all >> DAY_BITS))

    @property
    def furthest(self) -> int | None:
        """The oldest event day (days since 1970) of which anything can be read."""
        return int((self._all & _DAYS).min()) if len(self._all) else None

    def between(self, first: int, last: int) -> int:
        """Party-days of these event days, both included."""
        days = self._all & _DAYS
        return int(((days >= first) & (days <= last)).sum())

    def by_day(self, kind: str) -> dict[int, int]:
        """For each event day, of how many people facts of this kind can be read."""
        days, counts = np.unique(self._by_kind.get(kind, _none()) & _DAYS, return_counts=True)
        return dict(zip(days.tolist(), counts.tolist(), strict=True))

    def given(self, orders: Sequence[Order]) -> Given:
        """What these orders together would be given. Raises NotAllowedError for a target that is not synthetic."""
        found = [self._given(self._roster.of_identities(order.targets), order) for order in orders]
        answered = np.unique(np.concatenate([_none(), *found]))
        return Given(len(np.unique(answered >> DAY_BITS)), len(answered))

    def _given(self, parties: Ints, order: Order) -> Pairs:
        begin = np.searchsorted(self._all, pairs(parties, np.full_like(parties, order.first)))
        end = np.searchsorted(self._all, pairs(parties, np.full_like(parties, order.last)), "right")
        parts = [self._all[low:high] for low, high in zip(begin.tolist(), end.tolist(), strict=True)]
        return np.concatenate([_none(), *parts])

    @cached_property
    def _all(self) -> Pairs:
        return np.unique(np.concatenate([_none(), *self._by_kind.values()]))


class Seizer:
    """Looks at recordings of one synthetic operator. Files seen before are not read twice."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._roster = roster(operator)
        self._read: dict[Version, Plain] = {}

    def seize(self, recording: Recording) -> Seizure:
        """Everything that can be read. Raises NotAllowedError when anything names somebody who is not synthetic."""
        for version in recording.versions:
            if version not in self._read:
                self._read[version] = read(version, self._roster)
        clear = [self._read[version] for version in recording.versions if self._read[version].tables]
        sealed = tuple(version for version in recording.versions if not self._read[version].tables)
        loot = Attacker(replace(recording, versions=sealed), self._operator).closure()
        opened, registered = self._opened(loot)
        by_kind = {kind: [one.party_days.get(kind, _none()) for one in clear] + opened[kind] for kind in KINDS}
        return Seizure(
            len(np.unique(np.concatenate([registered, *(one.registered for one in clear)]))),
            sum(one.records for one in clear) + loot.tried.records,
            {kind: np.unique(np.concatenate([_none(), *parts])) for kind, parts in by_kind.items()},
            self._roster,
        )

    def _opened(self, loot: Loot) -> tuple[dict[str, list[Pairs]], Ints]:
        """Party-days of sealed folios that opened, by class, and parties whose registry entry did."""
        found: dict[str, list[Pairs]] = defaultdict(list)
        registered = [_none()]
        for column, names in loot.opened.items():
            parties = self._roster.of_identities(names)
            if column.cls == "identity":
                registered.append(parties)
            else:
                found[column.cls].append(pairs(parties, np.full_like(parties, column.event_day)))
        return found, np.concatenate(registered)


def _none() -> Pairs:
    return np.zeros(0, np.int64)
