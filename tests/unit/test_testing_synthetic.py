"""Promises of the synthetic operator."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

from unheld.testing.bulk import bench_csv, bench_registry
from unheld.testing.synthetic import Operator
from unheld.testing.traffic import SCHEMA
from unheld_branch.records.identities import NumberRule, identities, imeis
from unheld_verify.errors import UsageError

FIRST = date(2026, 7, 1)


@pytest.fixture(scope="module")
def small() -> Operator:
    return Operator(seed=5, subscribers=200, days=3, first_day=FIRST)


@pytest.fixture(scope="module")
def town() -> Operator:
    return Operator(seed=5, subscribers=4_000, days=3, first_day=FIRST)


@pytest.fixture(scope="module")
def records(town: Operator) -> pa.Table:
    return pa.concat_tables([town.day(e) for e in town.sealing_days])


def _lags(town: Operator) -> np.ndarray:
    """Whole days between event day and sealing day, for every record."""
    lags = [
        np.datetime64(e) - np.asarray(town.day(e)["datetime"].cast(pa.timestamp("s"))).astype("datetime64[D]")
        for e in town.sealing_days
    ]
    return np.concatenate(lags).astype(int)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """Two operators of one seed write the same bytes."""
    once = Operator(9, 50, 2).write(tmp_path / "a")
    again = Operator(9, 50, 2).write(tmp_path / "b")

    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in again]


def test_other_seed_other_people() -> None:
    """Two seeds share next to no identity."""
    shared = set(Operator(1, 200, 1).planted()) & set(Operator(2, 200, 1).planted())

    assert all(not mark.isdigit() for mark in shared)


def test_day_alone_is_day_in_sequence(small: Operator) -> None:
    """A day does not depend on which days were asked for before."""
    assert Operator(5, 200, 3, FIRST).day(small.sealing_days[2]).equals(small.day(small.sealing_days[2]))


def test_write_gives_registry_cells_and_a_file_a_day(small: Operator, tmp_path: Path) -> None:
    """The folder holds the registry, the cells and one file of records a sealing day."""
    names = [p.name for p in small.write(tmp_path)]

    expected = ["registry.csv", "cells.csv", "cdr-2026-07-01.csv", "cdr-2026-07-02.csv", "cdr-2026-07-03.csv"]
    assert expected == names


def test_header_is_as_agreed(small: Operator, tmp_path: Path) -> None:
    """The first line names the canonical columns in order."""
    first = small.write(tmp_path)[2].read_text().splitlines()[0]

    assert first == (
        "event_type,outgoing,datetime,duration,msisdn,msisdn_counterpart,imsi,imei,location_id,"
        "volume_upload,volume_download,network,operator_code,country_code"
    )


def test_file_reads_back_as_the_table(small: Operator, tmp_path: Path) -> None:
    """What a file says is what `day` says, times included."""
    path = small.write(tmp_path)[2]
    options = csv.ConvertOptions(column_types=SCHEMA, strings_can_be_null=True)

    assert csv.read_csv(path, convert_options=options).equals(small.day(FIRST))


def test_gzip_holds_the_same_text(small: Operator, tmp_path: Path) -> None:
    """A .csv.gz unpacks to the bytes of the .csv."""
    packed = small.write(tmp_path / "z", suffix=".csv.gz")
    plain = small.write(tmp_path / "p")

    assert [gzip.decompress(p.read_bytes()) for p in packed] == [p.read_bytes() for p in plain]


def test_volume_is_as_asked(town: Operator, records: pa.Table) -> None:
    """The number of records is within a tenth of subscribers × days × records a day."""
    assert records.num_rows == pytest.approx(4_000 * 3 * town.events_per_day, rel=0.1)


def test_most_arrive_within_hours_and_none_after_thirty_days(town: Operator) -> None:
    """Records arrive on their event day or the next, a few later, none after 30 days or before they happen."""
    lags = _lags(town)

    assert (lags <= 1).mean() > 0.97
    assert (lags > 1).mean() > 0.005
    assert (lags.min(), lags.max() <= 30) == (0, True)
    assert lags.max() > 20


def test_shortly_after_midnight_yesterday_arrives(town: Operator) -> None:
    """The first records of a sealing day happened the day before."""
    first = town.day(FIRST)["datetime"][0].as_py()

    assert first < datetime(2026, 7, 1, tzinfo=UTC)


def test_local_night_is_quiet(records: pa.Table) -> None:
    """Local 02:00-04:00 has less than a tenth of the records of local 18:00-20:00 (UTC+06:30)."""
    local = pc.add(records["datetime"].cast(pa.timestamp("s")), timedelta(hours=6, minutes=30))
    hours = np.bincount(pc.hour(local).to_numpy(), minlength=24)

    assert hours[2:4].sum() * 10 < hours[18:20].sum()


def test_people_work_and_sleep_in_two_places(town: Operator) -> None:
    """Many subscribers have a work cell that is not their home cell."""
    people = town.population

    assert 0.3 < (people.home != people.work).mean() < 0.7


def test_contacts_have_a_heavy_tail(town: Operator) -> None:
    """A few know more than ten times as many as the median."""
    known = np.diff(town.population.contact_start)

    assert known.max() > 10 * np.median(known)


def test_contacts_form_communities(town: Operator) -> None:
    """Two contacts of one party know each other far more often than two strangers."""
    people = town.population
    rows = [set(part) for part in np.split(people.contacts, people.contact_start[1:-1])]
    pairs = [(a, b) for row in rows[:300] for a in row for b in row if a < b < town.subscribers]
    friends = np.mean([b in rows[a] for a, b in pairs])

    assert friends > 20 * len(people.contacts) / town.subscribers**2


def test_a_call_between_two_subscribers_leaves_two_records(town: Operator) -> None:
    """For every call from one subscriber to another the other's record arrives on the same day with the same time."""
    calls = town.day(FIRST).filter(pc.equal(pc.field("event_type"), "call")).to_pylist()
    ours = set(town.population.msisdn.to_pylist())
    seen = {(c["datetime"], c["msisdn"], c["msisdn_counterpart"], c["outgoing"]) for c in calls}
    made = [s for s in seen if s[3] and s[1] and s[2] in ours]

    assert made
    assert all((when, other, owner, False) in seen for when, owner, other, _ in made)


def test_visitors_are_known_by_imsi_only(town: Operator, records: pa.Table) -> None:
    """There are records without MSISDN, their IMSI is not in the registry and names a partner."""
    visits = records.filter(pc.is_null(pc.field("msisdn")))

    assert visits.num_rows > 100
    assert not set(visits["imsi"].to_pylist()) & set(town.registry()["imsi"].to_pylist())
    assert visits["operator_code"].null_count == 0


@pytest.mark.parametrize("sender", ["1333", "NOBODYBANK"])
def test_services_send_messages(records: pa.Table, sender: str) -> None:
    """Short and alphanumeric senders appear, only as counterparts of incoming messages."""
    sent = records.filter(pc.equal(pc.field("msisdn_counterpart"), sender))

    assert sent.num_rows > 0
    assert set(sent["event_type"].to_pylist()) == {"sms"}
    assert set(sent["outgoing"].to_pylist()) == {False}


def test_sessions_have_volumes_and_no_other_party(records: pa.Table) -> None:
    """A data session has bytes and no counterpart; a call or message has a counterpart and no bytes."""
    data = pc.equal(records["event_type"], "data")

    assert pc.equal(pc.is_valid(records["volume_download"]), data) == pa.chunked_array([pa.array([True] * len(data))])
    assert pc.is_valid(records["msisdn_counterpart"]).equals(pc.invert(data))


@pytest.mark.parametrize("column", ["msisdn", "imsi", "imei", "holder", "document"])
def test_registry_has_every_identity_once(town: Operator, column: str) -> None:
    """No two subscribers share a number, SIM, device, name or document."""
    assert len(town.registry()[column].unique()) == 4_000


def test_no_number_can_be_dialled(town: Operator) -> None:
    """libphonenumber refuses the country code of every number of the network."""
    numbers = town.population.book.slice(0, town.population.first_sender).to_pylist()

    for number in numbers[::50]:
        with pytest.raises(phonenumbers.NumberParseException, match="Could not interpret"):
            phonenumbers.parse(str(number))


def test_numbers_have_the_form_of_e164(town: Operator) -> None:
    """Every number is `+999` and eight digits."""
    numbers = town.population.book.slice(0, town.population.first_sender)

    assert pc.all(pc.match_substring_regex(numbers, r"^\+999[0-9]{8}$")).as_py()


def test_imsis_are_of_the_test_network(town: Operator) -> None:
    """Every IMSI is 001 01 and ten digits."""
    assert pc.all(pc.match_substring_regex(town.population.imsi, "^00101[0-9]{10}$")).as_py()


def test_imeis_are_of_test_devices_with_a_right_check_digit(town: Operator) -> None:
    """Every IMEI starts with 00 and its Luhn sum is a multiple of ten."""
    digits = np.array([[int(c) for c in str(imei)] for imei in town.population.imei.to_pylist()[:500]])
    doubled = digits[:, 1::2] * 2
    total = digits[:, ::2].sum(1) + (doubled - 9 * (doubled > 9)).sum(1)

    assert (total % 10).max() == 0
    assert digits[:, :2].max() == 0


@pytest.mark.parametrize("scheme", ["number", "imsi"])
def test_the_branch_knows_every_identity(town: Operator, scheme: str) -> None:
    """Numbers, senders and IMSIs of the network are identities to the branch, though no phone has them."""
    people = town.population
    found, faults = identities(people.imsi if scheme == "imsi" else people.book, scheme, NumberRule())

    assert found.null_count == 0
    assert not faults.any()


def test_the_branch_knows_every_device(town: Operator) -> None:
    """The branch takes every IMEI as it stands."""
    assert imeis(town.population.imei)[0].equals(town.population.imei)


def test_names_and_documents_are_specimens(town: Operator) -> None:
    """Nobody's name: every holder is a Specimen, every document of the country XX."""
    held = town.registry()

    assert pc.all(pc.match_substring_regex(held["holder"], "^Specimen [A-Z]{6}$")).as_py()
    assert pc.all(pc.match_substring_regex(held["document"], r"^XX(-[0-9]{3}){3}$")).as_py()


def test_planted_marks_stand_in_the_files(small: Operator, tmp_path: Path) -> None:
    """The marks are what one would find: every registered identity is in the written bytes, and a mark."""
    marks, text = set(small.planted()), b"".join(p.read_bytes() for p in small.write(tmp_path)).decode()
    held = small.registry()

    assert all(str(mark) in text for mark in held["imsi"].to_pylist())
    for column in ("msisdn", "imsi", "imei", "holder", "document"):
        assert {str(v).removeprefix("+") for v in held[column].to_pylist()} <= marks


def test_planted_marks_are_long_enough_to_mean_something(small: Operator) -> None:
    """No mark is so short that it stands in random bytes by chance."""
    assert min(len(mark) for mark in small.planted()) >= 10


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"subscribers": 1}, "subscribers is 1"),
        ({"subscribers": 10**9}, "subscribers is 1000000000"),
        ({"days": 0}, "days is 0"),
        ({"events_per_day": 0}, "events_per_day is 0"),
    ],
)
def test_sizes_that_make_no_network_are_refused(change: dict[str, Any], text: str) -> None:
    """A size nobody can mean is refused by its name."""
    with pytest.raises(UsageError, match=text):
        Operator(**{"seed": 1, **change})


def test_two_subscribers_are_a_network() -> None:
    """The smallest network still has records."""
    assert Operator(1, 2, 1).day(FIRST).num_rows > 0


@pytest.mark.parametrize("e", [FIRST - timedelta(days=1), FIRST + timedelta(days=3)])
def test_other_days_are_refused(small: Operator, e: date) -> None:
    """A day that is not a sealing day is refused, not made up."""
    with pytest.raises(UsageError, match="not a sealing day"):
        small.day(e)


def test_unknown_suffix_is_refused_and_nothing_written(small: Operator, tmp_path: Path) -> None:
    """A suffix we do not write leaves no folder behind."""
    with pytest.raises(UsageError, match=r"take \.csv"):
        small.write(tmp_path / "x", suffix=".zip")

    assert not (tmp_path / "x").exists()


def test_bench_file_has_its_rows_in_one_day(tmp_path: Path) -> None:
    """The benchmark's file has the rows asked for, all on one event day, about 100 bytes each."""
    path = bench_csv(tmp_path / "b.csv", rows=3_000, parties=100, day=FIRST)
    table = csv.read_csv(path)

    assert table.num_rows == 3_000
    assert set(pc.strftime(table["datetime"], "%F").to_pylist()) == {"2026-07-01"}
    assert 85 <= path.stat().st_size / 3_000 <= 125


def test_bench_file_is_not_sorted_by_time(tmp_path: Path) -> None:
    """Records stand in order of arrival, which is not the order of events."""
    times = csv.read_csv(bench_csv(tmp_path / "b.csv", rows=3_000, parties=100))["datetime"].to_numpy()

    assert (np.diff(times).astype(int) < 0).mean() > 0.1


def test_bench_parties_stand_in_the_bench_registry(tmp_path: Path) -> None:
    """Every subscriber of the benchmark's file is in its registry."""
    plain = csv.ConvertOptions(column_types={"msisdn": pa.string()})
    rows = csv.read_csv(bench_csv(tmp_path / "b.csv", rows=3_000, parties=100), convert_options=plain)
    held = csv.read_csv(bench_registry(tmp_path / "r.csv", parties=100), convert_options=plain)

    assert set(rows["msisdn"].to_pylist()) <= set(held["msisdn"].to_pylist())


def test_bench_file_is_the_same_twice(tmp_path: Path) -> None:
    """The same input gives the same bytes."""
    a, b = (bench_csv(tmp_path / name, rows=1_000, parties=50).read_bytes() for name in ("a", "b"))

    assert a == b
