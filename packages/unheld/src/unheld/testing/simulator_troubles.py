"""What goes wrong in a simulated month, each an event that strikes a world and one of its machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unheld.testing import simdisk
from unheld.testing.simclock import DAY
from unheld.testing.simulator_nodes import Machine
from unheld_verify import columns, grant
from unheld_verify.custody import HEADQUARTERS
from unheld_verify.plan import Plan

if TYPE_CHECKING:
    from unheld.testing.simulator import World

_HOUR = 3600

Trouble = Callable[["World", Machine], None]


def name(event: Trouble) -> str:
    """What a trouble is called."""
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
    world.cut_all(world.random.choice([3, 30, 100]) * _HOUR)


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
    world.promises.save(machine)


def _restore(world: World, machine: Machine) -> None:
    snapshot = world.random.random() < 0.7
    if not world.rotation.goes_on:  # a copy that is put back spoils what is being made: storms have that
        world.promises.restore(machine, snapshot)


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
    plan = Plan(world.store, "day", columns.day_text(world.time.day), {}, event_day=day)
    signed_plan = plan.signed(world.seeds[HEADQUARTERS])
    for heard in world.branch.remote.erase(signed_plan):
        world.note("erase", len(heard.attested))
    world.branch.forget(signed_plan.columns)


def _tombstone(world: World, _machine: Machine) -> None:
    stone = grant.tombstone(world.store, world.hq.label)
    plan = Plan(world.store, "party", columns.day_text(world.time.day), {}, root=bytes(32), leaves=16)
    world.note("tombstone", len(world.branch.remote.tombstone(plan.signed(world.seeds[HEADQUARTERS]), [stone])))
    world.hq.renew()


TROUBLES: tuple[Trouble, ...] = (
    _crash, _crash, _crash, _crash, _restart, _cut, _cut_all, _off, _jump, _jump, _branch_jump, _backup, _backup,
    _restore, _freeze, _hq_freeze, _replay, _replay, _erase, _erase, _tombstone,
)  # fmt: skip
