"""Registries that name subscriber keys, and a store's row of one party as the branch finds it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tests.support.calls import ALICE
from tests.support.stores import TestStore
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.records.mapping import mapping_of
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_branch.workflows import ingest

_MAPPING = """
kind = "registry"

[numbers]
bare = "international"

[columns]
msisdn = { field = "owner", class = "all" }
imsi = { field = "imsi", class = "all" }
holder = { field = "holder", class = "all" }
since = { field = "since", class = "all" }
public_key = { field = "public_key", class = "all" }
document = { field = "document", class = "identity" }
"""
_NAMES = ("msisdn", "imsi", "holder", "since", "public_key", "document")


def line(public: bytes | None = None, holder: str | None = "H1", number: str = ALICE, **more: Any) -> dict[str, Any]:
    """One line of a registry that may name a subscriber key."""
    key = public.hex() if public else None
    return {"msisdn": number, "holder": holder, "since": "2020-01-01", "public_key": key, **more}


def take(made: TestStore, *lines: dict[str, Any]) -> ingest.IngestReport:
    """Take lines of a registry into the open day."""
    path = made.folder / "registry.toml"
    path.write_text(_MAPPING)
    table = pa.table({name: pa.array([item.get(name) for item in lines], pa.string()) for name in _NAMES})
    with made.opened() as store:
        report = ingest.ingest(store, [made._written(table)], mapping_of(path))
    assert report.refused == []
    return report


def row(made: TestStore, identity: str = f"tel:{ALICE}") -> Rows:
    """The row of the present holder."""
    with made.opened() as store:
        return store.parties().find([identity], [SUBSCRIBERS]).rows
