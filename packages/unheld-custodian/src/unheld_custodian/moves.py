"""How a custodian's state changes: pure functions from one state to the next, with no clock and no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from unheld_custodian.state import Line, State, Whole, event_column, key_name
from unheld_verify import columns, crypto
from unheld_verify.columns import EventColumn, ParkPeriod, day_text
from unheld_verify.errors import BadInputError, NotAllowedError, RolledBackError, StateError
from unheld_verify.grant import Values
from unheld_verify.roster import ACCESS_DAY, ACCESS_MONTH, ISSUES_MOST, Draft

GRACE_DAYS = 1
WEEKS_AHEAD = 10
QUARANTINE_AHEAD = 14
DAY_SECONDS = 86_400
JOURNAL_MOST = 200
UNPARKED_MOST = 50_000
_MONTH_DAYS = 30


def noted(whole: Whole, second: int, words: str) -> Whole:
    """The memory with one more line in its journal, of this second.

    A line that says the same as the one before takes its place, so that nobody washes away the others by repeating one.
    """
    before = whole.journal[:-1] if whole.journal and whole.journal[-1].words == words else whole.journal
    return replace(whole, journal=(*before, Line(second, words))[-JOURNAL_MOST:])


def begun(draft: Draft, index: int, sign: bytes, seeds: Mapping[int, bytes], founded: bytes, today: int) -> State:
    """The state of custodian `index` of a set that was founded today; `founded` is the transcript's digest."""
    return State(
        store=draft.store, set=draft.set, index=index, n=draft.n, t=draft.t, lifetimes=dict(draft.lifetimes),
        late_days=draft.late_days, next_day=draft.begins, sign=sign, chains=dict(seeds), begins=draft.begins,
        branch=draft.branch, headquarters=draft.headquarters, freeze_days=draft.freeze_days, founded=founded,
        beat_day=today,
    )  # fmt: skip


def check_not_put_back(state: State) -> None:
    """Raises RolledBackError where headquarters knows that this was put back from a backup."""
    if state.rolled_back:
        raise RolledBackError("this custodian was put back from a backup: it serves this set no more, replace it")


def opened(state: State, day: int, today: int) -> State:
    """The state in which `day` is handed out: its chain stepped over, its living column keys derived.

    A day that is open already stays as it is. Raises StateError for a day that is over, or not there yet.
    """
    if day in state.open_days:
        return state
    if day > today:
        raise StateError(f"day {day_text(day)} has not begun here (today is {day_text(today)}): check the clocks")
    if _ended(state, day):
        raise StateError(f"this set of custodians was retired from {day_text(state.retired)} on: ask the next set")
    if day < state.next_day:
        raise StateError(f"day {day_text(day)} is over: the chain is at {day_text(state.next_day)} and never goes back")
    return replace(skipped(state, day + 1, today), open_days=tuple(sorted((*state.open_days, day))))


def issued(state: State, day: int, ask: bytes) -> State:
    """The state in which `ask` (its digest) was handed the open `day`: the same ask counts once.

    Raises NotAllowedError when too many asked already.
    """
    asks = state.issues.get(day, ())
    if ask in asks:
        return state
    if len(asks) >= ISSUES_MOST:
        raise NotAllowedError(
            f"day {day_text(day)} was handed out {ISSUES_MOST} times, the most there is: park instead"
        )
    return replace(state, issues={**state.issues, day: (*asks, ask)})


def skipped(state: State, day: int, today: int) -> State:
    """The state whose chains stand at `day` or later: no key of an earlier sealing day can be derived any more.

    The living column keys of each day that is stepped over are derived first: others may have opened it, and who
    asks for what was sealed on it needs t that hold its keys. Only an open day's are handed out.
    """
    chains, keys = dict(state.chains), dict(state.keys)
    for over in range(state.next_day, day):
        pairs = [] if _ended(state, over) else columns.window(over, state.late_days, state.lifetimes)
        living = [pair for pair in pairs if _lives(state, pair, today)]
        for component, chain in chains.items():
            day_key = columns.day_key(chain, over)
            keys |= {key_name(pair, over, component): columns.column_key(day_key, *pair) for pair in living}
            chains[component] = columns.next_link(chain)
    return replace(state, chains=chains, keys=keys, next_day=max(day, state.next_day))


def closed(state: State, day: int, today: int) -> State:
    """The state that never hands out `day` again, also where only others opened it.

    Raises StateError for a day that is still to come.
    """
    if day >= state.next_day and day > today:
        raise StateError(f"day {day_text(day)} was never opened here (today is {day_text(today)}): nothing to close")
    state = skipped(state, day + 1, today)
    return _opened_at(state, [other for other in state.open_days if other != day])


def lapsed(state: State, today: int) -> State:
    """The state without anything that is due.

    Chains are stepped to today: others may have opened the days between, and their keys must not be derivable here
    after they lapsed. Days that nobody closed are closed after a day of grace.
    """
    state = _opened_at(skipped(state, today, today), [day for day in state.open_days if day >= today - GRACE_DAYS])
    if today // _MONTH_DAYS != state.month:
        state = replace(state, month=today // _MONTH_DAYS, month_key=b"", asked={})
    return replace(
        state,
        chains={} if _ended(state, today) else state.chains,
        tombstones={stone: day for stone, day in state.tombstones.items() if day > today},
        entombed={digest: (taken, until) for digest, (taken, until) in state.entombed.items() if until > today},
        used={digest: use for digest, use in state.used.items() if use[1] > today * DAY_SECONDS},
        keys={name: key for name, key in state.keys.items() if not _is_due(state, event_column(name), today)},
        erased=frozenset(pair for pair in state.erased if not _is_due(state, pair, today)),
        unparked={
            batch: (period, first, asks if first > (today - 2) * DAY_SECONDS else ())
            for batch, (period, first, asks) in state.unparked.items()
            if columns.park_due("outage", period, state.late_days) > today
        },
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
            raise BadInputError(f"erase {cls} {day}: name a class and a day up to {day_text(today)}")
        if cls == "identity" and day != columns.month_start(day):
            raise BadInputError(f"erase identity {day_text(day)}: its columns are named by the first day of a month")
    state = skipped(state, today, today)
    if state.next_day == today and not _ended(state, today):
        state = opened(state, today, today)
    keys = {name: key for name, key in state.keys.items() if event_column(name) not in pairs}
    listed = frozenset(pair for pair in pairs if not _is_due(state, pair, today))
    return replace(state, keys=keys, erased=state.erased | listed)


def emptied(state: State, day: int, today: int) -> State:
    """The state that holds nothing of what was sealed up to `day`: no column key, open day or parking key.

    A plan for everything may come late: what was sealed after the day it was made on stays.
    """
    state = skipped(state, day + 1, today)
    later = {one: key for one, key in state.park.items() if day < today and one[1] > columns.park_period(one[0], day)}
    keys = {name: key for name, key in state.keys.items() if name[2] > day}
    return _opened_at(replace(state, keys=keys, park=later), [one for one in state.open_days if one > day])


def entombed(state: State, stones: Collection[bytes], plan: tuple[bytes, int, int], today: int) -> State:
    """The state that answers for none of these labels, until nothing sealed under them up to today can live.

    `plan` is (digest, leaves, the day from which nobody may bring it): of new ones it takes as many as there are
    leaves left, so whoever brings a plan for one party cannot end everybody's own access with it.
    """
    digest, leaves, until = plan
    taken, last = state.entombed.get(digest, (0, until))[0], today + max(state.lifetimes.values())
    new = [stone for stone in dict.fromkeys(stones) if stone not in state.tombstones][: leaves - taken]
    if not new:
        return state
    return replace(
        state,
        tombstones={**state.tombstones, **dict.fromkeys(new, last)},
        entombed={**state.entombed, digest: (taken + len(new), until)},
    )


def granted(state: State, label: bytes, grant: bytes, use: tuple[bytes, int], today: int) -> State:
    """The state in which a grant (its digest) is used, and counted for its label; `use` is (ask, when it expires).

    A label is kept as an HMAC under a key that goes with its month. Raises NotAllowedError over a quota.
    """
    month = today // _MONTH_DAYS
    key = state.month_key if state.month_key and state.month == month else crypto.random_bytes(32)
    asked = dict(state.asked) if key == state.month_key else {}
    name = crypto.hmac_sha256(key, label)[:16]
    asked[name] = asked.get(name, 0) + 1
    in_all = state.day_asked[1] + 1 if state.day_asked[0] == today else 1
    if asked[name] > ACCESS_MONTH:
        raise NotAllowedError(f"{ACCESS_MONTH} answers in 30 days are the most: wait for the next 30")
    if in_all > ACCESS_DAY:
        raise NotAllowedError(f"{ACCESS_DAY} answers a day are the most: try tomorrow")
    return replace(
        state, month=month, month_key=key, asked=asked, day_asked=(today, in_all), used={**state.used, grant: use}
    )


def unparked(state: State, batch: bytes, period: int, use: tuple[int, bytes]) -> State:
    """The state in which a parked batch of a period was opened; `use` is (second, digest of the ask).

    The same ask counts once. Raises NotAllowedError from a day after the first time, and after a few times: what was
    parked is opened to be sealed, and never to be read again.
    """
    (second, ask), (_, first, asks) = use, state.unparked.get(batch, (period, use[0], ()))
    if ask in asks:
        return state
    if second >= first + DAY_SECONDS or len(asks) >= ISSUES_MOST:
        raise NotAllowedError(
            f"parked {batch.hex()}: it was opened on {day_text(first // DAY_SECONDS)}, and is no more"
        )
    if batch not in state.unparked and len(state.unparked) >= UNPARKED_MOST:
        raise NotAllowedError(f"{UNPARKED_MOST} parked batches were opened, and that is the most until some lapse")
    return replace(state, unparked={**state.unparked, batch: (period, first, (*asks, ask))})


def parking(state: State, today: int) -> State:
    """The state with a key pair for every parking period that begins soon: an outage may last for weeks."""
    new = {period: crypto.park_keypair()[0] for period in park_periods(today) if period not in state.park}
    return replace(state, park={**state.park, **new})


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
            found.setdefault(event_column(name), {})[name[3]] = key
    return found


def values(state: State, pairs: Collection[EventColumn], label: bytes) -> Values:
    """The column function's values for a label: by column and sealing day, and by component."""
    found: dict[tuple[EventColumn, int], dict[int, bytes]] = {}
    for name, key in state.keys.items():
        if event_column(name) in pairs:
            found.setdefault((event_column(name), name[2]), {})[name[3]] = crypto.aes_blocks(key, label)
    return found


def _opened_at(state: State, days: Collection[int]) -> State:
    """With these open days alone."""
    issues = {day: asks for day, asks in state.issues.items() if day in days}
    return replace(state, open_days=tuple(days), issues=issues)


def _ended(state: State, day: int) -> bool:
    return 0 < state.retired <= day


def _lives(state: State, pair: EventColumn, today: int) -> bool:
    return pair not in state.erased and not _is_due(state, pair, today)


def _is_due(state: State, pair: EventColumn, today: int) -> bool:
    return columns.due(*pair, state.lifetimes) <= today
