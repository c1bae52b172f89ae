"""Lapse: what is due by the calendar goes, to the day, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, OFF_NET, Call, calls, held, registry, trees
from tests.support.refusing import refusing
from tests.support.stores import Saved, TestStore, made_store
from unheld_branch.store.check import check
from unheld_branch.workflows import lapse
from unheld_verify import columns
from unheld_verify.errors import PartialError

SECOND = FIRST + timedelta(1)
SIM = "001010000000001"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A store of three custodians with a copy, its first day open, and some records."""
    made = made_store(tmp_path_factory.mktemp("made"), n=3, t=2, copies=1)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE, to=OFF_NET), Call(BOB), Call(CAROL, FIRST - timedelta(2))))
    return Saved(made)


@pytest.fixture
def made(saved: Saved) -> TestStore:
    """As it was, for one test."""
    return saved.again()


def generation(made: TestStore) -> int:
    """How many changes the store has seen."""
    with made.opened() as store:
        return store.catalog.generation


LIVES = {"charge": 90, "contact": 30, "place": 7}


@pytest.mark.parametrize("cls", LIVES)
def test_a_class_lapses_on_its_day_and_not_before(made: TestStore, cls: str) -> None:
    """Up to the last second of a class's life its records open; from the next second on they do not."""
    made.close()
    last = FIRST + timedelta(LIVES[cls] - 1)
    made.set_clock(last)
    made.lapse()
    assert len(held(made, "tel:" + ALICE, cls)) == 1

    made.set_clock(last + timedelta(1), 0)
    done = made.lapse()

    assert (cls, columns.day_of(FIRST)) in done.columns
    assert held(made, "tel:" + ALICE, cls) == []
    with made.opened() as store:
        assert check(store).findings == ()


def test_what_is_due_is_shown_and_nothing_changes(made: TestStore) -> None:
    """Looking at what would lapse drops nothing; lapsing drops just that."""
    made.close()
    made.set_clock(FIRST + timedelta(7), 0)
    before = generation(made)
    with made.opened() as store:
        shown = lapse.due(store)

    assert generation(made) == before
    assert len(held(made, "tel:" + ALICE, "place")) == 1
    today = columns.day_of(FIRST)
    assert shown.columns == (("place", today - 2), ("place", today))
    assert made.lapse() == shown


def test_a_lapse_with_nothing_due_makes_no_entry(made: TestStore) -> None:
    """A quiet day leaves the journal as it is."""
    before = generation(made)

    assert made.lapse() == lapse.Lapsed((), (), ())
    assert generation(made) == before


def test_ciphertext_that_lapsed_leaves(made: TestStore) -> None:
    """Its files are removed; those of the other classes stay."""
    made.close()
    made.set_clock(FIRST + timedelta(30))
    made.lapse()

    assert {path.parts[-4] for path in (made.root / "blocks").rglob("*.parquet")} == {"charge"}


def test_a_month_s_others_leave_with_the_last_thing_sealed_with_them(made: TestStore) -> None:
    """The tree of July lives while a charge of July does, and goes with it; subscribers stay."""
    made.close()
    made.set_clock(FIRST + timedelta(89))
    assert made.lapse().trees == ()
    assert trees(made, "tel:" + OFF_NET) == {202607}

    made.set_clock(FIRST + timedelta(90))

    assert made.lapse().trees == (202607,)
    assert trees(made, "tel:" + OFF_NET) == set()
    assert trees(made, "tel:" + ALICE) == {0}
    with made.opened() as store:
        assert [sorted(copy.load().trees) for copy in store.copies.vaults] == [[0]]


def test_the_present_month_s_others_stay(made: TestStore) -> None:
    """Without a single file of this month its tree still stands: somebody may be met again today."""
    made.forget_day(FIRST)
    made.forget_day(FIRST - timedelta(2))

    made.lapse()

    assert trees(made, "tel:" + OFF_NET) == {202607}


def test_a_day_that_is_open_lapses_too(made: TestStore) -> None:
    """Keys that are due leave the open day, and its close merges the rest."""
    made.ingest(calls(Call(BOB, FIRST - timedelta(6), 9)))
    made.set_clock(SECOND, 0)

    made.lapse()
    with made.opened() as store:
        kept = store.open_day()
        assert kept is not None
        assert ("place", columns.day_of(FIRST) - 6) not in kept.keys.keys
    made.close()

    assert held(made, "tel:" + BOB, "place") == [(FIRST, 3600)]
    assert (FIRST - timedelta(6), 9) in held(made, "tel:" + BOB)


def test_an_earlier_holder_leaves_when_nothing_of_that_time_is_left(made: TestStore) -> None:
    """A tenure that ended a whole lifetime and late window ago is pruned with its SIM's."""
    made.ingest(registry({"msisdn": ALICE, "imsi": SIM, "holder": "H1"}), by="synthetic-registry")
    since = FIRST.isoformat()
    made.ingest(registry({"msisdn": ALICE, "imsi": SIM, "holder": "H2", "since": since}), by="synthetic-registry")
    made.close()
    made.set_clock(FIRST + timedelta(135), 0)
    assert made.lapse().tenures == 0

    made.set_clock(FIRST + timedelta(135), 1)
    assert made.lapse().tenures == 2
    assert (trees(made, "tel:" + ALICE), trees(made, "imsi:" + SIM)) == ({0}, {0})


def test_who_gave_up_a_number_and_has_the_sim_loses_nothing(made: TestStore) -> None:
    """A SIM that stays with its holder goes on, and so do its records, however long ago the number went."""
    long_after = FIRST + timedelta(134)
    made.ingest(registry({"msisdn": ALICE, "imsi": SIM, "holder": "H1"}), by="synthetic-registry")
    since = FIRST.isoformat()
    made.ingest(registry({"msisdn": ALICE, "holder": "H2", "since": since}), by="synthetic-registry")
    made.close()
    made.open_day(long_after)
    made.ingest(calls(Call("", long_after, 3600, imsi=SIM)))
    made.close()
    made.set_clock(long_after + timedelta(1))

    assert made.lapse().tenures == 0
    assert held(made, "imsi:" + SIM, "charge") == [(long_after, 3600)]


def test_a_custodian_that_refuses_stops_no_lapse_here(made: TestStore) -> None:
    """What is due at the branch goes whoever refuses or is away, and a refusal is told when it is done."""
    made.close()
    made.set_clock(FIRST + timedelta(7))

    with refusing("lapse", 0), pytest.raises(PartialError, match="custodian-0: "):
        made.lapse()

    with made.opened() as store:
        assert ("place", columns.day_of(FIRST)) in store.catalog.lapsed
    assert made.lapse().columns == ()
