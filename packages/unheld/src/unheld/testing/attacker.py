"""The coercive attacker: every byte a disk ever held, every key alive at the end, the memory of every process.

    with Copies([folder]) as recorder:
        ...
        loot = Attacker(recorder.recording(), operator).closure()
        loot.figures(planted)

He computes the closure of the key disclosure graph and tries every folio. Before a forgetting he opens all of them;
that is the positive control, by the same code. He is no tool to search people with: he works on stores of one
synthetic operator only, whose impossible identities he is given, and refuses every other; he gives counts, and for
planted folios yes or no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from unheld.testing import evidence as evidence_
from unheld.testing import folios
from unheld.testing.closure import BULK, Closure
from unheld.testing.disclosure import Graph
from unheld.testing.folios import Tried
from unheld.testing.planted import Planted, identities
from unheld.testing.recording import Recording
from unheld.testing.synthetic import Operator
from unheld_branch.keys.parties import tags
from unheld_branch.store import blocks
from unheld_branch.store.coding import TIME
from unheld_branch.store.layout import Numbers
from unheld_verify import columns
from unheld_verify.columns import Column
from unheld_verify.errors import NotAllowedError


class Folio(NamedTuple):
    """What is known of one party in one column; `party` is its synthetic identity, or its label in hex if unknown."""

    party: str
    cls: str
    event_day: int
    sealing_day: int


@dataclass(frozen=True)
class Figures:
    """An attack in numbers. `folios_tried` exist and were aimed at, `opened` of them gave way; `combinations` of a
    party and a column were computed to get there."""

    folios_tried: int
    opened: int
    parties_open: int
    columns_open: int
    combinations: int


@dataclass(frozen=True)
class Loot:
    """What an attack got. `counts` says how many instances of each secret and fact of the graph."""

    counts: Mapping[str, int]
    tried: Tried = field(repr=False)
    _names: Mapping[bytes, str] = field(repr=False)
    _closure: Closure = field(repr=False)

    def opened_folios(self) -> set[Folio]:
        """Every folio that opened."""
        return {
            Folio(party, column.cls, column.event_day, column.sealing_day)
            for column, parties in self.opened.items()
            for party in parties
        }

    def figures(self, planted: Planted | None = None) -> Figures:
        """The attack in numbers: on all folios that opened, or on those that `planted` says are there."""
        aimed = self.opened if planted is None else planted.folios
        hit = {column: self.opened.get(column, frozenset()) & parties for column, parties in aimed.items()}
        return Figures(
            folios_tried=sum(map(len, aimed.values())),
            opened=sum(map(len, hit.values())),
            parties_open=len(set[str]().union(*hit.values())),
            columns_open=sum(map(bool, hit.values())),
            combinations=self.tried.folios,
        )

    def reads(self, folio: Folio, seconds: Collection[int]) -> bool:
        """Whether a planted folio opens and holds records of exactly these seconds of its event day."""
        column = Column(folio.cls, folio.event_day, folio.sealing_day)
        held = self._closure.held.found
        parties = [party for party in held["party-key"] if self._names.get(party[1]) == folio.party]
        found: set[int] = set()
        for where, keys in held["column-key-set"]:
            if where == column and parties:
                function = columns.evaluate(keys, b"".join(label for _, label in parties))
                opened = folios.opened(self._closure.evidence, parties, column, function)
                found.update(second for _, plaintext in opened for second in _seconds(plaintext))
        return bool(found) and found == set(seconds)

    @cached_property
    def opened(self) -> dict[Column, frozenset[str]]:
        """Synthetic identities whose folio opened, by column."""
        return {
            column: frozenset(self._names.get(label, label.hex()) for label in labels)
            for column, labels in self.tried.opened.items()
        }


class Attacker:
    """Attacks one recording of stores that hold `operator`'s identities and nobody else's.

    `among` limits the folios tried to some of his identities (and to whoever cannot be told from them): on a large
    store a sample answers as well, and faster. `graph` replaces the disclosure graph, to show what an edge is worth.
    """

    def __init__(
        self,
        recording: Recording,
        operator: Operator,
        among: Collection[str] | None = None,
        graph: Graph | None = None,
    ) -> None:
        self._recording = recording
        self._identities = identities(operator)
        self._among = None if among is None else set(among)
        self._graph = graph

    def closure(self) -> Loot:
        """Everything that can be computed. Raises NotAllowedError when it comes upon anybody who is not synthetic."""
        walked = Closure(self._recording, evidence_.sort(self._recording), self._graph)
        walked.run()
        names = self._names(walked)
        parties = [
            party
            for party in walked.held.found["party-key"]
            if self._among is None or names.get(party[1], "") in {"", *self._among}
        ]
        bulk = walked.graph.has(*BULK)
        keys = sorted(walked.held.found["column-key-set"]) if bulk else []
        values = sorted(walked.held.found["column-value"]) if bulk else []
        tried = folios.try_all(walked.evidence, parties, keys, values)
        return Loot(_counts(walked, tried), tried, names, walked)

    def _names(self, walked: Closure) -> dict[bytes, str]:
        """The synthetic identity of each label found; refuses when a row is of nobody this operator has."""
        ends = {ended for _, ended in walked.rows}
        known: dict[tuple[bytes, int], str] = {}
        for tag_key in walked.held.found["tag-key"]:
            for ended in ends:
                found = tags.tags(tag_key, self._identities, ended)
                pairs = zip(found, self._identities, strict=True)
                known.update(((tag.tobytes(), ended), identity) for tag, identity in pairs)
        strangers = sum(row not in known for row in walked.rows)
        if strangers:
            raise NotAllowedError(
                f"{strangers} rows of this store are not of the synthetic operator: nothing was tried and nothing is"
                " told. This attacker is for made-up networks only"
            )
        named = {(known[row], label) for row, found in walked.rows.items() for _, label in found}
        # telephone numbers last, so that a party of several identities goes by its number
        return {label: name for name, label in sorted(named, key=lambda pair: (pair[0].startswith("tel:"), pair))}


def _seconds(plaintext: bytes) -> list[int]:
    if plaintext[:1] != bytes((blocks.ROWS,)):
        return []
    times = blocks.columns_of([blocks.read_rows(plaintext)])[TIME]
    assert isinstance(times, Numbers)
    return [coded - 1 for coded in times.coded.tolist()]


def _counts(walked: Closure, tried: Tried) -> dict[str, int]:
    counts = Counter({name: len(found) for name, found in walked.held.found.items() if found})
    return dict(counts + Counter({"records": tried.blocks}))
