"""Formats, zones and bounds of times."""

from __future__ import annotations

import pyarrow as pa
import pytest

from unheld_branch.records.faults import Fault
from unheld_branch.records.times import TimeRule, seconds
from unheld_verify.errors import BadInputError

NOW = 1_783_555_200  # 2026-07-09


def read(text: str | None, form: str = "iso", zone: str = "UTC") -> tuple[int | None, Fault]:
    found, faults = seconds(pa.array([text], pa.string()), TimeRule(form, zone), NOW)
    return found[0].as_py(), Fault(int(faults[0]))


@pytest.mark.parametrize(
    ("text", "form", "zone", "wanted"),
    [
        ("2026-07-08T00:00:00Z", "iso", "Asia/Yangon", 1_783_468_800),
        ("2026-07-08 06:30", "iso", "Asia/Yangon", 1_783_468_800),
        ("2026-07-08", "iso", "UTC", 1_783_468_800),
        ("2026-07-08T00:00:00.999999999Z", "iso", "UTC", 1_783_468_800),
        ("20060601 0008", "%Y%m%d %H%M", "UTC", 1_149_120_480),
        ("2023-05-05 02:32:08.0000000", "%Y-%m-%d %H:%M:%S.%f", "Europe/Berlin", 1_683_246_728),
        ("5/6/2023 2:03", "%d/%m/%Y %H:%M", "UTC", 1_685_930_580),
        ("08.07.2026 06:30:00 +0630", "%d.%m.%Y %H:%M:%S %z", "Europe/Berlin", 1_783_468_800),
        ("1783468800.75", "epoch", "UTC", 1_783_468_800),
    ],
)
def test_known_times(text: str, form: str, zone: str, wanted: int) -> None:
    """Each way of writing a time gives its Unix second."""
    assert read(text, form, zone) == (wanted, Fault.NONE)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01", "2026-07-08T24:00:00", "2026-07-08T00:00:00+99:00", "20260708"]
)
def test_what_is_no_time_is_a_fault(text: str) -> None:
    """A value outside the format is never guessed."""
    assert read(text) == (None, Fault.TIME)


def test_a_time_before_1980_is_a_fault() -> None:
    """1970 is a clock that was never set."""
    assert read("1970-01-01T00:00:00Z") == (None, Fault.TOO_OLD)


def test_a_time_far_ahead_is_a_fault() -> None:
    """2100 is a clock gone wrong."""
    assert read("2100-01-01T00:00:00Z") == (None, Fault.TOO_NEW)


def test_a_year_ahead_is_accepted() -> None:
    """Clocks run ahead; up to a year it is the business of whoever sorts by day."""
    assert read("2027-07-01T00:00:00Z")[1] == Fault.NONE


def test_an_hour_that_the_zone_skips_is_a_fault() -> None:
    """Half past two does not exist on the day summer time begins."""
    assert read("2024-03-31 02:30:00", zone="Europe/Berlin") == (None, Fault.NO_SUCH_HOUR)


def test_null_is_no_fault_here() -> None:
    """Whether a time may be missing is decided for the whole row."""
    assert read(None) == (None, Fault.NONE)


@pytest.mark.parametrize("form", ["", "yyyy-mm-dd", "%Q", "%f %Y"])
def test_a_format_that_is_none_is_refused(form: str) -> None:
    """A format must say something."""
    with pytest.raises(BadInputError, match=r"\[time\] format"):
        TimeRule(form)


def test_an_unknown_zone_is_refused() -> None:
    """A zone is an IANA name."""
    with pytest.raises(BadInputError, match=r"\[time\] zone"):
        TimeRule("iso", "Asia/Rangun")
