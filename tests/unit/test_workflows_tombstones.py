"""Tombstones: custodians are told of forgotten labels that somebody could ask for, and of no others."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from tests.support import enrolling
from tests.support.calls import ALICE, BOB, FIRST, Call, calls
from tests.support.refusing import refusing
from tests.support.stores import TestStore, made_store
from unheld_verify import columns, crypto, grant
from unheld_verify.plan import Plan

PUBLIC = crypto.sign_public(b"s" * 32)


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """Three custodians, a day open; ALICE enrolled a key, BOB did not."""
    made = made_store(tmp_path, n=3, t=2)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    enrolling.take(made, enrolling.line(PUBLIC))
    return made


def stones(made: TestStore) -> list[int]:
    """How many tombstones each custodian holds."""
    (client,) = made.custodians.clients
    return [client.ask(index, "status")["tombstones"] for index in range(3)]


def pending(made: TestStore) -> list[Path]:
    return list((made.root / "pending").glob("*.tombstones"))


def test_custodians_hold_a_tombstone_of_a_forgotten_subscriber_with_a_key(made: TestStore) -> None:
    """Its hash fits the label and nothing is left to be told."""
    label = enrolling.row(made).labels[0].tobytes()
    with mock.patch.object(type(made.custodians), "tombstone", autospec=True, side_effect=_told) as told:
        made.forget(f"tel:{ALICE}")

    assert grant.tombstone(made.deployment.policy().store_id, label) in told.call_args.args[2]
    made.lapse()
    assert min(stones(made)) >= 1
    assert pending(made) == []


def _told(_: object, plan: Plan, hashes: set[bytes]) -> set[bytes]:
    """Nobody has heard yet."""
    return set()


def test_nobody_is_told_of_a_label_that_no_key_can_ask_for(made: TestStore) -> None:
    """Without a subscriber key there is no own access: no hash leaves."""
    made.forget(f"tel:{BOB}")

    assert stones(made) == [0, 0, 0]


def test_who_was_away_is_told_with_the_next_lapse(made: TestStore) -> None:
    """Until all hold it only its hash is kept here, not the label."""
    label = enrolling.row(made).labels[0].tobytes()
    with refusing("tombstone", 2):
        made.forget(f"tel:{ALICE}")
        made.lapse()
        (kept,) = pending(made)
        assert label.hex() not in kept.read_text()
        assert grant.tombstone(made.deployment.policy().store_id, label).hex() in kept.read_text()

    made.lapse()

    assert min(stones(made)) >= 1
    assert pending(made) == []


def test_labels_of_a_forgetting_that_a_crash_undid_are_not_told(made: TestStore) -> None:
    """The hashes are written first, and count only once the journal names their plan."""
    with (
        mock.patch("unheld_branch.store.store.Store.commit", side_effect=OSError),
        pytest.raises(OSError),  # noqa: PT011
    ):
        made.forget(f"tel:{ALICE}")
    assert len(pending(made)) == 1

    made.lapse()

    assert stones(made) == [0, 0, 0]


def test_a_custodian_that_stays_away_is_not_named_hashes_for_ever(made: TestStore) -> None:
    """When all that the party's label sealed has lapsed there is nothing to ask for, and the file goes."""
    with refusing("tombstone", 2):
        made.forget(f"tel:{ALICE}")
        longest = max(made.deployment.policy().lifetimes.values())
        made.set_clock(columns.date_of(columns.day_of(FIRST) + longest))
        made.lapse()

    assert pending(made) == []
