"""Attacks through custodians: away, back, too few, of another store, or read by two processes at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls
from tests.support.stores import TestStore, made_store
from unheld.custody.local import LocalDesks
from unheld.workflows import doctor
from unheld.workflows import status as statuses
from unheld_branch.kernel import locks
from unheld_branch.workflows import day
from unheld_custodian.desk import Desk
from unheld_custodian.state import event_column
from unheld_verify import canonical, columns
from unheld_verify import plan as plans
from unheld_verify.errors import LockedError, PartialError, StateError

SECOND = FIRST + timedelta(1)


@pytest.fixture
def made(two_of_three: TestStore, tmp_path: Path) -> TestStore:
    """Two of three custodians, and one record of a day that is open."""
    return two_of_three.copied(tmp_path)


@contextmanager
def away(made: TestStore, *numbers: int) -> Iterator[None]:
    """These custodians cannot be reached; afterwards they are back as they were."""
    folders = [made.deployment.custodians / f"custodian-{number}" for number in numbers]
    for folder in folders:
        folder.rename(folder.with_name(f"away-{folder.name}"))
    yield
    for folder in folders:
        folder.with_name(f"away-{folder.name}").rename(folder)


def said(made: TestStore, kind: str) -> dict[str, object]:
    """The newest statement of a kind that the store would publish."""
    with made.opened(write=False) as store:
        texts = [canonical.decode(item.statement) for item in store.vault.database.outbox() if item.statement]
    found: dict[str, object] = [text for text in texts if text["kind"] == kind][-1]
    return found


def held_pairs(made: TestStore, number: int) -> set[tuple[str, int]]:
    """(class, event day) of the column keys in one custodian's state."""
    return {event_column(name) for name in made.state(number).keys}


def test_the_log_names_the_custodians_that_erased(made: TestStore) -> None:
    """With the first one away, the statement of an erasure names the second and the third."""
    made.close()
    with away(made, 0):
        made.forget_day(FIRST, "place")

    assert said(made, "erase-class")["custodians"] == [1, 2]


def test_the_log_names_the_custodians_that_lapsed(made: TestStore) -> None:
    """The same of a lapse."""
    made.close()
    made.set_clock(FIRST + timedelta(7))
    with away(made, 0):
        made.lapse()

    assert said(made, "lapse")["custodians"] == [1, 2]


def test_too_few_custodians_erase_nothing_in_the_journal(made: TestStore) -> None:
    """As long as t others keep their keys a column is not called erased; the act is done again when they are back."""
    made.close()
    with away(made, 1, 2), pytest.raises(PartialError, match="1 of 2 needed"):
        made.forget_day(FIRST, "place")
    with made.opened(write=False) as store:
        assert (store.catalog.erased, store.catalog.erasures) == (set(), 0)

    assert made.forget_day(FIRST, "place").custodians == 3


def test_a_plan_that_too_few_custodians_heard_applies_again(made: TestStore) -> None:
    """The plan is not spent, and the branch holds no key of it meanwhile."""
    from unheld.plans import planning
    from unheld_branch.workflows import apply

    with made.opened() as store:
        plan = planning.plan_day(store, columns.day_of(FIRST), "place", made.deployment.seed("plan")).plan
    with away(made, 1, 2), made.opened() as store, pytest.raises(PartialError):
        apply.apply(store, made.custodians, plans.decode(plan.encode()), plan.digest[:8])
    with made.opened() as store:
        kept = store.day_slot.read()
        assert kept is not None
        assert ("place", columns.day_of(FIRST)) not in kept.keys.keys
        assert apply.apply(store, made.custodians, plan, plan.digest[:8]).custodians == 3


def test_everyone_forgotten_says_which_custodians_did_not_hear(made: TestStore) -> None:
    """Rows go at once, whoever is away; that too few custodians heard is told, and a second plan reaches the rest."""
    with away(made, 1, 2), pytest.raises(PartialError, match="1 of 2 needed"):
        made.everything()
    with made.opened(write=False) as store:
        assert sum(tree.rows for tree in store.root.trees.values()) == 0
        assert store.day_slot.read() is None

    made.everything()

    assert not any(state.keys for state in made.states())


def test_a_custodian_that_was_away_erases_when_it_is_back(made: TestStore) -> None:
    """The next lapse repeats every standing erasure, so that no state keeps what the others erased."""
    made.close()
    with away(made, 2):
        made.forget_day(FIRST, "contact")
    assert ("contact", columns.day_of(FIRST)) in held_pairs(made, 2)

    made.set_clock(SECOND)
    made.lapse()

    assert ("contact", columns.day_of(FIRST)) not in held_pairs(made, 2)


def test_a_custodian_back_at_the_close_keeps_nobodys_day_open(tmp_path: Path) -> None:
    """Who missed the opening closes with the others, and can no longer derive the day; the branch holds no key."""
    made = made_store(tmp_path, n=3, t=2)
    with away(made, 2):
        made.open_day(FIRST)
        made.ingest(calls(Call(ALICE)))

    assert made.close().records == 1

    with made.opened() as store:
        assert store.day_slot.read() is None
    assert [state.next_day for state in made.states()] == [columns.day_of(SECOND)] * 3


def test_the_branchs_keys_die_at_the_close_whoever_answers(made: TestStore) -> None:
    """A custodian that fails at the close is told again later; the branch's own keys do not wait for it."""
    custodians = made.custodians
    with (
        made.opened() as store,
        mock.patch.object(type(custodians), "close_day", side_effect=PartialError("away")),
        pytest.raises(PartialError),
    ):
        day.close_day(store, custodians)
    with made.opened() as store:
        kept = store.day_slot.read()

    assert kept is None or kept.keys.keys == {}


@pytest.mark.parametrize("look", [statuses.status, doctor.examine])
def test_looking_at_custodians_waits_for_who_changes_them(made: TestStore, look: object) -> None:
    """A custodian's state is opened under the store's lock: opening settles halves, and two at once could lose both."""
    locked: list[bool] = []
    opening = LocalDesks.desk

    def watched(desks: LocalDesks, index: int) -> Desk:
        try:
            with locks.locked(made.root / "lock", exclusive=True):
                locked.append(False)
        except LockedError:
            locked.append(True)
        return opening(desks, index)

    with mock.patch.object(LocalDesks, "desk", watched):
        look(made.deployment)  # type: ignore[operator]

    assert set(locked) == {True}


def test_custodians_of_another_store_are_not_asked(made: TestStore, tmp_path: Path) -> None:
    """With another store's custodians in their place nothing is sealed under their keys, and theirs are not touched."""
    other = made_store(tmp_path / "other", n=3, t=2, home="TH")
    made.close()
    for ours, theirs in (
        (made.deployment.custodians, other.deployment.custodians),
        (made.deployment.custodian_slots, other.deployment.custodian_slots),
    ):
        ours.rename(ours.with_name(f"{ours.name}-kept"))
        theirs.rename(ours)

    made.set_clock(SECOND)
    made.states()  # what their own calendar does has been done
    before = [made.state(index) for index in range(3)]
    with pytest.raises(StateError, match=f"0 of 2 needed.*no set 1 of store {made.deployment.policy().store_id.hex()}"):
        made.open_day(SECOND)

    assert [made.state(index) for index in range(3)] == before


def test_one_of_many_components_is_enough_to_shut_a_column(tmp_path: Path) -> None:
    """n-t+1 of four erased: whichever three are asked, the column is not among what they open."""
    made = made_store(tmp_path, n=4, t=3)
    made.open_day(FIRST)
    made.close()
    with away(made, 2, 3):
        made.forget_day(FIRST, "charge")
    made.set_clock(SECOND)
    with away(made, 0):
        made.open_day(SECOND)
        with made.opened() as store:
            kept = store.day_slot.read()

    assert kept is not None
    assert not [pair for pair in kept.keys.keys if pair == ("charge", columns.day_of(FIRST))]


def test_a_close_far_ahead_of_the_calendar_is_refused(made: TestStore) -> None:
    """Closing a day to come burns no chain: a custodian believes its own day, not the branch's word for another."""
    before = [state.next_day for state in made.states()]

    heard = made.custodians.close_day(columns.day_of(date(2030, 1, 1)))

    assert sorted(heard.refused) == [0, 1, 2]
    assert "never opened" in heard.refused[0]
    assert [state.next_day for state in made.states()] == before


def test_bob_stays(made: TestStore) -> None:
    """Erasing a class of a day with all custodians here leaves the other classes of the open day to be sealed."""
    made.forget_day(FIRST, "place")

    assert made.ingest(calls(Call(BOB))).records == 1
