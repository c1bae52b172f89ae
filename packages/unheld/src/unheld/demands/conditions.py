"""The closed list of conditions that a rule may have, each with what it says when it is met. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unheld.demands.model import AUTHORITY_KINDS, TARGET_KINDS, UNKNOWN, Demand, Held
from unheld_verify import columns
from unheld_verify.statement import ASKS

Left = tuple[tuple[str, ...], int, int]
"""(asks, begins, ends): what is left of a demand."""


@dataclass(frozen=True)
class Period:
    """Days on which a law was in force, both inclusive; `last` -1 = to this day."""

    first: int
    last: int

    def has(self, day: int) -> bool:
        """Whether the law was in force on a day."""
        return self.first <= day and (self.last == UNKNOWN or day <= self.last)


@dataclass(frozen=True)
class Law:
    """A provision that demands may rest on, and when it was in force."""

    id: str
    title: str
    text: str
    source: str
    periods: tuple[Period, ...]

    def period(self, day: int) -> Period | None:
        """The period in which it was in force on a day."""
        return next((period for period in self.periods if period.has(day)), None)


@dataclass(frozen=True)
class Trigger:
    """An event since which a new law does not suffice by itself."""

    id: str
    text: str
    source: str
    day: int


@dataclass(frozen=True)
class Case:
    """All that conditions look at."""

    demand: Demand
    held: Held
    laws: Mapping[str, Law]
    triggers: tuple[Trigger, ...]

    def cited(self) -> list[Law]:
        """The cited laws that a pack knows."""
        return [self.laws[law] for law in self.demand.filed.basis if law in self.laws]

    def dated(self) -> str:
        """By which date dated rules are asked, in words."""
        filed = self.demand.filed
        what = "received; the order has no date" if filed.dated == UNKNOWN else "the date of the order"
        return f"{columns.day_text(filed.on)} ({what})"


@dataclass(frozen=True)
class Condition:
    """What it takes, in code and in words, and what it says of a case: empty when it is not met."""

    takes: Callable[[Any], bool]
    words: str
    met: Callable[[Case, Any], str]


def _targets_over(case: Case, most: int) -> str:
    count = case.demand.filed.targets
    return f"It names {count:,}, more than {most:,}." if count > most else ""


def _window_over(case: Case, most: int) -> str:
    days = _days(case.demand)
    return f"Its window has {days:,} days, more than {most:,}." if days > most else ""


def _days(demand: Demand) -> int:
    """Days of the window; 0 when a side of it is unknown."""
    return 0 if UNKNOWN in {demand.begins, demand.ends} else demand.ends - demand.begins + 1


def _asks(case: Case, named: Sequence[str]) -> str:
    found = [ask for ask in case.demand.asks if ask in named]
    return f"It asks for {', '.join(found)}." if found else ""


def _target_kind(case: Case, named: Sequence[str]) -> str:
    kind = case.demand.filed.target_kind
    return f"Its targets are of the kind `{kind}`." if kind in named else ""


def _authority_kind(case: Case, named: Sequence[str]) -> str:
    kind = case.demand.filed.authority_kind
    return f"It comes from an authority of the kind `{kind}`." if kind in named else ""


_FIELDS: Mapping[str, Callable[[Demand], bool]] = {
    "issuer": lambda demand: bool(demand.filed.issuer.strip()),
    "issuer_title": lambda demand: bool(demand.filed.issuer_title.strip()),
    "reference": lambda demand: bool(demand.filed.reference.strip()),
    "basis": lambda demand: any(law.strip() for law in demand.filed.basis),
    "purpose": lambda demand: bool(demand.filed.purpose.strip()),
    "dated": lambda demand: demand.filed.dated != UNKNOWN,
    # who holds a line now has no days
    "window": lambda demand: UNKNOWN not in {demand.begins, demand.ends} or demand.asks == ("registry",),
    "targets": lambda demand: demand.filed.targets > 0,
}


def _missing(case: Case, named: Sequence[str]) -> str:
    found = [name.replace("_", " ") for name in named if not _FIELDS[name](case.demand)]
    return f"Missing: {', '.join(found)}." if found else ""


def _oral(case: Case, _: object) -> str:
    return "" if case.demand.filed.written else "It was not made in writing."


def _unsigned(case: Case, _: object) -> str:
    return "" if case.demand.filed.signed else "It is not signed."


def _no_court(case: Case, _: object) -> str:
    return "" if case.demand.filed.court_order else "No order of a court came with it."


def _unknown(case: Case, _: object) -> str:
    found = [law for law in case.demand.filed.basis if law.strip() and law not in case.laws]
    return f"No pack knows: {'; '.join(found)}." if found else ""


def _not_in_force(case: Case, _: object) -> str:
    found = [law.title for law in case.cited() if law.period(case.demand.filed.on) is None]
    return f"Not in force on {case.dated()}: {'; '.join(found)}." if found else ""


def _after_trigger(case: Case, _: object) -> str:
    """A law counts with the period in which it was in force on the date of the order: that is the text it names."""
    found = []
    for law in case.cited():
        period = law.period(case.demand.filed.on)
        before = [trigger for trigger in case.triggers if period is not None and trigger.day <= period.first]
        if period is not None and before:
            after = " and ".join(trigger.text for trigger in before)
            found.append(f"{law.title} is in force since {columns.day_text(period.first)}, after {after}.")
    return " ".join(found)


def _realtime(case: Case, hours: int) -> str:
    """Only the days are known: the window ends with its last day, the receipt is taken at its day's beginning."""
    ends, received = case.demand.ends, case.demand.filed.received
    if ends == UNKNOWN:
        return ""
    if ends >= received:
        return f"Its window reaches to {columns.day_text(ends)}, and it was received on {columns.day_text(received)}."
    passed = 24 * (received - ends - 1)
    return f"Its window ended {passed} hours before it was received, less than {hours}." if passed < hours else ""


def _window_after_order(case: Case, _: object) -> str:
    filed, ends = case.demand.filed, case.demand.ends
    if UNKNOWN in {ends, filed.dated} or ends <= filed.dated:
        return ""
    return f"Its window reaches to {columns.day_text(ends)}, after its own date, {columns.day_text(filed.dated)}."


def _dated_after_receipt(case: Case, _: object) -> str:
    filed = case.demand.filed
    if filed.dated <= filed.received:
        return ""
    return f"It is dated {columns.day_text(filed.dated)} and was received on {columns.day_text(filed.received)}."


def _across_trigger(case: Case, _: object) -> str:
    """Dated rules believe the date on the order: back-dated, it would rest on the law of before."""
    filed = case.demand.filed
    crossed = [trigger.text for trigger in case.triggers if UNKNOWN < filed.dated < trigger.day <= filed.received]
    if not crossed:
        return ""
    days = f"It is dated {columns.day_text(filed.dated)} and was received on {columns.day_text(filed.received)}"
    return f"{days}, after {' and '.join(crossed)}."


def _endless(case: Case, _: object) -> str:
    return "It demands secrecy without an end." if case.demand.filed.secret_without_end else ""


def _duress(case: Case, _: object) -> str:
    return "Who filed it suspects that it was made under threat." if case.demand.filed.duress else ""


def _torture(case: Case, _: object) -> str:
    return "Who filed it suspects torture or ill-treatment." if case.demand.filed.torture else ""


def _not_held(case: Case, _: object) -> str:
    if not case.held.nothing:
        return ""
    counts = ", ".join(f"{state} {days:,}" for state, days in case.held.counts().items())
    return f"Nothing of what it asks for is held on {columns.day_text(case.held.day)}; days by state: {counts}."


def _number(value: Any) -> bool:
    return type(value) is int and value >= 0


def _flag(value: Any) -> bool:
    return value is True


def _some_of(names: Sequence[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(item in names for item in value)


def _listed(names: Sequence[str], met: Callable[[Case, Any], str]) -> Condition:
    return Condition(_some_of(names), f"a list of {', '.join(names)}", met)


CONDITIONS: Mapping[str, Condition] = {
    "targets_over": Condition(_number, "a number", _targets_over),
    "window_over_days": Condition(_number, "a number of days", _window_over),
    "realtime_hours": Condition(_number, "a number of hours", _realtime),
    "asks": _listed(ASKS, _asks),
    "target_kind": _listed(TARGET_KINDS, _target_kind),
    "authority_kind": _listed(AUTHORITY_KINDS, _authority_kind),
    "missing": _listed(tuple(_FIELDS), _missing),
    "oral": Condition(_flag, "true", _oral),
    "unsigned": Condition(_flag, "true", _unsigned),
    "no_court_order": Condition(_flag, "true", _no_court),
    "basis_unknown": Condition(_flag, "true", _unknown),
    "basis_not_in_force": Condition(_flag, "true", _not_in_force),
    "basis_after_trigger": Condition(_flag, "true", _after_trigger),
    "window_after_order": Condition(_flag, "true", _window_after_order),
    "dated_after_receipt": Condition(_flag, "true", _dated_after_receipt),
    "across_trigger": Condition(_flag, "true", _across_trigger),
    "secrecy_without_end": Condition(_flag, "true", _endless),
    "duress": Condition(_flag, "true", _duress),
    "torture": Condition(_flag, "true", _torture),
    "not_held": Condition(_flag, "true", _not_held),
}


SUSPICIONS = ("duress", "torture")
"""What a person only suspects: told in a letter it would be read against those who stand before the authority."""


def _last_days(case: Case, most: int) -> Left:
    demand = case.demand
    return (demand.asks if most else ()), demand.ends - most + 1, demand.ends


def _without(case: Case, named: Sequence[str]) -> Left:
    demand = case.demand
    return tuple(ask for ask in demand.asks if ask not in named), demand.begins, demand.ends


NARROWING: Mapping[str, Callable[[Case, Any], Left]] = {"window_over_days": _last_days, "asks": _without}
"""What is left where a rule narrows; with no asks left there is nothing to narrow to, and the rule refuses."""
