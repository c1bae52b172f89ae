"""Branch, headquarters and four custodians as real processes in network namespaces, killed and cut at each step.

Nothing is lost, nothing is handed out for a past day, and who recorded the lines and seizes the branch reads today.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.far import BRANCH, Far, far
from tests.support.namespaces import network
from unheld.testing.attacker import Attacker, Folio, Loot
from unheld.testing.planted import planted
from unheld.testing.recorder import Copies
from unheld.testing.recording import Recording
from unheld.testing.synthetic import Operator
from unheld_verify import columns

N, T = 4, 2
OPERATOR = Operator(seed=23, subscribers=10, days=2)
FIRST, SECOND = OPERATOR.sealing_days
LIFETIMES = {"charge": 20, "contact": 8, "place": 3, "identity": 62}
NOON, LAST = 43_200, 86_399
PLACE_GONE = SECOND + timedelta(days=LIFETIMES["place"])

pytestmark = pytest.mark.timeout(600)


def second(when: object, seconds: int) -> int:
    return columns.day_of(when) * 86_400 + seconds  # type: ignore[arg-type]


def repeated(step: Callable[[], int]) -> None:
    """Until it succeeds: a step that was cut short is called again."""
    for _ in range(4):
        if step() == 0:
            return
    raise AssertionError("the step never succeeds")


@dataclass
class Life:
    """A life of processes, with what a robber recorded of it."""

    far: Far
    branch: Copies
    custodians: list[Copies]
    moments: dict[str, tuple[Recording, ...]] = field(default_factory=dict)
    robbed: int = 0
    again: int = 0
    killed: int = 0

    def moment(self, name: str) -> None:
        """Everything as it is now: the branch with the lines, and each custodian with its memory."""
        lines = processes.messages(self.far.lines)
        each = [copies.recording().with_memory(self.far.memory(at)) for at, copies in enumerate(self.custodians)]
        self.moments[name] = (self.branch.recording().with_lines(*lines), *each)

    def attack(self, name: str, *held: int) -> Loot:
        found, *each = self.moments[name]
        for index in held:
            found = found.joined(each[index])
        return Attacker(found, OPERATOR).closure()

    def fails_then(self, step: Callable[[], int], *deaths: tuple[str, int], cut: str = "") -> None:
        """A step under faults, one after another, and then without."""
        done = False
        for host, writes in deaths:
            died, succeeded = self.far.killed(host, writes, step)
            self.killed, done = self.killed + died, done or succeeded
            self.branch.take()
        if cut:
            done = self.far.cut(cut, step) == 0 or done
        if not done:
            repeated(step)
        for copies in (self.branch, *self.custodians):
            copies.take()


def founded(life: Life) -> None:
    """The ceremony: a custodian dies when it is asked, one when it judges, and one is away."""
    made = life.far
    made.found(T, [f"{cls}={days}" for cls, days in LIFETIMES.items() if cls != "identity"])
    life.killed += made.killed("c0", 1, made.go)[0]
    made.cut("c1", made.go)
    made.go()
    made.approve()
    life.killed += made.killed("c2", 1, made.go)[0]
    made.go_on()


def two_days(life: Life) -> None:
    """Two days under faults; seized in the second, while it is open."""
    made, sources = life.far, life.far.folder / "sources"
    made.at(second(FIRST, LAST))
    life.fails_then(lambda: made.branch("open"), (BRANCH, 9), ("c1", 1), cut="c2")
    life.fails_then(lambda: made.take_in(sources / f"cdr-{FIRST}.csv"), (BRANCH, 3))
    life.fails_then(lambda: made.branch("close"), (BRANCH, 5), ("c3", 1))
    made.at(second(SECOND, LAST))
    repeated(lambda: made.officer("custody", "beat").returncode)
    repeated(lambda: made.branch("open"))
    repeated(lambda: made.take_in(sources / f"cdr-{SECOND}.csv"))
    # yesterday's secrets are gone, and with them each custodian's process and its doors: who is asked now, has the ask
    repeated(lambda: made.officer("custody", "beat").returncode)
    life.moment("open")
    life.fails_then(lambda: made.branch("close"), cut="c0")
    life.robbed += made.rob(FIRST)
    life.again = made.rob(SECOND)


def forgotten(life: Life) -> None:
    """Headquarters plans, the branch applies under faults; the calendar does the rest under others."""
    made, plan = life.far, life.far.folder / "plan.json"
    planned = made.officer("erase", "plan", "--day", str(FIRST), "--class", "charge", "--out", str(plan))
    assert planned.returncode == 0, planned.stderr
    life.fails_then(lambda: made.branch("apply", str(plan)), (BRANCH, 3), cut="c3")
    made.at(second(SECOND, LAST) + 2 * 86_400)
    repeated(lambda: made.officer("custody", "beat").returncode)
    made.at(second(PLACE_GONE, NOON))
    life.fails_then(lambda: made.branch("lapse"), ("c0", 1), cut="c2")
    life.robbed += made.rob(FIRST, SECOND, PLACE_GONE - timedelta(days=1))
    life.moment("end")


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("far")
    OPERATOR.write(folder / "sources")
    with far(folder, N, second(FIRST, NOON)) as made, ExitStack() as held:
        branch = held.enter_context(Copies(made.branch_folders))
        each = [held.enter_context(Copies(made.disks(index))) for index in range(N)]
        found = Life(made, branch, each)
        founded(found)
        two_days(found)
        forgotten(found)
        yield found


def folios(*sealed: object) -> set[Folio]:
    aimed = planted(OPERATOR, sealed, LIFETIMES)  # type: ignore[arg-type]
    return {
        Folio(party, column.cls, column.event_day, column.sealing_day)
        for column, parties in aimed.folios.items()
        for party in parties
    }


def left() -> set[Folio]:
    """What neither was erased nor has lapsed at the end."""
    today, erased = columns.day_of(PLACE_GONE), ("charge", columns.day_of(FIRST))
    return {
        folio
        for folio in folios(FIRST, SECOND)
        if columns.due(folio.cls, folio.event_day, LIFETIMES) > today and (folio.cls, folio.event_day) != erased
    }


def test_the_faults_happened(life: Life) -> None:
    """Processes were killed in ceremony, opening, taking in, closing, erasing and lapsing."""
    assert life.killed == 9


def test_nothing_is_lost(life: Life) -> None:
    """After all kills and cuts, t custodians with the branch open every folio that lives, and no other."""
    assert life.attack("end", 1, 2).opened_folios() == left()


def test_nothing_is_handed_out_for_a_past_day(life: Life) -> None:
    """With the branch's own keys, asked of every custodian, no day that is over is opened."""
    assert life.robbed == 0


def test_a_day_closed_before_its_end_opens_no_more(life: Life) -> None:
    """Of the day that was closed a minute ago, fewer than t give its keys again: those whom the close did not reach."""
    assert life.again < T


@pytest.mark.parametrize("held", [(), (0,), (3,)])
def test_a_seized_branch_reads_today_alone(life: Life, held: tuple[int, ...]) -> None:
    """Disks, credentials and lines, with a custodian's disk, slot and memory or without, open the open day alone."""
    loot = life.attack("open", *held)

    assert loot.opened_folios() == folios(SECOND)
    assert (loot.counts.get("asks", 0) > 0) == bool(held)


def test_t_custodians_open_every_day(life: Life) -> None:
    """The positive control, by the same code and the same recording."""
    assert life.attack("open", 0, 3).opened_folios() == folios(FIRST, SECOND)


def test_two_networks_lie_beside_each_other() -> None:
    """A second network of one process neither fails nor takes the first one away: tests come in any order."""
    with network(["a"]) as first:
        with network(["a"]):
            pass
        done = subprocess.run(first.inside("a", ["true"]), check=False)

    assert done.returncode == 0


@pytest.mark.long
@pytest.mark.parametrize("host", [BRANCH, "c1"])
def test_killed_deeper_each_time_nothing_is_lost(tmp_path: Path, host: str) -> None:
    """A process that dies before its durable writes, deeper each time, loses nothing of the day."""
    OPERATOR.write(tmp_path / "sources")
    with far(tmp_path, N, second(FIRST, LAST)) as made, ExitStack() as held:
        branch = held.enter_context(Copies(made.branch_folders))
        each = [held.enter_context(Copies(made.disks(index))) for index in range(N)]
        found = Life(made, branch, each)
        founded(found)
        steps = [("open",), ("ingest", str(tmp_path / "sources" / f"cdr-{FIRST}.csv")), ("close",), ("lapse",)]
        for step in steps:

            def act(step: tuple[str, ...] = step) -> int:
                return made.take_in(Path(step[1])) if step[0] == "ingest" else made.branch(*step)

            done = False
            # a day is handed out few times: an opening that dies more often than that has to park
            for writes in range(1, 24, 4) if step[0] == "open" else count(1):
                died, succeeded = made.killed(host, writes, act)
                done = done or succeeded
                if not died or (done and step[0] == "close"):
                    break
            if not done:
                repeated(act)
        made.at(second(SECOND, NOON))
        assert made.rob(FIRST) == 0
        found.moment("end")
        assert found.attack("end").opened_folios() == set()
        assert found.attack("end", 1, 2).opened_folios() == folios(FIRST)
