"""Asking custodians: what is believed of what comes back, and what asking all of them brings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.desks import DAY, NOW, STORE, Act, Desk, Lines, roster_of
from unheld_branch.custody.client import Client, Remote, Stamp
from unheld_verify import columns, crypto, custody, note
from unheld_verify.columns import Attestation, Push
from unheld_verify.errors import (
    AwayError,
    BadInputError,
    PartialError,
    RolledBackError,
    SealedError,
    StateError,
    VerificationError,
)
from unheld_verify.parked import ParkedHeader
from unheld_verify.plan import Plan
from unheld_verify.signed import Document

HOUSE = crypto.random_bytes(32)
SEEDS = [crypto.random_bytes(32) for _ in range(3)]
ROSTER = roster_of(SEEDS, 2, asks=HOUSE)
LINKS = {number: crypto.random_bytes(32) for number in range(3)}
PLAN = Plan(ROSTER.draft.store, "day", "2026-07-08", {}, event_day=DAY - 1)


def lines(**acts: Act) -> Lines:
    """Three desks that answer these acts (`_` for `-`)."""
    named = {name.replace("_", "-"): act for name, act in acts.items()}
    return Lines([Desk(ROSTER, index, SEEDS[index], named) for index in range(3)])


def client(way: custody.Transport, seen: dict[int, Stamp] | None = None) -> Client:
    return Client(ROSTER, way, HOUSE, custody.BRANCH, lambda: NOW, seen)


def remote(way: custody.Transport) -> Remote:
    return Remote(client(way), seconds=None)


def push(desk: Desk, body: Document, *, day: int = DAY) -> Document:
    """What a custodian hands out for a day: keys of three columns."""
    held = columns.held(3, 2, desk.index)
    pairs = [("charge", DAY), ("contact", DAY), ("place", DAY)]
    keys = {pair: {s: columns.column_key(LINKS[s], *pair) for s in held} for pair in pairs}
    testimony = desk.attest("opened", columns.day_number(str(body["day"])), pairs)
    return custody.push_body(Push(1, desk.index, day, keys, columns.checks(keys), {}, testimony))


def lapsed(desk: Desk, _: Document) -> Document:
    return custody.attestation_body(desk.attest("lapsed", DAY, [("place", DAY - 7)]))


def closed(desk: Desk, body: Document) -> Document:
    return custody.attestation_body(desk.attest("closed", columns.day_number(str(body["day"])), []))


def flip(data: bytes) -> bytes:
    """One digit of the signature changed."""
    at = data.index(b'"signature":"') + 20
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


def test_an_ask_reaches_its_custodian_and_its_answer_comes_back() -> None:
    """What is asked arrives as it was said, and the body of the answer as it was written."""
    way = lines(status=lambda _, body: {"said": body["word"]})

    assert client(way).ask(1, "status", {"word": "hello"})["said"] == "hello"

    (asked,) = way.desks[1].asked
    assert (asked.act, asked.role, asked.at) == ("status", "branch", NOW)


def test_no_two_asks_use_one_key_for_the_answer() -> None:
    """A key taken later opens at most the one answer that it was made for."""
    way = lines(status=lambda _, __: {})
    for _ in range(2):
        client(way).ask(0, "status")

    first, second = way.desks[0].asked
    assert first.reply != second.reply
    assert first.nonce != second.nonce


def test_what_a_custodian_refuses_with_is_raised_as_it_said_it() -> None:
    """Kind and words of the refusal reach who asked."""

    def refuse(_: Desk, __: Document) -> Document:
        raise SealedError("its key has lapsed")

    with pytest.raises(SealedError, match="its key has lapsed"):
        client(lines(unpark=refuse)).ask(0, "unpark")


def test_a_custodian_that_started_anew_is_asked_through_its_new_door() -> None:
    """The letter to a door that is gone is sealed again to the one that is there, once."""
    way = lines(status=lambda _, __: {"here": True})
    desk, knocked = way.desks[0], []

    def forgetful(data: bytes) -> bytes:
        knocked.append(data)
        if len(knocked) == 1:
            desk.doors.clear()
        return data

    desk.bend = forgetful

    assert client(way).ask(0, "status")["here"]
    assert len(desk.asked) == 1


def test_a_door_that_never_stays_is_given_up() -> None:
    """Nobody is kept asking for ever by one who changes doors."""
    way = lines(status=lambda _, __: {})

    def forgetful(data: bytes) -> bytes:
        way.desks[0].doors.clear()
        return data

    way.desks[0].bend = forgetful

    with pytest.raises(AwayError, match="Custodian 0: "):
        client(way).ask(0, "status")


@pytest.mark.parametrize("bytes_", [b"", b"<html>please log in</html>", b'{"kind":"wait","v":1}', b"\xff" * 20])
def test_bytes_that_nobody_signed_are_no_answer(bytes_: bytes) -> None:
    """A proxy's page or a torn line says nothing about the custodian, and the error names it."""
    way = lines(status=lambda _, __: {})
    way.desks[2].bend = lambda _: bytes_

    with pytest.raises(AwayError, match="Custodian 2: "):
        client(way).ask(2, "status")


def test_a_door_with_an_altered_signature_is_refused() -> None:
    """A letter is sealed to no key that the custodian did not sign."""
    way = lines(status=lambda _, __: {})
    way.desks[0].bend = flip

    with pytest.raises(VerificationError, match="Custodian 0: "):
        client(way).ask(0, "status")
    assert way.desks[0].asked == []


@pytest.mark.parametrize("at", [NOW - 3601, NOW + 601])
def test_a_door_of_another_hour_is_refused(at: int) -> None:
    """A recorded door of yesterday, whose key may have been taken since, is not used."""
    way = lines(status=lambda _, __: {})
    way.desks[0].at = at

    with pytest.raises(VerificationError, match="not of this hour"):
        client(way).ask(0, "status")


def test_another_custodian_s_answers_do_not_count() -> None:
    """Where the line leads to somebody else, nothing is asked of them."""
    way = lines(status=lambda _, __: {})
    way.desks[0], way.desks[1] = way.desks[1], way.desks[0]

    with pytest.raises(VerificationError):
        client(way).ask(0, "status")
    assert way.desks[0].asked == []


def test_an_answer_recorded_earlier_does_not_count() -> None:
    """What was said to an earlier ask is no answer to this one."""
    way = lines(status=lambda _, __: {})
    said: list[bytes] = []

    def replay(data: bytes) -> bytes:
        said.append(data)
        return said[1] if len(said) > 3 else data

    way.desks[0].bend = replay
    client(way).ask(0, "status")

    with pytest.raises(VerificationError, match="something else"):
        client(way).ask(0, "status")


def test_a_custodian_put_back_from_a_backup_is_seen() -> None:
    """It told of a higher generation before: what it says now is not taken."""
    way, seen = lines(status=lambda _, __: {}), {0: (5, "00" * 8)}
    way.desks[0].generation = 4

    with pytest.raises(RolledBackError, match="generation 4"):
        client(way, seen).ask(0, "status")
    assert seen == {0: (5, "00" * 8)}


def test_the_same_generation_under_another_tag_is_a_copy_that_went_on() -> None:
    """It was put back, and has written as often as the one that was known."""
    way, seen = lines(status=lambda _, __: {}), {0: (5, "11" * 8)}
    way.desks[0].generation = 5

    with pytest.raises(RolledBackError, match="put back"):
        client(way, seen).ask(0, "status")
    assert seen == {0: (5, "11" * 8)}


def test_nothing_is_learned_of_one_that_says_it_was_put_back() -> None:
    """Its younger generation would make the asker forget what it was before, and take it for sound."""
    way, seen = lines(status=lambda _, __: {"rolled_back": True}), {0: (5, "11" * 8)}
    way.desks[0].generation = 9

    client(way, seen).ask(0, "status")
    assert seen == {0: (5, "11" * 8)}


def test_each_ask_tells_the_highest_generation_known() -> None:
    """So that a custodian that was put back learns it from whoever asks."""
    way, seen = lines(status=lambda _, __: {}), {1: (5, "11" * 8)}
    way.desks[1].generation = 9
    for _ in range(2):
        client(way, seen).ask(1, "status")

    assert [asked.body["seen"] for asked in way.desks[1].asked] == [[5, "11" * 8], [9, "00" * 8]]
    assert seen == {1: (9, "00" * 8)}


def test_a_day_opens_with_those_that_answer() -> None:
    """Two of three push, and each push is what that custodian holds."""
    way = lines(open=push)
    way.cut.add(1)

    assert [one.index for one in remote(way).open_day(DAY)] == [0, 2]


def test_too_few_pushes_are_none_and_every_reason_is_told() -> None:
    """Who is away and who refuses stand in one error."""
    way = lines(open=push)
    way.cut.add(1)
    way.desks[2].acts = {}

    with pytest.raises(StateError, match=r"1 of 2 needed.*Custodian 1: the line is cut; Custodian 2: open: not here"):
        remote(way).open_day(DAY)


@pytest.mark.parametrize(
    "act",
    [
        lambda desk, body: push(desk, body, day=DAY - 1),
        lambda desk, body: push(desk, body | {"day": "2026-07-07"}),
        lambda desk, body: push(desk, body) | {"set": 2},
        lambda desk, body: push(desk, body) | {"columns": [["charge", "2026-07-08"]]},
        lambda desk, body: push(desk, body) | {"index": 2},
        lambda desk, body: push(desk, body) | {"testimony": {}},
        lambda _desk, _body: {},
    ],
    ids=["other day", "attests another day", "other set", "other columns", "other index", "no testimony", "nothing"],
)
def test_a_push_that_says_something_else_does_not_count(act: Callable[[Desk, Document], Document]) -> None:
    """The day opens with the other two, and the one is left out."""
    way = lines(open=push)
    way.desks[0].acts = {"open": act}

    assert [one.index for one in remote(way).open_day(DAY)] == [1, 2]


def test_attestations_are_kept_once_they_are_verified() -> None:
    """Those of two stand, the third's says another kind and counts as a refusal."""
    way = lines(lapse=lapsed)
    kept: list[Attestation] = []
    way.desks[1].acts = {"lapse": lambda desk, _: custody.attestation_body(desk.attest("closed", DAY, []))}
    asking = Remote(client(way), seconds=None, keep=kept.append)

    (heard,) = asking.lapse()

    assert kept == list(heard.attested)
    assert len(kept) == 2
    assert list(heard.refused) == [1]
    with pytest.raises(PartialError, match="2 custodians did it"):
        heard.check()


def test_testimony_signed_by_another_does_not_count() -> None:
    """Custodian 1 says what custodian 0 attested: nobody testifies twice."""
    way = lines(lapse=lambda _, __: lapsed(way.desks[0], {}))

    assert list(remote(way).lapse()[0].refused) == [1, 2]


def test_who_is_away_is_no_refusal() -> None:
    """Custodians keep their own calendars: a cut line does not undo what the others did."""
    way = lines(lapse=lapsed)
    way.cut.add(2)
    (heard,) = remote(way).lapse()

    heard.check()
    assert len(heard.attested) == 2
    assert heard.away == {2: "the line is cut"}


def test_an_erasing_counts_only_for_the_columns_of_its_plan() -> None:
    """A custodian that attests another day's columns has not erased these."""

    def erased(desk: Desk, body: Document) -> Document:
        assert body["plan"] == note.base64_text(PLAN.encode())
        day = DAY - 1 if desk.index else DAY - 2
        return custody.attestation_body(desk.attest("erased", DAY, [(c, day) for c in ("charge", "contact", "place")]))

    (heard,) = remote(lines(erase=erased)).erase(PLAN)

    assert len(heard.attested) == 2
    assert list(heard.refused) == [0]


def test_parking_keys_come_signed() -> None:
    """They are kept as the custodian signed them; another's signature is no parking key of its own."""

    def park(desk: Desk, _: Document) -> Document:
        seed = SEEDS[0] if desk.index == 2 else desk.seed
        made = custody.parking(desk.address, {("outage", 3): crypto.park_keypair()[1]}, NOW, seed)
        return {"parking": made.as_json()}

    way = lines(park=park)
    given, refused = remote(way).park_publics()
    assert (sorted(given), sorted(refused)) == ([0, 1], [2])
    way.cut.add(2)
    assert remote(way).park_publics()[1] == {}


def test_shares_are_those_of_the_custodian_s_components() -> None:
    """Too few, too short or others' shares do not count, and what was refused is raised when too few are left."""
    full = {0: {"1": "00" * 32, "2": "00" * 32}, 1: {"0": "00" * 32, "2": "00"}, 2: {"0": "00" * 32, "1": "00" * 32}}
    way = lines(unpark=lambda desk, _: {"shares": full[desk.index]})

    header = ParkedHeader(STORE, bytes(16), "outage", 3, 1, 3, 2, (b"", b"", b"")).encode()
    assert sorted(remote(way).open_parked(header)) == [0, 2]
    way.cut.add(0)
    with pytest.raises(BadInputError, match="shares"):
        remote(way).open_parked(header)


def test_a_tombstone_counts_once_every_custodian_holds_it() -> None:
    """Custodians say which they hold; while one is away, or holds fewer, those have to be named again."""
    hashes = sorted(crypto.random_bytes(16) for _ in range(3))
    way = lines(tombstone=lambda desk, body: {"hashes": body["hashes"][: 1 + desk.index]})

    plan = Plan(STORE, "party", columns.day_text(DAY), {}, root=bytes(32), leaves=16)
    assert remote(way).tombstone(plan, hashes) == {hashes[0]}
    way.cut.add(1)
    assert remote(way).tombstone(plan, hashes) == set()


def test_each_day_is_asked_of_the_set_that_seals_it() -> None:
    """From a new set's first day on its custodians are asked; all sets are asked to lapse."""
    later = replace(ROSTER, draft=replace(ROSTER.draft, set=2, begins=DAY))
    old, new = lines(close=closed, lapse=lapsed), lines(close=closed, lapse=lapsed)
    new.desks = [replace(desk, roster=later, doors=[], asked=[]) for desk in new.desks]
    asking = Remote(client(old), replace(client(new), roster=later), seconds=None)

    assert [asking.close_day(day).set for day in (DAY - 1, DAY)] == [1, 2]
    assert [heard.set for heard in asking.lapse()] == [1, 2]
    with pytest.raises(StateError, match="begins later"):
        asking.open_day(DAY - 31)


def test_one_that_never_answers_holds_nobody_up() -> None:
    """All are asked at once and waited for together, and who is late counts as away."""
    way, never = lines(lapse=lapsed), threading.Event()

    def stuck(data: bytes) -> bytes:
        never.wait()
        return data

    way.desks[0].bend = stuck

    (heard,) = Remote(client(way), seconds=0.5).lapse()

    assert len(heard.attested) == 2
    assert "0.5 seconds" in heard.away[0]
    never.set()
