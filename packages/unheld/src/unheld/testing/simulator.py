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
from unheld.testing.simulator_checks import Checks
from unheld.testing.simulator_nodes import Bend, Branch, Headquarters, Machine
from unheld_branch.custody.client import Client, Remote
from unheld_custodian.desk import Desk
from unheld_verify import columns, crypto, grant, note, roster, signed
from unheld_verify.custody import BRANCH, HEADQUARTERS
from unheld_verify.errors import UnheldError
from unheld_verify.plan import Plan
from unheld_verify.roster import Draft, Roster

FIRST_DAY = 20_642
LIFETIMES = {"charge": 6, "contact": 4, "place": 2, "identity": 32}
MONTH = 30
_HOUR = 3600
_ASLEEP = 0.6
"""Of the days without work, those on which no custodian's machine runs: to have more months in a minute."""
STORE = b"simulated store!"


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    `busy`: of a hundred days, those with work. `trouble`: of a thousand days, those with an event. `events`: which
    ones, by name; all where none is named. `fates`: of a thousand calls, how many each fate of `simnet` strikes.
    `liars`: how each of them lies, by custodian. `make`,
    `branch`: what runs there. `real`: no doubles of cryptography.
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
    make: type[Desk] = Desk
    branch: type[Branch] = Branch
    real: bool = False


@dataclass(frozen=True)
class History:
    """What happened, as (true second, words); days that opened, and days on which they should have."""

    events: tuple[tuple[int, str], ...] = field(repr=False)
    opened: int
    sealed: int
    calls: int
    digest: str


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
        self.shutdown = self.random.random() < 0.2
        self.backups: dict[int, dict[str, bytes]] = {}
        self.opened = 0

    def found(self) -> None:
        """Make the set, in fair weather: ceremonies in storms have a simulation of their own."""
        often, self.network.weather.often = self.network.weather.often, {}
        self.roster = self._ceremony(1)
        self.network.weather.often = often
        branch = Client(self.roster, self.network, self.seeds[BRANCH], BRANCH, self.branch_clock.now)
        headquarters = Client(self.roster, self.network, self.seeds[HEADQUARTERS], HEADQUARTERS, self.hq_clock.now)
        self.branch = self.setting.branch(Remote(branch, seconds=None), self.branch_clock, liars=self.setting.liars)
        self.hq = Headquarters(headquarters, self.hq_clock, crypto.random_bytes(32))
        self.checks = Checks(self.machines, self.roster, self.time)
        for index, bend in self.setting.liars.items():
            self.machines[index].bend = bend
        self.checks.begin()

    def day(self) -> None:
        """One day, from midnight to midnight."""
        day = self.time.day
        planned: list[tuple[float, Callable[[], None]]] = [
            (self.random.uniform(1, 20), self._trouble)
        ]  # fmt: skip
        if self.random.randrange(100) < self.setting.busy:
            planned += self._work()
        elif self.random.random() < _ASLEEP:
            return self.time.passes(DAY)
        for hour, event in sorted(planned, key=lambda one: one[0]):
            self._until(day * DAY + hour * _HOUR)
            event()
            self.checks.step()
        return self._until((day + 1) * DAY)

    def _work(self) -> list[tuple[float, Callable[[], None]]]:
        """What is done on a day, by the hour."""
        planned: list[tuple[float, Callable[[], None]]] = [
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
            planned += [(18.5, partial(self._cut_all, 8 * _HOUR)), (2.6, self._open)]
        return planned

    def note(self, *words: object) -> None:
        """Write down what happened."""
        self.events.append((int(self.time.seconds), " ".join(map(str, words))))

    def history(self) -> History:
        """What happened, after the last checks."""
        self.checks.end(self.branch)
        digest = crypto.sha256(*(f"{at} {words}\n".encode() for at, words in self.events)).hex()
        return History(tuple(self.events), self.opened, len(self.branch.sealed), self.calls, digest)

    def _handled(self, index: int, data: bytes) -> bytes | None:
        self.calls += 1
        return self.machines[index].handle(data)

    def _machine(self, index: int) -> Machine:
        machine = Machine(index, self._clock(), self.setting.make)
        machine.create()
        return machine

    def _clock(self) -> NodeClock:
        return NodeClock(self.time, self.random.uniform(-60, 60), self.random.uniform(-2e-6, 2e-6))

    def _until(self, seconds: float) -> None:
        """Let time pass, and what ends in between end."""
        for at, end in sorted(self.until, key=lambda one: one[0]):
            if at <= seconds:
                self.time.passes(at - self.time.seconds)
                self.until.remove((at, end))
                end()
        self.time.passes(seconds - self.time.seconds)
        for machine in self.machines.values():
            machine.tick()

    def _ceremony(self, number: int) -> Roster:
        draft = self._draft(number)
        seed = self.seeds[HEADQUARTERS]
        proposed = signed.sign(draft.document(), seed)
        listed = roster.roster(proposed, self._ask_all(proposed), seed)
        script = roster.transcript(listed, self._ask_all(listed), seed)
        self._ask_all(roster.founded(script, self._ask_all(script), seed))
        return roster.roster_of(listed)

    def _ask_all(self, said: signed.Signed) -> list[signed.Signed]:
        for index in self.machines:
            self.network.call(index, said.encode())
            self.machines[index].approve()
        return [signed.decode(self.network.call(index, said.encode())) for index in self.machines]

    def _draft(self, number: int) -> Draft:
        public = {role: crypto.sign_public(seed) for role, seed in self.seeds.items()}
        key = note.format_key(note.Key("log.example", crypto.sign_public(bytes(32))))
        names = tuple(machine.name for machine in self.machines.values())
        return Draft(
            STORE, number, self.setting.t, names, self.time.day, self.setting.lifetimes, self.setting.late_days,
            public[BRANCH], public[HEADQUARTERS], key, 12,
        )  # fmt: skip

    def _open(self) -> None:
        could = self.checks.ready(self.network.weather, self.branch_clock)
        fair = len(could) >= self.roster.draft.t
        tries = 6 if fair else 1
        for _ in range(tries):
            word = self.branch.open()
            self.note("open", word)
            if word in ("open", "closed before"):
                break
        self.opened += word == "open"
        self.checks.opened(word, fair, self.branch)
        self.branch.seal()

    def _reboot(self) -> None:
        self.branch.reboot()
        self._open()

    def _close(self) -> None:
        self.branch.close()
        self.note("close")

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
        asked, private, sealed = self.hq.values(pairs, self.roster.draft.set)
        self.note("evaluate", len(sealed))
        self.checks.evaluated(asked, private, sealed, self.branch)

    def _trouble(self) -> None:
        if self.random.randrange(1000) < self.setting.trouble:
            names = self.setting.events
            event = self.random.choice([one for one in TROUBLES if not names or _name(one) in names])
            index = self.random.randrange(self.setting.n)
            self.note("trouble", _name(event), index)
            event(self, self.machines[index])
        self._visit()

    def _visit(self) -> None:
        """Now and then the person looks at the page: sets the clock right, and confirms the date."""
        machine = self.machines[self.random.randrange(self.setting.n)]
        if self.random.random() < 0.3:
            machine.clock.right()
            with suppress(UnheldError):
                machine.do(lambda desk: desk.believe(machine.clock.day))

    def _cut_all(self, seconds: float) -> None:
        self.network.weather.all_cut = True
        self.until.append((self.time.seconds + seconds, self._uncut_all))

    def _uncut_all(self) -> None:
        self.network.weather.all_cut = False


def _name(event: Callable[[World, Machine], None]) -> str:
    return event.__name__.strip("_")


def _crash(world: World, machine: Machine) -> None:
    machine.disk.fault = (world.random.randrange(12), world.random.choice(simdisk.FAULTS))


def _restart(_world: World, machine: Machine) -> None:
    machine.restart()


def _cut(world: World, machine: Machine) -> None:
    world.network.weather.cut.add(machine.index)
    ends = world.time.seconds + world.random.choice([2, 12, 80]) * _HOUR
    world.until.append((ends, lambda: world.network.weather.cut.discard(machine.index)))


def _cut_all(world: World, _machine: Machine) -> None:
    world._cut_all(world.random.choice([3, 30, 100]) * _HOUR)


def _off(world: World, machine: Machine) -> None:
    machine.off = True
    machine.restart()
    ends = world.time.seconds + world.random.choice([1, 30, 200]) * _HOUR
    world.until.append((ends, lambda: setattr(machine, "off", False)))


def _jump(world: World, machine: Machine) -> None:
    machine.clock.jump(world.random.choice([-400 * DAY, -2 * DAY, -_HOUR, 900, _HOUR, 2 * DAY, 9 * DAY, 2000 * DAY]))


def _branch_jump(world: World, _machine: Machine) -> None:
    world.branch_clock.jump(world.random.choice([-2 * DAY, -_HOUR, _HOUR, 2 * DAY, 400 * DAY]))
    world.until.append((world.time.seconds + 20 * _HOUR, world.branch_clock.right))


def _backup(world: World, machine: Machine) -> None:
    world.checks.save(machine)


def _restore(world: World, machine: Machine) -> None:
    world.checks.restore(machine, world.random.random() < 0.7)


def _freeze(world: World, machine: Machine) -> None:
    machine.do(lambda desk: desk.freeze("simulated"))
    world.until.append((world.time.seconds + 50 * _HOUR, machine.thaw))


def _hq_freeze(world: World, machine: Machine) -> None:
    word = world.hq.ask(machine.index, "freeze", {"words": "simulated"})
    world.note("freeze", word)
    world.until.append((world.time.seconds + 30 * _HOUR, lambda: world.note(world.hq.ask(machine.index, "thaw"))))


def _replay(world: World, _machine: Machine) -> None:
    for _ in range(5):
        world.network.replay()


def _erase(world: World, _machine: Machine) -> None:
    day = world.time.day - world.random.randrange(3)
    plan = Plan(STORE, "day", columns.day_text(world.time.day), {}, event_day=day)
    signed_plan = plan.signed(world.seeds[HEADQUARTERS])
    for heard in world.branch.remote.erase(signed_plan):
        world.note("erase", len(heard.attested))
    world.branch.forget(signed_plan.columns)


def _tombstone(world: World, _machine: Machine) -> None:
    stone = grant.tombstone(STORE, world.hq.label)
    plan = Plan(STORE, "party", columns.day_text(world.time.day), {}, root=bytes(32), leaves=16)
    world.note("tombstone", len(world.branch.remote.tombstone(plan.signed(world.seeds[HEADQUARTERS]), [stone])))
    world.hq.renew()


TROUBLES: tuple[Callable[[World, Machine], None], ...] = (
    _crash, _crash, _crash, _crash, _restart, _cut, _cut_all, _off, _jump, _jump, _branch_jump, _backup, _backup,
    _restore, _freeze, _hq_freeze, _replay, _replay, _erase, _erase, _tombstone,
)  # fmt: skip
