"""Erasure plans: what is forgotten, by whose word, and that a plan applies once."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, OFF_NET, Call, calls, facts, held, registry, trees
from tests.support.refusing import refusing
from tests.support.stores import Saved, TestStore, made_store
from unheld.plans import planning
from unheld.workflows import doctor, status
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.store import refusals
from unheld_branch.store.check import check
from unheld_branch.store.refusals import Refusal
from unheld_branch.workflows import apply
from unheld_verify import canonical, columns, crypto, receipt, tiles
from unheld_verify import plan as plans
from unheld_verify.errors import (
    BadInputError,
    CannotVerifyError,
    NotAllowedError,
    PartialError,
    StateError,
    VerificationError,
    WrongKeyError,
)
from unheld_verify.plan import Plan

SECOND = FIRST + timedelta(1)
SIM = "001010000000001"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A store of three custodians with a copy, its first day open, and some records."""
    made = made_store(tmp_path_factory.mktemp("made"), n=3, t=2, copies=1)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE, to=OFF_NET), Call(BOB), Call(CAROL, FIRST - timedelta(2))))
    return Saved(made)


@pytest.fixture
def made(saved: Saved) -> TestStore:
    """As it was, for one test."""
    return saved.again()


def planned(made: TestStore, *identities: str) -> planning.Planned:
    """A plan to forget parties."""
    with made.opened() as store:
        return planning.plan_parties(store, ["tel:" + number for number in identities], made.deployment.seed("plan"))


def day_plan(made: TestStore, when: date, cls: str = "") -> Plan:
    """A plan to forget an event day or a class of it."""
    with made.opened() as store:
        return planning.plan_day(store, columns.day_of(when), cls, made.deployment.seed("plan")).plan


def everything_plan(made: TestStore) -> Plan:
    """A plan to forget everyone."""
    with made.opened() as store:
        return planning.plan_everything(store, made.deployment.seed("plan")).plan


def carry_out(made: TestStore, plan: Plan, typed: str = "") -> apply.Applied:
    """Apply a plan as its file says it."""
    with made.opened() as store:
        return apply.apply(store, made.custodians, plans.decode(plan.encode()), typed or plan.digest[:8])


def generation(made: TestStore) -> int:
    """How many changes the store has seen."""
    with made.opened() as store:
        return store.catalog.generation


def test_a_plan_changes_nothing_until_it_is_applied(made: TestStore) -> None:
    """Making a plan only reads."""
    before = generation(made)

    planned(made, ALICE)
    day_plan(made, FIRST)
    everything_plan(made)

    assert generation(made) == before
    assert len(held(made, "tel:" + ALICE)) == 1


def test_a_plan_names_nobody(made: TestStore) -> None:
    """Neither number nor tag nor label stands in a plan in clear, and its size is that of sixteen."""
    one, two = planned(made, ALICE).plan, planned(made, ALICE, BOB).plan
    with made.opened() as store:
        rows = store.parties().find(["tel:" + ALICE], [0]).rows

    data = one.encode() + base64.b64decode(canonical.decode(one.encode())["sealed"])
    assert ALICE.removeprefix("+").encode() not in data
    for part in (rows.tags.tobytes(), rows.labels.tobytes()):
        assert part not in data
        assert part.hex().encode() not in data
    assert len(one.sealed) == len(two.sealed) == 12 + 16 * 36 + 16
    assert (one.leaves, two.leaves) == (16, 16)


def test_a_forgotten_party_opens_nowhere(made: TestStore) -> None:
    """Its row is gone here and in the copy; others' records stay."""
    done = carry_out(made, planned(made, ALICE).plan)

    assert (done.act, done.rows, done.columns, done.custodians) == ("party", 1, 0, 0)
    assert done.milliseconds > 0
    assert (trees(made, "tel:" + ALICE), held(made, "tel:" + ALICE)) == (set(), [])
    assert len(held(made, "tel:" + BOB)) == 1
    with made.opened() as store:
        (copy,) = store.copies.vaults
        assert copy.load().trees[0].rows == store.root.trees[0].rows
        assert check(store).findings == ()


def test_one_party_in_several_trees_is_forgotten_in_all(made: TestStore) -> None:
    """A number called by a stranger's record, then a subscriber by registry, has two rows: both go."""
    made.ingest(registry({"msisdn": OFF_NET, "holder": "H1"}), by="synthetic-registry")
    assert trees(made, "tel:" + OFF_NET) == {0, 202607}

    assert carry_out(made, planned(made, OFF_NET).plan).rows == 2
    assert trees(made, "tel:" + OFF_NET) == set()


def test_a_linked_sim_is_forgotten_with_its_number(made: TestStore) -> None:
    """No row of the party stays, whichever of its names is given."""
    rows = [{"msisdn": ALICE, "imsi": SIM, "holder": "H1"}, {"msisdn": BOB, "imsi": SIM[:-1] + "2", "holder": "H2"}]
    made.ingest(registry(*rows), by="synthetic-registry")

    assert carry_out(made, planned(made, ALICE).plan).rows == 2
    made.forget("imsi:" + SIM[:-1] + "2")

    assert [trees(made, name) for name in ("imsi:" + SIM, "tel:" + BOB)] == [set(), set()]
    assert (facts(made, "tel:" + ALICE), held(made, "tel:" + BOB)) == ([], [])


def test_a_number_met_again_is_another_party(made: TestStore) -> None:
    """Forgetting looks back: new records make a new row, which opens nothing of before."""
    made.forget("tel:" + ALICE)
    made.ingest(calls(Call(ALICE, second=7)))

    assert held(made, "tel:" + ALICE) == [(FIRST, 7)]


def test_a_plan_made_before_a_change_of_holder_spares_the_new_holder(made: TestStore) -> None:
    """The label of a plan is that of the row it was made for; another row under the number stays."""
    made.ingest(registry({"msisdn": ALICE, "holder": "H1"}), by="synthetic-registry")
    plan = planned(made, ALICE).plan
    made.ingest(registry({"msisdn": ALICE, "holder": "H2", "since": FIRST.isoformat()}), by="synthetic-registry")

    assert carry_out(made, plan).rows == 0
    assert trees(made, "tel:" + ALICE) == {0}


def test_a_plan_counts_who_is_named_and_not_who_is_known(made: TestStore) -> None:
    """Numbers without any row are planned like all others, and nobody's row goes."""
    assert dict(planned(made, ALICE, "+99900000001").plan.counts) == {"parties": 2}
    assert carry_out(made, planned(made, "+99900000001").plan).rows == 0


def test_a_plan_of_another_store_is_refused(made: TestStore, tmp_path: Path) -> None:
    """Signed by the same headquarters or not: it names its store."""
    other = made_store(tmp_path / "other")
    plan = replace(everything_plan(other), signature=b"")

    with pytest.raises(NotAllowedError, match="is for store"):
        carry_out(made, plan.signed(made.deployment.seed("plan")))


def test_a_plan_that_headquarters_did_not_sign_is_refused(made: TestStore) -> None:
    """Another key's signature, none, or one of another plan forgets nobody."""
    plan = planned(made, ALICE).plan
    before = generation(made)

    for wrong in (plan.signed(crypto.random_bytes(32)), replace(plan, signature=b""), replace(plan, act="parties")):
        with pytest.raises(VerificationError):
            carry_out(made, wrong)
    assert generation(made) == before


@pytest.mark.parametrize("typed", ["1234567", "zzzzzzzz", "", "12345678"])
def test_a_plan_is_confirmed_by_its_digest(made: TestStore, typed: str) -> None:
    """Fewer than eight digits, or others, change nothing; more digits and capitals are fine."""
    plan = planned(made, ALICE).plan
    before = generation(made)

    with made.opened() as store, pytest.raises(NotAllowedError, match="nothing was changed"):
        apply.apply(store, made.custodians, plan, typed)

    assert generation(made) == before
    assert carry_out(made, plan, plan.digest[:20].upper()).rows == 1


@pytest.mark.parametrize("act", ["party", "day", "class", "everything"])
def test_a_plan_applies_once(made: TestStore, act: str) -> None:
    """Whatever its act, a plan that was applied opens for nobody: it cannot be kept and played again."""
    plan = {
        "party": lambda: planned(made, ALICE).plan,
        "day": lambda: day_plan(made, FIRST),
        "class": lambda: day_plan(made, FIRST, "place"),
        "everything": lambda: everything_plan(made),
    }[act]()
    carry_out(made, plan)
    before = generation(made)

    with pytest.raises(StateError, match="make a new one"):
        carry_out(made, plan)

    assert generation(made) == before


def test_plans_made_before_another_was_applied_are_dead(made: TestStore) -> None:
    """The plan key steps with every plan: what was not applied in time is made anew."""
    stale = [planned(made, BOB).plan, day_plan(made, FIRST), everything_plan(made)]
    carry_out(made, planned(made, ALICE).plan)

    for plan in stale:
        with pytest.raises(StateError, match="does not open any more"):
            carry_out(made, plan)


def test_a_plan_that_the_branch_refused_is_told_where_headquarters_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status and doctor say which, when and why: nobody at the branch has to pass it on."""
    made = made_store(tmp_path)
    refusals.note(made.root, Refusal(FIRST.isoformat(), "ab" * 32, "party", "it does not open any more"))

    monkeypatch.setenv("UNHELD_CLOCK", str(made.now))
    told = "\n".join(status.lines(status.status(made.deployment)))
    found = [one for one in doctor.examine(made.deployment) if one.name == "erasure"]

    assert f"ERASURE PLANS REFUSED: 1, the newest on {FIRST.isoformat()}: it does not open any more" in told
    assert [(one.level, one.advice) for one in found] == [("failure", "unheld erase plan, again")]
    assert f"plan abababab (party) was refused on {FIRST.isoformat()}" in found[0].words


def test_a_hundred_thousand_parties_go_in_one_commit(tmp_path: Path) -> None:
    """Many are forgotten at once under one entry of the log, and no one else is."""
    made = made_store(tmp_path)
    numbers = [f"tel:+999{10_000_000 + number}" for number in range(100_500)]
    with made.opened() as store:
        parties, _ = store.parties().add(0, Newcomers(numbers))
        store.commit({"kind": "rows", "rows": ""}, parties=parties)

    done = made.forget(*numbers[:100_000])

    assert done.rows == 100_000
    with made.opened() as store:
        assert store.root.trees[0].rows == 500
        assert store.parties().find(numbers, [0]).mask.sum() == 500
        assert store.catalog.erasures == 1


def test_a_day_forgotten_while_a_day_is_open_leaves_no_key(made: TestStore) -> None:
    """Keys of its records are gone from the open day and from every custodian, and its files leave at once."""
    done = made.forget_day(FIRST - timedelta(2))

    gone = {(cls, columns.day_of(FIRST) - 2) for cls in ("charge", "contact", "place")}
    assert (done.columns, done.custodians) == (3, 3)
    with made.opened() as store:
        kept = store.open_day()
        assert kept is not None
        assert not gone & set(kept.keys.keys)
        assert not gone & {(file.column.cls, file.column.event_day) for file in store.catalog.live_files()}
    pushes = made.custodians.open_day(columns.day_of(FIRST))
    assert len(pushes) == 3
    assert not any(gone & set(push.keys) for push in pushes)
    assert held(made, "tel:" + CAROL) == []
    assert len(held(made, "tel:" + ALICE)) == 1


def test_late_records_of_a_forgotten_day_are_counted_and_not_kept(made: TestStore) -> None:
    """What comes later for that day, on this sealing day or the next, finds no column."""
    made.forget_day(FIRST - timedelta(2))
    here = made.ingest(calls(Call(CAROL, FIRST - timedelta(2), 9)))
    made.close()
    made.open_day(SECOND)
    there = made.ingest(calls(Call(CAROL, FIRST - timedelta(2), 10)))

    gone = {f"{cls}: lapsed or erased, not stored": 1 for cls in ("charge", "contact", "place")}
    assert here.deliveries[0].counts == there.deliveries[0].counts == gone
    assert held(made, "tel:" + CAROL) == []


def test_a_class_forgotten_leaves_the_others(made: TestStore) -> None:
    """Places of a day go, charges and contacts of the same records stay, before and after the close."""
    made.forget_day(FIRST, "place")
    assert [len(held(made, "tel:" + ALICE, cls)) for cls in ("charge", "contact", "place")] == [1, 1, 0]

    made.close()

    assert [len(held(made, "tel:" + ALICE, cls)) for cls in ("charge", "contact", "place")] == [1, 1, 0]


@pytest.mark.parametrize("when", [FIRST, FIRST - timedelta(2)])
def test_forgetting_a_day_leaves_the_month_s_registry(made: TestStore, when: date) -> None:
    """A day has records; who holds a number is the month's, also on its first day."""
    made.ingest(registry({"msisdn": ALICE, "holder": "H1"}), by="synthetic-registry")

    made.forget_day(when)

    assert len(facts(made, "tel:" + ALICE)) == 1


def test_the_registry_of_a_month_can_be_forgotten(made: TestStore) -> None:
    """By the first of its month; any other day is refused with the right one."""
    made.ingest(registry({"msisdn": ALICE, "holder": "H1"}), by="synthetic-registry")
    with pytest.raises(BadInputError, match="2026-06-01"):
        made.forget_day(FIRST - timedelta(2), "identity")

    made.forget_day(FIRST, "identity")

    assert facts(made, "tel:" + ALICE) == []
    assert len(held(made, "tel:" + ALICE)) == 1


def test_a_day_to_come_or_a_class_unknown_cannot_be_forgotten(made: TestStore) -> None:
    """The plan is refused where it is made."""
    with pytest.raises(BadInputError, match="has not begun"):
        made.forget_day(SECOND)
    with pytest.raises(BadInputError, match="no class 'plaice'"):
        made.forget_day(FIRST, "plaice")


def test_a_custodian_that_refuses_an_erasing_is_asked_with_the_next_lapse(made: TestStore) -> None:
    """The erasing stands by the other two of three; the plan is kept and brought until the third has testified too."""
    with refusing("erase", 1):
        assert made.forget_day(FIRST).custodians == 2
        made.lapse()
        assert len(list((made.root / "pending").iterdir())) == 1

    made.lapse()

    assert list((made.root / "pending").iterdir()) == []
    erased = {path.name[:10] for path in (made.root / "attestations").glob("*-erased-*")}
    assert erased == {"1-0-erased", "1-1-erased", "1-2-erased"}


def test_an_erasing_that_too_few_testify_to_does_not_stand(made: TestStore) -> None:
    """Two of three refused, so that two may still open the day: the plan did not apply and can be applied again."""
    plan = day_plan(made, FIRST)
    with refusing("erase", 1, 2), pytest.raises(PartialError, match="1 of 2 needed"):
        carry_out(made, plan)

    assert carry_out(made, plan).custodians == 3


def test_everything_is_forgotten_and_the_next_day_works(made: TestStore) -> None:
    """No row, key, file or parked batch is left anywhere; tomorrow the branch opens as a new one would."""
    made.park(calls(Call(BOB, second=70)))
    done = made.everything()

    assert (done.act, done.rows, done.custodians) == ("everything", 4, 3)
    assert [trees(made, "tel:" + number) for number in (ALICE, BOB, CAROL, OFF_NET)] == [set()] * 4
    assert not [path for path in (made.root / "blocks").rglob("*") if path.is_file()]
    assert not list((made.root / "parked").iterdir())
    assert [client.ask(index, "status")["keys"] for client in made.custodians.clients for index in range(3)] == [0] * 3
    with pytest.raises(StateError, match="0 of 2 needed"):
        made.custodians.open_day(columns.day_of(FIRST))

    made.open_day(SECOND)
    made.ingest(calls(Call(ALICE, SECOND, 5)))
    made.close()
    assert held(made, "tel:" + ALICE) == [(SECOND, 5)]
    with made.opened() as store:
        assert check(store).findings == ()


def test_everything_can_be_forgotten_twice(made: TestStore) -> None:
    """A second plan on an empty store applies, so that what a crash left can be ended."""
    made.everything()

    assert made.everything().rows == 0


def test_a_box_leads_to_the_opening_of_its_act(made: TestStore) -> None:
    """With claim code, box and public log a person holds a receipt that verifies; before the cadence it says so."""
    other, mine = planned(made, BOB), None
    carry_out(made, other.plan)
    mine = planned(made, ALICE)
    carry_out(made, mine.plan)
    code = receipt.parse_claim_code(mine.claim_code)
    party = receipt.open_box(code, mine.box)
    log, key = tiles.open_log(str(made.deployment.log)), made.deployment.log_key()
    assert (party.identity, party.store) == ("tel:" + ALICE, made.deployment.policy().store_id.hex())
    with pytest.raises(CannotVerifyError, match="next cadence"):
        receipt.opening_of(party, log, key)

    made.publish()
    opening = receipt.opening_of(party, log, key)

    assert (opening.statement["kind"], opening.statement["root"]) == ("erase-parties", mine.plan.root.hex())
    assert opening.statement["copies"] == 2
    said = receipt.verify(receipt.complete(opening, party, log, key), key)
    assert said.party == party
    with pytest.raises(WrongKeyError):
        receipt.open_box(receipt.new_claim_code(), mine.box)


def test_an_act_that_a_party_is_not_in_is_not_its_own(made: TestStore) -> None:
    """A party's path leads to one act's root; with only others' acts in the log nothing is found."""
    stranger = planned(made, ALICE)
    party = receipt.open_box(receipt.parse_claim_code(stranger.claim_code), stranger.box)
    made.forget("tel:" + BOB)
    made.forget_day(FIRST)
    made.publish()

    with pytest.raises(CannotVerifyError):
        receipt.opening_of(party, tiles.open_log(str(made.deployment.log)), made.deployment.log_key())


def test_only_a_plan_for_one_party_makes_a_box(made: TestStore) -> None:
    """Of many there is no box here, and no code."""
    many = planned(made, ALICE, BOB)

    assert (many.box, many.claim_code) == (b"", "")
    assert planned(made, ALICE).claim_code not in repr(planned(made, ALICE))
