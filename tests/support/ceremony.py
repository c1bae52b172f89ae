"""Real custodians' desks for tests, on a clock that a test sets, and a headquarters and branch that speak to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from unheld_custodian import moves
from unheld_custodian.custodian import Custodian
from unheld_custodian.desk import Desk
from unheld_custodian.kept import NAME, Kept
from unheld_custodian.state import Whole
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify import canonical, columns, crypto, custody, roster, signed
from unheld_verify.custody import BRANCH, HEADQUARTERS, Address, Ask
from unheld_verify.note import Key, base64_text, format_key
from unheld_verify.plan import Plan
from unheld_verify.roster import Draft, Roster
from unheld_verify.signed import Document, Signed

DAY = columns.day_of(date(2026, 7, 8))
NOON = DAY * 86_400 + 43_200
STORE = bytes(range(16))
SEEDS = {BRANCH: b"b" * 32, HEADQUARTERS: b"h" * 32}


@dataclass
class Clock:
    """Unix seconds, as a test sets them."""

    second: int = NOON

    def __call__(self) -> int:
        """Now."""
        return self.second


@dataclass
class World:
    """Desks and their clocks by index, and what headquarters knows."""

    folder: Path
    desks: list[Desk] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    roster: Roster | None = None
    transcript: Signed | None = None
    seen: dict[int, list[Any]] = field(default_factory=dict)
    elapsed: Callable[[], float] | None = None

    @classmethod
    def of(cls, folder: Path, n: int = 3, elapsed: Callable[[], float] | None = None) -> World:
        """`n` custodians that hold nothing yet."""
        world = cls(folder, elapsed=elapsed)
        for index in range(n):
            world.clocks.append(Clock())
            slot = FileSlot.create(folder / f"{index}.slot")
            clock, name = world.clocks[index], f"Custodian {index}"
            world.desks.append(Desk.create(folder / f"c{index}", slot, name, clock, elapsed))
        return world

    def reopen(self, index: int) -> Desk:
        """The desk of `index` in a new process."""
        slot = FileSlot.open(self.folder / f"{index}.slot")
        self.desks[index] = Desk.open(self.folder / f"c{index}", slot, self.clocks[index], self.elapsed)
        return self.desks[index]

    def at(self, second: int) -> None:
        """Set every clock."""
        for clock in self.clocks:
            clock.second = second

    def pass_days(self, days: int) -> None:
        """Let whole days go by, each with a beat and a tick."""
        for _ in range(days):
            self.at(self.clocks[0].second + 86_400)
            for index in range(len(self.desks)):
                self.ask(index, "beat", {"day": columns.day_text(self.today)})

    def after(self, days: int) -> None:
        """Let whole days go by at once: nobody asked and nothing ran, then headquarters says what date it is."""
        self.at(self.clocks[0].second + days * 86_400)
        for index in range(len(self.desks)):
            self.ask(index, "beat", {"day": columns.day_text(self.today)})

    @property
    def today(self) -> int:
        """By the first clock."""
        return self.clocks[0].second // 86_400

    def to_all(self, said: Signed) -> list[Signed]:
        """What every desk answers to a document of a ceremony."""
        return [signed.decode(desk.handle(said.encode())) for desk in self.desks]

    def approve(self, kind: str) -> None:
        """Every person approves what waits, having heard the right words."""
        for desk in self.desks:
            for one in desk.requests():
                if one.kind == kind and not one.decision:
                    desk.decide(one.id, True, " ".join(one.words))

    def found(self, made: Draft | None = None) -> World:
        """Make a set with all of them."""
        seed = SEEDS[HEADQUARTERS]
        proposed = signed.sign((made or draft(len(self.desks))).document(), seed)
        self.tell(proposed)
        self.approve("draft")
        listed = roster.roster(proposed, self.to_all(proposed), seed)
        self.transcript = roster.transcript(listed, self.to_all(listed), seed)
        self.tell(self.transcript)
        self.approve("roster")
        confirms = self.to_all(self.transcript)
        self.roster = roster.roster_of(listed)
        self.to_all(roster.founded(self.transcript, confirms, seed))
        return self

    def tell(self, said: Signed) -> list[bytes]:
        """Send a document to all and give what they answer as it is."""
        return [desk.handle(said.encode()) for desk in self.desks]

    def address(self, index: int) -> Address:
        """Where a custodian of the set is."""
        assert self.roster
        return Address(self.roster.draft.store, self.roster.draft.set, index)

    def ask(self, index: int, act: str, body: Mapping[str, Any] | None = None, **changed: Any) -> Document:
        """Ask a custodian and open its answer. `changed` bends the ask. Raises what it answered with."""
        letter = self.letter(index, act, body, **changed)
        return letter.sent(self.desks[index])

    def letter(self, index: int, act: str, body: Mapping[str, Any] | None = None, **changed: Any) -> Letter:
        """An ask that can be sent as often as a test likes."""
        assert self.roster
        seed = changed.pop("seed", None)
        private, public = crypto.park_keypair()
        role = BRANCH if act in custody.ACTS[BRANCH] else HEADQUARTERS
        said = {"seen": self.seen.get(index, [0, ""])} | dict(body or {})
        ask = Ask(act, self.address(index), role, self.clocks[index].second, public, said)
        ask = replace(ask, **changed)
        signature = signed.sign(ask.document(), seed or SEEDS[ask.role])
        return Letter(signature, self.address(index), self.roster.signs[index], private)

    def tick(self, index: int) -> None:
        """The minute's housekeeping."""
        self.desks[index].tick()


@dataclass
class Letter:
    """A signed ask with the key that its answer is sealed to."""

    said: Signed
    address: Address
    public: bytes
    private: bytes = field(repr=False)

    def data(self, desk: Desk) -> bytes:
        """The letter, sealed to the desk's door."""
        door = signed.decode(desk.handle(custody.knock(self.address)), "door")
        return custody.letter(self.said, self.address, custody.door_key(door, self.address, self.public))

    def sent(self, desk: Desk) -> Document:
        """What the desk answers. Raises what it answered with."""
        answered = desk.handle(self.data(desk))
        return custody.open_answer(answered, self.said, self.address, self.public, self.private)


def draft(n: int = 3, t: int | None = None, **changed: Any) -> Draft:
    """A draft of a set from `DAY` on."""
    made = Draft(
        STORE, 1, t or min(2, n), tuple(f"Custodian {index}" for index in range(n)), DAY, columns.LIFETIME_DEFAULTS, 45,
        crypto.sign_public(SEEDS[BRANCH]), crypto.sign_public(SEEDS[HEADQUARTERS]),
        format_key(Key("log.example", crypto.sign_public(b"l" * 32))),
    )  # fmt: skip
    return replace(made, **changed)


def alone(folder: Path, made: Draft, seeds: Mapping[int, bytes]) -> Custodian:
    """Custodian 0 of a set with these seeds, without a ceremony."""
    state = moves.begun(made, 0, b"k" * 32, seeds, bytes(32), made.begins)
    whole = Whole(made.names[0], {b"": (0, 0, 0)}, {(made.store, made.set): state})
    return Custodian(Kept.create(folder / "c", FileSlot.create(folder / "a.slot"), whole), (made.store, made.set))


def alone_again(folder: Path, made: Draft) -> Custodian:
    """The same one, opened from its disk."""
    sealed = SealedState(folder / "c", NAME, FileSlot.open(folder / "a.slot"))
    return Custodian(Kept(sealed), (made.store, made.set))


def plan_of(act: str, day: int = DAY, cls: str = "", made: int = DAY, seed: bytes = SEEDS[HEADQUARTERS]) -> str:
    """A plan that headquarters signed, as the body of an ask carries it."""
    event = day if act in {"day", "class"} else -1
    planned = Plan(STORE, act, columns.day_text(made), {}, event_day=event, cls=cls)
    return base64_text(planned.signed(seed).encode())


def party_plan(made: int = DAY, leaves: int = 16, seed: bytes = SEEDS[HEADQUARTERS], act: str = "party") -> str:
    """A plan to forget parties that headquarters signed, as the body of an ask carries it."""
    planned = Plan(STORE, act, columns.day_text(made), {}, sealed=b"s" * 28, root=bytes(32), leaves=leaves)
    return base64_text(planned.signed(seed).encode())


def refused(data: bytes) -> str:
    """The words of an answer in clear that refuses."""
    document = canonical.decode(data)
    assert (document["v"], document["kind"]) == (1, "refused")
    return str(document["words"])
