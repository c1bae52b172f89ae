"""The orders of the replay, drawn from the seed: lists of people and months of their lives, as the press reported."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unheld.demands.model import Filed
from unheld.demo.world import World
from unheld.testing.arrow import Ints
from unheld.testing.seizure import Order
from unheld_verify import columns

ORDERS = 200
MONTH = 30
MOST_TARGETS = 300
BASIS = "MM-31-2013-77"
_LAST_PLACE = ("location",)
_ASKS = (("traffic",), ("location", "traffic"), _LAST_PLACE)
_MISSING_DAYS = 3


@dataclass(frozen=True)
class Drawn:
    """An order as it arrives, and the same for the seizure, which counts what it would be given."""

    filed: Filed
    order: Order

    @property
    def names(self) -> list[str]:
        """Whom it names."""
        return list(self.order.targets)


@dataclass(frozen=True)
class Orders:
    """All orders of one world. They arrive on its open day and ask for days that are over."""

    world: World
    count: int = ORDERS

    @cached_property
    def lists(self) -> list[Drawn]:
        """One to hundreds of lines, 1 to 6 months each."""
        rng = np.random.default_rng([self.world.seed, 200])
        return [self._one(rng) for _ in range(self.count)]

    @cached_property
    def missing_person(self) -> Drawn:
        """One line, three days, a court order: the narrow case, for the busiest line of the network."""
        last = columns.day_of(self.world.today) - 2
        name = self._identities(np.array([self._busiest(np.arange(self.world.subscribers))]))
        filed = Filed(
            "a court in the replay", "court", ("location",), "line", 1, columns.day_of(self.world.today),
            issuer="the duty judge", issuer_title="judge", reference="missing person", basis=(BASIS,),
            purpose="to find a person who is missing", dated=columns.day_of(self.world.today),
            begins=last - _MISSING_DAYS + 1, ends=last, court_order=True, emergency=True,
        )  # fmt: skip
        return Drawn(filed, Order(name, filed.begins, filed.ends))

    @cached_property
    def claimant(self) -> str:
        """Whoever of those named on the lists uses the network most: the one who goes to court in the last scene."""
        places = {name: place for place, name in enumerate(self._identities(np.arange(self.world.subscribers)))}
        named = np.array(sorted({places[name] for drawn in self.lists for name in drawn.names}))
        return self._identities(np.array([self._busiest(named)]))[0]

    def _one(self, rng: np.random.Generator) -> Drawn:
        subscribers = self.world.subscribers
        count = int(np.clip(rng.lognormal(2.3, 1.3), 1, min(MOST_TARGETS, subscribers // 2)))
        months, asks = int(rng.integers(1, 7)), _ASKS[int(rng.integers(len(_ASKS)))]
        # whoever wants the last known place asks until yesterday, the others until some day before
        last = columns.day_of(self.world.night) - (0 if asks == _LAST_PLACE else int(rng.integers(1, 15)))
        names = self._identities(rng.choice(subscribers, count, replace=False))
        filed = Filed(
            "a ministry in the replay", "ministry", asks, "line", count, columns.day_of(self.world.today),
            issuer="a director", issuer_title="director", reference=f"{int(rng.integers(1, 10_000))}/2021",
            basis=(BASIS,), purpose="public interest" if rng.random() < 0.5 else "",
            dated=columns.day_of(self.world.today), begins=last - months * MONTH + 1, ends=last,
        )  # fmt: skip
        return Drawn(filed, Order(names, filed.begins, filed.ends))

    def _identities(self, places: Ints) -> list[str]:
        book = self.world.operator.population.msisdn
        return [f"tel:{book[int(place)].as_py()}" for place in places]

    def _busiest(self, places: Ints) -> int:
        shares = np.diff(self.world.operator.population.activity, prepend=0.0)
        return int(places[np.argmax(shares[places])])
