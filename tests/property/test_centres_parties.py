"""Which data centre keeps whose records: each exactly one, by a function that needs no key."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld_branch.store import policy as policies
from unheld_branch.store.centres import CENTRES_MOST, Centre, centre_for
from unheld_branch.store.policy import Policy
from unheld_branch.workflows.routing import owned_by
from unheld_verify import columns
from unheld_verify.errors import BadInputError

FIRST, STORE = bytes(range(16)), "ab" * 16
NAMES = st.lists(st.from_regex(r"\A(tel:\+[1-9][0-9]{6,14}|imsi:[0-9]{15})\Z"), min_size=1, max_size=40)


@given(NAMES, st.integers(2, CENTRES_MOST), st.booleans())
def test_every_record_is_of_exactly_one_data_centre(names: list[str], of: int, coded: bool) -> None:
    """No record is kept twice and none is left out, however the owners' column is stored."""
    array = pa.array(names)
    owners = pa.chunked_array([array.dictionary_encode() if coded else array])
    masks = [owned_by(Centre(number, of, FIRST), owners) for number in range(1, of + 1)]

    assert [sum(bool(mask[row]) for mask in masks) for row in range(len(names))] == [1] * len(names)
    assert [masks[centre_for(name, of) - 1][row] for row, name in enumerate(names)] == [True] * len(names)


def test_the_ranges_are_those_of_the_page() -> None:
    """The first two bytes of SHA-256("unheld/v1/centre" and the identity), cut into ranges of equal width."""
    numbers = [f"tel:+9591234{at:04}" for at in range(2000)]
    found = [centre_for(name, 3) for name in numbers]

    assert centre_for("tel:+95912340000", 2) == 2  # its digest begins with 8f75
    assert all(580 < found.count(number) < 760 for number in (1, 2, 3))


@pytest.mark.parametrize(("number", "of"), [(0, 2), (3, 2), (1, 1), (1, CENTRES_MOST + 1), (True, 2), ("1", 2)])
def test_a_data_centre_that_cannot_be_is_refused(number: int, of: int) -> None:
    """Numbers outside 1 to OF, one alone, and more than sixteen."""
    with pytest.raises(BadInputError, match="data centre"):
        Centre(number, of, FIRST)


@pytest.mark.parametrize(
    "centre", [{"number": 2, "of": 2, "first": STORE}, {"number": 1, "of": 2, "first": "00" * 16}, {}, 7, "1/2", None]
)
def test_a_genesis_document_with_another_centre_is_refused(centre: object) -> None:
    """The first is number 1 and no other one is; what this version does not write is refused."""
    document = _policy(Centre(1, 2, bytes.fromhex(STORE))).document()

    assert policies.from_document(document).document() == document
    with pytest.raises(BadInputError):
        policies.from_document({**document, "centre": centre})


def test_the_log_says_which_data_centre_a_store_is_and_nothing_where_there_is_one() -> None:
    """Genesis of a store without others is the bytes that it was before there were data centres."""
    assert _policy(Centre(2, 3, FIRST)).public()["centre"] == {"number": 2, "of": 3, "first": FIRST.hex()}
    assert "centre" not in _policy(None).public()
    assert "centre" not in _policy(None).document()


def _policy(centre: Centre | None) -> Policy:
    return Policy(
        bytes.fromhex(STORE), "log.example/unheld", 1_782_864_000, 1, 3, 2, columns.LIFETIME_DEFAULTS, 45, "none", "MM",
        (), (), "key", "00" * 32, centre=centre,
    )  # fmt: skip
