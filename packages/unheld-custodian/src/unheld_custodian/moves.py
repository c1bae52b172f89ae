"""How a custodian's state changes: pure functions from one state to the next, with no clock and no I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from unheld_custodian.state import KeyName, State, event_column, key_name
from unheld_verify import columns, crypto
from unheld_verify.columns import EventColumn, ParkPeriod
from unheld_verify.errors import BadInputError, StateError

GRACE_DAYS = 1
WEEKS_AHEAD = 10
QUARANTINE_AHEAD = 14


def opened(state: State, day: int, today: int) -> State:
    """The state in which `day` is handed out: its chain stepped over, its living column keys derived.

    A day that is open already stays as it is. Raises StateError for a day that is over, or not there yet.
    """
    if day in state.open_days:
        return state
    if day > today:
        raise StateError(f"day {_text(day)} has not begun here (today is {_text(today)}): check the clocks")
    if day < state.next_day:
        raise StateError(f"day {_text(day)} is over: the chain stands at {_text(state.next_day)} and never goes back")
    state = skipped(state, day)
    keys = dict(state.keys)
    pairs = [pair for pair in columns.window(day, state.late_days, state.lifetimes) if _lives(state, pair, today)]
    for component, chain in state.chains.items():
        day_key = columns.day_key(chain, day)
        for pair in pairs:
            keys[key_name(pair, day, component)] = columns.column_key(day_key, *pair)
    state = replace(state, keys=keys, open_days=tuple(sorted((*state.open_days, day))))
    return skipped(state, day + 1)


def skipped(state: State, day: int) -> State:
    """The state whose chains stand at `day` or later: no key of an earlier sealing day can be derived any more."""
    if day <= state.next_day:
        return state
    chains = dict(state.chains)
    for component, link in chains.items():
        chain = link
        for _ in range(day - state.next_day):
            chain = columns.next_link(chain)
        chains[component] = chain
    return replace(state, chains=chains, next_day=day)


def closed(state: State, day: int, today: int) -> State:
    """The state that never hands out `day` again, also where only others opened it.

    Raises StateError for a day that is still to come.
    """
    if day >= state.next_day and day > today:
        raise StateError(f"day {_text(day)} was never opened here (today is {_text(today)}): there is nothing to close")
    state = skipped(state, day + 1)
    return replace(state, open_days=tuple(other for other in state.open_days if other != day))


def lapsed(state: State, today: int) -> State:
    """The state without anything that is due.

    Chains are stepped to today: others may have opened the days between, and their keys must not be derivable here
    after they lapsed. Days that nobody closed are closed after a day of grace.
    """
    state = skipped(state, today)
    return replace(
        state,
        keys={name: key for name, key in state.keys.items() if not _is_due(state, event_column(name), today)},
        erased=frozenset(pair for pair in state.erased if not _is_due(state, pair, today)),
        open_days=tuple(day for day in state.open_days if day >= today - GRACE_DAYS),
        park={
            period: private
            for period, private in state.park.items()
            if columns.park_due(*period, state.late_days) > today
        },
    )


def erased(state: State, pairs: Collection[EventColumn], today: int) -> State:
    """The state without the keys of `pairs`, which are never derived again.

    Today is opened first where it was not: others may have opened it, and its chain would still give the keys.
    """
    for cls, day in pairs:
        if cls not in columns.CLASSES or not 0 <= day <= today:
            raise BadInputError(f"erase {cls} {day}: name a class and a day up to {_text(today)}")
        if cls == "identity" and day != columns.month_start(day):
            raise BadInputError(f"erase identity {_text(day)}: its columns are named by the first day of a month")
    state = skipped(state, today)
    if state.next_day == today:
        state = opened(state, today, today)
    keys = {name: key for name, key in state.keys.items() if event_column(name) not in pairs}
    listed = frozenset(pair for pair in pairs if not _is_due(state, pair, today))
    return replace(state, keys=keys, erased=state.erased | listed)


def emptied(state: State, today: int) -> State:
    """The state that holds nothing of the past: no column key, open day or parking key."""
    return replace(skipped(state, today + 1), keys={}, open_days=(), park={})


def parking(state: State, today: int) -> State:
    """The state with a key pair for every parking period that begins soon: an outage may last for weeks."""
    park = dict(state.park)
    for period in park_periods(today):
        if period not in park:
            park[period] = crypto.park_keypair()[0]
    return state if len(park) == len(state.park) else replace(state, park=park)


def park_periods(today: int) -> list[ParkPeriod]:
    """The parking periods that must have keys on `today`."""
    week = columns.park_period("outage", today)
    weeks = [("outage", week + ahead) for ahead in range(WEEKS_AHEAD + 1)]
    return weeks + [("quarantine", today + ahead) for ahead in range(QUARANTINE_AHEAD + 1)]


def keys_of_day(state: State, day: int, today: int) -> dict[EventColumn, dict[int, bytes]]:
    """The living column keys of an open day, by column and component."""
    found: dict[EventColumn, dict[int, bytes]] = {}
    for name, key in sorted(state.keys.items()):
        if name[2] == day and not _is_due(state, event_column(name), today):
            found.setdefault(event_column(name), {})[_component(name)] = key
    return found


def _component(name: KeyName) -> int:
    return name[3]


def _lives(state: State, pair: EventColumn, today: int) -> bool:
    return pair not in state.erased and not _is_due(state, pair, today)


def _is_due(state: State, pair: EventColumn, today: int) -> bool:
    return columns.due(*pair, state.lifetimes) <= today


def _text(day: int) -> str:
    return columns.date_of(day).isoformat()
