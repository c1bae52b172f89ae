"""Registry tables: who holds which number and SIM since when. A number that changes its holder is a new generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unheld_branch.records.chunks import Chunk
from unheld_branch.records.schema import REGISTRY_FIELDS

_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """One line of a registry. `holder` is the operator's opaque id of the person, `since` Unix seconds (0 = unknown),
    `public_key` 64 hexadecimal digits, `facts` the texts of class `identity` by their names in the mapping."""

    owner: str
    imsi: str | None
    imei: str | None
    holder: str | None
    since: int
    public_key: str | None
    facts: Mapping[str, str]


def registry_rows(chunk: Chunk) -> Iterator[RegistryRow]:
    """The rows of a chunk that was read through a mapping of kind `registry`."""
    names = [name for name in chunk.table.column_names if name not in REGISTRY_FIELDS]
    batches = chunk.table.to_batches(max_chunksize=_ROWS)  # a chunk of dicts at once would take gigabytes
    for row in (row for batch in batches for row in batch.to_pylist()):
        imsi = row.get("imsi")
        yield RegistryRow(
            owner=row["owner"],
            imsi=None if imsi is None else f"imsi:{imsi}",
            imei=row.get("imei"),
            holder=row.get("holder"),
            since=row.get("since") or 0,
            public_key=row.get("public_key"),
            facts={name: row[name] for name in names if row[name] is not None},
        )
