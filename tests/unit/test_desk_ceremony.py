"""The making of a set, from a custodian's side: the person decides, and nothing counts before it is founded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.ceremony import NOON, SEEDS, World, draft, refused
from unheld_custodian.desk import Desk
from unheld_slots.slot import FileSlot
from unheld_verify import columns, crypto, custody, note, roster, signed, spoken
from unheld_verify.custody import HEADQUARTERS
from unheld_verify.errors import BadInputError, NotAllowedError
from unheld_verify.roster import Draft
from unheld_verify.signed import Signed

HQ = SEEDS[HEADQUARTERS]
WAIT = custody.wait()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.of(tmp_path)


def proposed(made: Draft | None = None, seed: bytes = HQ) -> Signed:
    """A draft that headquarters signed."""
    return signed.sign((made or draft()).document(), seed)


def rostered(world: World, made: Draft | None = None) -> Signed:
    """The roster after all joined."""
    said = proposed(made)
    world.tell(said)
    world.approve("draft")
    return roster.roster(said, world.to_all(said), HQ)


def dealt(world: World, made: Draft | None = None) -> tuple[Signed, list[Signed]]:
    """The roster and all deals."""
    listed = rostered(world, made)
    return listed, world.to_all(listed)


def scripted(world: World, made: Draft | None = None) -> Signed:
    """The transcript after all dealt."""
    listed, deals = dealt(world, made)
    return roster.transcript(listed, deals, HQ)


def compared(world: World) -> tuple[Signed, list[Signed]]:
    """The transcript and all confirmations, after the words were compared."""
    script = scripted(world)
    world.tell(script)
    world.approve("roster")
    return script, world.to_all(script)


def test_a_draft_waits_for_the_person(world: World) -> None:
    """The first answer is wait, and the request says in one sentence what is asked."""
    assert world.tell(proposed()) == [WAIT] * 3
    (request,) = world.desks[1].requests()
    assert (request.kind, request.words, request.decision, request.members) == ("draft", (), "", draft().names)
    assert "Any 2 of you together can open a closed day" in request.sentence


def test_asking_again_asks_the_person_once(world: World) -> None:
    """Headquarters repeats itself; the page does not."""
    for _ in range(3):
        world.tell(proposed())
    assert len(world.desks[0].requests()) == 1


def test_every_document_that_comes_again_gets_the_same_answer(world: World) -> None:
    """Also after a restart: joins, deals and confirmations are made once."""
    script, _ = compared(world)
    listed = signed.from_json(script.document["roster"])
    said = signed.from_json(listed.document["draft"])
    first = [world.tell(one) for one in (said, listed, script)]
    for index in range(3):
        world.reopen(index)
    assert [world.tell(one) for one in (said, listed, script)] == first


def test_a_refused_draft_is_told_signed(world: World) -> None:
    """Headquarters sees that a person said no, and to what."""
    said = proposed()
    world.tell(said)
    world.desks[0].decide(world.desks[0].requests()[0].id, False)
    answer = signed.decode(world.desks[0].handle(said.encode()), "refused")
    document = answer.by(bytes.fromhex(answer.document["sign"]))
    assert (document["about"], document["from"]) == (said.digest.hex(), 0)


def test_a_person_is_told_where_fewer_would_open(world: World) -> None:
    """A set that needs fewer than the one they are in says so in capitals; one that needs as many does not."""
    world.found()
    world.tell(proposed(draft(set=2)))
    world.tell(proposed(draft(set=3, t=1)))
    said = [one.sentence for one in world.desks[0].requests() if one.kind == "draft"][:2]
    assert ["FEWER THAN NOW: of the set that you are in, 2 are needed." in one for one in said] == [True, False]


def test_dealing_needs_no_person(world: World) -> None:
    """Nothing that is dealt counts before the words were compared, so nobody is asked for it."""
    _, deals = dealt(world)
    assert [one.kind for one in deals] == ["deal"] * 3
    assert [one.kind for one in world.desks[0].requests()] == ["draft"]


def test_a_transcript_is_confirmed_with_the_words_that_were_heard(world: World) -> None:
    """Words of another list are not taken, and then nothing is confirmed."""
    script = scripted(world)
    assert world.tell(script) == [WAIT] * 3
    request = world.desks[0].requests()[0]
    assert (request.kind, request.words) == ("roster", spoken.words(roster.spoken_digest(script)))
    for wrong in ("babab babab babab babab", "", " ".join(request.words[:3]), " ".join(reversed(request.words))):
        with pytest.raises(NotAllowedError, match="stop if they differ"):
            world.desks[0].decide(request.id, True, wrong)
    assert world.desks[0].handle(script.encode()) == WAIT
    world.desks[0].decide(request.id, True, "-".join(request.words).upper())
    assert signed.decode(world.desks[0].handle(script.encode())).kind == "confirm"


def test_refused_words_leave_no_secret(world: World) -> None:
    """Seeds and keys of the ceremony are gone with the press of Refuse, also if headquarters never asks again."""
    script = scripted(world)
    world.tell(script)
    before = next(iter(world.desks[0]._kept.whole.ceremonies.values()))
    world.desks[0].decide(world.desks[0].requests()[0].id, False)
    plaintext = world.desks[0]._kept._sealed.load()
    for secret in (before.sign, before.transport, *before.drawn.values()):
        assert secret.hex().encode() not in plaintext
    answer = signed.decode(world.desks[0].handle(script.encode()), "refused")
    assert answer.by(crypto.sign_public(before.sign))["about"] == script.digest.hex()
    assert world.desks[0].handle(proposed(draft(freeze_days=20)).encode()) == WAIT


def test_an_invitation_that_is_refused_leaves_no_key(world: World) -> None:
    """Nor does the key that was to sign for this set stay."""
    world.tell(proposed())
    before = next(iter(world.desks[0]._kept.whole.ceremonies.values()))
    world.desks[0].decide(world.desks[0].requests()[0].id, False)
    world.desks[0].decide(world.desks[0].requests()[0].id, False)
    assert before.sign.hex().encode() not in world.desks[0]._kept._sealed.load()


def test_the_founded_set_begins_where_the_draft_says(world: World) -> None:
    """From then on there is a door, and the chains are those that were dealt: any two custodians agree."""
    world.found()
    pushes = [custody.push_of(world.ask(index, "open", {"day": "2026-07-08"})) for index in range(3)]
    assert pushes[0].checks[2] == pushes[1].checks[2]
    assert pushes[0].checks[1] == pushes[2].checks[1]
    assert pushes[1].checks[0] == pushes[2].checks[0]


def test_before_it_is_founded_nothing_counts(world: World) -> None:
    """No door, no day, though every seed is there."""
    compared(world)
    assert "no set" in refused(world.desks[0].handle(custody.knock(custody.Address(draft().store, 1, 0))))


def test_without_a_quorum_a_set_is_not_founded(world: World) -> None:
    """Headquarters cannot leave out who did not confirm."""
    script, confirms = compared(world)
    listed = [one.as_json() for one in confirms[:2]]
    document = {"v": 1, "kind": "founded", "transcript": script.as_json(), "confirms": listed}
    assert "3 are needed" in refused(world.desks[0].handle(signed.sign(document, HQ).encode()))
    assert world.desks[0].overview().sets == ()


def test_one_time_keys_are_gone_after_the_confirmation(world: World) -> None:
    """A device that is taken after the ceremony opens no recorded seed."""
    script = scripted(world)
    before = [next(iter(desk._kept.whole.ceremonies.values())).transport for desk in world.desks]
    world.tell(script)
    world.approve("roster")
    world.tell(script)
    for key, desk in zip(before, world.desks, strict=True):
        assert len(key) == 96
        assert key.hex().encode() not in desk._kept._sealed.load()


def test_a_seed_that_does_not_fit_is_complained_of(world: World) -> None:
    """The dealer is named, nothing is kept, and a new draft may come."""
    listed, deals = dealt(world)
    bent = dict(deals[0].document)
    boxes = [dict(box) for box in bent["boxes"]]
    boxes[0]["box"], boxes[1]["box"] = boxes[1]["box"], boxes[0]["box"]
    seed = next(iter(world.desks[0]._kept.whole.ceremonies.values())).sign
    deals[0] = signed.sign(bent | {"boxes": boxes}, seed)
    script = roster.transcript(listed, deals, HQ)
    answers = world.tell(script)
    assert answers[0] == WAIT
    for desk, answer in zip(world.desks[1:], answers[1:], strict=True):
        assert "custodian 1" in signed.decode(answer, "complaint").document["words"]
        left = next(iter(desk._kept.whole.ceremonies.values()))
        assert (left.sign, left.transport, left.drawn) == (b"", b"", {})
        assert desk.handle(proposed(draft(freeze_days=20)).encode()) == WAIT


def test_a_second_roster_is_not_dealt_for(world: World) -> None:
    """Headquarters that shows one list to some and another to others gets one deal."""
    listed, _ = dealt(world)
    joins = [signed.from_json(one, "join") for one in listed.document["joins"]]
    seed = b"z" * 32
    joins[2] = roster.join(signed.from_json(listed.document["draft"]), 2, seed, crypto.park_keypair()[1])
    other = roster.roster(signed.from_json(listed.document["draft"]), joins, HQ)
    assert "dealt for another roster" in refused(world.desks[0].handle(other.encode()))


def test_a_roster_with_other_keys_for_this_custodian_is_refused(world: World) -> None:
    """Nobody deals in a set in which somebody else has its place."""
    listed = rostered(world)
    joins = [signed.from_json(one, "join") for one in listed.document["joins"]]
    joins[0] = roster.join(signed.from_json(listed.document["draft"]), 0, b"z" * 32, crypto.park_keypair()[1])
    other = roster.roster(signed.from_json(listed.document["draft"]), joins, HQ)
    assert "is not the one that it made" in refused(world.desks[0].handle(other.encode()))


def test_a_second_transcript_is_not_judged(world: World) -> None:
    """The one-time key judged one, and is gone."""
    script, _ = compared(world)
    again = signed.sign(script.document | {"deals": script.document["deals"]}, HQ)
    assert world.desks[0].handle(again.encode()) == world.desks[0].handle(script.encode())
    listed = signed.from_json(script.document["roster"])
    deals = [signed.from_json(one) for one in script.document["deals"]]
    seed = next(iter(world.desks[1]._kept.whole.ceremonies.values())).sign
    deals[1] = roster.deal(roster.roster_of(listed), 1, dict.fromkeys(roster.dealt(3, 2, 1), b"w" * 32), seed)
    assert "another transcript" in refused(world.desks[0].handle(roster.transcript(listed, deals, HQ).encode()))


def test_a_transcript_before_the_deal_is_refused(world: World) -> None:
    """A custodian judges what it dealt in."""
    listed, deals = dealt(world)
    (world.folder / "other").mkdir()
    fresh = World.of(world.folder / "other", 1)
    script = roster.transcript(listed, deals, HQ)
    assert "not asked with that draft" in refused(fresh.desks[0].handle(script.encode()))


def test_a_second_draft_replaces_one_that_nobody_joined(world: World) -> None:
    """A slip in the first is mended, and the person sees the second alone."""
    world.tell(proposed())
    world.tell(proposed(draft(freeze_days=20)))
    assert [one.id for one in world.desks[0].requests()] == [proposed(draft(freeze_days=20)).digest.hex()]


def test_a_second_draft_does_not_replace_one_that_was_joined(world: World) -> None:
    """Who joined is in that ceremony until it ends."""
    rostered(world)
    assert "asked with another draft" in refused(world.desks[0].handle(proposed(draft(freeze_days=20)).encode()))


def test_a_draft_without_this_custodian_is_refused(world: World) -> None:
    """The words say what it is called, so that headquarters can mend the draft."""
    made = draft(names=("A", "B", "C"))
    assert "'Custodian 0'" in refused(world.desks[0].handle(proposed(made).encode()))
    assert world.desks[0].requests() == []


def test_a_draft_that_headquarters_did_not_sign_is_refused(world: World) -> None:
    """The key that will ask signs what it asks."""
    assert "signature" in refused(world.desks[0].handle(proposed(seed=b"x" * 32).encode()))


def test_strangers_fill_no_page(world: World) -> None:
    """At most eight sets are being made at once."""
    for number in range(1, 9):
        assert world.desks[0].handle(proposed(draft(set=number)).encode()) == WAIT
    assert "too many" in refused(world.desks[0].handle(proposed(draft(set=9)).encode()))


def test_what_the_person_refused_stands_in_nobodys_way(world: World) -> None:
    """Eight strangers that were sent away leave room for who was awaited."""
    for number in range(1, 9):
        said = proposed(draft(set=number))
        world.desks[0].handle(said.encode())
        world.desks[0].decide(said.digest.hex(), False)
        world.desks[0].handle(said.encode())
    assert world.desks[0].handle(proposed(draft(set=9)).encode()) == WAIT


def test_a_stranger_cannot_put_its_draft_in_anothers_place(world: World) -> None:
    """The person sees what was asked first, until it is refused."""
    world.tell(proposed())
    stranger = draft(headquarters=crypto.sign_public(b"x" * 32))
    assert "another draft" in refused(world.desks[0].handle(proposed(stranger, b"x" * 32).encode()))
    assert [one.id for one in world.desks[0].requests()] == [proposed().digest.hex()]


def test_a_ceremony_that_nobody_ends_goes_after_thirty_days(world: World) -> None:
    """Keys of sets that never were do not lie about."""
    rostered(world)
    for day in range(2, 33, 2):
        world.at(NOON + day * 86_400)
        world.tick(0)
    assert (world.desks[0]._kept.whole.ceremonies, world.desks[0].requests()) == ({}, [])


def test_a_draft_after_the_founding_is_refused(world: World) -> None:
    """A founded set is not made anew; the founding itself comes again as often as a line brings it."""
    world.found()
    assert world.transcript is not None
    founded = roster.founded(world.transcript, confirms(world), HQ)
    assert world.desks[0].handle(founded.encode()) == world.desks[0].handle(founded.encode())
    assert signed.decode(world.desks[0].handle(founded.encode())).kind == "active"
    assert "founded already" in refused(world.desks[0].handle(proposed().encode()))


def test_a_custodian_put_back_does_not_say_that_it_serves_its_set(world: World) -> None:
    """Headquarters that sends the founded set again is told, and hears no word that its custodian is active."""
    world.found()
    assert world.transcript is not None
    founded = roster.founded(world.transcript, confirms(world), HQ)
    kept = world.desks[0]._kept
    kept.change(
        lambda whole: replace(whole, sets={at: replace(one, rolled_back=True) for at, one in whole.sets.items()})
    )
    assert "put back from a backup" in refused(world.desks[0].handle(founded.encode()))


def confirms(world: World) -> list[Signed]:
    """Of all custodians of a founded set, made with their keys."""
    assert world.transcript
    seeds = [next(iter(desk._kept.whole.sets.values())).sign for desk in world.desks]
    return [roster.confirm(world.transcript, index, seed) for index, seed in enumerate(seeds)]


def test_a_custodian_that_missed_the_transcript_confirms_it_with_the_founding(tmp_path: Path) -> None:
    """The founding carries the transcript; the person still hears the words before it counts here."""
    world = World.of(tmp_path, 4)
    script = scripted(world, draft(4))
    present = world.desks[:3]
    for desk in present:
        desk.handle(script.encode())
    world.approve("roster")
    confirms = [signed.decode(desk.handle(script.encode())) for desk in present]
    founded = roster.founded(script, confirms, HQ)
    assert world.desks[3].handle(founded.encode()) == WAIT
    assert world.desks[3].overview().sets == ()
    world.approve("roster")
    assert signed.decode(world.desks[3].handle(founded.encode())).kind == "active"
    assert len(world.desks[3].overview().sets) == 1


def test_a_custodian_that_refused_the_words_is_in_no_founding(tmp_path: Path) -> None:
    """Whoever refused answers the founding of the others as it answered them, and has no set."""
    world = World.of(tmp_path, 4)
    script = scripted(world, draft(4))
    world.tell(script)
    last = world.desks[3]
    last.decide(last.requests()[0].id, False)
    refusal = last.handle(script.encode())
    world.approve("roster")
    confirms = [signed.decode(desk.handle(script.encode())) for desk in world.desks[:3]]

    assert last.handle(roster.founded(script, confirms, HQ).encode()) == refusal
    assert last.overview().sets == ()


def test_two_stores_have_one_custodian_and_two_states(world: World) -> None:
    """A set of another store stands beside the first, with keys of its own."""
    world.found()
    world.found(draft(store=b"o" * 16))
    sets = world.desks[0]._kept.whole.sets
    assert sorted(sets) == [(bytes(range(16)), 1), (b"o" * 16, 1)]
    assert len({state.sign for state in sets.values()}) == 2


def test_the_person_sees_who_has_answered(world: World) -> None:
    """Headquarters says so, signed, and strangers cannot."""
    said = proposed()
    world.tell(said)
    progress = {"v": 1, "kind": "progress", "about": said.digest.hex(), "answered": [2, 1]}
    assert world.desks[0].handle(signed.sign(progress, HQ).encode()) == WAIT
    assert world.desks[0].requests()[0].answered == ("Custodian 1", "Custodian 2")
    stranger = signed.sign(progress | {"answered": [0]}, b"x" * 32)
    assert "signature" in refused(world.desks[0].handle(stranger.encode()))


def test_progress_of_what_nobody_was_asked_is_passed_over(world: World) -> None:
    """Who answered another request stands under none of this custodian's."""
    world.tell(proposed())
    progress = {"v": 1, "kind": "progress", "about": "00" * 32, "answered": [1]}

    assert world.desks[0].handle(signed.sign(progress, HQ).encode()) == WAIT
    assert world.desks[0].requests()[0].answered == ()


@pytest.mark.parametrize("answered", ["1", {"1": 1}, [True], ["1"], [[1]]])
def test_progress_is_a_list_of_custodians(world: World, answered: Any) -> None:
    """Anything else about who answered is refused, and nobody is shown to have answered."""
    said = proposed()
    world.tell(said)
    progress = {"v": 1, "kind": "progress", "about": said.digest.hex(), "answered": answered}

    assert "answered" in refused(world.desks[0].handle(signed.sign(progress, HQ).encode()))
    assert world.desks[0].requests()[0].answered == ()


@pytest.mark.parametrize("kind", ["join", "deal", "confirm", "answer", "values", "nonsense"])
def test_what_headquarters_does_not_send_is_refused(world: World, kind: str) -> None:
    """A custodian takes no document of another custodian."""
    assert "nothing that headquarters sends" in refused(
        world.desks[0].handle(signed.sign({"v": 1, "kind": kind}, HQ).encode())
    )


BENDS: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda d: d | {"joins": []},
    lambda d: d | {"joins": 3},
    lambda d: d | {"joins": [{}, {}, {}]},
    lambda d: d | {"draft": {"document": {"v": 1, "kind": "draft"}, "signature": note.base64_text(bytes(64))}},
    lambda d: d | {"more": 1},
]


@pytest.mark.parametrize("bend", BENDS)
def test_a_bent_roster_is_refused(world: World, bend: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Whatever headquarters signs, a desk stands."""
    listed = rostered(world)
    before = world.desks[0].overview().generation
    assert refused(world.desks[0].handle(signed.sign(bend(dict(listed.document)), HQ).encode()))
    assert world.desks[0].overview().generation == before


def test_nothing_is_made_while_the_date_is_in_doubt(world: World) -> None:
    """A set that begins on a wrong day is no set."""
    world.at(NOON + 40 * 86_400)
    assert "confirms the date" in refused(world.desks[0].handle(proposed().encode()))


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 81])
def test_a_custodian_has_a_name_that_can_be_read(tmp_path: Path, name: str) -> None:
    """It stands in drafts and on pages."""
    with pytest.raises(BadInputError, match="name"):
        Desk.create(tmp_path / "c", FileSlot.create(tmp_path / "a.slot"), name, lambda: NOON)


def test_a_draft_out_of_bounds_asks_nobody(world: World) -> None:
    """Lifetimes have hard bounds, whoever proposes."""
    document = draft().document() | {"lifetimes": {**columns.LIFETIME_DEFAULTS, "place": 31}}
    assert refused(world.desks[0].handle(signed.sign(document, HQ).encode()))
    assert world.desks[0].requests() == []
