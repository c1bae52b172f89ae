"""The machines of a simulation: custodians' with the real desk on a simulated disk, the branch's, headquarters'."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from unheld.testing.simclock import NodeClock
from unheld.testing.simdisk import Crash, Disk, MemorySlot
from unheld_branch.custody.client import Client, Remote, Stamp
from unheld_branch.keys.columns import DayKeys, agreeing, complete, corroborated, merge_pushes
from unheld_branch.store import parked, parkkeys
from unheld_custodian.desk import Desk
from unheld_custodian.kept import NAME, Kept
from unheld_custodian.state import State, Whole
from unheld_slots.sealed import SealedState
from unheld_verify import canonical, columns, crypto, grant, note
from unheld_verify.columns import Attestation, EventColumn, Push
from unheld_verify.errors import AwayError, StateError, UnheldError, VerificationError
from unheld_verify.grant import Grant
from unheld_verify.parked import ParkedHeader
from unheld_verify.roster import Roster
from unheld_verify.signed import Signed

Place = tuple[bytes, int]
Bend = Callable[["Machine", bytes], bytes | None]


@dataclass
class Machine:
    """A custodian's. `off`: it is switched off. `bend` answers in the place of an honest desk: a liar's."""

    index: int
    clock: NodeClock
    make: type[Desk] = Desk
    disk: Disk = field(default_factory=Disk)
    off: bool = False
    bend: Bend | None = None
    put_back: bool = False
    _desk: Desk | None = None

    @property
    def name(self) -> str:
        """As drafts name it."""
        return f"custodian {self.index + 1}"

    @property
    def honest(self) -> bool:
        """Whether it runs what was shipped."""
        return self.bend is None

    @property
    def is_down(self) -> bool:
        """Whether no process runs: nothing was asked since it began, or its power went."""
        return self._desk is None

    def create(self) -> None:
        """Lay down a memory that holds nothing."""
        self._desk = self.make.create(
            self.disk.folder(), MemorySlot(self.disk), self.name, self.clock.now, self.clock.monotonic
        )

    def handle(self, data: bytes) -> bytes | None:
        """What comes back over the line; None when the machine is off, cannot open its memory or loses its power."""
        if self.bend is not None and not self.off:
            return self.bend(self, data)
        return self.do(lambda desk: desk.handle(data))

    def do(self, act: Callable[[Desk], bytes | None]) -> bytes | None:
        """Let the desk do something; after a crash the next one is another process."""
        if self.off:
            return None
        try:
            if self._desk is None:
                self._desk = self.make.open(
                    self.disk.folder(), MemorySlot(self.disk), self.clock.now, self.clock.monotonic
                )
            return act(self._desk)
        except Crash:
            self._desk = None
        except UnheldError:
            return None
        return None

    def tick(self) -> None:
        """The minute's housekeeping."""
        self.do(_tick)

    def thaw(self) -> None:
        """The person ends their freeze."""

        def thawed(desk: Desk) -> None:
            desk.thaw()

        self.do(thawed)

    def restart(self) -> None:
        """Another process, with nothing but the disk."""
        self._desk = None

    def whole(self) -> Whole | None:
        """Its memory, or None when it does not open."""
        try:
            return self._desk._kept.whole if self._desk is not None else self.stored()
        except UnheldError:
            return None

    def stored(self) -> Whole | None:
        """Its memory as it is on the disk, or None when it does not open."""
        try:
            return Kept(SealedState(self.disk.folder(), NAME, MemorySlot(self.disk))).whole
        except UnheldError:
            return None

    def state(self, place: Place) -> State | None:
        """What it holds of a set."""
        whole = self.whole()
        return whole.sets.get(place) if whole else None

    def approve(self, words: Sequence[str] = (), refuses: bool = False) -> None:
        """The person there answers whatever waits, having heard these words: they approve no others."""

        def each(desk: Desk) -> None:
            for one in desk.requests():
                if not one.decision and (refuses or not one.words or one.words == tuple(words)):
                    desk.decide(one.id, approve=not refuses, said=" ".join(words))

        self.do(each)


def _tick(desk: Desk) -> None:
    desk.tick()


@dataclass
class Sealed:
    """What the branch remembers of a column that it sealed into: its keys' digest, if two sources agreed, the set."""

    digest: bytes
    corroborated: bool
    set: int


@dataclass
class Waiting:
    """A parked batch at the branch: the file, and what only the simulation knows is in it."""

    path: Path
    header: ParkedHeader
    records: bytes


@dataclass
class Branch:
    """The real client, merging of pushes and parking; of the store only which columns were sealed under which keys."""

    remote: Remote
    clock: NodeClock
    disk: Disk = field(default_factory=Disk)
    held: DayKeys | None = None
    corroborated: bool = False
    sealed: dict[tuple[EventColumn, int], Sealed] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    erased: set[EventColumn] = field(default_factory=set)
    issues: dict[tuple[int, int, int], int] = field(default_factory=dict)
    liars: Collection[int] = ()
    told: dict[int, set[int]] = field(default_factory=dict)
    accused: set[int] = field(default_factory=set)
    pushed: set[int] = field(default_factory=set)
    waiting: dict[bytes, Waiting] = field(default_factory=dict)
    back: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def roster(self) -> Roster:
        """The set it seals under today: the first, where its clock was set back to before that one begins."""
        return self.remote.set_of(max(self.clock.day, self.remote.clients[0].roster.draft.begins))

    @property
    def folder(self) -> Path:
        """Of its store."""
        return self.disk.folder("store")

    def expected(self, day: int) -> set[EventColumn]:
        """The columns that custodians should open: all that a day seals into, but for what was erased."""
        draft = self.roster.draft
        return set(columns.window(day, draft.late_days, draft.lifetimes)) - self.erased

    def open(self) -> str:
        """Open today; what came of it, in a word. What it raised is the word where it did not open."""
        today = self.clock.day
        if today in self.closed:
            return "closed before"
        if self.held is not None and self.held.day != today:
            self.close()
        try:
            pushes = self.remote.open_day(today)
            self.count(pushes)
            keys, twice = self.merged(pushes)
        except VerificationError:
            return "word against word"
        except UnheldError as error:
            return type(error).__name__
        if self.held is None:
            self.held, self.corroborated = keys, twice
        self.pushed = {push.index for push in pushes}
        return "open"

    def merged(self, pushes: Sequence[Push]) -> tuple[DayKeys, bool]:
        """The day's keys without liars', and whether two sources agreed on each. Raises VerificationError, StateError.

        As the branch's own opening does it: who leaves a column out is left out, where t others are left.
        """
        n, t, expected = self.roster.draft.n, self.roster.draft.t, self.expected(pushes[0].day)
        whole, lacking = complete(pushes, expected, t)
        agreed, liars = agreeing(whole, n, t)
        self.accused |= {*liars, *lacking}
        keys = merge_pushes(agreed, n, t).only(expected)
        if expected and not keys.keys:
            raise StateError("no column is opened by all")
        return keys, corroborated(agreed, n, t)

    def count(self, pushes: Sequence[Push]) -> None:
        """Every ask that was granted is another issue, and a custodian that says how many there were counts on."""
        for push in pushes:
            issue = int(canonical.decode(push.testimony.statement).get("issue", 0))
            name = (push.set, push.index, push.day)
            before = self.issues.get(name, 0)
            if push.index not in self.liars:
                assert issue > before, f"custodian {push.index} forgot that it handed out day {push.day} before"
            self.issues[name] = issue

    def seal(self) -> list[tuple[EventColumn, int]]:
        """Seal something into every column that is open; the columns."""
        if self.held is None:
            return []
        made = []
        for pair, keys in self.held.keys.items():
            name = (pair, self.held.day)
            found = Sealed(crypto.sha256(*keys), self.corroborated, self.held.set)
            before = self.sealed.setdefault(name, found)
            assert before.digest == found.digest, f"two different keys were accepted for {name}"
            made.append(name)
        return made

    def prepare(self) -> None:
        """Fetch the custodians' parking keys ahead."""
        parkings, _ = self.remote.park_publics()
        parkkeys.keep(self.folder, parkings)

    def park(self, records: bytes) -> bool:
        """Write something down that nobody here can read; whether the keys for it were fetched in time."""
        draft = self.roster.draft
        period = columns.park_period("outage", self.clock.day)
        try:
            publics = parkkeys.find(self.folder, self.roster, "outage", period)
        except StateError:
            return False
        batch = crypto.random_bytes(16)
        path = self.folder / f"{batch.hex()}.parked"
        header = parked.write_parked(
            path, [records], store=draft.store, batch=batch, reason="outage", period=period, set_number=draft.set,
            t=draft.t, publics=publics,
        )  # fmt: skip
        self.waiting[batch] = Waiting(path, header, records)
        return True

    def unpark(self, batch: bytes, power_goes: bool = False) -> str:
        """Open a parked batch into the day that is open; what came of it, in a word."""
        one = self.waiting[batch]
        try:
            shares = self.remote.open_parked(parked.read_header(one.path).encode())
            records = b"".join(parked.open_parked(one.path, shares))
        except UnheldError as error:
            return type(error).__name__
        if power_goes:
            return "lost its power"
        assert batch not in self.back, "what was parked came back twice"
        self.back[batch] = records
        self.unparked(batch)
        return "back"

    def unparked(self, batch: bytes) -> None:
        """Its records are sealed: it waits no more."""
        del self.waiting[batch]

    def give_up(self) -> None:
        """Wait no more for what nobody can open any more: the parking keys of its time have lapsed."""
        for batch, one in list(self.waiting.items()):
            if columns.park_due("outage", one.header.period, self.roster.draft.late_days) <= self.clock.day:
                del self.waiting[batch]

    def reboot(self) -> None:
        """The open day's keys are gone from here; the day is not over."""
        self.held = None

    def forget(self, pairs: Collection[EventColumn]) -> None:
        """Drop the keys of erased columns here too."""
        self.erased |= set(pairs)
        if self.held is not None:
            kept = {pair: keys for pair, keys in self.held.keys.items() if pair not in self.erased}
            self.held = replace(self.held, keys=kept)

    def close(self) -> None:
        """Drop today's keys, whoever answers, and tell the custodians."""
        if self.held is not None:
            day, self.held = self.held.day, None
            self.closed.add(day)
            self.tell(day)

    def tell(self, day: int) -> None:
        """Tell those who have not testified yet that a day is closed."""
        heard = self.remote.close_day(day)
        self.told.setdefault(day, set()).update(_who(heard.attested))


def _who(attested: Sequence[Attestation]) -> set[int]:
    return {canonical.decode(one.statement)["custodian"] for one in attested}


@dataclass
class Headquarters:
    """Its own line to the custodians of each set, and a subscriber who asks for their own folios through it."""

    clients: list[Client]
    clock: NodeClock
    subscriber: bytes
    salt: bytes = bytes(16)

    @property
    def label(self) -> bytes:
        """The subscriber's."""
        return grant.label(crypto.sign_public(self.subscriber), self.salt)

    def renew(self) -> None:
        """The subscriber was forgotten, and comes again under another key."""
        self.subscriber = crypto.random_bytes(32)

    def ask(self, index: int, act: str, body: Mapping[str, object] | None = None) -> str:
        """Ask one custodian, for each of its sets; words for what came of it."""
        return " ".join(_word(client, index, act, body) for client in self.clients)

    def retire(self) -> list[str]:
        """Ask those of all sets but the newest to make no more keys from the day on which the next one begins."""
        return [
            _word(client, index, "retire", {"from": columns.day_text(following.roster.draft.begins)})
            for client, following in pairwise(self.clients)
            for index in range(client.roster.draft.n)
        ]

    def grant(self, pairs: list[EventColumn], answer: bytes) -> Grant:
        """What the subscriber signs."""
        draft, now = self.clients[0].roster.draft, self.clock.now()
        listed = tuple(columns.in_order(set(pairs)))
        public = crypto.sign_public(self.subscriber)
        return Grant(draft.store, public, self.salt, listed, now - 3600, now + 86_400, crypto.random_bytes(16), answer)

    def values(self, pairs: list[EventColumn]) -> tuple[Signed, bytes, dict[tuple[int, int], bytes]]:
        """A grant, the private half of its answer key, and what custodians sealed for it, by (set, index)."""
        private, public = crypto.park_keypair()
        asked = self.grant(pairs, public).signed(self.subscriber)
        sealed: dict[tuple[int, int], bytes] = {}
        for client in self.clients:
            for index in range(client.roster.draft.n):
                with suppress(UnheldError):
                    body = client.ask(index, "evaluate", {"grant": asked.as_json()})
                    sealed[client.roster.draft.set, index] = note.base64_bytes(str(body.get("values")), "values")
        return asked, private, sealed


def _word(client: Client, index: int, act: str, body: Mapping[str, object] | None) -> str:
    try:
        client.ask(index, act, body)
    except UnheldError as error:
        return type(error).__name__
    return "done"


def attacker(roster: Roster, seed: bytes, role: str, clock: NodeClock, machines: Mapping[int, Machine]) -> Client:
    """Who has a stolen key and the line, and says of no custodian how old it is."""
    seen: MutableMapping[int, Stamp] = _Nothing()
    return Client(roster, Straight(machines), seed, role, clock.now, seen)


class _Nothing(dict[int, Stamp]):
    """Remembers no generation."""

    def __setitem__(self, index: int, stamp: Stamp) -> None:
        """Forget it."""


@dataclass(frozen=True)
class Straight:
    """A transport that loses nothing."""

    machines: Mapping[int, Machine]

    def call(self, index: int, data: bytes) -> bytes:
        """Deliver. Raises AwayError when the machine is off."""
        answer = self.machines[index].handle(data)
        if answer is None:
            raise AwayError(f"custodian {index} is off")
        return answer
