"""The real commands, killed by SIGKILL again and again before each is done: `bench.soak` in a storm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.soak import KEPT, Plan, Soak

DAYS, SUBSCRIBERS, STORM = 9, 200, 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of a whole run; it raises where a command cannot be done again, or a check does not hold."""
    folder = tmp_path_factory.mktemp("storm")
    Soak(folder / "run", Plan(DAYS, SUBSCRIBERS, storm=STORM), folder / "storm.json").run()
    found: dict[str, Any] = json.loads((folder / "storm.json").read_text("utf-8"))
    return found


def test_nothing_is_lost_or_comes_back_where_every_command_was_killed_thrice(lived: dict[str, Any]) -> None:
    """Fifty processes and more die at random moments; what must open opens, and what was forgotten does not."""
    checked = lived["checked"]

    assert lived["killed"] >= 50
    assert checked["records that must open"] == checked["records that open"] > 0
    assert checked["people looked at"] == KEPT + 3 * DAYS
    assert checked["people forgotten"] >= DAYS
    assert checked["receipts"] == DAYS


@pytest.mark.parametrize(
    "happened", ["parked", "parked batches opened", "people forgotten", "a day erased", "upgraded"]
)
def test_the_storm_met_every_kind_of_act(lived: dict[str, Any], happened: str) -> None:
    """What was not called was not killed."""
    assert happened in {word for day in lived["days"] for word in day["happened"]}
