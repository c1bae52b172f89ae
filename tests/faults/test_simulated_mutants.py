"""A check that cannot fail is no check: custodians and branches broken on purpose, and the simulator finds each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from unheld.testing.simulator import Setting, run
from unheld.testing.simulator_liars import wrong_keys
from unheld.testing.simulator_nodes import Branch
from unheld_branch.keys.columns import DayKeys
from unheld_custodian import acts, kept, moves
from unheld_custodian.state import State, Whole, encode
from unheld_verify import crypto, roster
from unheld_verify.columns import EventColumn, Push

SEEDS = range(40)
Patch = Callable[[pytest.MonkeyPatch], None]


class Gullible(Branch):
    """A branch that takes each component from whoever comes first and compares nothing."""

    def merged(self, pushes: Sequence[Push]) -> tuple[DayKeys, bool]:
        first: dict[int, Push] = {}
        for push in pushes:
            for component in push.checks:
                first.setdefault(component, push)
        keys = {
            pair: tuple(first[component].keys[pair][component] for component in sorted(first))
            for pair in set[EventColumn].intersection(*(set(push.keys) for push in pushes))
        }
        return DayKeys(pushes[0].set, pushes[0].day, keys), True


def any_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(acts, "_now", lambda _whole, clock, _most, ran: acts.Now(clock, clock, False, ran))


def jumps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(acts, "JUMP_SECONDS", 10_000 * 86_400)
    patch.setattr(acts, "RUNNING_SECONDS", 10_000 * 86_400)


def steps(patch: pytest.MonkeyPatch) -> None:
    real = acts.Watch.__init__
    patch.setattr(acts.Watch, "__init__", lambda self, clock, _elapsed: real(self, clock, None))


def forgotten_issues(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moves, "issued", lambda state, day, ask: replace(state, issues={**state.issues, day: (ask,)}))


def no_frost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(acts, "frozen", lambda _whole, _state, _day: "")


def open_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moves, "closed", lambda state, _day, _today: state)


def forgets_days_off(patch: pytest.MonkeyPatch) -> None:
    real = moves.skipped

    def skipped(state: State, day: int, today: int) -> State:
        after = real(state, day, today)
        kept = {name: key for name, key in after.keys.items() if name in state.keys or name[2] == today}
        return replace(after, keys=kept)

    patch.setattr(moves, "skipped", skipped)


def nothing_lapses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moves, "_is_due", lambda _state, _pair, _today: False)


def early(patch: pytest.MonkeyPatch) -> None:
    real = moves._is_due
    patch.setattr(moves, "_is_due", lambda state, pair, today: real(state, pair, today + 1))


def erased_and_back(patch: pytest.MonkeyPatch) -> None:
    real = moves.erased
    patch.setattr(moves, "erased", lambda state, pairs, today: replace(real(state, pairs, today), erased=state.erased))


def believed_written(patch: pytest.MonkeyPatch) -> None:
    def change(self: kept.Kept, move: Callable[[Whole], Whole]) -> Whole:
        self._read = move(self.whole)
        self._sealed.replace(encode(self._read))
        return self._read

    patch.setattr(kept.Kept, "change", change)


def own_seeds(patch: pytest.MonkeyPatch) -> None:
    real = roster.receive

    def receive(*given: Any) -> dict[int, bytes]:
        return {number: crypto.sha256(seed, bytes([given[1]])) for number, seed in real(*given).items()}

    patch.setattr(roster, "receive", receive)


def until_found(setting: dict[str, Any]) -> None:
    """Simulate month after month."""
    for seed in SEEDS:
        run(Setting(seed, **setting))


MUTANTS: dict[str, tuple[Patch, str]] = {
    "goes by any clock": (any_clock, "early|back"),
    "believes a jump of years": (jumps, "days early"),
    "believes any number of small steps": (steps, "days early"),
    "forgets how often it handed out": (forgotten_issues, "forgot that it handed out"),
    "hands out while frozen": (no_frost, "while it was frozen"),
    "does not close": (open_again, "would open it"),
    "derives nothing of a day that others opened": (forgets_days_off, "no key of"),
    "lets nothing lapse": (nothing_lapses, "was due and is still there|was due and opened"),
    "lets lapse a day early": (early, "days early"),
    "derives what it erased again": (erased_and_back, "came back|went .* early"),
    "believes what it did not write": (believed_written, "not what is on its disk|came back|chain went back|forgot"),
    "keeps other seeds than were dealt": (own_seeds, "two chains"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_custodian_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to break a custodian breaks a promise within a few simulated months, and the words say which."""
    patch, words = MUTANTS[name]
    patch(monkeypatch)
    often: dict[Patch, dict[str, Any]] = {
        believed_written: {"trouble": 1000, "events": ("crash",)},
        steps: {"trouble": 1000, "events": ("jump",), "n": 1, "t": 1},
    }
    with pytest.raises(AssertionError, match=words):
        until_found({"busy": 60, **often.get(patch, {"trouble": 600})})


def test_a_branch_that_compares_nothing_is_found() -> None:
    """It seals under a liar's keys, which nobody else has, and calls them corroborated."""
    with pytest.raises(AssertionError, match="accepted as corroborated"):
        until_found({"liars": {0: wrong_keys()}, "branch": Gullible})
