"""Columns as pure functions: days, bounds, windows, periods, and the column function against AES by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld_verify import columns, crypto
from unheld_verify.errors import BadInputError

LIFETIMES = columns.LIFETIME_DEFAULTS


@given(st.dates())
def test_days_and_dates_are_the_same_thing(when: date) -> None:
    """A date survives being a day number."""
    assert columns.date_of(columns.day_of(when)) == when


def test_a_time_belongs_to_its_utc_day() -> None:
    """An evening west of Greenwich is the next day; a time without a zone is refused."""
    late = datetime(2026, 7, 6, 23, 0, tzinfo=timezone(-timedelta(hours=3)))
    assert columns.date_of(columns.day_of(late)) == date(2026, 7, 7)
    assert columns.day_of(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    with pytest.raises(BadInputError, match="time zone"):
        columns.day_of(datetime(2026, 7, 6))


@pytest.mark.parametrize(("n", "t"), [(n, t) for n in range(1, 10) for t in range(1, n + 1)])
def test_every_component_is_held_by_all_but_its_subset(n: int, t: int) -> None:
    """Each of the (t-1)-subsets is a component, held by the n-t+1 others."""
    for number, subset in enumerate(columns.components(n, t)):
        assert len(subset) == t - 1
        assert set(columns.holders(n, t, number)) == set(range(n)) - set(subset)
        assert all(number in columns.held(n, t, index) for index in columns.holders(n, t, number))


@pytest.mark.parametrize(("n", "t"), [(0, 0), (1, 0), (1, 2), (10, 3), (3, -1)])
def test_impossible_sizes_are_refused(n: int, t: int) -> None:
    """The error says what is possible."""
    with pytest.raises(BadInputError, match="choose"):
        columns.components(n, t)


@given(st.integers(0, 40_000), st.integers(0, 90))
def test_a_window_holds_only_what_lives(day: int, late: int) -> None:
    """Every pair is within the late days (or the month's identity column) and is not due on that day."""
    for cls, event_day in columns.window(day, late, LIFETIMES):
        assert columns.due(cls, event_day, LIFETIMES) > day
        assert event_day == columns.month_start(day) if cls == "identity" else max(0, day - late) <= event_day <= day


@given(st.integers(31, 40_000))
def test_the_registry_can_be_sealed_on_every_day_of_a_month(day: int) -> None:
    """Even under the shortest identity lifetime, this month's column lives all month."""
    assert ("identity", columns.month_start(day)) in columns.window(day, 0, {**LIFETIMES, "identity": 32})


def test_the_function_is_the_xor_of_all_components() -> None:
    """F(label) is the XOR of AES-256 of the label under each key, label by label."""
    keys = [bytes([number]) * 32 for number in range(3)]
    labels = bytes(range(48))
    by_hand = b"".join(
        crypto.xor([crypto.aes_blocks(key, labels[at : at + 16]) for key in keys]) for at in range(0, 48, 16)
    )
    assert columns.evaluate(keys, labels) == by_hand
    assert columns.evaluate(keys, b"") == b""


@pytest.mark.parametrize(("keys", "labels"), [([], bytes(16)), ([bytes(32)], bytes(15))])
def test_the_function_takes_keys_and_whole_labels(keys: list[bytes], labels: bytes) -> None:
    """No key, or a cut label, is bad input."""
    with pytest.raises(BadInputError):
        columns.evaluate(keys, labels)


def test_a_week_begins_on_monday() -> None:
    """1970-01-05 begins week 0, and its outage key goes `late_days` after Sunday's end."""
    assert [columns.park_period("outage", day) for day in (3, 4, 10, 11)] == [-1, 0, 0, 1]
    assert columns.park_due("outage", 0, 45) == 11 + 45
    assert columns.park_due("quarantine", 100, 45) == 107


@pytest.mark.parametrize("reason", ["", "late", "OUTAGE"])
def test_an_unknown_reason_is_refused(reason: str) -> None:
    """Batches are parked for two reasons only."""
    with pytest.raises(BadInputError, match="outage or quarantine"):
        columns.park_period(reason, 0)
