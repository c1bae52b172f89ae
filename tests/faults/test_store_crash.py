"""Every durable step of every act on a store broken in turn: it opens again in the old state or the new."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, OFF_NET, Call, Crash, calls, crash_points, held, steps, trees
from tests.support.stores import TestStore, made_store
from unheld_branch.store.check import check
from unheld_verify import columns
from unheld_verify.errors import StateError

NEXT = FIRST + timedelta(1)
MINE = [Call(ALICE, second=5), Call(ALICE, second=9, to=OFF_NET)]
TIMES = [(FIRST, 5), (FIRST, 9)]
Act = Callable[[TestStore], object]


def _opened(made: TestStore) -> None:
    made.open_day(FIRST)


def _filled(made: TestStore) -> None:
    _opened(made)
    made.ingest(calls(*MINE, Call(BOB)))


def _closed(made: TestStore) -> None:
    _filled(made)
    made.close()
    made.set_clock(FIRST + timedelta(7))


def _keyed(made: TestStore) -> None:
    _filled(made)
    made.close()
    made.set_clock(NEXT)


def _parked(made: TestStore) -> None:
    _keyed(made)
    made.park(calls(Call(ALICE, FIRST, 7)))
    made.open_day(NEXT)


def _same_file(made: TestStore) -> object:
    folder = made.folder / "delivered"
    return made.ingest(folder / "0000.csv" if folder.exists() else calls(*MINE))


def _same_park(made: TestStore) -> object:
    folder = made.folder / "delivered"
    files = sorted(folder.iterdir())
    return made.park(files[1] if len(files) > 1 else calls(Call(BOB, FIRST, 77)))


def _unpark(made: TestStore) -> object:
    with made.opened() as store:
        waiting = store.catalog.waiting()[0].batch.hex()
    return made.unpark(waiting)


def _is_open(made: TestStore) -> None:
    assert made.ingest(calls(*MINE)).records == 2


def _has_mine(made: TestStore) -> None:
    assert held(made, "tel:" + ALICE) == TIMES


def _has_closed(made: TestStore) -> None:
    _has_mine(made)
    made.open_day(NEXT)
    assert not list(made.root.rglob("*.handles"))


def _has_forgotten(made: TestStore) -> None:
    assert trees(made, "tel:" + ALICE) == set()
    assert trees(made, "tel:" + BOB) == {0}


def _has_nothing(made: TestStore) -> None:
    assert trees(made, "tel:" + BOB) == set()
    with made.opened() as store:
        assert store.day_slot.read() is None
        assert not any(state.keys for state in made.states())
    made.open_day(NEXT)
    _is_open(made)


def _has_lapsed(made: TestStore) -> None:
    assert not list((made.root / "blocks" / "place").rglob("*.parquet"))
    assert held(made, "tel:" + ALICE) == TIMES
    assert held(made, "tel:" + ALICE, "place") == []


def _has_parked(made: TestStore) -> None:
    with made.opened() as store:
        assert [batch.records for batch in store.catalog.waiting()] == [1]


def _has_unparked(made: TestStore) -> None:
    assert held(made, "tel:" + ALICE) == sorted([*TIMES, (FIRST, 7)])


CASES: dict[str, tuple[Act, Act, Act]] = {
    "open": (lambda made: None, lambda made: made.open_day(FIRST), _is_open),
    "ingest": (_opened, _same_file, _has_mine),
    "close": (_filled, lambda made: made.close(), _has_closed),
    "forget": (_filled, lambda made: made.forget("tel:" + ALICE), _has_forgotten),
    "everything": (_filled, lambda made: made.everything(), _has_nothing),
    "lapse": (_closed, lambda made: made.lapse(), _has_lapsed),
    "park": (_keyed, _same_park, _has_parked),
    "unpark": (_parked, _unpark, _has_unparked),
}


def _telling(points: list[str]) -> list[int]:
    """Points to cut at: all around keys and commits, and some of the many around files, which differ in name only."""
    return [at for at, point in enumerate(points) if "commit" in point or "overwrite" in point or at % 15 == 0]


def _settled(made: TestStore) -> None:
    with made.opened() as store:
        assert [finding for finding in check(store).findings if finding.kind != "extra"] == []
        for vault in (store.vault, *store.copies.vaults):
            assert len(vault.slot.live()) == 1
            assert vault.load().generation == store.catalog.generation


def _again(made: TestStore, act: Act) -> None:
    """Do it again, as an operator would who saw it fail; what was done already says so."""
    with suppress(StateError, IndexError):
        act(made)


@pytest.mark.parametrize(
    ("name", "copies"),
    [
        *((name, 0) for name in CASES),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("ingest", 1), ("forget", 2))),
    ],
)
def test_a_crash_anywhere_leaves_the_old_state_or_the_new(tmp_path: Path, name: str, copies: int) -> None:
    """After a crash at any durable step the store opens whole with one key a vault, and doing it again ends the act."""
    before, act, after = CASES[name]
    made = made_store(tmp_path / "m", copies=copies)
    before(made)
    now, backup = made.now, tmp_path / "backup"
    shutil.copytree(made.folder, backup)
    points = crash_points(lambda: act(made))
    assert len(points) >= 6
    for at in _telling(points):
        shutil.rmtree(made.folder)
        shutil.copytree(backup, made.folder)
        made.now = now
        with pytest.raises(Crash), steps(at):
            act(made)

        _settled(made)
        _again(made, act)
        _settled(made)
        after(made)


@pytest.mark.parametrize("copies", [0, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 2))])
def test_a_store_that_crashed_in_a_forgetting_never_holds_both_keys_and_serves(tmp_path: Path, copies: int) -> None:
    """Whatever step of a forgetting was cut off, an opened store opens the party's records or has no key to them."""
    made = made_store(tmp_path / "m", copies=copies)
    _filled(made)
    backup = tmp_path / "backup"
    shutil.copytree(made.folder, backup)
    points = crash_points(lambda: made.forget("tel:" + ALICE))
    found = set()
    for at in range(len(points)):
        shutil.rmtree(made.folder)
        shutil.copytree(backup, made.folder)
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


def _after_commit(made: TestStore, tmp_path: Path) -> int:
    """The number of the step right after the commit of a close."""
    backup = tmp_path / "backup"
    shutil.copytree(made.root.parent, backup, ignore=shutil.ignore_patterns("backup"))
    met = crash_points(made.close)
    for path in backup.iterdir():
        place = made.root.parent / path.name
        if path.is_dir():
            shutil.rmtree(place)
            shutil.copytree(path, place)
    return met.index("after commit s/catalog.db") + 4


def test_a_close_cut_off_after_its_commit_is_ended_by_the_next_day(tmp_path: Path) -> None:
    """Keys that a crash left behind die when the next day opens, and nothing can be sealed with them before."""
    made = made_store(tmp_path)
    _filled(made)
    points = _after_commit(made, tmp_path)
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


def test_the_order_of_a_forgetting_is_the_page_s(tmp_path: Path) -> None:
    """New key, transaction, the same in the copy, and only then the old keys: the copy's first, the store's last."""
    made = made_store(tmp_path / "m", copies=1)
    _filled(made)

    met = crash_points(lambda: made.forget("tel:" + ALICE))

    assert [point.removeprefix("before ") for point in met if point.startswith("before")] == [
        "overwrite s.slots/root.slot",
        "commit s/catalog.db",
        "overwrite copy-1.slots/root.slot",
        "commit copy-1/catalog.db",
        "overwrite copy-1.slots/root.slot",
        "overwrite s.slots/root.slot",
    ]
