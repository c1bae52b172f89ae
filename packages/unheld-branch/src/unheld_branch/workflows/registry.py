"""Registry rows: who holds which number and SIM since when → rows of the tree, and facts of the class `identity`.

A number that gets another holder gets a new row; the earlier holder's row moves to where only
records of its time find it. So does a holder's own row when a subscriber key is enrolled or changed: a key opens only
what happened after it was enrolled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tags
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.records.chunks import Chunk
from unheld_branch.records.registry import RegistryRow, registry_rows
from unheld_branch.store.blocks import Facts
from unheld_branch.store.sealing import PartyKeys
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_verify import columns, crypto

if TYPE_CHECKING:
    from unheld_branch.workflows.delivery import Draft

_EARLIER = "an earlier holder of a number held by somebody else now: not stored"
_SHARED_SIM = "a SIM that belongs to another number of the registry: not linked"
_NO_HOLDER = "a subscriber key on a line without the holder: not enrolled"


def take(draft: Draft, table: pa.Table) -> None:
    """Bring the rows of the tree up to date with one chunk of a registry, and seal its facts."""
    facts: dict[str, Facts] = defaultdict(list)
    for wave in _waves(list(registry_rows(Chunk("", table, (), table.num_rows)))):
        current = _update(draft, wave)
        for row in current:
            facts[row.owner].append(_fact(row))
    names = list(facts)
    found = draft.parties.find(names, [SUBSCRIBERS])
    if names and draft.sealer.is_open("identity", columns.month_start(draft.sealer.open_day.day)):
        keys = PartyKeys(found.rows.keys, found.rows.labels)
        batch, written = draft.sealer.seal_facts(keys, [facts[name][-1:] for name in names])
        draft.note(batch, written, len(names))
    draft.ease()


def _waves(rows: list[RegistryRow]) -> Iterator[list[RegistryRow]]:
    """Lists in which each number stands once, earlier holders in earlier lists."""
    waiting = sorted(rows, key=lambda row: row.since)
    while waiting:
        wave: dict[str, RegistryRow] = {}
        later = []
        for row in waiting:
            if row.owner in wave:
                later.append(row)
            else:
                wave[row.owner] = row
        yield list(wave.values())
        waiting = later


def _update(draft: Draft, wave: Sequence[RegistryRow]) -> list[RegistryRow]:
    """Rows for new numbers and new holders; the registry rows that describe a present holder."""
    found = draft.parties.find([row.owner for row in wave], [SUBSCRIBERS])
    new = [row for row, here in zip(wave, found.mask.tolist(), strict=True) if not here]
    held = [row for row, here in zip(wave, found.mask.tolist(), strict=True) if here]
    same, changed, unnamed = _split(draft, held, found.rows)
    for since in sorted({row.since for row in changed}):
        _take_over(draft, [row for row in changed if row.since == since], since)
    _enrol(draft, unnamed)
    _rekey(draft, same + unnamed)
    _link(draft, same + unnamed)
    _add(draft, new)
    return new + changed + same + unnamed


def _take_over(draft: Draft, rows: Sequence[RegistryRow], since: int) -> None:
    """New holders of numbers that somebody else held until this second."""
    newcomers = _newcomers(rows, since, _free_sims(draft, rows))
    draft.parties, made = draft.parties.change_holders(SUBSCRIBERS, newcomers)
    draft.made.append(made)


def _rekey(draft: Draft, rows: Sequence[RegistryRow]) -> None:
    """New rows, from now on, for holders who enrol a subscriber key or change theirs."""
    asking = [row for row in rows if row.public_key is not None]
    found = draft.parties.find([row.owner for row in asking], [SUBSCRIBERS]).rows
    named, (_, publics) = found.extras_of(rows_.HOLDER)[0], found.extras_of(rows_.PUBLIC_KEY)
    by_second: dict[int, list[RegistryRow]] = defaultdict(list)
    for place, row in enumerate(asking):
        if publics[place].tobytes().hex() == row.public_key:
            continue
        if named[place] and row.holder is None:
            draft.counts[_NO_HOLDER] += 1  # the next line with a holder could not tell whether it is the same
            continue
        by_second[max(draft.store.clock.now(), int(found.since[place]) + 1, row.since + 1)].append(row)
    for since, moved in by_second.items():
        newcomers = _newcomers(moved, since, _free_sims(draft, moved))
        draft.parties, made = draft.parties.rekey(SUBSCRIBERS, newcomers)
        draft.made.append(made)


def _split(draft: Draft, held: Sequence[RegistryRow], rows: Rows) -> tuple[list[RegistryRow], ...]:
    """Registry rows of the holder known already, of a holder who took over, and of numbers whose row knows no holder.

    Earlier holders are only counted.
    """
    has_check, checks = rows.extras_of(rows_.HOLDER)
    same: list[RegistryRow] = []
    changed: list[RegistryRow] = []
    unnamed: list[RegistryRow] = []
    for place, row in enumerate(held):
        if row.holder is not None and not has_check[place]:
            unnamed.append(row)
        elif row.holder is None or _is_holder(rows, checks, place, row.holder):
            same.append(row)
        elif row.since > int(rows.since[place]):
            changed.append(row)
        else:
            draft.counts[_EARLIER] += 1
    return same, changed, unnamed


def _is_holder(rows: Rows, checks: rows_.Bytes, place: int, holder: str) -> bool:
    return crypto.equal(tags.holder_check(rows.keys[place].tobytes(), holder), checks[place].tobytes())


def _add(draft: Draft, new: Sequence[RegistryRow]) -> None:
    """Rows for new numbers; one that comes with the SIM of a number that was given up takes the SIM over."""
    named = list(zip(new, _free_sims(draft, new), strict=True))
    held = _labels(draft, [sim for _, sim in named if sim is not None])
    over = [row for row, sim in named if sim in held]
    for since in sorted({row.since for row in over}):
        _take_over(draft, [row for row in over if row.since == since], since)
    fresh = [(row, sim) for row, sim in named if sim not in held]
    if fresh:
        rows = [row for row, _ in fresh]
        newcomers = _newcomers(rows, [row.since for row in rows], [sim for _, sim in fresh])
        draft.parties, made = draft.parties.add(SUBSCRIBERS, newcomers)
        draft.made.append(made)


def _newcomers(rows: Sequence[RegistryRow], since: int | Sequence[int], sims: Sequence[str | None]) -> Newcomers:
    publics = [bytes.fromhex(row.public_key) if row.public_key else None for row in rows]
    return Newcomers([row.owner for row in rows], since, sims, publics, [row.holder for row in rows])


def _free_sims(draft: Draft, rows: Sequence[RegistryRow]) -> list[str | None]:
    """The SIM of each row where no other number has it, in the tree or in an earlier one of these rows."""
    parties = _labels(draft, [row.imsi for row in rows if row.imsi is not None])
    owners = draft.parties.labels(SUBSCRIBERS, [row.owner for row in rows])
    free: list[str | None] = []
    given: set[str] = set()
    for row in rows:
        sim = row.imsi
        if sim is not None:
            others = sim in parties and parties[sim] not in owners.get(row.owner, ())
            if sim in given or (others and not _left(draft, sim, row.since)):
                draft.counts[_SHARED_SIM] += 1
                sim = None
            else:
                given.add(sim)
        free.append(sim)
    return free


def _left(draft: Draft, sim: str, since: int) -> bool:
    """Whether a SIM came to its party before this second, and its party has given up its number."""
    (began,) = draft.parties.find([sim], [SUBSCRIBERS]).rows.since.tolist()
    return began < since and not draft.parties.has_number(SUBSCRIBERS, sim)


def _labels(draft: Draft, names: Sequence[str]) -> dict[str, bytes]:
    """Labels of those names that have a row: linked rows of one party share theirs."""
    found = draft.parties.find(names, [SUBSCRIBERS])
    present = [name for name, here in zip(names, found.mask.tolist(), strict=True) if here]
    return {name: label.tobytes() for name, label in zip(present, found.rows.labels, strict=True)}


def _link(draft: Draft, same: Sequence[RegistryRow]) -> None:
    """Give known holders their new SIMs, and those that a new subscriber key left with their earlier row."""
    held = _labels(draft, [row.imsi for row in same if row.imsi is not None])
    owners = _labels(draft, [row.owner for row in same])
    for row, sim in zip(same, _free_sims(draft, same), strict=True):
        if sim is None or held.get(sim) == owners[row.owner]:
            continue
        since = row.since
        if sim in held:
            since = max(draft.store.clock.now(), since + 1)
            draft.parties = draft.parties.retire(SUBSCRIBERS, [sim], since)
        draft.parties, made = draft.parties.link(SUBSCRIBERS, [row.owner], [sim], since)
        draft.made.append(made)


def _enrol(draft: Draft, rows: Sequence[RegistryRow]) -> None:
    """Tell rows that records made before the registry came who their holders are."""
    if rows:
        named = [(row.owner, row.holder or "", row.since) for row in rows]
        owners, holders, since = (list(column) for column in zip(*named, strict=True))
        draft.parties, made = draft.parties.enrol(SUBSCRIBERS, owners, holders, since)
        draft.made.append(made)


def _fact(row: RegistryRow) -> dict[str, str]:
    known = {"imsi": row.imsi, "imei": row.imei, "holder": row.holder, "since": str(row.since) if row.since else None}
    return {**{name: text for name, text in known.items() if text}, **row.facts}
