"""What custodians promise, as a model small enough to visit every state of it, and to say what real ones may do.

One class of columns, no late records, few days. A custodian is five small values; a house is several of them, the day,
and what has ever been promised. `explore` visits every state that any order of moves, crashes and restores leads to.

    open      the branch is handed today's keys        evaluate   a partial for the column of a day
    close     a day is never handed out again          forget     a tombstone: no more partials for one label
    snapshot  somebody copies the machines             restore    and puts one of them back
    tick      a day passes, and each custodian erases what is due by its own calendar

A crash needs no move of its own: it leaves the house as it was, or as it is after a move whose answer nobody heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

GRACE_DAYS = 1


@dataclass(frozen=True)
class Rules:
    """What this model's custodians and askers do right; a test switches each off and finds what breaks.

    `steps`: a closing steps the chain past the day. `seen`: a custodian older than it was known to be answers nothing.
    `by_calendar`: what is not due stays. `stones`: tombstones are heeded.
    """

    n: int = 3
    t: int = 2
    days: int = 3
    lifetime: int = 1
    moves: frozenset[str] = frozenset({"open", "close", "evaluate", "forget", "snapshot"})
    steps: bool = True
    seen: bool = True
    by_calendar: bool = True
    stones: bool = True


@dataclass(frozen=True, order=True)
class Keeper:
    """A custodian: the day its chain stands at, days open, days whose column it holds, tombstone, put back or not."""

    next_day: int = 0
    open: frozenset[int] = frozenset()
    held: frozenset[int] = frozenset()
    stone: bool = False
    old: bool = False


@dataclass(frozen=True)
class House:
    """All custodians on a day; `saved` as somebody copied them; and who ever did what was asked, by day."""

    today: int
    keepers: tuple[Keeper, ...]
    saved: tuple[Keeper, ...] = ()
    closed: frozenset[tuple[int, int]] = frozenset()
    lapsed: frozenset[tuple[int, int]] = frozenset()
    buried: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Move:
    """One thing that happens; `who` a custodian, `day` the day it is about."""

    name: str
    who: int = 0
    day: int = 0


@dataclass(frozen=True)
class Step:
    """A move, whether it is granted, and the house after it."""

    move: Move
    granted: bool
    house: House = field(repr=False)


def start(rules: Rules) -> House:
    """The house on the first day."""
    return House(0, (Keeper(),) * rules.n)


def steps(house: House, rules: Rules) -> Iterator[Step]:
    """Everything that can happen next."""
    if house.today < rules.days:
        yield Step(Move("tick"), True, _passed(replace(house, today=house.today + 1), rules))
    if "snapshot" in rules.moves and not house.saved:
        yield Step(Move("snapshot"), True, replace(house, saved=house.keepers))
    for who, keeper in enumerate(house.keepers):
        for name in ("open", "close", "evaluate"):
            if name in rules.moves:
                for day in range(rules.days + 1):
                    yield _asked(house, rules, Move(name, who, day), keeper)
        if "forget" in rules.moves:
            yield _asked(house, rules, Move("forget", who), keeper)
        if house.saved and house.saved[who] != replace(keeper, old=False):
            back = replace(_lapsed(house.saved[who], house.today, rules), old=rules.seen)
            yield Step(Move("restore", who), True, _with(house, who, back))


def explore(rules: Rules, check: Callable[[House, Rules], None]) -> dict[House, Step | None]:
    """Every house that can be, each checked once, with the step by which it was first reached."""
    first = start(rules)
    check(first, rules)
    found: dict[House, Step | None] = {first: None}
    queue = deque([first])
    while queue:
        for step in steps(queue.popleft(), rules):
            after = _alike(step.house) if rules.n > 1 else step.house
            if after not in found:
                check(after, rules)
                found[after] = step
                queue.append(after)
    return found


def check(house: House, rules: Rules) -> None:
    """Every promise, in every house. Raises AssertionError naming the promise that broke."""
    many = rules.n - rules.t + 1
    for day in range(rules.days + 1):
        if _count(house.closed, day) >= many:
            assert _could(house, rules, "open", day) < rules.t, f"day {day} was closed and opens again"
        if _count(house.lapsed, day) >= many:
            assert _could(house, rules, "evaluate", day) < rules.t, f"day {day} lapsed and is evaluated"
    if len(house.buried) >= many:
        assert not any(_could(house, rules, "evaluate", day) >= rules.t for day in range(rules.days + 1)), (
            "a forgotten label is evaluated"
        )
    for who, day in house.lapsed:
        assert day + rules.lifetime <= house.today, f"custodian {who} let day {day} lapse early"


def _asked(house: House, rules: Rules, move: Move, keeper: Keeper) -> Step:
    after = None if keeper.old else _ACTS[move.name](keeper, move.day, house.today, rules)
    if after is None:
        return Step(move, False, house)
    return Step(move, True, _noted(_with(house, move.who, after), move))


def _opened(keeper: Keeper, day: int, today: int, rules: Rules) -> Keeper | None:
    if day != today or (day < keeper.next_day and day not in keeper.open):
        return None
    if day in keeper.open:
        return keeper
    return replace(_stepped(keeper, day + 1, today, rules), open=keeper.open | {day})


def _closed(keeper: Keeper, day: int, today: int, rules: Rules) -> Keeper | None:
    if day > today and day >= keeper.next_day:
        return None
    if not rules.steps:
        return replace(keeper, next_day=keeper.next_day - (day in keeper.open), open=keeper.open - {day})
    return replace(_stepped(keeper, day + 1, today, rules), open=keeper.open - {day})


def _stepped(keeper: Keeper, day: int, today: int, rules: Rules) -> Keeper:
    """With its chain at `day` or later, and what is not due yet of the days between."""
    over = {one for one in range(keeper.next_day, day) if one > today - rules.lifetime}
    return replace(keeper, next_day=max(keeper.next_day, day), held=keeper.held | over)


def _lapsed(keeper: Keeper, today: int, rules: Rules) -> Keeper:
    last = today - rules.lifetime if rules.by_calendar else today
    keeper = _stepped(keeper, today, today, rules)
    return replace(
        keeper,
        open=frozenset(day for day in keeper.open if day >= today - GRACE_DAYS),
        held=frozenset(day for day in keeper.held if day > last),
    )


def _passed(house: House, rules: Rules) -> House:
    """Every custodian lets lapse what is due, whoever asks; each key that went is noted."""
    keepers = tuple(_lapsed(keeper, house.today, rules) for keeper in house.keepers)
    gone = {
        (who, day)
        for who, (before, after) in enumerate(zip(house.keepers, keepers, strict=True))
        for day in before.held - after.held
    }
    return replace(house, keepers=keepers, lapsed=house.lapsed | gone)


def _evaluated(keeper: Keeper, day: int, _today: int, rules: Rules) -> Keeper | None:
    return keeper if day in keeper.held and not (keeper.stone and rules.stones) else None


def _forgotten(keeper: Keeper, _day: int, _today: int, _rules: Rules) -> Keeper | None:
    return replace(keeper, stone=True)


_Act = Callable[[Keeper, int, int, Rules], Keeper | None]
_ACTS: Mapping[str, _Act] = {
    "open": _opened,
    "close": _closed,
    "evaluate": _evaluated,
    "forget": _forgotten,
}


def _noted(house: House, move: Move) -> House:
    """With what this custodian may never do again."""
    if move.name == "close":
        return replace(house, closed=house.closed | {(move.who, move.day)})
    return replace(house, buried=house.buried | {move.who}) if move.name == "forget" else house


def _could(house: House, rules: Rules, name: str, day: int) -> int:
    granted: Callable[[Move, Keeper], Step] = partial(_asked, house, rules)
    return sum(granted(Move(name, who, day), keeper).granted for who, keeper in enumerate(house.keepers))


def _count(noted: frozenset[tuple[int, int]], day: int) -> int:
    return sum(when == day for _, when in noted)


def _with(house: House, who: int, keeper: Keeper) -> House:
    return replace(house, keepers=(*house.keepers[:who], keeper, *house.keepers[who + 1 :]))


def _alike(house: House) -> House:
    """One house for all that differ in the custodians' numbers only: nothing here depends on a number."""
    order = sorted(range(len(house.keepers)), key=partial(_rank, house))
    place = {who: at for at, who in enumerate(order)}
    return House(
        house.today,
        tuple(house.keepers[who] for who in order),
        tuple(house.saved[who] for who in order) if house.saved else (),
        frozenset((place[who], day) for who, day in house.closed),
        frozenset((place[who], day) for who, day in house.lapsed),
        frozenset(place[who] for who in house.buried),
    )


def _rank(house: House, who: int) -> tuple[object, ...]:
    keeper, saved = house.keepers[who], house.saved[who : who + 1]
    closed = sorted(day for one, day in house.closed if one == who)
    lapsed = sorted(day for one, day in house.lapsed if one == who)
    return (_key(keeper), [_key(one) for one in saved], closed, lapsed, who in house.buried)


def _key(keeper: Keeper) -> tuple[object, ...]:
    return (keeper.next_day, sorted(keeper.open), sorted(keeper.held), keeper.stone, keeper.old)
