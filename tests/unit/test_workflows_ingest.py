"""Ingest: whose a record is, what becomes of late ones, and that a refused file leaves no trace."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, OFF_NET, Call, calls, held, many, names, snapshot, trees
from tests.support.stores import TestStore, made_store
from unheld.testing import traffic
from unheld_branch.store.check import check
from unheld_branch.workflows import delivery
from unheld_branch.workflows.delivery import at_most
from unheld_branch.workflows.ingest import Options
from unheld_verify import columns
from unheld_verify.errors import BadInputError, SealedError, StateError

MONTH = 202607


def before(days: int) -> date:
    """A day before the first."""
    return FIRST - timedelta(days)


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store with its first day open."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    return made


def file_of(made: TestStore, *given: Call, name: str = "") -> Path:
    """A file of records, under a name of its own."""
    path = made._files((calls(*given),))[0]
    return path.rename(path.with_name(name)) if name else path


def spoiled(made: TestStore, rows: int, bad: int, name: str = "bad.csv") -> Path:
    """A file of which the last rows do not read."""
    path = file_of(made, *many(rows), name=name)
    lines = path.read_text().splitlines()
    lines[len(lines) - bad :] = [line.replace("call,", "fax,", 1) for line in lines[len(lines) - bad :]]
    path.write_text("\n".join(lines) + "\n")
    return path


def state(made: TestStore) -> dict[Path, bytes]:
    """Journal head, files and nodes: all that a refused file must leave as it was."""
    with made.opened() as store:
        files = snapshot(made.root / "blocks", made.root / "parked", made.root / "rows", made.deployment.slots)
        nodes = {Path(node.hex()): b"" for node in store.vault.database.node_ids()}
        return files | nodes | {Path("head"): store.catalog.head}


def test_records_open_for_their_owner_and_name_the_other(made: TestStore) -> None:
    """A record is in its owner's folios, names the other party by alias, and is in nobody else's."""
    report = made.ingest(calls(Call(ALICE, second=5), Call(ALICE, second=3, to=CAROL), Call(BOB, second=4, to=None)))

    assert (report.records, report.refused, report.known) == (3, [], [])
    assert held(made, "tel:" + ALICE) == [(FIRST, 3), (FIRST, 5)]
    assert held(made, "tel:" + BOB) == [(FIRST, 4)]
    assert held(made, "tel:" + CAROL) == []
    assert [names(made, "tel:" + ALICE, "tel:" + other) for other in (BOB, CAROL, OFF_NET)] == [1, 1, 0]


def test_the_same_file_twice_is_one_ingest(made: TestStore) -> None:
    """A file that was taken in is known the second time, under whatever name, in one call or in two."""
    once = file_of(made, Call(ALICE), name="one.csv")
    again = once.with_name("two.csv")
    again.write_bytes(once.read_bytes())

    first = made.ingest(once, again)
    second = made.ingest(again)

    assert (first.records, [Path(name).name for name in first.known]) == (1, ["two.csv"])
    assert (second.records, [Path(name).name for name in second.known]) == (0, ["two.csv"])
    assert len(held(made, "tel:" + ALICE)) == 1


def test_the_same_large_file_twice_is_one_ingest(made: TestStore) -> None:
    """A file of several chunks that is known leaves nothing of its second coming."""
    source = file_of(made, *many(300))
    options = Options(chunk_rows=20)
    assert made.ingest(source, options=options).records == 300
    there = state(made)

    report = made.ingest(source, options=options)

    assert (report.records, len(report.known)) == (0, 1)
    assert state(made) == there


def test_a_file_is_known_on_later_days_of_the_late_window(made: TestStore) -> None:
    """Keys of file digests outlive their day, and are dropped after the late window."""
    source = file_of(made, Call(ALICE))
    made.ingest(source)
    made.close()
    made.open_day(FIRST + timedelta(1))
    assert len(made.ingest(source).known) == 1
    made.close()

    made.open_day(FIRST + timedelta(46))
    report = made.ingest(source)

    assert report.known == []
    assert [refusal.reason.count("45 days before it") for refusal in report.refused] == [1]
    with made.opened() as store:
        assert sorted(store.root.dedup) == [columns.day_of(FIRST) + days for days in (1, 46)]


def test_a_replaced_batch_counts_no_more(made: TestStore) -> None:
    """A corrected file takes the place of the first one: its records open, those it replaces do not."""
    first = made.ingest(calls(Call(ALICE, second=1), Call(BOB, second=1))).deliveries[0].batch

    made.ingest(calls(Call(ALICE, second=2)), options=Options(replaces=first))

    assert held(made, "tel:" + ALICE) == [(FIRST, 2)]
    assert held(made, "tel:" + BOB) == []
    made.close()
    assert held(made, "tel:" + ALICE) == [(FIRST, 2)]
    assert held(made, "tel:" + BOB) == []


def test_a_file_may_replace_itself(made: TestStore) -> None:
    """The same file again in the place of its own batch is taken, since that batch leaves."""
    source = file_of(made, Call(ALICE))
    first = made.ingest(source).deliveries[0].batch

    assert made.ingest(source, options=Options(replaces=first)).records == 1
    assert len(held(made, "tel:" + ALICE)) == 1


def test_a_batch_that_is_not_there_cannot_be_replaced(made: TestStore) -> None:
    """Only batches of the open day can: not those of a closed one, not one replaced already."""
    first = made.ingest(calls(Call(ALICE))).deliveries[0].batch
    made.close()
    made.open_day(FIRST + timedelta(1))

    for wrong in (first, "ab" * 16):
        with pytest.raises(StateError, match="not one of the open day"):
            made.ingest(calls(Call(ALICE, second=9)), options=Options(replaces=wrong))


def test_a_batch_of_several_files_is_replaced_by_as_many(made: TestStore) -> None:
    """One corrected file cannot take the place of a delivery of three: two would be lost in silence."""
    files = [file_of(made, Call(ALICE, second=number)) for number in range(3)]
    batch = made.ingest(*files).deliveries[0].batch
    better = file_of(made, Call(ALICE, second=9))

    with pytest.raises(StateError, match="holds 3 files"):
        made.ingest(better, options=Options(replaces=batch))
    made.ingest(files[0], files[1], better, options=Options(replaces=batch))

    assert held(made, "tel:" + ALICE) == [(FIRST, 0), (FIRST, 1), (FIRST, 9)]


def test_a_bad_file_replaces_nothing(made: TestStore) -> None:
    """When what should replace a batch is refused, the batch stands."""
    batch = made.ingest(calls(Call(ALICE))).deliveries[0].batch

    with pytest.raises(BadInputError, match="rows are bad"):
        made.ingest(spoiled(made, 200, 50), options=Options(replaces=batch))

    assert len(held(made, "tel:" + ALICE)) == 1


@pytest.mark.parametrize("days", [0, 1, 6, 29, 45])
def test_a_late_record_is_sealed_by_its_event_day(made: TestStore, days: int) -> None:
    """Records up to 45 days late go into columns of the day they happened, in classes that have not lapsed."""
    report = made.ingest(calls(Call(ALICE, before(days))))

    assert held(made, "tel:" + ALICE) == [(before(days), 3600)]
    assert held(made, "tel:" + ALICE, "contact") == ([(before(days), 3600)] if days < 30 else [])
    assert held(made, "tel:" + ALICE, "place") == ([(before(days), 3600)] if days < 7 else [])
    lapsed = {f"{cls}: lapsed or erased, not stored": 1 for cls, of in (("contact", 30), ("place", 7)) if days >= of}
    assert report.deliveries[0].counts == lapsed


@pytest.mark.parametrize("call", [Call(ALICE, before(46)), Call(ALICE, before(89)), Call(ALICE, FIRST + timedelta(1))])
def test_a_few_records_of_other_days_go_to_quarantine(made: TestStore, call: Call) -> None:
    """Too late for the window, or of the future: parked among the bad rows while the others are sealed."""
    report = made.ingest(calls(*many(100), call))

    assert (report.records, report.deliveries[0].quarantined) == (100, 1)
    assert len(held(made, "tel:" + ALICE)) == 100
    with made.opened() as store:
        assert [(batch.reason, batch.records) for batch in store.catalog.waiting()] == [("quarantine", 1)]


@pytest.mark.parametrize("when", [before(46), FIRST + timedelta(1)])
def test_a_file_of_other_days_is_refused(made: TestStore, when: date) -> None:
    """A wrong clock or a file from long ago does not lapse in quarantine: it is refused, and nothing changes."""
    made.ingest(calls(Call(BOB)))
    there = state(made)

    report = made.ingest(calls(*many(10), Call(ALICE, when)))

    assert "1 of 11 records happened after the open day, or more than 45 days before it" in report.refused[0].reason
    assert state(made) == there


@pytest.mark.parametrize("days", [90, 400])
def test_what_is_older_than_every_lifetime_is_counted(made: TestStore, days: int) -> None:
    """Records that would have lapsed in every class are counted and not kept anywhere."""
    report = made.ingest(calls(Call(ALICE, before(days)), Call(BOB)))

    assert report.deliveries[0].counts == {"older than every lifetime, not stored": 1}
    assert (report.records, report.deliveries[0].quarantined) == (1, 0)
    assert trees(made, "tel:" + ALICE) == set()


def test_a_file_of_which_nothing_can_be_stored_is_an_empty_delivery(made: TestStore) -> None:
    """Counts stand in the journal even where no record does."""
    report = made.ingest(calls(Call(ALICE, before(100))))

    assert (report.records, report.refused) == (0, [])
    with made.opened() as store:
        assert store.catalog.counts == {"older than every lifetime, not stored": 1}
    assert made.close().records == 0


@pytest.mark.parametrize(
    ("other", "identity"),
    [
        (OFF_NET, "tel:" + OFF_NET),
        ("1234", "short:1234"),
        ("MyBank", "alpha:MYBANK"),
    ],
)
def test_others_than_subscribers_are_met_in_the_tree_of_the_month(made: TestStore, other: str, identity: str) -> None:
    """Off-net numbers, short codes and sender names get a row of the month, which leaves with it."""
    made.ingest(calls(Call(ALICE, to=other)))

    assert trees(made, identity) == {MONTH}
    assert trees(made, "tel:" + ALICE) == {0}
    assert names(made, "tel:" + ALICE, identity) == 1


def test_a_guest_known_by_its_sim_is_met_in_the_tree_of_the_month(made: TestStore) -> None:
    """A roamer without a number is nobody's subscriber here, and its records open by its IMSI."""
    made.ingest(calls(Call("", imsi="001011234567890", second=8)))

    assert trees(made, "imsi:001011234567890") == {MONTH}
    assert held(made, "imsi:001011234567890") == [(FIRST, 8)]


def test_a_number_first_called_keeps_its_row_when_its_own_records_come(made: TestStore) -> None:
    """Within a month one identity is one party: calls to it and of it meet in one row."""
    made.ingest(calls(Call(ALICE, to=BOB)))
    made.ingest(calls(Call(BOB, to=ALICE, second=5)))

    assert trees(made, "tel:" + BOB) == {MONTH}
    assert held(made, "tel:" + BOB) == [(FIRST, 5)]
    assert names(made, "tel:" + ALICE, "tel:" + BOB) == 1
    assert names(made, "tel:" + BOB, "tel:" + ALICE) == 1


def test_a_new_month_has_a_tree_of_its_own(made: TestStore) -> None:
    """The same off-net number met in two months is two parties that nothing links."""
    made.ingest(calls(Call(ALICE, to=OFF_NET)))
    made.close()
    made.open_day(date(2026, 8, 1))
    made.ingest(calls(Call(ALICE, date(2026, 8, 1), to=OFF_NET)))

    with made.opened() as store:
        found = [store.parties().find(["tel:" + OFF_NET], [tree]).rows for tree in (MONTH, 202608)]
        assert found[0].tags.tobytes() != found[1].tags.tobytes()
        assert found[0].keys.tobytes() != found[1].keys.tobytes()
        assert found[0].labels.tobytes() != found[1].labels.tobytes()


def test_without_an_open_day_nothing_is_taken_in(made: TestStore) -> None:
    """A closed branch refuses, says what to do instead, and changes nothing."""
    made.close()
    there = state(made)

    with pytest.raises(SealedError, match="unheld park add"):
        made.ingest(calls(Call(ALICE)))

    assert state(made) == there


@pytest.mark.parametrize("chunk_rows", [2_000_000, 30])
def test_a_bad_file_leaves_the_store_as_it_was(made: TestStore, chunk_rows: int) -> None:
    """A file with too many bad rows is refused whole, also where only its last chunk shows it."""
    made.ingest(calls(Call(BOB)))
    there = state(made)

    report = made.ingest(spoiled(made, 400, 100), options=Options(chunk_rows=chunk_rows))

    assert (report.records, [Path(item.file).name for item in report.refused]) == (0, ["bad.csv"])
    assert "rows are bad" in report.refused[0].reason
    assert state(made) == there
    assert not [path for path in made.root.rglob("*") if path.name.endswith(".part")]


def test_one_bad_file_among_several_is_refused_alone(made: TestStore) -> None:
    """The others of the same call are taken in, and the report names the one that is not."""
    good = [file_of(made, Call(ALICE, second=number)) for number in (1, 2)]

    report = made.ingest(good[0], spoiled(made, 200, 50), good[1])

    assert [Path(item.file).name for item in report.refused] == ["bad.csv"]
    assert held(made, "tel:" + ALICE) == [(FIRST, 1), (FIRST, 2)]


def test_a_file_of_a_quiet_hour_is_taken_and_an_empty_one_refused(made: TestStore) -> None:
    """A header without rows is a delivery of nothing; a file without a byte is none."""
    quiet, empty = made.folder / "quiet.csv", made.folder / "empty.csv"
    quiet.write_text(",".join(traffic.SCHEMA.names) + "\n")
    empty.write_bytes(b"")

    report = made.ingest(quiet, empty)

    assert [item.records for item in report.deliveries] == [0]
    assert ["the file is empty" in item.reason for item in report.refused] == [True]
    assert len(made.ingest(quiet).known) == 1


def test_bad_rows_within_the_bound_are_counted_and_parked(made: TestStore) -> None:
    """Up to one in a hundred is shown by reason and waits in quarantine, sealed."""
    report = made.ingest(spoiled(made, 300, 2))

    assert (report.records, report.deliveries[0].quarantined) == (298, 2)
    assert sum(report.reasons.values()) == 2
    with made.opened() as store:
        (waiting,) = store.catalog.waiting()
        assert (waiting.reason, waiting.records) == ("quarantine", 2)
        assert b"fax" not in (store.folder / waiting.path).read_bytes()


def test_small_files_share_a_delivery(made: TestStore) -> None:
    """Many small files are one batch, so that no batch is as small as they are."""
    report = made.ingest(*(file_of(made, Call(ALICE, second=number)) for number in range(5)))

    assert [len(item.files) for item in report.deliveries] == [5]


def _folios(made: TestStore) -> dict[str, list[tuple[date, int]]]:
    return {name: held(made, f"tel:{name}", "contact") for name in (ALICE, BOB, CAROL)}


def _mixed() -> list[Call]:
    parties = [ALICE, BOB, CAROL]
    return [
        Call(parties[n % 3], before(n % 9), n * 7 % 86_400, to=[BOB, OFF_NET, None, "1234"][n % 4], cell=f"c{n % 5}")
        for n in range(240)
    ]


def test_tiny_chunks_open_to_the_same_as_one(tmp_path: Path) -> None:
    """The path that bounds memory gives every party the same records as the path in one piece, open and closed."""
    stores = [made_store(tmp_path / name) for name in ("whole", "chunks")]
    for made, rows in zip(stores, (2_000_000, 60), strict=True):
        made.open_day(FIRST)
        made.ingest(calls(*_mixed()), options=Options(chunk_rows=rows))
    assert _folios(stores[0]) == _folios(stores[1])
    assert names(stores[0], "tel:" + ALICE, "tel:" + OFF_NET) == names(stores[1], "tel:" + ALICE, "tel:" + OFF_NET) > 0

    for made in stores:
        made.close()

    assert _folios(stores[0]) == _folios(stores[1])
    assert {name: len(found) for name, found in _folios(stores[0]).items()} == {ALICE: 80, BOB: 80, CAROL: 80}


def test_rows_that_outgrow_memory_are_committed_ahead(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large delivery's rows may come before its records: the journal says so, and every record is there."""
    monkeypatch.setattr(delivery, "ROW_BYTES_HELD", 1)

    report = made.ingest(calls(*_mixed()), options=Options(chunk_rows=50))

    with made.opened() as store:
        kinds = [entry for _, entry, _ in store.vault.database.journal() if b'"kind":"rows"' in entry]
        assert len([entry for entry in kinds if b'"rows":""' not in entry]) == 1
        assert check(store).findings == ()
    assert (report.records, len(held(made, "tel:" + ALICE))) == (240, 80)
    assert trees(made, "short:1234") == {MONTH}


def test_a_delivery_refused_after_its_rows_went_ahead_leaves_no_file(
    made: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without records say nothing; blocks of the refused file are gone."""
    monkeypatch.setattr(delivery, "ROW_BYTES_HELD", 1)

    report = made.ingest(spoiled(made, 400, 100), options=Options(chunk_rows=30))

    assert len(report.refused) == 1
    assert not list((made.root / "blocks").rglob("*.parquet"))


def test_every_record_is_committed_to_by_a_row(made: TestStore) -> None:
    """Rows made are in the leaves of their commit, and everything on disk is what the journal says."""
    made.ingest(calls(*_mixed()))

    with made.opened() as store:
        found = check(store)

    assert found.findings == ()
    assert len(list((made.root / "rows").iterdir())) == 1


@pytest.mark.parametrize("rows", [1, 200])
def test_files_of_a_batch_do_not_tell_how_few_were_named(made: TestStore, rows: int) -> None:
    """A batch shows at least 10,000 blocks, whether it holds one record or two hundred."""
    made.ingest(calls(*many(rows)))

    with made.opened() as store:
        files = store.catalog.live_files()

    assert sum(file.blocks for file in files) >= 10_000
    assert len({file.blocks for file in files}) == 1


@pytest.mark.parametrize(("count", "shown"), [(0, 1024), (1, 1024), (1024, 1024), (1025, 2048), (5_000_000, 1 << 23)])
def test_figures_of_the_log_are_rounded_up(count: int, shown: int) -> None:
    """The log tells a power of two, never less than 1,024."""
    assert at_most(count) == shown


def test_records_of_one_source_may_be_one_party_s(made: TestStore) -> None:
    """Where no column says whose the records are, the caller does."""
    path = made.folder / "ego.csv"
    path.write_text(
        "interaction,direction,correspondent_id,datetime,call_duration,antenna_id\n"
        "call,out,x1,2026-07-01 10:00:00,10,3\n"
    )

    made.ingest(path, by="bandicoot", options=Options(owner="sub:ego"))

    assert held(made, "sub:ego") == [(FIRST, 14 * 3600)]


def test_the_synthetic_schema_is_the_one_used_here() -> None:
    """The records of these tests have the columns that the operator's mapping knows."""
    assert calls(Call(ALICE)).schema == traffic.SCHEMA


def test_progress_is_told(made: TestStore) -> None:
    """A long ingest tells how far it is."""
    told: list[tuple[int, int | None]] = []

    made.ingest(file_of(made, *many(50)), options=Options(progress=lambda done, total: told.append((done, total))))

    assert told
    assert told[-1][0] == told[-1][1]


def test_a_refused_first_file_of_a_day_changes_nothing(made: TestStore, tmp_path: Path) -> None:
    """Journal, generation and files are as they were before an empty file came."""
    empty = tmp_path / "empty.csv"
    empty.touch()
    with made.opened() as store:
        before = store.catalog.head

    assert made.ingest(empty).refused

    with made.opened() as store:
        assert store.catalog.head == before
