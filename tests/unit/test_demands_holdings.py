"""What the store really holds of a demand, from its journal alone."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, registry, snapshot
from tests.support.demands import Registered
from tests.support.stores import Saved, TestStore, made_store
from unheld.demands import holdings
from unheld.demands.model import Held
from unheld_verify import columns

DAY = columns.day_of(FIRST)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Calls of two days: the first closed, the second open."""
    store = made_store(tmp_path_factory.mktemp("made"), n=3, t=2)
    store.open_day(FIRST)
    store.ingest(calls(Call(ALICE), Call(BOB, to=ALICE)))
    store.close()
    store.open_day(FIRST + timedelta(1))
    store.ingest(calls(Call(ALICE, FIRST + timedelta(1))))
    return Saved(store)


@pytest.fixture
def made(saved: Saved) -> TestStore:
    """As it was, for one test."""
    return saved.again()


def looked(made: TestStore, *asks: str, begins: int = DAY - 1, ends: int = DAY + 2) -> Held:
    """What is held of asks in four days around the two."""
    with Registered(made).clock():
        return holdings.read(made.deployment).of(asks, begins, ends)


def states(found: Held) -> list[tuple[str, str, int]]:
    """(class, state, days) of each span."""
    return [(span.cls, span.state, span.days) for span in found.spans]


def test_days_are_open_closed_or_never_sealed(made: TestStore) -> None:
    """A day before the store, a closed day, today, and tomorrow."""
    assert states(looked(made, "location")) == [
        ("place", "never-sealed", 1),
        ("place", "closed", 1),
        ("place", "open", 1),
        ("place", "never-sealed", 1),
    ]


def test_traffic_is_charges_and_contacts(made: TestStore) -> None:
    """One ask stands for two classes of facts; a day of both counts twice."""
    found = looked(made, "traffic", begins=DAY, ends=DAY)
    assert states(found) == [("charge", "closed", 1), ("contact", "closed", 1)]
    assert found.counts() == {"closed": 2}


def test_the_pinned_facts_are_told(made: TestStore) -> None:
    """Threshold, slot and genesis are those of the store, and release is never."""
    found, policy = looked(made, "location"), made.deployment.policy()
    assert (found.t, found.n, found.release, found.genesis) == (2, 3, "never", policy.digest.hex())
    assert found.slot == "file: does not survive a snapshot of this disk"
    assert not found.nothing


def test_what_is_over_its_time_is_told_as_such_until_it_lapsed(made: TestStore) -> None:
    """Before the lapse ran nothing is called gone; after it the day on which it ended is told."""
    made.close()
    made.set_clock(FIRST + timedelta(8))
    before = looked(made, "location", begins=DAY, ends=DAY + 1)
    made.lapse()
    after = looked(made, "location", begins=DAY, ends=DAY + 1)

    assert (states(before), before.nothing) == ([("place", "due", 2)], False)
    assert (states(after), after.nothing) == ([("place", "lapsed", 2)], True)
    assert after.spans[0].gone == DAY + 1 + 7


def test_what_was_erased_is_told_as_erased(made: TestStore) -> None:
    """A day's class that was erased on purpose did not lapse."""
    made.close()
    made.forget_day(FIRST, "place")
    assert states(looked(made, "location", begins=DAY, ends=DAY + 1)) == [
        ("place", "erased", 1),
        ("place", "closed", 1),
    ]


def test_after_everything_was_forgotten_nothing_is_held(made: TestStore) -> None:
    """Days that were sealed are erased, days that never were stay so."""
    made.close()
    made.everything()
    found = looked(made, "location", "traffic")
    assert {span.state for span in found.spans} == {"never-sealed", "erased"}
    assert found.nothing


def test_the_registry_is_of_a_month(tmp_path: Path) -> None:
    """Who holds a line is sealed under its month, and every day of the month says so."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    made.ingest(registry({"msisdn": ALICE, "holder": "H1"}), by="synthetic-registry")
    found = looked(made, "registry", begins=DAY + 3, ends=DAY + 40)
    assert states(found) == [("identity", "open", 28), ("identity", "never-sealed", 10)]


def test_content_and_what_is_to_come_are_never_held(made: TestStore) -> None:
    """No class of facts stands for them."""
    found = looked(made, "content", "realtime", begins=DAY, ends=DAY)
    assert states(found) == [("content", "never-held", 1), ("realtime", "never-held", 1)]
    assert found.nothing


def test_parked_batches_are_not_called_gone(tmp_path: Path) -> None:
    """Nobody knows which days they have: what they might hold is not denied."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    made.park(calls(Call(ALICE)))
    found = looked(made, "location")
    assert (found.parked, found.nothing) == (1, False)
    assert looked(made, "content").parked == 0


def test_without_a_window_it_is_the_life_of_the_store(made: TestStore) -> None:
    """A side of the window that is not said reaches to the founding, and to today."""
    found = looked(made, "location", begins=-1, ends=-1)
    assert (found.spans[0].first, found.spans[-1].last) == (DAY, DAY + 1)


def test_where_the_slot_is_gone_its_place_says_so(made: TestStore) -> None:
    """No key is read, and a slot that is missing does not stop the answer."""
    shutil.rmtree(made.deployment.slots)
    assert "root.slot" in looked(made, "location").slot


def test_looking_changes_nothing(made: TestStore) -> None:
    """Neither the store nor its slots nor its custodians are touched."""
    made.close()
    places = (made.deployment.slots, made.deployment.custodians, made.deployment.custodian_slots)
    before = snapshot(*places)
    looked(made, "location", "traffic", "registry")
    assert snapshot(*places) == before
    with made.opened(write=False) as store:
        assert store.catalog.open_day is None


def test_without_a_store_it_says_so(made: TestStore) -> None:
    """Headquarters' copy of the policy is enough for an answer."""
    shutil.rmtree(made.root)
    found = looked(made, "location", begins=DAY, ends=DAY)
    assert (states(found), found.n, found.nothing) == ([("place", "no-store", 1)], 3, True)
    assert found.day == columns.day_of(date(2026, 7, 2))
