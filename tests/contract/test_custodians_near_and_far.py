"""One suite for a custodian wherever it is: in this process with its slot in a file or in memory, and over HTTP.

Custodians in a token are in `tests/faults/test_custodian_token.py`: each of their changes takes a second.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.ceremony import DAY, NOON, SEEDS, STORE, Clock, World, plan_of, refused
from unheld.testing.simdisk import Disk, MemorySlot
from unheld_branch.custody.http import HttpTransport
from unheld_custodian import service
from unheld_custodian.desk import Desk
from unheld_slots.listening import listening
from unheld_slots.slot import FileSlot, Slot
from unheld_verify import canonical, columns, crypto, custody, note, parked, signed
from unheld_verify.custody import BRANCH, Transport
from unheld_verify.errors import RolledBackError, StateError, VerificationError
from unheld_verify.parked import ParkedHeader

TODAY = {"day": columns.day_text(DAY)}


class Far:
    """A desk whose bytes go over a line; its person sits at the desk itself."""

    def __init__(self, desk: Desk, line: Transport) -> None:
        self._desk = desk
        self._line = line

    def handle(self, data: bytes) -> bytes:
        """Over the line and back."""
        return self._line.call(0, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)


@contextmanager
def over_http(desk: Desk, folder: Path) -> Iterator[Far]:
    """The desk behind a socket of its service, in a thread."""
    place = listening("127.0.0.1:0")
    server = service._server(service.Carrier(desk, folder))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([place])))
    thread.start()
    try:
        yield Far(desk, HttpTransport(["http://{}:{}/v1".format(*place.getsockname())]))
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Place(World):
    """A world of one custodian, and how to start it again."""

    start: Callable[[], None] = lambda: None


@pytest.fixture(params=["a file here", "memory here", "a file over HTTP"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A founded custodian."""
    made, disk = Place(tmp_path, clocks=[Clock()]), Disk()
    in_memory, over = request.param.startswith("memory"), request.param.endswith("HTTP")
    slot: Slot = MemorySlot(disk) if in_memory else FileSlot.create(tmp_path / "0.slot")
    made.desks = [Desk.create(tmp_path / "c0", slot, "Custodian 0", made.clocks[0])]
    with ExitStack() as lines:

        def start() -> None:
            lines.close()
            again: Slot = MemorySlot(disk) if in_memory else FileSlot.open(tmp_path / "0.slot")
            desk = Desk.open(tmp_path / "c0", again, made.clocks[0])
            made.desks[0] = cast("Desk", lines.enter_context(over_http(desk, tmp_path / "c0"))) if over else desk

        made.start = start
        start()
        made.found()
        yield made


def test_a_day_is_handed_out_again_with_the_same_keys(world: Place) -> None:
    """Each ask counts as an issue, and all give one day's keys."""
    pushes = [custody.push_of(world.ask(0, "open", TODAY)) for _ in range(2)]

    assert pushes[0].keys == pushes[1].keys
    assert world.ask(0, "status")["open"] == [[TODAY["day"], 2]]


def test_one_ask_sent_twice_is_one_issue(world: Place) -> None:
    """Who replays a letter gets an answer that only its maker opens, and spends nothing."""
    letter = world.letter(0, "open", TODAY)
    for _ in range(2):
        letter.sent(world.desks[0])

    assert world.ask(0, "status")["open"] == [[TODAY["day"], 1]]


def test_a_closed_day_stays_closed_when_it_is_started_again(world: Place) -> None:
    """What it said holds in the next process."""
    world.ask(0, "open", TODAY)
    world.ask(0, "close", TODAY)
    world.start()

    with pytest.raises(StateError, match="is over"):
        world.ask(0, "open", TODAY)


def test_it_is_the_same_one_after_it_was_started_again(world: Place) -> None:
    """Keys, generation and tag are those of before."""
    world.ask(0, "open", TODAY)
    before = world.ask(0, "status")
    world.start()

    assert world.ask(0, "status") == before


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"<html>", canonical.encode({"v": 1, "kind": "letter"})])
def test_what_nobody_signed_is_refused_in_clear(world: Place, data: bytes) -> None:
    """It answers, tells nothing, and nothing changes."""
    before = world.ask(0, "status")

    assert refused(world.desks[0].handle(data))
    assert world.ask(0, "status") == before


@pytest.mark.parametrize("act", ["freeze", "thaw", "beat"])
def test_the_branch_does_not_speak_for_headquarters(world: Place, act: str) -> None:
    """An ask of headquarters that the branch signed is none."""
    letter = world.letter(0, act, TODAY | {"words": ""}, seed=SEEDS[BRANCH])

    assert refused(world.desks[0].handle(letter.data(world.desks[0])))


def test_headquarters_freezes_and_thaws(world: Place) -> None:
    """In between nothing is handed out."""
    world.ask(0, "freeze", {"words": ""})
    with pytest.raises(StateError, match="frozen by headquarters"):
        world.ask(0, "open", TODAY)
    world.at(NOON + 1)
    world.ask(0, "thaw")

    assert world.ask(0, "open", TODAY)["day"] == TODAY["day"]


def test_the_person_freezes_at_the_desk(world: Place) -> None:
    """What the person does on the page holds for the line."""
    world.desks[0].freeze()

    with pytest.raises(StateError, match="frozen by person"):
        world.ask(0, "open", TODAY)


def test_a_signed_plan_erases_and_is_attested(world: Place) -> None:
    """The testimony names the column, and no push has it again."""
    world.ask(0, "open", TODAY)
    said = custody.attestation_of(world.ask(0, "erase", {"plan": plan_of("class", DAY, "place")}))

    assert world.roster
    assert said.read(world.roster.signs[0])["columns"] == [["place", TODAY["day"]]]
    assert ("place", DAY) not in custody.push_of(world.ask(0, "open", TODAY)).keys


def test_a_plan_that_the_branch_signed_erases_nothing(world: Place) -> None:
    """The branch carries plans and makes none."""
    world.ask(0, "open", TODAY)
    before = world.ask(0, "status")["keys"]
    with pytest.raises(VerificationError):
        world.ask(0, "erase", {"plan": plan_of("day", seed=SEEDS[BRANCH])})

    assert world.ask(0, "status")["keys"] == before


def test_what_is_due_lapses_without_being_asked(world: Place) -> None:
    """By its own calendar, and its attestation names the newest day that has lapsed."""
    world.ask(0, "open", TODAY)
    world.pass_days(7)
    said = custody.attestation_of(world.ask(0, "lapse"))

    assert world.roster
    assert ["place", TODAY["day"]] in said.read(world.roster.signs[0])["columns"]


def test_a_parked_batch_is_opened_for_the_branch(world: Place) -> None:
    """Its share comes back as it was sealed to its parking key."""
    assert world.roster
    said = signed.from_json(world.ask(0, "park")["parking"], "parking")
    week = columns.park_period("outage", DAY)
    public = custody.parking_of(said, world.address(0), world.roster.signs[0])["outage", week]
    box = parked.seal_box(public, (STORE, b"b" * 16), 0, {0: b"x" * 32})
    header = ParkedHeader(STORE, b"b" * 16, "outage", week, 1, 1, 1, (box,))
    given = world.ask(0, "unpark", {"header": note.base64_text(header.encode())})

    assert given["shares"] == {"0": (b"x" * 32).hex()}


def test_a_clock_that_jumped_waits_for_somebody(world: Place) -> None:
    """Nothing is handed out and nothing lapses before a beat of that date."""
    world.ask(0, "open", TODAY)
    before = world.ask(0, "status")["keys"]
    world.at(NOON + 400 * 86_400)
    with pytest.raises(StateError, match="confirms the date"):
        world.ask(0, "open", TODAY)

    assert world.ask(0, "status")["keys"] == before


def test_one_put_back_from_a_backup_serves_nobody(world: Place, tmp_path: Path) -> None:
    """Who asks names the generation and tag that it knew it by."""
    world.ask(0, "open", TODAY)
    told = world.ask(0, "status")
    world.seen[0] = [told["generation"] + 1, crypto.random_bytes(8).hex()]

    with pytest.raises(RolledBackError):
        world.ask(0, "open", TODAY)
