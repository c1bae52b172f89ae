"""What a buyer receives: allowed columns in allowed forms, written afresh; or nothing at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld.exit import allowed, spec, tables
from unheld.exit.allowed import TABLES
from unheld_branch.records.identities import NumberRule
from unheld_verify import crypto
from unheld_verify.errors import BadInputError

NUMBERS = allowed.Known(NumberRule(bare="international"), ("00101",))
GOOD = "+99912345678,001010000000001,active,2020-01,Nobody At All,XX-123-456-780\n"
BINDINGS = 'columns = { nr = "msisdn", imsi = "imsi", st = "status", since = "since" }'
HEADER = "nr,imsi,st,since,holder,document\n"


def _spec(folder: Path, text: str) -> spec.Spec:
    path = folder / "handover.toml"
    path.write_text(text)
    return spec.read(path, "MM")


def _bindings(folder: Path, rows: str, header: str = HEADER) -> tables.Table:
    (folder / "reg.csv").write_text(header + rows)
    found = _spec(folder, f'[numbers]\nplmn = ["00101"]\n[tables.bindings]\nfile = "reg.csv"\n{BINDINGS}\n')
    return tables.read(found)[0]


def test_only_allowed_columns_leave(tmp_path: Path) -> None:
    """Names and documents stay; the manifest says that columns of these names stayed."""
    made = _bindings(tmp_path, GOOD)

    assert made.data == b'"msisdn","imsi","status","since"\n"+99912345678","001010000000001","active","2020-01"\n'
    assert made.stayed == ("holder", "document")
    assert made.sha256 == crypto.sha256(made.data).hex()


def test_the_order_of_the_source_does_not_leave(tmp_path: Path) -> None:
    """The same rows in another order are the same file: when somebody came does not show."""
    other = GOOD.replace("5678", "1111").replace("0001,", "0002,")

    assert _bindings(tmp_path, GOOD + other) == _bindings(tmp_path, other + GOOD)


def test_numbers_are_written_in_one_way(tmp_path: Path) -> None:
    """With and without a plus, with spaces: one spelling leaves."""
    assert _bindings(tmp_path, GOOD.replace("+999", "999 ")).data == _bindings(tmp_path, GOOD).data


def test_parquet_is_handed_over_alike(tmp_path: Path) -> None:
    """The form of the operator's files makes no difference."""
    names = HEADER.strip().split(",")
    values = GOOD.strip().split(",")
    pq.write_table(
        pa.table({name: [value] for name, value in zip(names, values, strict=True)}), tmp_path / "reg.parquet"
    )
    text = '[numbers]\nplmn = ["00101"]\n[tables.bindings]\nfile = "reg.parquet"\nformat = "parquet"\n'

    assert tables.read(_spec(tmp_path, text + BINDINGS))[0] == _bindings(tmp_path, GOOD)


def test_empty_cells_and_empty_tables_are_fine(tmp_path: Path) -> None:
    """What is not known is empty."""
    assert _bindings(tmp_path, "").rows == 0
    assert _bindings(tmp_path, GOOD.replace("active", "")).rows == 1


STRAYS = {
    "a word that is no status": ("active", "Ma Khin", "one of active, inactive"),
    "status": ("active", "09 123 456 789", "7 or more digits"),
    "an NRC as a status": ("active", "12/OUKAMA(N)123456", "(NRC)"),
    "a Burmese NRC": ("active", "၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆", "(NRC)"),
    "mail as a status": ("active", "a@example.org", "e-mail"),
    "a moment as a status": ("active", "since 2020-01-01 10:12", "a date with a time"),
    "a day as since": ("2020-01,", "2020-01-17,", "a month YYYY-MM"),
    "a moment as since": ("2020-01,", "2020-01-17 10:12,", "a date with a time"),
    "a device as a line": ("+99912345678", "352099001761481", "IMEI"),
    "a device as an IMSI": ("001010000000001", "352099001761481", "IMEI"),
    "an IMSI of others": ("001010000000001", "414060000000001", "operator (plmn)"),
    "a short IMSI": ("001010000000001", "00101000000001", "15 digits"),
    "a short code as a line": ("+99912345678", "1333", "phone number"),
    "a name as a line": ("+99912345678", "NOBODYBANK", "phone number"),
    "a formula": ("active", "=HYPERLINK(A)", "one of active, inactive"),
}


@pytest.mark.parametrize("case", STRAYS)
def test_one_stray_and_nothing_leaves(case: str, tmp_path: Path) -> None:
    """The error names file, line, column and kind, and never the value."""
    clean, dirty, kind = STRAYS[case]
    rows = GOOD * 3 + GOOD.replace(clean, dirty)

    with pytest.raises(BadInputError) as caught:
        _bindings(tmp_path, rows)

    said = str(caught.value)
    assert said.startswith("reg.csv: line 5: column ")
    assert kind in said
    assert said.endswith("nothing was handed over")
    assert dirty.rstrip(",") not in said


def test_a_first_line_of_values_is_no_header(tmp_path: Path) -> None:
    """In a file without names the first person must not become the names of columns that stayed."""
    with pytest.raises(BadInputError, match=r"line 1: 7 or more digits in the name of a column"):
        _bindings(tmp_path, GOOD, HEADER.replace("document", "XX-123-456-780"))


def _tariffs(folder: Path, described: str, used: str) -> tuple[tables.Table, ...]:
    """A hand-over of tariffs, and of lines that use them."""
    (folder / "t.csv").write_text("plan\n" + described)
    (folder / "reg.csv").write_text("nr,plan\n" + "".join(f"+99912345678,{name}\n" for name in used.split()))
    return tables.read(
        _spec(
            folder,
            '[tables.bindings]\nfile = "reg.csv"\ncolumns = { nr = "msisdn", plan = "tariff" }\n'
            '[tables.tariffs]\nfile = "t.csv"\ncolumns = { plan = "tariff" }\n',
        )
    )


def test_a_line_has_a_tariff_of_the_same_hand_over(tmp_path: Path) -> None:
    """What the tariffs describe may stand beside a line, whichever of the two the file names first."""
    assert [table.name for table in _tariffs(tmp_path, "Night\nDay\n", "Night Day Night")] == ["tariffs", "bindings"]


def test_a_name_in_the_place_of_a_tariff_stops_it(tmp_path: Path) -> None:
    """A holder's name fits a short text: what no tariff describes stays, and is not repeated."""
    with pytest.raises(BadInputError, match=r"reg\.csv: line 3: column 'plan': not a tariff that") as told:
        _tariffs(tmp_path, "Night\n", "Night Khin")

    assert "Khin" not in str(told.value)


def test_a_column_with_many_values_is_no_tariff(tmp_path: Path) -> None:
    """Names of people would fit a short text: a network has few tariffs."""
    letters = [chr(97 + i) + chr(97 + j) for i in range(26) for j in range(26)]

    with pytest.raises(BadInputError, match="at most 500 different ones"):
        _tariffs(tmp_path, "".join(f"Ma {name}\n" for name in letters), "")


def test_a_line_with_too_many_cells_stops_it(tmp_path: Path) -> None:
    """A row that cannot be read could hold anything."""
    with pytest.raises(BadInputError, match=r"reg\.csv: line 3: 7 cells"):
        _bindings(tmp_path, GOOD + GOOD.replace("active", "act,ive"))


SPECS = {
    "no tables": ("", "tables"),
    "not TOML": ("tables = [", "not TOML"),
    "a table that is none": ('[tables.calls]\nfile = "x"', "'calls' is not known"),
    "a column that may not leave": ('[tables.bindings]\nfile = "x"\ncolumns = { a = "imei" }', "leave it out"),
    "a name": ('[tables.bindings]\nfile = "x"\ncolumns = { a = "holder" }', "choose msisdn, imsi"),
    "two for one": ('[tables.bindings]\nfile = "x"\ncolumns = { a = "status", b = "status" }', "two columns"),
    "no columns": ('[tables.bindings]\nfile = "x"', "columns is missing"),
    "no file": ('[tables.bindings]\ncolumns = { a = "status" }', "file is missing"),
    "imsi without plmn": ('[tables.bindings]\nfile = "x"\ncolumns = { a = "imsi" }', "plmn is missing"),
    "plmn of a device": ('[numbers]\nplmn = ["01010"]', "5 or 6 digits"),
    "a slip": ('[numbers]\nbear = "national"', "did you mean 'bare'?"),
    "a format that is none": (
        '[tables.bindings]\nfile = "x"\nformat = "xlsx"\ncolumns = { a = "status" }',
        "csv, parquet",
    ),
    "a delimiter of two": ('[tables.bindings]\nfile = "x"\ndelimiter = "::"\ncolumns = { a = "status" }', "one sign"),
}


@pytest.mark.parametrize("case", SPECS)
def test_a_bad_spec_is_refused_with_its_place(case: str, tmp_path: Path) -> None:
    """Nothing is guessed of what may leave."""
    text, said = SPECS[case]

    with pytest.raises(BadInputError, match=r"handover\.toml") as caught:
        _spec(tmp_path, text)

    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A table that is not there stops the others too."""
    found = _spec(tmp_path, '[tables.sites]\nfile = "nowhere.csv"\ncolumns = { a = "site" }')

    with pytest.raises(BadInputError, match=r"nowhere\.csv"):
        tables.read(found)


FITS = {
    "cells.cell": (["0", "268435455"], ["268435456", "9591234567", "x"]),
    "cells.area": (["65535"], ["16777216", "123456789"]),
    "cells.latitude": (["16.871311", "-3"], ["959123456", "16.8713112"]),
    "config.value": (["10.200.12.250", "10.0.0.0/8", "on"], ["959123456", "10.0.12.999"]),
    "tariffs.valid_from": (["2026-01-31"], ["2026-01-31 10:00", "31.1.2026", "2026-13-01"]),
    "tariffs.description": (["Calls at 2 a minute, 22:00 to 06:00"], ["call 09123456789", "x" * 201]),
    "balances.amount": (["0", "-12.5", "999999", "1234567.00"], ["959123456", "0123", "1234567", "1e9"]),
    "balances.currency": (["MMK"], ["kyat"]),
    "bindings.iccid": (["8959001234567890127"], ["8959001234567890128", "352099001761481"]),
}


@pytest.mark.parametrize("place", FITS)
def test_forms_let_in_what_they_name_and_nothing_else(place: str) -> None:
    """Each form with values that fit and values that do not."""
    table, column = place.split(".")
    good, bad = FITS[place]
    form = TABLES[table][column]

    assert allowed.check(form, pa.array(good), NUMBERS).faults == {}
    assert sorted(allowed.check(form, pa.array(bad), NUMBERS).faults) == list(range(len(bad)))


@given(st.text(max_size=30).filter(lambda text: "\0" not in text))
def test_a_planted_number_gets_through_no_form_but_its_own(junk: str) -> None:
    """+999 12345678 in any text is refused by every form, but that of phone numbers where it stands alone."""
    planted = f"{junk}99912345678"
    passing = {
        f"{table}.{column}"
        for table, columns in TABLES.items()
        for column, form in columns.items()
        if not allowed.check(form, pa.array([planted]), NUMBERS).faults
    }

    assert passing <= {"balances.msisdn", "bindings.msisdn"}
