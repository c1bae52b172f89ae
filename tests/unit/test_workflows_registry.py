"""The registry: who holds which number and SIM since when, and that no holder inherits another's calls."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, Call, calls, facts, held, many, names, registry, trees
from tests.support.stores import TestStore, made_store
from unheld_branch.store import files
from unheld_branch.store.check import check
from unheld_branch.workflows.ingest import IngestReport

SECOND = FIRST + timedelta(1)
NUMBER = "tel:" + ALICE
SIM, OTHER_SIM = "001010000000001", "001010000000002"


def second_of(when: date) -> int:
    """Midnight of a day."""
    return int(datetime(when.year, when.month, when.day, tzinfo=UTC).timestamp())


def row(holder: str, since: date, number: str = ALICE, imsi: str | None = None, **more: Any) -> dict[str, Any]:
    """One line of a registry."""
    return {"msisdn": number, "holder": holder, "since": since.isoformat(), "imsi": imsi, **more}


def take(made: TestStore, *rows: dict[str, Any]) -> IngestReport:
    """Take a registry in and see that the store holds what its journal says."""
    report = made.ingest(registry(*rows), by="synthetic-registry")
    assert report.refused == []
    with made.opened() as store:
        assert check(store).findings == ()
    return report


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store with its first day open."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    return made


def test_facts_of_a_registry_open_for_their_party_alone(made: TestStore) -> None:
    """What the registry says of a subscriber stands in the month's identity column, and survives the close."""
    take(made, row("H1", date(2020, 1, 1), document="D1"), row("H2", date(2021, 1, 1), BOB, document="D2"))
    expected = {"holder": "H1", "document": "D1", "since": str(second_of(date(2020, 1, 1)))}
    assert facts(made, NUMBER) == [expected]

    made.close()

    assert facts(made, NUMBER) == [expected]
    assert [fact["document"] for fact in facts(made, "tel:" + BOB)] == ["D2"]


def test_a_sim_opens_what_its_number_opens(made: TestStore) -> None:
    """Number and SIM are one party: records known by the SIM alone are the number's."""
    take(made, row("H1", date(2020, 1, 1), imsi=SIM))
    made.ingest(calls(Call(ALICE, second=1), Call("", imsi=SIM, second=2)))
    made.close()

    assert held(made, NUMBER) == held(made, "imsi:" + SIM) == [(FIRST, 1), (FIRST, 2)]
    assert trees(made, "imsi:" + SIM) == {0}


def test_a_new_holder_never_holds_the_old_holder_s_calls(made: TestStore) -> None:
    """A number given to somebody else is another party, and a late record goes to who held the number then."""
    take(made, row("H1", date(2020, 1, 1)))
    made.ingest(calls(Call(ALICE, second=1)))
    made.close()
    made.open_day(SECOND)
    take(made, row("H2", SECOND))
    made.ingest(calls(Call(ALICE, SECOND, second=2), Call(ALICE, FIRST, second=3)))
    made.close()

    assert held(made, NUMBER) == [(SECOND, 2)]
    assert held(made, NUMBER, ended=second_of(SECOND)) == [(FIRST, 1), (FIRST, 3)]


def test_a_new_holder_is_met_when_records_came_before_any_registry(made: TestStore) -> None:
    """A row made by records alone learns its first holder from the registry, so the next one is seen as another."""
    made.ingest(calls(Call(ALICE, second=1)))
    take(made, row("H1", FIRST))
    made.close()
    made.open_day(SECOND)
    take(made, row("H2", SECOND))
    made.ingest(calls(Call(ALICE, SECOND, second=2)))

    assert held(made, NUMBER) == [(SECOND, 2)]
    assert held(made, NUMBER, ended=second_of(SECOND)) == [(FIRST, 1)]
    assert [fact["holder"] for fact in facts(made, NUMBER)] == ["H2"]


def test_a_call_to_a_number_names_who_held_it_then(made: TestStore) -> None:
    """A late record of a call to a number that has a new holder names the old one, by that party's alias."""
    take(made, row("H1", date(2020, 1, 1), BOB))
    made.close()
    made.open_day(SECOND)
    take(made, row("H2", SECOND, BOB))
    made.ingest(calls(Call(ALICE, FIRST, to=BOB), Call(ALICE, SECOND, to=BOB)))

    assert names(made, NUMBER, "tel:" + BOB) == 1
    assert names(made, NUMBER, "tel:" + BOB, ended=second_of(SECOND)) == 1


def test_a_call_to_a_number_before_its_first_holder_names_neither_that_holder_nor_nobody(made: TestStore) -> None:
    """Who answered a number before the registry knows anybody is another party, met in the month."""
    take(made, row("H1", SECOND - timedelta(1), BOB))
    made.ingest(calls(Call(ALICE, FIRST - timedelta(3), to=BOB), Call(ALICE, to=BOB)))
    store_trees = trees(made, "tel:" + BOB)

    assert store_trees == {0, 202607}
    assert names(made, NUMBER, "tel:" + BOB) == 2
    assert held(made, NUMBER, "contact") == [(FIRST - timedelta(3), 3600), (FIRST, 3600)]


def test_a_record_before_the_first_holder_goes_to_quarantine(made: TestStore) -> None:
    """Nobody held the number then: the record is nobody's here."""
    take(made, row("H1", FIRST))

    report = made.ingest(calls(*many(5), Call(ALICE, FIRST - timedelta(1))))

    assert (report.records, report.deliveries[0].quarantined) == (5, 1)
    assert {when for when, _ in held(made, NUMBER)} == {FIRST}


def test_a_file_of_which_every_record_is_nobody_s_is_taken(made: TestStore) -> None:
    """All of it goes to quarantine, and the delivery stands with no record."""
    take(made, row("H1", FIRST))

    report = made.ingest(calls(Call(ALICE, FIRST - timedelta(1))))

    assert (report.records, report.deliveries[0].quarantined) == (0, 1)


def test_a_registry_that_repeats_itself_changes_no_party(made: TestStore) -> None:
    """The same holder again is the same party: rows stay, facts are sealed anew and merge."""
    take(made, row("H1", date(2020, 1, 1), imsi=SIM))
    made.ingest(calls(Call(ALICE)))
    take(made, row("H1", date(2020, 1, 1), imsi=SIM, document="D1"))
    made.close()

    assert len(held(made, NUMBER)) == 1
    assert trees(made, NUMBER) == {0}
    assert [fact.get("document") for fact in facts(made, NUMBER)] == [None, "D1"]


def test_two_generations_in_one_file_are_two_parties(made: TestStore) -> None:
    """A registry that lists an earlier holder and the present one gives each the records of their time."""
    take(made, row("H2", FIRST, document="D2"), row("H1", date(2020, 1, 1), document="D1"))
    made.ingest(calls(Call(ALICE, second=2), Call(ALICE, FIRST - timedelta(1), second=1)))

    assert held(made, NUMBER) == [(FIRST, 2)]
    assert held(made, NUMBER, ended=second_of(FIRST)) == [(FIRST - timedelta(1), 1)]
    assert [fact["document"] for fact in facts(made, NUMBER)] == ["D2"]


def test_an_earlier_holder_that_comes_late_is_only_counted(made: TestStore) -> None:
    """The registry's past does not undo its present."""
    take(made, row("H2", FIRST))

    report = take(made, row("H1", date(2020, 1, 1)))

    assert list(report.deliveries[0].counts.values()) == [1]
    assert [fact["holder"] for fact in facts(made, NUMBER)] == ["H2"]


def test_a_swapped_sim_is_linked_to_its_party(made: TestStore) -> None:
    """A holder who gets a new SIM stays one party, with both."""
    take(made, row("H1", date(2020, 1, 1), imsi=SIM))
    take(made, row("H1", date(2020, 1, 1), imsi=OTHER_SIM))
    made.ingest(calls(Call("", imsi=SIM, second=1), Call("", imsi=OTHER_SIM, second=2)))

    assert held(made, NUMBER) == [(FIRST, 1), (FIRST, 2)]


def test_a_sim_that_goes_with_its_number_goes_to_the_new_holder(made: TestStore) -> None:
    """Number and SIM given to somebody else: both are the new party's from that second on."""
    take(made, row("H1", date(2020, 1, 1), imsi=SIM))
    made.close()
    made.open_day(SECOND)
    take(made, row("H2", SECOND, imsi=SIM))
    made.ingest(calls(Call("", SECOND, imsi=SIM, second=2), Call("", FIRST, imsi=SIM, second=1)))

    assert held(made, NUMBER) == [(SECOND, 2)]
    assert held(made, NUMBER, ended=second_of(SECOND)) == [(FIRST, 1)]


@pytest.mark.parametrize("changes", [False, True])
def test_a_shared_sim_belongs_to_one_party_and_is_counted(made: TestStore, changes: bool) -> None:
    """Two numbers with one SIM are two parties: the first keeps it, the other has none, also at a change of holder."""
    if changes:
        take(made, row("H1", date(2020, 1, 1)), row("H2", date(2020, 1, 1), BOB))
    since = FIRST if changes else date(2020, 1, 1)

    report = take(made, row("N1", since, imsi=SIM), row("N2", since, BOB, imsi=SIM), row("N3", since, CAROL, imsi=SIM))
    made.ingest(calls(Call("", imsi=SIM, second=1)))

    assert report.deliveries[0].counts == {"a SIM that belongs to another number of the registry: not linked": 2}
    assert [len(held(made, "tel:" + number)) for number in (ALICE, BOB, CAROL)] == [1, 0, 0]


def test_a_sim_of_a_standing_party_is_not_taken_by_a_new_holder(made: TestStore) -> None:
    """A change of holder that claims another party's SIM does not end that party's time."""
    take(made, row("H1", date(2020, 1, 1), imsi=SIM), row("H2", date(2020, 1, 1), BOB))

    take(made, row("H3", FIRST, BOB, imsi=SIM))
    made.ingest(calls(Call("", imsi=SIM, second=1)))

    assert held(made, NUMBER) == [(FIRST, 1)]
    assert held(made, "tel:" + BOB) == []


@pytest.mark.parametrize("known", [False, True])
def test_a_sim_whose_number_was_given_up_goes_with_its_next_number(made: TestStore, known: bool) -> None:
    """Nobody holds the number that the SIM was first linked to: the next that a registry names it with gets it."""
    take(made, row("H1", date(2020, 1, 1), imsi=SIM), *([row("H1", date(2020, 1, 1), BOB)] if known else []))
    take(made, row("H2", FIRST))
    made.close()
    made.open_day(SECOND)

    report = take(made, row("H1", SECOND, BOB, imsi=SIM))
    made.ingest(calls(Call("", SECOND, imsi=SIM, second=86_399), Call("", FIRST, imsi=SIM, second=1)))

    assert "a SIM that belongs to another number of the registry: not linked" not in report.deliveries[0].counts
    assert held(made, "tel:" + BOB) == [(SECOND, 86_399)]
    assert held(made, NUMBER, ended=second_of(FIRST)) == [(FIRST, 1)]


def test_facts_are_resealed_in_the_next_month(made: TestStore) -> None:
    """A registry taken in after the month rolled stands in the new month's column."""
    take(made, row("H1", date(2020, 1, 1), document="D1"))
    made.close()
    made.open_day(date(2026, 8, 1))
    take(made, row("H1", date(2020, 1, 1), document="D2"))

    with made.opened() as store:
        found = sorted(
            (file.column.cls, file.column.event_day, file.column.sealing_day) for file in store.catalog.live_files()
        )

    assert [name for name, _, _ in found] == ["identity", "identity"]
    assert found[1][1] - found[0][1] == 31
    assert {fact["document"] for fact in facts(made, NUMBER)} == {"D1", "D2"}


def test_a_party_has_one_block_in_a_file_whatever_names_it(made: TestStore) -> None:
    """Records by number and by SIM in one delivery make one block: no file holds an id twice."""
    take(made, row("H1", date(2020, 1, 1), imsi=SIM))
    made.ingest(calls(Call(ALICE, second=1), Call("", imsi=SIM, second=2)))

    assert held(made, NUMBER) == [(FIRST, 1), (FIRST, 2)]
    with made.opened() as store:
        for file in store.catalog.live_files():
            ids = files.read(store.folder, file).ids.tolist()
            assert len(set(ids)) == len(ids)


def test_an_unchanged_registry_is_taken_in_again_each_month(tmp_path: Path) -> None:
    """Facts lapse with their month's column: within the month the same file is known, in the next it is sealed anew."""
    path = tmp_path / "registry.csv"
    path.write_text("msisdn,imsi,imei,holder,since,document\n+99911111111,001010000000001,,h1,2020-01-01,XX-1\n")
    made = made_store(tmp_path / "made", first_day=date(2026, 7, 20))
    made.open_day(date(2026, 7, 20))
    assert made.ingest(path, by="synthetic-registry").records == 1
    assert made.ingest(path, by="synthetic-registry").known == [str(path)]
    made.close()

    made.open_day(date(2026, 8, 1))

    assert made.ingest(path, by="synthetic-registry").records == 1


def test_check_names_what_no_store_has(tmp_path: Path) -> None:
    """A file that somebody put into the store's own folder is extra."""
    made = made_store(tmp_path)
    (made.root / "copy-of-calls.csv").write_text("msisdn\n")

    with made.opened() as store:
        assert [(found.kind, found.place) for found in check(store).findings] == [("extra", "copy-of-calls.csv")]
