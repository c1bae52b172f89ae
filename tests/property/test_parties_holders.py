"""Parties against a model: numbers change hands, SIMs are added, parties are forgotten, in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.nodes import Nodes
from unheld_branch.keys.parties.parties import Parties

NUMBERS = [f"tel:+95912345{number:04}" for number in range(6)]
SIMS = [f"imsi:41401012345{number:04}" for number in range(8)]


class Store(dict[bytes, bytes]):
    """An empty store: everything of a test waits in `Nodes`."""

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        return {node_id: self[node_id] for node_id in node_ids}


@dataclass
class Holding:
    """One holder's time with one identity."""

    party: bytes
    since: int
    ended: int = 0


@dataclass
class Model:
    """Who held what, and when."""

    holdings: dict[str, list[Holding]] = field(default_factory=dict)

    def present(self, identity: str) -> Holding | None:
        return next((h for h in self.holdings.get(identity, []) if not h.ended), None)

    def owner(self, identity: str, when: int) -> bytes | None:
        """Whose time it was."""
        held = self.holdings.get(identity, [])
        return next((h.party for h in held if h.since <= when and (not h.ended or when < h.ended)), None)

    def reached(self, identity: str, when: int) -> bytes | None:
        """The same by the rule of the format: from the present holder back, until a generation is missing."""
        current = self.present(identity)
        while current is not None and when < current.since:
            began = current.since
            current = next((h for h in self.holdings[identity] if h.ended == began), None)
        return current.party if current else None

    def forget(self, party: bytes) -> None:
        self.holdings = {name: [h for h in held if h.party != party] for name, held in self.holdings.items()}


class HolderMachine(RuleBasedStateMachine):
    """Time moves on by one second a step."""

    def __init__(self) -> None:
        super().__init__()
        self.parties = Parties(Nodes(bytes(16), Store()), {})
        self.model = Model()
        self.clock = 100

    def _tick(self) -> int:
        self.clock += 1
        return self.clock

    @rule(tel=st.sampled_from(NUMBERS), imsi=st.none() | st.sampled_from(SIMS))
    def add(self, tel: str, imsi: str | None) -> None:
        """A number without a holder gets one, with or without a SIM."""
        if self.model.present(tel) or (imsi and self.model.present(imsi)):
            return
        since = self._tick()
        self.parties, made = self.parties.add(0, Newcomers([tel], since, imsis=[imsi]))
        for identity, key in zip(made.identities, made.rows.keys, strict=True):
            self.model.holdings.setdefault(identity, []).append(Holding(key.tobytes(), since))

    @rule(tel=st.sampled_from(NUMBERS), imsi=st.sampled_from(SIMS))
    def link(self, tel: str, imsi: str) -> None:
        """A holder gets a further SIM."""
        holder = self.model.present(tel)
        if holder is None or self.model.present(imsi):
            return
        since = self._tick()
        self.parties, _ = self.parties.link(0, [tel], [imsi], since)
        self.model.holdings.setdefault(imsi, []).append(Holding(holder.party, since))

    @rule(chosen=st.lists(st.sampled_from(NUMBERS + SIMS), unique=True, max_size=4), again=st.booleans())
    def change_holders(self, chosen: list[str], again: bool) -> None:
        """Identities lose their holders at one second; new holders may begin at that second."""
        held = [identity for identity in chosen if self.model.present(identity)]
        ended = self._tick()
        self.parties = self.parties.retire(0, held, ended) if held else self.parties
        for identity in held:
            holding = self.model.present(identity)
            assert holding is not None
            holding.ended = ended
        if again and held:
            self.parties, made = self.parties.add(0, Newcomers(held, ended))
            for identity, key in zip(made.identities, made.rows.keys, strict=True):
                self.model.holdings[identity].append(Holding(key.tobytes(), ended))

    @rule(identity=st.sampled_from(NUMBERS + SIMS), back=st.integers(0, 60))
    def forget(self, identity: str, back: int) -> None:
        """Whoever held the identity at some time is forgotten, found by any of their identities."""
        when = self.clock - back
        found = self.parties.owner_at([identity], [when], [0])
        party, reached = self.model.owner(identity, when), self.model.reached(identity, when)
        assert reached in (party, None)
        assert [key.tobytes() for key in found.rows.keys] == ([reached] if reached else [])
        if party:
            rows = found.rows if reached else self.parties.earlier_holder(identity, when, 0)
            self.parties, dropped = self.parties.drop(0, rows.tags, rows.labels)
            assert {key.tobytes() for key in dropped.rows.keys} == {party}
            self.model.forget(party)

    @invariant()
    def holds_the_model(self) -> None:
        """Exactly the holdings of the model have rows: nobody forgotten keeps one."""
        if not self.parties.trees:
            return
        rows = rows_.join(list(self.parties.walk(0)))
        held = [h for holdings in self.model.holdings.values() for h in holdings]
        stored = [
            (key.tobytes(), since, ended)
            for key, since, ended in zip(rows.keys, rows.since.tolist(), rows.ended.tolist(), strict=True)
        ]
        assert sorted(stored) == sorted((h.party, h.since, h.ended) for h in held)

    @invariant()
    def links_both_ways(self) -> None:
        """Every link leads to a row of the same party, and back."""
        if not self.parties.trees:
            return
        rows = rows_.join(list(self.parties.walk(0)))
        owners, targets = rows.links()
        there, back = rows.at(owners), rows.at(targets)
        pairs = {(a.tobytes(), b.tobytes()) for a, b in zip(owners, targets, strict=True)}
        assert (back >= 0).all()
        assert np.array_equal(rows.keys[there], rows.keys[back])
        assert np.array_equal(rows.labels[there], rows.labels[back])
        assert pairs == {(b, a) for a, b in pairs}


TestHolderMachine = HolderMachine.TestCase
TestHolderMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
