"""Plans that lie in a branch's folder: whose word applies them, in what order, and what is told of a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.branches import Branch, apply, close_day, dropped, open_day, targets_of
from tests.support.ceremony import DAY, SEEDS, STORE
from unheld_branch.store import pending, refusals
from unheld_branch.workflows import lapse, plans
from unheld_verify import columns, crypto, custody
from unheld_verify.plan import Plan


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    """A branch of three custodians, two of whom act; noon of its first day, nothing open."""
    return Branch.made(tmp_path)


def test_a_plan_in_the_folder_is_applied_by_its_signature(branch: Branch) -> None:
    """Nobody types anything; the plan lies in `applied/` afterwards, and its columns are gone."""
    open_day(branch)
    path = dropped(branch, branch.forget(DAY))

    assert apply(branch, path) == plans.APPLIED

    assert [found.name for found in (path.parent / "applied").iterdir()] == [path.name]
    assert not path.exists()
    assert branch.attested().standing(("charge", DAY), is_open=False).gone


def test_erasing_everything_attests_no_column_gone_for_good(branch: Branch) -> None:
    """What comes late for its days is sealed into its columns anew: a later word of them by name counts alone."""
    open_day(branch)
    close_day(branch)
    with branch.opened() as (store, custodians):
        sealed = targets_of(store)
    with branch.opened() as (_, custodians):
        (heard,) = custodians.erase_everything(branch.plan("everything", -1, sealed=sealed))
    assert len(heard.attested) == 3
    assert not branch.attested().standing(("charge", DAY), is_open=False).gone
    with branch.opened() as (_, custodians):
        custodians.erase(branch.plan("day", DAY, sealed=sealed))
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
    assert list((folder / "pending").glob("*.plan")) == []


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
