"""The branch's days with real desks across a line: early pushes, lies, cuts, and what is told again to who was away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.branches import Branch, targets_of
from tests.support.calls import ALICE, BOB, Call, calls
from tests.support.ceremony import DAY, SEEDS, STORE
from tests.support.refusing import refusing
from tests.support.stores import mapping
from unheld.testing import textfile
from unheld_branch.custody.attested import OwnStateError
from unheld_branch.custody.client import Remote
from unheld_branch.kernel.uptime import Uptime
from unheld_branch.store import daylength, parkkeys, pending, refusals, sets
from unheld_branch.store.parkkeys import _FILE as PARKING
from unheld_branch.workflows import day, ingest, lapse, park, plans
from unheld_verify import canonical, columns, crypto, custody, signed
from unheld_verify.errors import (
    BadInputError,
    NotAllowedError,
    PartialError,
    StateError,
    VerificationError,
)
from unheld_verify.plan import Plan


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    """A branch of three custodians, two of whom act; noon of its first day, nothing open."""
    return Branch.made(tmp_path)


def open_day(branch: Branch) -> day.Opened:
    with branch.opened() as (store, custodians):
        return day.open_day(store, custodians)


def close_day(branch: Branch) -> day.Closed:
    with branch.opened() as (store, custodians):
        return day.close_day(store, custodians)


def written(branch: Branch, name: str, *given: Call) -> Path:
    return textfile.write(calls(*given), branch.folder / f"{name}.csv")


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


def test_a_note_of_the_opening_that_cannot_be_read_keeps_no_day_open_longer(tmp_path: Path) -> None:
    """Then the machine's uptime counts alone, which is longer."""
    daylength.note(tmp_path, DAY, Uptime("a", 100))
    (tmp_path / "opened.json").write_bytes(b"{")

    assert daylength.over(tmp_path, DAY, DAY * 86_400, Uptime("a", 25 * 3600 + 1))
    assert not daylength.over(tmp_path, DAY, DAY * 86_400, Uptime("a", 25 * 3600))


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


def test_weeks_of_nightly_shutdowns_lose_nothing(branch: Branch) -> None:
    """The line is cut from 18:30 to 02:30 UTC for 16 days: what comes by night is parked, and opened in the morning."""
    files = [written(branch, f"n{n}", *_day_calls(n)) for n in range(16)]
    by_night = [written(branch, f"m{n}", Call(BOB, columns.date_of(DAY + n), 70_000, to=None)) for n in range(16)]
    for n in range(16):
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
        assert (sealed, len(store.catalog.waiting())) == (16 * 2 + 15, 1)


def _day_calls(n: int) -> Iterable[Call]:
    return (Call(ALICE, columns.date_of(DAY + n), second, to=None) for second in (9_400, 40_000))


def test_a_plan_in_the_folder_is_applied_by_its_signature(branch: Branch) -> None:
    """Nobody types anything; the plan lies in `applied/` afterwards, and its columns are gone."""
    open_day(branch)
    path = dropped(branch, branch.forget(DAY))

    assert apply(branch, path) == plans.APPLIED

    assert [found.name for found in (path.parent / "applied").iterdir()] == [path.name]
    assert not path.exists()
    assert branch.attested().standing(("charge", DAY), is_open=False).gone


def test_a_plan_that_a_crash_left_in_the_folder_is_moved_and_not_refused(branch: Branch) -> None:
    """It was applied before the move: the journal says so."""
    open_day(branch)
    plan = branch.forget(DAY)
    apply(branch, dropped(branch, plan))

    assert apply(branch, dropped(branch, plan)) == plans.APPLIED


@pytest.mark.parametrize("wrong", ["signature", "store", "bytes", "again"])
def test_a_plan_that_is_not_headquarters_s_is_refused_with_the_reason(branch: Branch, wrong: str) -> None:
    """Forged, another store's, cut off, or from before another plan: moved to `refused/`, and nothing changes."""
    open_day(branch)
    plan = branch.forget(DAY)
    if wrong == "signature":
        plan = plan.signed(crypto.random_bytes(32))
    if wrong == "store":
        plan = replace(plan, store_id=bytes(16)).signed(SEEDS[custody.HEADQUARTERS])
    if wrong == "again":
        apply(branch, dropped(branch, branch.forget(DAY - 1)))
    path = dropped(branch, plan)
    if wrong == "bytes":
        path.write_bytes(path.read_bytes()[:-1])
    with branch.opened() as (store, _):
        generation = store.catalog.generation

    assert apply(branch, path) == plans.REFUSED

    assert (path.parent / "refused" / f"{path.name}.reason").read_text("utf-8").strip()
    with branch.opened() as (store, _):
        assert store.catalog.generation == generation


def test_a_plan_waits_for_custodians(branch: Branch) -> None:
    """With too few of them it stays in the folder and is applied when they are back."""
    open_day(branch)
    path = dropped(branch, branch.forget(DAY))
    branch.cut = {0, 1}
    assert apply(branch, path) == plans.WAITS
    branch.cut = set()

    assert apply(branch, path) == plans.APPLIED


def test_plans_that_lie_together_do_not_end_one_another(branch: Branch) -> None:
    """Made of one generation, named as it comes: all are applied, those that need no custodian first."""
    open_day(branch)
    with branch.opened() as (store, _):
        sealed = targets_of(store)
    given = [branch.forget(DAY), branch.plan("class", DAY - 1, "place", sealed), party(sealed, 1), party(sealed, 2)]
    paths = [dropped(branch, one, f"{n}.plan") for n, one in enumerate(given)]

    with branch.opened() as (store, custodians):
        done = plans.apply_files(store, custodians, paths)

    assert [(one.path.name, one.became) for one in done] == [(f"{n}.plan", plans.APPLIED) for n in (2, 3, 0, 1)]
    with branch.opened() as (store, _):
        assert {one.digest for one in given} <= store.catalog.applied


def test_a_plan_that_waits_for_custodians_outlives_those_applied_since(branch: Branch) -> None:
    """It has begun: what it drops is named to custodians, and another plan's commit does not end it."""
    open_day(branch)
    path = dropped(branch, branch.forget(DAY))
    branch.cut = {0, 1}
    assert apply(branch, path) == plans.WAITS
    with branch.opened() as (store, _):
        sealed = targets_of(store)
    assert apply(branch, dropped(branch, party(sealed, 1))) == plans.APPLIED
    branch.cut = set()

    assert apply(branch, path) == plans.APPLIED


def party(sealed: bytes, number: int) -> Plan:
    """A plan for a party of whom no row is here."""
    made = Plan(
        STORE, "party", columns.day_text(DAY), {"parties": 1}, sealed=sealed, root=bytes([number] * 32), leaves=16
    )
    return made.signed(SEEDS[custody.HEADQUARTERS])


def test_a_refusal_is_told_to_headquarters_until_the_plan_is_applied(branch: Branch) -> None:
    """One entry a plan that it signed, with the reason; files that it did not sign share one; a month long."""
    open_day(branch)
    stale = branch.forget(DAY)
    apply(branch, dropped(branch, branch.forget(DAY - 1)))
    apply(branch, dropped(branch, stale))
    for n in range(3):
        apply(branch, dropped(branch, stale.signed(bytes([n] * 32)), f"{n}.plan"))
    folder = branch.places.root

    told = {one.digest: one for one in refusals.listed(folder, DAY)}

    assert set(told) == {stale.digest, ""}
    assert (told[stale.digest].act, told[stale.digest].day) == ("day", columns.day_text(DAY))
    assert "make a new one" in told[stale.digest].why
    assert refusals.listed(folder, DAY + 31) == []
    refusals.forget(folder, stale.digest)
    assert [one.digest for one in refusals.listed(folder, DAY)] == [""]


def test_a_plan_is_brought_again_until_its_columns_lapse(branch: Branch) -> None:
    """One custodian stays away for good: when the calendar has erased what the plan named, it is dropped."""
    open_day(branch)
    branch.cut = {2}
    apply(branch, dropped(branch, branch.forget(DAY)))
    close_day(branch)
    folder, lifetimes = branch.places.root, columns.LIFETIME_DEFAULTS

    assert len(pending.plans(folder, DAY + lifetimes["charge"] - 1, lifetimes)) == 1
    assert pending.plans(folder, DAY + lifetimes["charge"], lifetimes) == []
    assert list((folder / "pending").iterdir()) == []


def test_everything_is_brought_again_to_who_was_away(branch: Branch) -> None:
    """The third custodian erases when it is back, and only what was there when the plan was made."""
    open_day(branch)
    sealed = branch.forget(DAY).sealed
    plan = Plan(branch.policy(3, 2).store_id, "everything", columns.day_text(DAY), {}, sealed=sealed)
    branch.cut = {2}
    assert apply(branch, dropped(branch, plan.signed(SEEDS[custody.HEADQUARTERS]))) == plans.APPLIED
    branch.cut = set()

    with branch.opened() as (store, custodians):
        lapse.lapse(store, custodians)

    assert not list((branch.places.root / "pending").iterdir())
    assert branch.world.ask(2, "status")["keys"] == 0


def apply(branch: Branch, path: Path) -> str:
    with branch.opened() as (store, custodians):
        return plans.apply_files(store, custodians, [path])[0].became


def dropped(branch: Branch, plan: Plan, name: str = "") -> Path:
    (branch.folder / "plans").mkdir(exist_ok=True)
    path = branch.folder / "plans" / (name or f"{plan.digest[:8]}.json")
    path.write_bytes(plan.encode())
    return path


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


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"1":{"0":7}}', b'{"1":{"0":[7,7]}}', b'{"1":[]}', b'{"x":{"0":[7,"a"]}}']
)
def test_what_the_branch_itself_damaged_blames_no_custodian(branch: Branch, data: bytes) -> None:
    """Its memory of generations is named as its own, with the mend, whoever would have answered."""
    path = branch.places.root / "attestations" / "seen.json"
    path.parent.mkdir()
    path.write_bytes(data)

    with pytest.raises(OwnStateError, match=r"seen\.json.*put back its last good copy") as told:
        open_day(branch)

    assert "ustodian 0" not in str(told.value)
    assert path.read_bytes() == data


def test_parking_keys_that_cannot_be_read_are_named(branch: Branch) -> None:
    """The file and the mend are told, and nothing is parked."""
    (branch.places.root / PARKING).write_bytes(b"{}")

    with branch.opened() as (store, _), pytest.raises(StateError, match=r"parking-keys\.json.*remove the file"):
        park.park(store, [written(branch, "a", Call(ALICE))], mapping())


def test_a_set_of_another_headquarters_is_not_taken_over(branch: Branch, tmp_path: Path) -> None:
    """What the store is sealed under is pinned by the key of genesis, and one number names one set."""
    (tmp_path / "x").mkdir()
    other = Branch.made(tmp_path / "x")
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
