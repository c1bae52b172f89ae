"""Column values from what custodians answered: each component from two sources, or said to be uncorroborated.

A wrong value gives a wrong block id, and the block is then simply not found: one custodian could deny a person a chosen
record. So values of two custodians are compared, a difference names both, and a third holder shows which of them lies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import combinations

from unheld.access.messages import HeldFile
from unheld_verify import columns, grant
from unheld_verify.columns import Column, EventColumn
from unheld_verify.errors import BadInputError, UnheldError
from unheld_verify.roster import Roster
from unheld_verify.signed import Signed

Given = Mapping[tuple[EventColumn, int], Mapping[int, bytes]]
"""What one custodian answered: by (class, event day) and sealing day, and by component."""


class State(Enum):
    """What is known of one column's value, in the words that the subscriber reads."""

    CHECKED = "checked: every part came from two custodians or more"
    UNCORROBORATED = "uncorroborated: a part came from one custodian only, who could have denied a record"
    DISPUTED = "disputed: two custodians gave different parts, and nothing shows which of them is wrong"
    INCOMPLETE = "incomplete: too few custodians answered"
    GONE = "gone: no custodian holds keys of this day any more"


@dataclass(frozen=True)
class Joined:
    """One column: its value where it could be joined, and what is known of it."""

    state: State
    value: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Read:
    """All columns of a grant. `liars` are (set, index), `pairs` (set, index, index) of whom one is wrong.

    `refused` says of (set, index) why nothing of it counts.
    """

    columns: Mapping[Column, Joined]
    liars: tuple[tuple[int, int], ...]
    pairs: tuple[tuple[int, int, int], ...]
    refused: Mapping[tuple[int, int], str]


def read(
    sealed: Mapping[tuple[int, int], bytes],
    asked: Signed,
    private: bytes,
    rosters: Mapping[int, Roster],
    files: tuple[HeldFile, ...],
) -> Read:
    """Open, compare and join what custodians (set, index) sealed for a grant, for the columns of `files`."""
    given, refused = _opened(sealed, asked, private, rosters)
    found: dict[Column, Joined] = {}
    wrong: set[tuple[int, int]] = set()
    pairs: set[tuple[int, int, int]] = set()
    for column, number in {file.column: file.set for file in files}.items():
        answers = {index: values for (set_, index), values in given.items() if set_ == number}
        found[column], lied, odd = _joined(column, rosters[number], answers)
        wrong |= {(number, index) for index in lied}
        pairs |= {(number, *two) for two in odd}
    return Read(found, tuple(sorted(wrong)), tuple(sorted(pairs)), refused)


def _opened(
    sealed: Mapping[tuple[int, int], bytes], asked: Signed, private: bytes, rosters: Mapping[int, Roster]
) -> tuple[dict[tuple[int, int], Given], dict[tuple[int, int], str]]:
    given: dict[tuple[int, int], Given] = {}
    refused: dict[tuple[int, int], str] = {}
    for (number, index), box in sealed.items():
        try:
            if number not in rosters or not 0 <= index < rosters[number].draft.n:
                raise BadInputError("the slip names no such custodian")
            public = rosters[number].signs[index]
            given[number, index] = grant.open_values(box, asked, (number, index), public, private)
        except UnheldError as error:
            refused[number, index] = str(error)
    return given, refused


def _joined(
    column: Column, roster: Roster, answers: Mapping[int, Given]
) -> tuple[Joined, set[int], set[tuple[int, int]]]:
    """(what is known of a column, who lies, pairs of whom one does)."""
    draft, place = roster.draft, ((column.cls, column.event_day), column.sealing_day)
    sources: dict[int, dict[int, bytes]] = defaultdict(dict)
    for index, values in answers.items():
        for component, value in values.get(place, {}).items():
            if index in columns.holders(draft.n, draft.t, component):
                sources[component][index] = value
    if not sources:
        return Joined(State.GONE if len(answers) >= draft.t else State.INCOMPLETE), set(), set()
    chosen: list[bytes] = []
    liars: set[int] = set()
    pairs: set[tuple[int, int]] = set()
    for held in sources.values():
        agreed, wrong = _majority(held)
        liars |= wrong
        if agreed is None:
            pairs |= {two for two in combinations(sorted(held), 2) if held[two[0]] != held[two[1]]}
        else:
            chosen.append(agreed)
    if (odd := _alone(pairs)) is not None:
        rest = {index: values for index, values in answers.items() if index != odd}
        joined, others, left = _joined(column, roster, rest)
        return joined, {odd, *others}, left
    return Joined(*_state(sources, chosen, liars, pairs, len(columns.components(draft.n, draft.t)))), liars, pairs


def _alone(pairs: set[tuple[int, int]]) -> int | None:
    """Who contradicts two or more others that do not contradict each other: that one gave wrong values."""
    common = set.intersection(*(set(two) for two in pairs)) if len(pairs) > 1 else set()
    return next(iter(common)) if len(common) == 1 else None


def _state(
    sources: Mapping[int, Mapping[int, bytes]],
    chosen: list[bytes],
    liars: set[int],
    pairs: set[tuple[int, int]],
    needed: int,
) -> tuple[State, bytes | None]:
    if pairs:
        return State.DISPUTED, None
    if len(chosen) < needed:
        return State.INCOMPLETE, None
    corroborated = all(len(set(held) - liars) > 1 for held in sources.values())
    return State.CHECKED if corroborated else State.UNCORROBORATED, grant.join(chosen)


def _majority(held: Mapping[int, bytes]) -> tuple[bytes | None, set[int]]:
    """(the value that stands, who gave another): None where as many say one thing as another."""
    counted = Counter(held.values()).most_common(2)
    if len(counted) == 2 and counted[0][1] <= max(1, counted[1][1]):
        return None, set()
    most = counted[0][0]
    return most, {index for index, other in held.items() if other != most}
