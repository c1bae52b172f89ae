"""The branch's day: opening, reboots, closing, and what a close makes of many batches."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, OFF_NET, Call, calls, facts, held, names, opened, registry
from tests.support.refusing import refusing
from tests.support.stores import MAPPINGS, TestStore, made_store
from unheld.workflows import doctor, status
from unheld_branch.keys import folios
from unheld_branch.store import files, merging
from unheld_branch.store.blocks import SealedBlocks
from unheld_branch.store.check import check
from unheld_branch.workflows import day, ingest
from unheld_verify import columns
from unheld_verify.errors import PartialError, StateError

SECOND = FIRST + timedelta(1)


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store of three custodians, two of whom act, with its first day open."""
    made = made_store(tmp_path, n=3, t=2)
    made.open_day(FIRST)
    return made


def test_an_opened_day_can_seal_the_whole_late_window(made: TestStore) -> None:
    """Today and the 45 days before, in every class that has not lapsed, and this month's registry."""
    with made.opened() as store:
        kept = store.open_day()

    assert kept is not None
    found = {cls: sorted(pair[1] for pair in kept.keys.keys if pair[0] == cls) for cls in columns.CLASSES}
    today = columns.day_of(FIRST)
    assert found["charge"] == list(range(today - 45, today + 1))
    assert found["contact"] == list(range(today - 29, today + 1))
    assert found["place"] == list(range(today - 6, today + 1))
    assert found["identity"] == [today]


def test_a_day_opened_twice_is_open_once(made: TestStore) -> None:
    """Opening again says so and changes neither journal nor keys: batches of before are still read."""
    made.ingest(calls(Call(ALICE, second=1)))
    with made.opened() as store:
        generation = store.catalog.generation

    assert made.open_day(FIRST).again

    with made.opened() as store:
        assert store.catalog.generation == generation
    made.ingest(calls(Call(ALICE, second=2)))
    made.close()
    assert held(made, "tel:" + ALICE) == [(FIRST, 1), (FIRST, 2)]


def test_another_process_goes_on_with_the_day(made: TestStore) -> None:
    """After a reboot the day is open as before: nothing of it lived in memory alone."""
    made.ingest(calls(Call(ALICE, second=1)))
    source = made._files((calls(Call(ALICE, second=2)),))[0]
    code = f"""
from pathlib import Path
from unheld.assembly import Deployment
from unheld_branch.records.mapping import mapping_of
from unheld_branch.workflows import ingest
with Deployment(Path({str(made.root)!r})).opened(write=True) as store:
    print(ingest.ingest(store, [Path({str(source)!r})], mapping_of(Path({str(MAPPINGS / "synthetic.toml")!r}))).records)
"""
    environment = {**os.environ, "UNHELD_CLOCK": str(made.now)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "1\n"
    assert held(made, "tel:" + ALICE) == [(FIRST, 1), (FIRST, 2)]


def test_a_second_day_waits_for_the_close_of_the_first(made: TestStore) -> None:
    """No two days are open at once, and the error says what to do."""
    with pytest.raises(StateError, match="2026-07-01 is still open"):
        made.open_day(SECOND)


def test_a_day_that_was_closed_stays_closed(made: TestStore) -> None:
    """Its keys are gone: the same day does not open again, and closing it again is an error of state."""
    made.close()
    made.set_clock(FIRST, 43_200)

    with made.opened() as store, pytest.raises(StateError, match="2026-07-01 was closed"):
        day.open_day(store, made.custodians)
    with pytest.raises(StateError, match="no day is open"):
        made.close()


def test_an_empty_day_closes(made: TestStore) -> None:
    """A day without a record leaves no file and the next one opens."""
    closed = made.close()

    assert (closed.batches, closed.records, closed.files, closed.size) == (0, 0, 0, 0)
    assert not made.open_day(SECOND).again


def test_after_the_close_the_branch_holds_no_key(made: TestStore) -> None:
    """Open-day slot and handles are gone; the custodians never hand the day out again."""
    made.ingest(calls(Call(ALICE)))
    made.close()

    with made.opened() as store:
        assert store.day_slot.read() is None
    assert not list(made.root.rglob("*.handles"))
    with pytest.raises(StateError, match="0 of 2 needed"):
        made.custodians.open_day(columns.day_of(FIRST))


def test_batches_of_a_day_become_one_block_a_folio(made: TestStore) -> None:
    """Records of three batches stand in one block, by time and then as they came."""
    for seconds in ((30, 10), (20, 10), (5,)):
        made.ingest(calls(*(Call(ALICE, second=second, seconds=n) for n, second in enumerate(seconds, seconds[0]))))

    closed = made.close()

    assert (closed.batches, closed.records, closed.files) == (3, 5, 3)
    (folio,) = [folio for folio in opened(made).folios("tel:" + ALICE) if folio.column[0] == "charge"]
    assert [(record["time"], record["duration"]) for record in folio.records] == [
        (5, 5), (10, 31), (10, 21), (20, 20), (30, 30),
    ]  # fmt: skip


def test_records_of_a_day_whose_keys_were_lost_open_like_those_of_any_other(made: TestStore) -> None:
    """Its deliveries are closed as they stand: each keeps its block of a folio, and none is lost."""
    for second in (30, 20):
        made.ingest(calls(Call(ALICE, second=second)))
    (made.deployment.slots / "open.slot").unlink()
    made.set_clock(FIRST, 86_399)

    closed = made.close()

    assert (closed.batches, closed.records) == (2, 2)
    made.open_day(SECOND)
    held = [folio for folio in opened(made).folios("tel:" + ALICE) if folio.column[0] == "charge"]
    assert {record["time"] for folio in held for record in folio.records} == {20, 30}


def test_a_day_that_closes_as_it_stands_keeps_no_file_of_what_was_erased(made: TestStore) -> None:
    """An erased column's ciphertext does not come back into the journal."""
    made.ingest(calls(Call(ALICE)))
    made.forget_day(FIRST)
    (made.deployment.slots / "open.slot").unlink()
    made.set_clock(FIRST, 86_399)

    assert (made.close().files, list(made.root.rglob("*.parquet"))) == (0, [])


def test_doctor_names_the_slot_of_today_that_is_lost(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong and the mend; and status goes on without it."""
    (made.deployment.slots / "open.slot").unlink()
    monkeypatch.setenv("UNHELD_CLOCK", str(made.now))

    (found,) = [one for one in doctor.examine(made.deployment) if one.name == "open day"]

    assert "open.slot" in found.words
    assert found.advice.startswith("put back the open day's slot")
    assert status.status(made.deployment)["columns"]["charge"]["open"] == 0


def test_classes_of_a_folio_stay_in_step(made: TestStore) -> None:
    """The n-th charge, contact and place of a party's merged column are one record's."""
    for batch in range(3):
        made.ingest(
            calls(*(Call(ALICE, second=9, seconds=10 * batch + n, cell=f"c{10 * batch + n}") for n in range(3)))
        )
    made.close()

    by_class = {folio.column[0]: folio.records for folio in opened(made).folios("tel:" + ALICE)}

    durations = [str(record["duration"]) for record in by_class["charge"]]
    assert [record["location_id"] for record in by_class["place"]] == ["c" + number for number in durations]
    assert len(by_class["contact"]) == 9


def test_a_close_keeps_every_party_s_records_and_names(made: TestStore) -> None:
    """What opened before the close opens after it, for subscribers and for others, and the store is whole."""
    made.ingest(calls(Call(ALICE, to=OFF_NET), Call(BOB, FIRST - timedelta(2)), Call(CAROL, FIRST - timedelta(40))))
    made.ingest(calls(Call(ALICE, second=7, to=BOB), Call("", imsi="001011234567890")))
    everyone = ["tel:" + number for number in (ALICE, BOB, CAROL)] + ["imsi:001011234567890"]
    before = [[held(made, name, cls) for cls in ("charge", "contact", "place")] for name in everyone]
    named = names(made, everyone[0], "tel:" + OFF_NET), names(made, everyone[0], everyone[1])

    made.close()

    assert [[held(made, name, cls) for cls in ("charge", "contact", "place")] for name in everyone] == before
    assert (names(made, everyone[0], "tel:" + OFF_NET), names(made, everyone[0], everyone[1])) == named == (1, 1)
    with made.opened() as store:
        assert check(store).findings == ()


@pytest.mark.parametrize("size", [1, 3])
def test_parties_in_slices_close_as_in_one(made: TestStore, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A country that fits no memory is closed in slices; a party with several rows is merged once."""
    rows = [{"msisdn": f"+9991000000{n}", "imsi": f"00101000000000{n}", "holder": f"H{n}"} for n in range(8)]
    made.ingest(registry(*rows), by="synthetic-registry")
    made.ingest(calls(*(Call(row["msisdn"], second=n) for n, row in enumerate(rows))))
    made.ingest(calls(*(Call("", imsi=row["imsi"], second=50 + n) for n, row in enumerate(rows))))
    monkeypatch.setattr(merging, "_PARTIES_A_SLICE", size)
    with mock.patch.object(day, "_leaves", side_effect=_one_by_one):
        made.close()

    for number, row in enumerate(rows):
        assert held(made, "tel:" + row["msisdn"]) == [(FIRST, number), (FIRST, 50 + number)]
        assert len(facts(made, "tel:" + row["msisdn"])) == 1


_LEAVES = day._leaves


def _one_by_one(*given: object) -> object:
    for leaf in _LEAVES(*given):  # type: ignore[arg-type]
        for start in range(len(leaf)):
            yield leaf.part(start, start + 1)


def test_a_forgotten_party_s_blocks_leave_with_the_close(made: TestStore) -> None:
    """Forgotten while the day is open: the close merges the others, and nobody can tell whose blocks were left."""
    made.ingest(calls(Call(ALICE), Call(BOB)))
    made.forget("tel:" + ALICE)

    made.close()

    assert held(made, "tel:" + ALICE) == []
    assert held(made, "tel:" + BOB) == [(FIRST, 3600)]


def test_a_day_of_which_everybody_was_forgotten_closes(made: TestStore) -> None:
    """No block is left to merge, and the next day opens."""
    made.ingest(calls(Call(ALICE, to=None)))
    made.forget("tel:" + ALICE)

    assert made.close().files == 0
    assert not made.open_day(SECOND).again


def test_a_dummy_with_a_party_s_handle_is_left(made: TestStore) -> None:
    """Handles are short and dummies' are random: one that happens to be a party's does not stop the close."""
    with_dummies = files.with_dummies

    def unlucky(sealed: SealedBlocks, *, least: int = 0) -> SealedBlocks:
        padded = with_dummies(sealed, least=least)
        return replace(padded, handles=np.repeat(sealed.handles[:1], len(padded.handles)))

    with mock.patch.object(files, "with_dummies", unlucky):
        made.ingest(calls(Call(ALICE, to=None)))

    made.close()
    assert held(made, "tel:" + ALICE) == [(FIRST, 3600)]


def test_parties_with_one_handle_keep_their_own_blocks(made: TestStore) -> None:
    """Eight bytes may fall together: the block's id says whose it is, and no record is lost at the close."""

    def same(party_keys: bytes, _store: bytes, _day: int) -> npt.NDArray[np.void]:
        return np.zeros(len(party_keys) // 32, "V8")

    with mock.patch.object(folios, "handles", same):
        made.ingest(calls(Call(ALICE, to=None), Call(BOB, second=7, to=None)))
        made.close()

    assert held(made, "tel:" + ALICE) == [(FIRST, 3600)]
    assert held(made, "tel:" + BOB) == [(FIRST, 7)]


def test_late_columns_are_merged_by_their_event_day(made: TestStore) -> None:
    """Each event day of the window has its own files after the close."""
    made.ingest(calls(Call(ALICE), Call(ALICE, FIRST - timedelta(1))))
    made.ingest(calls(Call(ALICE, FIRST - timedelta(1), second=9)))

    made.close()

    assert held(made, "tel:" + ALICE) == [(FIRST - timedelta(1), 9), (FIRST - timedelta(1), 3600), (FIRST, 3600)]
    with made.opened() as store:
        assert len(store.catalog.live_files()) == 6


def test_a_day_left_open_overnight_is_closed_the_next_morning(made: TestStore) -> None:
    """What was sealed keeps its day, and records of the new day wait for it to open."""
    made.ingest(calls(Call(ALICE)))
    made.set_clock(SECOND, 3600)

    report = made.ingest(calls(Call(ALICE, SECOND, second=60)))
    assert "happened after the open day" in report.refused[0].reason
    made.close()
    made.open_day(SECOND)
    made.ingest(calls(Call(ALICE, SECOND, second=60)))

    assert held(made, "tel:" + ALICE) == [(FIRST, 3600), (SECOND, 60)]


def test_a_day_open_over_the_end_of_a_month_keeps_its_month(made: TestStore) -> None:
    """Others met on 31 July are of July, even where the close comes in August."""
    made.close()
    last = date(2026, 7, 31)
    made.open_day(last)
    made.ingest(calls(Call(ALICE, last, to=OFF_NET)))
    made.set_clock(date(2026, 8, 1), 60)

    made.lapse()
    made.close()

    assert names(made, "tel:" + ALICE, "tel:" + OFF_NET) == 1


def test_a_custodian_that_is_away_leaves_the_day_to_the_others(made: TestStore) -> None:
    """Two of three open a day and close it; parking keys that the third gave ahead are kept."""
    made.close()
    away = made.deployment.custodians / "custodian-2"
    away.rename(away.with_name("elsewhere"))

    assert made.open_day(SECOND).custodians == 2
    assert made.park(calls(Call(BOB))).records == 1
    assert made.close().records == 0


def test_too_few_custodians_open_nothing(made: TestStore) -> None:
    """With one of two needed the day stays shut, the error says why, and parking is what is left."""
    made.close()
    for index in (1, 2):
        away = made.deployment.custodians / f"custodian-{index}"
        away.rename(away.with_name(f"elsewhere-{index}"))

    with pytest.raises(StateError, match="1 of 2 needed"):
        made.open_day(SECOND)

    with made.opened() as store:
        assert store.open_day() is None
    assert made.park(calls(Call(BOB))).records == 1


def test_a_custodian_that_refuses_a_close_is_told_again(made: TestStore) -> None:
    """The store closed, one custodian said no: the day's name stays in the slot until calling again has told it too."""
    made.ingest(calls(Call(ALICE)))
    with refusing("close", 1), pytest.raises(PartialError, match="custodian-1: "):
        made.close()
    with made.opened() as store:
        kept = store.day_slot.read()
    assert kept is not None
    assert not kept.keys.keys

    closed = made.close()

    assert (closed.day, closed.batches, closed.records) == (columns.day_of(FIRST), 1, 1)
    with made.opened() as store:
        assert store.day_slot.read() is None
        assert "1-1-closed.json" in {path.name for path in (store.folder / "attestations").iterdir()}


def test_a_custodian_that_refuses_a_close_keeps_no_day_shut(made: TestStore) -> None:
    """It ends the day by its own calendar: the next one opens."""
    with refusing("close", 1):
        with pytest.raises(PartialError):
            made.close()

        assert not made.open_day(SECOND).again


def test_keys_of_a_day_that_never_began_are_asked_for_again(made: TestStore) -> None:
    """An opening cut off between keys and journal serves nothing, and the day still opens."""
    made.close()
    made.set_clock(SECOND)
    with made.opened() as store, mock.patch.object(type(store), "commit", side_effect=OSError), pytest.raises(OSError):  # noqa: PT011
        day.open_day(store, made.custodians)
    with pytest.raises(StateError, match="no day is open"):
        made.close()

    assert not made.open_day(SECOND).again
    assert made.ingest(calls(Call(ALICE, SECOND)), options=ingest.Options()).records == 1
