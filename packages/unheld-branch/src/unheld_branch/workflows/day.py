"""The branch's day: open with the custodians' column keys, close by merging and dropping them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unheld_branch.kernel.uptime import uptime
from unheld_branch.keys.columns import DayKeys, agreeing, complete, corroborated, merge_pushes
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.store import daylength, merging, openday, parkkeys, pending, sets
from unheld_branch.store.files import ColumnFile
from unheld_branch.store.journal import Catalog
from unheld_branch.store.openday import OpenDay
from unheld_branch.store.sealing import Sealer
from unheld_branch.store.store import Store
from unheld_branch.store.vault import SUBSCRIBERS, month_tree
from unheld_branch.workflows.apply import again
from unheld_branch.workflows.custodians import Custodians
from unheld_branch.workflows.delivery import at_most
from unheld_branch.workflows.ingest import dedup_keys
from unheld_slots import durable
from unheld_verify import columns, custody
from unheld_verify.columns import EventColumn, Push
from unheld_verify.custody import Heard, reasons
from unheld_verify.errors import PartialError, SealedError, StateError
from unheld_verify.roster import Draft

_DAY = 86_400


@dataclass(frozen=True)
class Opened:
    """A day that opened: its number, custodians that pushed, columns it can seal into. `again`: it was open already.

    `corroborated`: whether each component of its keys came from two custodians (where it has two); if not, one that
    lies could have made this day unreadable. `left_out`: names of custodians whom all the others contradict; `lacking`:
    of those that gave no key of a column that nothing closed, and that others gave.
    """

    day: int
    custodians: int
    columns: int
    again: bool
    corroborated: bool
    left_out: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class Closed:
    """A day that closed: batches merged, records in them, files and bytes they became."""

    day: int
    batches: int
    records: int
    files: int
    size: int


def doubts(opened: Opened) -> list[str]:
    """What a person has to know of the keys of a day."""
    said = [f"{name} is contradicted by all the others and was left out" for name in opened.left_out]
    said += [f"{name} gave no key of columns that nothing closed: it was left out" for name in opened.lacking]
    if not opened.corroborated:
        said.append("uncorroborated: parts of the keys came from one custodian alone; if it lied, this day never opens")
    return said


def next_day(catalog: Catalog, now: int) -> int | None:
    """The day that can be opened now, or None while the one day that could be is over.

    It is today, and in the last minutes of a day that was closed, tomorrow: custodians push a little early.
    """
    today, early, days = now // _DAY, (now + custody.EARLY_SECONDS) // _DAY, catalog.days
    return next((day for day in (today, early) if day not in days or days[day].state == "open"), None)


def must_close(folder: Path, catalog: Catalog, now: int) -> bool:
    """Whether a day is open that has to close now: by the clock, or by the machine's uptime."""
    held = catalog.open_day
    return held is not None and daylength.over(folder, held.number, now, uptime())


def must_tell(folder: Path, catalog: Catalog, now: int) -> bool:
    """Whether no day is open, and custodians are to be told again that the last one closed before its end."""
    return catalog.open_day is None and pending.closing(folder, now // _DAY) is not None


def open_day(store: Store, custodians: Custodians) -> Opened:
    """Open the day. The keys go into the open-day slot; a day that lost them is given them again.

    Raises StateError when an earlier day is still open, or when fewer than t custodians answer: then park. Raises
    SealedError, and asks nobody, when the keys of the day that is open cannot be read here. Raises PartialError when
    the day is open and a custodian refuses its parking keys.
    """
    held, day = store.catalog.open_day, next_day(store.catalog, store.clock.now())
    if held is not None and held.number != day:
        raise StateError(f"{columns.day_text(held.number)} is still open: `unheld day close` first")
    kept = store.open_day() if held is not None else None  # before custodians count one more asking
    if held is None:
        _drop(store, custodians)
    if day is None:
        raise StateError(
            f"{columns.day_text(store.today())} was closed; the next day opens at 00:00 UTC. Records can be parked"
        )
    if held is None:
        again(store, custodians)  # who hears only later that all is forgotten would end what this day seals
    draft = sets.sealing(store.sets(), day).draft
    expected = _expected(store, day)
    whole, lacking = complete(custodians.open_day(day), expected, draft.t)
    pushes, left_out = agreeing(whole, draft.n, draft.t)
    keys = _merged(pushes, expected, draft)
    twice = corroborated(pushes, draft.n, draft.t)
    if kept is None:
        store.day_slot.keep(openday.begin(keys))
    if held is None:
        daylength.note(store.folder, day, uptime())
        _commit(store, keys, pushes, corroborated=twice)
    parkings, refused = custodians.park_publics()
    parkkeys.keep(store.folder, parkings)
    if refused:
        raise PartialError(f"the day is open, and parking keys are missing: {reasons(refused, draft.names)}")
    named = [tuple(draft.names[index] for index in indexes) for indexes in (left_out, lacking)]
    return Opened(day, len(pushes), len(keys.keys), held is not None, twice, *named)


def _expected(store: Store, day: int) -> set[EventColumn]:
    """The columns that custodians should open: all that a day seals into, but for what was erased or is being."""
    policy = store.policy
    plans = pending.plans(store.folder, day, policy.lifetimes)
    erased = store.catalog.erased | {pair for plan in plans for pair in plan.columns}
    return set(columns.window(day, policy.late_days, policy.lifetimes)) - erased


def _merged(pushes: Sequence[Push], expected: set[EventColumn], draft: Draft) -> DayKeys:
    """The keys of the columns expected. Raises StateError where there is none: a day that nothing is sealed on."""
    keys = merge_pushes(pushes, draft.n, draft.t, draft.names).only(expected)
    if expected and not keys.keys:
        lacking = {push.index: "it gave no key" for push in pushes if not expected & set(push.keys)}
        raise StateError(f"no column is opened by all: {reasons(lacking, draft.names)}; park instead")
    return keys


def _commit(store: Store, keys: DayKeys, pushes: Sequence[Push], *, corroborated: bool) -> None:
    checks = {str(number): check for push in pushes for number, check in push.checks.items()}
    day = columns.day_text(keys.day)
    said = store.opening("open", sealing_day=day, set=keys.set)
    entry = {"kind": "open", "day": day, "set": keys.set, "checks": checks, "corroborated": corroborated}
    store.commit(entry, say=[said], dedup=dedup_keys(store))


def close_day(store: Store, custodians: Custodians) -> Closed:
    """Close the open day: one padded block a folio, keys dropped here, the day closed at the custodians.

    The order leaves no loss: merged files are durable before the commit, the keys die after it; a crash before the
    commit leaves the day open, a crash after it is finished by calling again, or by opening the next day. A day that is
    over and whose keys are lost here closes as it stands: see `_closed_as_it_stands`. Where no day is open, what an
    opening left when it was cut short goes all the same.
    """
    held = store.catalog.open_day
    if held is None:
        finished = store.day_slot.read()
        heard = _drop(store, custodians)
        if finished is not None and finished.day in store.catalog.days:
            heard.check()
            return _closed(store, finished.day)
        untold = pending.closing(store.folder, store.today())
        if untold is None:
            raise StateError("no day is open")
        _tell(store, custodians, untold).check()
        return _closed(store, untold)
    day = _held_keys(store, held.number)
    if day is None:
        return _closed_as_it_stands(store, custodians, held.number)
    batches = store.catalog.open_batches()
    opened = [file for batch in batches for file in batch.files]
    sealer = Sealer(store.folder, store.policy.store_id, day)
    size = merging.slice_size(opened, sum(tree.rows for tree in store.root.trees.values()))
    parts = merging.slices(_leaves(store, held.number), size)
    made = [file for part in parts for file in merging.merge(sealer, opened, part)]
    _commit_close(store, held.number, made)
    _drop(store, custodians).check()
    return _closed(store, held.number)


def _held_keys(store: Store, number: int) -> OpenDay | None:
    """The open day's keys, or None where they are lost and the day is over. Raises SealedError or StateError before."""
    over = daylength.over(store.folder, number, store.clock.now(), uptime())
    try:
        day = store.open_day()
    except SealedError:
        if not over:
            raise
        return None
    if day is None and not over:
        raise StateError("the open day's keys are not here: `unheld day open` asks the custodians for them again")
    return day


def _closed_as_it_stands(store: Store, custodians: Custodians, number: int) -> Closed:
    """Close a day whose keys are lost here. Its deliveries are whole, and t custodians open them; they are not merged.

    A folio then has a block for each delivery, so whoever opens it sees how its records came.
    """
    held = [file for batch in store.catalog.open_batches() for file in batch.files]
    files = [file for file in held if not store.catalog.is_gone(file.column.cls, file.column.event_day)]
    _commit_close(store, number, files)
    for file in files:
        durable.remove_file((store.folder / file.path).with_suffix(".handles"))
    _tell(store, custodians, number).check()
    return _closed(store, number)


def _commit_close(store: Store, number: int, made: Sequence[ColumnFile]) -> None:
    text, batches = columns.day_text(number), store.catalog.open_batches()
    entry = {
        "kind": "close",
        "day": text,
        "batch": made[0].batch_id.hex() if made else "",
        "files": [file.entry() for file in made],
        "merged": [batch.id.hex() for batch in batches],
    }
    said = store.opening(
        "close",
        sealing_day=text,
        records_at_most=at_most(sum(batch.records for batch in batches)),
        generation=store.root.generation,
        root=store.root_digest().hex(),
        head=store.catalog.head.hex(),
    )
    store.commit(entry, say=[said])


def _drop(store: Store, custodians: Custodians) -> Heard:
    """After the commit: drop the keys here, tell the custodians, remove the merged batches' ciphertext.

    The keys die first, whoever answers. What they leave, the day's name, goes once nobody refused. Keys of a day that
    the journal does not know are an opening's that a crash cut short: the day has not been, and custodians may still
    open it.
    """
    heard = Heard(0, 0, ())
    try:
        kept = store.day_slot.read()
    except SealedError:  # keys of a day that is over: nobody needs them
        store.day_slot.renew()
        return heard
    if kept is None:
        return heard
    if kept.day in store.catalog.days:
        store.day_slot.keep(openday.ended(kept))
        heard = _tell(store, custodians, kept.day)
    if not heard.refused:
        store.day_slot.drop()
        store.tidy()
    return heard


def _tell(store: Store, custodians: Custodians, number: int) -> Heard:
    """Close a day at the custodians. Those that are away would give its keys again until it is over: `must_tell`."""
    pending.close(store.folder, number)
    heard = custodians.close_day(number)
    if not heard.away and not heard.refused:
        pending.closed(store.folder)
    return heard


def _closed(store: Store, number: int) -> Closed:
    batches = [batch for batch in store.catalog.batches.values() if batch.day == number and batch.state == "closed"]
    files = store.catalog.days[number].files
    records = sum(batch.records for batch in batches)
    return Closed(number, len(batches), records, len(files), sum(file.size for file in files))


def _leaves(store: Store, day: int) -> Iterator[Rows]:
    """All parties that a block of this day may belong to."""
    parties = store.parties()
    for number in (SUBSCRIBERS, month_tree(day)):
        if number in parties.trees:
            yield from parties.walk(number)
