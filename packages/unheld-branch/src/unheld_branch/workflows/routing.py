"""Routing: which records today's columns can take, and which party rows they belong to and name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from unheld_branch.keys.parties.newcomers import Made, Newcomers
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.rows import order
from unheld_branch.records.chunks import BadRow
from unheld_branch.store.centres import Centre, centre_for
from unheld_branch.store.coding import RECORD_CLASSES
from unheld_branch.store.layout import Codes
from unheld_branch.store.policy import Policy
from unheld_branch.store.sealing import Events, PartyKeys, Sealer, distinct
from unheld_branch.store.store import Store
from unheld_branch.store.vault import SUBSCRIBERS, month_tree
from unheld_verify import canonical

_SECONDS = 86_400
_FUTURE = "it happened after the open day: clock or time zone wrong?"
_LATE = "it came too late for the open day's columns"
_OLD = "older than every lifetime, not stored"
_NOBODY = "nobody held this identity at that time"
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Routed:
    """Records that today's columns can take, rows for quarantine, and what was only counted."""

    table: pa.Table
    bad: list[BadRow]
    counts: dict[str, int]


@dataclass(frozen=True)
class Resolved:
    """Events ready to be sealed, the parties after adding strangers, the rows that made, and rows for quarantine."""

    events: Events
    parties: Parties
    made: list[Made]
    bad: list[BadRow]


def route(table: pa.Table, store: Store, sealer: Sealer) -> Routed:
    """Split records by event day: sealable, quarantine (future, too late), or older than every lifetime (counted)."""
    future, late, old = _off_window(table, store.policy, sealer.open_day.day)
    counts = {_OLD: int(old.sum())} if old.any() else {}
    bad = [*_aside(table, future, _FUTURE), *_aside(table, late, _LATE)]
    keep = ~(future | old | late)
    return Routed(table if keep.all() else table.filter(pa.array(keep)), bad, counts)


def astray(table: pa.Table, policy: Policy, today: int) -> int:
    """How many records happened after `today`, or before the late window and would not have lapsed."""
    future, late, _ = _off_window(table, policy, today)
    return int((future | late).sum())


def _off_window(table: pa.Table, policy: Policy, today: int) -> tuple[Mask, Mask, Mask]:
    """Which records are of the future, came too late, or are older than every lifetime."""
    days = table["datetime"].to_numpy() // _SECONDS
    longest = max(policy.lifetime(cls) for cls in RECORD_CLASSES)
    if max(today - policy.late_days, today - longest + 1) <= days.min(initial=today) and days.max(initial=0) <= today:
        none = np.zeros(len(days), np.bool_)
        return none, none, none
    old = days + longest <= today
    return days > today, (days < today - policy.late_days) & ~old, old


def _aside(table: pa.Table, mask: Mask, reason: str) -> list[BadRow]:
    """Rows for quarantine, in canonical form: the file they came from no longer stands beside them."""
    if not mask.any():
        return []
    rows = table.filter(pa.array(mask)).to_pylist()
    return [BadRow("", number, reason, _text(row)) for number, row in enumerate(rows)]


def _text(row: dict[str, object]) -> bytes:
    return canonical.encode({name: str(value) for name, value in row.items() if value is not None})


def resolve(table: pa.Table, parties: Parties, day: int) -> Resolved:
    """Find or make the row of every party that the records belong to or name."""
    when = table["datetime"].to_numpy()
    owner_codes, owner_names = _identities(table["owner"])
    trees = [SUBSCRIBERS, month_tree(day)]
    made: list[Made] = []
    parties, held = _present(parties, owner_names, trees, made, _owner_tree(trees[1]))
    owner_codes, owners = _holders(parties, held, owner_codes, when, trees)
    keep = owner_codes >= 0
    bad = _aside(table, ~keep, _NOBODY)
    if not keep.all():
        table, when, owner_codes = table.filter(pa.array(keep)), when[keep], owner_codes[keep]
    if any(name.startswith("imsi:") for name in owner_names):
        owner_codes, owners = _one_a_party(owner_codes, owners)
    codes, names = _identities(table["counterpart"]) if "counterpart" in table.column_names else (_no_codes(when), [])
    parties, held = _present(parties, names, trees, made, lambda _: trees[1], held)
    parties = _unknown_before(parties, held, codes, when, trees, made)
    codes, others = _holders(parties, held, codes, when, trees)
    events = Events(table, when, owner_codes, codes, owners, others)
    return Resolved(events, parties, made, bad)


def owned_by(centre: Centre, owners: pa.ChunkedArray) -> Mask:
    """Which records are of this data centre, by the identity whose they are."""
    codes, names = _identities(owners)
    own = np.fromiter((centre_for(name, centre.of) == centre.number for name in names), np.bool_, len(names))
    return np.asarray(own[codes], np.bool_)


def _identities(column: pa.ChunkedArray) -> tuple[Codes, list[str]]:
    """(code of each row, -1 for none; the distinct identities)."""
    array = column.combine_chunks()
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    used = distinct(codes)
    if len(used) == len(encoded.dictionary):
        return codes, encoded.dictionary.to_pylist()
    names = encoded.dictionary.take(pa.array(used)).to_pylist()
    places = np.full(len(encoded.dictionary) + 1, -1, np.int64)
    places[used] = np.arange(len(used))
    return places[codes], names


def _one_a_party(codes: Codes, owners: PartyKeys) -> tuple[Codes, PartyKeys]:
    """A number and its SIMs are one party, and a party has one block in a file."""
    _, first, place = np.unique(order(owners.labels), return_index=True, return_inverse=True)
    return place[codes], owners.at(first)


def _no_codes(when: Codes) -> Codes:
    return np.full(len(when), -1, np.int64)


def _owner_tree(month: int) -> Callable[[str], int]:
    """A roamer known only by IMSI is nobody's subscriber here; everybody else whose records these are is."""
    return lambda identity: month if identity.startswith("imsi:") else SUBSCRIBERS


@dataclass(frozen=True)
class _Present:
    """The present holders of some identities: keys, and the second at which each began."""

    names: Sequence[str]
    keys: PartyKeys
    since: Codes

    def places(self, names: Sequence[str]) -> Codes:
        """Where some identities stand among these; -1 for others."""
        known = {name: place for place, name in enumerate(self.names)}
        return np.fromiter((known.get(name, -1) for name in names), np.int64, len(names))


_NONE = _Present([], PartyKeys(np.zeros((0, 32), np.uint8), np.zeros((0, 16), np.uint8)), np.zeros(0, np.int64))


def _present(
    parties: Parties,
    names: Sequence[str],
    trees: Sequence[int],
    made: list[Made],
    tree_of: Callable[[str], int],
    known: _Present = _NONE,
) -> tuple[Parties, _Present]:
    """The present holders of `names`; strangers get a row in the tree that `tree_of` says. Who is known is not asked
    for again: most counterparts are owners, too."""
    keys, labels = np.zeros((len(names), 32), np.uint8), np.zeros((len(names), 16), np.uint8)
    since, places = np.zeros(len(names), np.int64), known.places(names)
    held, asked = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    keys[held], labels[held] = known.keys.keys[places[held]], known.keys.labels[places[held]]
    since[held] = known.since[places[held]]
    found = parties.find([names[place] for place in asked.tolist()], trees)
    there, missing = asked[found.mask], asked[~found.mask]
    keys[there], labels[there], since[there] = found.rows.keys, found.rows.labels, found.rows.since
    home = np.array([tree_of(names[place]) for place in missing.tolist()], np.int64)
    for number in np.unique(home).tolist():
        places = missing[home == number]
        parties, new = parties.add(number, Newcomers([names[place] for place in places.tolist()]))
        keys[places], labels[places] = new.rows.keys, new.rows.labels
        made.append(new)
    return parties, _Present(names, PartyKeys(keys, labels), since)


def _early(held: _Present, codes: Codes, when: Codes) -> Codes:
    """Records from before the present holder began."""
    if not held.since.any():
        return np.zeros(0, np.int64)
    return np.flatnonzero((codes >= 0) & (when < held.since[codes]))


def _holders(
    parties: Parties, held: _Present, codes: Codes, when: Codes, trees: Sequence[int]
) -> tuple[Codes, PartyKeys]:
    """Who held each number when the record happened; -1 where nobody did.

    A record from before the present holder began must never enter the present holder's folio, nor name that holder.
    """
    early = _early(held, codes, when)
    if not len(early):
        return codes, held.keys
    found = parties.owner_at([held.names[code] for code in codes[early].tolist()], when[early], trees)
    codes = codes.copy()
    codes[early] = -1
    codes[early[found.mask]] = len(held.names) + np.arange(len(found.rows))
    keys = np.concatenate([held.keys.keys, found.rows.keys])
    return codes, PartyKeys(keys, np.concatenate([held.keys.labels, found.rows.labels]))


def _unknown_before(
    parties: Parties, held: _Present, codes: Codes, when: Codes, trees: Sequence[int], made: list[Made]
) -> Parties:
    """Rows for whoever answered a number before the first holder that the registry knows: other parties."""
    if not held.since.any():
        return parties
    holders, _ = _holders(parties, held, codes, when, trees)
    lost = distinct(np.where(holders < 0, codes, -1))
    if len(lost):
        parties, new = parties.add(trees[1], Newcomers([held.names[code] for code in lost.tolist()]))
        made.append(new)
    return parties
