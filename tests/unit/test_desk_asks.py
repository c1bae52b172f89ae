"""What a custodian does when asked, and when it does not: days, plans, freezes, clocks, backups."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.ceremony import DAY, NOON, SEEDS, STORE, World, party_plan, plan_of
from unheld_custodian import kept, moves
from unheld_custodian.state import Whole
from unheld_slots.slot import FileSlot
from unheld_verify import columns, custody, note, signed, spoken
from unheld_verify.custody import BRANCH
from unheld_verify.errors import (
    BadInputError,
    NotAllowedError,
    RolledBackError,
    SealedError,
    StateError,
    VerificationError,
)
from unheld_verify.parked import ParkedHeader

TODAY = {"day": columns.day_text(DAY)}
TOMORROW = {"day": columns.day_text(DAY + 1)}
MIDNIGHT = (DAY + 1) * 86_400


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.of(tmp_path, 1).found()


def test_today_is_handed_out(world: World) -> None:
    """The push is the living window of today, and the answer says how old the memory is."""
    answer = world.ask(0, "open", TODAY)
    assert list(custody.push_of(answer).keys) == columns.window(DAY, 45, columns.LIFETIME_DEFAULTS)
    assert answer["generation"] == world.desks[0].overview().generation


def test_the_same_ask_counts_once(world: World) -> None:
    """A line that brings a letter twice uses up nothing."""
    letter = world.letter(0, "open", TODAY)
    first, second = (custody.push_of(letter.sent(world.desks[0])) for _ in range(2))
    assert first.keys == second.keys
    assert world.ask(0, "status")["open"] == [["2026-07-08", 1]]


def test_the_ninth_ask_for_a_day_is_refused(world: World) -> None:
    """A branch that loses its memory all day long has been taken, or parks."""
    for _ in range(8):
        world.ask(0, "open", TODAY)
    with pytest.raises(NotAllowedError, match="8 times"):
        world.ask(0, "open", TODAY)
    assert world.ask(0, "status")["open"] == [["2026-07-08", 8]]


def test_tomorrow_is_handed_out_five_minutes_early(world: World) -> None:
    """The branch has its new keys before midnight, by the custodian's clock."""
    world.at(MIDNIGHT - 300)
    assert custody.push_of(world.ask(0, "open", TOMORROW)).day == DAY + 1


def test_tomorrow_is_not_handed_out_earlier(world: World) -> None:
    """Six minutes before midnight it is still today."""
    world.at(MIDNIGHT - 301)
    with pytest.raises(StateError, match="today is 2026-07-08"):
        world.ask(0, "open", TOMORROW)


def test_yesterday_is_not_handed_out(world: World) -> None:
    """Also a day that nobody closed stays with who has it."""
    world.ask(0, "open", TODAY)
    world.at(MIDNIGHT)
    with pytest.raises(StateError, match="today is 2026-07-09"):
        world.ask(0, "open", TODAY)


def test_the_callers_clock_opens_nothing(world: World) -> None:
    """An ask dated tomorrow does not make it tomorrow."""
    world.at(MIDNIGHT - 400)
    with pytest.raises(StateError, match="is not open"):
        world.ask(0, "open", TOMORROW, at=MIDNIGHT + 10)


def test_a_closed_day_is_over(world: World) -> None:
    """A close that the branch reports holds against the branch."""
    world.ask(0, "open", TODAY)
    world.ask(0, "close", TODAY)
    with pytest.raises(StateError, match="is over"):
        world.ask(0, "open", TODAY)


def test_a_plan_erases_its_columns(world: World) -> None:
    """Headquarters' signature is enough, whoever brings it."""
    world.ask(0, "open", TODAY)
    answer = world.ask(0, "erase", {"plan": plan_of("class", DAY, "place")})
    testimony = custody.attestation_of(answer).read(world.roster.signs[0])  # type: ignore[union-attr]
    assert testimony["columns"] == [["place", "2026-07-08"]]
    assert ("place", DAY) not in custody.push_of(world.ask(0, "open", TODAY)).keys


def test_headquarters_may_bring_a_plan_itself(world: World) -> None:
    """The way past a branch that was taken."""
    world.ask(0, "open", TODAY)
    world.ask(0, "erase-everything", {"plan": plan_of("everything")}, role="headquarters")
    assert world.ask(0, "status")["keys"] == 0


@pytest.mark.parametrize("act", ["erase", "erase-everything"])
def test_a_plan_that_the_branch_signed_erases_nothing(world: World, act: str) -> None:
    """The branch brings plans and makes none."""
    world.ask(0, "open", TODAY)
    planned = plan_of("everything" if act == "erase-everything" else "day", seed=SEEDS[BRANCH])
    before = world.ask(0, "status")
    with pytest.raises(VerificationError):
        world.ask(0, act, {"plan": planned})
    assert world.ask(0, "status") == before


@pytest.mark.parametrize(("act", "planned"), [("erase", "everything"), ("erase-everything", "day")])
def test_a_plan_for_another_act_erases_nothing(world: World, act: str, planned: str) -> None:
    """A plan for a day is none for everything, and the other way round."""
    with pytest.raises(BadInputError, match="a plan to forget"):
        world.ask(0, act, {"plan": plan_of(planned)})


def test_a_plan_for_everything_is_obeyed_once(world: World) -> None:
    """Whoever keeps the plan of July cannot erase August with it."""
    planned = plan_of("everything")
    world.ask(0, "erase-everything", {"plan": planned})
    world.pass_days(1)
    world.ask(0, "open", TOMORROW)
    held = world.ask(0, "status")["keys"]
    world.ask(0, "erase-everything", {"plan": planned})
    assert world.ask(0, "status")["keys"] == held > 0


def test_what_is_due_lapses_by_itself(world: World) -> None:
    """No ask is needed for it, only the calendar."""
    world.ask(0, "open", TODAY)
    world.at(NOON + 7 * 86_400 - 4 * 86_400)
    world.tick(0)
    world.at(NOON + 6 * 86_400)
    world.tick(0)
    (before,) = world.desks[0]._kept.whole.sets.values()
    world.at(NOON + 7 * 86_400)
    world.tick(0)
    (after,) = world.desks[0]._kept.whole.sets.values()
    assert [any(name[:2] == (3, DAY) for name in state.keys) for state in (before, after)] == [True, False]


def test_a_silent_headquarters_freezes_and_lapses_nothing_early(world: World) -> None:
    """After fifteen days without a beat nothing is handed out; keys go on their date and not before."""
    world.ask(0, "open", TODAY)
    for _ in range(14):
        world.at(world.clocks[0].second + 86_400)
        world.tick(0)
    assert world.ask(0, "open", {"day": columns.day_text(world.today)})["day"] == columns.day_text(world.today)
    keys = world.ask(0, "status")["keys"]
    world.at(world.clocks[0].second + 86_400)
    with pytest.raises(StateError, match="frozen by silence"):
        world.ask(0, "open", {"day": columns.day_text(world.today)})
    (state,) = world.desks[0]._kept.whole.sets.values()
    assert all(
        columns.due(columns.CLASS_NAMES[cls], day, state.lifetimes) > world.today for cls, day, _, _ in state.keys
    )
    assert 0 < len(state.keys) < keys
    world.ask(0, "beat", {"day": columns.day_text(world.today)})
    assert world.ask(0, "open", {"day": columns.day_text(world.today)})


@pytest.mark.parametrize("act", ["open", "unpark", "evaluate"])
def test_frozen_by_headquarters_nothing_is_handed_out(world: World, act: str) -> None:
    """Not a day, not a parked batch, not an answer."""
    world.ask(0, "freeze", {"words": "the branch was entered"})
    with pytest.raises(StateError, match="frozen by headquarters"):
        world.ask(0, act, TODAY)


def test_frozen_a_custodian_still_closes_erases_and_lapses(world: World) -> None:
    """A freeze keeps nothing from being forgotten."""
    world.ask(0, "open", TODAY)
    world.ask(0, "freeze", {"words": ""})
    world.ask(0, "close", TODAY)
    world.ask(0, "lapse")
    world.ask(0, "erase", {"plan": plan_of("day", DAY)})
    assert world.ask(0, "status")["open"] == []


def test_headquarters_thaws_what_it_froze(world: World) -> None:
    """A later thaw ends it."""
    world.ask(0, "freeze", {"words": ""})
    world.at(NOON + 1)
    assert world.ask(0, "thaw")["frozen"] == ""


@pytest.mark.parametrize("act", ["freeze", "thaw", "beat"])
def test_an_older_word_of_headquarters_is_not_heard(world: World, act: str) -> None:
    """Who recorded yesterday's thaw cannot play it today."""
    old = world.letter(0, act, {"words": "", "day": "2026-07-08"})
    world.at(NOON + 60)
    world.ask(0, "freeze", {"words": ""})
    with pytest.raises(NotAllowedError, match="older than what headquarters said last"):
        old.sent(world.desks[0])


def test_a_thaw_of_the_same_second_does_not_undo_a_freeze(world: World) -> None:
    """Of two words of one second the safer one stands."""
    world.ask(0, "freeze", {"words": ""})
    with pytest.raises(NotAllowedError, match="older"):
        world.ask(0, "thaw")


def test_a_person_freezes_and_nobody_else_thaws_it(world: World) -> None:
    """Who is pressed at headquarters cannot undo what was done here."""
    world.desks[0].freeze("pressed")
    world.at(NOON + 1)
    assert world.ask(0, "thaw")["frozen"] == "person"
    with pytest.raises(StateError, match="frozen by person"):
        world.ask(0, "open", TODAY)
    world.desks[0].thaw()
    assert world.ask(0, "open", TODAY)


@pytest.mark.parametrize("day", ["2026-07-06", "2026-07-10"])
def test_a_beat_of_another_date_is_refused(world: World, day: str) -> None:
    """A beat is evidence of the date, or none."""
    with pytest.raises(NotAllowedError, match="a beat of"):
        world.ask(0, "beat", {"day": day})


def test_a_clock_set_back_opens_no_day_again(world: World) -> None:
    """The latest second seen stands, also after a restart; what is due stays gone."""
    world.pass_days(2)
    world.ask(0, "open", {"day": columns.day_text(DAY + 2)})
    world.at(NOON)
    world.reopen(0)
    with pytest.raises(StateError, match="today is 2026-07-10"):
        world.ask(0, "open", TODAY)


def test_a_jump_of_the_clock_destroys_nothing(world: World) -> None:
    """A device that wakes up in 2030 erases nothing and hands out nothing."""
    world.ask(0, "open", TODAY)
    keys = world.ask(0, "status")["keys"]
    world.at(NOON + 1400 * 86_400)
    world.tick(0)
    world.reopen(0)
    assert world.ask(0, "status")["keys"] == keys
    world.ask(0, "lapse")
    assert world.ask(0, "status")["keys"] == keys
    for act in ("open", "close", "unpark", "tombstone", "evaluate", "erase", "erase-everything"):
        with pytest.raises(StateError, match="confirms the date"):
            world.ask(0, act, {"day": columns.day_text(world.today)})
    assert world.desks[0].overview().jumped


def test_a_beat_confirms_the_date(world: World) -> None:
    """A custodian that was off for a week goes on as soon as it hears headquarters."""
    world.at(NOON + 7 * 86_400)
    world.ask(0, "beat", {"day": columns.day_text(DAY + 7)})
    assert world.ask(0, "open", {"day": columns.day_text(DAY + 7)})


def test_the_person_confirms_the_date(world: World) -> None:
    """With headquarters silent for good the keys still lapse: the person at the custodian looks at a calendar."""
    world.ask(0, "open", TODAY)
    world.at(NOON + 100 * 86_400)
    world.desks[0].believe(DAY + 100)
    assert world.ask(0, "status")["lapses"] > columns.day_text(DAY + 100)


def test_a_date_that_the_clock_does_not_say_is_not_believed(world: World) -> None:
    """A slip of the finger erases nothing."""
    world.at(NOON + 100 * 86_400)
    with pytest.raises(NotAllowedError, match="another date"):
        world.desks[0].believe(DAY + 10)
    assert world.desks[0].overview().jumped


def put_back(world: World) -> None:
    """An old copy of folder and slot, after the custodian went on."""
    shutil.copytree(world.folder / "c0", world.folder / "old")
    shutil.copy(world.folder / "0.slot", world.folder / "old.slot")
    world.ask(0, "open", TODAY)
    world.ask(0, "erase", {"plan": plan_of("day", DAY)})
    told = world.ask(0, "status")
    world.seen[0] = [told["generation"], told["tag"]]
    shutil.rmtree(world.folder / "c0")
    shutil.copytree(world.folder / "old", world.folder / "c0")
    shutil.copy(world.folder / "old.slot", world.folder / "0.slot")
    world.reopen(0)


@pytest.mark.parametrize("act", ["open", "close", "lapse", "unpark", "erase", "freeze", "evaluate", "park"])
def test_a_custodian_put_back_from_a_backup_serves_nobody(world: World, act: str) -> None:
    """Erased keys that came back with an old disk are handed to nobody."""
    put_back(world)
    with pytest.raises(RolledBackError, match="put back from a backup"):
        world.ask(0, act, TODAY)


def test_what_headquarters_knows_of_a_backup_is_kept(world: World) -> None:
    """Writing on does not make an old copy new: the custodian stays out of this set."""
    put_back(world)
    assert world.ask(0, "beat", TODAY)["rolled_back"]
    with pytest.raises(RolledBackError):
        world.ask(0, "open", {**TODAY, "seen": [0, ""]})


def test_a_custodian_put_back_makes_no_key_of_a_later_day(world: World) -> None:
    """Nothing that it derives would ever be handed out: from headquarters' word on it holds no chain."""
    put_back(world)
    world.ask(0, "beat", TODAY)
    world.at(NOON + 2 * 86_400)
    world.reopen(0)
    state = world.desks[0]._kept.whole.sets[STORE, 1]
    assert (state.chains, state.keys) == ({}, {})
    assert state.next_day == DAY + 2


def test_a_custodian_that_wrote_on_after_it_was_put_back_is_known_by_its_tag(world: World) -> None:
    """It passes the generation that its askers knew, and is not the one that they knew."""
    put_back(world)
    known = world.seen[0]
    for _ in range(8):
        world.ask(0, "open", {**TODAY, "seen": [0, ""]})
    assert world.desks[0].overview().generation > known[0]

    with pytest.raises(RolledBackError):
        world.ask(0, "open", TODAY)
    with pytest.raises(RolledBackError):
        world.ask(0, "open", {**TODAY, "seen": [known[0] + 1, known[1]]})


def test_the_status_of_one_put_back_says_so_to_the_branch(world: World) -> None:
    """A branch whose word is not kept would otherwise take the copy's generation for the newest."""
    put_back(world)
    assert world.ask(0, "status")["rolled_back"]
    assert not world.ask(0, "status", {"seen": [0, ""]})["rolled_back"]


@pytest.mark.parametrize("back", [0, 1, 7, kept.TAGS_MOST - 1])
def test_every_generation_is_known_by_its_own_tag(tmp_path: Path, back: int) -> None:
    """As far back as tags are kept; another tag of it is unknown, and what is older is believed."""
    whole = Whole("x", {b"": (0, 0, 0)}, tags=b"".join(number.to_bytes(8, "big") for number in range(kept.TAGS_MOST)))
    memory = kept.Kept.create(tmp_path / "c", FileSlot.create(tmp_path / "slot"), whole)
    tags = memory.whole.tags
    memory._sealed = SimpleNamespace(generation=5000)  # type: ignore[assignment]
    tag = tags[len(tags) - 8 * (back + 1) :][:8].hex()

    assert memory.knows(5000 - back, tag)
    assert not memory.knows(5000 - back, "ff" * 8)
    assert not memory.knows(5001, tag)
    assert memory.knows(5000 - kept.TAGS_MOST, "")


def test_the_branch_alone_ends_no_custodian(world: World) -> None:
    """A number made up at a branch that was taken is refused, and forgotten."""
    with pytest.raises(RolledBackError):
        world.ask(0, "open", {**TODAY, "seen": [10**9, "00" * 8]})
    assert world.ask(0, "open", TODAY)


def test_parked_batches_of_others_do_not_open(world: World) -> None:
    """A header that is none is bad input, under seal."""
    world.ask(0, "park")
    with pytest.raises(BadInputError):
        world.ask(0, "unpark", {"header": "e30="})


def test_parking_keys_are_signed(world: World) -> None:
    """What the branch keeps to park under is the custodian's own word."""
    said = signed.from_json(world.ask(0, "park")["parking"], "parking")
    publics = custody.parking_of(said, world.address(0), world.roster.signs[0])  # type: ignore[union-attr]
    assert len(publics) == 26


def test_tombstones_are_held_until_nothing_can_live(world: World) -> None:
    """Ninety days after the forgetting the last key under that label is gone, and so is its hash."""
    assert world.ask(0, "tombstone", {"plan": party_plan(), "hashes": ["ab" * 16]})["hashes"] == ["ab" * 16]
    world.after(89)
    assert world.ask(0, "status")["tombstones"] == 1
    world.after(1)
    assert world.ask(0, "status")["tombstones"] == 0


def test_a_plan_brings_no_more_tombstones_than_it_has_leaves(world: World) -> None:
    """Over all asks: who holds the branch's key and one plan for one party does not end everybody's own access."""
    many = [f"{number:032x}" for number in range(30)]
    assert world.ask(0, "tombstone", {"plan": party_plan(), "hashes": many[:10]})["hashes"] == many[:10]
    assert world.ask(0, "tombstone", {"plan": party_plan(), "hashes": many[:10]})["hashes"] == many[:10]
    world.reopen(0)
    assert world.ask(0, "tombstone", {"plan": party_plan(), "hashes": many})["hashes"] == many[:16]
    assert world.ask(0, "tombstone", {"plan": party_plan(), "hashes": many[20:]})["hashes"] == []
    another = party_plan(leaves=32, act="parties")
    assert world.ask(0, "tombstone", {"plan": another, "hashes": many})["hashes"] == many


def test_the_branch_alone_names_no_tombstone(world: World) -> None:
    """A plan that it signed itself ends nobody's own access."""
    with pytest.raises(VerificationError):
        world.ask(0, "tombstone", {"plan": party_plan(seed=SEEDS[BRANCH]), "hashes": ["ab" * 16]})
    assert world.ask(0, "status")["tombstones"] == 0


@pytest.mark.parametrize("act", ["day", "class", "everything"])
def test_a_plan_that_forgets_no_party_brings_no_tombstone(world: World, act: str) -> None:
    """Only a plan to forget parties names labels."""
    with pytest.raises(BadInputError, match="forgets no label"):
        world.ask(0, "tombstone", {"plan": plan_of(act, cls="place"), "hashes": ["ab" * 16]})


def test_an_old_plan_brings_no_tombstone(world: World) -> None:
    """Its count is forgotten with it: once nothing is left of whom it forgot, it ends nobody's own access any more."""
    world.ask(0, "tombstone", {"plan": party_plan(), "hashes": ["ab" * 16]})
    old = DAY - max(columns.LIFETIME_DEFAULTS.values())
    with pytest.raises(NotAllowedError, match="so old"):
        world.ask(0, "tombstone", {"plan": party_plan(old), "hashes": ["cd" * 16]})
    (state,) = world.desks[0]._kept.whole.sets.values()
    ((taken, until),) = state.entombed.values()
    assert (taken, until) == (1, DAY + max(columns.LIFETIME_DEFAULTS.values()))
    assert moves.lapsed(state, until - 1).entombed
    assert not moves.lapsed(state, until).entombed


def test_retiring_needs_the_person_and_ends_the_chains(world: World) -> None:
    """From its last day on a retired set hands out nothing; what it holds lapses in its time."""
    body = {"from": columns.day_text(DAY + 1)}
    assert world.ask(0, "retire", body)["decision"] == ""
    world.approve("retire")
    assert world.ask(0, "retire", body)["decision"] == "approved"
    world.ask(0, "open", TODAY)
    world.pass_days(1)
    with pytest.raises(StateError, match="retired from 2026-07-09"):
        world.ask(0, "open", TOMORROW)
    (state,) = world.desks[0]._kept.whole.sets.values()
    assert (dict(state.chains), bool(state.keys)) == ({}, True)


def test_a_retired_set_is_dropped_when_nothing_is_left(world: World) -> None:
    """Two longest lifetimes later there is nothing to testify any more."""
    body = {"from": columns.day_text(DAY)}
    world.ask(0, "retire", body)
    world.approve("retire")
    world.ask(0, "retire", body)
    world.after(180)
    assert len(world.desks[0].overview().sets) == 1
    world.at(NOON + 181 * 86_400)
    assert world.desks[0].overview().sets == ()


def test_a_drill_ends_with_the_persons_four_words(world: World) -> None:
    """Headquarters reads them by voice; wrong ones are not taken."""
    name = bytes(range(32))
    assert world.ask(0, "drill", {"drill": name.hex()})["decision"] == ""
    (request,) = [one for one in world.desks[0].requests() if one.kind == "drill"]
    with pytest.raises(NotAllowedError, match="four words"):
        world.desks[0].decide(request.id, True, "some other words here")
    world.desks[0].decide(request.id, True, " ".join(spoken.words(name)).upper())
    assert world.ask(0, "drill", {"drill": name.hex()})["decision"] == "approved"


def test_a_drill_cannot_take_the_name_of_another_request(world: World) -> None:
    """Nobody reads a decision that was made about something else."""
    taken = next(one.id for one in world.desks[0].requests() if one.kind == "roster")
    with pytest.raises(BadInputError, match="is there already"):
        world.ask(0, "drill", {"drill": taken})


def test_a_decision_is_made_once(world: World) -> None:
    """Approving again is the same; refusing afterwards is told as too late, and an unknown request as unknown."""
    taken = next(one for one in world.desks[0].requests() if one.kind == "draft")
    world.desks[0].decide(taken.id, True)
    with pytest.raises(StateError, match="approved already"):
        world.desks[0].decide(taken.id, False)
    with pytest.raises(BadInputError, match="no such request"):
        world.desks[0].decide("00", True)


def test_a_lapsed_period_unparks_nothing(world: World) -> None:
    """A batch whose key went is sealed for ever, and the words say so."""
    header = ParkedHeader(world.address(0).store, bytes(16), "outage", 1, 1, 1, 1, (b"box",))
    with pytest.raises(SealedError, match="has lapsed"):
        world.ask(0, "unpark", {"header": note.base64_text(header.encode())})
