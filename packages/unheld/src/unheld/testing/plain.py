"""Data that lies about in clear, read as it lies: CSV (also gzip), Parquet, SQLite. What it says of synthetic people.

It is the left column of the demo, and on the right the proof that nothing was left lying. It reads tables of one
synthetic operator's impossible identities. A table with anybody else's number is refused whole, and one without any
number of the operator's has no figure: there is nothing here to search people with.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from unheld.testing.arrow import Ints
from unheld.testing.recording import DATABASE_MAGIC, Version
from unheld.testing.roster import STRANGER, Roster
from unheld_verify.errors import NotAllowedError

DAY_BITS = 20
"""A party-day is one integer: the party's number, then `DAY_BITS` bits of the day since 1970."""
KINDS = ("charge", "contact", "place")
_OWNERS = ("msisdn", "imsi")  # in this order: whose record it is
_PHONE = r"^\+[0-9]{7,15}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T"
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"

Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plain:
    """What one file says in clear: party-days by kind of fact, parties tied to a name or paper, rows of records."""

    party_days: dict[str, Pairs] = field(default_factory=dict, repr=False)
    registered: Ints = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    records: int = 0
    tables: int = 0


def read(version: Version, roster: Roster) -> Plain:
    """One file of a recording. Raises NotAllowedError when a table of it names anybody who is not on the roster."""
    found = [said for table in _tables(version.held) if (said := _said(table, roster)) is not None]
    days = {kind: [one.party_days[kind] for one in found if kind in one.party_days] for kind in KINDS}
    return Plain(
        {kind: np.unique(np.concatenate(parts)) for kind, parts in days.items() if parts},
        np.unique(np.concatenate([np.zeros(0, np.int64), *(one.registered for one in found)])),
        sum(one.records for one in found),
        len(found),
    )


def pairs(parties: Ints, days: Ints) -> Pairs:
    """Party-days as integers."""
    return (parties << DAY_BITS) | days


def _tables(path: Path) -> Iterator[pa.Table]:
    """Every table of a file; none when it is of no format that is read here."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(DATABASE_MAGIC):
        yield from _database(path)
    elif head.startswith(_PARQUET):
        yield from _parquet(path)
    elif head.startswith(_GZIP) or _is_text(head):
        yield from _csv(path, gzip=head.startswith(_GZIP))


def _is_text(head: bytes) -> bool:
    first = head.split(b"\n", 1)[0]
    return b"," in first and b"\n" in head and not first.lstrip().startswith((b"{", b"[", b"<")) and b"\0" not in head


def _database(path: Path) -> Iterator[pa.Table]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except sqlite3.DatabaseError:  # cut off in the middle of a write
            return
        for (table,) in listed:
            described = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
            names = [row[1] for row in described if row[2].upper() in {"TEXT", ""}]
            if names:
                listing = ", ".join(f'"{name}"' for name in names)
                rows = connection.execute(f'SELECT {listing} FROM "{table}"').fetchall()  # noqa: S608 - read as it lies
                yield pa.table({name: _strings(row[at] for row in rows) for at, name in enumerate(names)})


def _strings(values: Iterable[object]) -> pa.StringArray:
    return pa.array([value if isinstance(value, str) else None for value in values], pa.string())


def _parquet(path: Path) -> Iterator[pa.Table]:
    try:
        table = pq.ParquetFile(path, memory_map=True).read() if _has_text(pq.read_schema(path)) else None
    except pa.ArrowException:
        return
    if table is not None:
        yield table.select([name.name for name in table.schema if pa.types.is_string(name.type)])


def _has_text(schema: pa.Schema) -> bool:
    return any(pa.types.is_string(column.type) for column in schema)


def _csv(path: Path, *, gzip: bool) -> Iterator[pa.Table]:
    try:
        with pa.input_stream(path, compression="gzip" if gzip else None) as file:
            names = file.read(4096).split(b"\n", 1)[0].decode("utf-8").strip().split(",")
        if len(set(names)) != len(names):
            return
        typed = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
        with pa.input_stream(path, compression="gzip" if gzip else None) as file:
            yield pa_csv.read_csv(file, convert_options=typed)
    except (pa.ArrowException, UnicodeDecodeError, OSError):
        return


def _said(table: pa.Table, roster: Roster) -> Plain | None:
    """What one table says, or None when it names nobody of the roster."""
    texts = {name: table.column(name).combine_chunks() for name in table.column_names}
    parties = {name: column for name, text in texts.items() if (column := _parties(text, roster)) is not None}
    if not parties:
        return None
    owner = _owner(parties)
    known = owner != STRANGER
    papers = [text for text in texts.values() if _all_in(text, roster.papers)]
    named = np.zeros(len(owner), np.bool_)
    for text in papers:
        named |= text.is_valid().to_numpy(zero_copy_only=False)
    when = next((days for text in texts.values() if (days := _days(text)) is not None), None)
    if when is None:
        return Plain({}, owner[known & named], 0, 1)
    found = np.unique(pairs(owner[known], when[known]))
    kinds = ["charge"]
    kinds += ["contact"] if len(parties) > 1 else []
    kinds += ["place"] if any(_all_in(text, roster.cells) for text in texts.values()) else []
    return Plain(dict.fromkeys(kinds, found), owner[known & named], int(known.sum()), 1)


def _parties(text: pa.StringArray, roster: Roster) -> Ints | None:
    """The party of each row by this column, or None when it is no column of identities."""
    found = roster.of_texts(text)
    foreign = text.is_valid().to_numpy(zero_copy_only=False) & (found == STRANGER)
    if (found != STRANGER).any():
        foreign &= ~pc.is_in(text, value_set=roster.senders).to_numpy(zero_copy_only=False)
    elif not pc.any(pc.match_substring_regex(text, _PHONE)).as_py():
        return None
    if foreign.any():
        raise NotAllowedError(
            f"a table names {int(foreign.sum())} times somebody who is not of the synthetic operator: nothing was"
            " counted and nothing is told. This works on made-up networks only"
        )
    return found


def _owner(parties: dict[str, Ints]) -> Ints:
    """Whose each row is: by its number, else by its SIM, else by whatever identity the table has."""
    names = sorted(parties, key=lambda name: _OWNERS.index(name) if name in _OWNERS else len(_OWNERS))
    owner = parties[names[0]]
    for name in names[1:] if names[0] in _OWNERS else ():
        owner = np.where(owner == STRANGER, parties[name], owner) if name in _OWNERS else owner
    return owner


def _all_in(text: pa.StringArray, values: pa.StringArray) -> bool:
    return text.null_count < len(text) and bool(pc.all(pc.is_in(text.drop_null(), value_set=values)).as_py())


def _days(text: pa.StringArray) -> Ints | None:
    """The UTC day of each row, if this column holds times."""
    if text.null_count or not len(text) or not pc.all(pc.match_substring_regex(text, _TIME)).as_py():
        return None
    days: Ints = pc.utf8_slice_codeunits(text, 0, 10).cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    return days
