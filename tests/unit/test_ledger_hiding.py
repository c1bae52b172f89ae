"""An entry that must stay closed cannot be told from a dummy by where it stands among the others."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.demands import Registered, filed, register_of
from unheld.assembly import CLOCK_VARIABLE
from unheld.ledger import Ledger
from unheld.workflows import running
from unheld_verify import tiles

LINES = tuple(f"tel:+9991112{number:04}" for number in range(40))


def _file(made: Registered, count: int) -> None:
    """Demands, every second of them secret: so that one that is open always follows one that is not."""
    with made.desk() as desk:
        for number in range(count):
            secret = {"secret_without_end": True} if number % 2 == 0 else {}
            desk.receive(filed(**secret), [LINES[number]])


def _publish(made: Registered, *, alone: bool) -> list[int]:
    """Publish one cadence; the places of headquarters' opened statements after the genesis."""
    where = made.made.deployment
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.made.now)}):
        if alone:
            made.made.root.rename(made.made.folder / "lost")
            running.publish(where, None)
        else:
            made.made.publish()
    log = tiles.open_log(str(where.log))
    size = tiles.verify_log(log, where.log_key()).size
    return [index for index in log.opened(size) if "demand" in log.opening(index).statement]


@pytest.mark.parametrize("alone", [False, True])
def test_a_secret_demand_stands_among_dummies(tmp_path: Path, alone: bool) -> None:
    """Opened statements have unopened entries between and after them at random, with demands that hide and without."""
    made = register_of(tmp_path)
    _file(made, 12)
    places = _publish(made, alone=alone)

    assert len(places) == 6
    # In a row they would stand at every second place; by chance they do with 1 in 100,000.
    assert [b - a for a, b in pairwise(places)] != [2] * 5


@pytest.mark.parametrize("alone", [False, True])
def test_what_headquarters_says_keeps_its_order(tmp_path: Path, alone: bool) -> None:
    """The log tells statements of one day in the order in which they were made."""
    made = register_of(tmp_path)
    with made.desk() as desk:
        for line in LINES[:12]:
            desk.receive(filed(), [line])
    where = made.made.deployment
    places = _publish(made, alone=alone)
    log = tiles.open_log(str(where.log))

    assert places != list(range(places[0], places[0] + 12))
    said = [log.opening(index).statement["demand"] for index in places]
    assert said == [kept.opening.statement["demand"] for kept in Ledger(where.ledger).kept()]
