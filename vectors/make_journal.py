"""Make journal.json: a genesis document and a chain with an entry of every kind (`docs/spec/journal.md`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_branch.store import journal
from unheld_branch.store.policy import Policy
from unheld_verify import canonical, columns, crypto, note

ORIGIN = "store.example/unheld"
BEGAN = 20_635 * 86_400
D, E = "2026-06-30", "2026-07-01"
BATCHES = [bytes([number]) * 16 for number in range(1, 5)]
POLICY = Policy(
    b"\x51" * 16, ORIGIN, BEGAN, 1, 3, 2, columns.LIFETIME_DEFAULTS, 45, "none", "MM", ("copy",), (),
    note.format_key(note.Key(ORIGIN, crypto.sign_public(b"\x08" * 32))), crypto.sign_public(b"\x09" * 32).hex(),
)  # fmt: skip


def build() -> dict[str, Any]:
    """The vectors; every input is fixed."""
    head, chain, rows = journal.first_head(POLICY), [], []
    heads = [head]
    for number, fields in enumerate(_entries(), 1):
        entry = canonical.encode({"v": 1, "at": BEGAN + 60 * number, **fields})
        head = journal.next_head(head, entry)
        rows.append((number, entry, head))
        chain.append(entry.decode())
        heads.append(head)
    catalog = journal.fold(POLICY, rows)
    return {
        "page": "docs/spec/journal.md",
        "genesis": canonical.encode(POLICY.document()).decode(),
        "entries": chain,
        "heads": [head.hex() for head in heads],
        "files": sorted(file.path for file in catalog.live_files()),
    }


def _entries() -> list[dict[str, Any]]:
    first, second, closed, parked = BATCHES
    files = [_file(first, cls, D) for cls in ("charge", "place")]
    merged = [_file(closed, cls, d) for cls in ("charge", "contact", "place") for d in (D, E)]
    set_aside = {"batch": parked.hex(), "reason": "outage", "period": 2947, "path": f"parked/{parked.hex()}",
                 "sha256": _digest(parked), "records": 7, "digests": []}  # fmt: skip
    return [
        {"kind": "genesis", "policy": POLICY.document()},
        {"kind": "custodians", "set": 1, "transcript": _digest(b"transcript")},
        {"kind": "open", "day": E, "set": 1, "checks": {"0": _digest(b"0"), "1": _digest(b"1"), "2": _digest(b"2")}},
        {"kind": "rows", "rows": _digest(b"rows")},
        _batch(first, files),
        {"kind": "parked", **set_aside},
        _batch(second, [_file(second, "charge", E)], replaces=first.hex()),
        {"kind": "close", "day": E, "batch": closed.hex(), "files": merged, "merged": [second.hex()]},
        {"kind": "erase", "act": "parties", "root": _digest(b"root"), "leaves": 16},
        {"kind": "erase", "act": "class", "event_day": D, "class": "contact"},
        {"kind": "lapse", "columns": [["place", D]], "trees": [], "parked": [parked.hex()]},
    ]


def _batch(batch: bytes, files: list[dict[str, Any]], replaces: str = "") -> dict[str, Any]:
    return {
        "kind": "batch", "batch": batch.hex(), "day": E, "records": 9, "files": files, "digests": [_digest(batch)],
        "rows": "", "counts": {"time: not a time": 1}, "replaces": replaces, "unparks": "", "parked": [],
    }  # fmt: skip


def _file(batch: bytes, cls: str, d: str) -> dict[str, Any]:
    path = f"blocks/{cls}/{d}/{E}/{batch.hex()}.parquet"
    return {
        "path": path,
        "class": cls,
        "event_day": d,
        "blocks": 256,
        "bytes": 40_000,
        "sha256": _digest(path.encode()),
    }


def _digest(data: bytes) -> str:
    return crypto.sha256(data).hex()


if __name__ == "__main__":
    Path(__file__).with_name("journal.json").write_text(json.dumps(build(), indent=1) + "\n")
