"""Quarantine: rows that were not understood are parked and lapse within 7 days; nobody reads them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from unheld_branch.records.chunks import BadRow
from unheld_branch.store import parking
from unheld_branch.store.store import Store
from unheld_verify import canonical

_PIECE = 1 << 20


def park(store: Store, bad: Sequence[BadRow]) -> dict[str, Any]:
    """Park bad rows under today's quarantine key; the fields for the journal."""
    return parking.park(store, "quarantine", _pieces(bad), len(bad), [])


def _pieces(bad: Sequence[BadRow]) -> Iterator[bytes]:
    waiting = bytearray()
    for row in bad:
        raw = base64.b64encode(row.raw).decode()
        waiting += canonical.encode({"file": row.file, "line": row.line, "reason": row.reason, "raw": raw}) + b"\n"
        if len(waiting) > _PIECE:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
