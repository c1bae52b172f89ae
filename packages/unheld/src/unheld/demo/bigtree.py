"""A country's tree: rows for millions of people who cannot exist in one real store, and the drop of their keys."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unheld.assembly import Deployment
from unheld.plans import planning
from unheld.testing import impossible
from unheld.workflows import founding
from unheld_branch.keys.parties import root as roots
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.keys.parties.parties import SUBSCRIBERS
from unheld_branch.store.store import Store
from unheld_branch.workflows.apply import apply
from unheld_verify.errors import WrongKeyError

COUNTRY = 18_000_000


@dataclass(frozen=True)
class Dropped:
    """`rows` were there and opened before; `after` opened from a backup of the root with what the slot held then."""

    rows: int
    after: int
    building_seconds: float
    drop_milliseconds: float


def drop(folder: Path, seed: int, rows: int) -> Dropped:
    """Build a store with so many rows, drop every key, try the backup."""
    deployment = Deployment(folder / "store")
    founding.found(deployment, founding.Wishes())
    begin = time.monotonic()
    with deployment.opened(write=True) as store:
        _build(store, seed, rows)
        building = time.monotonic() - begin
        backup = store.vault.database.root() or (0, b"")
        # every leaf is opened: a count in a root node alone would prove no row
        before = sum(len(leaf) for leaf in store.parties().walk(SUBSCRIBERS)) if _openable(store, backup) else 0
        planned = planning.plan_everything(store, deployment.seed("plan"))
        # nodes leave the database with the keys; a backup still has them, and its root leads to them
        applied = apply(store, deployment.open_custodians(), planned.plan, planned.plan.digest[:8])
        after = _openable(store, backup)
    return Dropped(before, after, building, applied.milliseconds)


def _build(store: Store, seed: int, rows: int) -> None:
    """All rows in one commit: each leaf is written once."""
    national = impossible.draw(np.random.default_rng([seed, 18]), impossible.ON_NET, rows)
    names = [f"tel:{number}" for number in impossible.msisdns(national).to_pylist()]
    parties, _ = store.parties().add(SUBSCRIBERS, Newcomers(names))
    store.commit({"kind": "rows", "rows": ""}, parties=parties)


def _openable(store: Store, backup: tuple[int, bytes]) -> int:
    """How many rows a backup's root node leads to, with any key that the slot holds now."""
    generation, sealed = backup
    for live in store.vault.slot.live():
        try:
            root = roots.unseal(sealed, live.secret, store.policy.store_id, generation)
        except WrongKeyError:
            continue
        return sum(tree.rows for tree in root.trees.values())
    return 0
