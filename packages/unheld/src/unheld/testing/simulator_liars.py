"""Custodians that lie: each answers in the place of an honest desk, with the keys that its custodian really has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from unheld.testing.simulator_nodes import Bend, Machine
from unheld_custodian.desk import Desk
from unheld_custodian.state import State
from unheld_verify import columns, crypto


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


LIARS: dict[str, Callable[[], Bend]] = {
    "silent": lambda: silent,
    "stale": stale,
    "wrong keys": wrong_keys,
    "equivocating": equivocating,
    "omitting": omitting,
}
