"""The log's own figures and names stand in a case folder even where they look like somebody's number."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cases import Case, made_case
from unheld.ledger import Ledger
from unheld.workflows import running
from unheld_verify import bag, statement
from unheld_verify.errors import BadInputError

GROUP, LARGE = "w-91675832", 1 << 23


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A log that tells of a day of millions of records, and of a group whose random name is all digits."""
    made = made_case(tmp_path, monkeypatch)
    origin, ledger = made.deployment.policy().origin, Ledger(made.deployment.ledger)
    day = "2026-07-02"
    said = [
        statement.make(origin, "batch", day, sealing_day=day, records_at_most=LARGE, rows="ab" * 32),
        statement.make(origin, "standstill", day, group=GROUP, digest="cd" * 32, begins=day, ends="2026-08-01"),
    ]
    for item in said:
        ledger.post(statement.commit(item))
    running.publish(made.deployment, None)
    return made


def test_figures_and_names_of_the_log_make_a_folder(case: Case, tmp_path: Path) -> None:
    """A large day's count and a group's name of digits are no reason to refuse the folder."""
    case.build(tmp_path / "case")
    chronology = (tmp_path / "case" / "data" / "chronology.csv").read_text("utf-8")

    assert str(LARGE) in chronology
    assert GROUP in chronology
    assert bag.verify(tmp_path / "case", case.key).receipts


def test_the_same_figure_in_a_letter_is_refused(case: Case, tmp_path: Path) -> None:
    """A letter is not the log: digits that look like a number are looked at there, whatever the log counts."""
    letter = tmp_path / "letter.txt"
    letter.write_text(f"Call me at {LARGE}.")

    with pytest.raises(BadInputError, match="line 1 holds a number"):
        case.build(tmp_path / "case", letters=[letter])
