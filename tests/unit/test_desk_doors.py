"""A desk's lines: whose bytes it answers, with which door, and that no bytes make it fall over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.ceremony import NOON, STORE, World, refused
from unheld_verify import canonical, crypto, custody, signed
from unheld_verify.custody import Address
from unheld_verify.errors import BadInputError, NotAllowedError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.of(tmp_path_factory.mktemp("world")).found()


def test_a_knock_is_answered_with_a_signed_door(world: World) -> None:
    """The key is the custodian's word for this set, and knocking again changes nothing."""
    knock = custody.knock(world.address(1))
    answers = [world.desks[1].handle(knock) for _ in range(2)]
    assert world.roster is not None
    door = signed.decode(answers[0], "door")
    assert len(custody.door_key(door, world.address(1), world.roster.signs[1])) == crypto.PARK_PUBLIC_BYTES
    assert answers[0] == answers[1]


@pytest.mark.parametrize("address", [Address(STORE, 2, 0), Address(bytes(16), 1, 0), Address(STORE, 1, 1)])
def test_a_knock_for_what_is_not_here_is_refused(world: World, address: Address) -> None:
    """Another set, store or custodian has no door at this desk."""
    assert refused(world.desks[0].handle(custody.knock(address)))


def test_a_door_is_renewed_and_the_old_one_stays_a_while(tmp_path: Path) -> None:
    """A letter on its way when the hour is over still arrives; ten minutes later it gets the new door instead."""
    world = World.of(tmp_path, 1).found()
    desk = world.desks[0]
    letter = world.letter(0, "status", at=NOON + 3700)
    data = letter.data(desk)
    world.at(NOON + 3700)
    other = desk.handle(custody.knock(world.address(0)))
    assert signed.decode(desk.handle(data)).kind == "answer"
    world.at(NOON + 4000)
    assert desk.handle(data) == other == desk.handle(custody.knock(world.address(0)))


@pytest.mark.parametrize("seconds", [custody.DOOR_SECONDS - custody.SKEW_SECONDS, -3 * custody.SKEW_SECONDS])
def test_whoever_is_not_too_far_off_is_shown_a_door_of_this_hour(tmp_path: Path, seconds: int) -> None:
    """Just before it would be an hour old by the clock of who asks, and where the clock here was set back since."""
    world = World.of(tmp_path, 1).found()
    knock = custody.knock(world.address(0))
    first = world.desks[0].handle(knock)
    world.at(NOON + seconds)

    second = world.desks[0].handle(knock)

    assert second != first
    assert signed.decode(second, "door").document["at"] == NOON + seconds


def test_a_letter_to_a_door_of_before_a_restart_gets_the_new_door(tmp_path: Path) -> None:
    """Door keys are on no disk: who wrote to the old one knocks anew, without a question in between."""
    world = World.of(tmp_path, 1).found()
    data = world.letter(0, "status").data(world.desks[0])
    assert signed.decode(world.reopen(0).handle(data)).kind == "door"


def test_an_ask_that_a_stranger_signed_is_refused_in_clear(world: World) -> None:
    """Nobody but the two pinned keys gets a sealed answer."""
    letter = world.letter(0, "status", seed=b"x" * 32)
    assert "signature" in refused(world.desks[0].handle(letter.data(world.desks[0])))


@pytest.mark.parametrize(("act", "role"), [("beat", "branch"), ("evaluate", "branch"), ("open", "headquarters")])
def test_an_act_of_the_other_role_is_refused(world: World, act: str, role: str) -> None:
    """The branch asks for no evaluation and headquarters for no day, whoever signs."""
    letter = world.letter(0, act, role=role)
    assert refused(world.desks[0].handle(letter.data(world.desks[0])))


def test_the_branch_cannot_sign_as_headquarters(world: World) -> None:
    """A role goes with its key."""
    letter = world.letter(0, "freeze", {"words": "now"}, seed=b"b" * 32)
    assert refused(world.desks[0].handle(letter.data(world.desks[0])))


def test_an_ask_for_another_custodian_is_refused(world: World) -> None:
    """A letter that one custodian got cannot be taken to another."""
    letter = world.letter(0, "status", address=world.address(1))
    assert "another custodian" in refused(world.desks[0].handle(letter.data(world.desks[0])))


@pytest.mark.parametrize("off", [-601, 601])
def test_an_ask_from_another_time_is_refused(world: World, off: int) -> None:
    """What was recorded is of no use ten minutes later, and the words say what both clocks said."""
    with pytest.raises(NotAllowedError, match="set the clocks right"):
        world.ask(0, "status", at=NOON + off)


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("open", {}),
        ("open", {"day": 3}),
        ("open", {"day": "2026-7-8"}),
        ("drill", {"drill": "xx"}),
        ("drill", {"drill": "ab"}),
        ("tombstone", {"hashes": [1]}),
        ("tombstone", {"hashes": ["ab" * 16]}),
        ("tombstone", {"plan": "e30=", "hashes": ["ab" * 16]}),
        ("tombstone", {"hashes": []}),
        ("tombstone", {"hashes": ["00"]}),
        ("evaluate", {"grant": "no"}),
        ("erase", {"plan": "*"}),
        ("erase", {"plan": ""}),
        ("unpark", {"header": "AAAA"}),
        ("beat", {"day": "2026-07-08", "answered": 1}),
        ("beat", {"day": "2026-07-08", "seen": "x"}),
        ("status", {"seen": 7}),
        ("status", {"seen": [True, ""]}),
        ("status", {"seen": [1, None]}),
        ("status", {"seen": [1]}),
        ("freeze", {}),
        ("retire", {"from": 1}),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_under_seal(world: World, act: str, body: dict[str, object]) -> None:
    """Who may ask hears what is wrong with it; nothing changes."""
    before = world.desks[0].overview().generation
    with pytest.raises(BadInputError):
        world.ask(0, act, body)
    assert world.desks[0].overview().generation == before


@pytest.mark.parametrize(
    "bend",
    [
        lambda d: d | {"sealed": "AAAA"},
        lambda d: d | {"sealed": 3},
        lambda d: d | {"store": "zz"},
        lambda d: d | {"store": []},
        lambda d: d | {"set": [1]},
        lambda d: d | {"to": "0"},
        lambda d: {name: value for name, value in d.items() if name != "sealed"},
        lambda d: d | {"v": 2},
    ],
)
def test_a_bent_letter_is_refused(world: World, bend: Callable[[dict[str, object]], object]) -> None:
    """Nothing in the head of a letter makes a desk fall over."""
    data = world.letter(0, "status").data(world.desks[0])
    assert refused(world.desks[0].handle(canonical.encode(bend(canonical.decode(data)))))


def test_a_reply_key_that_is_none_is_refused(world: World) -> None:
    """An answer that can be sealed to nobody is not given."""
    bad = b"\xff" * crypto.PARK_PUBLIC_BYTES
    letter = world.letter(0, "status", reply=bad)
    assert refused(world.desks[0].handle(letter.data(world.desks[0])))


def test_what_is_too_long_is_refused(world: World) -> None:
    """A desk does not read a film."""
    assert "more than" in refused(world.desks[0].handle(b" " * ((32 << 20) + 1)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bytes_make_a_desk_fall_over(world: World, data: st.DataObject) -> None:
    """Whatever comes, an answer goes back and the memory is as it was."""
    text = st.text(max_size=8) | st.sampled_from(["knock", "letter", "draft", "roster", "transcript", "founded"])
    value = st.recursive(
        st.booleans() | st.integers(-3, 2**40) | text, lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["v", "kind", "document", "signature", "draft", "store", "set"]), inner),
    )  # fmt: skip
    head = st.fixed_dictionaries({"v": st.just(1), "kind": text}, optional={"store": value, "set": value, "to": value})
    sent = data.draw(st.binary(max_size=60) | (value | head).map(canonical.encode))
    before = world.desks[2].overview().generation
    assert refused(world.desks[2].handle(sent))
    assert world.desks[2].overview().generation == before


def test_a_memory_that_cannot_be_opened_tells_strangers_nothing(tmp_path: Path) -> None:
    """No path and no cause leave the house; the person's page has them."""
    world = World.of(tmp_path, 1).found()
    desk = world.reopen(0)
    desk._kept._read = None
    for path in (tmp_path / "c0").glob("*.sealed"):
        path.unlink()
    assert str(tmp_path) not in refused(desk.handle(custody.knock(world.address(0))))
