"""Texts coded as one u64 a row are the texts they were."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from unheld_branch.records import coded

# digits of any length with and without a plus, near misses of ASCII digits, digits of other scripts, nulls
_SIGNS = st.text("0123456789+", max_size=18) | st.text("/:;+09a １", max_size=9) | st.text(max_size=4)
_COLUMNS = st.lists(st.none() | _SIGNS, max_size=30)


@given(st.lists(_COLUMNS, min_size=1, max_size=4), st.integers(0, 3))
def test_coded_texts_read_back(columns: list[list[str | None]], cut: int) -> None:
    """Every text of every part comes back as it was, leading zeros, plus signs and nulls included, wherever a part
    begins in memory."""
    parts = [coded.coded(pa.array(["x", *column], pa.string())[1:].slice(cut)) for column in columns]

    found = coded.distinct(parts)

    assert found.to_pylist() == [text for column in columns for text in column[cut:]]
    assert found.dictionary.to_pylist() == list(dict.fromkeys(found.dictionary.to_pylist()))


@given(_COLUMNS, st.lists(st.integers(0, 29), max_size=5))
def test_some_rows_of_coded_texts(column: list[str | None], rows: list[int]) -> None:
    """Some rows have the texts of those rows."""
    rows = [row for row in rows if row < len(column)]

    assert coded.coded(pa.array(column, pa.string())).at(rows).texts().to_pylist() == [column[row] for row in rows]


def test_a_null_is_null_whatever_bytes_it_has() -> None:
    """A null whose place in memory holds digits is null."""
    data = pa.py_buffer(b"12345")
    offsets, valid = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 3, 5))), pa.py_buffer(b"\x02")

    assert coded.coded(pa.StringArray.from_buffers(2, offsets, data, valid)).texts().to_pylist() == [None, "45"]


@given(st.lists(st.none() | st.text("0123456789", min_size=1, max_size=16), max_size=30))
def test_whole_numbers_are_what_the_digits_write(column: list[str | None]) -> None:
    """Digits become their number, null stays null."""
    found = coded.whole_numbers([coded.coded(pa.array(column, pa.string()))])

    assert found is not None
    assert found.to_pylist() == [None if text is None else int(text) for text in column]


@given(st.sampled_from(["+1", "1.0", "", "-1", "12345678901234567"]))
def test_what_is_not_plain_digits_gives_no_whole_numbers(odd: str) -> None:
    """One text that is more than digits leaves a column to the reader that knows signs and fractions."""
    assert coded.whole_numbers([coded.coded(pa.array(["1", odd]))]) is None
