"""Times come out as the standard library reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from unheld_branch.records.faults import Fault
from unheld_branch.records.times import TimeRule, seconds

ZONES = (
    "UTC",
    "Asia/Yangon",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Cairo",
)
NOW = 1_800_000_000
MOMENTS = st.integers(315_532_800, NOW)
FORMATS = ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y%m%d%H%M%S", "%m/%d/%Y %I:%M:%S %p", "%d-%b-%y %H:%M:%S")


def read(text: str, rule: TimeRule) -> tuple[int | None, Fault]:
    found, faults = seconds(pa.array([text]), rule, NOW)
    return found[0].as_py(), Fault(int(faults[0]))


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(FORMATS))
def test_local_times_come_back(moment: int, zone: str, pattern: str) -> None:
    """A moment written in a zone is read as that moment, or in the hour that comes twice as its first coming."""
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    first = int(local.replace(fold=0).timestamp())

    assert read(local.strftime(pattern), TimeRule(pattern, zone)) == (first, Fault.NONE)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60), st.sampled_from(["", ":"]))
def test_written_offsets_win_over_the_zone(moment: int, minutes: int, colon: str) -> None:
    """A time with its own offset needs no zone."""
    local = datetime.fromtimestamp(moment, UTC) + timedelta(minutes=minutes)
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{local:%Y-%m-%dT%H:%M:%S}{sign}{size // 60:02}{colon}{size % 60:02}"

    assert read(text, TimeRule("iso", "Asia/Yangon")) == (moment, Fault.NONE)


@given(MOMENTS)
def test_epochs_come_back(moment: int) -> None:
    """Seconds and milliseconds of the epoch are the moment."""
    assert read(str(moment), TimeRule("epoch")) == (moment, Fault.NONE)
    assert read(f"{moment}999", TimeRule("epoch-ms")) == (moment, Fault.NONE)


@given(st.integers(1980, 2026), st.integers(1, 12), st.integers(1, 31))
def test_days_that_do_not_exist_are_faults(year: int, month: int, day: int) -> None:
    """31 February is not 3 March."""
    try:
        wanted: tuple[int | None, Fault] = (int(datetime(year, month, day, tzinfo=UTC).timestamp()), Fault.NONE)
    except ValueError:
        wanted = (None, Fault.TIME)

    assert read(f"{year}-{month:02}-{day:02}", TimeRule("iso")) == wanted


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    """Any text is a time or a fault."""
    for rule in (TimeRule("iso"), TimeRule("epoch"), TimeRule("%d.%m.%Y %H:%M")):
        found, fault = read(text, rule)

        assert (found is None) == (fault != Fault.NONE)
