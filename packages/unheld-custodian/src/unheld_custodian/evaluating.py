"""Answering a grant: the values of the column function that a subscriber asked for, sealed to that subscriber.

Two must come together: the subscriber's signature and headquarters' ask. What was forgotten, erased or has lapsed is
answered for nobody, and a grant is answered once: only the very same ask (its answer was lost) is answered again.
"""

from __future__ import annotations

from unheld_custodian import moves
from unheld_custodian.custodian import Custodian
from unheld_custodian.state import State, event_column
from unheld_verify import crypto, grant
from unheld_verify.columns import EventColumn
from unheld_verify.errors import NotAllowedError, SealedError
from unheld_verify.grant import Grant
from unheld_verify.signed import Signed


def evaluate(custodian: Custodian, said: Signed, ask: bytes) -> bytes:
    """The sealed values for a signed grant that the ask of this digest brought.

    Raises VerificationError (the subscriber did not sign it), NotAllowedError (another store, not its time, used, over
    a quota), SealedError (forgotten, or nothing of it is held), BadInputError. Then nothing is counted.
    """
    wanted = grant.verified(said)
    state = custodian.state
    _check(state, wanted, said.digest, ask, custodian.second)
    values = _values(state, wanted)
    if not values:
        raise SealedError("no key of these columns is held here: they have lapsed, were erased or were never sealed")
    if said.digest not in state.used:
        today = custodian.second // moves.DAY_SECONDS
        use = (ask, wanted.expires)
        custodian.change(lambda state: moves.granted(state, wanted.label, said.digest, use, today), "answered a grant")
    return grant.sealed_values(said, (state.set, state.index), values, state.sign)


def _check(state: State, wanted: Grant, digest: bytes, ask: bytes, second: int) -> None:
    if wanted.store != state.store:
        raise NotAllowedError("this grant is for another store")
    grant.check_time(wanted, second)
    if grant.tombstone(state.store, wanted.label) in state.tombstones:
        raise SealedError("this party was forgotten: nobody is answered for it any more")
    if state.used.get(digest, (ask, 0))[0] != ask:
        raise NotAllowedError("this grant was answered already: sign a new one")


def _values(state: State, wanted: Grant) -> dict[tuple[EventColumn, int], dict[int, bytes]]:
    pairs, found = set(wanted.columns), dict[tuple[EventColumn, int], dict[int, bytes]]()
    for name, key in state.keys.items():
        if event_column(name) in pairs:
            found.setdefault((event_column(name), name[2]), {})[name[3]] = crypto.aes_blocks(key, wanted.label)
    return found
