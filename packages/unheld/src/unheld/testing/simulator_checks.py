"""What must hold in every simulated history, checked after each event. Each method raises AssertionError in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from unheld.access import values
from unheld.access.messages import HeldFile
from unheld.testing.simclock import DAY, NodeClock, TrueTime
from unheld.testing.simnet import Weather
from unheld.testing.simulator_nodes import Branch, Machine
from unheld_custodian.acts import JUMP_SECONDS
from unheld_custodian.state import State, Whole, event_column, key_name
from unheld_slots.contract import Live
from unheld_verify import columns, custody, grant, parked, roster, signed
from unheld_verify.columns import Column, EventColumn
from unheld_verify.errors import WrongKeyError
from unheld_verify.parked import ParkedHeader
from unheld_verify.roster import Roster
from unheld_verify.signed import Signed

_ISSUES_LEFT = 1
_SLACK = 300


@dataclass
class Known:
    """What was last seen of a custodian of a set, how far ahead its clock has been since, and what is due first."""

    whole: Whole | None
    state: State
    error: float
    due: int = 0


@dataclass
class Promises:
    """Those of all sets together, and copies that somebody made of machines."""

    machines: Mapping[int, Machine]
    time: TrueTime
    sets: dict[int, Checks] = field(default_factory=dict)
    saved: dict[int, tuple[dict[str, bytes], list[Live]]] = field(default_factory=dict)
    seen: dict[int, Whole | None] = field(default_factory=dict)
    parked: dict[bytes, Parked] = field(default_factory=dict)
    steps: int = 0

    def begin(self, found: Roster, chains: Mapping[int, bytes]) -> None:
        """A set was founded, with these chains at its first day."""
        checks = Checks(self.machines, found, self.time, dict(chains))
        self.sets[found.draft.set] = checks
        for index, machine in self.machines.items():
            if machine.honest and (whole := machine.whole()) is not None:
                checks.step(index, whole)

    def step(self) -> None:
        """After an event: what every honest custodian holds now, against what it held."""
        for index, machine in self.machines.items():
            for checks in self.sets.values():
                checks.clock(index, machine.clock.error)
            machine.tick()
            if machine.is_down:  # the power went in this one
                machine.tick()
            whole = machine.whole()
            if not machine.honest or whole is None or whole is self.seen.get(index):
                continue
            self.steps += 1
            if self.steps % 8 == 0:
                assert machine.stored() == whole, f"custodian {index}: its memory is not what is on its disk"
            for checks in self.sets.values():
                checks.step(index, whole)
            self.seen[index] = whole

    def save(self, machine: Machine) -> None:
        """Somebody copies the machine: its files, and, as a snapshot does, its slot."""
        self.saved[machine.index] = (machine.disk.backup(), list(machine.disk.lives))

    def restore(self, machine: Machine, snapshot: bool) -> None:
        """Somebody puts the copy back, with the slot or without. At most n-t custodians ever: more is a disaster."""
        index, many = machine.index, [checks.dead | {machine.index} for checks in self.sets.values()]
        most = [checks.roster.draft.n - checks.roster.draft.t for checks in self.sets.values()]
        if index not in self.saved or not machine.honest or any(map(lambda a, b: len(a) > b, many, most)):
            return
        files, lives = self.saved[index]
        if lives == machine.disk.lives:
            return
        machine.disk.put_back(files, lives if snapshot else None)
        machine.restart()
        assert snapshot or machine.whole() is None, f"custodian {index}: a backup without its slot opened"
        for checks in self.sets.values():
            checks.restored(index)

    def evaluated(self, asked: Signed, private: bytes, sealed: Mapping[tuple[int, int], bytes], branch: Branch) -> None:
        """Values are the true ones, or said to be uncorroborated or disputed; a liar is named, or a pair with one."""
        places = {Column(*pair, day): one.set for (pair, day), one in branch.sealed.items()}
        files = tuple(HeldFile(column, number, bytes(16), 1) for column, number in places.items())
        read = values.read(sealed, asked, private, {one: checks.roster for one, checks in self.sets.items()}, files)
        label = grant.verified(asked).label
        for column, joined in read.columns.items():
            if joined.state is values.State.CHECKED:
                keys = self.sets[places[column]].true_keys((column.cls, column.event_day), column.sealing_day)
                assert joined.value == columns.evaluate(keys, label), f"a wrong value of {column} counts as checked"
        honest = {index for index, machine in self.machines.items() if machine.honest}
        assert not honest & {index for _, index in read.liars}, f"honest custodians are called liars: {read.liars}"
        assert all(not {one, other} <= honest for _, one, other in read.pairs), f"honest pairs disagree: {read.pairs}"

    def end(self, branch: Branch, gives: Gives) -> None:
        """At the end: what is over is over, also for an owner of the branch's keys; and what lives is held."""
        for checks in self.sets.values():
            checks.end(branch)
        self._parked_end(branch, gives)

    def unparked(self, batch: bytes, word: str, branch: Branch, fair: bool) -> None:
        """What was parked comes back as it was, when t custodians that are ready still have it to give."""
        if word == "back":
            assert branch.back[batch] == self.parked[batch].records, "what was parked came back as something else"
        one = self.parked[batch]
        checks = self.sets[one.set]
        t = checks.roster.draft.t
        could = [index for index in self.machines if checks.is_up(index, branch.clock) and checks.gives(index, one)]
        assert not fair or len(could) < t or word in ("back", "lost its power"), f"what was parked stays shut: {word}"

    def asked(self, batch: bytes, before: Mapping[int, bool]) -> None:
        """Nobody gave a part of a batch while fewer than t might: what is given is given for a day."""
        checks = self.sets[self.parked[batch].set]
        gave = [one for one, ever in before.items() if not ever and checks.first_opened(one, batch) is not None]
        assert len(before) >= checks.roster.draft.t or not gave, f"custodians {gave} gave a part that opens nothing"

    def might(self, batch: bytes, weather: Weather) -> dict[int, bool]:
        """The custodians that may give their shares of a batch now, and whether they ever did."""
        one = self.parked[batch]
        checks = self.sets[one.set]
        reached = [] if weather.all_cut else [index for index in self.machines if index not in weather.cut]
        some = [index for index in reached if not self.machines[index].off and checks.gives(index, one)]
        return {index: checks.first_opened(index, batch) is not None for index in some}

    def _parked_end(self, branch: Branch, gives: Gives) -> None:
        for batch, one in self.parked.items():
            checks = self.sets[one.set]
            if batch not in branch.back:
                over = columns.park_due("outage", one.period, checks.roster.draft.late_days) <= branch.clock.day
                assert batch in branch.waiting or over, "what was parked is nowhere"
                continue
            for index in filter(checks.sound, self.machines):
                first = checks.first_opened(index, batch)
                if first is not None and self.machines[index].clock.now() > first + DAY + _SLACK:
                    assert not gives(one, index), f"custodian {index}: what was parked opens again, a day later"


@dataclass
class Making:
    """The promises while sets are made: everything that honest custodians ever said, and what they hold of it."""

    machines: Mapping[int, Machine]
    confirmed: dict[bytes, set[int]] = field(default_factory=dict)
    dealt: dict[tuple[int, str], bytes] = field(default_factory=dict)
    chains: dict[tuple[bytes, int], bytes] = field(default_factory=dict)

    def heard(self, index: int, answer: bytes | None) -> None:
        """Something left a custodian's machine."""
        if answer is None or not answer.startswith(b'{"document"'):
            return
        said = signed.decode(answer)
        if said.kind == "confirm":
            self.confirmed.setdefault(bytes.fromhex(said.document["transcript"]), set()).add(index)
        if said.kind == "deal" and self.machines[index].honest and not self.machines[index].put_back:
            before = self.dealt.setdefault((index, said.document["number"]), said.digest)
            assert before == said.digest, f"custodian {index} dealt twice for one join"

    def step(self) -> None:
        """After an event: what counts was confirmed by a quorum, and all who hold a component have one chain of it."""
        for index, machine in self.machines.items():
            whole = machine.whole()
            if not machine.honest or whole is None:
                continue
            for ceremony in whole.ceremonies.values():
                if ceremony.transcript:
                    self._same(index, ceremony.transcript, ceremony.drawn)
            for place, state in whole.sets.items():
                many = len(self.confirmed.get(state.founded, ()))
                least = min(state.n, state.t + 1)
                assert many >= least, f"custodian {index}: a set of which {many} of {least} heard counts"
                refused = {one.set for one in whole.requests if one.decision == "refused"}
                assert place[1] not in refused, f"custodian {index} is in a set that its person refused"
                if state.next_day == state.begins:
                    self._same(index, state.founded, state.chains)

    def of(self, founded: Signed) -> dict[int, bytes]:
        """The chains of a founded set at its first day."""
        digest = roster.transcript_digest(founded)
        return {component: chain for (script, component), chain in self.chains.items() if script == digest}

    def complained(self, words: str, liars: Collection[int]) -> None:
        """A complaint names a dealer who lied."""
        named = {int(one) - 1 for one in re.findall(r"from custodian (\d+)", words)}  # people count from 1
        assert named & set(liars), f"an honest dealer is accused: {words}"

    def _same(self, index: int, script: bytes, chains: Mapping[int, bytes]) -> None:
        for component, chain in chains.items():
            before = self.chains.setdefault((script, component), chain)
            assert chain == before, f"custodian {index}: component {component} has two chains under one set"
        known = [chain for (one, _), chain in self.chains.items() if one == script]
        assert len(set(known)) == len(known), "two components have one chain"


@dataclass(frozen=True)
class Parked:
    """A batch that was parked: its header, what is in it, its set and period."""

    header: bytes
    records: bytes
    set: int
    period: int


Gives = Callable[[Parked, int], bool]
"""Whether a custodian gives its shares of a batch to who has the branch's keys and asks now."""


@dataclass
class Checks:
    """The promises of one set, and what is remembered of the past to judge them by."""

    machines: Mapping[int, Machine]
    roster: Roster
    time: TrueTime
    chains: dict[int, bytes]
    known: dict[int, Known] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    erased: dict[int, set[EventColumn]] = field(default_factory=dict)
    gone: dict[int, set[tuple[EventColumn, int]]] = field(default_factory=dict)
    links: dict[int, list[bytes]] = field(default_factory=dict)
    truth: dict[tuple[EventColumn, int, int], bytes] = field(default_factory=dict)

    @property
    def place(self) -> tuple[bytes, int]:
        """The set."""
        return self.roster.draft.store, self.roster.draft.set

    def clock(self, index: int, error: float) -> None:
        """A custodian's clock is so far ahead now."""
        if known := self.known.get(index):
            known.error = max(known.error, error)

    def step(self, index: int, whole: Whole) -> None:
        """What an honest custodian holds of this set now, against what it held."""
        machine, known, state = self.machines[index], self.known.get(index), whole.sets.get(self.place)
        if known is None:
            if state is not None:
                self._begun(index, state)
                self.known[index] = Known(whole, state, machine.clock.error, _first_due(state))
            return
        if state is None:  # nothing of a retired set is left one day, nor in a copy that is older than the set
            assert index in self.dead or self._is_over(known.state, whole), f"custodian {index}: its set is gone"
            return
        today = self._latest(whole) // DAY
        if state is not known.state:
            known.due = _first_due(state)
        assert known.due >= today, f"custodian {index}: a column was due on day {known.due} and is still there"
        late = state.retired and state.retired < today
        assert not late or not state.chains, f"custodian {index}: a chain of a set that was retired {state.retired}"
        if state is not known.state:
            self._clean(known, state, machine)
            self._frozen(known, whole, machine)
        self.known[index] = Known(whole, state, machine.clock.error, known.due)

    def restored(self, index: int) -> None:
        """Somebody put its machine back from a copy."""
        self.dead.add(index)
        state = self.machines[index].state(self.place)
        if state is not None and index in self.known:
            self.known[index] = replace(self.known[index], whole=None, state=state, due=_first_due(state))
            # A copy knows nothing of what came after it: it is judged by what it holds, and answers nobody.
            self.erased[index], self.gone[index] = set(state.erased), set()

    def first_opened(self, index: int, batch: bytes) -> int | None:
        """The second at which a custodian first opened a parked batch."""
        state = self.machines[index].state(self.place)
        return state.unparked[batch][1] if state is not None and batch in state.unparked else None

    def gives(self, index: int, one: Parked) -> bool:
        """Whether a custodian still has its shares of a parked batch to give."""
        machine, state = self.machines[index], self.machines[index].state(self.place)
        header, private = ParkedHeader.decode(one.header), state.park.get(("outage", one.period)) if state else None
        if state is None or private is None:
            return False
        try:  # in the place of who gave no parking key in time stands one that nobody has
            parked.open_box(private, header, index)
        except WrongKeyError:
            return False
        _, first, asks = state.unparked.get(header.batch, (0, machine.clock.now(), ()))
        return machine.clock.now() < first + DAY - _SLACK and len(asks) < roster.ISSUES_MOST - _ISSUES_LEFT

    def _begun(self, index: int, state: State) -> None:
        for component, chain in state.chains.items():
            true = self._link(component, state.next_day)
            assert chain == true, f"component {component}: two chains under one founded set"

    def _latest(self, whole: Whole) -> int:
        """The latest second that is believed for this set."""
        return whole.time(self.roster.draft.headquarters)[0]

    def _is_over(self, state: State, whole: Whole) -> bool:
        due = [columns.due(*event_column(name), state.lifetimes) for name in state.keys]
        return bool(state.retired) and max(due, default=0) <= self._latest(whole) // DAY

    def ready(self, weather: Weather, clock: NodeClock) -> list[int]:
        """Custodians that must open today for a branch with this clock, if the line is tried often enough."""
        if weather.all_cut:
            return []
        return [index for index in self.machines if index not in weather.cut and self._is_ready(index, clock)]

    def opened(self, word: str, fair: bool, branch: Branch) -> None:
        """A day opens when t custodians are ready; and what opened are the true keys, or nobody could tell."""
        today = branch.clock.day
        assert not fair or word in ("open", "closed before"), f"{columns.day_text(today)} does not open: {word}"
        if branch.held is None:
            return
        honest = sum(self.sound(index) for index in branch.pushed)
        if word == "open" and honest >= self.roster.draft.t:
            lacking = branch.expected(branch.held.day) - branch.held.keys.keys()
            assert not lacking, f"an omission shut {columns.in_order(lacking)}"
        for pair, keys in branch.held.keys.items():
            true = keys == self.true_keys(pair, branch.held.day)
            assert true or not branch.corroborated, f"wrong keys of {pair} were accepted as corroborated"
            assert columns.due(*pair, self.roster.draft.lifetimes) > branch.held.day, f"{pair} was due and opened"

    def end(self, branch: Branch) -> None:
        """At the end: what is over is over, also for an owner of the branch's keys; and what lives is held."""
        for index in filter(self.sound, self.machines):
            self._complete(index)
        many = self.roster.draft.n - self.roster.draft.t + 1
        for day, told in branch.told.items():
            if branch.remote.set_of(day) is not self.roster:
                continue
            sound = {index for index in told if self.sound(index)}
            if len(sound) >= many:
                could = [index for index in self.machines if self.sound(index) and self._opens(index, day)]
                assert len(could) < self.roster.draft.t, f"day {day} closed, and {could} would open it"

    def _clean(self, known: Known, state: State, machine: Machine) -> None:
        """Keys come once, true, and go when they are due or erased; nothing that went comes back."""
        index, before = machine.index, known.state
        gone, erased = self.gone.setdefault(index, set()), self.erased.setdefault(index, set())
        for name in state.keys.keys() - before.keys.keys():
            pair = event_column(name)
            assert (pair, name[2]) not in gone, f"custodian {index}: {pair} sealed on {name[2]} came back"
            assert pair not in erased, f"custodian {index}: the erased {pair} came back"
            assert name[2] >= before.next_day, f"custodian {index}: a key of a day that is over"
            true = self._true(pair, name[2], name[3])
            assert state.keys[name] == true, f"custodian {index}: a wrong key of {pair}"
        erased |= state.erased
        for name in before.keys.keys() - state.keys.keys():
            pair = event_column(name)
            gone.add((pair, name[2]))
            early = columns.due(*pair, self.roster.draft.lifetimes) * DAY - self.time.seconds
            # A clock that is less than three days ahead is believed, however many steps it took there.
            allowed = min(max(known.error, machine.clock.error, 0), JUMP_SECONDS) + 1
            assert pair in erased or early <= allowed, f"custodian {index}: {pair} went {early / DAY:.1f} days early"
        assert state.next_day >= before.next_day, f"custodian {index}: its chain went back"

    def _complete(self, index: int) -> None:
        """Whoever opened a day, each custodian holds its keys until they are due or erased, also if it was away."""
        machine, draft = self.machines[index], self.roster.draft
        whole, state = machine.whole(), machine.state(self.place)
        if whole is None or state is None:
            return
        # What is due goes in one write, and the second at which it went in the next: the power may go in between, and
        # where the clock is far back nothing but the true time says then that it was due.
        today = max(self._latest(whole), machine.clock.now(), int(self.time.seconds)) // DAY
        for day in range(draft.begins, state.next_day):
            pairs = columns.window(day, draft.late_days, draft.lifetimes) if day < (state.retired or day + 1) else []
            for pair in pairs:
                if columns.due(*pair, draft.lifetimes) > today and pair not in state.erased:
                    missing = [
                        one
                        for one in columns.held(draft.n, draft.t, index)
                        if key_name(pair, day, one) not in state.keys
                    ]
                    assert not missing, f"custodian {index}: no key of {pair} sealed on {day}"

    def _frozen(self, known: Known, after: Whole, machine: Machine) -> None:
        """Nothing is handed out while it is frozen."""
        before, state = known.state, after.sets[self.place]
        more = any(len(asks) > len(before.issues.get(day, ())) for day, asks in state.issues.items())
        if more and known.whole is not None:
            silent = machine.clock.day - state.beat_day > self.roster.draft.freeze_days
            stopped = (known.whole.frozen[0] and after.frozen[0]) or (before.frozen_at and state.frozen_at) or silent
            assert not stopped, f"custodian {machine.index} handed out keys while it was frozen"
        over = [day for day in state.issues if before.retired and day >= before.retired]
        assert not over, f"custodian {machine.index} handed out a day of the set that follows"

    def is_up(self, index: int, clock: NodeClock) -> bool:
        """Whether a custodian must answer now whoever asks by this clock."""
        machine = self.machines[index]
        apart = abs(machine.clock.error - clock.error)
        if not self.sound(index) or machine.off or apart > custody.SKEW_SECONDS - 10 or machine.disk.fault is not None:
            return False
        machine.tick()
        whole, state = machine.whole(), machine.state(self.place)
        return (
            whole is not None
            and state is not None
            and not whole.frozen[0]
            and clock.now() + DAY - self._latest(whole) >= 0
            and abs(self._latest(whole) - machine.clock.now()) < DAY // 2
            and self._latest(whole) <= machine.clock.now() + 1
            and not state.frozen_at
            and not state.rolled_back
            and machine.clock.day - state.beat_day <= self.roster.draft.freeze_days
        )

    def _is_ready(self, index: int, clock: NodeClock) -> bool:
        machine, today = self.machines[index], clock.day
        return (
            self.is_up(index, clock)
            and (state := machine.state(self.place)) is not None
            and machine.clock.day == today
            and not 0 < state.retired <= today
            and (state.next_day <= today or today in state.open_days)
            and len(state.issues.get(today, ())) < roster.ISSUES_MOST - _ISSUES_LEFT
        )

    def sound(self, index: int) -> bool:
        """Whether it runs what was shipped, and was never put back from a copy."""
        return self.machines[index].honest and index not in self.dead

    def _opens(self, index: int, day: int) -> bool:
        state = self.machines[index].state(self.place)
        return state is not None and (state.next_day <= day or day in state.open_days)

    def true_keys(self, pair: EventColumn, day: int) -> tuple[bytes, ...]:
        """The keys of all components of a column."""
        draft = self.roster.draft
        return tuple(self._true(pair, day, one) for one in range(len(columns.components(draft.n, draft.t))))

    def _true(self, pair: EventColumn, day: int, component: int) -> bytes:
        name = (pair, day, component)
        if name not in self.truth:
            link = self._link(component, day)
            key = columns.day_key(link, day) if link else b""
            for each in columns.window(day, self.roster.draft.late_days, self.roster.draft.lifetimes):
                self.truth[each, day, component] = columns.column_key(key, *each) if key else b""
        return self.truth[name]

    def _link(self, component: int, day: int) -> bytes:
        if component not in self.chains:  # a liar alone holds it
            return b""
        links = self.links.setdefault(component, [self.chains[component]])
        while len(links) <= day - self.roster.draft.begins:
            links.append(columns.next_link(links[-1]))
        return links[day - self.roster.draft.begins]


def _first_due(state: State) -> int:
    """The day on which the first of its keys is due; far away where it holds none."""
    return min((columns.due(*event_column(name), state.lifetimes) for name in state.keys), default=1 << 30)
