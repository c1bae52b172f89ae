"""Run: keep the days by the clock. Every step is a process of its own that ends with the keys it held."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unheld import assembly
from unheld.assembly import Deployment
from unheld.ledger import Ledger, closed_entries
from unheld_branch.kernel.locks import locked
from unheld_branch.log.outbox import Outbox
from unheld_branch.log.outbox import publish as publish_outbox
from unheld_branch.store.store import Store

_LOCK = "publishing"


@dataclass(frozen=True)
class Step:
    """One step: the command's words and its exit code."""

    words: str
    exit_code: int


@dataclass(frozen=True)
class How:
    """How the steps speak. With `as_json` their answers go to stderr, since stdout is for the one document."""

    as_json: bool = False
    log_json: bool = False
    quiet: bool = False

    @property
    def options(self) -> list[str]:
        """The global options of each step."""
        named = {"--json": self.as_json, "--log-json": self.log_json, "--quiet": self.quiet}
        return ["--no-input", *(name for name, given in named.items() if given)]


def publish(deployment: Deployment, store: Store | None) -> int:
    """One publication of the log's cadence, headquarters' own statements with it; entries published, dummies included.

    With a store, the caller holds its lock. Without one (it was handed over, or is lost) the log goes on with
    headquarters' statements alone. Repeating it after a crash gives no entry a second place; a crash between the last
    two steps costs a further cadence of dummies. Raises LockedError while another process publishes, RolledBackError
    where the log's folder is an older copy that cannot be made what it was.
    """
    ledger = Ledger(deployment.ledger)
    # A lock of its own: who holds the register's lock to issue a paper publishes it too.
    with locked(deployment.register / _LOCK, exclusive=True):
        writer = deployment.log_writer()
        deployment.remember(writer)  # a crash may have come between a publication and this
        outbox = ledger.outbox(writer)
        if store is not None:
            database = store.vault.database
            outbox = Outbox(database.outbox, database.transaction, partial(closed_entries, ledger, writer))
        count = publish_outbox(outbox, writer)
        deployment.remember(writer)
        ledger.publish(writer, assembly.clock().now() // 86_400)
        return count


def run(
    root: Path, *, once: bool, every: int, inbox: Path | None, mapping: Path | None, how: How | None = None
) -> list[Step]:
    """Look at the clock, do what is due, wait. Ends after one look with `once`, else with an interrupt."""
    while True:
        done = list(_look(root, inbox, mapping, how or How()))
        if once:
            return done
        time.sleep(every)


def _look(root: Path, inbox: Path | None, mapping: Path | None, how: How) -> Iterator[Step]:
    """What is due now: close an earlier day, lapse, open today, take in the inbox, or park it without a day."""
    today, opened, known = _state(root)
    if opened is not None and opened != today:
        closed = _child(root, how, "day", "close")
        yield closed
        opened = opened if closed.exit_code else None
    yield _child(root, how, "lapse", "run")
    if opened is None and not known:
        yield _child(root, how, "day", "open")
    if inbox is not None and mapping is not None and any(inbox.iterdir()):
        here = _state(root)[1] == today
        words = ("ingest",) if here else ("park", "add")
        yield _child(root, how, *words, str(inbox), "--mapping", str(mapping))


def _state(root: Path) -> tuple[int, int | None, bool]:
    """(today, the open day, whether today was opened before). Reads the journal, never a key."""
    with Deployment(root).opened() as store:
        held = store.catalog.open_day
        return assembly.clock().now() // 86_400, held.number if held else None, store.today() in store.catalog.days


def _child(root: Path, how: How, *words: str) -> Step:
    call = [sys.executable, "-m", "unheld", "--store", str(root), *how.options, *words]
    ended = subprocess.run(call, check=False, stdout=sys.stderr if how.as_json else None)
    return Step("ingest" if words[0] == "ingest" else " ".join(words[:2]), ended.returncode)
