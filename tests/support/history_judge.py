"""What must hold of a history at any moment: read by the reader's edition, attacked, checked, and by the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import unheld_reader as reader

from tests.support import calls
from tests.support.histories import NUMBERS, OFF_NET, SIMS, Life, Setting, begun
from tests.support.history_life import Act
from tests.support.history_model import Batch, Model, Party, Sealed, month_of
from unheld.testing import evidence, folios
from unheld.testing.closure import Closure
from unheld.workflows.checking import check_all
from unheld.workflows.status import status
from unheld_branch.store import blocks, coding
from unheld_verify import columns, tiles

Place = tuple[int, str, int]
"""Tree, identity, and when its holding ended."""


def lived(setting: Setting, history: Sequence[Act], seed: int = 0) -> None:
    """Live a history and judge it, and between where it says "look"."""
    with begun(setting, seed) as life:
        for act in history:
            if act.kind == "look":
                looked_at(life)
            else:
                life.live(act)
        judged(life)


def judged(life: Life) -> None:
    """Everything, once what is due has gone. Raises AssertionError in words."""
    looked_at(life)
    attacked(life)
    life.live(Act("publish"))
    logged(life)
    told(life)
    checked(life)


def looked_at(life: Life) -> None:
    """What can be told at any moment, by a clock that is right and once what is due has gone."""
    life.live(Act("now"))
    if life.copy_away:
        life.live(Act("away"))
    life.live(Act("lapse"))
    read(life)
    ended(life)


def checked(life: Life) -> None:
    """Check finds nothing."""
    findings = check_all(life.made.deployment).findings
    assert not findings, f"check: {findings}"


def ended(life: Life) -> None:
    """A branch without an open day holds no key of one, once what a crash left is finished."""
    if life.model.open_day is None:
        life.live(Act("close"))
        with life.made.opened() as store:
            assert store.day_slot.read() is None, "keys of a day that is over"


def read(life: Life) -> None:
    """What should open opens to exactly what went in, and nothing else has a row."""
    looked = _Looked(calls.opened(life.made), life.model)
    cast = {f"tel:{one}" for one in (*NUMBERS, *OFF_NET)} | {f"imsi:{one}" for one in SIMS}
    for who in sorted({place[1:] for place in looked.places} | {(one, 0) for one in cast}):
        rows, expected = set(looked.store.rows(*who)), looked.trees(who)
        assert rows == expected, f"{who} has rows in {rows}, not in {expected}"
        found = looked.found(who)
        truth = looked.truth(who, found)
        assert found == truth, f"{who}: {found - truth} open and should not, {truth - found} do not"


class _Looked:
    """A store as the reader's edition opens it, beside the model."""

    def __init__(self, store: reader.OpenedStore, model: Model) -> None:
        self.store = store
        self.model = model
        self.places: dict[Place, Party] = {
            (number, *place): row.party for number, tree in model.trees.items() for place, row in tree.rows.items()
        }
        self._should: dict[Party, list[tuple[Batch, Sealed]]] = defaultdict(list)
        for batch, one in model.everything():
            if model.must_open(batch, one):
                self._should[one.party].append((batch, one))

    def trees(self, who: tuple[str, int]) -> set[int]:
        """Where the model has a row."""
        return {number for number in self.model.trees if (number, *who) in self.places}

    def found(self, who: tuple[str, int]) -> Counter[Any]:
        """What opens."""
        found: Counter[Any] = Counter()
        for folio in self.store.folios(*who):
            for record in folio.records:
                kept = {key: value for key, value in record.items() if value is not None}
                if folio.column[0] == "identity":
                    found[folio.column, str(kept["imei"])[:14]] = 1
                else:
                    found[folio.column, frozenset(kept.items())] += 1
        return found

    def truth(self, who: tuple[str, int], found: Counter[Any]) -> Counter[Any]:
        """What should open."""
        truth: Counter[Any] = Counter()
        for number in self.trees(who):
            for batch, one in self._should.get(self.places[number, *who], ()):
                for cls, event_day in self.model.must_open(batch, one) if number in (0, month_of(batch.day)) else ():
                    column = (cls, event_day, batch.day)
                    if cls == "identity":
                        truth[column, one.fact] = 1
                    else:
                        truth[column, frozenset(self._record(one, column, found).items())] += 1
        return truth

    def _record(self, one: Sealed, column: reader.Column, found: Counter[Any]) -> dict[str, Any]:
        event = one.event
        assert event is not None
        facts: dict[str, dict[str, Any]] = {
            "charge": {"event_type": 1, "outgoing": 1, "duration": event.second % 977 + 1},
            "contact": {"imsi": event.owner} if event.sim else {},
            "place": {"location_id": f"c{event.second % 13}"},
        }
        record = {"time": event.second, **facts[column[0]]}
        if column[0] == "contact" and one.other is not None:
            record["counterpart"] = self._alias(one, column, found)
        return record

    def _alias(self, one: Sealed, column: reader.Column, found: Counter[Any]) -> bytes:
        """By which the record names its other party; of one that was forgotten, any that is nobody's."""
        alive = {held: place for place, held in self.places.items()}
        if one.other in alive:
            return self._alias_at(alive[one.other], column)
        said = [dict(record) for where, record in found if where == column]
        alias: bytes = next((record["counterpart"] for record in said if record["time"] == one.second), b"")
        assert alias not in {self._alias_at(place, column) for place in alive.values()}, "somebody forgotten is named"
        return alias

    def _alias_at(self, place: Place, column: reader.Column) -> bytes:
        return self.store.secrets(self.store.rows(*place[1:])[place[0]], column).alias


def attacked(life: Life) -> None:
    """Who has every byte ever written, and all that lives, opens what lives and nothing that went."""
    recording = life.recorder.recording()  # what stands in a write-ahead file, it has by the row
    kept = tuple(version for version in recording.versions if not version.path.endswith("-wal"))
    recording = replace(recording, versions=kept)
    walked = Closure(recording, evidence.sort(recording))
    walked.run()
    opened, model = set(_opened(walked)), life.model
    must: set[tuple[Any, ...]] = set()
    may: set[tuple[Any, ...]] = set()
    for batch, one in model.everything():
        must |= {(*pair, one.fact or one.second) for pair in model.must_open(batch, one)}
        may |= {(*pair, one.fact or one.second) for pair in model.may_open(one)}
    assert opened <= may, f"forgotten or lapsed, and open: {opened - may}"
    assert must <= opened, f"the attacker is blind: {must - opened}"
    parked = {batch.hex() for batch in walked.held.found["parked records"]}
    over = {name for name, one in model.parked.items() if one.state in ("lapsed", "forgotten")}
    waits = {name for name, one in model.parked.items() if one.state == "parked" and one.due > model.seen}
    assert not parked & over, "a parked batch that lapsed or was forgotten opens"
    assert waits <= parked, "the attacker is blind to parked batches"


def _opened(walked: Closure) -> Iterator[tuple[Any, ...]]:
    parties = sorted(walked.held.found["party-key"])
    for column, keys in sorted(walked.held.found["column-key-set"]) if parties else ():
        if column in walked.evidence.files:
            function = columns.evaluate(keys, b"".join(label for _, label in parties))
            for _, plaintext in folios.opened(walked.evidence, parties, column, function):
                if plaintext[0] == blocks.ROWS:
                    seconds = coding.times(blocks.columns_of([blocks.read_rows(plaintext)]))
                    yield from ((column.cls, column.event_day, second) for second in seconds.tolist())
                else:
                    for fact in blocks.read_facts(plaintext):
                        yield column.cls, column.event_day, fact["imei"][:14]


def logged(life: Life) -> None:
    """The public log verifies, and tells of every act of the store once."""
    deployment = life.made.deployment
    log = tiles.open_log(str(deployment.log))
    head = tiles.verify_log(log, deployment.log_key())
    told = Counter(log.opening(index).statement["kind"] for index in log.opened(head.size))
    assert told == +life.model.said, f"the log tells of {told}, done was {+life.model.said}"
    assert head.size % 32 == 0


def told(life: Life) -> None:
    """Status says what the model says."""
    model, figures = life.model, status(life.made.deployment)
    files = [pair for pairs in model.live_files().values() for pair in pairs]
    expected = {
        "generation": life.length,
        "open_day": columns.day_text(model.open_day) if model.open_day is not None else "",
        "days_closed": sum(state == "closed" for state in model.days.values()),
        "erasures": model.erasures,
        "months_of_other_parties": len(model.trees) - 1,
        "due_to_lapse": 0,
        "statements_waiting": 0,
        "parked": dict(Counter(one.reason for one in model.parked.values() if one.state == "parked")),
    }
    assert {name: figures[name] for name in expected} == expected
    days = {cls: len({day for name, day in files if name == cls}) for cls in columns.CLASSES}
    assert {cls: figures["columns"][cls]["event_days"] for cls in columns.CLASSES} == days
