"""The seizure: one reader of whatever lies in clear, that counts made-up people and refuses everybody else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unheld.testing import textfile
from unheld.testing.recorder import Copies
from unheld.testing.seizure import Order, Seizer, Seizure
from unheld.testing.synthetic import Operator
from unheld_verify import columns
from unheld_verify.errors import NotAllowedError

OPERATOR = Operator(5, 40, 3, date(2021, 7, 1))
FIRST, SECOND, THIRD = OPERATOR.sealing_days


def seized(folder: Path) -> Seizure:
    with Copies([folder]) as copies:
        return Seizer(OPERATOR).seize(copies.recording())


def as_database(table: pa.Table, folder: Path) -> None:
    texts = textfile.as_text(table).to_pydict()
    with closing(sqlite3.connect(folder / "calls.db")) as database, database:
        database.execute(f"CREATE TABLE calls ({', '.join(f'{name} TEXT' for name in texts)})")
        marks = ", ".join("?" for _ in texts)
        database.executemany(f"INSERT INTO calls VALUES ({marks})", zip(*texts.values(), strict=True))  # noqa: S608


FORMS: dict[str, Callable[[pa.Table, Path], object]] = {
    "csv": lambda table, folder: textfile.write(table, folder / "calls.csv"),
    "gzip": lambda table, folder: textfile.write(table, folder / "calls.csv.gz"),
    "parquet": lambda table, folder: pq.write_table(textfile.as_text(table), folder / "calls.parquet"),
    "database": as_database,
}


def truth(table: pa.Table) -> set[tuple[str, int]]:
    """Who is told of on which day: by number, visitors by their SIM."""
    rows = table.select(["msisdn", "imsi", "datetime"]).to_pylist()
    return {(row["msisdn"] or row["imsi"], columns.day_of(row["datetime"])) for row in rows}


@pytest.mark.parametrize("form", FORMS)
def test_every_plain_form_gives_the_same_figures(tmp_path: Path, form: str) -> None:
    """A day of records in clear is read whole, in whatever form it lies."""
    table = OPERATOR.day(FIRST)
    FORMS[form](table, tmp_path)

    found = seized(tmp_path)

    assert (found.party_days, found.records) == (len(truth(table)), table.num_rows)
    assert found.furthest == min(day for _, day in truth(table))
    assert found.by_day("place") == found.by_day("charge") != {}


def test_a_registry_counts_people_and_no_days(tmp_path: Path) -> None:
    """Whoever is tied to a name and a paper counts once, and the date since when is no day of a life."""
    textfile.write(OPERATOR.registry(), tmp_path / "registry.csv")

    found = seized(tmp_path)

    assert (found.registry_rows, found.party_days) == (OPERATOR.subscribers, 0)


def test_a_registry_without_names_and_papers_ties_nobody(tmp_path: Path) -> None:
    """Numbers and SIMs alone, which a network needs to go on, are not counted as people tied to a paper."""
    textfile.write(OPERATOR.registry().select(["msisdn", "imsi"]), tmp_path / "bindings.csv")

    assert seized(tmp_path).registry_rows == 0


def test_copies_add_no_party_days(tmp_path: Path) -> None:
    """A second copy gives records again and tells of no further day."""
    table = OPERATOR.day(FIRST)
    textfile.write(table, tmp_path / "a.csv")
    textfile.write(table.slice(0, 20), tmp_path / "b.csv")

    found = seized(tmp_path)

    assert (found.party_days, found.records) == (len(truth(table)), table.num_rows + 20)


def order(names: list[str], first: date, last: date) -> Order:
    return Order(names, columns.day_of(first), columns.day_of(last))


def test_an_order_is_given_the_days_of_its_window_once(tmp_path: Path) -> None:
    """Two orders that overlap are given each person and party-day once, both ends of a window included."""
    tables = [OPERATOR.day(day) for day in OPERATOR.sealing_days]
    for number, table in enumerate(tables):
        textfile.write(table, tmp_path / f"{number}.csv")
    who = OPERATOR.population.msisdn[0].as_py()
    days = {day for name, day in set().union(*map(truth, tables)) if name == who}
    asked = [order([f"tel:{who}"], FIRST, SECOND), order([f"tel:{who}"], SECOND, THIRD)]

    given = seized(tmp_path).given(asked)

    assert given.party_days == len([day for day in days if day >= columns.day_of(FIRST)]) > 1
    assert given.people == 1


def test_an_order_for_anybody_else_is_refused(tmp_path: Path) -> None:
    """A target that is not of the synthetic operator ends it, with nothing told of the others."""
    textfile.write(OPERATOR.day(FIRST), tmp_path / "calls.csv")
    names = [f"tel:{OPERATOR.population.msisdn[0].as_py()}", "tel:+4791234567"]

    with pytest.raises(NotAllowedError, match="1 of 2 identities are not of the synthetic operator"):
        seized(tmp_path).given([order(names, FIRST, THIRD)])


def replaced(table: pa.Table, name: str, value: str) -> pa.Table:
    texts = table.column(name).to_pylist()
    texts[3] = value
    return table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("msisdn", "+4791234567"),
        ("msisdn", "959791234567"),
        ("msisdn_counterpart", "+4791234567"),
        ("imsi", "414061234567890"),
    ],
)
def test_a_table_that_names_anybody_else_is_refused(tmp_path: Path, form: str, column: str, value: str) -> None:
    """One number that is not of the synthetic operator among its own, and no figure is given."""
    FORMS[form](replaced(OPERATOR.day(FIRST), column, value), tmp_path)

    with pytest.raises(NotAllowedError, match="not of the synthetic operator"):
        seized(tmp_path)


def test_a_table_of_other_people_alone_is_refused(tmp_path: Path) -> None:
    """A file with a network's real spelling of numbers is not read for figures."""
    (tmp_path / "calls.csv").write_text("caller,at\n+4791234567,2021-07-01T00:00:00Z\n")

    with pytest.raises(NotAllowedError, match="made-up networks only"):
        seized(tmp_path)


def test_another_operators_people_are_strangers(tmp_path: Path) -> None:
    """The records of another seed are refused as any stranger's are."""
    textfile.write(Operator(6, 40, 1, FIRST).day(FIRST), tmp_path / "calls.csv")

    with pytest.raises(NotAllowedError):
        seized(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "kind,words\nx,nothing here\n", "a,a\n1,2\n", '{"a": 1, "b": 2}\n', "a,b\n1\n"]
)
def test_what_names_nobody_has_no_figure(tmp_path: Path, text: str) -> None:
    """Files of no table, and tables of nobody, give nothing and stop nothing."""
    (tmp_path / "file.csv").write_text(text)

    found = seized(tmp_path)

    assert (found.party_days, found.registry_rows, found.records, found.furthest) == (0, 0, 0, None)


def test_a_seizure_gives_counts_and_nothing_else(tmp_path: Path) -> None:
    """All that can be asked of a seizure in public is a closed list, and each answer is a count."""
    textfile.write(OPERATOR.day(FIRST), tmp_path / "calls.csv")
    found = seized(tmp_path)
    public = {name for name in dir(found) if not name.startswith("_")}
    given = found.given([order([f"tel:{OPERATOR.population.msisdn[0].as_py()}"], FIRST, THIRD)])

    assert public == {"registry_rows", "records", "party_days", "people", "furthest", "between", "by_day", "given"}
    assert all(type(getattr(given, field.name)) is int for field in fields(given))
    assert "+999" not in repr(found) + repr(given)
