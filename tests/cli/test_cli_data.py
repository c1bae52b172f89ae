"""The example mappings on public data sets, end to end through the command line: what is read is sealed, counted or in
quarantine, and nothing else becomes of it.

The late window is at most 90 days, so each store lives on the last day of its data.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tests.support.commands import Box, Ended
from tests.support.journey import FIRST, MAPPINGS, RECORDS
from unheld.assembly import Deployment
from unheld.testing.synthetic import Operator

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "cdr-csv"
OLD = "older than every lifetime, not stored"


@pytest.fixture(scope="module")
def data() -> Path:
    """The folder of public data sets."""
    if not DATA.is_dir():
        if "CI" in os.environ:
            pytest.fail(f"{DATA} is missing: the public data sets belong beside the repository")
        pytest.skip(f"{DATA} is missing: these tests read public data sets")
    return DATA


def _open(folder: Path, when: date, *words: str) -> Box:
    box = Box(folder, when, seconds=86_399)
    assert box("init", *words).code == 0
    assert box("day", "open").code == 0
    return box


def _taken(box: Box, mapping: str, *sources: Path | str, stdin: bytes = b"") -> dict[str, Any]:
    ended = box("ingest", *sources, "--mapping", MAPPINGS / f"{mapping}.toml", "--json", stdin=stdin)
    assert ended.code == 0, ended
    return ended.document


def _all_of(told: dict[str, Any]) -> int:
    """Rows that an answer accounts for."""
    made = told["deliveries"]
    return sum(item["records"] + item["quarantined"] + item["counts"].get(OLD, 0) for item in made)


def _rows(path: Path, header: int = 1) -> int:
    return len(path.read_text("utf-8-sig").splitlines()) - header


def _held(box: Box) -> int:
    """Rows of subscribers: no command tells them exactly."""
    with Deployment(box.root).opened() as store:
        return store.root.trees[0].rows


def test_vast_2008(data: Path, tmp_path: Path) -> None:
    """Ten days of calls of a fictional island, closed and checked: four durations are none, all else is sealed."""
    path = data / "vast2008" / "vast2008_cdr.csv"
    box = _open(tmp_path, date(2006, 6, 10))

    told = _taken(box, "vast2008", path)

    assert told["records"] == 9_830
    assert told["bad_rows"] == {"Duration(seconds): not a whole number from 0 up, or too large": 4}
    assert _all_of(told) == _rows(path)
    assert box("day", "close").code == 0
    assert box("check").code == 0
    assert _held(box) == 400


def test_vast_2008_is_refused_in_the_middle_of_its_days(data: Path, tmp_path: Path) -> None:
    """Half of the calls have not happened by the clock: that is a wrong clock, and nothing of the file is kept."""
    box = _open(tmp_path, date(2006, 6, 5))

    ended = box("ingest", data / "vast2008" / "vast2008_cdr.csv", "--mapping", MAPPINGS / "vast2008.toml")

    assert (ended.code, ended.out) == (1, "")
    assert "happened after the open day" in ended.err
    assert "mend" in ended.err


def test_a_german_operator(data: Path, tmp_path: Path) -> None:
    """A registry, then calls and messages that lead through two tables to a number; three years are counted as old."""
    box, folder = _open(tmp_path, date(2024, 12, 31), "--late-days", "90", "--home", "DE"), data / "telecom_de"

    registry = _taken(box, "telecom-de-registry", folder / "kunde.csv")
    calls = _taken(box, "telecom-de-calls", folder / "anruf.csv")
    messages = _taken(box, "telecom-de-sms", folder / "sms.csv")

    assert _all_of(registry) == _rows(folder / "kunde.csv")
    assert {"geschlecht", "beruf"} <= set(registry["unstored_bytes"])
    for told, name, least in ((calls, "anruf", 300), (messages, "sms", 180)):
        assert _all_of(told) == _rows(folder / f"{name}.csv", header=0)
        assert least < told["records"] < sum(item["counts"][OLD] for item in told["deliveries"])
    assert box("day", "close").code == 0
    assert box("check").code == 0


def test_a_number_that_got_another_holder(data: Path, tmp_path: Path) -> None:
    """A registry of the next day with new customers at old numbers makes a new row for each; the old rows stay."""
    source = data / "telecom_de" / "kunde.csv"
    box = _open(tmp_path, date(2024, 12, 31), "--home", "DE")
    _taken(box, "telecom-de-registry", source)
    before = _held(box)
    header, *lines = source.read_text("utf-8-sig").splitlines()
    names = header.split(";")
    changed = []
    for line in lines[:10]:
        cells = line.split(";")
        cells[names.index("kunde_id")], cells[names.index("anmeldedatum")] = f"new{cells[0]}", "2024-12-31"
        changed.append(";".join(cells))
    second = tmp_path / "second.csv"
    second.write_text("\n".join([header, *changed]) + "\n", "utf-8")

    told = _taken(box, "telecom-de-registry", second)

    assert _all_of(told) == len(changed)
    assert _held(box) == before + len(changed)


def test_cider(data: Path, tmp_path: Path) -> None:
    """A registry of ids that begin with zeros, and their top-ups: every one is found, none is added."""
    box, folder = _open(tmp_path, date(2020, 2, 29), "--late-days", "60"), data / "cider_synthetic"
    registry = _taken(box, "cider-registry", folder / "subscribers.csv")
    rows = _held(box)

    told = _taken(box, "cider-recharges", folder / "recharges.csv")

    assert (registry["records"], told["records"]) == (1_000, 10_000)
    assert _all_of(told) == _rows(folder / "recharges.csv")
    assert _held(box) == rows


def test_bandicoot(data: Path, tmp_path: Path) -> None:
    """A file that is one person's: whose it is, is asked for at the terminal and not shown."""
    path = data / "bandicoot_demo" / "ego.csv"
    box = _open(tmp_path, date(2014, 4, 14))

    code, shown = box.terminal(
        "--json",
        "ingest",
        path,
        "--mapping",
        MAPPINGS / "bandicoot.toml",
        "--owner",
        answers=[("(not shown)", "sub:ego\n")],
    )

    assert code == 0, shown
    assert "sub:ego" not in shown
    assert f'"records": {_rows(path)}' in shown
    assert box("day", "close").code == 0


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """A day of the synthetic operator's records."""
    return Operator(seed=5, subscribers=60, days=1, first_day=FIRST).day(FIRST)


@pytest.fixture
def open_box(tmp_path: Path) -> Box:
    """A deployment whose day is open."""
    return _open(tmp_path, FIRST)


def _csv(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(table, sink)
    return bytes(sink.getvalue())


def _sealed(ended: Ended) -> int:
    assert ended.code == 0, ended
    return int(ended.document["records"])


@pytest.mark.parametrize("form", ["plain", "gzip", "zstd"])
def test_a_file_is_read_however_it_is_packed(form: str, open_box: Box, table: pa.Table) -> None:
    """Plain, gzip and zstandard, by content and not by name."""
    packed: dict[str, Callable[[bytes], bytes]] = {
        "plain": bytes,
        "gzip": gzip.compress,
        "zstd": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
    }
    path = open_box.folder / "records"
    path.write_bytes(packed[form](_csv(table)))

    assert _sealed(open_box("ingest", path, "--mapping", RECORDS, "--json")) == table.num_rows


def test_parquet_is_read(open_box: Box, table: pa.Table) -> None:
    """Parquet, by a mapping that says so."""
    path, mapping = open_box.folder / "records.parquet", open_box.folder / "mapping.toml"
    pq.write_table(table, path)
    mapping.write_text(RECORDS.read_text().replace('kind = "records"', 'kind = "records"\nformat = "parquet"'))

    assert _sealed(open_box("ingest", path, "--mapping", mapping, "--json")) == table.num_rows


@pytest.mark.parametrize("source", ["folder", "folder/*.csv"])
def test_a_folder_and_a_glob_are_read(source: str, open_box: Box, table: pa.Table) -> None:
    """Each file of a folder or of a glob, once."""
    folder = open_box.folder / "folder"
    folder.mkdir()
    half = table.num_rows // 2
    (folder / "a.csv").write_bytes(_csv(table.slice(0, half)))
    (folder / "b.csv").write_bytes(_csv(table.slice(half)))

    assert _sealed(open_box("ingest", open_box.folder / source, "--mapping", RECORDS, "--json")) == table.num_rows


def test_standard_input_is_read(open_box: Box, table: pa.Table) -> None:
    """`-` is standard input."""
    assert _sealed(open_box("ingest", "-", "--mapping", RECORDS, "--json", stdin=_csv(table))) == table.num_rows


def test_the_same_content_is_taken_once_whatever_its_name(open_box: Box, table: pa.Table) -> None:
    """A file that came twice is known by its content."""
    for name in ("a.csv", "b.csv"):
        (open_box.folder / name).write_bytes(_csv(table))
    first = open_box("ingest", open_box.folder / "a.csv", "--mapping", RECORDS, "--json")

    again = open_box("ingest", open_box.folder / "b.csv", "--mapping", RECORDS, "--json")

    assert _sealed(first) == table.num_rows
    assert _sealed(again) == 0
    assert again.document["known"] == [str(open_box.folder / "b.csv")]


def test_a_batch_is_replaced_while_its_day_is_open(open_box: Box, table: pa.Table) -> None:
    """--replaces takes the first delivery back: at the close only the second is there."""
    path = open_box.folder / "records.csv"
    path.write_bytes(_csv(table))
    batch = open_box("ingest", path, "--mapping", RECORDS, "--json").document["deliveries"][0]["batch"]
    path.write_bytes(_csv(table.slice(0, 100)))

    assert _sealed(open_box("ingest", path, "--mapping", RECORDS, "--replaces", batch, "--json")) == 100
    assert open_box("day", "close", "--json").document["records"] == 100


def test_a_parked_file_is_opened_into_a_later_day(open_box: Box, table: pa.Table) -> None:
    """Written without custodians, read by nobody, sealed by its own event day once a day is open."""
    path = open_box.folder / "records.csv"
    path.write_bytes(_csv(table))
    assert open_box("day", "close").code == 0
    parked = open_box("park", "add", path, "--mapping", RECORDS, "--json").document
    open_box.when += timedelta(days=1)
    assert open_box("day", "open").code == 0

    opened = open_box("park", "open", *parked["batches"], "--json").document

    assert parked["records"] == opened["records"] == table.num_rows
    assert open_box("park", "list").out == "nothing is parked\n"


def test_a_mapping_that_was_proposed_is_taken(open_box: Box, table: pa.Table) -> None:
    """`map` writes a mapping that `ingest` reads, once a person has looked at it."""
    path, mapping = open_box.folder / "records.csv", open_box.folder / "proposed.toml"
    path.write_bytes(_csv(table))
    assert open_box("map", path, "--home", "MM", "--out", mapping).code == 0

    assert _sealed(open_box("ingest", path, "--mapping", mapping, "--json")) == table.num_rows
