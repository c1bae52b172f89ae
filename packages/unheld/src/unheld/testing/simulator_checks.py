"""What must hold in every simulated history, checked after each event. Each method raises AssertionError in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from unheld.access import values
from unheld.access.messages import HeldFile
from unheld.testing.simclock import DAY, NodeClock, TrueTime
from unheld.testing.simnet import Weather
from unheld.testing.simulator_nodes import Branch, Machine
from unheld_custodian.acts import JUMP_SECONDS
from unheld_custodian.state import State, Whole, event_column, key_name
from unheld_slots.contract import Live
from unheld_verify import columns, custody, grant, roster
from unheld_verify.columns import Column, EventColumn
from unheld_verify.roster import Roster
from unheld_verify.signed import Signed

_ISSUES_LEFT = 1


@dataclass
class Known:
    """What was last seen of a custodian: its memory, and how far ahead its clock has been since."""

    whole: Whole | None
    state: State
    error: float


@dataclass
class Checks:
    """The promises, and what is remembered of the past to judge them by."""

    machines: Mapping[int, Machine]
    roster: Roster
    time: TrueTime
    known: dict[int, Known] = field(default_factory=dict)
    saved: dict[int, tuple[dict[str, bytes], list[Live]]] = field(default_factory=dict)
    steps: int = 0
    dead: set[int] = field(default_factory=set)
    erased: dict[int, set[EventColumn]] = field(default_factory=dict)
    gone: dict[int, set[tuple[EventColumn, int]]] = field(default_factory=dict)
    chains: dict[int, bytes] = field(default_factory=dict)
    links: dict[int, list[bytes]] = field(default_factory=dict)
    truth: dict[tuple[EventColumn, int, int], bytes] = field(default_factory=dict)

    @property
    def place(self) -> tuple[bytes, int]:
        """The set."""
        return self.roster.draft.store, self.roster.draft.set

    def begin(self) -> None:
        """The set is founded: all holders of a component have the same chain."""
        for index, machine in self.machines.items():
            state = machine.state(self.place)
            assert state is not None, f"custodian {index} was founded and holds nothing"
            for component, chain in state.chains.items():
                assert self.chains.setdefault(component, chain) == chain, f"component {component}: two chains"
            self.known[index] = Known(machine.whole(), state, machine.clock.error)

    def step(self) -> None:
        """After an event: what every honest custodian holds now, against what it held."""
        for index, machine in self.machines.items():
            known = self.known[index]
            known.error = max(known.error, machine.clock.error)
            for _ in range(2):  # the power may go in the first
                machine.tick()
            whole = machine.whole()
            if not machine.honest or whole is None or whole is known.whole:
                continue
            state = whole.sets[self.place]
            self.steps += 1
            if self.steps % 8 == 0:
                assert machine.stored() == whole, f"custodian {index}: its memory is not what is on its disk"
            for name in state.keys:
                pair = event_column(name)
                over = columns.due(*pair, self.roster.draft.lifetimes) <= whole.latest // DAY - 1
                assert not over, f"custodian {index}: {pair} was due and is still there"
            self._clean(known, state, machine)
            self._frozen(known, whole, machine)
            self.known[index] = Known(whole, state, machine.clock.error)

    def save(self, machine: Machine) -> None:
        """Somebody copies the machine: its files, and, as a snapshot does, its slot."""
        self.saved[machine.index] = (machine.disk.backup(), list(machine.disk.lives))

    def restore(self, machine: Machine, snapshot: bool) -> None:
        """Somebody puts the copy back, with the slot or without. At most n-t custodians ever: more is a disaster."""
        draft = self.roster.draft
        broken = self.dead | {machine.index}
        if machine.index not in self.saved or len(broken) > draft.n - draft.t or not machine.honest:
            return
        files, lives = self.saved[machine.index]
        if lives == machine.disk.lives:
            return
        self.dead = broken
        machine.disk.put_back(files, lives if snapshot else None)
        machine.restart()
        state = machine.state(self.place)
        assert snapshot or state is None, f"custodian {machine.index}: a backup without its slot opened"
        if state is not None:
            self.known[machine.index] = replace(self.known[machine.index], whole=None, state=state)
            # A copy knows nothing of what came after it: it is judged by what it holds, and answers nobody.
            self.erased[machine.index], self.gone[machine.index] = set(state.erased), set()

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
        for pair, keys in branch.held.keys.items():
            true = tuple(self._true(pair, branch.held.day, component) for component in range(len(keys)))
            assert keys == true or not branch.corroborated, f"wrong keys of {pair} were accepted as corroborated"
            assert columns.due(*pair, self.roster.draft.lifetimes) > branch.held.day, f"{pair} was due and opened"

    def evaluated(self, asked: Signed, private: bytes, sealed: Mapping[tuple[int, int], bytes], branch: Branch) -> None:
        """Values are the true ones, or said to be uncorroborated or disputed; a liar is named, or a pair with one."""
        draft = self.roster.draft
        names = [Column(*pair, day) for pair, day in branch.sealed]
        files = tuple(HeldFile(column, draft.set, bytes(16), 1) for column in names)
        read = values.read(sealed, asked, private, {draft.set: self.roster}, files)
        label = _label(asked)
        for column, joined in read.columns.items():
            if joined.state is values.State.CHECKED:
                pair = (column.cls, column.event_day)
                count = len(columns.components(draft.n, draft.t))
                keys = [self._true(pair, column.sealing_day, component) for component in range(count)]
                assert joined.value == columns.evaluate(keys, label), f"a wrong value of {column} counts as checked"
        honest = {index for index, machine in self.machines.items() if machine.honest}
        assert not honest & {index for _, index in read.liars}, f"honest custodians are called liars: {read.liars}"
        assert all(not {one, other} <= honest for _, one, other in read.pairs), f"honest pairs disagree: {read.pairs}"

    def end(self, branch: Branch) -> None:
        """At the end: what is over is over, also for an owner of the branch's keys; and what lives is held."""
        for index in filter(self._sound, self.machines):
            self._complete(index)
        many = self.roster.draft.n - self.roster.draft.t + 1
        for day, told in branch.told.items():
            sound = {index for index in told if self._sound(index)}
            if len(sound) >= many:
                could = [index for index in self.machines if self._sound(index) and self._opens(index, day)]
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
        for day in range(draft.begins, state.next_day):
            for pair in columns.window(day, draft.late_days, draft.lifetimes):
                if columns.due(*pair, draft.lifetimes) > whole.latest // DAY and pair not in state.erased:
                    missing = [one for one in state.chains if key_name(pair, day, one) not in state.keys]
                    assert not missing, f"custodian {index}: no key of {pair} sealed on {day}"

    def _frozen(self, known: Known, after: Whole, machine: Machine) -> None:
        """Nothing is handed out while it is frozen."""
        before, state = known.state, after.sets[self.place]
        more = any(len(asks) > len(before.issues.get(day, ())) for day, asks in state.issues.items())
        if more and known.whole is not None:
            silent = machine.clock.day - state.beat_day > self.roster.draft.freeze_days
            stopped = (known.whole.frozen[0] and after.frozen[0]) or (before.frozen_at and state.frozen_at) or silent
            assert not stopped, f"custodian {machine.index} handed out keys while it was frozen"

    def _is_ready(self, index: int, clock: NodeClock) -> bool:
        machine, today = self.machines[index], clock.day
        apart = abs(machine.clock.error - clock.error)
        if not machine.honest or machine.off or index in self.dead or apart > custody.SKEW_SECONDS - 10:
            return False
        if machine.disk.fault is not None:
            return False
        machine.tick()
        whole = machine.whole()
        if whole is None or whole.frozen[0]:
            return False
        state = whole.sets[self.place]
        return (
            clock.now() + DAY - whole.latest >= 0
            and abs(whole.latest - machine.clock.now()) < DAY // 2
            and whole.latest <= machine.clock.now() + 1
            and machine.clock.day == today
            and not state.frozen_at
            and not state.rolled_back
            and today - state.beat_day <= self.roster.draft.freeze_days
            and (state.next_day <= today or today in state.open_days)
            and len(state.issues.get(today, ())) < roster.ISSUES_MOST - _ISSUES_LEFT
        )

    def _sound(self, index: int) -> bool:
        return self.machines[index].honest and index not in self.dead

    def _opens(self, index: int, day: int) -> bool:
        state = self.machines[index].state(self.place)
        return state is not None and (state.next_day <= day or day in state.open_days)

    def _true(self, pair: EventColumn, day: int, component: int) -> bytes:
        name = (pair, day, component)
        if name not in self.truth:
            links = self.links.setdefault(component, [self.chains[component]])
            while len(links) <= day - self.roster.draft.begins:
                links.append(columns.next_link(links[-1]))
            key = columns.day_key(links[day - self.roster.draft.begins], day)
            for each in columns.window(day, self.roster.draft.late_days, self.roster.draft.lifetimes):
                self.truth[each, day, component] = columns.column_key(key, *each)
        return self.truth[name]


def _label(asked: Signed) -> bytes:
    return grant.verified(asked).label
