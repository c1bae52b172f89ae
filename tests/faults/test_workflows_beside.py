"""An ingest and a close whose second process dies, hangs or fails: nothing is lost, and nothing stays half done."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from unittest.mock import Mock

import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, Call, calls, held, names, snapshot
from tests.support.stores import TestStore, made_store
from unheld_branch.kernel import beside
from unheld_branch.store.check import check
from unheld_verify.errors import InternalError

RECORDS = calls(Call(ALICE, second=5), Call(ALICE, second=3, to=CAROL), Call(BOB, second=4, to=None))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestStore:
    """A store with its first day open, whose least work goes to two processes."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    monkeypatch.setattr(beside, "_can", lambda: True)
    monkeypatch.setattr(beside, "_WORTH", 2)
    monkeypatch.setattr(beside, "_PATIENCE", 0.1)
    return made


def _killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hanging(*_: object) -> None:
    signal.pause()


def _failing(*_: object) -> NoReturn:
    os._exit(1)


@pytest.mark.parametrize("lost", [_killed, _hanging])
def test_a_lost_second_process_loses_no_record(
    made: TestStore, lost: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed or hanging in every ingest and close: each record opens for its owner, and the store is whole."""
    begun = Mock(side_effect=beside.begin)
    monkeypatch.setattr(beside, "begin", begun)
    monkeypatch.setattr(beside, "_end", lost)

    assert made.ingest(RECORDS).records == 3
    assert made.close().records == 3

    assert begun.call_count >= 2  # else nothing was lost
    assert held(made, "tel:" + ALICE) == [(FIRST, 3), (FIRST, 5)]
    assert held(made, "tel:" + BOB) == [(FIRST, 4)]
    assert names(made, "tel:" + ALICE, "tel:" + CAROL) == 1
    with made.opened() as store:
        assert check(store).findings == ()


def test_a_failing_second_process_leaves_the_store_as_it_was(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that fails by itself is a mistake of ours: it ends the ingest, and nothing of it is kept."""
    blocks, slots = made.root / "blocks", made.deployment.slots
    before = snapshot(blocks, slots)
    monkeypatch.setattr(beside, "_end", _failing)

    with pytest.raises(InternalError, match="nothing was changed"):
        made.ingest(RECORDS)

    assert snapshot(blocks, slots) == before
    monkeypatch.undo()
    assert made.ingest(RECORDS).records == 3
