"""Sets of custodians over time: one follows another for later days only, and headquarters is heard or missed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.calls import ALICE, FIRST, Call, calls
from tests.support.stores import TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE
from unheld.custody import ceremony
from unheld.custody.local import LocalDesks
from unheld.workflows import custody
from unheld.workflows.custody import Proposal, Standing
from unheld_branch.store import sets
from unheld_branch.workflows import custody as taking
from unheld_custodian.state import event_column
from unheld_verify import canonical, columns, roster
from unheld_verify.errors import (
    AwayError,
    BadInputError,
    NoStoreError,
    NotAllowedError,
    PartialError,
    StateError,
)

SECOND = FIRST + timedelta(1)


@pytest.fixture
def made(two_of_three: TestStore, tmp_path: Path) -> TestStore:
    """Two of three custodians, and one record of a day that is open."""
    return two_of_three.copied(tmp_path)


@contextmanager
def at(made: TestStore) -> Iterator[TestStore]:
    """Headquarters' commands by the store's clock."""
    with patch.dict(os.environ, {CLOCK_VARIABLE: str(made.now)}):
        yield made


def rotated(made: TestStore, **given: Any) -> Standing:
    """A new set of this machine, from the next day on."""
    with at(made):
        custody.propose(made.deployment, Proposal({}, **given))
        return custody.go(made.deployment)


def said(made: TestStore, kind: str) -> list[dict[str, Any]]:
    """Statements of a kind that the store would publish."""
    with made.opened(write=False) as store:
        texts = [canonical.decode(item.statement) for item in store.vault.database.outbox() if item.statement]
    return [text for text in texts if text["kind"] == kind]


def set_of(made: TestStore, when: date) -> int:
    """The set that a day was sealed under."""
    with made.opened(write=False) as store:
        return store.catalog.days[columns.day_of(when)].set_number


def test_a_new_set_acts_from_its_first_day_on(made: TestStore) -> None:
    """The day before stays with the set that opened it; the first day of the new set is its own, with its own t."""
    assert rotated(made, t=3).over
    made.close()

    made.open_day(SECOND)

    assert (set_of(made, FIRST), set_of(made, SECOND)) == (1, 2)
    assert made.open_day(SECOND).custodians == 3


def test_headquarters_proposes_a_set_while_the_branchs_key_is_at_the_branch(made: TestStore) -> None:
    """Custodians of the next set know the branch by the key of the set before: the seed need not come back for it."""
    before = custody.newest(made.deployment).draft
    (made.deployment.slots / "branch.seed").unlink()
    with at(made):
        custody.propose(made.deployment, Proposal({}))

    assert custody.newest(made.deployment).draft.branch == before.branch


def test_the_log_is_told_of_each_set_once(made: TestStore) -> None:
    """Digest of the transcript, n, t, first day and who confirmed; repeating the last step tells nothing again."""
    rotated(made, t=3)
    with at(made):
        custody.go(made.deployment)

    first, second = said(made, "custodians")

    script = made.deployment.ceremonies()[2].founded
    assert script is not None
    assert second["digest"] == roster.transcript_digest(script).hex()
    assert (first["set"], first["n"], first["t"], first["begins"]) == (1, 3, 2, "2026-07-01")
    assert (second["set"], second["n"], second["t"], second["begins"]) == (2, 3, 3, "2026-07-02")
    assert second["custodians"] == [0, 1, 2]


def test_the_set_before_holds_no_chain_for_days_after_it(made: TestStore) -> None:
    """Who steals a retired custodian's disk, a minute after, can make no key of a later day with it."""
    standing = rotated(made)

    assert set(standing.retired.values()) == {"approved"}
    desks = made.deployment.desks(made.clock.now)
    old = [one for index in range(3) for one in desks.desk(index).overview().sets if one["set"] == 1]
    assert [one["retired"] for one in old] == ["2026-07-02"] * 3
    made.close()
    made.set_clock(SECOND)
    pushes = [client for client in made.custodians.clients if client.roster.draft.set == 1]
    with pytest.raises(StateError, match=r"over|retired"):
        pushes[0].ask(0, "open", {"day": "2026-07-02"})


def test_the_set_before_lapses_under_its_own_calendar(made: TestStore) -> None:
    """A week later both sets were asked to lapse, and hold nothing of the places of the first day."""
    rotated(made)
    made.close()
    for ahead in range(1, 9):
        made.set_clock(FIRST + timedelta(ahead))
        made.lapse()

    attested = {path.name for path in (made.root / "attestations").glob("*-lapsed.json")}
    assert attested == {f"{number}-{index}-lapsed.json" for number in (1, 2) for index in range(3)}
    assert not made.open_day(FIRST + timedelta(8)).again


def test_erasing_a_day_reaches_every_set_that_may_hold_its_keys(made: TestStore) -> None:
    """A day sealed under the old set and written late under the new one is erased at both."""
    rotated(made)
    made.close()
    made.open_day(SECOND)

    made.forget_day(FIRST, "charge")

    erased = {path.name[:3] for path in (made.root / "attestations").glob("*-erased-*.json")}
    assert erased == {f"{number}-{index}" for number in (1, 2) for index in range(3)}


def test_a_batch_parked_to_the_old_set_opens_after_it(made: TestStore) -> None:
    """Parked under the old set, opened into a day of the new one by the old one's custodians."""
    made.close()
    batch = made.park(calls(Call(ALICE, second=7))).batches[0]
    rotated(made)
    made.open_day(SECOND)

    assert made.unpark(batch).records == 1


@pytest.mark.parametrize("begins", [FIRST, FIRST - timedelta(1)])
def test_a_set_that_follows_begins_tomorrow_at_the_earliest(made: TestStore, begins: date) -> None:
    """Days that have begun stay with the set that opened them."""
    with pytest.raises(BadInputError, match="2026-07-02 or later"):
        rotated(made, begins=columns.day_of(begins))

    assert sorted(made.deployment.ceremonies()) == [1]


def test_no_later_set_opens_with_fewer_than_the_first(made: TestStore) -> None:
    """Headquarters refuses to propose it, and nothing was begun; back from more to as many as at first is allowed."""
    with pytest.raises(BadInputError, match="1 of 3: this store was founded with 2"):
        rotated(made, t=1)
    assert sorted(made.deployment.ceremonies()) == [1]
    assert rotated(made, t=3).over

    assert rotated(made, t=2, begins=columns.day_of(FIRST) + 5).over


def test_a_set_that_fewer_open_than_genesis_pinned_is_not_taken_over(made: TestStore) -> None:
    """Headquarters' signature and a quorum do not help it: who forces both would need one custodian to open a day."""
    founded = made.deployment.ceremonies()[1].founded
    assert founded is not None

    with pytest.raises(NotAllowedError, match="2 would open a closed day, and this store was founded with 3"):
        sets.keep(made.root, founded, replace(made.deployment.policy(), t=3))


def test_a_set_founded_when_its_first_day_was_sealed_is_not_taken_over(made: TestStore) -> None:
    """Its custodians would be asked for a day with other keys. The day stays with its set, and another can follow."""
    with patch.object(taking, "take_over"), patch.object(custody, "_retire", return_value={}):
        rotated(made)
    made.close()
    made.open_day(SECOND)
    with at(made), pytest.raises(NotAllowedError, match=r"founded too late: 2026-07-02.*--begins"):
        custody.go(made.deployment)

    assert made.open_day(SECOND).again
    assert set_of(made, SECOND) == 1
    assert rotated(made).over


def test_a_custodian_that_has_not_heard_of_its_founding_holds_nobody_up(
    made: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quorum confirmed: the branch takes the set over. The old one is retired when the quorum has heard so."""
    heard = LocalDesks.call

    def cut(desks: LocalDesks, index: int, data: bytes) -> bytes:
        if index == 2 and b'"kind":"founded"' in data:
            raise AwayError("the line is cut")
        return heard(desks, index, data)

    with monkeypatch.context() as patched:
        patched.setattr(LocalDesks, "call", cut)
        standing = rotated(made)
    with at(made):
        later = custody.go(made.deployment)

    assert (standing.held, standing.over, standing.retired) == (True, False, {})
    assert later.over
    assert set(later.retired.values()) == {"approved"}


def test_a_set_begins_after_the_one_before_it(made: TestStore) -> None:
    """Two sets for the same first day would leave open which one seals it."""
    rotated(made, begins=columns.day_of(FIRST) + 5)

    with pytest.raises(BadInputError, match="set 2 begins on 2026-07-06"):
        rotated(made, begins=columns.day_of(FIRST) + 5)


def test_a_ceremony_that_goes_on_is_not_begun_anew_by_mistake(made: TestStore) -> None:
    """A second proposal is refused until somebody gives the first one up."""
    with at(made):
        custody.propose(made.deployment, Proposal({}))
        with pytest.raises(StateError, match="--anew"):
            custody.propose(made.deployment, Proposal({}))

        assert custody.propose(made.deployment, Proposal({}), anew=True).number == 3


def test_a_set_that_was_given_up_is_never_taken_over(made: TestStore) -> None:
    """The branch takes over the set that was founded, whatever number it has."""
    with at(made):
        custody.propose(made.deployment, Proposal({}))
        custody.propose(made.deployment, Proposal({}), anew=True)
        assert custody.go(made.deployment).over

    with made.opened(write=False) as store:
        assert [one.draft.set for one in store.sets()] == [1, 3]


def test_the_branch_takes_no_set_of_another_store(made: TestStore, tmp_path: Path) -> None:
    """However well it was founded."""
    (tmp_path / "other").mkdir()
    other = made_store(tmp_path / "other", n=3, t=2, home="TH")
    founded = other.deployment.ceremonies()[1].founded
    assert founded is not None

    with made.opened() as store, pytest.raises(NotAllowedError, match="another store"):
        taking.take_over(store, founded)


def test_the_branch_takes_no_set_that_was_founded_for_another_branch_s_key(made: TestStore) -> None:
    """Its custodians would open the days to whoever has that key; the file is named, and nothing is pinned."""
    path = made.deployment.slots / "branch.seed"
    before = path.read_text("ascii")
    path.write_text("11" * 32, "ascii")
    founded = made.deployment.ceremonies()[1].founded
    assert founded is not None

    with made.opened() as store, pytest.raises(NotAllowedError, match=r"another branch's key than .*branch\.seed"):
        taking.take_over(store, founded)
    path.write_text(before, "ascii")
    with made.opened() as store:
        assert taking.take_over(store, founded).draft.set == 1


def test_a_store_for_custodians_elsewhere_has_none_at_first(tmp_path: Path) -> None:
    """Nothing opens before a set was founded, and the words say what to do."""
    made = made_store(tmp_path, n=3, t=2, remote=True)

    with pytest.raises(NoStoreError, match="unheld custody"):
        made.open_day(FIRST)
    with at(made), pytest.raises(NoStoreError, match="unheld custody init"):
        custody.go(made.deployment)


def silent(made: TestStore, days: int) -> None:
    """Headquarters is not heard for days, in which custodians wake now and then."""
    key = made.deployment.headquarters / "plan.seed"
    key.rename(key.with_name("away"))
    for _ in range(days):
        made.now += 86_400
        made.states()
    key.with_name("away").rename(key)


def test_custodians_freeze_when_headquarters_falls_silent(made: TestStore) -> None:
    """After 15 days of silence no day opens; what is due lapses, never early; a word of headquarters ends it."""
    made.close()
    silent(made, 15)
    key = made.deployment.headquarters / "plan.seed"
    key.rename(key.with_name("away"))
    with made.opened(), pytest.raises(StateError, match="frozen by silence"):
        made.custodians.open_day(made.now // 86_400)
    held = {event_column(name) for name in made.state(0).keys}
    assert ("place", columns.day_of(FIRST)) not in held
    assert ("charge", columns.day_of(FIRST)) in held
    key.with_name("away").rename(key)

    with at(made):
        assert not [one.away for one in custody.beat(made.deployment) if one.away]

    assert made.open_day(columns.date_of(made.now // 86_400)).custodians == 3


def test_headquarters_freezes_and_thaws(made: TestStore) -> None:
    """Nothing is handed out in between, not even a day that is open."""
    made.set_clock(SECOND, 3600)
    with at(made):
        custody.ask(made.deployment, "freeze", {"words": "an order came"})
        with pytest.raises(StateError, match="frozen by headquarters"):
            made.custodians.open_day(columns.day_of(SECOND))
        made.now += 1
    with at(made):
        custody.ask(made.deployment, "thaw")

    assert len(made.custodians.open_day(columns.day_of(SECOND))) == 3


def test_a_drill_is_answered_and_over(made: TestStore) -> None:
    """All persons answered: the next drill has other words."""
    with at(made):
        first = custody.drill(made.deployment)
        assert [one.said["decision"] for one in first.answers] == ["approved"] * 3

        assert custody.drill(made.deployment).words != first.words


def test_a_drill_waits_for_who_is_away(made: TestStore) -> None:
    """While one has not answered, the words stay the same."""
    folder = made.deployment.custodians / "custodian-2"
    folder.rename(folder.with_name("away"))
    with at(made):
        first = custody.drill(made.deployment)
        assert [bool(one.away) for one in first.answers] == [False, False, True]

        assert custody.drill(made.deployment).words == first.words


def test_a_custodian_put_back_from_a_backup_is_told_from_the_others(made: TestStore) -> None:
    """Its disk and slot of days ago, put back: it is of an older generation than it was, and hands out nothing."""
    folder, slots = made.deployment.custodians / "custodian-0", made.deployment.custodian_slots
    older = {path: path.read_bytes() for path in [*folder.iterdir(), slots / "custodian-0.slot"]}
    made.close()
    for ahead in (1, 2):
        made.open_day(FIRST + timedelta(ahead))
        made.close()
    for path in folder.iterdir():
        path.unlink()
    for path, data in older.items():
        path.write_bytes(data)

    with pytest.raises(PartialError, match="custodian-0: this custodian was put back from a backup"):
        made.open_day(FIRST + timedelta(3))

    with made.opened(write=False) as store:
        assert store.open_day() is not None
    with at(made):
        answers = custody.ask(made.deployment, "status")
    assert [bool(one.away or one.said.get("rolled_back")) for one in answers] == [True, False, False]


def test_the_newest_standing_is_shown_without_asking(made: TestStore) -> None:
    """Looking at a ceremony asks nobody, and says what is held."""
    with at(made):
        custody.propose(made.deployment, Proposal({}))
        found = custody.standing(made.deployment)

    assert (found.number, found.step.stage, found.held) == (2, ceremony.DRAFT, False)
