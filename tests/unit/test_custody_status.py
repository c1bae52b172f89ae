"""What `unheld status` says of custodians: who answers, who is frozen by whom and since when, which set is for when."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.calls import FIRST
from tests.support.stores import TestStore
from unheld.assembly import CLOCK_VARIABLE
from unheld.workflows import custody, doctor
from unheld.workflows import status as statuses
from unheld.workflows.custody import Proposal

THIRD = FIRST + timedelta(2)


@pytest.fixture
def made(two_of_three: TestStore, tmp_path: Path) -> TestStore:
    """Two of three custodians, on the third day of the store."""
    store = two_of_three.copied(tmp_path)
    store.set_clock(THIRD, 3600)
    return store


def figures(made: TestStore) -> dict[str, Any]:
    """What status says of custodians."""
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}):
        found: dict[str, Any] = statuses.status(made.deployment)
    return found


def frozen(made: TestStore) -> set[tuple[str, str]]:
    """By whom custodians are frozen, and since when."""
    return {(one["frozen"], one["frozen_since"]) for one in figures(made)["custodians"]["names"]}


def test_an_open_custodian_answers(made: TestStore) -> None:
    """Nobody is frozen, and the one set is for all days from its first on."""
    assert frozen(made) == {("", "")}
    assert (
        "    set 1 (2 of 3), for days from 2026-07-01 on: custodian-0: answered; custodian-1: answered; custodian-2: "
        "answered"
    ) in statuses.lines(figures(made))


def test_a_freeze_of_headquarters_is_dated(made: TestStore) -> None:
    """Who is frozen did not just answer: the line says by whom and since when, days later too."""
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}):
        custody.ask(made.deployment, "freeze", {"words": "an order came"})
    made.now += 86_400

    assert frozen(made) == {("headquarters", "2026-07-03")}
    said = "\n".join(statuses.lines(figures(made)))
    assert said.count("FROZEN by headquarters since 2026-07-03") == 3
    assert "answered" not in said


def test_a_person_s_freeze_is_dated(made: TestStore) -> None:
    """One person froze their own custodian; doctor says that nobody else can end it."""
    made.deployment.desks(made.clock.now).desk(1).freeze()

    assert frozen(made) == {("", ""), ("person", "2026-07-03")}
    assert "custodian-1: FROZEN by the person there since 2026-07-03" in "\n".join(statuses.lines(figures(made)))
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}):
        found = [one for one in doctor.examine(made.deployment) if "FROZEN" in one.words]
    assert [one.advice for one in found] == ["only its person ends it, at the custodian's page"]


def test_silence_is_dated_by_the_first_day_without_a_word(made: TestStore) -> None:
    """Heard on 1 July and not for 14 days after it: frozen since the 16th, whenever one looks."""
    for _ in range(9):
        made.states()
        made.now += 2 * 86_400

    assert frozen(made) == {("silence", "2026-07-16")}


def test_each_set_is_told_with_its_days(made: TestStore) -> None:
    """After a rotation every custodian stands once in each set; the old set's last day is the one before the new."""
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}):
        custody.propose(made.deployment, Proposal({}, t=3, begins=made.now // 86_400 + 2))
        assert custody.go(made.deployment).over
    found = figures(made)

    said = [line.partition(":")[0].strip() for line in statuses.lines(found) if line.startswith("    set")]
    assert said == [
        "set 1 (2 of 3), for days 2026-07-01 to 2026-07-04", "set 2 (3 of 3), for days from 2026-07-05 on",
    ]  # fmt: skip
    assert (found["custodians"]["t"], found["custodians"]["reached"]) == (2, 3)
