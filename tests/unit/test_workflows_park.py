"""The parked lane: written without custodians, read by nobody here, opened into a later day, or lapsed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, OFF_NET, Call, calls, held, many, names, registry, snapshot
from tests.support.stores import TestStore, made_store
from unheld_branch.store import parked
from unheld_branch.store.check import check
from unheld_verify import columns
from unheld_verify.errors import SealedError, StateError, UnheldError, VerificationError

SECOND = FIRST + timedelta(1)
CLASSES = ("charge", "contact", "place")


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store of three custodians that was open once, so that parking keys are here; no day is open."""
    made = made_store(tmp_path, n=3, t=2)
    made.open_day(FIRST)
    made.close()
    made.set_clock(SECOND)
    return made


def _records() -> list[Call]:
    return [
        Call(ALICE, SECOND, 5, to=OFF_NET),
        Call(ALICE, FIRST, 9, imsi="001010000000009"),
        Call(BOB, FIRST - timedelta(3), 7, to=CAROL),
    ]


def _parked_file(made: TestStore) -> Path:
    (path,) = (made.root / "parked").glob("*.parked")
    return path


def test_a_parked_file_shows_nothing_of_what_is_in_it(made: TestStore) -> None:
    """Neither numbers nor SIMs nor cells stand in what was written, and no party got a row."""
    made.park(calls(*_records()))

    for data in snapshot(made.root, made.deployment.slots).values():
        for mark in (ALICE, OFF_NET, "001010000000009", "location_id"):
            assert mark.removeprefix("+").encode() not in data
    with made.opened() as store:
        assert store.root.trees[0].rows == 0


def test_records_that_fill_many_segments_open_again(made: TestStore) -> None:
    """A message of the stream may be longer than a segment, and end in the middle of one."""
    with patch.object(parked, "SEGMENT_BYTES", 1000):
        (batch,) = made.park(calls(*many(200, ALICE, SECOND))).batches
        made.open_day(SECOND)
        made.unpark(batch)

    assert len(held(made, f"tel:{ALICE}")) == 200


def test_a_parked_batch_opened_later_is_as_if_taken_in(made: TestStore, tmp_path: Path) -> None:
    """The same records, by their own event days, as a store that took the file in directly."""
    (batch,) = made.park(calls(*_records())).batches
    made.open_day(SECOND)
    delivery = made.unpark(batch)
    direct = made_store(tmp_path / "direct", n=3, t=2)
    direct.open_day(FIRST)
    direct.close()
    direct.open_day(SECOND)
    direct.ingest(calls(*_records()))

    assert delivery.records == 3
    for cls in CLASSES:
        for number in (ALICE, BOB, CAROL):
            assert held(made, "tel:" + number, cls) == held(direct, "tel:" + number, cls)
    assert names(made, "tel:" + ALICE, "tel:" + OFF_NET) == names(direct, "tel:" + ALICE, "tel:" + OFF_NET) == 1
    with made.opened() as store:
        assert check(store).findings == ()
        assert not list((made.root / "parked").iterdir())


def test_late_custodians_open_what_was_parked_for_weeks(made: TestStore) -> None:
    """A batch of an outage is sealed by its event days when a day opens again; what lapsed meanwhile is counted."""
    (batch,) = made.park(calls(*_records())).batches
    later = SECOND + timedelta(20)
    made.open_day(later)

    delivery = made.unpark(batch)

    assert held(made, "tel:" + ALICE) == [(FIRST, 9), (SECOND, 5)]
    assert held(made, "tel:" + ALICE, "place") == []
    assert delivery.counts == {"place: lapsed or erased, not stored": 3}


def test_a_parked_batch_opens_once(made: TestStore) -> None:
    """Opened twice it would count twice: the second time is refused."""
    (batch,) = made.park(calls(*_records())).batches
    made.open_day(SECOND)
    made.unpark(batch)

    with pytest.raises(StateError, match="no parked batch"):
        made.unpark(batch)
    assert len(held(made, "tel:" + ALICE)) == 2


def test_a_parked_file_is_known(made: TestStore) -> None:
    """Parking a file again, or taking it in while it waits or after it was opened, changes nothing."""
    source = made._files((calls(*_records()),))[0]
    (batch,) = made.park(source).batches

    assert [len(report) for report in (made.park(source).known, made.park(source).batches)] == [1, 0]
    made.open_day(SECOND)
    assert len(made.ingest(source).known) == 1
    made.unpark(batch)
    assert len(made.ingest(source).known) == 1
    assert len(held(made, "tel:" + ALICE)) == 2


def test_without_an_open_day_nothing_is_unparked(made: TestStore) -> None:
    """There is no key to seal with; the batch goes on waiting."""
    (batch,) = made.park(calls(*_records())).batches

    with pytest.raises(SealedError, match="unheld day open"):
        made.unpark(batch)
    with made.opened() as store:
        assert len(store.catalog.waiting()) == 1


def test_with_too_few_custodians_nothing_is_unparked(made: TestStore) -> None:
    """One of two needed opens no batch, and nothing changes."""
    (batch,) = made.park(calls(*_records())).batches
    made.open_day(SECOND)
    for index in (0, 1):
        path = made.deployment.custodians / f"custodian-{index}"
        path.rename(path.with_name(f"elsewhere-{index}"))
    there = snapshot(made.root / "blocks", made.root / "parked")

    with pytest.raises(UnheldError):
        made.unpark(batch)

    assert snapshot(made.root / "blocks", made.root / "parked") == there


def test_a_lapsed_batch_opens_for_nobody(made: TestStore) -> None:
    """Past its week and the late window the custodians' private keys are gone, whether or not the branch lapsed it."""
    (batch,) = made.park(calls(*_records())).batches
    week = columns.park_period("outage", columns.day_of(SECOND))
    due = columns.date_of(columns.park_due("outage", week, 45))
    made.set_clock(due)
    made.open_day(due)

    with pytest.raises(SealedError, match="lapsed"):
        made.unpark(batch)
    made.lapse()
    with pytest.raises(StateError, match="no parked batch"):
        made.unpark(batch)
    assert not list((made.root / "parked").iterdir())


def test_quarantine_is_not_opened_and_lapses_after_a_week(made: TestStore) -> None:
    """Rows that were not understood wait 7 days, sealed, and leave."""
    made.open_day(SECOND)
    made.ingest(calls(*many(100, when=SECOND), Call(ALICE, SECOND + timedelta(1))))
    with made.opened() as store:
        (waiting,) = store.catalog.waiting()
    with pytest.raises(SealedError, match="quarantine is not opened"):
        made.unpark(waiting.batch.hex())
    made.close()

    made.set_clock(SECOND + timedelta(6))
    made.lapse()
    assert _parked_file(made).exists()
    made.set_clock(SECOND + timedelta(7))
    assert made.lapse().parked == (waiting.batch,)
    assert not list((made.root / "parked").iterdir())


def test_bad_rows_of_a_parked_file_are_parked_apart(made: TestStore) -> None:
    """Up to one in a hundred goes to quarantine instead of being lost."""
    source = made._files((calls(*many(300, when=SECOND)),))[0]
    lines = source.read_text().splitlines()
    lines[5] = lines[5].replace("call,", "fax,", 1)
    source.write_text("\n".join(lines) + "\n")

    report = made.park(source)

    assert (report.records, report.quarantined, len(report.batches)) == (299, 1, 1)
    with made.opened() as store:
        assert sorted((item.reason, item.records) for item in store.catalog.waiting()) == [
            ("outage", 299), ("quarantine", 1),
        ]  # fmt: skip


def test_a_bad_file_is_not_parked(made: TestStore) -> None:
    """Too many bad rows refuse the file; a good one beside it is parked, and no part is left."""
    source = made._files((calls(*many(100, when=SECOND)),))[0]
    source.write_text(source.read_text().replace("call,", "fax,"))

    report = made.park(source, calls(Call(BOB)))

    assert (len(report.refused), report.records) == (1, 1)
    assert len(list((made.root / "parked").iterdir())) == 1


def test_without_parking_keys_nothing_is_parked_and_the_source_stays(made: TestStore) -> None:
    """Keys that were not fetched in time park nothing; the error says what to do."""
    source = made._files((calls(*_records()),))[0]
    data = source.read_bytes()
    made.set_clock(SECOND + timedelta(100))

    with pytest.raises(StateError, match="keep the source file"):
        made.park(source)

    assert source.read_bytes() == data
    with made.opened() as store:
        assert store.catalog.waiting() == []


def test_a_store_that_was_never_open_parks_nothing(tmp_path: Path) -> None:
    """Parking keys come with the first opening."""
    made = made_store(tmp_path)

    with pytest.raises(StateError, match="no parking key"):
        made.park(calls(*_records()))


def test_after_everything_was_forgotten_nothing_is_parked_to_dead_keys(made: TestStore) -> None:
    """The custodians' private keys went too: parking waits for new ones, instead of writing what nobody opens."""
    made.everything()

    with pytest.raises(StateError, match="no parking key"):
        made.park(calls(*_records()))
    made.open_day(SECOND + timedelta(1))
    (batch,) = made.park(calls(*_records())).batches
    assert made.unpark(batch).records == 3


def test_a_registry_is_not_parked(made: TestStore) -> None:
    """It describes the present, so it waits for an open day."""
    with pytest.raises(StateError, match="a registry is not parked"):
        made.park(registry({"msisdn": ALICE}), by="synthetic-registry")


@pytest.mark.parametrize("at", [0.2, 0.5, 0.99])
def test_an_altered_parked_file_is_refused(made: TestStore, at: float) -> None:
    """A byte changed anywhere opens nothing, and no record of it enters the day."""
    (batch,) = made.park(calls(*(Call(ALICE, SECOND, n) for n in range(500)))).batches
    made.open_day(SECOND)
    path = _parked_file(made)
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)

    with pytest.raises(VerificationError, match="altered"):
        made.unpark(batch)

    with made.opened() as store:
        assert store.catalog.open_batches() == []
    assert not list((made.root / "blocks").rglob("*.parquet"))


def test_a_missing_parked_file_is_named(made: TestStore) -> None:
    """A batch whose file is gone says so."""
    (batch,) = made.park(calls(*_records())).batches
    made.open_day(SECOND)
    _parked_file(made).unlink()

    with pytest.raises(VerificationError, match="missing"):
        made.unpark(batch)


def test_records_of_no_day_that_is_left_are_counted_when_unparked(made: TestStore) -> None:
    """A parked batch of old records opens into nothing but a count."""
    (batch,) = made.park(calls(Call(ALICE, date(2026, 1, 1)))).batches
    made.open_day(SECOND)

    delivery = made.unpark(batch)

    assert (delivery.records, delivery.counts) == (0, {"older than every lifetime, not stored": 1})
