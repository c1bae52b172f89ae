"""A custodian's desk: bytes in, bytes out; and what the person at it sees and does.

One desk a process, and one process a folder: whoever opens it holds a lock. Calls from several threads are taken one
after another. Doors (keys to seal letters to) are in memory only, one a set, new every hour and in every process.

What nobody signed is answered with {"v":1,"kind":"refused","words":…} in clear; what was signed by who may ask, with
a sealed answer, errors too. A letter to a door that is gone is answered with the door that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any

from unheld_custodian import acts, ceremony, moves
from unheld_custodian.custodian import Custodian
from unheld_custodian.kept import NAME, Kept
from unheld_custodian.state import Line, Place, Request, Whole
from unheld_slots.sealed import SealedState
from unheld_slots.slot import Slot
from unheld_verify import canonical, crypto, custody, formats, signed, spoken
from unheld_verify.custody import BRANCH, DOOR_SECONDS, SKEW_SECONDS, Address
from unheld_verify.errors import BadInputError, NotAllowedError, StateError, UnheldError, WrongKeyError
from unheld_verify.roster import custodian_name
from unheld_verify.signed import Document

BYTES_MOST = 32 << 20
DOOR_GRACE_SECONDS = 300
Elapsed = Callable[[], float] | None
_HOUR = 3600
_TROUBLE = StateError("this custodian cannot read or write its memory: the person there sees why; ask again later")
_HOSTILE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True)
class Overview:
    """What the person sees; `sets` as `acts.figures`, the newest of the journal first, `frozen` of the sets together.

    `today` is a day number by this device's clock; `jumped` says that nobody believes it yet.
    """

    name: str
    today: int
    jumped: bool
    frozen: str
    slot: str
    generation: int
    waiting: int
    sets: tuple[Document, ...]
    history: tuple[Line, ...]


@dataclass(frozen=True)
class _Door:
    private: bytes
    public: bytes
    said: bytes
    made: int


class Desk:
    """The desk over a custodian's memory. `clock` gives Unix seconds, `elapsed` seconds that no setting changes.

    Give `elapsed` wherever somebody else may set the clock (`acts.Watch`).
    """

    def __init__(
        self, sealed: SealedState, clock: Callable[[], int], elapsed: Elapsed = None, known: acts.Known | None = None
    ) -> None:
        self._kept = Kept(sealed)
        self.watch = acts.Watch(clock, elapsed, known)
        self._doors: dict[Place, list[_Door]] = {}
        self._lapsed: dict[bytes, int] = {}
        self._lock = RLock()

    @classmethod
    def create(cls, folder: Path, slot: Slot, name: str, clock: Callable[[], int], elapsed: Elapsed = None) -> Desk:
        """A custodian called `name`, as drafts will name it, that holds nothing yet. Raises StateError, BadInputError.

        The folder is made where it is missing.
        """
        name = custodian_name(name)
        second = clock()
        Kept.create(folder, slot, Whole(name, {b"": (second, second, 0)}))
        return cls.open(folder, slot, clock, elapsed)

    @classmethod
    def open(
        cls, folder: Path, slot: Slot, clock: Callable[[], int], elapsed: Elapsed = None,
        known: acts.Known | None = None,
    ) -> Desk:  # fmt: skip
        """The custodian in a folder, finishing what a crash cut short. Raises what `SealedState.load` raises.

        `known` is what the watch of the process before found out.
        """
        desk = cls(SealedState(folder, NAME, slot), clock, elapsed, known)
        desk.tick()
        return desk

    @property
    def name(self) -> str:
        """What it is called."""
        return self._kept.whole.name

    @property
    def lost(self) -> bool:
        """Whether a secret was destroyed that this process's memory may still hold: end it."""
        return self._kept.lost

    def handle(self, data: bytes) -> bytes:
        """Answer what came over a line. Never raises for what came."""
        with self._lock:
            try:
                return self._handle(data, self._settled())
            except UnheldError as error:
                return custody.refused(str(self._told(error)))
            except _HOSTILE:
                return custody.refused("this cannot be read")

    def tick(self) -> None:
        """Let lapse what is due; call it every minute."""
        with self._lock:
            self._settled()

    def requests(self) -> list[Request]:
        """What the person is asked, the newest first; answered ones too."""
        with self._lock:
            return list(reversed(self._kept.whole.requests))

    def decide(self, name: str, approve: bool, said: str = "") -> None:
        """The person's answer to the request with this id; `said` are the four words heard, where it has words.

        Raises BadInputError for an unknown id, NotAllowedError for other words (nothing is decided then), StateError
        where the other answer was given already.
        """
        with self._at() as times:
            request = next((one for one in self._kept.whole.requests if one.id == name), None)
            if request is None:
                raise BadInputError("there is no such request")
            wanted = "approved" if approve else "refused"
            if request.decision not in ("", wanted):
                raise StateError(f"this was {request.decision} already")
            if approve and request.words and spoken.heard(said) != request.words:
                raise NotAllowedError("these are not the four words: let them be read again, and stop if they differ")
            decided = replace(request, decision=wanted)
            requests = tuple(decided if one is request else one for one in self._kept.whole.requests)
            words = f"{wanted} a {request.kind}"
            after = replace(self._kept.whole, requests=requests)
            self._kept.change(
                lambda _: after if approve else ceremony.refused(after, request), times[b""].second, words
            )

    def freeze(self, words: str = "") -> None:
        """Hand out nothing until the person thaws it here."""
        with self._at() as times:
            frozen = self._kept.whole.frozen if self._kept.whole.frozen[0] else (times[b""].second, words[:200])
            self._kept.change(
                lambda whole: replace(whole, frozen=frozen), times[b""].second, "frozen by the person here"
            )

    def thaw(self) -> None:
        """End the person's freeze."""
        with self._at() as times:
            self._kept.change(
                lambda whole: replace(whole, frozen=(0, "")), times[b""].second, "thawed by the person here"
            )

    def believe(self, day: int) -> None:
        """The person says that it is `day`. Raises NotAllowedError when the clock says another one."""
        with self._at() as times:
            clock = times[b""].clock
            if day != clock // moves.DAY_SECONDS:
                raise NotAllowedError("the clock of this device says another date: set it right first")
            words = "the person here confirmed the date" if any(one.jumped for one in times.values()) else ""
            self._kept.change(lambda whole: acts.confirmed(whole, clock), clock, words)
            self._settled()

    def overview(self) -> Overview:
        """Figures for the person's page."""
        with self._at() as times:
            whole = self._kept.whole
            days = {place: times[whole.sets[place].headquarters].day for place in sorted(whole.sets)}
            sets = tuple(acts.figures(Custodian(self._kept, place), day) for place, day in days.items())
            frozen = ["person"] if whole.frozen[0] else [one["frozen"] for one in sets]
            return Overview(
                name=whole.name,
                today=times[b""].clock // moves.DAY_SECONDS,
                jumped=any(one.jumped for one in times.values()),
                frozen=next((who for who in ("person", "headquarters", "silence") if who in frozen), ""),
                slot=self._kept.slot,
                generation=self._kept.generation,
                waiting=sum(not one.decision for one in whole.requests),
                sets=sets,
                history=tuple(reversed(whole.journal)),
            )

    @contextmanager
    def _at(self) -> Iterator[acts.Times]:
        with self._lock:
            yield self._settled()

    def _settled(self) -> acts.Times:
        times = self.watch.now(self._kept.whole)
        days = {key: time.day for key, time in times.items()}
        if days != self._lapsed:
            self._kept.change(lambda whole: acts.lapsed(whole, times), times[b""].second, "let lapse what was due")
            self._lapsed = days
        self._kept.change(lambda whole: acts.remembered(whole, times))
        return times

    def _handle(self, data: bytes, times: acts.Times) -> bytes:
        if len(data) > BYTES_MOST:
            raise BadInputError(f"more than {BYTES_MOST} bytes: nothing so long is sent to a custodian")
        document = canonical.decode(data)
        formats.check_json("line", document)
        if isinstance(document, dict) and document.get("v") == 1 and document.get("kind") in ("knock", "letter"):
            return self._at_the_door(document, times)
        if times[b""].jumped:
            raise StateError("the clock here made a large step: first the person here confirms the date")
        whole, answer = ceremony.heard(self._kept.whole, signed.from_json(document), times[b""].second)
        self._kept.change(lambda _: whole)
        self._lapsed = {}
        return answer

    def _at_the_door(self, document: dict[str, Any], times: acts.Times) -> bytes:
        custodian = Custodian(self._kept, (bytes.fromhex(document["store"]), document["set"]))
        time, address = times[custodian.state.headquarters], custodian.address
        custodian.second = time.second
        if document["to"] != address.index:
            raise BadInputError(f"this is custodian {address.index}, not {document['to']}")
        newest = self._door(address, time.clock)
        if document["kind"] == "knock":
            return newest.said
        for door in self._doors[address.store, address.set]:
            if document["door"] == crypto.sha256(door.public)[:8].hex():
                return self._letter(custodian, document, door, time)
        return newest.said

    def _door(self, address: Address, clock: int) -> _Door:
        place = (address.store, address.set)
        doors = [
            one for one in self._doors.get(place, []) if -_HOUR < clock - one.made < DOOR_SECONDS + DOOR_GRACE_SECONDS
        ]
        # before others, whose clocks are ahead of this one, find it too old; and anew where this one was set back
        if not doors or not 0 <= clock - doors[-1].made < DOOR_SECONDS - SKEW_SECONDS:
            private, public = crypto.park_keypair()
            said = custody.door(address, public, clock, self._kept.whole.sets[place].sign).encode()
            doors.append(_Door(private, public, said, clock))
        self._doors[place] = doors
        return doors[-1]

    def _letter(self, custodian: Custodian, document: dict[str, Any], door: _Door, time: acts.Now) -> bytes:
        address, state = custodian.address, custodian.state
        said = custody.open_letter(document, address, door.private)
        ask = custody.ask_of(said.document)
        said.by(state.branch if ask.role == BRANCH else state.headquarters)
        if ask.address != address:
            raise WrongKeyError("this ask is for another custodian")
        try:
            body = acts.answer(custodian, ask, said.digest, time)
        except UnheldError as error:
            body = custody.refusal(self._told(error))
        except _HOSTILE:
            body = custody.refusal(BadInputError(f"{ask.act}: what it says cannot be read"))
        return custody.answer(said, address, time.clock, body, state.sign).encode()

    def _told(self, error: UnheldError) -> UnheldError:
        """What others hear of an error: nothing of this device's disk."""
        return _TROUBLE if error is self._kept.trouble else error
