"""Subscriber keys in a registry: a key opens only what happened after it was enrolled, and forgetting follows all."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, many
from tests.support.enrolling import line, row, take
from tests.support.stores import LAST_SECOND, TestStore, made_store
from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tags
from unheld_branch.store.check import check
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_verify import columns, crypto

NUMBER = "tel:" + ALICE
SIM, OTHER_SIM = "001010000000001", "001010000000002"
SECOND = FIRST + timedelta(1)
CARD, OTHER_CARD = (crypto.sign_public(bytes([number]) * 32) for number in (1, 2))
ENROLLED = columns.day_of(FIRST) * 86_400 + LAST_SECOND


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store with its first day open, in which one subscriber without a key called."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    take(made, line())
    made.ingest(calls(*many(5)))
    return made


def key_of(made: TestStore, identity: str = NUMBER) -> bytes:
    """The party key of the present row."""
    return row(made, identity).keys.tobytes()


def second_day(made: TestStore) -> None:
    """A second day, with one call of the subscriber."""
    made.close()
    made.open_day(SECOND)
    made.ingest(calls(Call(ALICE, SECOND, second=2)))
    made.close()


def test_an_enrolled_key_begins_a_row_of_its_own(made: TestStore) -> None:
    """The new row has another party key and the label of the card; what was sealed before stays with the old row."""
    before = row(made)
    take(made, line(CARD))
    second_day(made)

    after = row(made)
    salt = after.extras_of(rows_.SALT)[1][0, :16].tobytes()
    assert after.labels[0].tobytes() == tags.label(CARD, salt)
    assert after.keys.tobytes() != before.keys.tobytes()
    assert int(after.since[0]) == ENROLLED
    assert held(made, NUMBER) == [(SECOND, 2)]
    assert held(made, NUMBER, ended=ENROLLED) == [(FIRST, number) for number in range(5)]
    with made.opened() as store:
        assert check(store).findings == ()


def test_a_late_record_of_before_the_key_stays_with_the_old_row(made: TestStore) -> None:
    """A call of before the enrolment that is sealed after it does not open with the key."""
    take(made, line(CARD))
    made.close()
    made.open_day(SECOND)
    made.ingest(calls(Call(ALICE, FIRST, second=9)))
    made.close()

    assert held(made, NUMBER) == []
    assert (FIRST, 9) in held(made, NUMBER, ended=ENROLLED)


def test_the_same_key_again_changes_nothing(made: TestStore) -> None:
    """A registry that repeats itself makes no second row."""
    take(made, line(CARD))
    before = row(made)

    take(made, line(CARD))
    take(made, line())

    assert key_of(made) == before.keys.tobytes()


def test_another_key_begins_another_row(made: TestStore) -> None:
    """A card that was changed opens what comes after it, and no other card's time."""
    take(made, line(CARD))
    first = key_of(made)

    take(made, line(OTHER_CARD))
    second = key_of(made)

    with made.opened() as store:
        parties = store.parties()
        assert parties.keyed_row(SUBSCRIBERS, NUMBER, OTHER_CARD).keys.tobytes() == second != first
        assert parties.keyed_row(SUBSCRIBERS, NUMBER, CARD).keys.tobytes() == first
        assert len(parties.keyed_row(SUBSCRIBERS, NUMBER, bytes(32))) == 0


def test_a_key_needs_the_holder_where_the_row_knows_one(made: TestStore) -> None:
    """A line that does not say whose key it is enrols none: the next holder would be taken for the same one."""
    before = key_of(made)

    report = take(made, line(CARD, holder=None))

    assert key_of(made) == before
    assert sum("not enrolled" in reason for reason in report.deliveries[0].counts) == 1


def test_a_key_on_the_first_registry_leaves_what_records_made(tmp_path: Path) -> None:
    """A row that records made before any registry keeps what it holds; the key begins after it."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    made.ingest(calls(*many(3)))

    take(made, line(CARD))
    second_day(made)

    assert held(made, NUMBER) == [(SECOND, 2)]
    assert len(held(made, NUMBER, ended=ENROLLED)) == 3


def test_the_number_s_sim_follows_to_the_new_row(made: TestStore) -> None:
    """Records known by the SIM alone open with the key too: the SIM of the line, and further ones with their lines."""
    take(made, line(imsi=SIM))
    take(made, line(imsi=OTHER_SIM))

    take(made, line(CARD, imsi=SIM), line(CARD, imsi=OTHER_SIM))

    assert key_of(made, f"imsi:{SIM}") == key_of(made, f"imsi:{OTHER_SIM}") == key_of(made)


def test_a_sim_named_later_follows_too(made: TestStore) -> None:
    """A further SIM that stayed with the earlier row goes to the new one when the registry names it again."""
    take(made, line(imsi=SIM))
    take(made, line(imsi=OTHER_SIM))
    take(made, line(CARD, imsi=SIM))
    assert key_of(made, f"imsi:{OTHER_SIM}") != key_of(made)

    take(made, line(CARD, imsi=OTHER_SIM))

    assert key_of(made, f"imsi:{OTHER_SIM}") == key_of(made)


def test_forgetting_a_party_forgets_its_time_before_the_key(made: TestStore) -> None:
    """Who asks to be forgotten is forgotten whole: SIMs and rows under earlier keys go with the present one."""
    take(made, line(imsi=SIM), line(holder="H2", number=BOB))
    take(made, line(CARD, imsi=SIM))
    take(made, line(OTHER_CARD, imsi=SIM))

    assert made.forget(NUMBER).rows == 6

    second_day(made)
    assert held(made, NUMBER, ended=ENROLLED) == []
    assert len(row(made, "tel:" + BOB)) == 1


def test_forgetting_an_earlier_time_forgets_the_holder_whole(made: TestStore) -> None:
    """Whoever names a day before the key means the person, not the card."""
    take(made, line(CARD))
    with made.opened() as store:
        parties = store.parties()
        old = parties.owner_at([NUMBER], [ENROLLED - 1], [SUBSCRIBERS]).rows
        _, dropped = parties.drop(SUBSCRIBERS, old.tags, old.labels)

    assert len(dropped.rows) == 2


def test_a_next_holder_is_not_forgotten_with_the_one_before(made: TestStore) -> None:
    """The rows of one holder name each other wherever they move, and never the next holder's."""
    take(made, line(CARD))
    made.close()
    made.open_day(SECOND)
    take(made, line(holder="H2", since=SECOND.isoformat()))
    present = row(made)
    with made.opened() as store:
        parties = store.parties()
        old = parties.owner_at([NUMBER], [ENROLLED - 1], [SUBSCRIBERS]).rows
        after, dropped = parties.drop(SUBSCRIBERS, old.tags, old.labels)

        assert len(dropped.rows) == 2
        assert after.find([NUMBER], [SUBSCRIBERS]).rows.keys.tobytes() == present.keys.tobytes()


def test_pruning_an_earlier_time_leaves_the_present_row(made: TestStore) -> None:
    """What lapses with its time does not take the holder's present row with it."""
    take(made, line(CARD))
    with made.opened() as store:
        parties, gone = store.parties().prune(SUBSCRIBERS, ENROLLED + 86_400)

        assert len(gone) == 1
        assert len(parties.find([NUMBER], [SUBSCRIBERS]).rows) == 1


def test_a_key_may_come_with_a_new_holder(made: TestStore) -> None:
    """A new holder's card is theirs: it opens nothing of the holder before."""
    made.close()
    made.open_day(SECOND)
    take(made, line(CARD, holder="H2", since=date(2026, 7, 2).isoformat()))
    made.ingest(calls(Call(ALICE, SECOND, second=2)))
    made.close()

    assert held(made, NUMBER) == [(SECOND, 2)]
