"""`unheld run` lets custodians elsewhere hear headquarters once a day; who is away is told, and stops nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.abroad import Abroad, made_abroad
from tests.support.commands import Ended, in_process
from unheld import assembly
from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.workflows import custody, running
from unheld_branch.custody import addresses
from unheld_branch.workflows.service import Step
from unheld_verify import columns
from unheld_verify.errors import AwayError

FIRST = date(2026, 7, 1)


class Line:
    """The line to the custodians; those in `cut` are away, and `called` counts what went over it to each."""

    def __init__(self, made: Abroad) -> None:
        self.made, self.cut, self.called = made, set[int](), dict.fromkeys(range(3), 0)

    def call(self, index: int, data: bytes) -> bytes:
        """To the desk and back."""
        self.called[index] += 1
        if index in self.cut:
            raise AwayError("the line is cut")
        return self.made.call(index, data)


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Abroad:
    """Two of three custodians elsewhere."""
    made = made_abroad(tmp_path_factory.mktemp("abroad"), 3, 2)
    places = {name: f"http://127.0.0.1:{9 + at}/v1" for at, name in enumerate(desk.name for desk in made.desks)}
    addresses.write(made.deployment.addresses, {1: places})
    return made


@pytest.fixture
def line(abroad: Abroad) -> Iterator[Line]:
    """A new day, two days after the last, and the line to custodians."""
    abroad.now = (abroad.now // 86_400 + 2) * 86_400 + 3600
    made = Line(abroad)
    with patch.object(assembly, "HttpTransport", lambda urls: made):
        yield made


def ran(made: Abroad) -> tuple[list[Step], dict[str, Ended]]:
    """One look of `unheld run`: its steps, and how each ended; only the heartbeat is done."""
    ended: dict[str, Ended] = {}

    def child(root: Path, how: running.How, step: str, *words: str) -> Step:
        if step == "beat":
            ended[step] = in_process(["--store", str(root), "custody", "beat", "--due"])
        return Step(step, ended[step].code if step in ended else 0)

    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}), patch.object(running, "_child", child):
        done = running.run(made.root, once=True, every=1, inbox=None, mapping=None)
    return done, ended


def heard(made: Abroad) -> list[str]:
    """When each custodian heard headquarters last, from its memory."""
    states = [next(iter(desk._kept.whole.sets.values())) for desk in made.desks]
    return [columns.day_text(state.beat_day) for state in states]


def test_every_custodian_hears_headquarters_once_a_day(line: Line) -> None:
    """The first look of a day lets all hear it, the next ones ask nobody, and the day after it comes again."""
    made = line.made
    steps, _ = ran(made)
    assert [(step.words, step.exit_code) for step in steps][-1] == ("beat", 0)
    assert heard(made) == [columns.day_text(made.now // 86_400)] * 3
    called = dict(line.called)

    made.now += 7200
    assert "beat" not in [step.words for step in ran(made)[0]]
    assert line.called == called

    made.now += 86_400
    assert "beat" in [step.words for step in ran(made)[0]]
    assert heard(made) == [columns.day_text(made.now // 86_400)] * 3


def test_who_is_away_is_told_and_stops_nothing(line: Line) -> None:
    """The others hear it, every other step is done, and an hour later the missing one alone is called."""
    made, line.cut = line.made, {1}
    before = heard(made)[1]
    steps, ended = ran(made)

    assert [step.exit_code for step in steps if step.words == "beat"] == [3]
    assert "Custodian 1 (set 1): cannot be reached: the line is cut" in ended["beat"].err
    assert {step.words for step in steps} >= {"lapse", "open"}
    today = columns.day_text(made.now // 86_400)
    assert heard(made) == [today, before, today]

    made.now += 1800
    assert "beat" not in [step.words for step in ran(made)[0]]
    line.cut, line.called = set(), dict.fromkeys(range(3), 0)
    made.now += 1800
    assert [step.exit_code for step in ran(made)[0] if step.words == "beat"] == [0]
    assert (line.called[0], line.called[2]) == (0, 0)
    assert heard(made) == [today] * 3


def test_a_branch_without_headquarters_key_does_not_speak_for_it(line: Line) -> None:
    """Where the key is elsewhere, the heartbeat comes from there: no step fails for the lack of it."""
    key = line.made.deployment.headquarters / "plan.seed"
    key.rename(key.with_name("away"))
    try:
        assert "beat" not in [step.words for step in ran(line.made)[0]]
    finally:
        key.with_name("away").rename(key)


def test_a_memory_of_beats_that_cannot_be_read_is_written_anew(line: Line) -> None:
    """Whoever heard it hears it once more."""
    (line.made.deployment.custody / "heard.json").write_bytes(b"{")

    assert [step.exit_code for step in ran(line.made)[0] if step.words == "beat"] == [0]


def test_custodians_of_this_machine_need_no_step(line: Line) -> None:
    """They hear headquarters whenever the branch calls them."""
    time = patch.dict(os.environ, {CLOCK_VARIABLE: str(line.made.now)})
    with patch.object(Deployment, "is_local", lambda self, draft: True), time:
        assert not custody.beat_is_due(line.made.deployment)
