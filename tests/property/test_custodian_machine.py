"""A custodian against a simple model: whatever the order of calls and crashes, what is gone stays gone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.ceremony import alone, alone_again, draft
from unheld_slots import durable
from unheld_verify import columns
from unheld_verify.columns import EventColumn
from unheld_verify.errors import StateError

FIRST = 20_000
LIFETIMES = {"charge": 4, "contact": 3, "place": 2, "identity": 32}
LATE = 2
SEED = b"c" * 32


class Crash(BaseException):
    """The power went."""


@cache
def key_by_hand(pair: EventColumn, day: int) -> bytes:
    """The column key straight from the genesis link."""
    chain = SEED
    for _ in range(day - FIRST):
        chain = columns.next_link(chain)
    return columns.column_key(columns.day_key(chain, day), *pair)


class CustodianMachine(RuleBasedStateMachine):
    """Model: the next day, the open days, the (column, sealing day) pairs held, the erased list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.today = FIRST
        self.plans = 0
        self.next_day = FIRST
        self.open: set[int] = set()
        self.held: set[tuple[EventColumn, int]] = set()
        self.erased: set[EventColumn] = set()
        self.dead: set[tuple[EventColumn, int]] = set()

    @initialize()
    def found(self) -> None:
        self.draft = draft(1, 1, lifetimes=LIFETIMES, late_days=LATE, begins=FIRST)
        self.custodian = alone(self.folder, self.draft, {0: SEED})

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def plan(self) -> bytes:
        """The digest of a new plan."""
        self.plans += 1
        return self.plans.to_bytes(32, "big")

    def reopen(self) -> None:
        self.custodian = alone_again(self.folder, self.draft)

    def keep(self, wanted: Callable[[EventColumn, int], bool]) -> None:
        kept = {(pair, day) for pair, day in self.held if wanted(pair, day)}
        self.dead |= self.held - kept
        self.held = kept

    def model_skip(self, day: int) -> None:
        """Stepping over a day leaves its living keys, whoever opened it."""
        for over in range(self.next_day, day):
            pairs = columns.window(over, LATE, LIFETIMES)
            living = {pair for pair in pairs if pair not in self.erased and columns.due(*pair, LIFETIMES) > self.today}
            self.held |= {(pair, over) for pair in living}
        self.next_day = max(self.next_day, day)

    def model_open(self, day: int) -> None:
        self.model_skip(day + 1)
        self.open.add(day)

    def model_lapse(self) -> None:
        self.model_skip(self.today)
        self.keep(lambda pair, _: columns.due(*pair, LIFETIMES) > self.today)
        self.erased = {pair for pair in self.erased if columns.due(*pair, LIFETIMES) > self.today}
        self.open = {day for day in self.open if day >= self.today - 1}

    def model_erase(self, pair: EventColumn) -> None:
        self.model_skip(self.today)
        if self.next_day <= self.today:
            self.model_open(self.today)
        self.keep(lambda other, _: other != pair)
        if columns.due(*pair, LIFETIMES) > self.today:
            self.erased.add(pair)

    def model_empty(self) -> None:
        self.model_skip(self.today + 1)
        self.keep(lambda *_: False)
        self.open = set()

    @rule(days=st.integers(1, 3))
    def time_passes(self, days: int) -> None:
        self.today += days

    @rule(back=st.integers(-1, 3))
    def open_day(self, back: int) -> None:
        day = self.today - back
        if day in self.open or self.next_day <= day <= self.today:
            push = self.custodian.open_day(day, self.today)
            if day not in self.open:
                self.model_open(day)
            expected = {
                pair for pair, sealed in self.held if sealed == day and columns.due(*pair, LIFETIMES) > self.today
            }
            assert {pair: keys[0] for pair, keys in push.keys.items()} == {p: key_by_hand(p, day) for p in expected}
            return
        before = self.custodian.state
        try:
            self.custodian.open_day(day, self.today)
        except StateError:
            assert self.custodian.state == before
        else:
            raise AssertionError(f"day {day} must not open")

    @rule(back=st.integers(0, 3))
    def close_day(self, back: int) -> None:
        day = self.today - back
        self.custodian.close_day(day, self.today)
        self.model_skip(day + 1)
        self.open.discard(day)

    @rule()
    def lapse(self) -> None:
        self.custodian.lapse(self.today)
        self.model_lapse()

    @rule(cls=st.sampled_from(["charge", "contact", "place"]), back=st.integers(0, 4))
    def erase(self, cls: str, back: int) -> None:
        self.custodian.erase([(cls, self.today - back)], self.today)
        self.model_erase((cls, self.today - back))

    @rule()
    def erase_everything(self) -> None:
        self.custodian.erase_everything(self.today, self.today, self.plan())
        self.model_empty()

    @rule(step=st.integers(0, 12), action=st.sampled_from(["open", "lapse", "erase", "everything"]))
    def crash(self, step: int, action: str) -> None:
        if action == "open" and self.today < self.next_day:
            return
        pair = ("charge", self.today - 1)
        custodian, today = self.custodian, self.today
        calls: dict[str, tuple[Callable[[], object], Callable[[], None]]] = {
            "open": (lambda: custodian.open_day(today, today), lambda: self.model_open(today)),
            "lapse": (lambda: custodian.lapse(today), self.model_lapse),
            "erase": (lambda: custodian.erase([pair], today), lambda: self.model_erase(pair)),
            "everything": (lambda: custodian.erase_everything(today, today, self.plan()), self.model_empty),
        }
        call, model = calls[action]
        before = custodian.kept.generation
        seen = iter(range(1000))

        def observer(_action: str, _path: Path) -> None:
            if next(seen) == step:
                raise Crash

        try:
            with durable.observed(observer):
                call()
        except Crash:
            self.reopen()
            if self.custodian.kept.generation == before:
                return
        model()

    @rule()
    def restart(self) -> None:
        self.reopen()

    @invariant()
    def figures_agree(self) -> None:
        state = self.custodian.state
        assert state.next_day == self.next_day
        assert set(state.open_days) == self.open
        assert len(state.keys) == len(self.held)
        assert len(state.erased) == len(self.erased)

    @invariant()
    def nothing_dead_is_held(self) -> None:
        plaintext = self.custodian.kept._sealed.load()
        assert all(key_by_hand(pair, day) not in plaintext for pair, day in self.dead)
        assert all(key_by_hand(pair, day) in plaintext for pair, day in self.held)
        assert self.next_day > max((day for _, day in self.dead | self.held), default=0)


TestCustodianMachine = CustodianMachine.TestCase
TestCustodianMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
