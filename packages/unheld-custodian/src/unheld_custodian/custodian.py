"""One custodian of one set: what it does with its part of the memory.

It holds components of column keys and lets them lapse. It knows no identity and no record. Every change is on the disk
before anything is said of it. Column keys leave in `open_day` only; `evaluate` gives values made with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from unheld_custodian import moves
from unheld_custodian.kept import Kept
from unheld_custodian.state import Place, State
from unheld_verify import canonical, columns, crypto, grant, parked
from unheld_verify.columns import Attestation, EventColumn, ParkPeriod, Push
from unheld_verify.custody import Address
from unheld_verify.errors import BadInputError, NoStoreError, NotAllowedError, SealedError
from unheld_verify.signed import Signed


class Custodian:
    """A set's custodian in a memory, at a second. Each call may raise what reading and writing the memory raises."""

    def __init__(self, kept: Kept, place: Place, second: int = 0) -> None:
        self.kept = kept
        self.place = place
        self.second = second

    @property
    def state(self) -> State:
        """Its part of the memory. Raises NoStoreError when there is no such set here."""
        try:
            return self.kept.whole.sets[self.place]
        except KeyError:
            raise NoStoreError(f"no set {self.place[1]} of store {self.place[0].hex()} is held here") from None

    @property
    def address(self) -> Address:
        """Where it is asked. Of its own memory, not of what came: Python finds set 1 under `true` too."""
        return Address(self.state.store, self.state.set, self.state.index)

    def open_day(self, day: int, today: int, ask: bytes = b"") -> Push:
        """Hand out the column keys of sealing day `day`; again and the same ones, until the day is closed.

        `ask` is the digest of what asked for it: another one counts as another issue, and there are few of them.
        Raises StateError for a day that is over here or has not begun, NotAllowedError after too many issues.
        """

        def move(state: State) -> State:
            """Opened, with parking keys, and counted for this ask."""
            return moves.issued(moves.parking(moves.opened(state, day, today), today), day, ask)

        count = len({*self.state.issues.get(day, ()), ask})
        state = self.change(move, f"handed out {columns.day_text(day)}, to ask {count} of that day")
        keys = moves.keys_of_day(state, day, today)
        testimony = self._attest(state, "opened", day, keys, state.issues[day].index(ask) + 1)
        return Push(state.set, state.index, day, keys, columns.checks(keys), _publics(state, today), testimony)

    def close_day(self, day: int, today: int) -> Attestation:
        """Never hand out `day` again, opened here or by others only. Repeating it changes nothing and testifies again.

        Raises StateError for a day that is still to come.
        """
        state = self.change(lambda state: moves.closed(state, day, today), f"closed {columns.day_text(day)}")
        return self._attest(state, "closed", day, [])

    def lapse(self, today: int) -> Attestation:
        """Erase every key that is due. The testimony names, for each class, the newest event day that has lapsed."""
        state = self.change(lambda state: moves.lapsed(state, today), "let lapse what was due")
        return self._attest(state, "lapsed", today, [(cls, today - days) for cls, days in state.lifetimes.items()])

    def erase(self, pairs: Collection[EventColumn], today: int) -> Attestation:
        """Erase (class, event day) columns now and for ever. Repeating it changes nothing and testifies again."""
        wanted = set(pairs)
        state = self.change(lambda state: moves.erased(state, wanted, today), f"erased {len(wanted)} columns")
        return self._attest(state, "erased", today, wanted)

    def erase_everything(self, today: int, made: int, plan: bytes = b"") -> Attestation:
        """Erase every column key, open day and parking key up to a day. Chains stay: sealing may begin anew after it.

        `plan` is the digest of the plan that says so, `made` its day: brought late or again, it erases nothing that
        was sealed after it, and testifies to that day. Raises NotAllowedError where it is from before this set began.
        """

        def move(state: State) -> State:
            """Emptied, once a plan."""
            if plan and plan in state.emptied:
                return state
            if made < state.begins:
                raise NotAllowedError("this plan is older than this set of custodians: make a new one")
            day = min(made, today)
            return replace(moves.emptied(state, day, today), emptied={**state.emptied, plan: day})

        state = self.change(move, "erased everything")
        day = state.emptied[plan]
        return self._attest(state, "erased", day, columns.living(day, state.lifetimes))

    def park_publics(self, today: int) -> dict[ParkPeriod, bytes]:
        """Public keys to park under, from the present period to ten weeks (outage) and 14 days (quarantine) ahead."""
        return _publics(self.change(lambda state: moves.parking(state, today), "made parking keys"), today)

    def open_parked(self, header: bytes, ask: bytes = b"", look: bool = False) -> dict[int, bytes]:
        """The shares of a parked batch for the components held here, within a day of the first time.

        With `look` none, and nothing is counted: it only raises what it would raise. `ask` is the digest of what asked
        for them. Raises SealedError for a quarantine, which nobody opens, and when the key of its period lapsed;
        NotAllowedError when it was opened before; BadInputError or WrongKeyError when it is not for here.
        """
        state, wanted = self.state, parked.ParkedHeader.decode(header)
        if (wanted.store, wanted.set, wanted.n, wanted.t) != (state.store, state.set, state.n, state.t):
            raise BadInputError(f"parked batch {wanted.batch.hex()}: it belongs to another store or custodian set")
        if wanted.reason != "outage":
            raise SealedError(f"parked {wanted.batch.hex()}: a {wanted.reason} is opened for nobody; it lapses")
        private = state.park.get((wanted.reason, wanted.period))
        if private is None:
            raise SealedError(f"parked {wanted.batch.hex()}: its key of {wanted.reason} {wanted.period} has lapsed")
        shares = parked.open_box(private, wanted, state.index)
        after = moves.unparked(state, wanted.batch, wanted.period, (self.second, ask))
        if look:
            return {}
        self.change(lambda _state: after, "opened a parked batch")
        return shares

    def evaluate(self, said: Signed, ask: bytes) -> bytes:
        """The values for a signed grant that the ask of this digest brought, sealed to the subscriber who signed it.

        What was forgotten, erased or has lapsed is answered for nobody, and a grant is answered once: only the very
        same ask (its answer was lost) is answered again. Raises VerificationError (the subscriber did not sign it),
        NotAllowedError (another store, not its time, used, over a quota), SealedError (forgotten, or nothing of it is
        held), BadInputError. Then nothing is counted.
        """
        wanted, state = grant.verified(said), self.state
        if wanted.store != state.store:
            raise NotAllowedError("this grant is for another store")
        grant.check_time(wanted, self.second)
        if grant.tombstone(state.store, wanted.label) in state.tombstones:
            raise SealedError("this party was forgotten: nobody is answered for it any more")
        if state.used.get(said.digest, (ask, 0))[0] != ask:
            raise NotAllowedError("this grant was answered already: sign a new one")
        values = moves.values(state, set(wanted.columns), wanted.label)
        if not values:
            raise SealedError("no key of these columns is held here: they lapsed, were erased or never sealed")
        if said.digest not in state.used:
            use, today = (ask, wanted.expires), self.second // moves.DAY_SECONDS
            self.change(lambda state: moves.granted(state, wanted.label, said.digest, use, today), "answered a grant")
        return grant.sealed_values(said, (state.set, state.index), values, state.sign)

    def change(self, move: Callable[[State], State], words: str) -> State:
        """Write what `move` makes of its part; `words` go to the journal when that is another one."""
        after, (store, number) = move(self.state), self.place
        said = f"set {number} of store {store.hex()[:8]}: {words}"
        self.kept.change(lambda whole: replace(whole, sets={**whole.sets, self.place: after}), self.second, said)
        return after

    def _attest(self, state: State, kind: str, day: int, pairs: Collection[EventColumn], issue: int = 0) -> Attestation:
        listed = [[cls, columns.day_text(when)] for cls, when in columns.in_order(pairs)]
        head = {"v": 1, "kind": kind, "store": state.store.hex(), "set": state.set, "custodian": state.index}
        said = {"day": columns.day_text(day), "columns": listed, "slot": self.kept.slot} | self.kept.stamp()
        statement = canonical.encode(head | said | ({"issue": issue} if issue else {}))
        return Attestation(statement, crypto.sign(state.sign, columns.ATTEST_LABEL + statement))


def _publics(state: State, today: int) -> dict[ParkPeriod, bytes]:
    return {period: crypto.park_public(state.park[period]) for period in moves.park_periods(today)}
