"""Every act on a store as one table: what comes before it, the act, and what must hold once it is done.

What tests of crashes break, and what `docs/survival.md` lists. `left` and `telling` say of a crash what it leaves,
from the files alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from tests.support.calls import (
    ALICE,
    BOB,
    FIRST,
    OFF_NET,
    Call,
    calls,
    facts,
    held,
    registry,
    trees,
)
from tests.support.commands import Box
from tests.support.stores import TestStore
from unheld.assembly import CLOCK_VARIABLE
from unheld.plans import planning
from unheld.workflows import custody
from unheld.workflows.custody import Proposal
from unheld_branch.store import files
from unheld_branch.store.database import Database
from unheld_branch.store.store import journal_of
from unheld_branch.workflows import plans
from unheld_slots.slot import FileSlot
from unheld_verify import columns, plan, tiles
from unheld_verify.errors import BadInputError, StateError

NEXT = FIRST + timedelta(1)
MINE = [Call(ALICE, second=5), Call(ALICE, second=9, to=OFF_NET)]
TIMES = [(FIRST, 5), (FIRST, 9)]
Step = Callable[[TestStore], object]


@dataclass(frozen=True)
class Act:
    """`before` makes what it needs, `act` may be called again after a crash, `after` holds once it was done.

    `mark` is what moves when it is done.
    """

    before: Step
    act: Step
    after: Step
    mark: Step = lambda made: journal_of(made.root).generation


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


def _sent(made: TestStore) -> None:
    """Two plans of headquarters lie at the branch: one forgets a party, one a class of a day."""
    _keyed(made)
    folder, seed = made.folder / "plans", made.deployment.seed("plan")
    folder.mkdir()
    with made.opened() as store:
        (folder / "a.plan").write_bytes(planning.plan_parties(store, ["tel:" + ALICE], seed).plan.encode())
        (folder / "b.plan").write_bytes(planning.plan_day(store, columns.day_of(FIRST), "place", seed).plan.encode())


def _listed(made: TestStore) -> None:
    _filled(made)
    (made.folder / "list.txt").write_text(f"{ALICE}\n")
    _out(made).parent.mkdir()


def _same_file(made: TestStore) -> object:
    folder = made.folder / "delivered"
    return made.ingest(folder / "0000.csv" if folder.exists() else calls(*MINE))


def _same_registry(made: TestStore) -> object:
    folder = made.folder / "delivered"
    given = registry({"msisdn": ALICE, "imsi": "999011111111111", "holder": "H1"})
    return made.ingest(folder / "0000.csv" if folder.exists() else given, by="synthetic-registry")


def _same_park(made: TestStore) -> object:
    folder = made.folder / "delivered"
    found = sorted(folder.iterdir())
    return made.park(found[1] if len(found) > 1 else calls(Call(BOB, FIRST, 77)))


def _unpark(made: TestStore) -> object:
    with made.opened() as store:
        waiting = store.catalog.waiting()
    if not waiting:
        raise StateError("it is not parked any more")
    return made.unpark(waiting[0].batch.hex())


def _apply_sent(made: TestStore) -> object:
    folder = made.folder / "plans"
    with made.opened() as store:
        return plans.apply_files(store, made.custodians, plans.waiting(folder))


def _second_set(made: TestStore) -> object:
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}):
        with suppress(StateError, BadInputError):
            if len(made.deployment.ceremonies()) < 2:
                custody.propose(made.deployment, Proposal({}))
        return custody.go(made.deployment)


def _plan(made: TestStore) -> object:
    told = Box(made.folder, FIRST, 86_399)("erase", "plan", "--file", made.folder / "list.txt", "--out", _out(made))
    if told.code:
        raise StateError(told.err)
    return told


def _out(made: TestStore) -> Path:
    return made.folder / "papers" / "out.plan"


def _is_open(made: TestStore) -> None:
    assert made.ingest(calls(*MINE)).records == 2


def _has_mine(made: TestStore) -> None:
    assert held(made, "tel:" + ALICE) == TIMES


def _has_holder(made: TestStore) -> None:
    assert [fact["holder"] for fact in facts(made, "tel:" + ALICE)] == ["H1"]


def _has_closed(made: TestStore) -> None:
    _has_mine(made)
    made.open_day(NEXT)
    assert not list(made.root.rglob("*.handles"))


def _has_forgotten(made: TestStore) -> None:
    assert trees(made, "tel:" + ALICE) == set()
    assert trees(made, "tel:" + BOB) == {0}


def _has_forgotten_two(made: TestStore) -> None:
    _has_forgotten(made)
    assert trees(made, "tel:" + OFF_NET) == set()


def _has_nothing(made: TestStore) -> None:
    assert trees(made, "tel:" + BOB) == set()
    with made.opened() as store:
        assert store.day_slot.read() is None
        assert not any(state.keys for state in made.states())
    made.open_day(NEXT)
    _is_open(made)


def _has_no_day(made: TestStore) -> None:
    assert held(made, "tel:" + ALICE) == []
    assert trees(made, "tel:" + ALICE) == {0}


def _has_no_place(made: TestStore) -> None:
    _has_mine(made)
    assert held(made, "tel:" + ALICE, "place") == []


def _has_lapsed(made: TestStore) -> None:
    assert not list((made.root / "blocks" / "place").rglob("*.parquet"))
    _has_no_place(made)


def _has_parked(made: TestStore) -> None:
    with made.opened() as store:
        assert [batch.records for batch in store.catalog.waiting()] == [1]


def _has_unparked(made: TestStore) -> None:
    assert held(made, "tel:" + ALICE) == sorted([*TIMES, (FIRST, 7)])


def _has_applied(made: TestStore) -> None:
    assert trees(made, "tel:" + ALICE) == set()
    assert held(made, "tel:" + BOB, "place") == []
    assert sorted(path.name for path in (made.folder / "plans" / "applied").iterdir()) == ["a.plan", "b.plan"]
    assert plans.waiting(made.folder / "plans") == []


def _has_published(made: TestStore) -> None:
    log = tiles.open_log(str(made.deployment.log))
    size = tiles.verify_log(log, made.deployment.log_key()).size
    kinds = [log.opening(index).statement["kind"] for index in log.opened(size)]
    assert kinds == ["genesis", "custodians", "open", "batch", "close"]


def _log_size(made: TestStore) -> int:
    return tiles.verify_log(tiles.open_log(str(made.deployment.log)), made.deployment.log_key()).size


def _has_set(made: TestStore) -> None:
    made.close()
    made.open_day(NEXT)
    with made.opened() as store:
        assert store.catalog.days[columns.day_of(NEXT)].set_number == 2
    _is_open(made)


def _has_plan(made: TestStore) -> None:
    _has_mine(made)
    with made.opened() as store:
        found = plan.decode(_out(made).read_bytes())
        found.verify(bytes.fromhex(store.policy.plan_key), store.policy.store_id)


ACTS: dict[str, Act] = {
    "open": Act(lambda made: None, lambda made: made.open_day(FIRST), _is_open),
    "ingest": Act(_opened, _same_file, _has_mine),
    "registry": Act(_opened, _same_registry, _has_holder),
    "close": Act(_filled, lambda made: made.close(), _has_closed),
    "forget a party": Act(_filled, lambda made: made.forget("tel:" + ALICE), _has_forgotten),
    "forget parties": Act(_filled, lambda made: made.forget("tel:" + ALICE, "tel:" + OFF_NET), _has_forgotten_two),
    "forget a day": Act(_filled, lambda made: made.forget_day(FIRST), _has_no_day),
    "forget a class": Act(_keyed, lambda made: made.forget_day(FIRST, "place"), _has_no_place),
    "forget everyone": Act(_filled, lambda made: made.everything(), _has_nothing),
    "lapse": Act(_closed, lambda made: made.lapse(), _has_lapsed),
    "park": Act(_keyed, _same_park, _has_parked),
    "unpark": Act(_parked, _unpark, _has_unparked),
    "plan": Act(_listed, _plan, _has_plan, lambda made: _out(made).exists()),
    "apply plans": Act(_sent, _apply_sent, _has_applied),
    "publish": Act(_keyed, lambda made: made.publish(), _has_published, _log_size),
    "custodian set": Act(_filled, _second_set, _has_set),
}


def named(point: str) -> str:
    """A moment without what differs from run to run: random names, days, generations."""
    for pattern, instead in _DIFFERS:
        point = re.sub(pattern, instead, point)
    return point


_DIFFERS = (
    (r"[0-9a-f]{16,}", "*"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"-\d+\.sealed", "-N.sealed"),
    (r"/\d+\.bin", "/N.bin"),
)


def telling(points: list[str], *, after: bool = False) -> dict[str, int]:
    """The first moment of each kind, by its name: those before a step, and with `after` those after one as well."""
    found: dict[str, int] = {}
    for at, point in enumerate(points):
        if after or point.startswith("before"):
            found.setdefault(named(point), at)
    return found


ORPHAN, ERASING, STATE, STRAYS, NOTHING = (
    "a new root key that seals nothing",
    "both root keys: erasing",
    "two keys of a sealed state",
    "files that no entry names",
    "nothing",
)


def left(made: TestStore) -> tuple[str, ...]:
    """What a crash left of a store, read from its files; nothing is opened and nothing mended."""
    found = []
    database = Database.open(made.root)
    stored, live = database.root(), FileSlot(*_slot(made.deployment.slots / "root.slot")).live()
    database.disconnect()
    if stored is not None and len(live) == 2:
        found.append(ERASING if stored[0] == live[1].generation else ORPHAN)
    for folder in (made.deployment.slots, made.deployment.custodian_slots):
        others = [path for path in folder.glob("*.slot") if path.name != "root.slot"]
        if any(len(FileSlot(*_slot(path)).live()) == 2 for path in others):
            found.append(STATE)
            break
    if any(made.folder.rglob(".*.part")) or any(files.orphans(made.root, _named_files(made))):
        found.append(STRAYS)
    return tuple(found) or (NOTHING,)


def _named_files(made: TestStore) -> set[str]:
    return {file.path for file in journal_of(made.root).live_files()}


def _slot(path: Path) -> tuple[Path, bytes]:
    data = path.read_bytes()
    return path, next((half[8:24] for half in (data[:4096], data[4096:]) if half[:8] == b"UNHSLOT1"), b"")


def secrets(folder: Path) -> dict[tuple[str, int], bytes]:
    """The secret of every generation that lives in a file slot below a folder, by the slot's place and generation."""
    return {
        (str(path.relative_to(folder)), live.generation): live.secret
        for path in folder.rglob("*.slot")
        for live in FileSlot(*_slot(path)).live()
    }


def remains(folder: Path, before: dict[tuple[str, int], bytes]) -> list[str]:
    """Files in which a secret still stands that ended: neither crash nor error may leave one anywhere."""
    now = secrets(folder)
    over = [secret for which, secret in before.items() if which not in now]
    return [str(path) for path in folder.rglob("*") if path.is_file() and _holds(path.read_bytes(), over)]


def _holds(data: bytes, ended: list[bytes]) -> bool:
    return any(secret in data for secret in ended)
