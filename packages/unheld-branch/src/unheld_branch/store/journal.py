"""The journal and the catalog folded from it (`docs/spec/journal.md`): pure, bytes in and values out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unheld_branch.store import files, policy
from unheld_branch.store.files import ColumnFile
from unheld_branch.store.policy import Policy
from unheld_verify import canonical, columns, crypto, formats, plan
from unheld_verify.errors import BadInputError, NewerError, VerificationError

Entry = Mapping[str, Any]


def first_head(genesis: Policy) -> bytes:
    """head(0): binds a journal to its genesis document."""
    return crypto.sha256(b"unheld/v1/journal", genesis.digest)


def next_head(head: bytes, entry: bytes) -> bytes:
    """head(g) from head(g-1) and the bytes of entry g."""
    return crypto.sha256(b"\x01", head, crypto.sha256(entry))


@dataclass(frozen=True)
class Batch:
    """A delivery that was sealed while its day was open. `state` is open, replaced, closed or forgotten."""

    id: bytes
    day: int
    records: int
    files: tuple[ColumnFile, ...]
    digests: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class Day:
    """A sealing day: open, closed or forgotten, its custodian set, and the files that hold it once closed.

    `corroborated`: whether every component of its keys came from two custodians at least, where there are two.
    """

    number: int
    set_number: int
    state: str
    checks: Mapping[str, str]
    files: tuple[ColumnFile, ...] = ()
    corroborated: bool = True


@dataclass(frozen=True)
class Parked:
    """A parked batch. `state` is parked, unparked, lapsed or forgotten."""

    batch: bytes
    reason: str
    period: int
    path: str
    sha256: str
    records: int
    digests: tuple[str, ...]
    state: str


@dataclass
class Catalog:
    """What a store holds, as its journal tells it. `format` is its version as a whole (`docs/spec/versions.md`)."""

    policy: Policy
    format: int = 1
    generation: int = 0
    head: bytes = b""
    days: dict[int, Day] = field(default_factory=dict)
    batches: dict[bytes, Batch] = field(default_factory=dict)
    parked: dict[bytes, Parked] = field(default_factory=dict)
    lapsed: set[tuple[str, int]] = field(default_factory=set)
    erased: set[tuple[str, int]] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    row_files: set[int] = field(default_factory=set)
    sets: dict[int, str] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)
    released: dict[int, int] = field(default_factory=dict)
    promoted: set[int] = field(default_factory=set)
    erasures: int = 0
    at: int = 0

    @property
    def open_day(self) -> Day | None:
        """The day that is open, if one is."""
        return next((day for day in self.days.values() if day.state == "open"), None)

    def open_batches(self) -> list[Batch]:
        """Batches of the open day that stand."""
        return [batch for batch in self.batches.values() if batch.state == "open"]

    def live_files(self) -> list[ColumnFile]:
        """Every column file that should be in the store now."""
        closed = [file for day in self.days.values() for file in day.files]
        opened = [file for batch in self.open_batches() for file in batch.files]
        return [file for file in closed + opened if not self.is_gone(file.column.cls, file.column.event_day)]

    def known_digests(self) -> dict[str, bytes]:
        """Keyed digests of the files taken in, and the batch that has them."""
        taken = {
            digest: batch.id for batch in self.batches.values() if batch.state != "replaced" for digest in batch.digests
        }
        return taken | {digest: parked.batch for parked in self.parked.values() for digest in parked.digests}

    def waiting(self) -> list[Parked]:
        """Parked batches that can still be opened."""
        return [parked for parked in self.parked.values() if parked.state == "parked"]

    def is_gone(self, cls: str, event_day: int) -> bool:
        """Whether the keys of this class of an event day were dropped, by the calendar or by an erasure."""
        return (cls, event_day) in self.lapsed or (cls, event_day) in self.erased


def fold(genesis: Policy, rows: Iterable[tuple[int, bytes, bytes]]) -> Catalog:
    """The catalog of a journal. Raises VerificationError where the chain or an entry does not follow."""
    catalog = Catalog(genesis, head=first_head(genesis))
    for generation, entry, head in rows:
        if generation != catalog.generation + 1:
            raise VerificationError(f"journal: entry {catalog.generation + 1} is missing (found {generation})")
        expected = next_head(catalog.head, entry)
        if expected != head:
            raise VerificationError(f"journal: entry {generation} was altered; its head does not follow from the last")
        try:
            apply(catalog, canonical.decode(entry))
        except NewerError:
            raise
        except (BadInputError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError(
                f"journal: entry {generation} has other fields or values than this version writes ({error!r}); "
                "restore the catalog from a copy"
            ) from None
        catalog.generation, catalog.head = generation, head
    return catalog


def apply(catalog: Catalog, entry: Entry) -> None:
    """Take the entry that follows into the catalog."""
    kind = entry.get("kind")
    formats.check_json("journal", entry, f"journal, generation {catalog.generation + 1}")
    if entry.get("v") != 1 or kind not in _APPLY:
        raise formats.newer("journal", f"unknown here (kind {kind!r})", f"journal, generation {catalog.generation + 1}")
    _APPLY[kind](catalog, entry)
    catalog.at = entry.get("at", catalog.at)
    if entry.get("rows"):
        catalog.row_files.add(catalog.generation + 1)


def _genesis(catalog: Catalog, entry: Entry) -> None:
    if policy.from_document(entry["policy"]) != catalog.policy:
        raise VerificationError("journal: its genesis names another policy than this store's genesis document")
    catalog.format = formats.known("store", entry.get("format", 1), "journal")


def _upgrade(catalog: Catalog, entry: Entry) -> None:
    catalog.format = formats.known("store", entry["to"], "journal")
    catalog.applied.add(entry["plan"])


def _open(catalog: Catalog, entry: Entry) -> None:
    number = columns.day_number(entry["day"])
    catalog.days[number] = Day(number, entry["set"], "open", entry["checks"], (), entry.get("corroborated", True))


def _batch(catalog: Catalog, entry: Entry) -> None:
    number = columns.day_number(entry["day"])
    listed = tuple(files.from_entry(item, number) for item in entry["files"])
    id_ = bytes.fromhex(entry["batch"])
    if entry["replaces"]:
        _set_state(catalog, bytes.fromhex(entry["replaces"]), "replaced")
    catalog.batches[id_] = Batch(id_, number, entry["records"], listed, tuple(entry["digests"]), "open")
    if entry["unparks"]:
        _end_parked(catalog, bytes.fromhex(entry["unparks"]), "unparked")
    for parked in entry["parked"]:
        _parked(catalog, parked)
    for reason, count in entry["counts"].items():
        catalog.counts[reason] = catalog.counts.get(reason, 0) + count


def _close(catalog: Catalog, entry: Entry) -> None:
    number = columns.day_number(entry["day"])
    day = catalog.days[number]
    listed = tuple(files.from_entry(item, number) for item in entry["files"])
    catalog.days[number] = replace(day, state="closed", files=listed)
    for batch in entry["merged"]:
        _set_state(catalog, bytes.fromhex(batch), "closed")


def _set_state(catalog: Catalog, id_: bytes, state: str) -> None:
    catalog.batches[id_] = replace(catalog.batches[id_], state=state)


def _parked(catalog: Catalog, entry: Entry) -> None:
    id_ = bytes.fromhex(entry["batch"])
    catalog.parked[id_] = Parked(
        id_, entry["reason"], entry["period"], entry["path"], entry["sha256"], entry["records"],
        tuple(entry["digests"]), "parked",
    )  # fmt: skip


def _end_parked(catalog: Catalog, id_: bytes, state: str) -> None:
    old = catalog.parked[id_]
    catalog.parked[id_] = replace(old, state=state)


def _rows(_catalog: Catalog, _entry: Entry) -> None:
    """Rows without records: the catalog does not count parties, the root node does."""


def _custodians(catalog: Catalog, entry: Entry) -> None:
    catalog.sets[entry["set"]] = entry["transcript"]


def _erase(catalog: Catalog, entry: Entry) -> None:
    catalog.erasures += 1
    catalog.applied.update([entry["plan"]] if "plan" in entry else [])
    if entry["act"] == "everything":
        _everything(catalog)
    elif entry["act"] in {"day", "class"}:
        event_day = columns.day_number(entry["event_day"])
        catalog.erased |= set(plan.erased_columns(entry["act"], event_day, entry.get("class", "")))


def _everything(catalog: Catalog) -> None:
    for number, day in catalog.days.items():
        catalog.days[number] = replace(day, state="forgotten", files=())
    for id_ in list(catalog.batches):
        _set_state(catalog, id_, "forgotten")
    for id_ in [id_ for id_, parked in catalog.parked.items() if parked.state == "parked"]:
        _end_parked(catalog, id_, "forgotten")


def _copy_released(catalog: Catalog, entry: Entry) -> None:
    catalog.released[entry["copy"]] = catalog.generation + 1


def _return(catalog: Catalog, entry: Entry) -> None:
    catalog.released.pop(entry["copy"], None)


def _promote(catalog: Catalog, entry: Entry) -> None:
    """A copy is the store from here on: it is no copy any more, and nobody waits for it as one."""
    catalog.promoted.add(entry["copy"])
    catalog.released.pop(entry["copy"], None)


def _lapse(catalog: Catalog, entry: Entry) -> None:
    catalog.lapsed |= {(cls, columns.day_number(day)) for cls, day in entry["columns"]}
    for batch in entry["parked"]:
        _end_parked(catalog, bytes.fromhex(batch), "lapsed")


_APPLY: dict[str, Callable[[Catalog, Entry], None]] = {
    "genesis": _genesis,
    "rows": _rows,
    "open": _open,
    "batch": _batch,
    "close": _close,
    "parked": _parked,
    "erase": _erase,
    "lapse": _lapse,
    "custodians": _custodians,
    "release": _copy_released,
    "return": _return,
    "promote": _promote,
    "upgrade": _upgrade,
}
