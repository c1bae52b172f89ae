"""A mapping says what is kept; a slip of the pen is refused with its place and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from unheld_branch.records.mapping import mapping_of, parse
from unheld_verify.errors import BadInputError

MAPPINGS = Path(__file__).parents[2] / "examples" / "mappings"
GOOD = """
[columns]
who = { field = "owner", class = "all" }
when = { field = "datetime", class = "all" }
"""


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_a_mapping(path: Path) -> None:
    """What ships as an example loads."""
    assert mapping_of(path).columns


def test_a_column_without_a_class_is_not_kept() -> None:
    """Only a class makes a column stored."""
    mapping = parse(GOOD + 'note = { field = "network" }\nrest = {}\n', "m")

    assert [rule.name for rule in mapping.columns] == ["who", "when"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('delimeter = ","', "delimeter: no such word here"),
        ('[csv]\ndelimeter = ","', r"\[csv\] delimeter: no such word here; did you mean 'delimiter'"),
        ("[csv]\ndelimiter = 1", r"\[csv\] delimiter: a text is expected"),
        ('[csv]\ndelimiter = "ab"', "one character"),
        ('[csv]\nencoding = "utf8"', r"\[csv\] encoding: 'utf8' is none of utf-8"),
        ("[csv]\nheader = false", "needs the names of its columns"),
        ('[csv]\nheader = false\ncolumns = ["a", "a"]', "two columns have one name"),
        ("[csv]\ncolumns = [1]", "a list of texts"),
        ('kind = "calls"', "kind: 'calls' is none of records, registry"),
        ("max_bad = 0.5", "max_bad: 0.5 is not between"),
        ("max_bad = true", "max_bad: a number is expected"),
        ('[numbers]\nhome = "Burma"', r"\[numbers\] home"),
        ('[numbers]\nbare = "x"', r"\[numbers\] bare"),
        ('[time]\nzone = "Mars"', r"\[time\] zone"),
        ('[time]\nformat = "dd"', r"\[time\] format"),
        ('[constants]\nevent_type = "fax"', "'fax' is no value of it"),
        ('[constants]\nowner = "1"', "a column fills it as well"),
        ('[place]\ncoarsen = "prefix:0"', r"\[place\] coarsen"),
        ('[place]\ncoarsen = "grid:x"', r"\[place\] coarsen"),
        ('[place]\ncoarsen = "lookup:tower"', r"no \[lookup.tower\]"),
        ('[lookup.a]\nfile = "x"', "needs file, key and value"),
    ],
)
def test_a_slip_is_refused_with_its_place(text: str, said: str) -> None:
    """Unknown words and impossible values name where they stand and what would be right."""
    with pytest.raises(BadInputError, match=f"^m: .*{said}"):
        parse(text + "\n" + GOOD, "m")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ('x = { field = "durations", class = "charge" }', "did you mean 'duration'"),
        ('x = { field = "duration", class = "place" }', "duration is of class 'charge'"),
        ('x = { field = "owner", class = "all" }', "two columns fill the field 'owner'"),
        ('x = { field = "date", class = "all" }', "needs one time"),
        ('x = { field = "duration", class = "charge", unit = "s" }', "no such word here"),
        ('x = { field = "counterpart", class = "contact", scheme = "name" }', "scheme"),
        ('x = { field = "counterpart", class = "contact", via = ["c"] }', r"no \[lookup.c\]"),
        ('x = { field = "outgoing", class = "charge", values = { a = "out" } }', "'out' is no value of it"),
        ('x = { field = "location_id", class = "place", format = "gps" }', "format"),
    ],
)
def test_a_slip_in_a_column_is_refused(column: str, said: str) -> None:
    """Columns are as strict as the rest."""
    with pytest.raises(BadInputError, match=said):
        parse(GOOD + column, "m")


def test_a_record_needs_a_time() -> None:
    """No time, no record."""
    with pytest.raises(BadInputError, match="needs one time"):
        parse('[columns]\nwho = { field = "owner", class = "all" }', "m")


def test_a_registry_needs_an_owner() -> None:
    """A registry without a number registers nobody."""
    with pytest.raises(BadInputError, match="no column is the owner"):
        parse('kind = "registry"\n[columns]\nx = { field = "name", class = "identity" }', "m")


def test_a_grid_refuses_an_exact_cell_beside_it() -> None:
    """Coarse degrees are worth nothing beside the name of the mast."""
    text = GOOD + 'cell = { field = "location_id", class = "place" }\n[place]\ncoarsen = "grid:0.01"'

    with pytest.raises(BadInputError, match="leaves location_id exact"):
        parse(text, "m")


def test_a_prefix_refuses_exact_degrees_beside_it() -> None:
    """A coarse cell is worth nothing beside exact degrees."""
    text = GOOD + 'lat = { field = "latitude", class = "place" }\n[place]\ncoarsen = "prefix:3"'

    with pytest.raises(BadInputError, match="leaves latitude exact"):
        parse(text, "m")


def test_a_missing_mapping_names_the_mend(tmp_path: Path) -> None:
    """Whoever has no mapping is told how to get one."""
    with pytest.raises(BadInputError, match="unheld map"):
        mapping_of(tmp_path / "none.toml")


def test_what_is_no_toml_is_refused() -> None:
    """Other text is told apart from a slip."""
    with pytest.raises(BadInputError, match=r"^m: not TOML"):
        parse("[columns", "m")
