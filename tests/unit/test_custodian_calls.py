"""A custodian's calls: what it refuses, what it testifies, and what it can no longer give."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.ceremony import alone, draft
from unheld_custodian.custodian import Custodian
from unheld_custodian.kept import Kept
from unheld_custodian.state import Whole, encode, event_column
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify import columns, crypto
from unheld_verify.errors import BadInputError, NotAllowedError, StateError, VerificationError, WrongKeyError

DAY = 20_640


@pytest.fixture
def custodian(tmp_path: Path) -> Custodian:
    return alone(tmp_path, draft(1, 1, begins=DAY), {0: crypto.random_bytes(32)})


def test_a_day_opens_every_column_of_its_window(custodian: Custodian) -> None:
    """Charge and contact reach back as far as late days and lifetime allow, place a week, identity its month."""
    push = custodian.open_day(DAY, DAY)
    assert list(push.keys) == columns.window(DAY, 45, columns.LIFETIME_DEFAULTS)


def test_an_open_day_is_handed_out_again(custodian: Custodian) -> None:
    """A branch that lost its memory at noon gets the same keys."""
    assert custodian.open_day(DAY, DAY).keys == custodian.open_day(DAY, DAY).keys


def test_a_closed_day_is_never_handed_out_again(custodian: Custodian) -> None:
    """The refusal says that the day is over, and nothing changes."""
    custodian.open_day(DAY, DAY)
    custodian.close_day(DAY, DAY)
    before = custodian.state
    with pytest.raises(StateError, match="2026-07-06 is over"):
        custodian.open_day(DAY, DAY)
    assert custodian.state == before


def test_a_future_day_is_refused(custodian: Custodian) -> None:
    """A clock that runs ahead cannot burn the days between."""
    with pytest.raises(StateError, match="has not begun"):
        custodian.open_day(DAY + 1, DAY)
    assert custodian.state.next_day == DAY


def test_a_skipped_day_never_opens(custodian: Custodian) -> None:
    """The chain never goes back."""
    custodian.open_day(DAY + 2, DAY + 2)
    with pytest.raises(StateError, match="never goes back"):
        custodian.open_day(DAY + 1, DAY + 2)


def test_a_day_to_come_cannot_be_closed(custodian: Custodian) -> None:
    """There is no testimony of what did not happen, and no chain is burnt."""
    with pytest.raises(StateError, match="never opened"):
        custodian.close_day(DAY + 1, DAY)
    assert custodian.state.next_day == DAY


def test_a_day_that_only_others_opened_closes_here_too(custodian: Custodian) -> None:
    """The chain steps over it: who was away at the opening cannot derive the day after the close."""
    custodian.close_day(DAY, DAY)
    with pytest.raises(StateError, match="never goes back"):
        custodian.open_day(DAY, DAY)


def test_a_day_left_open_closes_by_itself(custodian: Custodian) -> None:
    """A branch that never reports a close does not keep a day's keys on call."""
    custodian.open_day(DAY, DAY)
    custodian.lapse(DAY + 2)
    with pytest.raises(StateError, match="is over"):
        custodian.open_day(DAY, DAY + 2)


def test_keys_live_until_the_day_before_they_are_due(custodian: Custodian) -> None:
    """Place of a day is there on its seventh day and gone at the start of the eighth."""
    before = set(custodian.open_day(DAY, DAY).keys)
    custodian.lapse(DAY + 1)
    after = set(custodian.open_day(DAY, DAY + 1).keys)
    assert before - after == {("place", DAY - 6), ("contact", DAY - 29)}
    assert len({event_column(name) for name in custodian.state.keys}) == len(after)


def test_a_custodian_that_was_away_cannot_derive_what_lapsed(custodian: Custodian) -> None:
    """Lapse steps the chain over days that only others opened."""
    custodian.lapse(DAY + 400)
    assert custodian.state.next_day == DAY + 400


def test_an_erased_key_is_in_no_earlier_file_that_opens(custodian: Custodian, tmp_path: Path) -> None:
    """Whoever kept every state file and now takes the slot finds no erased key: not in the slot, not in any file."""
    key = custodian.open_day(DAY, DAY).keys["charge", DAY][0]
    kept = [path.read_bytes() for path in (tmp_path / "c").iterdir()]
    custodian.erase([("charge", DAY)], DAY)
    kept += [path.read_bytes() for path in (tmp_path / "c").iterdir()]
    slot = FileSlot.open(tmp_path / "a.slot")
    (live,) = slot.live()
    opened = []
    for data in kept:
        with suppress(WrongKeyError):
            opened.append(crypto.unseal(live.secret, data[32:], data[:32] + b"custodian"))
    assert len(opened) == 1
    assert key not in opened[0]
    assert key not in slot.path.read_bytes()


def test_an_erasure_before_the_opening_holds(custodian: Custodian) -> None:
    """A custodian that had not opened today keeps no chain from which the erased column follows."""
    custodian.erase([("charge", DAY - 1)], DAY)
    assert custodian.state.next_day == DAY + 1
    assert ("charge", DAY - 1) not in custodian.open_day(DAY, DAY).keys


def test_an_erased_column_stays_erased_on_later_days(custodian: Custodian) -> None:
    """Late records of an erased day are never sealed anew."""
    custodian.erase([("contact", DAY - 1)], DAY)
    assert ("contact", DAY - 1) not in custodian.open_day(DAY + 1, DAY + 1).keys


@pytest.mark.parametrize("pair", [("charge", DAY + 1), ("charge", -1), ("voice", DAY), ("identity", DAY)])
def test_an_erasure_of_what_is_no_column_is_refused(custodian: Custodian, pair: columns.EventColumn) -> None:
    """A future day, an unknown class or a mid-month identity day changes nothing."""
    with pytest.raises(BadInputError, match="erase"):
        custodian.erase([pair], DAY)
    assert custodian.kept.generation == 1


def test_erasing_everything_leaves_no_key_and_a_future(custodian: Custodian) -> None:
    """All column and parking keys go, today is over, and tomorrow opens."""
    custodian.open_day(DAY, DAY)
    custodian.erase_everything(DAY, DAY)
    assert (custodian.state.keys, custodian.state.open_days, custodian.state.park) == ({}, (), {})
    with pytest.raises(StateError, match="is over"):
        custodian.open_day(DAY, DAY)
    assert custodian.open_day(DAY + 1, DAY + 1).keys


def test_the_testimonies_are_signed_and_can_be_had_again(custodian: Custodian) -> None:
    """Each call testifies to what is so; repeating it, after a crash for example, testifies to the same."""
    custodian.open_day(DAY, DAY)
    calls: dict[str, Callable[[], columns.Attestation]] = {
        "closed": lambda: custodian.close_day(DAY, DAY),
        "lapsed": lambda: custodian.lapse(DAY),
        "erased": lambda: custodian.erase([("charge", DAY)], DAY),
    }
    for kind, call in calls.items():
        first = call()
        assert call() == first
        statement = first.read(crypto.sign_public(custodian.state.sign))
        assert (statement["kind"], statement["day"], statement["custodian"]) == (kind, "2026-07-06", 0)


def test_the_lapsed_testimony_names_the_newest_lapsed_day(custodian: Custodian) -> None:
    """One line a class says that this day and all before it are gone."""
    statement = custodian.lapse(DAY).read(crypto.sign_public(custodian.state.sign))
    assert statement["columns"] == [
        ["charge", "2026-04-07"],
        ["contact", "2026-06-06"],
        ["place", "2026-06-29"],
        ["identity", "2026-05-05"],
    ]


def test_a_changed_testimony_is_false(custodian: Custodian) -> None:
    """An edited statement does not pass."""
    testimony = custodian.lapse(DAY)
    edited = replace(testimony, statement=testimony.statement.replace(b"lapsed", b"erased"))
    with pytest.raises(VerificationError):
        edited.read(crypto.sign_public(custodian.state.sign))


def test_the_opening_is_testified_in_the_push(custodian: Custodian) -> None:
    """A push carries the custodian's signed list of the columns it handed out."""
    push = custodian.open_day(DAY, DAY)
    statement = push.testimony.read(crypto.sign_public(custodian.state.sign))
    assert statement["kind"] == "opened"
    assert len(statement["columns"]) == len(push.keys)


def test_parking_keys_reach_ten_weeks_and_fourteen_days_ahead(custodian: Custodian) -> None:
    """An outage may last for weeks: the public keys are there before it."""
    publics = custodian.park_publics(DAY)
    week = columns.park_period("outage", DAY)
    assert set(publics) == {("outage", week + n) for n in range(11)} | {("quarantine", DAY + n) for n in range(15)}
    assert all(len(public) == crypto.PARK_PUBLIC_BYTES for public in publics.values())


def test_parking_keys_lapse_on_their_own_date(custodian: Custodian) -> None:
    """Quarantine keys go after seven days, a week's outage key `late_days` after the week's end."""
    custodian.park_publics(DAY)
    week = columns.park_period("outage", DAY)
    last = columns.park_due("outage", week, 45)
    for today, expected in ((DAY + 6, 26), (DAY + 7, 25), (DAY + 21, 11), (last - 1, 11), (last, 10)):
        custodian.lapse(today)
        assert len(custodian.state.park) == expected


def test_a_plan_for_everything_brought_again_erases_nothing_newer(custodian: Custodian) -> None:
    """Who kept last week's plan cannot erase this week with it; it is testified to as it was."""
    first = custodian.erase_everything(DAY, DAY, b"p" * 32)
    custodian.open_day(DAY + 1, DAY + 1)
    again = custodian.erase_everything(DAY + 1, DAY, b"p" * 32)
    assert custodian.state.keys
    assert (
        first.read(crypto.sign_public(custodian.state.sign))["day"]
        == again.read(crypto.sign_public(custodian.state.sign))["day"]
        == "2026-07-06"
    )


def test_a_plan_for_everything_that_comes_late_erases_nothing_newer(custodian: Custodian) -> None:
    """Whoever held it back, or brings it to a custodian that was away, ends what it was made for and no later day."""
    custodian.open_day(DAY, DAY)
    custodian.open_day(DAY + 3, DAY + 3)
    newer = len(custodian.state.keys)
    custodian.park_publics(DAY + 3)

    told = custodian.erase_everything(DAY + 3, DAY, b"p" * 32).read(crypto.sign_public(custodian.state.sign))

    assert told["day"] == "2026-07-06"
    assert 0 < len(custodian.state.keys) < newer
    assert custodian.open_day(DAY + 3, DAY + 3).keys
    assert custodian.state.park


def test_a_plan_for_everything_from_before_the_set_is_refused(custodian: Custodian) -> None:
    """A new set of custodians does not obey what was planned for the one before."""
    custodian.open_day(DAY, DAY)
    with pytest.raises(NotAllowedError, match="older than this set"):
        custodian.erase_everything(DAY, DAY - 1, b"p" * 32)
    assert custodian.state.keys


def test_the_issue_is_testified_and_counted(custodian: Custodian) -> None:
    """Another ask is another issue, the same ask is the same one again."""
    issues = [
        custodian.open_day(DAY, DAY, ask).testimony.read(crypto.sign_public(custodian.state.sign))["issue"]
        for ask in (b"a", b"b", b"a")
    ]
    assert issues == [1, 2, 1]
    assert len(custodian.state.issues[DAY]) == 2


def test_an_open_day_is_handed_out_a_few_times_only(custodian: Custodian) -> None:
    """The ninth ask is refused, and an earlier one is still answered."""
    for number in range(8):
        custodian.open_day(DAY, DAY, bytes([number]))
    with pytest.raises(NotAllowedError, match="8 times"):
        custodian.open_day(DAY, DAY, b"ninth")
    assert custodian.open_day(DAY, DAY, bytes([0])).keys


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"UNHCUST1" + bytes(40), "of version '1', and this program reads version 3: start"),
        (
            encode(Whole("x", {b"": (0, 0, 0)})).replace(b'"times":', b'"timet":'),
            "its fields are not: start the program that",
        ),
        (b"something else", "not a custodian's"),
    ],
)
def test_a_memory_of_another_version_names_file_versions_and_mend(tmp_path: Path, written: bytes, said: str) -> None:
    """Who runs an older or newer program over a custodian's folder is told so, and nothing is changed."""
    sealed = SealedState(tmp_path, "custodian", FileSlot.create(tmp_path / "a.slot"))
    sealed.create(written)
    with pytest.raises(BadInputError, match=rf"custodian-1\.sealed: it .*{said}"):
        _ = Kept(sealed).whole
    assert sealed.load() == written
