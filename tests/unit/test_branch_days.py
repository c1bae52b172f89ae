"""The branch's days with real desks across a line: early pushes, lies, cuts, and what is told again to who was away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.branches import HOUR, Branch, close_day, open_day, written
from tests.support.calls import ALICE, BOB, Call
from tests.support.ceremony import DAY
from tests.support.refusing import refusing
from tests.support.stores import mapping
from unheld_branch.custody.client import Remote
from unheld_branch.kernel.clock import CLOCK_VARIABLE
from unheld_branch.kernel.uptime import Uptime
from unheld_branch.store import daylength, parkkeys, sets
from unheld_branch.store.parkkeys import _FILE as PARKING
from unheld_branch.workflows import day, ingest, lapse, park
from unheld_branch.workflows.service import Service, Step
from unheld_verify import canonical, columns, crypto, signed
from unheld_verify.errors import (
    BadInputError,
    NotAllowedError,
    PartialError,
    StateError,
    UnheldError,
    VerificationError,
)

pytestmark = pytest.mark.spread


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    """A branch of three custodians, two of whom act; noon of its first day, nothing open."""
    return Branch.made(tmp_path)


def test_a_day_opens_five_minutes_early_once_the_day_before_is_closed(branch: Branch) -> None:
    """At 23:56 the old day is closed first, then tomorrow's keys come; at 23:54 there are none."""
    open_day(branch)
    branch.at(DAY, 23.9)
    close_day(branch)
    with pytest.raises(StateError, match="was closed"):
        open_day(branch)
    branch.at(DAY, 23.94)

    opened = open_day(branch)

    assert (opened.day, opened.custodians, opened.again) == (DAY + 1, 3, False)
    assert open_day(branch).again
    branch.at(DAY + 1, 0.1)
    assert open_day(branch).again


def looked(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps of one look of the service, none of which does anything."""
    monkeypatch.setenv(CLOCK_VARIABLE, str(branch.clock.seconds))
    service = Service(branch.places.root, lambda step, *_: Step(step, 0), lapsed=branch.clock.seconds // HOUR)
    return [step.words for step in service.look()]


def closed_at(branch: Branch) -> list[bool]:
    """Of each custodian whether it gives keys of today no more."""
    with branch.opened() as (_, custodians):
        heard = [pushed(custodians, index) for index in range(3)]
    return ["is over" in said for said in heard]


def pushed(custodians: Remote, index: int) -> str:
    """What a custodian says to one more asking for today's keys."""
    try:
        custodians.clients[0].ask(index, "open", {"day": columns.day_text(DAY)})
    except UnheldError as error:
        return str(error)
    return ""


def test_custodians_that_were_away_at_an_early_close_are_told_again_until_its_day_is_over(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who seizes the branch and its keys, with the line cut at the close, would have the day's keys once more."""
    open_day(branch)
    branch.cut |= {0, 1, 2}
    close_day(branch)
    assert looked(branch, monkeypatch) == ["close"]
    branch.cut = {2}
    close_day(branch)
    assert looked(branch, monkeypatch) == ["close"]
    branch.cut.clear()

    assert close_day(branch).day == DAY

    assert closed_at(branch) == [True, True, True]
    assert looked(branch, monkeypatch) == []
    with pytest.raises(StateError, match="no day is open"):
        close_day(branch)


def test_who_never_heard_of_a_close_gives_no_key_when_its_day_is_over(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody is told any more, and the next day opens."""
    open_day(branch)
    branch.cut |= {0, 1, 2}
    close_day(branch)
    branch.cut.clear()
    branch.at(DAY + 1)

    assert looked(branch, monkeypatch) == ["open"]
    assert open_day(branch).day == DAY + 1


def test_a_day_whose_keys_one_custodian_alone_gave_is_uncorroborated(branch: Branch) -> None:
    """With two of three, parts have one source: the day opens, and result, journal and words say so."""
    branch.cut.add(1)

    opened = open_day(branch)

    assert not opened.corroborated
    assert "uncorroborated" in day.doubts(opened)[0]
    with branch.opened() as (store, _):
        assert not store.catalog.days[DAY].corroborated
    close_day(branch)
    with branch.opened() as (store, _):
        assert not store.catalog.days[DAY].corroborated


def test_a_custodian_that_all_others_contradict_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of four pushes keys that nobody else has: the other three open the day, and it is named."""
    branch = Branch.made(tmp_path, 4, 2)
    monkeypatch.setattr(Remote, "open_day", _lying(Remote.open_day, 2))

    opened = open_day(branch)

    assert (opened.left_out, opened.custodians, opened.corroborated) == (("Custodian 2",), 3, True)
    assert "Custodian 2 is contradicted" in day.doubts(opened)[0]


def test_word_against_word_opens_nothing(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two answered and differ, both are named and no record is sealed to a lie."""
    branch.cut.add(1)
    monkeypatch.setattr(Remote, "open_day", _lying(Remote.open_day, 2))

    with pytest.raises(VerificationError, match="Custodian 0 and Custodian 2"):
        open_day(branch)
    with branch.opened() as (store, _):
        assert store.open_day() is None


def _lying(real: object, liar: int) -> object:
    def opened(self: Remote, number: int) -> list[columns.Push]:
        made = []
        for push in real(self, number):  # type: ignore[operator]
            keys = {pair: {s: crypto.sha256(key) for s, key in held.items()} for pair, held in push.keys.items()}
            lie = replace(push, keys=keys, checks=columns.checks(keys))
            made.append(lie if push.index == liar else push)
        return made

    return opened


@pytest.mark.parametrize(
    ("clock", "boot", "seconds", "over"),
    [
        (DAY * 86_400 + 86_099, "a", 100, False),
        (DAY * 86_400 + 86_100, "a", 100, True),
        ((DAY - 30) * 86_400, "a", 100 + 25 * 3600, False),
        ((DAY - 30) * 86_400, "a", 101 + 25 * 3600, True),
        ((DAY - 30) * 86_400, "b", 25 * 3600, False),
        ((DAY - 30) * 86_400, "b", 25 * 3600 + 1, True),
        ((DAY + 9) * 86_400, "a", 100, True),
    ],
    ids=["23:54:59", "23:55", "clock back", "clock back 25 h", "reboot", "reboot 25 h", "clock ahead"],
)
def test_a_day_is_over_by_the_clock_or_by_the_uptime(
    tmp_path: Path, clock: int, boot: str, seconds: int, over: bool
) -> None:
    """Whoever sets the clock back keeps no day's keys here longer than a day and an hour."""
    daylength.note(tmp_path, DAY, Uptime("a", 100))

    assert daylength.over(tmp_path, DAY, clock, Uptime(boot, seconds)) == over


@pytest.mark.parametrize(("hours", "over"), [(25, False), (25.1, True)])
def test_a_machine_that_names_no_boots_counts_from_its_last_start(tmp_path: Path, hours: float, over: bool) -> None:
    """Fewer seconds since the start than when the day opened: it was started anew, even where no boot has a name."""
    daylength.note(tmp_path, DAY, Uptime("", 100 * 86_400))

    assert daylength.over(tmp_path, DAY, (DAY - 30) * 86_400, Uptime("", int(hours * 3600))) == over


def test_records_are_parked_to_keys_of_the_custodians_alone(branch: Branch) -> None:
    """Who puts parking keys of their own into the store's file is found before anything is sealed to them."""
    open_day(branch)
    close_day(branch)
    path = branch.places.root / PARKING
    held = canonical.decode(path.read_bytes())
    own = signed.from_json(held["parkings"][1]).document | {
        "keys": [[reason, period, key] for reason, period, key in held["parkings"][0]["document"]["keys"]]
    }
    held["parkings"][1] = signed.sign(own, crypto.random_bytes(32)).as_json()
    path.write_bytes(canonical.encode(held))

    with branch.opened() as (store, _), pytest.raises(VerificationError, match="Custodian 1 are not its own"):
        park.park(store, [written(branch, "a", Call(ALICE))], mapping())
    assert not list(branch.places.root.glob("parked/*"))


def test_a_custodian_that_refuses_parking_keys_keeps_no_day_shut(branch: Branch) -> None:
    """The day is open when the refusal is told."""
    with refusing("park", 1), pytest.raises(PartialError, match="missing: Custodian 1: "):
        open_day(branch)

    assert open_day(branch).again


@pytest.mark.parametrize("nights", [7, pytest.param(16, marks=pytest.mark.slow)])
def test_nightly_shutdowns_lose_nothing(branch: Branch, nights: int) -> None:
    """The line is cut from 18:30 to 02:30 UTC, over the end of a week, whose parking keys change: what comes by night
    is parked, and opened in the morning."""
    assert columns.park_period("outage", DAY) < columns.park_period("outage", DAY + 5)
    files = [written(branch, f"n{n}", *_day_calls(n)) for n in range(nights)]
    by_night = [written(branch, f"m{n}", Call(BOB, columns.date_of(DAY + n), 70_000, to=None)) for n in range(nights)]
    for n in range(nights):
        branch.cut = set()
        branch.at(DAY + n, 2.6)
        branch.beat()
        assert open_day(branch).corroborated
        with branch.opened() as (store, custodians):
            for batch in store.catalog.waiting():
                assert park.unpark(store, custodians, batch.batch.hex()).records == 1
        branch.at(DAY + n, 18)
        with branch.opened() as (store, _):
            assert ingest.ingest(store, [files[n]], mapping()).records == 2
        branch.cut = {0, 1, 2}
        branch.at(DAY + n, 23.95)
        close_day(branch)
        with pytest.raises(StateError, match="0 of 2"):
            open_day(branch)
        with branch.opened() as (store, custodians):
            lapse.lapse(store, custodians)
            assert park.park(store, [by_night[n]], mapping()).records == 1

    with branch.opened() as (store, _):
        sealed = sum(batch.records for batch in store.catalog.batches.values())
        assert (sealed, len(store.catalog.waiting())) == (nights * 2 + nights - 1, 1)


def _day_calls(n: int) -> Iterable[Call]:
    return (Call(ALICE, columns.date_of(DAY + n), second, to=None) for second in (9_400, 40_000))


def test_a_column_is_attested_gone_once_too_few_are_left(branch: Branch) -> None:
    """One of three is not enough where two open it; two are; and never while the branch holds its keys."""
    open_day(branch)
    close_day(branch)
    branch.at(DAY + 7)
    branch.beat()
    column, words = ("place", DAY), []
    for cut in ({0, 1, 2}, {0, 1}, {0}):
        branch.cut = cut
        with branch.opened() as (store, custodians):
            lapse.lapse(store, custodians)
        standing = branch.attested().standing(column, is_open=False)
        words.append((sum(map(len, standing.attested.values())), standing.gone))

    assert words == [(0, False), (1, False), (2, True)]
    assert not branch.attested().standing(column, is_open=True).gone
    assert not branch.attested().standing(("contact", DAY), is_open=False).gone


def test_an_altered_attestation_is_found(branch: Branch) -> None:
    """What a custodian did not sign counts for nothing, and the error names the file."""
    open_day(branch)
    close_day(branch)
    path = branch.places.root / "attestations" / "1-0-closed.json"
    other = branch.places.root / "attestations" / "1-1-closed.json"
    path.write_bytes(other.read_bytes().replace(b'"signature":"', b'"signature":"A')[:-3] + other.read_bytes()[-2:])

    with pytest.raises((VerificationError, BadInputError), match=r"1-0-closed\.json"):
        branch.attested().all()


def test_the_highest_generation_outlives_the_process(branch: Branch) -> None:
    """A custodian put back from a backup is seen by a branch that was started anew."""
    open_day(branch)
    seen = dict(branch.attested().seen(1))

    assert set(seen) == {0, 1, 2}
    kept = branch.attested().seen(1)
    kept[0] = (1, "00" * 8)
    assert branch.attested().seen(1)[0] == seen[0]


def test_a_set_of_another_headquarters_is_not_taken_over(branch: Branch, tmp_path: Path) -> None:
    """What the store is sealed under is pinned by the key of genesis, and one number names one set."""
    (tmp_path / "x").mkdir()
    other = Branch.founded(tmp_path / "x")
    founded = signed.decode((other.places.root / sets.FOLDER / "1.json").read_bytes())
    policy = branch.policy(3, 2)

    with pytest.raises(NotAllowedError, match="another store"):
        sets.keep(branch.places.root, founded, replace(policy, store_id=bytes(16)))
    with pytest.raises(NotAllowedError, match="pinned here already"):
        sets.keep(branch.places.root, founded, policy)


def test_an_edited_set_is_refused_whenever_it_is_read(branch: Branch) -> None:
    """The error names the file and the mend."""
    path = branch.places.root / sets.FOLDER / "1.json"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(BadInputError, match=r"1\.json.*put back"), branch.opened() as _:
        pass


def test_parking_keys_that_nobody_gave_are_missed(branch: Branch) -> None:
    """Before any day was open nothing can be parked, and the error says what to do."""
    with branch.opened() as (store, _), pytest.raises(StateError, match="no parking key"):
        parkkeys.find(store.folder, store.sets()[0], "outage", columns.park_period("outage", DAY))
