"""A check that cannot fail is no check: custodians and branches broken on purpose, and the simulator finds each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from unheld.custody.ceremony import Ceremony
from unheld.testing.simulator import Setting, run
from unheld.testing.simulator_liars import DEALERS, dealing, omitting, wrong_keys
from unheld.testing.simulator_nodes import Branch
from unheld.testing.simulator_storms import storm
from unheld_branch.custody import client
from unheld_branch.keys import columns as day_keys
from unheld_branch.keys.columns import DayKeys, merge_pushes
from unheld_custodian import acts, ceremony, kept, moves
from unheld_custodian.state import State, Whole, encode
from unheld_verify import crypto, roster
from unheld_verify.columns import EventColumn, Push
from unheld_verify.roster import Draft

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


class Trusting(Branch):
    """A branch that leaves out what anybody leaves out."""

    def merged(self, pushes: Sequence[Push]) -> tuple[DayKeys, bool]:
        n, t = self.roster.draft.n, self.roster.draft.t
        return merge_pushes(pushes, n, t), day_keys.corroborated(pushes, n, t)


class Careless(Branch):
    """A branch that drops a parked batch when it did not open at once."""

    def give_up(self) -> None:
        self.waiting.clear()


class Repeating(Branch):
    """A branch that forgets that a parked batch was sealed already."""

    def unparked(self, batch: bytes) -> None:
        """It waits on."""


def any_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(acts, "_now", lambda _known, clock, _most, ran: acts.Now(clock, clock, False, ran))


def jumps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(acts, "JUMP_SECONDS", 10_000 * 86_400)
    patch.setattr(acts, "RUNNING_SECONDS", 10_000 * 86_400)


def steps(patch: pytest.MonkeyPatch) -> None:
    real = acts.Watch.__init__
    patch.setattr(acts.Watch, "__init__", lambda self, clock, _elapsed, known: real(self, clock, None, known))


def forgotten_issues(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moves, "issued", lambda state, day, ask: replace(state, issues={**state.issues, day: (ask,)}))


def no_frost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(acts, "frozen", lambda _whole, _state, _day: ("", 0))


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
    def change(self: kept.Kept, move: Callable[[Whole], Whole], *_noted: object) -> Whole:
        before = self.whole
        self._read = move(before)
        if self._read != before:
            self._sealed.replace(encode(self._read))
        return self._read

    patch.setattr(kept.Kept, "change", change)


def own_seeds(patch: pytest.MonkeyPatch) -> None:
    real = roster.receive

    def receive(*given: Any) -> dict[int, bytes]:
        return {number: crypto.sha256(seed, bytes([given[1]])) for number, seed in real(*given).items()}

    patch.setattr(roster, "receive", receive)


def no_quorum(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "quorum", property(lambda _draft: 1))


def unchecked_seeds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crypto, "equal", lambda _one, _other: True)


def chains_of_seeds_alone(patch: pytest.MonkeyPatch) -> None:
    real = roster.receive

    def receive(*given: Any) -> dict[int, bytes]:
        deals = real(*given)
        _, listed = roster._deals(given[0])
        same = {number for deal in listed if len(set(deal.commitments)) > 1 for number in deal.commitments}
        return {
            number: b"one chain of equal seeds, for all" if number in same else seed for number, seed in deals.items()
        }

    patch.setattr(roster, "receive", receive)


def deals_anew(patch: pytest.MonkeyPatch) -> None:
    answered, (check, deal) = ceremony._answered, ceremony._STAGES["roster"]

    def forgets(whole: Whole, place: Any, one: Any, about: bytes, answer: Any) -> tuple[Whole, bytes]:
        whole, data = answered(whole, place, one, about, answer)
        forgot = replace(whole.ceremonies[place], said=one.said)
        return (
            replace(whole, ceremonies={**whole.ceremonies, place: forgot}) if answer.kind == "deal" else whole,
            data,
        )

    def again(whole: Whole, place: Any, one: Any, *more: Any) -> tuple[Whole, bytes]:
        return deal(whole, place, replace(one, roster=b""), *more)

    patch.setattr(ceremony, "_answered", forgets)
    patch.setitem(ceremony._STAGES, "roster", (check, again))


def deaf_to_complaints(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ceremony, "_refuse_complaints", lambda _self, _stage: None)


def deaf_to_its_person(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ceremony, "decision", lambda _whole, _digest: "approved")
    patch.setattr(ceremony, "refused", lambda whole, _request: whole)


def never_retired(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moves, "_ended", lambda _state, _day: False)


def old_sets_stay(patch: pytest.MonkeyPatch) -> None:
    real = moves.lapsed
    patch.setattr(moves, "lapsed", lambda state, *more: state if state.retired else real(state, *more))


def opens_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moves, "unparked", _first)


def _first(state: State, batch: bytes, period: int, use: tuple[int, bytes]) -> State:
    known = state.unparked.get(batch, (period, use[0], ()))
    return replace(state, unparked={**state.unparked, batch: (*known[:2], (use[1],))})


def gives_in_parts(patch: pytest.MonkeyPatch) -> None:
    real = client._shares
    patch.setattr(client, "_shares", lambda line, header, _look, index: real(line, header, False, index))


def until_found(setting: dict[str, Any]) -> None:
    """Simulate month after month."""
    for seed in SEEDS:
        run(Setting(seed, **setting))


def until_wrecked(lie: str) -> None:
    """Simulate storm after storm, with a dealer who lies like this where one is named."""
    for seed in range(60):
        liars = {0: dealing(DEALERS[lie])} if lie else {}
        storm(Setting(seed, n=4, t=2, fates=20, trouble=900, liars=liars))


MUTANTS: dict[str, tuple[Patch, str]] = {
    "goes by any clock": (any_clock, "early|back"),
    "believes a jump of years": (jumps, "days early"),
    "believes any number of small steps": (steps, "days early"),
    "forgets how often it handed out": (forgotten_issues, "forgot that it handed out"),
    "hands out while frozen": (no_frost, "while it was frozen"),
    "does not close": (open_again, "would open it"),
    "derives nothing of a day that others opened": (forgets_days_off, "no key of"),
    "lets nothing lapse": (nothing_lapses, "and is still there|was due and opened"),
    "lets lapse a day early": (early, "days early|an omission shut"),
    "derives what it erased again": (erased_and_back, "came back|went .* early"),
    "believes what it did not write": (believed_written, "not what is on its disk|came back|chain went back|forgot"),
    "keeps other seeds than were dealt": (own_seeds, "two chains"),
}
STORMY: dict[str, tuple[Patch, str, str]] = {
    "counts before a quorum confirmed": (no_quorum, "", "heard counts"),
    "holds no seed to its commitment": (unchecked_seeds, "wrong box", "two chains"),
    "makes one chain of equal seeds": (chains_of_seeds_alone, "equal seeds", "two components have one chain"),
    "deaf to complaints": (deaf_to_complaints, "wrong box", "does not end|is held"),
    "deaf to its person": (deaf_to_its_person, "", "its person refused"),
    "deals anew whenever it is asked": (deals_anew, "", "dealt twice for one join"),
}
"""In ceremonies: how it is broken, who deals how beside it, and the words."""
NIGHTS: dict[str, Any] = {"parks": 1.0, "late_days": 5, "days": 6, "busy": 80, "trouble": 0, "rotate": 0.0}
CUT = {"trouble": 1000, "events": ("cut", "off")}
FOLLOWING: dict[str, tuple[Patch, dict[str, Any], str]] = {
    "makes keys of a set that was retired": (never_retired, {"rotate": 1.0}, "retired|of the set that follows"),
    "lets nothing of an old set lapse": (old_sets_stay, {"rotate": 1.0}, "and is still there"),
    "opens what was parked for ever": (opens_again, NIGHTS, "opens again, a day later"),
    "gives a part of what was parked": (gives_in_parts, NIGHTS | CUT, "a part that opens nothing"),
}
BRANCHES: dict[str, tuple[type[Branch], dict[str, Any], str]] = {
    "compares nothing": (Gullible, {"liars": {0: wrong_keys()}}, "accepted as corroborated"),
    "leaves out what one leaves out": (Trusting, {"liars": {0: omitting()}}, "an omission shut|does not open"),
    "drops what was parked": (Careless, NIGHTS | CUT, "is nowhere"),
    "seals what was parked again": (Repeating, NIGHTS, "came back twice"),
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


@pytest.mark.parametrize("name", STORMY)
def test_a_broken_custodian_is_found_in_a_storm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to break the making of a set breaks a promise in some storm, and the words say which."""
    patch, lie, words = STORMY[name]
    patch(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        until_wrecked(lie)


@pytest.mark.parametrize("name", FOLLOWING)
def test_a_broken_custodian_is_found_when_sets_follow_and_nights_are_parked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same of sets that follow each other, and of what was parked."""
    patch, setting, words = FOLLOWING[name]
    patch(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        until_found({"busy": 30, "trouble": 600, **setting})


@pytest.mark.parametrize("name", BRANCHES)
def test_a_broken_branch_is_found(name: str) -> None:
    """A branch that seals under a liar's keys, lets one shut a column, or loses or doubles what was parked."""
    branch, setting, words = BRANCHES[name]
    with pytest.raises(AssertionError, match=words):
        until_found({"branch": branch, "busy": 40, **setting})
