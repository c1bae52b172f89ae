"""One custodian: a state machine over its sealed state.

It holds components of column keys and lets them lapse. It knows no identity, label or record. Every change seals the
whole state under a new key and destroys the one before; nothing is remembered between two calls, so that after a crash
the next call goes on from what is on the disk. Column keys leave in `open_day` only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from unheld_custodian import moves
from unheld_custodian.state import State, decode, encode, event_column
from unheld_slots import durable
from unheld_slots.sealed import SealedState
from unheld_slots.slot import Slot
from unheld_verify import canonical, columns, crypto, parked
from unheld_verify.columns import Attestation, EventColumn, ParkPeriod, Push
from unheld_verify.errors import BadInputError, SealedError

NAME = "custodian"


@dataclass(frozen=True)
class Terms:
    """What is pinned when a custodian is made: store, set, its place among n of which t act, lifetimes in days."""

    store: bytes
    set: int
    index: int
    n: int
    t: int
    lifetimes: Mapping[str, int]
    late_days: int
    first_day: int


@dataclass(frozen=True)
class Status:
    """Figures of a custodian; no key, and nothing about anybody."""

    set: int
    index: int
    n: int
    t: int
    next_day: int
    open_days: tuple[int, ...]
    columns: int
    keys: int
    erased: int
    park_periods: int
    generation: int
    slot: str


def local_genesis(n: int, t: int) -> list[dict[int, bytes]]:
    """The first chain links of every custodian, made in one place: for custodians that all live on this machine.

    Whoever deals these knows them all. Custodians on separate machines must make them in a ceremony instead.
    """
    seeds = [crypto.random_bytes(32) for _ in columns.components(n, t)]
    return [{number: seeds[number] for number in columns.held(n, t, index)} for index in range(n)]


class Custodian:
    """The custodian whose sealed state lies in a folder, opened by its slot."""

    def __init__(self, sealed: SealedState) -> None:
        self._sealed = sealed

    @classmethod
    def create(cls, folder: Path, slot: Slot, terms: Terms, chains: Mapping[int, bytes]) -> Custodian:
        """Found a custodian with its first chain links. Raises BadInputError, or StateError when one is there."""
        lifetimes = columns.check_lifetimes(terms.lifetimes)
        columns.check_late_days(terms.late_days)
        components = columns.held(terms.n, terms.t, terms.index) if 0 <= terms.index < terms.n else []
        if not components or sorted(chains) != components or any(len(link) != 32 for link in chains.values()):
            raise BadInputError(f"custodian {terms.index} of {terms.n}: give a 32-byte chain for each of {components}")
        if len(terms.store) != 16 or not 0 <= terms.set < 2**32 or terms.first_day < 0:
            raise BadInputError("custodian: give a store id of 16 bytes, a set number and a first day")
        state = State(
            store=terms.store,
            set=terms.set,
            index=terms.index,
            n=terms.n,
            t=terms.t,
            lifetimes=lifetimes,
            late_days=terms.late_days,
            next_day=terms.first_day,
            sign=crypto.random_bytes(32),
            chains=dict(chains),
        )
        durable.make_folder(folder)
        sealed = SealedState(folder, NAME, slot)
        sealed.create(encode(state))
        return cls(sealed)

    @classmethod
    def open(cls, folder: Path, slot: Slot) -> Custodian:
        """Open a custodian, finishing what a crash cut short. Raises what `SealedState.load` raises."""
        custodian = cls(SealedState(folder, NAME, slot))
        custodian._load()
        return custodian

    @property
    def public(self) -> bytes:
        """The Ed25519 public key its attestations are checked with."""
        return crypto.sign_public(self._load().sign)

    @property
    def store(self) -> bytes:
        """The id of the store whose columns it holds."""
        return self._load().store

    @property
    def index(self) -> int:
        """Its number among the custodians of the set."""
        return self._load().index

    def open_day(self, day: int, today: int) -> Push:
        """Hand out the column keys of sealing day `day`; again and the same ones, until the day is closed.

        Raises StateError for a day that is over here or has not begun.
        """
        state = self._change(lambda state: moves.parking(moves.opened(state, day, today), today))
        keys = moves.keys_of_day(state, day, today)
        testimony = self._attest(state, "opened", day, keys)
        return Push(state.set, state.index, day, keys, columns.checks(keys), _publics(state, today), testimony)

    def close_day(self, day: int, today: int) -> Attestation:
        """Never hand out `day` again, opened here or by others only. Repeating it changes nothing and testifies again.

        Raises StateError for a day that is still to come.
        """
        return self._attest(self._change(lambda state: moves.closed(state, day, today)), "closed", day, [])

    def lapse(self, today: int) -> Attestation:
        """Erase every key that is due. The testimony names, for each class, the newest event day that has lapsed."""
        state = self._change(lambda state: moves.lapsed(state, today))
        return self._attest(state, "lapsed", today, [(cls, today - days) for cls, days in state.lifetimes.items()])

    def erase(self, pairs: Collection[EventColumn], today: int) -> Attestation:
        """Erase (class, event day) columns now and for ever. Repeating it changes nothing and testifies again."""
        wanted = set(pairs)
        state = self._change(lambda state: moves.erased(state, wanted, today))
        return self._attest(state, "erased", today, wanted)

    def erase_everything(self, today: int) -> Attestation:
        """Erase every column key, open day and parking key. Chains stay: sealing may begin anew tomorrow."""
        state = self._change(lambda state: moves.emptied(state, today))
        return self._attest(state, "erased", today, columns.living(today, state.lifetimes))

    def park_publics(self, today: int) -> dict[ParkPeriod, bytes]:
        """Public keys to park under, from the present period to ten weeks (outage) and 14 days (quarantine) ahead."""
        return _publics(self._change(lambda state: moves.parking(state, today)), today)

    def open_parked(self, header: bytes) -> dict[int, bytes]:
        """The shares of a parked batch for the components held here.

        Raises SealedError when the key of its period lapsed, BadInputError or WrongKeyError when it is not for here.
        """
        state, wanted = self._load(), parked.ParkedHeader.decode(header)
        if (wanted.store, wanted.set, wanted.n, wanted.t) != (state.store, state.set, state.n, state.t):
            raise BadInputError(f"parked batch {wanted.batch.hex()}: it belongs to another store or custodian set")
        private = state.park.get((wanted.reason, wanted.period))
        if private is None:
            raise SealedError(f"parked {wanted.batch.hex()}: its key of {wanted.reason} {wanted.period} has lapsed")
        return parked.open_box(private, wanted, state.index)

    def status(self) -> Status:
        """Figures only."""
        state = self._load()
        return Status(
            set=state.set,
            index=state.index,
            n=state.n,
            t=state.t,
            next_day=state.next_day,
            open_days=state.open_days,
            columns=len({event_column(name) for name in state.keys}),
            keys=len(state.keys),
            erased=len(state.erased),
            park_periods=len(state.park),
            generation=self._sealed.generation,
            slot=self._sealed.slot.words(),
        )

    def _load(self) -> State:
        return decode(self._sealed.load())

    def _change(self, move: Callable[[State], State]) -> State:
        before = self._load()
        after = move(before)
        if after != before:
            self._sealed.replace(encode(after))
        return after

    def _attest(self, state: State, kind: str, day: int, pairs: Collection[EventColumn]) -> Attestation:
        statement = canonical.encode(
            {
                "v": 1,
                "kind": kind,
                "store": state.store.hex(),
                "set": state.set,
                "custodian": state.index,
                "day": columns.date_of(day).isoformat(),
                "columns": [[cls, columns.date_of(when).isoformat()] for cls, when in columns.in_order(pairs)],
                "generation": self._sealed.generation,
                "slot": self._sealed.slot.words(),
            }
        )
        return Attestation(statement, crypto.sign(state.sign, columns.ATTEST_LABEL + statement))


def _publics(state: State, today: int) -> dict[ParkPeriod, bytes]:
    return {period: crypto.park_public(state.park[period]) for period in moves.park_periods(today)}
