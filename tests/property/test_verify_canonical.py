"""Canonical JSON: the same bytes as another implementation of RFC 8785, for all values allowed here."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from unheld_verify import canonical
from unheld_verify.errors import BadInputError

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_KEYS = st.text(st.characters(max_codepoint=127))
_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_bytes_are_those_of_rfc8785(value: Any) -> None:
    """Every value allowed here is written as the `rfc8785` package writes it."""
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(_VALUES)
def test_value_reads_back(value: Any) -> None:
    """Every value allowed here is read back."""
    assert canonical.decode(canonical.encode(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nul",
        b"null",
        b"1.0",
        b"1e3",
        b"NaN",
        b"-0",
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'"\\u0041"',
        b'"\\/"',
        b'"\\ud800"',
        b'"\xff"',
        b'"\x00"',
        b'{"\xc3\xa9":1}',
        b"9007199254740992",
        b"9" * 5000,
        b"[" * 100_000,
    ],
)
def test_other_json_is_refused(data: bytes) -> None:
    """JSON with floats, null, repeated or unsorted keys, space, other escapes or too large numbers is refused."""
    with pytest.raises(BadInputError):
        canonical.decode(data)


@pytest.mark.parametrize("value", [1.5, None, 2**53, {1: 2}, {"é": 1}, "\ud800", b"x", [[None]], {"a": (1, None)}])
def test_other_values_are_refused_with_their_place(value: Any) -> None:
    """A value without a canonical form here is refused, and the error names where it stands."""
    with pytest.raises(BadInputError, match=r"^\$"):
        canonical.encode(value)


def _nested(depth: int) -> bytes:
    return b'{"a":' * (depth - depth // 2) + b"[" * (depth // 2) + b"]" * (depth // 2) + b"}" * (depth - depth // 2)


@pytest.mark.parametrize("depth", [101, 500, 2000])
def test_deeper_json_is_refused_where_the_specification_says(depth: int) -> None:
    """A hundred objects and lists in one another are read; one more is refused, not where a stack happens to end."""
    assert canonical.encode(canonical.decode(_nested(100))) == _nested(100)
    with pytest.raises(BadInputError):
        canonical.decode(_nested(depth))
