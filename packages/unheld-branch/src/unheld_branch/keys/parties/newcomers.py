"""New rows: a random party key each, and a label that is random or derived from the subscriber's public key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tags as tags_
from unheld_branch.keys.parties.nodes import Random
from unheld_branch.keys.parties.rows import KEY_BYTES, LABEL_BYTES, MAX_SECONDS, VALUE_BYTES, Bytes, Rows, Seconds
from unheld_verify.errors import BadInputError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Newcomers:
    """n parties to make rows for. Every other list is empty, or has one item a party (None where there is none).

    `since`: Unix seconds at which the holder began, 0 = from always; one for all, or one a party.
    `imsis`: the SIM of the party; gets a row of its own with the same key and label.
    `publics`: subscriber public keys (32 bytes); `holders`: the registry's id of the holder, stored as a check only.
    """

    identities: Sequence[str] = field(repr=False)
    since: int | Sequence[int] = 0
    imsis: Sequence[str | None] = field(default=(), repr=False)
    publics: Sequence[bytes | None] = field(default=(), repr=False)
    holders: Sequence[str | None] = field(default=(), repr=False)


@dataclass(frozen=True)
class Made:
    """Rows just made and the identity of each: the parties in the order given, then the linked IMSIs."""

    identities: list[str] = field(repr=False)
    rows: Rows


def make(parties: Newcomers, tag_key: bytes, random: Random) -> Made:
    """Rows for newcomers. Raises BadInputError if an identity is not valid or given twice, or a list is too short."""
    count = len(parties.identities)
    keys, labels = _matrix(random(KEY_BYTES * count), KEY_BYTES), _matrix(random(LABEL_BYTES * count), LABEL_BYTES)
    labels = labels.copy()
    names = tags_.tags(tag_key, parties.identities)
    extras = [_keyed(parties, names, labels, random), _holders(parties, names, keys)]
    since = _seconds(parties.since, count)
    rows = Rows(names, keys, labels, since, np.zeros(count, np.uint32), rows_.no_extras())
    with_sim = _given(parties.imsis, count, "imsis")
    owners = rows.take(np.array([place for place, _ in with_sim], np.intp))
    sims = linked(owners, [imsi for _, imsi in with_sim], owners.since, tag_key)
    extras += [rows_.make_extras(owners.tags, rows_.LINK, sims.rows.tags), sims.rows.extras]
    both = rows_.join([rows, sims.rows])
    checked = rows_.make(both.tags, both.keys, both.labels, both.since, extras=np.concatenate(extras))
    return Made([*parties.identities, *sims.identities], checked)


def enrolled(rows: Rows, identities: Sequence[str], holders: Sequence[str], since: Sequence[int]) -> Made:
    """The rows, which know no holder yet, with one each, and beginning when that holder did."""
    checks = _holders(Newcomers(identities, holders=holders), rows.tags, rows.keys)
    begun = np.maximum(rows.since, _seconds(since, len(rows)))
    extras = np.concatenate([rows.extras, checks])
    return Made(list(identities), rows_.make(rows.tags, rows.keys, rows.labels, begun, extras=extras))


def linked(owners: Rows, imsis: Sequence[str], since: int | Seconds, tag_key: bytes) -> Made:
    """Rows of `imsis` with the keys and labels of `owners` (same order) and links to them."""
    if len(imsis) != len(owners):
        raise BadInputError(f"{len(owners)} identities need as many IMSIs, not {len(imsis)}")
    names = tags_.tags(tag_key, imsis)
    starts = _seconds(since, len(imsis)) if isinstance(since, int) else since
    extras = rows_.make_extras(names, rows_.LINK, owners.tags)
    return Made(list(imsis), rows_.make(names, owners.keys, owners.labels, starts, extras=extras))


def _keyed(parties: Newcomers, names: Bytes, labels: Bytes, random: Random) -> Bytes:
    """Extras of those who have a public key; their labels are set in place."""
    places, publics, salts = [], [], []
    for place, public in _given(parties.publics, len(names), "publics"):
        salt = random(tags_.SALT_BYTES)
        labels[place] = np.frombuffer(tags_.label(public, salt), np.uint8)
        places.append(place)
        publics.append(public)
        salts.append(salt)
    owners = names[np.array(places, np.intp)]
    return np.concatenate(
        [
            rows_.make_extras(owners, rows_.PUBLIC_KEY, _matrix(b"".join(publics), VALUE_BYTES)),
            rows_.make_extras(owners, rows_.SALT, _matrix(b"".join(salts), tags_.SALT_BYTES)),
        ]
    )


def _holders(parties: Newcomers, names: Bytes, keys: Bytes) -> Bytes:
    given = _given(parties.holders, len(names), "holders")
    checks = b"".join(tags_.holder_check(keys[place].tobytes(), holder) for place, holder in given)
    owners = names[np.array([place for place, _ in given], np.intp)]
    return rows_.make_extras(owners, rows_.HOLDER, _matrix(checks, VALUE_BYTES))


def _given(values: Sequence[_T | None], count: int, name: str) -> list[tuple[int, _T]]:
    if values and len(values) != count:
        raise BadInputError(f"{name}: {count} parties need as many values, not {len(values)}")
    return [(place, value) for place, value in enumerate(values) if value is not None]


def _seconds(since: int | Sequence[int], count: int) -> Seconds:
    values = np.full(count, since, np.int64) if isinstance(since, int) else np.asarray(since, np.int64)
    if values.shape != (count,) or (values < 0).any() or (values > MAX_SECONDS).any():
        raise BadInputError(f"since: {count} seconds between 0 and {MAX_SECONDS} are needed")
    return values.astype(np.uint32)


def _matrix(data: bytes, width: int) -> Bytes:
    return np.frombuffer(data, np.uint8).reshape(-1, width)
