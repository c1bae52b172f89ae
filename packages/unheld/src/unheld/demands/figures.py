"""Transparency figures: what authorities demanded and what became of it, from the register and from the public log.

Both sources tell of *cases*; the same tables are counted from either. Every figure is exact and of the whole: it is
about orders of authorities, not about people, so a table with a one in it shows nobody.

What is counted follows the eleven elements by which Ranking Digital Rights, then a programme of New America, judged
reports on demands for user information (indicator P11, 2017 to 2019). The present list (P11a) was read in a stored copy
of rankingdigitalrights.org; of the list with eleven, which has demands of private parties besides, only a copy made by
The Digital Standard could be had. Words and numbering here are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from unheld.demands import register
from unheld.demands.model import AUTHORITY_KINDS, REFUSED, UNKNOWN, WITHDRAWN, Demand
from unheld.ledger import Kept
from unheld_verify import columns, statement, tiles
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError
from unheld_verify.note import Key
from unheld_verify.statement import ASKS, Opening
from unheld_verify.tiles import Log

STATEMENTS = (
    "demand-refused", "demand-narrowed", "demand-withdrawn", "demand-received", "claim-answered", "access-answered",
)  # fmt: skip
REGISTER, LOG = "register", "log"
_AS_IT_HAPPENS, _CONTENT = "realtime", "content"


class Outcome(StrEnum):
    """What became of a demand, refusals first. Nothing here can be released, so `complied` is always 0."""

    REFUSED = "refused"
    NARROWED = "narrowed"
    COMPLIED = "complied"
    WAITING = "waiting"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Period:
    """Days (numbers since 1970), both inclusive."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise BadInputError("the period ends before it begins; turn --from and --to around")

    def has(self, day: int) -> bool:
        """Whether a day is in it."""
        return self.first <= day <= self.last

    @property
    def days(self) -> int:
        """How many days it has."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Filing:
    """What only the register tells of a demand, besides the case."""

    kind: str
    basis: tuple[str, ...]
    court_order: bool
    emergency: bool
    secret: bool
    without_end: bool


@dataclass(frozen=True)
class Case:
    """A demand as a source tells it. `asks` is what it asked for when it came; `day` the number of the day on which
    it was filed: that, and not the day of its arrival, is the date of its statement, so both sources count alike.
    """

    authority: str
    asks: tuple[str, ...]
    lines: int
    day: int
    outcome: Outcome
    codes: tuple[str, ...] = ()
    filing: Filing | None = None


@dataclass(frozen=True)
class Counted:
    """A table of counts: `measures` name the columns, `rows` have a name and as many counts.

    `total` is the last row; in a table that `overlaps`, a demand may count in several rows.
    """

    name: str
    words: str
    measures: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    total: tuple[int, ...]
    overlaps: bool = False


@dataclass(frozen=True)
class Statements:
    """Statements of one kind: all that were made, those the log tells, those that secrecy or a publication holds back.

    `made` is -1 where only the log was asked. Where the three do not add up to `made`, something is wrong.
    """

    kind: str
    made: int
    published: int
    secret: int = 0
    next: int = 0


@dataclass(frozen=True)
class Figures:
    """The figures of a period. `closed` demands are under secrecy on the day of the report: counted, and no more."""

    source: str
    period: Period
    today: int
    received: int
    closed: int
    tables: tuple[Counted, ...]
    statements: tuple[Statements, ...]


def from_register(
    demands: Sequence[Demand],
    kept: Sequence[Kept],
    published: Sequence[Opening],
    today: int,
    first: int = UNKNOWN,
    last: int = UNKNOWN,
) -> Figures:
    """The figures of headquarters: demands of the register filed in the period, and the ledger beside the log.

    `published` is what `published_in` found in the log; a demand whose secrecy lasts on the day number `today` is
    counted and nothing else of it is told. A refusal that is told a year later (codes that accuse) counts from then
    on: a report that hid it beside a log that tells of the demand would say by which codes it was.
    Without `first` and `last` it is from the first demand until today.
    """
    period = _period(map(_filed_on, demands), today, first, last)
    received = [demand for demand in demands if period.has(_filed_on(demand))]
    told = [_of_register(demand, today) for demand in received if register.received_due(demand) <= today]
    statements = tuple(_compared(kept, published, period, today))
    return _figures(REGISTER, period, today, told, len(received) - len(told), statements)


def from_log(log: Log, key: Key, today: int, first: int = UNKNOWN, last: int = UNKNOWN) -> Figures:
    """The figures that an outsider counts with the log and its key alone, after checking the whole log.

    Raises as `tiles.verify_log`. What is closed looks like a dummy there, so nobody can count it.
    """
    published = published_in(log, key)
    cases = list(_of_log(published))
    period = _period((case.day for case in cases), today, first, last)
    told = [case for case in cases if period.has(case.day)]
    counts = _by_kind(published, period)
    statements = tuple(Statements(kind, UNKNOWN, counts[kind]) for kind in STATEMENTS)
    return _figures(LOG, period, today, told, 0, statements)


def published_in(log: Log, key: Key) -> list[Opening]:
    """Every published statement on demands, claims and own access, in the log's order, after checking the whole log."""
    head = tiles.verify_log(log, key)
    found = list[Opening]()
    for index in log.opened(head.size):
        try:
            opening = log.opening(index)
        except CannotVerifyError:  # a log on the web lists nothing, and most of its entries stay closed
            continue
        if opening.statement.get("kind") in STATEMENTS:
            statement.verify(opening, head.origin)
            if opening.entry != log.entry(index, head.size):
                raise VerificationError(f"openings/{index}.json does not open entry {index}")
            found.append(opening)
    return found


def _period(days: Iterable[int], today: int, first: int, last: int) -> Period:
    last = today if last == UNKNOWN else last
    return Period(min(days, default=last) if first == UNKNOWN else first, last)


def _filed_on(demand: Demand) -> int:
    return demand.acts[0].at // 86_400


def _of_register(demand: Demand, today: int) -> Case:
    filed, ended = demand.filed, register.due(demand) <= today
    secret = filed.secret_without_end or filed.secret_until != UNKNOWN
    filing = Filing(
        filed.authority_kind,
        tuple(dict.fromkeys(filed.basis)),
        filed.court_order,
        filed.emergency,
        secret,
        filed.secret_without_end,
    )
    outcome = Outcome.NARROWED if demand.narrowed else Outcome.WAITING
    if ended:
        outcome = {REFUSED: Outcome.REFUSED, WITHDRAWN: Outcome.WITHDRAWN}.get(demand.state, outcome)
    codes = demand.codes if ended else ()
    return Case(filed.authority, filed.asks, filed.lines, _filed_on(demand), outcome, codes, filing)


def _of_log(published: Sequence[Opening]) -> Iterator[Case]:
    said = [opening.statement for opening in published]
    acts = {(item["kind"], item["demand"]): item for item in said if "demand" in item}
    for item in (item for item in said if item["kind"] == "demand-received"):
        name, outcome, codes = item["demand"], Outcome.WAITING, ()
        if refusal := acts.get(("demand-refused", name)):
            outcome, codes = Outcome.REFUSED, tuple(refusal["codes"])
        elif ("demand-withdrawn", name) in acts:
            outcome = Outcome.WITHDRAWN
        elif ("demand-narrowed", name) in acts:
            outcome = Outcome.NARROWED
        day = columns.day_number(item["day"])
        yield Case(item["authority"], tuple(item["asks"]), item["targets"], day, outcome, codes)


def _by_kind(openings: Iterable[Opening], period: Period) -> Counter[str]:
    said = (opening.statement for opening in openings)
    return Counter(item["kind"] for item in said if period.has(columns.day_number(item["day"])))


def _compared(kept: Sequence[Kept], published: Sequence[Opening], period: Period, today: int) -> Iterator[Statements]:
    """The ledger's statements of the period beside those that the log tells, entry by entry."""
    kept = _without_quiet(kept, today)
    open_ = {opening.entry for opening in published}
    hidden = [item for item in kept if item.opening.entry not in open_]
    made = _by_kind((item.opening for item in kept), period)
    told = _by_kind(published, period)
    secret = _by_kind((item.opening for item in hidden if item.due > today), period)
    late = _by_kind((item.opening for item in hidden if item.due <= today), period)
    for kind in STATEMENTS:
        yield Statements(kind, made[kind], told[kind], secret[kind], late[kind])


def _without_quiet(kept: Sequence[Kept], today: int) -> list[Kept]:
    """Without what is held back of demands whose receipt is not: to count it would tell that they were refused so."""
    said = [(item.opening.statement, item.due <= today) for item in kept]
    told = {item["demand"] for item, due in said if due and item["kind"] == "demand-received"}
    return [item for item, (one, due) in zip(kept, said, strict=True) if due or one.get("demand") not in told]


def _figures(
    source: str, period: Period, today: int, told: Sequence[Case], closed: int, statements: tuple[Statements, ...]
) -> Figures:
    tables = [*_tables(told), *(_filed_tables(told) if source == REGISTER else ())]
    return Figures(source, period, today, len(told) + closed, closed, tuple(tables), statements)


def _tables(told: Sequence[Case]) -> Iterator[Counted]:
    """All that is counted of the demands that may be told, refusals first."""
    yield _table("outcome", "What became of them", told, lambda case: [case.outcome], tuple(Outcome), plain=True)
    refused = [case for case in told if case.outcome is Outcome.REFUSED]
    yield _table("code", "Refusals by code", refused, lambda case: case.codes, plain=True, overlaps=True)
    yield _table("authority", "By authority", told, lambda case: [case.authority])
    yield _table("category", "By what was asked for", told, lambda case: case.asks, ASKS, overlaps=True)
    yield _table("stored", "Stored, or as it happens", told, lambda case: [_stored(case.asks)], _STORED)
    yield _table("content", "Content, or other facts", told, lambda case: [_content(case.asks)], _CONTENTS)


def _filed_tables(told: Sequence[Case]) -> Iterator[Counted]:
    """What only the register can count."""
    yield _filed("kind", "By kind of authority", told, lambda filing: [filing.kind], AUTHORITY_KINDS)
    yield _filed("basis", "By legal basis", told, lambda filing: filing.basis or ["none named"], overlaps=True)
    yield _filed("process", "By legal process", told, lambda filing: [_process(filing)], _PROCESSES)
    yield _filed("secrecy", "By secrecy demanded", told, lambda filing: [_secrecy(filing)], _SECRECIES)


def _filed(
    name: str,
    words: str,
    cases: Sequence[Case],
    rows_of: Callable[[Filing], Iterable[str]],
    known: Sequence[str] = (),
    *,
    overlaps: bool = False,
) -> Counted:
    """A table of what only the register knows."""
    return _table(
        name, words, cases, lambda case: rows_of(case.filing) if case.filing else (), known, overlaps=overlaps
    )


_PROCESSES = ("court order", "emergency, with a court order", "emergency, without one", "other, without a court order")
_SECRECIES = ("none", "until a date that has come", "without end")


def _process(filing: Filing) -> str:
    if filing.emergency:
        return _PROCESSES[1] if filing.court_order else _PROCESSES[2]
    return _PROCESSES[0] if filing.court_order else _PROCESSES[3]


def _secrecy(filing: Filing) -> str:
    if filing.without_end:
        return _SECRECIES[2]
    return _SECRECIES[1] if filing.secret else _SECRECIES[0]


_STORED = ("stored", "as it happens", "both")
_CONTENTS = ("content", "other facts", "both", "as it happens alone")


def _stored(asks: Sequence[str]) -> str:
    if _AS_IT_HAPPENS not in asks:
        return "stored"
    return "as it happens" if len(asks) == 1 else "both"


def _content(asks: Sequence[str]) -> str:
    stored = set(asks) - {_AS_IT_HAPPENS}
    if not stored:
        return "as it happens alone"
    return "other facts" if _CONTENT not in stored else "content" if stored == {_CONTENT} else "both"


def _table(
    name: str,
    words: str,
    cases: Sequence[Case],
    rows_of: Callable[[Case], Iterable[str]],
    known: Sequence[str] = (),
    *,
    plain: bool = False,
    overlaps: bool = False,
) -> Counted:
    """Count cases by the rows each belongs to: the known rows in their order, or those found, most demands first.

    A plain table counts demands and lines, another also each outcome.
    """
    found: dict[str, list[Case]] = {row: [] for row in known}
    for case in cases:
        for row in rows_of(case):
            found.setdefault(row, []).append(case)
    order = list(found) if known else sorted(found, key=lambda row: (-len(found[row]), row))
    outcomes = () if plain else tuple(Outcome)

    def counts(group: Sequence[Case]) -> tuple[int, ...]:
        by_outcome = Counter(case.outcome for case in group)
        return (*(by_outcome[outcome] for outcome in outcomes), len(group), sum(case.lines for case in group))

    measures = (*map(str, outcomes), "demands", "lines named")
    return Counted(name, words, measures, tuple((row, counts(found[row])) for row in order), counts(cases), overlaps)
