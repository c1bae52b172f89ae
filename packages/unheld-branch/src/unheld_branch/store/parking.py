"""Parked batches of a store: writing one, and its entry for the journal. Nobody at the branch can read one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unheld_branch.store import parked, parkkeys, sets
from unheld_branch.store.journal import Parked
from unheld_branch.store.store import Store
from unheld_slots import durable
from unheld_verify import columns, crypto
from unheld_verify.errors import VerificationError

_FOLDER = "parked"


def park(store: Store, reason: str, pieces: Iterable[bytes], records: int, digests: Iterable[str]) -> dict[str, Any]:
    """Write a parked batch and return its fields for a journal entry. Raises StateError without parking keys."""
    period = columns.park_period(reason, store.today())
    roster = sets.sealing(store.sets(), store.today())
    publics = parkkeys.find(store.folder, roster, reason, period)
    batch = crypto.random_bytes(16)
    path = f"{_FOLDER}/{batch.hex()}.parked"
    durable.make_folder(store.folder / _FOLDER)
    parked.write_parked(
        store.folder / path,
        pieces,
        store=store.policy.store_id,
        batch=batch,
        reason=reason,
        period=period,
        set_number=roster.draft.set,
        t=roster.draft.t,
        publics=publics,
    )
    return {
        "batch": batch.hex(),
        "reason": reason,
        "period": period,
        "path": path,
        "sha256": digest(store, path),
        "records": records,
        "digests": list(digests),
    }


def digest(store: Store, path: str) -> str:
    """SHA-256 of a file of the store, hex, read in pieces."""
    return crypto.file_sha256(store.folder / path).hex()


def checked(store: Store, batch: Parked) -> Path:
    """The file of a parked batch. Raises VerificationError when it is gone or not the one the journal names."""
    path = store.folder / batch.path
    if not path.is_file() or digest(store, batch.path) != batch.sha256:
        raise VerificationError(f"{batch.path}: missing or altered; restore it from a backup")
    return path
