"""What accuses an authority endangers whoever stands before it: no letter, report or pack tells it before its day."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.demands import DAY, PERSON, Registered, filed, register_of
from unheld.demands import figures, register, reporting, rules
from unheld.demands.figures import Figures, Outcome
from unheld.ledger import Ledger
from unheld_verify import tiles
from unheld_verify.errors import BadInputError


def _report(made: Registered, today: int = DAY) -> Figures:
    where = made.made.deployment
    with register.opened(where) as opened:
        demands, kept = opened.demands(), Ledger(where.ledger).kept()
    published = figures.published_in(tiles.open_log(str(where.log)), where.log_key())
    return figures.from_register(demands, kept, published, today)


def _with_one(folder: Path, code: str) -> Registered:
    """A demand that was published openly and whose refusal says nothing yet, or is still to come."""
    made = register_of(folder)
    with made.desk() as desk:
        demand = desk.receive(filed(), [PERSON])
        if code:
            desk.refuse(demand, [code], "An Officer")
    with made.clock():
        made.made.publish()
    return made


@pytest.mark.parametrize("code", ["DuressSuspected", "TortureTaint"])
def test_a_report_is_the_same_as_if_nothing_had_been_decided(tmp_path: Path, code: str) -> None:
    """Beside a log that tells of the demand, a report that hid it would say by which codes it was refused."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    quiet, still_open = (_report(_with_one(tmp_path / name, given)) for name, given in (("a", code), ("b", "")))

    assert quiet == still_open
    assert reporting.to_json(quiet, "log") == reporting.to_json(still_open, "log")


def test_a_year_later_the_report_tells_it(tmp_path: Path) -> None:
    """On the day on which the log tells the refusal the report counts it."""
    made = _with_one(tmp_path, "DuressSuspected")
    found = _report(made, DAY + register.SECRET_MOST)

    [outcome] = [table for table in found.tables if table.name == "outcome"]
    assert dict(outcome.rows)[Outcome.REFUSED] == (1, 1)
    [refused] = [item for item in found.statements if item.kind == "demand-refused"]
    assert (refused.made, refused.next) == (1, 1)


def test_of_a_secret_demand_nothing_more_is_told(tmp_path: Path) -> None:
    """A demand that was secret from the first is counted as such, whatever it was refused by."""
    made = register_of(tmp_path)
    with made.desk() as desk:
        desk.refuse(desk.receive(filed(duress=True), [PERSON]), ["DuressSuspected"], "An Officer")
    found = _report(made)

    assert (found.received, found.closed) == (1, 1)
    assert sum(item.secret for item in found.statements) == 2


@pytest.mark.parametrize("condition", ["duress", "torture"])
def test_a_pack_cannot_tell_a_suspicion_under_another_code(condition: str) -> None:
    """The words of a finding stand in a letter under its code: a suspicion needs a code that stands in none."""
    text = f"""
id = "own"
title = "Own"
note = "Own rules"
country = ""
[[rule]]
id = "own-rule"
text = "Own text."
source = "own"
valid_from = 1970-01-01
code = "Incomplete"
effect = "refuse"
when = {{ {condition} = true }}
"""
    with pytest.raises(BadInputError, match=f"own-rule: {condition} needs a code that no letter tells"):
        rules.parse(text.encode(), "own.toml")
