"""A custodian whose disk fails in the middle of anything: it says so, tells no path, and the same again does it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.ceremony import DAY, NOON, SEEDS, STORE, World, draft, party_plan, plan_of, refused
from unheld_custodian.state import State, event_column
from unheld_slots.slot import FileSlot
from unheld_verify import canonical, columns, crypto, custody, note, parked, roster, signed
from unheld_verify.custody import HEADQUARTERS
from unheld_verify.errors import StateError
from unheld_verify.grant import Grant
from unheld_verify.parked import ParkedHeader
from unheld_verify.signed import Signed

TODAY = {"day": columns.day_text(DAY)}
TOMORROW = {"day": columns.day_text(DAY + 1)}
HQ = SEEDS[HEADQUARTERS]
STEPS = pytest.mark.parametrize("step", [1, 2], ids=["prepare", "destroy"])


class Failing(FileSlot):
    """A slot whose disk fails before one of its writes."""

    left = 10**9

    def prepare(self, generation: int, secret: bytes, binding: bytes = b"") -> None:
        self._count()
        super().prepare(generation, secret, binding)

    def destroy(self, generation: int) -> None:
        self._count()
        super().destroy(generation)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise StateError("/a/secret/place: the disk is gone")


def failing(world: World, index: int, step: int) -> None:
    """From now on the disk of this custodian fails at its next write, before (1) or after (2) it is there."""
    slot = Failing.open(world.folder / f"{index}.slot")
    assert isinstance(slot, Failing)
    slot.left = step
    world.desks[index]._kept._sealed.slot = slot


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World.of(tmp_path, 1).found()
    made.tick(0)
    return made


def own_access(world: World) -> dict[str, Any]:
    """A subscriber's grant for today, which is open."""
    world.ask(0, "open", TODAY)
    columns_ = (("place", DAY), ("contact", DAY))
    public, answer = crypto.sign_public(b"s" * 32), crypto.park_keypair()[1]
    made = Grant(STORE, public, bytes(16), tuple(sorted(columns_)), NOON, NOON + 3600, bytes(16), answer)
    return {"grant": made.signed(b"s" * 32).as_json()}


def batch(world: World) -> dict[str, Any]:
    """A batch that was parked to the first custodian."""
    assert world.roster
    said = signed.from_json(world.ask(0, "park")["parking"], "parking")
    week = columns.park_period("outage", DAY)
    public = custody.parking_of(said, world.address(0), world.roster.signs[0])["outage", week]
    box = parked.seal_box(public, (STORE, b"b" * 16), 0, {0: b"x" * 32})
    header = ParkedHeader(STORE, b"b" * 16, "outage", week, 1, 1, 1, (box,))
    return {"header": note.base64_text(header.encode())}


def frozen(world: World) -> dict[str, Any]:
    """Headquarters froze it."""
    world.ask(0, "freeze", {"words": "x"})
    world.at(NOON + 1)
    return {}


def retiring(world: World) -> dict[str, Any]:
    """The person agreed to end the set, and headquarters asks again."""
    body = {"from": columns.day_text(DAY + 3)}
    world.ask(0, "retire", body)
    world.approve("retire")
    return body


def always(**body: Any) -> Callable[[World], dict[str, Any]]:
    """The same body, and nothing before it."""
    return lambda _: body


ACTS: dict[str, Callable[[World], dict[str, Any]]] = {
    "open": always(**TODAY),
    "close": always(**TODAY),
    "erase": always(plan=plan_of("day", DAY)),
    "erase-everything": always(plan=plan_of("everything")),
    "park": always(),
    "unpark": batch,
    "tombstone": always(plan=party_plan(), hashes=["ab" * 16]),
    "evaluate": own_access,
    "beat": always(**TOMORROW),
    "freeze": always(words="y"),
    "thaw": frozen,
    "retire": retiring,
    "drill": always(drill="cd" * 32),
}


@STEPS
@pytest.mark.parametrize("act", ACTS)
def test_an_act_cut_short_is_told_and_can_be_done_again(world: World, act: str, step: int) -> None:
    """An error that names no path, and no half state; the same ask does it afterwards and counts once."""
    letter = world.letter(0, act, ACTS[act](world))
    failing(world, 0, step)
    with pytest.raises(StateError, match="the person there sees why") as told:
        letter.sent(world.desks[0])
    assert "secret" not in str(told.value)

    world.reopen(0)
    done = letter.sent(world.desks[0])
    again = letter.sent(world.desks[0])
    for answer in (done, again):
        answer.pop("values", None)  # sealed anew each time
    assert again == done
    assert done["generation"] == world.desks[0].overview().generation


@STEPS
def test_a_lapse_cut_short_is_done_with_the_next(world: World, step: int) -> None:
    """What was due is gone after it, whichever half of the write was lost, and nothing else; a knock hears no path."""
    world.ask(0, "open", TODAY)
    before = state_of(world)
    due = columns.due("place", DAY, before.lifetimes)
    world.at(due * 86_400 - 1)
    world.desks[0].believe(due - 1)
    world.at(due * 86_400)
    failing(world, 0, step)
    words = refused(world.desks[0].handle(custody.knock(world.address(0))))
    assert "secret" not in words
    world.reopen(0)
    left = {name for name in state_of(world).keys if name[2] == DAY}
    assert left == {name for name in before.keys if columns.due(*event_column(name), before.lifetimes) > due}


def state_of(world: World) -> State:
    """What the first custodian holds of its set."""
    return next(iter(world.desks[0]._kept.whole.sets.values()))


@STEPS
@pytest.mark.parametrize("decision", ["draft", "roster"])
def test_a_decision_cut_short_is_there_or_asked_for_again(tmp_path: Path, decision: str, step: int) -> None:
    """The person says it once more, and it is said once."""
    world = World.of(tmp_path, 1)
    document = proposed(world)
    if decision == "roster":
        world.approve("draft")
        document = roster.transcript(rostered := listed(world, document), world.to_all(rostered), HQ)
        world.tell(document)
    (request,) = [one for one in world.desks[0].requests() if one.kind == decision]
    failing(world, 0, step)
    with pytest.raises(StateError, match="the disk is gone"):
        world.desks[0].decide(request.id, True, " ".join(request.words))
    desk = world.reopen(0)
    desk.decide(request.id, True, " ".join(request.words))
    assert signed.decode(desk.handle(document.encode())).kind == {"draft": "join", "roster": "confirm"}[decision]


def proposed(world: World) -> Signed:
    """A draft that all have heard."""
    document = signed.sign(draft(len(world.desks)).document(), HQ)
    world.tell(document)
    return document


def listed(world: World, document: Signed) -> Signed:
    """The roster of those that joined."""
    return roster.roster(document, world.to_all(document), HQ)


@STEPS
@pytest.mark.parametrize("cut", ["draft", "join", "deal", "transcript", "confirm", "founded"])
def test_a_ceremony_goes_on_after_a_failed_write(tmp_path: Path, cut: str, step: int) -> None:
    """At each of its steps: refused in clear without a path; the same document again is answered, with one answer."""
    world = World.of(tmp_path, 2)

    def told(stage: str, said: Signed) -> list[bytes]:
        if stage == cut:
            failing(world, 1, step)
            words = refused(world.desks[1].handle(said.encode()))
            assert "the person there sees why" in words
            assert "secret" not in words
            world.reopen(1)
        answers = world.tell(said)
        assert world.tell(said) == answers
        return answers

    document = signed.sign(draft(2).document(), HQ)
    told("draft", document)
    world.approve("draft")
    rostered = roster.roster(document, [signed.decode(one) for one in told("join", document)], HQ)
    script = roster.transcript(rostered, [signed.decode(one) for one in told("deal", rostered)], HQ)
    told("transcript", script)
    world.approve("roster")
    founded = roster.founded(script, [signed.decode(one) for one in told("confirm", script)], HQ)
    kinds = {canonical.decode(one)["document"]["kind"] for one in told("founded", founded)}
    assert kinds == {"active"}
    held = [sorted(next(iter(desk._kept.whole.sets.values())).chains) for desk in world.desks]
    assert held == [columns.held(2, 2, index) for index in range(2)]
