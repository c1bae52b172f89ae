"""What leaves at ingest by design: totals without a person, charge lines only where a sink was named."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import ALICE, BOB, FIRST, OFF_NET, Call, Crash, calls, many, snapshot
from tests.support.stores import TestStore, made_store
from unheld_branch.store.store import Store
from unheld_branch.workflows import sinks
from unheld_branch.workflows.ingest import Options
from unheld_verify.errors import BadInputError, StateError


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store with both sinks and its first day open."""
    made = made_store(tmp_path / "m")
    sinks.write_settings(made.root, sinks.Sinks(tmp_path / "totals", tmp_path / "charge"))
    made.open_day(FIRST)
    return made


def lines(tmp_path: Path) -> list[dict[str, str]]:
    """All charge lines that were handed over."""
    found = []
    for path in sorted((tmp_path / "charge").glob("*.csv")):
        with path.open(newline="") as file:
            found += list(csv.DictReader(file))
    return found


def figures(tmp_path: Path) -> list[dict[str, Any]]:
    """All totals that were handed over."""
    return [
        row for path in sorted((tmp_path / "totals").glob("*.json")) for row in json.loads(path.read_text())["totals"]
    ]


def test_without_settings_nothing_leaves(tmp_path: Path) -> None:
    """A store whose makers named no sink writes nothing outside itself."""
    made = made_store(tmp_path / "m")
    made.open_day(FIRST)
    before = {path for path in tmp_path.rglob("*") if made.root not in path.parents}
    source = made._files((calls(Call(ALICE)),))[0]
    made.ingest(source)

    after = {path for path in tmp_path.rglob("*") if made.root not in path.parents}
    assert sinks.read(made.root) == sinks.Sinks(None, None)
    assert after - before == {source, source.parent}


def test_totals_are_sums_of_partner_and_day(made: TestStore, tmp_path: Path) -> None:
    """Events, minutes and bytes, and no person in them."""
    made.ingest(calls(Call(ALICE, seconds=90), Call(BOB, seconds=30), Call(ALICE, to=OFF_NET, partner="99901")))

    home = {"partner": "home", "day": "2026-07-01", "events": 2, "minutes": 2.0, "bytes": 0}
    other = {"partner": "99901", "day": "2026-07-01", "events": 1, "minutes": 1.0, "bytes": 0}
    assert sorted(figures(tmp_path), key=lambda row: str(row["partner"])) == [other, home]
    text = b"".join(snapshot(tmp_path / "totals").values())
    assert not [mark for mark in (ALICE, BOB, OFF_NET) if mark.removeprefix("+").encode() in text]


def test_charge_lines_are_what_was_sealed(made: TestStore, tmp_path: Path) -> None:
    """One line a sealed record, with the facts of the class charge and no others."""
    report = made.ingest(
        calls(*(Call(ALICE, second=n, seconds=n) for n in range(200)), Call(BOB, FIRST + timedelta(1)))
    )

    found = lines(tmp_path)
    assert (len(found), report.records) == (200, 200)
    assert {line["owner"] for line in found} == {"tel:" + ALICE}
    assert sorted(int(line["duration"]) for line in found) == list(range(200))
    assert not {"counterpart", "imsi", "location_id"} & set(found[0])
    assert [path.name for path in (tmp_path / "charge").iterdir()] == [f"{report.deliveries[0].batch}.csv"]


@pytest.mark.parametrize("rows", [2_000_000, 30])
def test_a_refused_file_leaves_no_line(made: TestStore, tmp_path: Path, rows: int) -> None:
    """What was staged for it is gone, and so are its totals."""
    source = made._files((calls(*many(400)),))[0]
    text = source.read_text().splitlines()
    text[300:] = [line.replace("call,", "fax,", 1) for line in text[300:]]
    source.write_text("\n".join(text) + "\n")

    made.ingest(source, options=Options(chunk_rows=rows))

    assert not snapshot(tmp_path / "charge")
    assert not (tmp_path / "totals").exists()


def test_parked_records_leave_totals_at_once_and_charges_when_opened(made: TestStore, tmp_path: Path) -> None:
    """Settling between operators waits for nobody; charge lines name people and wait for the seal."""
    (batch,) = made.park(calls(Call(ALICE, seconds=60))).batches
    assert [row["minutes"] for row in figures(tmp_path)] == [1.0]
    assert lines(tmp_path) == []

    made.unpark(batch)

    assert [line["duration"] for line in lines(tmp_path)] == ["60"]
    assert len(figures(tmp_path)) == 1


def test_lines_of_a_commit_that_was_cut_off_are_settled(
    made: TestStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash after the commit loses no line, one before it leaves none: the next delivery settles both."""
    commit = Store.commit

    def after(store: Store, *given: Any, **named: Any) -> None:
        commit(store, *given, **named)
        raise Crash

    def before(*_: Any, **__: Any) -> None:
        raise Crash

    made.ingest(calls(Call(BOB, second=1, seconds=1)))
    for crash, seconds in ((before, 2), (after, 3)):
        source = made._files((calls(Call(ALICE, second=seconds, seconds=seconds)),))[0]
        with monkeypatch.context() as patched:
            patched.setattr(Store, "commit", crash)
            with pytest.raises(Crash):
                made.ingest(source)
        assert len(list((tmp_path / "charge").glob(".*.ready"))) == 1
    made.ingest(calls(Call(BOB, second=4, seconds=4)))

    assert sorted(int(line["duration"]) for line in lines(tmp_path)) == [1, 3, 4]
    assert not list((tmp_path / "charge").glob(".*"))


@pytest.mark.parametrize(("text", "words"), [("[sinks]\nfraud = 'x'\n", "no fraud"), ("[sinks\n", "unheld.toml")])
def test_settings_that_cannot_be_read_are_refused(made: TestStore, text: str, words: str) -> None:
    """The place is named, and no record is taken in meanwhile."""
    (made.root / sinks.SETTINGS).write_text(text)

    with pytest.raises(BadInputError, match=words):
        sinks.read(made.root)


def test_settings_read_back(tmp_path: Path) -> None:
    """Sinks that were named are read as they were, with any sign in their path."""
    named = sinks.Sinks(tmp_path / 'a "b" \\ c', None)
    sinks.write_settings(tmp_path, named)

    assert sinks.read(tmp_path) == named


def test_a_sink_without_a_full_path_moves_with_the_store(tmp_path: Path) -> None:
    """A store that headquarters founded and the branch holds writes where the branch's own user may."""
    sinks.write_settings(tmp_path, sinks.Sinks(Path("totals"), None))

    assert sinks.read(tmp_path).totals == tmp_path / "totals"


@pytest.mark.parametrize("sink", ["totals", "charge"])
def test_a_sink_that_cannot_be_is_told_before_anything_is_sealed(made: TestStore, tmp_path: Path, sink: str) -> None:
    """Else the records would be in, and their lines gone: a file that was taken in is not taken in again."""
    (tmp_path / sink).write_text("no folder")
    with pytest.raises(StateError, match=rf"{sink}.*nothing was changed"):
        made.ingest(calls(Call(ALICE)))
    (tmp_path / sink).unlink()

    made.ingest(calls(Call(ALICE)))
    assert (len(lines(tmp_path)), sum(row["events"] for row in figures(tmp_path))) == (1, 1)


def test_a_replacement_tells_every_sink_what_it_replaces(made: TestStore, tmp_path: Path) -> None:
    """Rating and settlement take back what the replaced batch had told them, or they would charge twice."""
    first = made.ingest(calls(Call(ALICE, seconds=90))).deliveries[0].batch

    second = made.ingest(calls(Call(ALICE, seconds=60)), options=Options(replaces=first)).deliveries[0].batch

    for sink in ("totals", "charge"):
        assert (tmp_path / sink / f"{second}.replaces").read_text() == f"{first}\n"
        assert not (tmp_path / sink / f"{first}.replaces").exists()
