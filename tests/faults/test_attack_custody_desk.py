"""Strangers, a seized branch and a strange headquarters at a custodian's desk: none of them can stop it for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.ceremony import DAY, NOON, SEEDS, STORE, World, draft, refused
from unheld_custodian import ceremony, moves
from unheld_custodian.state import event_column
from unheld_verify import canonical, columns, crypto, custody, signed
from unheld_verify.custody import HEADQUARTERS
from unheld_verify.errors import StateError
from unheld_verify.roster import Draft
from unheld_verify.signed import Signed

STRANGER = b"s" * 32


def strange(store: bytes = STORE, **changed: Any) -> Signed:
    """A draft of a headquarters that nobody here knows, with the custodian's name in it."""
    made: Draft = replace(draft(1), store=store, headquarters=crypto.sign_public(STRANGER), **changed)
    return signed.sign(made.document(), STRANGER)


def test_a_knock_with_true_for_one_spoils_no_door(tmp_path: Path) -> None:
    """Python takes true for 1: a stranger's unsigned knock must not be what the next door's address is made of."""
    world = World.of(tmp_path, 1).found()
    knock = canonical.decode(custody.knock(world.address(0)))
    world.desks[0].handle(canonical.encode({**knock, "set": True}))
    assert world.ask(0, "status")["set"] == 1


def test_a_refused_stranger_holds_no_number(tmp_path: Path) -> None:
    """Who sends a draft for another's next set and is never heard again has stopped that set until a refusal only."""
    world = World.of(tmp_path, 1)
    (desk,) = world.desks
    desk.handle(strange().encode())
    own = signed.sign(draft(1).document(), SEEDS[HEADQUARTERS])
    assert "another draft" in refused(desk.handle(own.encode()))
    desk.decide(desk.requests()[0].id, approve=False)
    assert canonical.decode(desk.handle(own.encode())) == {"v": 1, "kind": "wait"}


def test_refused_strangers_crowd_nobody_out(tmp_path: Path) -> None:
    """As many drafts as are taken at once, all refused, leave room for the next one."""
    (desk,) = World.of(tmp_path, 1).desks
    for number in range(ceremony.CEREMONIES_MOST):
        desk.handle(strange(bytes([number]) * 16).encode())
    own = signed.sign(draft(1).document(), SEEDS[HEADQUARTERS]).encode()
    assert "too many" in refused(desk.handle(own))
    for request in desk.requests():
        desk.decide(request.id, approve=False)
    assert canonical.decode(desk.handle(own)) == {"v": 1, "kind": "wait"}


def test_strangers_do_not_crowd_out_a_headquarters_that_is_served(tmp_path: Path) -> None:
    """Drafts of strangers fill their own room: who has a set here already proposes its next one all the same."""
    world = World.of(tmp_path, 1).found()
    for number in range(ceremony.CEREMONIES_MOST):
        world.desks[0].handle(strange(bytes([number]) * 16).encode())
    following = signed.sign(draft(1, set=2, begins=DAY + 9).document(), SEEDS[HEADQUARTERS])
    assert canonical.decode(world.desks[0].handle(following.encode())) == {"v": 1, "kind": "wait"}


def test_a_clock_that_is_held_back_keeps_no_day_open(tmp_path: Path) -> None:
    """Who feeds t custodians one date for ever would hold that day open, and have nothing lapse: what ran counts."""
    ran = [0.0]
    world = World.of(tmp_path, 1, elapsed=lambda: ran[0]).found()
    world.ask(0, "open", {"day": columns.day_text(DAY)})
    ran[0] += 86_400
    with pytest.raises(StateError, match="is not open"):
        world.ask(0, "open", {"day": columns.day_text(DAY)})


def test_a_clock_that_is_held_back_lapses_what_is_due(tmp_path: Path) -> None:
    """A custodian that runs on erases on the true date, whatever its clock is told."""
    ran = [0.0]
    world = World.of(tmp_path, 1, elapsed=lambda: ran[0]).found()
    world.ask(0, "open", {"day": columns.day_text(DAY)})
    for _ in range(columns.LIFETIME_DEFAULTS["place"]):
        ran[0] += 86_400
        world.tick(0)
    state = next(iter(world.desks[0]._kept.whole.sets.values()))
    assert ("place", DAY) not in {event_column(name) for name in state.keys}


def test_a_headquarters_speaks_of_its_own_requests_only(tmp_path: Path) -> None:
    """A second headquarters cannot tell the person that others have answered what the first one asks."""
    world = World.of(tmp_path, 1).found()
    desk = world.desks[0]
    desk.handle(strange(bytes(16)).encode())
    request = desk.requests()[0]
    assert request.store == bytes(16).hex()
    world.ask(0, "beat", {"day": columns.day_text(NOON // 86_400), "answered": {request.id: [0]}})
    assert desk.requests()[0].answered == ()


def test_the_record_of_issues_is_not_washed_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A headquarters that repeats itself without end leaves the person a record of each day that was handed out."""
    monkeypatch.setattr(moves, "JOURNAL_MOST", 12)
    world = World.of(tmp_path, 1).found()
    world.ask(0, "open", {"day": columns.day_text(DAY)})
    for _ in range(moves.JOURNAL_MOST + 1):
        world.at(world.clocks[0].second + 1)
        world.ask(0, "beat", {"day": columns.day_text(DAY)})
    assert any("handed out" in line.words for line in world.desks[0].overview().history)
