"""A deterministic simulation of custody: one seed, one history; no thread, no real time, no real disk.

    history = run(Setting(seed=7))

Branch, headquarters and custodians run what was shipped: the real client, the real desks, the real sealed states. Only
the line, the disks and the clocks are simulated, and signatures and boxes are doubles (`simcrypto`), unless `real`.
What must hold is checked after every event (`simulator_checks`); a broken promise raises AssertionError with the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random

from unheld.testing import simcrypto, simdisk
from unheld.testing.simclock import DAY, NodeClock, TrueTime
from unheld.testing.simnet import FATES, SimulatedNetwork, Weather
from unheld.testing.simulator_ceremony import Officer
from unheld.testing.simulator_checks import Checks, Making, Parked, Promises
from unheld.testing.simulator_nodes import Bend, Branch, Headquarters, Machine, attacker
from unheld.testing.simulator_troubles import TROUBLES, name
from unheld_branch.custody.client import Client, Remote
from unheld_custodian.desk import Desk
from unheld_verify import columns, crypto, note, roster
from unheld_verify.custody import BRANCH, HEADQUARTERS
from unheld_verify.errors import UnheldError, VerificationError
from unheld_verify.roster import Draft

FIRST_DAY = 20_642
LIFETIMES = {"charge": 6, "contact": 4, "place": 2, "identity": 32}
MONTH = 30
_HOUR = 3600
_TRIES = 5
STORE = b"simulated store!"

Planned = tuple[float, Callable[[], None]]
"""An hour of a day, and what happens then."""


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    `busy`: of a hundred days, those with work. `trouble`: of a thousand days, those with an event. `events`: which
    ones, by name; all where none is named. `fates`: of a thousand calls, how many each fate of `simnet` strikes.
    `liars`: how each of them lies, by custodian. `asleep`: of the days without work, those on which no custodian's
    machine runs, and nothing happens: to have more months in a minute. `rotate`: how likely another set follows,
    `parks`: that a night without custodians is parked through (with 1, every night is one). `make`, `branch`: what
    runs there. `real`: no doubles of cryptography.
    """

    seed: int
    n: int = 3
    t: int = 2
    days: int = MONTH
    busy: int = 100
    trouble: int = 250
    events: tuple[str, ...] = ()
    lifetimes: Mapping[str, int] = field(default_factory=lambda: dict(LIFETIMES))
    late_days: int = 2
    fates: int = 4
    liars: Mapping[int, Bend] = field(default_factory=dict)
    asleep: float = 0.6
    rotate: float = 0.5
    parks: float = 0.3
    make: type[Desk] = Desk
    branch: type[Branch] = Branch
    real: bool = False


@dataclass(frozen=True)
class History:
    """What happened, as (true second, words). `sets` sealed under, `back` of so many `parked` batches."""

    events: tuple[tuple[int, str], ...] = field(repr=False)
    opened: int
    sealed: int
    calls: int
    digest: str
    sets: int = 1
    parked: int = 0
    back: int = 0


def run(setting: Setting) -> History:
    """Simulate. Raises AssertionError, with the seed and the last events, when a promise broke."""
    with prepared(setting):
        world = World(setting)
        try:
            world.found()
            for _ in range(setting.days):
                world.day()
            return world.history()
        except AssertionError as error:
            last = "; ".join(words for _, words in world.events[-25:])
            raise AssertionError(f"seed {setting.seed}: {error}\n{last}") from error


@contextmanager
def prepared(setting: Setting) -> Iterator[None]:
    """Every random byte drawn from the seed, disks in memory, and doubles of what is slow."""
    doubles = nullcontext() if setting.real else simcrypto.cheap()
    with simcrypto.drawn(Random(f"bytes {setting.seed}")), simdisk.in_memory(), doubles:
        yield


class World:
    """Everything that is simulated."""

    store = STORE

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.random = Random(setting.seed)
        self.time = TrueTime(FIRST_DAY * DAY)
        self.events: list[tuple[int, str]] = []
        self.calls = 0
        self.seeds = {BRANCH: crypto.random_bytes(32), HEADQUARTERS: crypto.random_bytes(32)}
        self.machines = {index: self._machine(index) for index in range(setting.n)}
        handlers = {index: partial(self._handled, index) for index in self.machines}
        self.network = SimulatedNetwork(self.random, handlers, lambda: self.time.seconds, self.note)
        self.network.weather = Weather(dict.fromkeys(FATES, setting.fates))
        self.branch_clock, self.hq_clock = self._clock(), self._clock()
        self.until: list[tuple[float, Callable[[], None]]] = []
        self.shutdown = self.random.random() < max(0.2, 2 * setting.parks - 1)
        self.opened = 0
        self.promises = Promises(self.machines, self.time)
        self.making = Making(self.machines)
        self.officer = Officer(self.network, self.machines, self.seeds[HEADQUARTERS])
        turns = self.random.random() < setting.rotate
        self.rotation = Rotation(self, FIRST_DAY + int(setting.days * self.random.uniform(0.1, 0.6)) if turns else 0)

    def found(self) -> None:
        """Make the first set, in fair weather: `simulator_storms` makes sets in storms."""
        often, self.network.weather.often = self.network.weather.often, {}
        self.officer.propose(self.draft(1, self.time.day))
        for _ in range(3):
            self.officer.go()
            self.officer.hear()
        step = self.officer.go()
        assert step is not None, "headquarters lost its power in fair weather"
        assert step.over, f"in fair weather no set is founded: {step}"
        self.network.weather.often = often
        self.branch = self.setting.branch(Remote(seconds=None), self.branch_clock, liars=self.setting.liars)
        self.hq = Headquarters([], self.hq_clock, crypto.random_bytes(32))
        self.take_over()
        for index, bend in self.setting.liars.items():
            self.machines[index].bend = bend

    def take_over(self) -> None:
        """Branch and headquarters know of the set that was founded."""
        founded = self.officer.founded
        assert founded is not None, "nothing was founded"
        self.making.step()
        found, _ = roster.founded_of(founded)
        branch = Client(found, self.network, self.seeds[BRANCH], BRANCH, self.branch_clock.now)
        self.branch.remote = Remote(*self.branch.remote.clients, branch, seconds=None)
        self.hq.clients.append(Client(found, self.network, self.seeds[HEADQUARTERS], HEADQUARTERS, self.hq_clock.now))
        self.promises.begin(found, self.making.of(founded))

    def day(self) -> None:
        """One day, from midnight to midnight."""
        day = self.time.day
        planned: list[Planned] = [(self.random.uniform(1, 20), self._trouble), *self.rotation.planned()]
        if self.random.randrange(100) < self.setting.busy or self.branch.waiting:
            planned += self._work()
        elif len(planned) == 1 and self.random.random() < self.setting.asleep:
            return self.time.passes(DAY)
        for hour, event in sorted(planned, key=lambda one: one[0]):
            self.pass_until(day * DAY + hour * _HOUR)
            event()
            self.promises.step()
        return self.pass_until((day + 1) * DAY)

    def _work(self) -> list[Planned]:
        """What is done on a day, by the hour."""
        planned: list[Planned] = [
            (0.1, self._open),
            (self.random.choice([0.05, 6.0]), self._beat),
        ]
        if self.random.random() < 0.5:
            planned.append((23.9, self._close))
        if self.random.random() < 0.3:
            planned.append((self.random.uniform(2, 23), self._reboot))
        if self.random.random() < 0.1:
            planned.append((self.random.uniform(3, 17), self._evaluate))
        if self.random.random() < 0.2:
            planned.append((0.5, self._lapse))
        if self.shutdown:
            planned += [(18.5, partial(self.cut_all, 8 * _HOUR)), (2.6, self._open)]
            if self.random.random() < self.setting.parks:
                planned += [(0.2, self._prepare), (20.5, self._park)]
        if self.branch.waiting:
            planned += [(hour, self._unpark) for hour in (2.7, 9.0, 17.0)]
        return planned

    def note(self, *words: object) -> None:
        """Write down what happened."""
        self.events.append((int(self.time.seconds), " ".join(map(str, words))))

    def history(self) -> History:
        """What happened, after the last checks."""
        self.promises.end(self.branch, self._gives)
        digest = crypto.sha256(*(f"{at} {words}\n".encode() for at, words in self.events)).hex()
        sets, parked, back = len(self.promises.sets), len(self.promises.parked), len(self.branch.back)
        sealed = len(self.branch.sealed)
        return History(tuple(self.events), self.opened, sealed, self.calls, digest, sets, parked, back)

    def draft(self, number: int, begins: int) -> Draft:
        """What headquarters proposes."""
        public = {role: crypto.sign_public(seed) for role, seed in self.seeds.items()}
        key = note.format_key(note.Key("log.example", crypto.sign_public(bytes(32))))
        names = tuple(machine.name for machine in self.machines.values())
        return Draft(
            STORE, number, self.setting.t, names, begins, self.setting.lifetimes, self.setting.late_days,
            public[BRANCH], public[HEADQUARTERS], key, 12,
        )  # fmt: skip

    def pass_until(self, seconds: float) -> None:
        """Let time pass, and what ends in between end."""
        for at, end in sorted(self.until, key=lambda one: one[0]):
            if at <= seconds:
                self.time.passes(at - self.time.seconds)
                self.until.remove((at, end))
                end()
        self.time.passes(seconds - self.time.seconds)
        for machine in self.machines.values():
            machine.tick()

    def cut_all(self, seconds: float) -> None:
        """Nobody is reached for so long."""
        self.network.weather.all_cut = True
        self.until.append((self.time.seconds + seconds, self._uncut_all))

    def _uncut_all(self) -> None:
        self.network.weather.all_cut = False

    def _handled(self, index: int, data: bytes) -> bytes | None:
        self.calls += 1
        answer = self.machines[index].handle(data)
        self.making.heard(index, answer)
        return answer

    def _machine(self, index: int) -> Machine:
        machine = Machine(index, self._clock(), self.setting.make)
        machine.create()
        return machine

    def _clock(self) -> NodeClock:
        return NodeClock(self.time, self.random.uniform(-60, 60), self.random.uniform(-2e-6, 2e-6))

    def _checks(self) -> Checks:
        """Of the set that the branch seals under today."""
        return self.promises.sets[self.branch.roster.draft.set]

    def _open(self) -> None:
        checks = self._checks()
        fair = len(checks.ready(self.network.weather, self.branch_clock)) >= self.setting.t
        for _ in range(6 if fair else 1):
            word = self.branch.open()
            self.note("open", word)
            if word in ("open", "closed before"):
                break
        self.opened += word == "open"
        checks.opened(word, fair, self.branch)
        self.branch.seal()

    def _reboot(self) -> None:
        self.branch.reboot()
        self._open()

    def _close(self) -> None:
        self.branch.close()
        self.note("close")

    def _prepare(self) -> None:
        with suppress(UnheldError):
            self.branch.prepare()

    def _park(self) -> None:
        records = self.random.randbytes(40)
        word = self.branch.park(records)
        self.note("park", word)
        if word:
            batch, one = next(reversed(self.branch.waiting.items()))
            header = one.header
            self.promises.parked[batch] = Parked(header.encode(), records, header.set, header.period)

    def _unpark(self) -> None:
        fair = not self.network.weather.all_cut and not self.network.weather.cut
        for batch in list(self.branch.waiting) if self.branch.held is not None else ():
            for _ in range(20 if fair else 1):
                might = self.promises.might(batch, self.network.weather)
                word = self.branch.unpark(batch, self.random.random() < 0.05)
                self.note("unpark", word)
                self.promises.asked(batch, might)
                if word == "back":
                    break
            self.promises.unparked(batch, word, self.branch, fair)
        self.branch.give_up()

    def _gives(self, one: Parked, index: int) -> bool:
        """Whether who has the branch's key and a straight line is given a parked batch by a custodian now."""
        found = self.promises.sets[one.set].roster
        client = attacker(found, self.seeds[BRANCH], BRANCH, self.machines[index].clock, self.machines)
        with suppress(UnheldError):
            client.ask(index, "unpark", {"header": note.base64_text(one.header)})
            return True
        return False

    def _lapse(self) -> None:
        for heard in self.branch.remote.lapse():
            self.note("lapse", len(heard.attested))
        for day in sorted(self.branch.closed)[-3:]:
            self.branch.tell(day)

    def _beat(self) -> None:
        if self.random.random() < 0.8:
            body = {"day": columns.day_text(self.hq_clock.day)}
            self.note("beat", *(self.hq.ask(index, "beat", body) for index in self.machines))

    def _evaluate(self) -> None:
        pairs = [pair for pair in columns.living(self.time.day, self.setting.lifetimes) if pair[1] >= FIRST_DAY - 3]
        asked, private, sealed = self.hq.values(pairs)
        self.note("evaluate", len(sealed))
        self.promises.evaluated(asked, private, sealed, self.branch)

    def _trouble(self) -> None:
        if self.random.randrange(1000) < self.setting.trouble:
            names = self.setting.events
            event = self.random.choice([one for one in TROUBLES if not names or name(one) in names])
            index = self.random.randrange(self.setting.n)
            self.note("trouble", name(event), index)
            event(self, self.machines[index])
        self._visit()

    def _visit(self) -> None:
        """Now and then the person looks at the page: sets the clock right, and confirms the date."""
        machine = self.machines[self.random.randrange(self.setting.n)]
        if self.random.random() < 0.3:
            machine.clock.right()
            with suppress(UnheldError):
                machine.do(lambda desk: desk.believe(machine.clock.day))


@dataclass
class Rotation:
    """From one set to the next, from a day on (0: never): proposed, made in whatever weather, and the old one retired.

    A set that is not founded before its first day is given up, and another one proposed.
    """

    world: World
    on: int
    taken: bool = False
    tries: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether a set is being made now."""
        return 0 < self.on <= self.world.time.day and self.tries < _TRIES

    def planned(self) -> list[Planned]:
        """What is done for it today, by the hour."""
        return [(hour, self._step) for hour in (3.3, 7.3, 11.3)] if self.goes_on else []

    def _step(self) -> None:
        world, officer = self.world, self.world.officer
        if not self.tries:
            self._propose()
        try:
            step = officer.go()
        except VerificationError as error:
            world.making.complained(str(error), world.setting.liars)
            return self._propose()
        officer.hear()
        world.making.step()
        draft, founded = officer.draft, officer.founded
        assert draft is not None
        if founded is None and draft.begins <= world.time.day:
            return self._propose()
        if founded is not None and not self.taken:
            if draft.begins <= world.time.day:
                return self._propose()
            world.take_over()
            self.taken = True
        if self.taken:
            self._retire(over=step is not None and step.over)
        return None

    def _propose(self) -> None:
        world = self.world
        self.tries += 1
        if self.tries < _TRIES:
            world.note("propose", 1 + self.tries)
            world.officer.propose(world.draft(1 + self.tries, world.time.day + world.random.choice([1, 2, 5])))

    def _retire(self, over: bool) -> None:
        world = self.world
        world.note("retire", *world.hq.retire())
        for machine in world.machines.values():
            machine.approve()
        states = [machine.state((STORE, 1)) for machine in world.machines.values()]
        if over and all(state is None or state.retired or state.rolled_back for state in states):
            self.on = 0
