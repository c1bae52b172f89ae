"""Rules that refuse or narrow: dated data in packs, which a lawyer reads and edits. They find, people decide.

A rule has one condition of a closed list (conditions.py) and is asked by the date of the order, or by the day of the
receipt where the order has no date. Packs: the generic one, that of the store's home country if there is one, and TOML
files in `<register>/rules/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from itertools import pairwise
from typing import Any

from unheld.assembly import Deployment
from unheld.demands import codes
from unheld.demands.conditions import CONDITIONS, NARROWING, SUSPICIONS, Case, Law, Period, Trigger
from unheld.demands.model import UNKNOWN, Demand, Finding, Held
from unheld_slots import toml
from unheld_verify import columns, crypto
from unheld_verify.errors import BadInputError

EFFECTS = ("refuse", "narrow")
GENERIC = "generic"
_PACK_KEYS = {"id", "title", "note", "country"}
_LISTS = ("law", "trigger", "rule")


@dataclass(frozen=True)
class Rule:
    """A dated rule. Both days are inclusive; `valid_to` -1 = still valid."""

    id: str
    text: str
    source: str
    code: str
    effect: str
    condition: str
    value: Any
    valid_from: int
    valid_to: int = UNKNOWN

    def valid(self, day: int) -> bool:
        """Whether it applies to an order of this day."""
        return self.valid_from <= day and (self.valid_to == UNKNOWN or day <= self.valid_to)


@dataclass(frozen=True)
class Pack:
    """A pack as it was read; `sha256` (hex) of the file's bytes stands in every act that was checked by it."""

    id: str
    title: str
    note: str
    country: str
    sha256: str
    laws: tuple[Law, ...]
    triggers: tuple[Trigger, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Rulebook:
    """The packs that apply to one deployment, together."""

    packs: tuple[Pack, ...]

    def check(self, demand: Demand, held: Held) -> tuple[Finding, ...]:
        """Every rule that speaks against a demand as it is now."""
        laws = {law.id: law for pack in self.packs for law in pack.laws}
        triggers = tuple(trigger for pack in self.packs for trigger in pack.triggers)
        case = Case(demand, held, laws, triggers)
        return tuple(self._asked(case))

    def _asked(self, case: Case) -> Iterator[Finding]:
        for pack in self.packs:
            for rule in pack.rules:
                why = CONDITIONS[rule.condition].met(case, rule.value) if rule.valid(case.demand.filed.on) else ""
                if why:
                    yield _finding(pack, rule, case, why)

    def digests(self) -> dict[str, str]:
        """Ids of the packs and SHA-256 of each, hex."""
        return {pack.id: pack.sha256 for pack in self.packs}


def load(deployment: Deployment) -> Rulebook:
    """The packs of a deployment. Raises BadInputError naming file, rule and mend."""
    home = deployment.policy().home
    shipped = [pack for pack in shipped_packs() if pack.id == GENERIC or (home and pack.country == home)]
    own = [parse(path.read_bytes(), str(path)) for path in sorted((deployment.register / "rules").glob("*.toml"))]
    return rulebook([*shipped, *own])


def rulebook(packs: Iterable[Pack]) -> Rulebook:
    """Packs together. Raises BadInputError for an id that two of them have."""
    made = Rulebook(tuple(packs))
    _once("pack", [pack.id for pack in made.packs], "the packs")
    for kind, ids in (
        ("law", [law.id for pack in made.packs for law in pack.laws]),
        ("trigger", [trigger.id for pack in made.packs for trigger in pack.triggers]),
        ("rule", [rule.id for pack in made.packs for rule in pack.rules]),
    ):
        _once(kind, ids, "the packs")
    return made


def shipped_packs() -> list[Pack]:
    """The packs that come with the program: the generic one first."""
    files = [path for path in resources.files(__package__).joinpath("packs").iterdir() if path.name != "codes.toml"]
    packs = [parse(path.read_bytes(), path.name) for path in files if path.name.endswith(".toml")]
    return sorted(packs, key=lambda pack: (pack.id != GENERIC, pack.id))


def parse(data: bytes, place: str) -> Pack:
    """Read a pack. Raises BadInputError naming the file, the rule and the mend."""
    read = toml.loads(data, place)
    _keys(read, _PACK_KEYS, set(_LISTS), place)
    for name in _PACK_KEYS:
        _text(read, name, place, empty=name == "country")
    listed = {name: read.get(name, []) for name in _LISTS}
    for name, items in listed.items():
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise BadInputError(f"{place}: {name}: write each of them under its own [[{name}]]")
        _once(name, [str(item.get("id")) for item in items], place)
    return Pack(
        read["id"], read["title"], read["note"], read["country"], crypto.sha256(data).hex(),
        tuple(_law(item, place) for item in listed["law"]),
        tuple(_trigger(item, place) for item in listed["trigger"]),
        tuple(_rule(item, place) for item in listed["rule"]),
    )  # fmt: skip


def _finding(pack: Pack, rule: Rule, case: Case, why: str) -> Finding:
    words = f"{rule.text} {why}"
    if rule.effect == "narrow":
        asks, begins, ends = NARROWING[rule.condition](case, rule.value)
        if asks:
            return Finding(pack.id, rule.id, rule.code, "narrow", words, asks, begins, ends)
    return Finding(pack.id, rule.id, rule.code, "refuse", words)


def _law(item: Mapping[str, Any], place: str) -> Law:
    where = f"{place}: law {item.get('id')}"
    _keys(item, {"id", "title", "text", "source", "in_force"}, set(), where)
    for name in ("id", "title", "text", "source"):
        _text(item, name, where)
    if not isinstance(item["in_force"], list) or not item["in_force"]:
        raise BadInputError(f"{where}: in_force: write at least one {{ from = YYYY-MM-DD }}")
    periods = tuple(_period(period, where) for period in item["in_force"])
    if any(later.first <= earlier.last or earlier.last == UNKNOWN for earlier, later in pairwise(periods)):
        raise BadInputError(f"{where}: in_force: its periods cross; write them in order, each ending before the next")
    return Law(item["id"], item["title"], item["text"], item["source"], periods)


def _period(item: Any, where: str) -> Period:
    if not isinstance(item, dict):
        raise BadInputError(f"{where}: in_force: write {{ from = YYYY-MM-DD, to = YYYY-MM-DD }}")
    _keys(item, {"from"}, {"to"}, f"{where}: in_force")
    return Period(*_dates(item, "from", "to", where))


def _trigger(item: Mapping[str, Any], place: str) -> Trigger:
    where = f"{place}: trigger {item.get('id')}"
    _keys(item, {"id", "text", "source", "date"}, set(), where)
    for name in ("id", "text", "source"):
        _text(item, name, where)
    return Trigger(item["id"], item["text"], item["source"], _date(item, "date", where))


def _rule(item: Mapping[str, Any], place: str) -> Rule:
    where = f"{place}: rule {item.get('id')}"
    _keys(item, {"id", "text", "source", "code", "effect", "when", "valid_from"}, {"valid_to"}, where)
    for name in ("id", "text", "source", "code", "effect"):
        _text(item, name, where)
    if item["code"] not in codes.known():
        raise BadInputError(f"{where}: code {item['code']!r} is not known; choose of {', '.join(codes.known())}")
    if item["effect"] not in EFFECTS:
        raise BadInputError(f"{where}: effect {item['effect']!r}; choose {' or '.join(EFFECTS)}")
    condition, value = _when(item["when"], where)
    if item["effect"] == "narrow" and condition not in NARROWING:
        raise BadInputError(f'{where}: only {" and ".join(NARROWING)} can narrow; write effect = "refuse"')
    if condition in SUSPICIONS and not codes.known()[item["code"]].quiet:
        told = ", ".join(code.id for code in codes.known().values() if code.quiet)
        raise BadInputError(f"{where}: {condition} needs a code that no letter tells; choose of {told}")
    first, last = _dates(item, "valid_from", "valid_to", where)
    return Rule(
        item["id"], item["text"], item["source"], item["code"], item["effect"], condition, value, first, last
    )  # fmt: skip


def _when(when: Any, where: str) -> tuple[str, Any]:
    if not isinstance(when, dict) or len(when) != 1 or not set(when) <= set(CONDITIONS):
        raise BadInputError(f"{where}: when: write exactly one condition of {', '.join(CONDITIONS)}")
    [(name, value)] = when.items()
    if not CONDITIONS[name].takes(value):
        raise BadInputError(f"{where}: when: {name} takes {CONDITIONS[name].words}")
    return name, value


def _keys(item: Mapping[str, Any], needed: set[str], may: set[str], where: str) -> None:
    if missing := sorted(needed - set(item)):
        raise BadInputError(f"{where}: {', '.join(missing)} is missing; add it")
    if unknown := sorted(set(item) - needed - may):
        raise BadInputError(
            f"{where}: {', '.join(unknown)} is not known here; known are {', '.join(sorted(needed | may))}"
        )


def _text(item: Mapping[str, Any], name: str, where: str, *, empty: bool = False) -> None:
    if not isinstance(item[name], str) or not (item[name].strip() or empty):
        raise BadInputError(f"{where}: {name}: write it as text in quotes")


def _dates(item: Mapping[str, Any], first: str, last: str, where: str) -> tuple[int, int]:
    begins, ends = _date(item, first, where), _date(item, last, where) if last in item else UNKNOWN
    if UNKNOWN < ends < begins:
        raise BadInputError(f"{where}: {last} is before {first}; the dates are crossed")
    return begins, ends


def _date(item: Mapping[str, Any], name: str, where: str) -> int:
    value = item[name]
    if not isinstance(value, date) or isinstance(value, datetime) or value.year < 1970:
        raise BadInputError(f"{where}: {name}: write a date from 1970 on, YYYY-MM-DD without quotes")
    return columns.day_of(value)


def _once(kind: str, ids: list[str], place: str) -> None:
    if twice := sorted(id_ for id_, count in Counter(ids).items() if count > 1):
        raise BadInputError(f"{place}: {kind} {', '.join(twice)} is there twice; give each its own id")
