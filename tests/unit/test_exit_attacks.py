"""Owners who cheat at leaving: clocks turned back, a founding document changed at the branch, two stores in one log."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.handover import one_tariff
from tests.support.stores import FIRST_DAY, TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE
from unheld.exit import objection
from unheld.ledger import Ledger
from unheld.workflows import leave
from unheld_verify import canonical, note, statement
from unheld_verify.errors import BadInputError, CannotVerifyError, StateError


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestStore:
    """A deployment with a file to hand over."""
    store = made_store(tmp_path)
    monkeypatch.setenv(CLOCK_VARIABLE, str(store.now))
    one_tariff(tmp_path)
    return store


def _object(made: TestStore) -> None:
    key, policy = objection.new_key(), made.deployment.policy()
    leave.register_group(made.deployment, note.format_key(key.public))
    words = objection.sign(key, policy.origin, policy.store_id.hex(), "2026-06-01", "You did not ask us.")
    leave.object_to(made.deployment, words)


def test_a_clock_turned_back_ends_no_standstill(made: TestStore) -> None:
    """A pause that was stated stands until its end: a day before it began is a day that cannot be."""
    _object(made)
    made.set_clock(FIRST_DAY - timedelta(days=3), 0)
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}), pytest.raises(StateError, match="standstill runs"):
        leave.hand_over(made.deployment, made.folder / "out", made.folder / "handover.toml")
    assert not (made.folder / "out").exists()


def test_a_founding_document_changed_at_the_branch_is_refused(made: TestStore) -> None:
    """What was pinned cannot be loosened on the branch's disk: headquarters has the same bytes."""
    path = made.root / "genesis.json"
    document = json.loads(path.read_bytes())
    document["standstill_days"] += 1
    path.write_bytes(canonical.encode(document))
    with pytest.raises(BadInputError, match="differs from headquarters' copy"):
        _object(made)


def test_a_log_of_two_stores_certifies_neither_without_its_store(made: TestStore) -> None:
    """An erasure in the log does not say of which store it was: of two, none is certified by it alone."""
    policy, ledger = made.deployment.policy(), Ledger(made.deployment.ledger)
    other = {"store": "ab" * 16, "genesis": "cd" * 32, "policy": "another store"}
    for kind, fields in (("genesis", other), ("erase-everything", {"slots": "file: words", "copies": 1})):
        ledger.post(statement.commit(statement.make(policy.origin, kind, "2026-07-01", **fields)))
    made.publish()
    made.root.rename(made.folder / "lost")
    with pytest.raises(CannotVerifyError, match="tells of 2 stores"):
        leave.certify(made.deployment, made.folder / "out", None)
