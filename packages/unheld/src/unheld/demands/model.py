"""A demand as the register tells it: what a person filed, the acts on it, its state. Pure: values in, values out.

There is no act that answers a demand. `waiting` says that no rule speaks against it: it waits for two people and for
the custodians, and this release has nothing by which they could answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from unheld import stray
from unheld_verify import columns
from unheld_verify.errors import BadInputError, StateError
from unheld_verify.statement import ASKS

AUTHORITY_KINDS = ("court", "prosecutor", "police", "military", "ministry", "regulator", "other")
TARGET_KINDS = ("line", "device", "area", "name", "document", "contacts")
LINES = ("line", "contacts")
"""The kinds whose targets are lines and stand in the tree of the demand; words of the others are in the sealed note."""
TARGETS_MOST = 10_000
UNKNOWN = -1

# The whole machine: (state, act) and the states it can lead to. What is not here is refused.
RECEIVED, CHECKED, WAITING, REFUSED, WITHDRAWN = "received", "checked", "waiting", "refused", "withdrawn"
STATES = (RECEIVED, CHECKED, WAITING, REFUSED, WITHDRAWN)
OPEN = (RECEIVED, CHECKED, WAITING)
ACTS = ("received", "checked", "narrowed", "refused", "withdrawn")
TABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "received"): (RECEIVED,),
    **{(state, "checked"): (CHECKED, WAITING) for state in OPEN},
    **{(state, "narrowed"): (RECEIVED,) for state in OPEN},
    **{(state, "refused"): (REFUSED,) for state in OPEN},
    **{(state, "withdrawn"): (WITHDRAWN,) for state in OPEN},
}
WORDS = {
    RECEIVED: "received; no rule has been asked yet",
    CHECKED: "checked; rules speak against it, people decide",
    WAITING: "waits for two people and for the custodians; nothing in this release can answer it",
    REFUSED: "refused",
    WITHDRAWN: "withdrawn by the authority",
}

_LAST_DAY = (1 << 32) // 86_400
_TEXT_MOST = 500
_NO_LETTERS = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
# A number, an IMSI, an IMEI, a national registration number: what a demand names belongs into its sealed box.
# Dates are none, and strokes part digits, so that long references can be written.
_NUMBER = re.compile(r"\d(?:[^\w/]{0,2}_?\d){8,}")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?!\d)")


@dataclass(frozen=True)
class Filed:
    """What a person filed of a demand that arrived. Days are day numbers, `begins` and `ends` inclusive, -1 = unknown.

    No identity is in it: `targets` counts what it names (the lines, or what else `target_kind` says).
    `basis` has ids of laws as the packs know them, or free text. Raises BadInputError naming the field.
    """

    authority: str
    authority_kind: str
    asks: tuple[str, ...]
    target_kind: str
    targets: int
    received: int
    issuer: str = ""
    issuer_title: str = ""
    reference: str = ""
    basis: tuple[str, ...] = ()
    purpose: str = ""
    dated: int = UNKNOWN
    begins: int = UNKNOWN
    ends: int = UNKNOWN
    secret_until: int = UNKNOWN
    written: bool = True
    signed: bool = True
    court_order: bool = False
    emergency: bool = False
    secret_without_end: bool = False
    duress: bool = False
    torture: bool = False

    def __post_init__(self) -> None:
        _one_of("authority_kind", self.authority_kind, AUTHORITY_KINDS)
        _one_of("target_kind", self.target_kind, TARGET_KINDS)
        check_asks(self.asks)
        if not self.authority.strip():
            raise BadInputError("authority: name who demands, or write `unknown`")
        for name in ("authority", "issuer", "issuer_title", "reference", "purpose"):
            check_text(name, getattr(self, name))
        for law in self.basis:
            check_text("basis", law)
        for name in ("dated", "begins", "ends", "secret_until"):
            _day(name, getattr(self, name), UNKNOWN)
        _day("received", self.received, 0)
        _numbers(self)

    def to_json(self) -> dict[str, Any]:
        """The object in the act `received`."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def lines(self) -> int:
        """How many lines it names."""
        return self.targets if self.target_kind in LINES else 0

    @property
    def on(self) -> int:
        """The day by which dated rules are asked: the order's date, or the receipt's where the order has none."""
        return self.received if self.dated == UNKNOWN else self.dated


@dataclass(frozen=True)
class Finding:
    """A rule of a pack that speaks against a demand: the code, and for `narrow` to what it would have to be narrowed.

    `asks`, `begins` and `ends` are what would be left of a demand narrowed by this finding; a refusal has none.
    """

    pack: str
    rule: str
    code: str
    effect: str
    words: str
    asks: tuple[str, ...] = ()
    begins: int = UNKNOWN
    ends: int = UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """As the act `checked` holds it."""
        return asdict(self) | {"asks": list(self.asks)}


@dataclass(frozen=True)
class Span:
    """Consecutive event days of one class (or of what was asked and is never held) that are in one state.

    `state` is one of HELD_STATES; `gone` the day on which the keys of its last day lapsed, -1 in every other state.
    """

    cls: str
    state: str
    first: int
    last: int
    gone: int = UNKNOWN

    @property
    def days(self) -> int:
        """How many days it has."""
        return self.last - self.first + 1


HELD_STATES: Mapping[str, str] = {
    "open": "readable today at the branch, in part at least",
    "closed": "sealed; its keys are with custodians only",
    "due": "sealed; over its time, and dropped with the next lapse",
    "lapsed": "its keys ended by the calendar",
    "erased": "its keys were erased",
    "never-sealed": "nothing of it was ever sealed here",
    "never-held": "nothing of this kind is ever held here",
    "no-store": "there is no store here any more",
}
_THERE = {"open", "closed", "due"}


@dataclass(frozen=True)
class Held:
    """What the store really holds of what a demand asks for, by its journal: no key was used to see it.

    `day` is the day on which it was looked at; `t` of `n` custodians open a closed day; `slot` says in words what the
    erasable slot survives; `release` and `genesis` (hex SHA-256) are what the store's founding pinned;
    `parked` counts batches of unknown days that nobody at the branch can read.
    """

    day: int
    spans: tuple[Span, ...]
    t: int
    n: int
    slot: str
    release: str
    genesis: str
    parked: int = 0

    @property
    def nothing(self) -> bool:
        """Whether nothing that is asked for exists any more."""
        return not self.parked and not any(span.state in _THERE for span in self.spans)

    @property
    def readable(self) -> bool:
        """Whether all that is left of what is asked for lies open at the branch until the sealing day ends."""
        return not self.parked and {span.state for span in self.spans} & _THERE == {"open"}

    def counts(self) -> dict[str, int]:
        """Event days by state; a day of two classes counts twice."""
        found: dict[str, int] = {}
        for span in self.spans:
            found[span.state] = found.get(span.state, 0) + span.days
        return found

    def to_json(self) -> dict[str, Any]:
        """As acts hold it."""
        return asdict(self) | {"spans": [asdict(span) for span in self.spans]}


@dataclass(frozen=True)
class Act:
    """One act of the chain: what, when (Unix seconds), by whom, and the act's own fields (docs/spec/register.md)."""

    kind: str
    at: int
    by: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Demand:
    """A demand with everything that was done on it.

    `asks`, `begins`, `ends` are what is left of it after narrowing; `findings` those of the last check (none after a
    narrowing: check it again); `codes`, `decided_by` and `held` those of the refusal.
    """

    id: bytes
    filed: Filed
    acts: tuple[Act, ...]
    state: str
    asks: tuple[str, ...]
    begins: int
    ends: int
    findings: tuple[Finding, ...] = ()
    codes: tuple[str, ...] = ()
    decided_by: str = ""
    held: Held | None = None

    @property
    def name(self) -> str:
        """The id as 32 hex digits."""
        return self.id.hex()

    @property
    def narrowed(self) -> bool:
        """Whether it was narrowed."""
        return any(act.kind == "narrowed" for act in self.acts)

    @property
    def decided_at(self) -> int:
        """When it ended, in Unix seconds; -1 while it is open."""
        return UNKNOWN if self.state in OPEN else self.acts[-1].at

    @property
    def final(self) -> bool:
        """Whether nothing can be done on it any more."""
        return self.state not in OPEN


def begin(id_: bytes, act: Act) -> Demand:
    """The demand that the act `received` begins."""
    allowed("", act.kind)
    filed = read_filed(act.fields["filed"])
    return Demand(id_, filed, (act,), RECEIVED, filed.asks, filed.begins, filed.ends)


def apply(demand: Demand, act: Act) -> Demand:
    """The demand after an act. Raises StateError naming what is allowed instead, BadInputError for a false act."""
    to = allowed(demand.state, act.kind)
    after = replace(demand, acts=(*demand.acts, act), state=to[0])
    if act.kind == "checked":
        findings = tuple(read_finding(item) for item in act.fields["findings"])
        return replace(after, findings=findings, state=CHECKED if findings else WAITING)
    if act.kind == "narrowed":
        asks, begins, ends = tuple(act.fields["asks"]), act.fields["begins"], act.fields["ends"]
        check_narrower(demand, asks, begins, ends)
        return replace(after, asks=asks, begins=begins, ends=ends, findings=())
    if act.kind == "refused":
        held = read_held(act.fields["held"])
        return replace(after, codes=tuple(act.fields["codes"]), decided_by=act.by, held=held)
    return replace(after, decided_by=act.by)


def allowed(state: str, act: str) -> tuple[str, ...]:
    """The states an act leads to. Raises StateError naming the acts that are allowed."""
    if (to := TABLE.get((state, act))) is None:
        can = [other for other in ACTS if (state, other) in TABLE]
        where = f"the demand is {state}" if state else "there is no demand yet"
        then = f"it can be {' or '.join(can)}" if can else "nothing can be done on it any more"
        raise StateError(f"{where}: it cannot be {act}; {then}")
    return to


def check_narrower(demand: Demand, asks: tuple[str, ...], begins: int, ends: int) -> None:
    """Whether this is less than the demand is now, and more of nothing. Raises BadInputError naming what is more."""
    check_asks(asks)
    if more := [ask for ask in asks if ask not in demand.asks]:
        raise BadInputError(f"asks: {', '.join(more)} is more than the demand asks for; a demand is only ever narrowed")
    for name, now, then, outside in (
        ("begins", demand.begins, begins, begins < demand.begins),
        ("ends", demand.ends, ends, UNKNOWN < demand.ends < ends),
    ):
        _day(name, then, UNKNOWN)
        if (then == UNKNOWN and now != UNKNOWN) or outside:
            raise BadInputError(f"{name}: that is outside the window of the demand; a demand is only ever narrowed")
    _in_order(begins, ends)
    if (asks, begins, ends) == (demand.asks, demand.begins, demand.ends):
        raise BadInputError("narrow: that is the whole demand; leave out something it asks for, or some of its days")


def in_order(asks: Iterable[str]) -> tuple[str, ...]:
    """Asks each once and in the order in which statements hold them."""
    return tuple(sorted(set(asks)))


def check_asks(asks: tuple[str, ...]) -> None:
    """Raises BadInputError unless asks are some of ASKS, each once and in ascending order."""
    for ask in asks:
        _one_of("asks", ask, ASKS)
    if not asks or asks != in_order(asks):
        raise BadInputError(f"asks: name at least one of {', '.join(ASKS)}, each once and in ascending order")


def check_text(name: str, text: str) -> None:
    """Raises BadInputError for text that is too long, has control characters, or looks like somebody's number."""
    if len(text) > _TEXT_MOST or any(unicodedata.category(sign) in _NO_LETTERS for sign in text):
        raise BadInputError(f"{name}: write one line of at most {_TEXT_MOST} letters, without control characters")
    if stray.identity_card(text) or _NUMBER.search(" ".join(_DATE.sub("date", stray.normal(text)).split())):
        raise BadInputError(
            f"{name}: nine digits or an identity card look like somebody, and this is kept in clear: what a demand "
            "names goes to the targets or into the note; a long reference may be written with a stroke: 12345/6789"
        )


def read_filed(value: Any) -> Filed:
    """The inverse of `Filed.to_json`. Raises BadInputError."""
    return _read(Filed, value, basis=tuple(value["basis"]), asks=tuple(value["asks"]))


def read_finding(value: Any) -> Finding:
    """The inverse of `Finding.to_json`. Raises BadInputError."""
    return _read(Finding, value, asks=tuple(value["asks"]))


def read_held(value: Any) -> Held:
    """The inverse of `Held.to_json`. Raises BadInputError."""
    return _read(Held, value, spans=tuple(_read(Span, span) for span in value["spans"]))


_Kind = TypeVar("_Kind", Filed, Finding, Span, Held)


def _read(kind: type[_Kind], value: Mapping[str, Any], **given: Any) -> _Kind:
    names = {item.name for item in fields(kind)}
    if set(value) != names:
        raise BadInputError(f"{kind.__name__.lower()}: has {sorted(set(value) ^ names)} too much or missing")
    return kind(**{**value, **given})


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInputError(f"{name}: choose of {', '.join(known)}")


def _day(name: str, value: int, least: int) -> None:
    if type(value) is not int or not least <= value < _LAST_DAY:
        raise BadInputError(f"{name}: give a day from 1970 to {columns.day_text(_LAST_DAY - 1)}")


def _in_order(begins: int, ends: int) -> None:
    if UNKNOWN not in {begins, ends} and begins > ends:
        raise BadInputError("ends: the window ends before it begins")


def _numbers(filed: Filed) -> None:
    _in_order(filed.begins, filed.ends)
    if type(filed.targets) is not int or not 0 <= filed.targets <= TARGETS_MOST:
        raise BadInputError(f"targets: 0 to {TARGETS_MOST:,}; file a longer list as several demands")
    if filed.secret_without_end and filed.secret_until != UNKNOWN:
        raise BadInputError("secret_until: secrecy has an end or it has none; give one of the two")
