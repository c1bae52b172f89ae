"""A plain model of a store: who holds which identity, what was sealed of whom, and what may still open.

It has dictionaries where the store has trees, keys and files, follows the store's journal entry by entry, and says
what must open, what may, and what never again. Nothing of it is shared with the code under test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

CLASSES = ("charge", "contact", "place")
Pair = tuple[str, int]
Mark = tuple[str, int, int]
"""Class, event day, and second of that day: no two records of a history share the last two."""


@dataclass(eq=False)
class Party:
    """Who has a key. Everybody in `kin` is one holder under several subscriber keys, and is forgotten together."""

    alive: bool = True
    kin: list[Party] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kin = self.kin or [self]


@dataclass
class Row:
    """That a party holds an identity since a second, under a holder's name and a subscriber key where known."""

    party: Party
    since: int = 0
    holder: str | None = None
    public: str | None = None


@dataclass
class Tree:
    """Rows by identity and by the second at which the holding ended (0 for the present holder)."""

    rows: dict[tuple[str, int], Row] = field(default_factory=dict)

    def held(self, identity: str, when: int) -> Row | None:
        """The row of whoever held it at a second; the path goes from holder to holder."""
        row = self.rows.get((identity, 0))
        while row is not None and row.since > when:
            row = self.rows.get((identity, row.since))
        return row

    def drop(self, parties: Iterable[Party]) -> None:
        """No row of these is left."""
        gone = [party for one in parties for party in one.kin]
        for party in gone:
            party.alive = False
        self.rows = {place: row for place, row in self.rows.items() if row.party not in gone}


@dataclass(frozen=True)
class Event:
    """One record, as it is delivered: whose (a number, or a SIM where `sim`), when, whom it names."""

    owner: str
    day: int
    second: int
    to: str | None = None
    sim: bool = False

    @property
    def identity(self) -> str:
        """Whose record it is."""
        return ("imsi:" if self.sim else "tel:") + self.owner

    @property
    def at(self) -> int:
        """Unix second."""
        return self.day * 86_400 + self.second


@dataclass(frozen=True)
class Line:
    """One line of a registry. `mark` is an IMEI that no other line has."""

    number: str
    sim: str | None
    holder: str
    since: int
    mark: str
    public: str | None = None


@dataclass
class Sealed:
    """A record in the store: of which party, about which, in which classes; `fact` is an identity fact's mark."""

    party: Party
    day: int
    second: int
    pairs: set[Pair]
    event: Event | None = None
    other: Party | None = None
    fact: str = ""


@dataclass
class Batch:
    """A delivery: sealing day, what is in it, which file it came from, and open, closed, replaced, or forgotten.

    A stray one was written to the disk by a process that died before its commit.
    """

    day: int
    sealed: list[Sealed]
    content: int
    state: str = "open"
    stray: bool = False


@dataclass
class Waiting:
    """A parked batch: its records, when its keys end, and whether it waits, was opened, lapsed or was forgotten."""

    events: tuple[Event, ...]
    due: int
    content: int
    state: str = "parked"
    reason: str = "outage"


@dataclass
class Model:
    """What a store should hold. Clocks are told by the caller."""

    lifetimes: Mapping[str, int]
    late_days: int
    trees: dict[int, Tree] = field(default_factory=lambda: {0: Tree()})
    days: dict[int, str] = field(default_factory=dict)
    keys: set[Pair] = field(default_factory=set)
    batches: dict[str, Batch] = field(default_factory=dict)
    files: dict[int, set[Pair]] = field(default_factory=dict)
    parked: dict[str, Waiting] = field(default_factory=dict)
    dedup: set[int] = field(default_factory=set)
    taken: list[tuple[int, int, str]] = field(default_factory=list)
    erased: set[Pair] = field(default_factory=set)
    lapsed: set[Pair] = field(default_factory=set)
    said: Counter[str] = field(default_factory=Counter)
    erasures: int = 0
    plans: int = 0
    seen: int = 0
    swept: int = 0
    ended: int = 0
    doubtful: set[Pair] = field(default_factory=set)
    all_doubtful: bool = False

    # --- reading

    @property
    def open_day(self) -> int | None:
        """The day that is open."""
        return next((day for day, state in self.days.items() if state == "open"), None)

    def due(self, pair: Pair) -> int:
        """The day at whose start a column ends."""
        return pair[1] + self.lifetimes[pair[0]]

    def window(self, day: int) -> set[Pair]:
        """What a day seals into."""
        pairs = {(cls, d) for cls in CLASSES for d in range(day - self.late_days, day + 1)}
        return {pair for pair in {*pairs, ("identity", month_start(day))} if self.due(pair) > day} - self.erased

    def live_files(self) -> dict[int, set[Pair]]:
        """Columns by sealing day of which the store should have a file."""
        found = {day: set(pairs) for day, pairs in self.files.items()}
        for batch in self.batches.values():
            if batch.state == "open" and not batch.stray:
                found.setdefault(batch.day, set()).update(*(one.pairs for one in batch.sealed))
        gone = self.erased | self.lapsed
        return {day: pairs - gone for day, pairs in found.items() if pairs - gone}

    def must_open(self, batch: Batch, one: Sealed) -> set[Pair]:
        """In which classes a record opens by the rules."""
        if batch.stray or batch.state not in ("open", "closed") or not one.party.alive or self.all_doubtful:
            return set()
        return {pair for pair in one.pairs - self.erased - self.lapsed - self.doubtful if self.due(pair) > self.seen}

    def may_open(self, one: Sealed) -> set[Pair]:
        """In which classes a record may open for somebody who has everything that was ever written."""
        return {pair for pair in one.pairs - self.erased if one.party.alive and self.due(pair) > self.swept}

    def everything(self) -> Iterator[tuple[Batch, Sealed]]:
        """Every record that was ever sealed."""
        for batch in self.batches.values():
            for one in batch.sealed:
                yield batch, one

    def known(self, content: int, today: int, replaces: str = "", since: int = 0) -> bool:
        """Whether a file was taken in within the late window, other than by the batch that it is to replace."""
        keys = self._keys_on(today)
        for other, day, name in self.taken:
            if other == content and day in keys and name != replaces:
                batch = self.batches.get(name)
                if batch is None or (batch.state != "replaced" and batch.day >= since):
                    return True
        return False

    def fits(self, events: Sequence[Event], day: int) -> bool:
        """Whether a day takes this file: one record in a hundred may be too late, or of a day to come."""
        return not any(self._astray(event, day) for event in events)

    def _astray(self, event: Event, day: int) -> bool:
        old = event.day + max(self.lifetimes[cls] for cls in CLASSES) <= day
        return event.day > day or (event.day < day - self.late_days and not old)

    # --- who holds what

    def owners(
        self, events: Sequence[Event], day: int, *, make: bool = True
    ) -> list[tuple[Event, Party, Party | None]]:
        """Whose each record is and whom it names; strangers get a row, unless `make` is off and nothing changes."""
        month = month_of(day)
        owned = [(event, self._party(event.identity, event.at, month, "owner" if make else "")) for event in events]
        found = []
        for event, party in owned:
            if party is not None:
                name = f"tel:{event.to}"
                other = None if event.to is None else self._party(name, event.at, month, "named" if make else "")
                found.append((event, party, other))
        return found

    def _party(self, identity: str, when: int, month: int, role: str) -> Party | None:
        numbers = [number for number in (0, month) if number in self.trees]
        present = any((identity, 0) in self.trees[number].rows for number in numbers)
        if not present and role:
            home = month if role == "named" or identity.startswith("imsi:") else 0
            return self._make(home, identity)
        for number in numbers:
            if (row := self.trees[number].held(identity, when)) is not None:
                return row.party
        return self._make(month, identity) if role == "named" else None

    def _make(self, number: int, identity: str) -> Party:
        row = Row(Party())
        self.trees.setdefault(number, Tree()).rows[identity, 0] = row
        return row.party

    def register(self, line: Line, now: int) -> Party | None:
        """Take a line of the registry; who it describes, or None where it tells of an earlier holder."""
        rows, name = self.trees[0].rows, f"tel:{line.number}"
        present = rows.get((name, 0))
        if present is None:
            self._end(line, line.since)
            self._begin(line, line.since)
        elif present.holder not in (None, line.holder):
            if line.since <= present.since:
                return None
            self._end(line, line.since)
            self._begin(line, line.since)
        else:
            self._same(line, present, now)
        return rows[name, 0].party

    def refuses(self, line: Line) -> bool:
        """Whether a change of holder would end somebody before having begun."""
        present = self.trees[0].rows.get((f"tel:{line.number}", 0))
        if present is None or present.holder in (None, line.holder) or line.since <= present.since:
            return False
        sim = self._free(line)
        held = self.trees[0].rows.get((sim, 0)) if sim else None
        return held is not None and held.since >= line.since

    def _begin(self, line: Line, since: int, kin: Party | None = None) -> None:
        party = Party() if kin is None else Party(kin=kin.kin)
        if kin is not None:
            kin.kin.append(party)
        sim = self._free(line)
        self.trees[0].rows[f"tel:{line.number}", 0] = Row(party, since, line.holder, line.public)
        if sim is not None:
            self.trees[0].rows[sim, 0] = Row(party, since)

    def _end(self, line: Line, second: int) -> None:
        for name in (f"tel:{line.number}", self._free(line)):
            if name is not None and (name, 0) in self.trees[0].rows:
                self.trees[0].rows[name, second] = self.trees[0].rows.pop((name, 0))

    def _free(self, line: Line) -> str | None:
        """The line's SIM, unless it is another number's; one whose number was given up is nobody's."""
        if line.sim is None:
            return None
        row, owner = (self.trees[0].rows.get((name, 0)) for name in (f"imsi:{line.sim}", f"tel:{line.number}"))
        own = row is None or (owner is not None and row.party in owner.party.kin)
        left = row is not None and row.since < line.since and not self._numbered(row.party)
        return f"imsi:{line.sim}" if own or left else None

    def _numbered(self, party: Party) -> bool:
        """Whether a holder has a number at present."""
        rows = self.trees[0].rows.items()
        return any(name[:4] == "tel:" and not ended and row.party in party.kin for (name, ended), row in rows)

    def _same(self, line: Line, present: Row, now: int) -> None:
        if present.holder is None:
            present.holder, present.since = line.holder, max(present.since, line.since)
        if line.public is not None and line.public != present.public:
            since = max(now, present.since + 1, line.since + 1)
            self._end(line, since)
            self._begin(line, since, present.party)
            return
        sim = self._free(line)
        held = self.trees[0].rows.get((sim, 0)) if sim else None
        if sim is None or (held is not None and held.party is present.party):
            return
        since = line.since
        if held is not None:
            since = max(now, line.since + 1)
            self.trees[0].rows[sim, since] = self.trees[0].rows.pop((sim, 0))
        self.trees[0].rows[sim, 0] = Row(present.party, since)

    # --- what happened: one entry of the journal each

    def opened(self, entry: Mapping[str, Any], today: int) -> None:
        """A day opened."""
        day = number(entry["day"])
        self._key_of(today)
        self.days[day] = "open"
        self.keys = self.window(day)
        self.said["open"] += 1

    def _key_of(self, today: int) -> None:
        self.dedup = self._keys_on(today)

    def _keys_on(self, today: int) -> set[int]:
        """The days of which there is a key for file digests, once there is one of today: a new one ends old ones."""
        if today in self.dedup:
            return self.dedup
        held = today if self.open_day is None else self.open_day
        return {day for day in self.dedup if day >= min(today, held) - self.late_days} | {today}

    def rows(self, entry: Mapping[str, Any], today: int) -> None:
        """A key for file digests, or rows ahead of their records."""
        self._key_of(today)
        self.said["batch"] += bool(entry["rows"])

    def batch(self, entry: Mapping[str, Any], content: int, delivered: Sequence[Event] | Line, now: int) -> None:
        """A delivery was taken in."""
        day = number(entry["day"])
        if entry["replaces"]:
            self.batches[entry["replaces"]].state = "replaced"
        if entry["unparks"]:
            self.parked[entry["unparks"]].state = "unparked"
        sealed = self._facts(delivered, day, now) if isinstance(delivered, Line) else self.seal(delivered, day)
        self.batches[entry["batch"]] = Batch(day, sealed, content)
        if not entry["unparks"]:
            self.taken.append((content, self._digested(now // 86_400), entry["batch"]))
        for parked in entry["parked"]:
            self.parked[parked["batch"]] = Waiting((), now // 86_400 + 7, 0, reason="quarantine")
        self.said["batch"] += 1

    def _digested(self, today: int) -> int:
        return max(day for day in self.dedup if day <= today)

    def stray(self, delivered: Sequence[Event] | Line, day: int) -> None:
        """A delivery that may have been written, and was not committed."""
        if isinstance(delivered, Line):
            row, pair = self.trees[0].rows.get((f"tel:{delivered.number}", 0)), ("identity", month_start(day))
            sealed = [Sealed(row.party, pair[1], 0, {pair}, fact=delivered.mark)] if row is not None else []
        else:
            sealed = self.seal(delivered, day, make=False)
        self.batches[f"stray {len(self.batches)}"] = Batch(day, sealed, 0, stray=True)

    def seal(self, events: Sequence[Event], day: int, *, make: bool = True) -> list[Sealed]:
        """What an open day keeps of these."""
        kept = [
            event for event in events
            if event.day in range(day - self.late_days, day + 1)
            and event.day + max(self.lifetimes[cls] for cls in CLASSES) > day
        ]  # fmt: skip
        found = []
        for event, party, other in self.owners(kept, day, make=make):
            pairs = {(cls, event.day) for cls in CLASSES} & self.keys
            found.append(Sealed(party, event.day, event.second, pairs, event, other))
        return found

    def _facts(self, line: Line, day: int, now: int) -> list[Sealed]:
        party, pair = self.register(line, now), ("identity", month_start(day))
        return [Sealed(party, pair[1], 0, {pair} & self.keys, fact=line.mark)] if party is not None else []

    def closed(self, entry: Mapping[str, Any]) -> None:
        """A day closed: what is nobody's any more was not merged."""
        day = number(entry["day"])
        self.days[day] = "closed"
        open_batches = [batch for batch in self.batches.values() if batch.state == "open" and not batch.stray]
        self.files[day] = set()
        for batch in open_batches:
            batch.state = "closed"
            self.files[day] |= {pair for one in batch.sealed if one.party.alive for pair in one.pairs & self.keys}
        self.keys = set()
        self.said["close"] += 1

    def park(self, entry: Mapping[str, Any], events: Sequence[Event], content: int, due: int, today: int) -> None:
        """A file was parked."""
        self.parked[entry["batch"]] = Waiting(tuple(events), due, content)
        self.taken.append((content, self._digested(today), entry["batch"]))
        self.said["parked"] += 1

    def erase(self, entry: Mapping[str, Any], targets: Mapping[int, Sequence[tuple[str, int, Party]]]) -> None:
        """A plan was applied: parties (by tree, each with where its row stood), a day or class, or everyone."""
        self.erasures += 1
        self.plans += 1
        act = entry["act"]
        self.said["erase-parties" if act in ("party", "parties") else f"erase-{act}"] += 1
        if act == "everything":
            self._forget_everyone()
        elif act in ("day", "class"):
            day = number(entry["event_day"])
            pairs = {(entry["class"], day)} if act == "class" else {(cls, day) for cls in CLASSES}
            self.erased |= pairs
            self.keys -= pairs
        else:
            for tree, named in targets.items():
                if tree in self.trees:
                    rows = self.trees[tree].rows
                    held = [(rows.get((name, ended)), party) for name, ended, party in named]
                    there = [party for row, party in held if row is not None and row.party is party]
                    self.trees[tree].drop(there)

    def _forget_everyone(self) -> None:
        for tree in self.trees.values():
            tree.drop([row.party for row in tree.rows.values()])
        for batch in self.batches.values():
            batch.state = "forgotten"
            for one in batch.sealed:
                one.party.alive = False
        for waiting in self.parked.values():
            waiting.state = "forgotten" if waiting.state == "parked" else waiting.state
        self.days = dict.fromkeys(self.days, "forgotten")
        self.trees, self.files, self.keys, self.dedup, self.taken = {0: Tree()}, {}, set(), set(), []

    def lapse(self, entry: Mapping[str, Any]) -> None:
        """What was due went."""
        self.lapsed |= {(cls, number(day)) for cls, day in entry["columns"]}
        for name in entry["trees"]:
            tree = self.trees.pop(name)
            tree.drop([row.party for row in tree.rows.values()])
        for name in entry["parked"]:
            self.parked[name].state = "lapsed"
        self.said["lapse"] += bool(entry["columns"])

    def due_columns(self, today: int) -> set[Pair]:
        """Columns with a file that are due."""
        return {pair for pairs in self.live_files().values() for pair in pairs if self.due(pair) <= today}

    def due_trees(self, today: int) -> set[int]:
        """Months of other parties that no living column needs."""
        staying = {
            month_of(day) for day, pairs in self.live_files().items() if any(self.due(pair) > today for pair in pairs)
        }
        return self.trees.keys() - staying - {0, month_of(today)}

    def prune(self, now: int) -> None:
        """Holders whose time ended longer ago than anything lives, but who still has a SIM of that time."""
        before = now - (max(self.lifetimes.values()) + self.late_days) * 86_400
        rows = self.trees[0].rows
        late = {place: row for place, row in rows.items() if 0 < place[1] < before}
        going_on = [row.party for place, row in rows.items() if place not in late]
        staying = [one for row in late.values() if row.party in going_on for one in row.party.kin]
        for place, row in late.items():
            if row.party not in staying:
                del rows[place]
                row.party.alive = False


def number(day: str) -> int:
    """Days since 1970."""
    return (date.fromisoformat(day) - date(1970, 1, 1)).days


def month_start(day: int) -> int:
    """The first day of its month."""
    return day - date.fromordinal(day + 719_163).day + 1


def month_of(day: int) -> int:
    """As yyyymm."""
    when = date.fromordinal(day + 719_163)
    return when.year * 100 + when.month
