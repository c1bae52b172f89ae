"""Lookup tables: small tables beside a source that lead from what a record names (a contract) to what it needs (a
number). They are held in memory while a file is read, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records.codecs import csv
from unheld_branch.records.codecs.batches import BrokenRow
from unheld_branch.records.codecs.sources import Source, decompressed, opened
from unheld_branch.records.mapping import Lookup
from unheld_verify.errors import BadInputError

_BLOCK = 1 << 22
MOST_BYTES = 256 << 20
"""The largest lookup table that is held in memory."""


@dataclass(frozen=True, slots=True)
class Table:
    """Distinct keys and the value of each."""

    keys: pa.StringArray
    values: pa.StringArray

    def of(self, wanted: pa.StringArray) -> pa.StringArray:
        """The value of each key, null where the table has none."""
        return self.values.take(pc.index_in(wanted, value_set=self.keys))


def load(lookups: Iterable[Lookup], folder: Path) -> Mapping[str, Table]:
    """Read the tables, each relative to `folder`. Raises BadInputError for a missing, large or ambiguous one."""
    return {lookup.name: _table(lookup, folder / lookup.file) for lookup in lookups}


def _table(lookup: Lookup, path: Path) -> Table:
    place = f"[lookup.{lookup.name}] {path}"
    if not path.is_file():
        raise BadInputError(f"{place}: there is no such file; lookup files are looked for beside the source")
    keys, values, size = [], [], 0
    with opened(Source(place, path), lambda _: None) as raw:
        pieces = decompressed(raw, place)
        for batch in csv.batches(pieces, lookup.csv, [lookup.key, lookup.value], place, _BLOCK):
            keys.append(batch.columns[lookup.key].texts())
            values.append(batch.columns[lookup.value].texts())
            size += batch.bytes
            _check(batch.broken, size, place)
    return _distinct(pa.concat_arrays(keys), pa.concat_arrays(values), place)


def _check(broken: tuple[BrokenRow, ...], size: int, place: str) -> None:
    if broken:
        raise BadInputError(f"{place}: line {broken[0].line}: {broken[0].reason}; mend the table")
    if size > MOST_BYTES:
        raise BadInputError(f"{place}: larger than {MOST_BYTES:,} bytes; join it to the records before they come here")


def _distinct(keys: pa.StringArray, values: pa.StringArray, place: str) -> Table:
    pairs = pa.table({"key": keys, "value": values}).drop_null().group_by(["key", "value"]).aggregate([])
    found = pairs["key"].combine_chunks()
    if len(pc.unique(found)) < len(found):
        raise BadInputError(f"{place}: one key has two values: whose record would it be? Mend the table")
    return Table(found, pairs["value"].combine_chunks())
