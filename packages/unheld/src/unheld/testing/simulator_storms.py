"""A set is made in a storm: what is said is lost, late, twice, altered; machines and headquarters lose their power;
persons refuse; a dealer lies. Then the weather is fair again, and what must have come of it has come.

    ended = storm(Setting(seed=7, n=3, t=2, fates=40))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from unheld.custody.ceremony import DRAFT, FOUNDED, Step
from unheld.testing import simdisk
from unheld.testing.simclock import DAY
from unheld.testing.simnet import Weather
from unheld.testing.simulator import Setting, World, prepared
from unheld.testing.simulator_liars import silent
from unheld.testing.simulator_nodes import Machine, Straight
from unheld_branch.custody.client import Client, Remote
from unheld_branch.keys.columns import merge_pushes
from unheld_slots.contract import Live
from unheld_verify import columns, roster
from unheld_verify.custody import BRANCH
from unheld_verify.errors import StateError, VerificationError

ROUNDS = 10
CALM = 6


@dataclass(frozen=True)
class Ended:
    """How it ended: the newest document, why a custodian complained, and custodians that hold the set."""

    stage: str
    complaint: str
    holding: tuple[int, ...]


def storm(setting: Setting) -> Ended:
    """Make a set. Raises AssertionError, with the seed and what happened, when a promise broke."""
    with prepared(setting):
        made = Storm(World(setting))
        try:
            return made.run()
        except AssertionError as error:
            raise AssertionError(f"seed {setting.seed}: {error}\n{made.words()}") from error


class Storm:
    """A ceremony in a world whose machines are new. `setting.liars` deal as they like."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.officer, self.making, self.random = world.officer, world.making, world.random
        self.liars = set(world.setting.liars)
        self.complaint = ""
        self.copies: dict[int, tuple[dict[str, bytes], list[Live]]] = {}
        for index, bend in world.setting.liars.items():
            world.machines[index].bend = bend

    def words(self) -> str:
        """What happened."""
        return "; ".join(words for _, words in self.world.events[-25:])

    def run(self) -> Ended:
        """To its end."""
        self.officer.propose(self.world.draft(1, self.world.time.day + 2))
        for _ in range(ROUNDS):
            self._round()
        self._calm()
        step = self._go()
        for _ in range(CALM):
            self.officer.hear()
            step = self._go()
        self._judge(step)
        return Ended(self.officer.ceremony.standing().stage, self.complaint, self._holding())

    def _round(self) -> None:
        world = self.world
        world.pass_until(world.time.seconds + self.random.uniform(30, 3600))
        if self.random.random() < world.setting.trouble / 1000:
            event, machine = self.random.choice(STRIKES), world.machines[self.random.randrange(world.setting.n)]
            world.note("strikes", event.__name__.strip("_"), machine.index)
            event(self, machine)
        self._go()
        self.officer.hear(*(index for index in world.machines if self.random.random() < 0.5))
        self.making.step()

    def _go(self) -> Step | None:
        """A round of headquarters'; nothing more where somebody complained."""
        if self.complaint:
            return None
        try:
            step = self.officer.go()
        except VerificationError as error:
            self.complaint = str(error)
            return None
        finally:
            self.making.step()
        self.world.note(step.stage if step else "headquarters lost its power")
        return step

    def _calm(self) -> None:
        world = self.world
        world.network.weather = Weather()
        world.pass_until(world.time.seconds + 20 * 3600)
        world.officer.disk.fault = None
        for machine in world.machines.values():
            machine.disk.fault, machine.off = None, False
            machine.restart()
            machine.tick()

    def _judge(self, step: Step | None) -> None:
        """What must have come of it."""
        excused = self.liars | self.officer.refusing | self._put_back()
        if self.complaint:
            assert excused, f"nobody lied, and one complained: {self.complaint}"
            if not self._put_back():
                self.making.complained(self.complaint, self.liars)
            assert not self._holding(), "a set that was complained of is held"
            return
        assert step is not None, "headquarters does not come to an end"
        assert step.over or set(step.missing) & excused, f"it does not end: {step}"
        if step.stage == FOUNDED:
            self._opens()

    def _opens(self) -> None:
        """A founded set opens its days with t that are honest, whatever the others do."""
        world, founded = self.world, self.officer.founded
        assert founded is not None, "it is founded and there is none"
        found, _ = roster.founded_of(founded)
        honest = [index for index in self._holding() if index not in self.liars | self._put_back()]
        least = found.draft.quorum - len(self.liars | self._put_back())
        assert len(honest) >= min(least, found.draft.t), f"founded, and only {honest} hold it"
        if len(honest) < found.draft.t:
            return
        for index in set(world.machines) - set(honest):
            world.machines[index].bend = silent
        client = Client(found, Straight(world.machines), world.seeds[BRANCH], BRANCH, world.branch_clock.now)
        world.promises.begin(found, self.making.of(founded))
        for day in (found.draft.begins, found.draft.begins + 3):
            world.pass_until(day * DAY + 3600)
            world.promises.step()
            try:
                keys = merge_pushes(Remote(client, seconds=None).open_day(day), found.draft.n, found.draft.t).keys
            except StateError as error:
                raise AssertionError(f"founded, and {columns.day_text(day)} does not open: {error}") from None
            for pair, each in keys.items():
                assert each == world.promises.sets[1].true_keys(pair, day), f"wrong keys of {pair} opened"

    def _holding(self) -> tuple[int, ...]:
        place = (self.world.store, 1)
        return tuple(index for index, machine in self.world.machines.items() if machine.state(place) is not None)

    def _put_back(self) -> set[int]:
        return {index for index, machine in self.world.machines.items() if machine.put_back}


def _power(storm: Storm, machine: Machine) -> None:
    machine.disk.fault = (storm.random.randrange(6), storm.random.choice(simdisk.FAULTS))


def _headquarters(storm: Storm, _machine: Machine) -> None:
    storm.officer.disk.fault = (storm.random.randrange(4), storm.random.choice(simdisk.FAULTS))


def _restart(_storm: Storm, machine: Machine) -> None:
    machine.restart()


def _cut(storm: Storm, machine: Machine) -> None:
    cut = storm.world.network.weather.cut
    cut.add(machine.index)
    ends = storm.world.time.seconds + storm.random.uniform(600, 9000)
    storm.world.until.append((ends, partial(cut.discard, machine.index)))


def _off(storm: Storm, machine: Machine) -> None:
    machine.off = True
    machine.restart()
    ends = storm.world.time.seconds + storm.random.uniform(600, 9000)
    storm.world.until.append((ends, partial(setattr, machine, "off", False)))


def _refuse(storm: Storm, machine: Machine) -> None:
    """Its person says no from now on, where all others' are still asked whether they join."""
    if machine.index not in storm.liars and storm.officer.ceremony.standing().stage == DRAFT:
        storm.officer.refusing.add(machine.index)


def _copy(storm: Storm, machine: Machine) -> None:
    storm.copies[machine.index] = (machine.disk.backup(), list(machine.disk.lives))


def _snapshot(storm: Storm, machine: Machine) -> None:
    """One machine at most is put back, and no liar's."""
    if machine.index in storm.copies and not storm.liars | storm._put_back():
        machine.put_back = True
        machine.disk.put_back(*storm.copies[machine.index])
        machine.restart()


def _replay(storm: Storm, _machine: Machine) -> None:
    for _ in range(5):
        storm.world.network.replay()


STRIKES: tuple[Callable[[Storm, Machine], None], ...] = (
    _power, _power, _power, _headquarters, _headquarters, _restart, _cut, _off, _copy, _copy, _snapshot, _replay,
    _refuse,
)  # fmt: skip
