"""Custodians that lie: each answers in the place of an honest desk, with the keys that its custodian really has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from unheld.testing.simulator_nodes import Bend, Machine
from unheld_custodian.desk import Desk
from unheld_custodian.state import State
from unheld_verify import columns, crypto, roster, signed
from unheld_verify.errors import UnheldError
from unheld_verify.roster import Deal, Roster
from unheld_verify.signed import Signed


def silent(_machine: Machine, _data: bytes) -> bytes | None:
    """It never answers."""
    return None


def stale() -> Bend:
    """It answers everything with what it said before."""
    said: list[bytes] = []

    def bend(machine: Machine, data: bytes) -> bytes | None:
        answer = machine.do(lambda desk: desk.handle(data))
        said.append(answer or b"")
        return said[-2 if len(said) % 3 == 0 else -1]

    return bend


def wrong_keys() -> Bend:
    """It made other seeds than it dealt: its pushes and its partials are wrong, and its own checks fit them."""
    return _changed(lambda state, call: _wrong(state) if call == 0 else state)


def equivocating() -> Bend:
    """It says one thing now and another one next time."""
    return _changed(lambda state, call: _wrong(state) if call % 5 == 4 else state)


def omitting() -> Bend:
    """It says that every column was erased."""

    def emptied(state: State, _call: int) -> State:
        living = columns.living(state.next_day + 1, state.lifetimes)
        return replace(state, erased=state.erased | set(living), keys={})

    return _changed(emptied)


Lie = Callable[[Roster, Deal, dict[int, bytes]], tuple[Deal, dict[int, bytes]]]
"""What a dealer says and keeps instead of what it drew."""


def dealing(lie: Lie) -> Bend:
    """It deals as `lie` says, for every ask anew, and confirms whatever there is."""
    signs: dict[bytes, bytes] = {}

    def bend(machine: Machine, data: bytes) -> bytes | None:
        answer = machine.do(lambda desk: desk.handle(data))
        said, whole = _document(answer), machine.whole()
        if said is not None and said.kind == "deal" and whole is not None:
            sign = next(one.sign for one in whole.ceremonies.values() if one.roster.hex() == said.document["roster"])
            found = roster.roster_of(signed.decode(data))
            signs[found.digest] = sign
            return _dealt(machine, found, said, sign, lie).encode()
        asked = _document(data)
        if asked is not None and asked.kind == "transcript":
            sign = signs.get(roster.transcript_of(asked)[0].digest, b"")
            return roster.confirm(asked, machine.index, sign).encode() if sign else answer
        return answer

    return bend


def _document(data: bytes | None) -> Signed | None:
    try:
        return signed.decode(data or b"")
    except UnheldError:
        return None


def _dealt(machine: Machine, found: Roster, said: Signed, sign: bytes, lie: Lie) -> Signed:
    mine = roster.dealt(found.draft.n, found.draft.t, machine.index)
    deal, kept = lie(found, roster.deal_of(said, found, machine.index), dict.fromkeys(mine, b""))
    place = (found.draft.store, found.draft.set)

    def keep(desk: Desk) -> None:
        desk._kept.change(
            lambda whole: replace(
                whole, ceremonies={**whole.ceremonies, place: replace(whole.ceremonies[place], drawn=kept)}
            )
        )

    if all(kept.values()):
        machine.do(keep)
    return signed.sign(deal.document(), sign)


def _wrong_commitment(found: Roster, deal: Deal, kept: dict[int, bytes]) -> tuple[Deal, dict[int, bytes]]:
    first = min(deal.commitments)
    return replace(deal, commitments={**deal.commitments, first: crypto.random_bytes(32)}), kept


def _wrong_box(found: Roster, deal: Deal, kept: dict[int, bytes]) -> tuple[Deal, dict[int, bytes]]:
    """One receiver is given another seed than the others."""
    name = max(deal.boxes)
    return replace(deal, boxes={**deal.boxes, name: _box(found, name, crypto.random_bytes(roster.SEED_BYTES))}), kept


def _short_box(found: Roster, deal: Deal, kept: dict[int, bytes]) -> tuple[Deal, dict[int, bytes]]:
    name = max(deal.boxes)
    return replace(deal, boxes={**deal.boxes, name: _box(found, name, b"short")}), kept


def _two_deals(found: Roster, deal: Deal, kept: dict[int, bytes]) -> tuple[Deal, dict[int, bytes]]:
    """Whoever asks again is given another deal, in which everything fits."""
    return _of(found, deal, {number: crypto.random_bytes(roster.SEED_BYTES) for number in kept})


def _equal_seeds(found: Roster, deal: Deal, kept: dict[int, bytes]) -> tuple[Deal, dict[int, bytes]]:
    return _of(found, deal, dict.fromkeys(kept, b"the same seed for everything!!!!"))


def _of(found: Roster, deal: Deal, seeds: dict[int, bytes]) -> tuple[Deal, dict[int, bytes]]:
    boxes = {name: _box(found, name, seeds[name[0]]) for name in deal.boxes}
    made = {number: roster._commitment(found, number, seed) for number, seed in seeds.items()}
    return replace(deal, commitments=made, boxes=boxes), seeds


def _box(found: Roster, name: tuple[int, int], seed: bytes) -> bytes:
    return crypto.box_seal(found.transports[name[1]], seed, roster._info(found, *name))


def _wrong(state: State) -> State:
    chains = {component: crypto.sha256(b"wrong", chain) for component, chain in state.chains.items()}
    keys = {name: crypto.sha256(b"wrong", key) for name, key in state.keys.items()}
    return replace(state, chains=chains, keys=keys)


def _changed(lie: Callable[[State, int], State]) -> Bend:
    calls = 0

    def bend(machine: Machine, data: bytes) -> bytes | None:
        def answered(desk: Desk) -> bytes:
            nonlocal calls
            desk._kept.change(
                lambda whole: replace(whole, sets={place: lie(state, calls) for place, state in whole.sets.items()})
            )
            calls += 1
            return desk.handle(data)

        return machine.do(answered)

    return bend


DEALERS: dict[str, Lie] = {
    "wrong commitment": _wrong_commitment,
    "wrong box": _wrong_box,
    "short box": _short_box,
    "two deals": _two_deals,
    "equal seeds": _equal_seeds,
}
LIARS: dict[str, Callable[[], Bend]] = {
    "silent": lambda: silent,
    "stale": stale,
    "wrong keys": wrong_keys,
    "equivocating": equivocating,
    "omitting": omitting,
}
