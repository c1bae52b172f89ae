"""Twelve days of a small network through the real commands, with what goes wrong in months: `bench.soak`, small."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bench.soak import KEPT, Plan, Soak

DAYS, SUBSCRIBERS = 12, 300
WARM = 2
"""Days whose figures are not looked at: each command's first calls pay for what is laid out once."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of a whole run; it raises where a check at its end does not hold."""
    folder = tmp_path_factory.mktemp("soak")
    Soak(folder / "run", Plan(DAYS, SUBSCRIBERS), folder / "soak.json").run()
    found: dict[str, Any] = json.loads((folder / "soak.json").read_text("utf-8"))
    return found


def _happened(lived: dict[str, Any]) -> set[str]:
    return {word for day in lived["days"] for word in day["happened"]}


def test_what_must_open_opens_and_nothing_else(lived: dict[str, Any]) -> None:
    """The plain model and the reader's edition agree on every person that was looked at, the forgotten among them."""
    checked = lived["checked"]

    assert checked["records that must open"] == checked["records that open"] > 0
    assert checked["people looked at"] == KEPT + 3 * DAYS
    assert checked["people forgotten"] > DAYS
    assert checked["receipts"] == DAYS


def test_everything_went_wrong_that_should(lived: dict[str, Any]) -> None:
    """A run that met no outage, no crash and no upgrade shows nothing."""
    wanted = {
        "parked", "parked batches opened", "a file twice", "a file replaced", "people forgotten", "a day erased",
        "a class of a day erased", "a demand refused", "upgraded", "custodians killed and started", "custodians away",
    }  # fmt: skip

    assert wanted <= _happened(lived)
    assert lived["killed"] > 0


@pytest.mark.parametrize("command", ["ingest", "day close", "branch apply", "lapse run", "log publish"])
def test_the_memory_of_a_command_is_flat(lived: dict[str, Any], command: str) -> None:
    """What a process needs does not grow with the store's age: by less than two percent of the mean a day.

    In sixty days it was a tenth of a percent; within ten, a command's peaks scatter by four, and a slope by half.
    """
    peaks = [day["peaks"][command] for day in lived["days"][WARM:] if command in day["peaks"]]
    slope = np.polynomial.Polynomial.fit(np.arange(len(peaks)), peaks, 1).convert().coef[1]

    assert len(peaks) >= 8
    assert slope < 0.02 * np.mean(peaks)
