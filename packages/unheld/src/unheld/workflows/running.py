"""Run: keep the days by the clock. Every step is a process of its own that ends with the keys it held."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from unheld import assembly
from unheld.assembly import Deployment
from unheld_branch.log.outbox import Outbox
from unheld_branch.log.outbox import publish as publish_outbox
from unheld_branch.store.store import Store

Step = tuple[str, int]


def publish(deployment: Deployment, store: Store) -> int:
    """One publication of the log's cadence; entries published, dummies included."""
    database = store.vault.database
    return publish_outbox(Outbox(database.outbox, database.transaction), deployment.log_writer())


def run(root: Path, *, once: bool, every: int, inbox: Path | None, mapping: Path | None) -> list[Step]:
    """Look at the clock, do what is due, wait. Ends after one look with `once`, else with an interrupt."""
    while True:
        done = _look(root, inbox, mapping)
        if once:
            return done
        time.sleep(every)


def _look(root: Path, inbox: Path | None, mapping: Path | None) -> list[Step]:
    """What is due now: close an earlier day, lapse, open today, take in the inbox, or park it without a day."""
    today, opened, known = _state(root)
    done: list[Step] = []
    if opened is not None and opened != today:
        done.append(_child(root, "day", "close"))
        opened = None
    done.append(_child(root, "lapse", "run"))
    if opened is None and not known:
        done.append(_child(root, "day", "open"))
    if inbox is not None and mapping is not None and any(inbox.iterdir()):
        here = _state(root)[1] == today
        words = ("ingest",) if here else ("park", "add")
        done.append(_child(root, *words, str(inbox), "--mapping", str(mapping)))
    return done


def _state(root: Path) -> tuple[int, int | None, bool]:
    """(today, the open day, whether today was opened before). Reads the journal, never a key."""
    with Deployment(root).opened() as store:
        held = store.catalog.open_day
        return assembly.clock().now() // 86_400, held.number if held else None, store.today() in store.catalog.days


def _child(root: Path, *words: str) -> Step:
    call = [sys.executable, "-m", "unheld", "--store", str(root), "--no-input", *words]
    return " ".join(words[:2]), subprocess.run(call, check=False).returncode
