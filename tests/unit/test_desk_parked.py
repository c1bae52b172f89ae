"""Parked batches at a custodian's desk: opened to be sealed, not to be read again; a quarantine for nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.ceremony import DAY, NOON, World
from unheld_custodian import moves
from unheld_verify import columns, crypto, custody, note, parked, signed
from unheld_verify.errors import NotAllowedError, SealedError, WrongKeyError
from unheld_verify.parked import ParkedHeader
from unheld_verify.roster import ISSUES_MOST

A_DAY = 86_400
WEEK = columns.park_period("outage", DAY)
SHARES = {0: b"x" * 32}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.of(tmp_path, 1).found()


def parking(world: World, batch: bytes = b"b" * 16, reason: str = "outage") -> dict[str, str]:
    """The body of an ask for a batch that was parked to this custodian today."""
    said = signed.from_json(world.ask(0, "park")["parking"], "parking")
    address = world.address(0)
    publics = custody.parking_of(said, address, said_by(world))
    period = columns.park_period(reason, DAY)
    box = parked.seal_box(publics[reason, period], (address.store, batch), 0, SHARES)
    header = ParkedHeader(address.store, batch, reason, period, 1, 1, 1, (box,))
    return {"header": note.base64_text(header.encode())}


def said_by(world: World) -> bytes:
    """The custodian's key."""
    assert world.roster
    return world.roster.signs[0]


def shares(answer: dict[str, Any]) -> dict[int, bytes]:
    return {int(number): bytes.fromhex(share) for number, share in answer["shares"].items()}


def test_a_batch_opens_for_a_day_and_never_again(world: World) -> None:
    """A branch that was cut off in the middle asks again; whoever takes it over next week asks in vain."""
    body = parking(world)
    assert shares(world.ask(0, "unpark", body)) == SHARES
    world.at(NOON + A_DAY - 1)
    world.reopen(0)
    assert shares(world.ask(0, "unpark", body)) == SHARES
    for later in (A_DAY, 3 * A_DAY, 14 * A_DAY):
        world.pass_days(1) if later == A_DAY else world.pass_days(2)
        world.reopen(0)
        with pytest.raises(NotAllowedError, match="opened on 2026-07-08"):
            world.ask(0, "unpark", body)


def test_a_batch_opens_a_few_times_only(world: World) -> None:
    """The same ask counts once, however often the line doubles it."""
    body = parking(world)
    letter = world.letter(0, "unpark", body)
    for _ in range(2 * ISSUES_MOST):
        assert shares(letter.sent(world.desks[0])) == SHARES
    for _ in range(ISSUES_MOST - 1):
        world.ask(0, "unpark", body)
    with pytest.raises(NotAllowedError):
        world.ask(0, "unpark", body)
    assert shares(letter.sent(world.desks[0])) == SHARES


def test_one_batch_does_not_stand_for_another(world: World) -> None:
    """Each has its own day."""
    other = parking(world, b"c" * 16)
    world.ask(0, "unpark", parking(world))
    world.pass_days(5)
    assert shares(world.ask(0, "unpark", other)) == SHARES


def test_a_quarantine_opens_for_nobody(world: World) -> None:
    """Rows that could not be read wait for nothing: the file is taken in again, and they lapse."""
    with pytest.raises(SealedError, match="for nobody"):
        world.ask(0, "unpark", parking(world, reason="quarantine"))


def test_a_box_that_does_not_open_counts_nothing(world: World) -> None:
    """Only what was opened is remembered: nobody fills the memory with names of batches."""
    body = parking(world)
    header = ParkedHeader.decode(note.base64_bytes(body["header"], "header"))
    bent = ParkedHeader(header.store, b"z" * 16, "outage", WEEK, 1, 1, 1, header.boxes)
    with pytest.raises(WrongKeyError):
        world.ask(0, "unpark", {"header": note.base64_text(bent.encode())})
    (state,) = world.desks[0]._kept.whole.sets.values()
    assert state.unparked == {}


def test_what_is_remembered_of_batches_goes_with_their_period(world: World) -> None:
    """The asks after a day, the batch when its key is erased."""
    world.ask(0, "unpark", parking(world))
    world.pass_days(3)
    (state,) = world.desks[0]._kept.whole.sets.values()
    assert state.unparked == {b"b" * 16: (WEEK, NOON, ())}
    due = columns.park_due("outage", WEEK, state.late_days)
    assert moves.lapsed(state, due - 1).unparked
    assert not moves.lapsed(state, due).unparked


def test_the_memory_of_batches_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch that parks without end fills no custodian."""
    monkeypatch.setattr(moves, "UNPARKED_MOST", 1)
    body = parking(world)
    world.ask(0, "unpark", body)
    with pytest.raises(NotAllowedError, match="the most"):
        world.ask(0, "unpark", parking(world, crypto.random_bytes(16)))
    assert shares(world.ask(0, "unpark", body)) == SHARES
