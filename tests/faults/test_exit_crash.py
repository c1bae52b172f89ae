"""A crash at any durable step of leaving: whatever it leaves, the next call ends it, and the papers verify."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support import databases
from tests.support.stores import FIRST_DAY, TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.exit import issuing
from unheld.workflows import leave
from unheld_slots import durable
from unheld_verify import paper, tiles
from unheld_verify.errors import UnheldError

pytestmark = pytest.mark.spread


class _Crash(BaseException):
    """The power went."""


class _At:
    """Raises before the n-th durable step, counted from 1."""

    def __init__(self, step: int) -> None:
        self.step, self.seen = step, 0

    def __call__(self, action: str, _: Path) -> None:
        if action.startswith("before"):
            self.seen += 1
            if self.seen == self.step:
                raise _Crash


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestStore:
    """A store whose first day is open. Sheets for people are made elsewhere: they change nothing durable."""
    store = made_store(tmp_path / "template")
    store.open_day(FIRST_DAY)
    monkeypatch.setenv(CLOCK_VARIABLE, str(store.now))
    monkeypatch.setattr(issuing, "sheets", lambda _: {"html": b"", "pdf": b""})
    return store


def _drop(made: Deployment) -> None:
    plan = leave.plan_drop(made)
    leave.drop(made, plan, plan.digest[:8])


def _certify(made: Deployment) -> None:
    leave.certify(made, made.root.parent / "out", None)


def _crashed(template: Path, folder: Path, act: Callable[[Deployment], None], step: int) -> tuple[Deployment, bool]:
    """A copy of the template after `act` was cut off before a step; whether it ended before that step came."""
    shutil.copytree(template, folder)
    databases.part(folder)
    made = Deployment(folder / "s")
    try:
        with durable.observed(_At(step)):
            act(made)
    except _Crash:
        return made, False
    return made, True


def _ends(made: Deployment) -> None:
    """Leaving can be ended, and outsiders find it true."""
    if not [told for told in issuing.statements(made) if told["kind"] == "erase-everything"]:
        _drop(made)
    out = made.root.parent / "end"
    found = leave.certify(made, out, None)
    paper.verify((out / "certificate.json").read_bytes(), made.log_key())
    head = tiles.verify_log(tiles.open_log(str(made.log)), made.log_key())
    entries = [tiles.open_log(str(made.log)).entry(index, head.size) for index in range(head.size)]
    assert len(set(entries)) == head.size
    assert found.paper.digest.hex() in {told.get("digest") for told in issuing.statements(made)}


@pytest.mark.parametrize("act", [_drop, _certify], ids=["drop", "certificate"])
def test_a_crash_anywhere_is_mended_by_calling_again(
    act: Callable[[Deployment], None], used: TestStore, tmp_path: Path
) -> None:
    """Before every durable step in turn; no entry gets a second place in the log."""
    if act is _certify:
        _drop(used.deployment)
    step, ended = 0, False
    while not ended:
        step += 1
        made, ended = _crashed(tmp_path / "template", tmp_path / f"run-{step}", act, step)
        _ends(made)
        shutil.rmtree(tmp_path / f"run-{step}")
    assert step > 20


def test_a_crashed_handover_hands_out_nothing_unnamed(used: TestStore, tmp_path: Path) -> None:
    """A table leaves only after the ledger has its manifest: whatever lies in the folder is named."""
    template = tmp_path / "template"
    (template / "t.csv").write_text("name\nNight\n")
    (template / "h.toml").write_text('[tables.tariffs]\nfile = "t.csv"\ncolumns = { name = "tariff" }\n')

    def hand_over(made: Deployment) -> None:
        leave.hand_over(made, made.root.parent / "out", made.root.parent / "h.toml")

    step, ended = 0, False
    while not ended:
        step += 1
        made, ended = _crashed(template, tmp_path / f"run-{step}", hand_over, step)
        named = [told["digest"] for told in issuing.statements(made) if told["kind"] == "paper"]
        left = [path for path in (made.root.parent / "out").glob("*") if not path.name.startswith(".")]
        assert named or not left
    assert len(left) == 4
    assert used.root.is_dir()


def test_a_full_disk_is_told_and_changes_nothing(used: TestStore) -> None:
    """What the disk refuses is an error of one line, and no statement is left of a paper that was not issued."""
    _drop(used.deployment)
    before = issuing.statements(used.deployment)

    full = patch.object(durable, "_write_synced", side_effect=OSError(28, "No space left on device"))
    with full, pytest.raises(UnheldError, match="No space left"):
        _certify(used.deployment)
    assert issuing.statements(used.deployment) == before
