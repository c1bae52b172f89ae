"""Two processes at one store: while one is in the middle of an act, whatever another begins waits its turn by refusal.

The second act is begun at moments inside the first, through an opening of its own, as a second process would: locks are
those of the system, and hold between two openings of one process too (`test_store_rollback`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.acts import ACTS
from tests.support.calls import BOB, CAROL, FIRST, OFF_NET, Call, calls, crash_points, held, snapshot
from tests.support.commands import Box
from tests.support.stores import MAPPINGS, Saved, TestStore, made_store
from unheld.inventory import Inventory
from unheld.testing import textfile
from unheld.workflows import mirrors
from unheld.workflows import status as statuses
from unheld_branch.kernel.locks import locked
from unheld_branch.store.check import check
from unheld_slots import durable
from unheld_verify.errors import LockedError

Door = Callable[[TestStore], object]


def _file(made: TestStore) -> Path:
    return made.folder / "second.csv"


DOORS: dict[str, Door] = {
    "ingest": lambda made: made.ingest(_file(made)),
    "close": lambda made: made.close(),
    "open": lambda made: made.open_day(FIRST + timedelta(1)),
    "park": lambda made: made.park(_file(made)),
    "forget": lambda made: made.forget("tel:" + BOB),
    "forget everyone": lambda made: made.everything(),
    "lapse": lambda made: made.lapse(),
    "publish": lambda made: made.publish(),
    "status": lambda made: statuses.status(made.deployment),
    "mend slots": lambda made: mirrors.mend(made.deployment),
}
WORDS: dict[str, list[str]] = {
    "status": ["status"],
    "check": ["check"],
    "doctor": ["doctor"],
    "mend slots": ["doctor", "--mend-slots"],
    "ingest": ["ingest", "@second.csv", "--mapping", str(MAPPINGS / "synthetic.toml")],
    "open": ["day", "open"],
    "close": ["day", "close"],
    "lapse": ["lapse", "run"],
    "park": ["park", "add", "@second.csv", "--mapping", str(MAPPINGS / "synthetic.toml")],
    "plan": ["erase", "plan", "--day", "2026-07-01", "--out", "@x.plan"],
    "publish": ["log", "publish"],
    "upgrade": ["upgrade", "plan", "--out", "@x.upgrade"],
    "custodians": ["custody", "status"],
    "beat": ["custody", "beat"],
}
REGISTER: dict[str, list[str]] = {
    "inventory": ["inventory", "add", "mediation"],
    "beat": ["custody", "beat"],
    "set": ["custody", "go"],
}


def _inside(made: TestStore, act: Callable[[], object], moments: set[int], second: Callable[[], object]) -> None:
    """Do an act, and begin the second at these of its moments."""
    met = 0

    def step(_moment: str, _path: Path) -> None:
        nonlocal met
        met += 1
        if met in moments:
            moments.discard(met)
            second()

    with durable.observed(step):
        act()


QUICK = ("ingest", "close", "forget parties", "publish")
OTHERS = [name for name in ACTS if name not in (*QUICK, "plan", "custodian set")]  # which also write beside the store


@pytest.mark.parametrize("first", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_while_one_act_goes_on_every_other_is_refused_and_changes_nothing(tmp_path: Path, first: str) -> None:
    """At its beginning, middle and end: each door says that another process works there, and no byte changes."""
    act, made = ACTS[first], made_store(tmp_path / "m")
    act.before(made)
    textfile.write(calls(Call(BOB, second=77)), _file(made))
    saved = Saved(made)
    count = len([point for point in crash_points(lambda: act.act(made)) if "commit" not in point])
    made = saved.again()
    told = list[str]()

    def second() -> None:
        now = made.now
        for name, door in DOORS.items():
            before = snapshot(made.folder)
            with pytest.raises(LockedError, match="another process"):
                door(made)
            assert snapshot(made.folder) == before, name
            told.append(name)
        made.now = now

    _inside(made, lambda: act.act(made), {1, count // 2, count}, second)

    assert len(told) == 3 * len(DOORS)
    with made.opened(write=True) as store:
        assert check(store).findings == ()
    act.after(made)


@pytest.fixture
def filled(tmp_path: Path) -> TestStore:
    """A day that is open, with one record, and a second file."""
    made = made_store(tmp_path / "m")
    ACTS["close"].before(made)
    textfile.write(calls(Call(CAROL, second=77)), _file(made))
    return made


def _words(made: TestStore, words: list[str]) -> list[str | Path]:
    return [made.folder / word[1:] if word.startswith("@") else word for word in words]


def _box(made: TestStore) -> Box:
    return Box(made.folder, FIRST, 86_399)


@pytest.mark.parametrize("lock", ["s/lock", "s.register/lock"])
def test_a_command_that_comes_second_ends_with_its_own_exit_code(filled: TestStore, lock: str) -> None:
    """11 and who holds what, at every door of store and register, so that a script waits and calls again."""
    named = WORDS if lock == "s/lock" else REGISTER
    with locked(filled.folder / lock, exclusive=True):
        before = snapshot(filled.folder)
        told = {name: _box(filled)(*_words(filled, words)) for name, words in named.items()}

    assert {name: ended.code for name, ended in told.items()} == dict.fromkeys(named, 11)
    assert all("another process works on this store" in ended.err for ended in told.values())
    assert snapshot(filled.folder) == before


@pytest.mark.slow
def test_real_processes_started_at_once_each_end_with_their_act_done(filled: TestStore) -> None:
    """Called again while they are told to wait, as a script does: every act is done once, whoever came first."""
    second = textfile.write(calls(Call(OFF_NET, second=78)), filled.folder / "third.csv")
    ingest = ["ingest", "--mapping", str(MAPPINGS / "synthetic.toml")]
    wanted: list[list[str | Path]] = [
        [*ingest, _file(filled)],
        [*ingest, second],
        ["inventory", "add", "mediation"],
        ["inventory", "add", "rating"],
        ["log", "publish"],
        ["erase", "plan", "--day", "2026-07-01", "--out", filled.folder / "x.plan"],
    ]
    for _ in range(40):
        started = [(words, _box(filled).start(*words)) for words in wanted]
        ended = [(words, process.communicate()[1], process.returncode) for words, process in started]
        assert {code for _, _, code in ended} <= {0, 11}, ended
        wanted = [words for words, _, code in ended if code == 11]
        if not wanted:
            break

    assert not wanted
    assert held(filled, "tel:" + CAROL) == [(FIRST, 77)]
    assert held(filled, "tel:" + OFF_NET) == [(FIRST, 78)]
    assert {place.name for place in Inventory(filled.root).places} == {"mediation", "rating"}
    assert (filled.folder / "x.plan").exists()
    with filled.opened(write=True) as store:
        assert check(store).findings == ()
