"""Every durable step of every act on a store broken in turn: it opens again in the old state or the new."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.acts import ACTS, NEXT, remains, secrets, telling
from tests.support.calls import ALICE, FAULTS, FIRST, Crash, crash_points, held, steps
from tests.support.stores import Saved, TestStore, made_store
from unheld_branch.store.check import check
from unheld_verify import columns
from unheld_verify.errors import InternalError, StateError, UnheldError

pytestmark = pytest.mark.spread

COMMON = ("ingest", "close", "forget a party", "lapse", "park", "unpark", "plan", "publish")
"""Acts whose moments are the others' too; those of the others are broken in the slow suite, by every fault."""


class Point(NamedTuple):
    """Where an act is broken: the number of a moment, and one of FAULTS."""

    at: int
    fault: str


def _quick(points: list[str]) -> Iterable[Point]:
    """Each kind of step by a crash before it, and every second by a failure: in turn before it and after it."""
    for number, (moment, at) in enumerate(telling(points).items()):
        yield Point(at, "dies")
        if number % 2:
            yield Point(at + number // 2 % 2, "fails")
        if "commit" in moment:
            yield Point(at, "gone")


def _kinds(points: list[str]) -> Iterable[Point]:
    """Both sides of each kind of step, by every fault."""
    return [Point(at, fault) for at in telling(points, after=True).values() for fault in FAULTS]


def _all(points: list[str]) -> Iterable[Point]:
    """Every moment, by every fault."""
    return [Point(at, fault) for at in range(len(points)) for fault in FAULTS]


def _settled(made: TestStore) -> None:
    with made.opened() as store:
        assert check(store).findings == ()
        for vault in (store.vault, *store.copies.vaults):
            assert len(vault.slot.live()) == 1
            assert vault.load().generation == store.catalog.generation


def _again(made: TestStore, name: str) -> None:
    """Do it again, as an operator would who saw it fail; what was done already says so."""
    with suppress(StateError):
        ACTS[name].act(made)


def _broken(made: TestStore, name: str, point: Point) -> None:
    """Break the act there. A failure is told as an error of ours that names its place, or the act ends without it."""
    if point.fault == "dies":
        with pytest.raises(Crash), steps(point.at):
            ACTS[name].act(made)
        return
    told = _told(lambda: ACTS[name].act(made), point)
    assert not isinstance(told, InternalError)
    assert told is None or re.search(f"{made.folder}|custodian", str(told))  # who tells no path of theirs


def _told(act: Callable[[], object], point: Point) -> UnheldError | None:
    try:
        with steps(point.at, point.fault):
            act()
    except UnheldError as error:
        return error
    return None


def _survives(tmp_path: Path, name: str, points: Callable[[list[str]], Iterable[Point]], copies: int = 0) -> None:
    """Break an act at each of these points: after each the store is whole and no secret that ended stands anywhere."""
    act = ACTS[name]
    made = made_store(tmp_path / "m", copies=copies)
    act.before(made)
    saved, kept = Saved(made), secrets(made.folder)
    met = crash_points(lambda: act.act(made))
    assert len(met) >= 6
    for point in points(met):
        made = saved.again()
        _broken(made, name, point)

        _settled(made)
        _again(made, name)
        _settled(made)
        assert remains(made.folder, kept) == [], met[point.at]
        act.after(made)


@pytest.mark.parametrize(
    ("name", "copies"),
    [
        *((name, 0) for name in COMMON),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("custodian set", 0), ("ingest", 1), ("forget a party", 2))
        ),
    ],
)
def test_an_act_broken_anywhere_leaves_the_old_state_or_the_new(tmp_path: Path, name: str, copies: int) -> None:
    """Whether the machine stops or a disk fails, stored or not: the store opens whole, and again ends the act."""
    _survives(tmp_path, name, _quick, copies)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [name for name in ACTS if name != "custodian set"])  # which has most: with all moments
def test_both_sides_of_each_kind_of_step_break_by_every_fault(tmp_path: Path, name: str) -> None:
    """Not stored, or stored and reported failed; the machine stops, the disk fails once, the disk is gone."""
    _survives(tmp_path, name, _kinds)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("name", "copies"), [*((name, 0) for name in ACTS), ("ingest", 1), ("forget a party", 2)])
def test_every_moment_breaks_by_every_fault(tmp_path: Path, name: str, copies: int) -> None:
    """The full enumeration of what the tests above choose from."""
    _survives(tmp_path, name, _all, copies)


@pytest.mark.parametrize("copies", [0, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 2))])
def test_a_store_that_crashed_in_a_forgetting_never_holds_both_keys_and_serves(tmp_path: Path, copies: int) -> None:
    """Whatever step of a forgetting was cut off, an opened store opens the party's records or has no key to them."""
    made = made_store(tmp_path / "m", copies=copies)
    ACTS["close"].before(made)
    saved = Saved(made)
    points = crash_points(lambda: made.forget("tel:" + ALICE))
    found = set()
    for at in range(len(points)):
        made = saved.again()
        with pytest.raises(Crash), steps(at):
            made.forget("tel:" + ALICE)
        with made.opened() as store:
            rows = len(store.parties().find(["tel:" + ALICE], [202607, 0]).rows)
            for copy in store.copies.vaults:
                root = copy.load()
                assert (root.trees[202607].rows, root.generation) == (
                    store.root.trees[202607].rows,
                    store.root.generation,
                )
        found.add((rows, len(held(made, "tel:" + ALICE))))

    assert found == {(1, 2), (0, 0)}


def _after_commit(made: TestStore) -> int:
    """The number of the step right after the commit of a close."""
    saved = Saved(made)
    met = crash_points(made.close)
    saved.again()
    return next(at for at, point in enumerate(met) if point.startswith("after commit")) + 4


def test_a_close_cut_off_after_its_commit_is_ended_by_the_next_day(tmp_path: Path) -> None:
    """Keys that a crash left behind die when the next day opens, and nothing can be sealed with them before."""
    made = made_store(tmp_path / "m")
    ACTS["close"].before(made)
    points = _after_commit(made)
    with pytest.raises(Crash), steps(points):
        made.close()

    with made.opened() as store:
        assert store.day_slot.read() is not None
        assert store.open_day() is None
    made.open_day(NEXT)
    with made.opened() as store:
        kept = store.open_day()

    assert kept is not None
    assert columns.date_of(kept.day) == NEXT
    assert all(columns.day_of(FIRST) not in state.open_days for state in made.states())


@pytest.mark.sqlite
def test_the_order_of_a_forgetting_is_the_page_s(tmp_path: Path) -> None:
    """New key, transaction, the same in the copy, and only then the old keys: the copy's first, the store's last."""
    made = made_store(tmp_path / "m", copies=1)
    ACTS["close"].before(made)

    met = crash_points(lambda: made.forget("tel:" + ALICE))

    assert [point.removeprefix("before ") for point in met if point.startswith("before")] == [
        "overwrite s.slots/root.slot",
        "commit s/catalog.db",
        "overwrite copy-1.slots/root.slot",
        "commit copy-1/catalog.db",
        "overwrite copy-1.slots/root.slot",
        "overwrite s.slots/root.slot",
    ]
