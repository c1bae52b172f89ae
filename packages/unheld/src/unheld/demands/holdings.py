"""What the store really holds of what a demand asks for: from its policy and its journal, without any key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from unheld import assembly
from unheld.assembly import Deployment
from unheld.demands.model import UNKNOWN, Held, Span
from unheld_branch.store import journal
from unheld_branch.store.database import Database
from unheld_branch.store.journal import Catalog
from unheld_branch.store.policy import Policy
from unheld_slots.slot import open_slot
from unheld_verify import columns
from unheld_verify.columns import EventColumn
from unheld_verify.errors import UnheldError

# Which classes of facts a demand is for. What is not here is never held: the content of calls, and what is to come.
CLASSES_OF = {"registry": ("identity",), "traffic": ("charge", "contact"), "location": ("place",)}
_NO_STORE = "there is no store here any more"


@dataclass(frozen=True)
class Books:
    """A store's journal as it was read once, for any number of demands. Where there is no store, `catalog` is None."""

    policy: Policy
    today: int
    slot: str
    catalog: Catalog | None = None
    readable: frozenset[EventColumn] = frozenset()
    living: frozenset[EventColumn] = frozenset()
    sealed: frozenset[EventColumn] = frozenset()

    def of(self, asks: Iterable[str], begins: int, ends: int) -> Held:
        """What is held of these asks in a window; a side of it that is unknown reaches as far as the store does."""
        first = self.policy.created // 86_400 if begins == UNKNOWN else begins
        last = max(self.today, first) if ends == UNKNOWN else ends
        days = range(min(first, last), last + 1)
        spans = [span for ask in asks for cls in CLASSES_OF.get(ask, (ask,)) for span in self._spans(cls, days)]
        parked = len(self.catalog.waiting()) if self.catalog and set(asks) & set(CLASSES_OF) else 0
        return Held(
            self.today, tuple(spans), self.policy.t, self.policy.n, self.slot,
            str(self.policy.document()["release"]), self.policy.digest.hex(), parked,
        )  # fmt: skip

    def _spans(self, cls: str, days: range) -> Iterator[Span]:
        if cls not in columns.CLASSES:
            yield Span(cls, "never-held", days[0], days[-1])
            return
        for state, part in groupby(days, lambda day: self._state(cls, day)):
            found = list(part)
            gone = columns.due(cls, _event_day(cls, found[-1]), self.policy.lifetimes) if state == "lapsed" else UNKNOWN
            yield Span(cls, state, found[0], found[-1], gone)

    def _state(self, cls: str, day: int) -> str:
        """The state of the column that holds this class of a day."""
        if self.catalog is None:
            return "no-store"
        pair = (cls, _event_day(cls, day))
        if pair in self.living:
            over = columns.due(*pair, self.policy.lifetimes) <= self.today
            return "due" if over else "open" if pair in self.readable else "closed"
        if pair in self.catalog.erased:
            return "erased"
        if pair in self.catalog.lapsed:
            return "lapsed"
        return "erased" if pair in self.sealed else "never-sealed"


def read(deployment: Deployment) -> Books:
    """The books of a deployment as they are now. Raises NoStoreError where not even headquarters' copy is left."""
    policy, today = deployment.policy(), assembly.clock().now() // 86_400
    if not deployment.has_store:
        return Books(policy, today, _NO_STORE)
    catalog = _catalog(deployment.root, policy)
    opened = catalog.open_day.number if catalog.open_day else UNKNOWN
    live = [file.column for file in catalog.live_files()]
    batches = [batch for batch in catalog.batches.values() if batch.state != "replaced"]
    return Books(
        policy, today, _slot_words(deployment), catalog,
        frozenset((column.cls, column.event_day) for column in live if column.sealing_day == opened),
        frozenset((column.cls, column.event_day) for column in live),
        frozenset((file.column.cls, file.column.event_day) for batch in batches for file in batch.files),
    )  # fmt: skip


def _event_day(cls: str, day: int) -> int:
    return columns.month_start(day) if cls == "identity" else day


def _catalog(folder: Path, policy: Policy) -> Catalog:
    database = Database.open(folder)
    try:
        return journal.fold(policy, database.journal())
    finally:
        database.disconnect()


def _slot_words(deployment: Deployment) -> str:
    """The class of the root slot. Where it cannot be opened nothing of the store can, and its own words say so."""
    try:
        return open_slot(deployment.places().slot("root")).words()
    except UnheldError as error:
        return str(error)
