"""Run the branch's service with headquarters' own commands, and publish the log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unheld import assembly
from unheld.assembly import Deployment
from unheld.ledger import Ledger, closed_entries
from unheld.workflows import custody, succession
from unheld_branch.kernel.locks import locked
from unheld_branch.log.outbox import Outbox, known_to
from unheld_branch.log.outbox import publish as publish_outbox
from unheld_branch.store.store import Store
from unheld_branch.workflows.service import Service, Step
from unheld_verify.errors import UnheldError
from unheld_verify.tiles import Log

_LOCK = "publishing"
_HOUR = 3600


_WORDS = {
    "open": ("day", "open"),
    "close": ("day", "close"),
    "lapse": ("lapse", "run"),
    "park": ("park", "add"),
    "unpark": ("park", "open"),
    "ingest": ("ingest",),
    "beat": ("custody", "beat", "--due"),
}


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


@dataclass
class Keeper(Service):
    """The branch's service, and headquarters' heartbeat to custodians elsewhere: a day without one may be one of many.

    It comes last: who is away costs time, and keeps no day from closing or opening.
    """

    called: int = -1

    def look(self) -> Iterator[Step]:
        """What is due now, and once a day that every custodian hears headquarters; who is away is called hourly."""
        yield from super().look()
        hour = assembly.clock().now() // _HOUR
        if self.called != hour and _must_speak(Deployment(self.root)):
            self.called = hour
            yield self.call("beat")


def _must_speak(deployment: Deployment) -> bool:
    try:
        return custody.beat_is_due(deployment)
    except UnheldError:
        return True  # the step says what is wrong, and nothing here ends


def publish(deployment: Deployment, store: Store | None) -> int:
    """One publication of the log's cadence, headquarters' own statements with it; entries published, dummies included.

    With a store, the caller holds its lock. Without one (it was handed over, or is lost) the log goes on with
    headquarters' statements alone. Repeating it after a crash gives no entry a second place; a crash between the last
    two steps costs a further cadence of dummies. Raises LockedError while another process publishes, RolledBackError
    where the log's folder is an older copy that cannot be made what it was, PromotedError where the log says that a
    copy is the store now.
    """
    ledger = Ledger(deployment.ledger)
    # A lock of its own: who holds the register's lock to issue a paper publishes it too.
    with locked(deployment.register / _LOCK, exclusive=True):
        writer = deployment.log_writer()
        deployment.remember(writer)  # a crash may have come between a publication and this
        outbox = ledger.outbox(writer)
        if store is not None:
            database = store.vault.database
            begin = known_to(database.outbox(), writer)
            later = succession.successors(Log(writer.source), writer.size, store.policy.origin, begin)
            succession.check(later, store.catalog.promoted, store.policy)
            outbox = Outbox(database.outbox, database.transaction, partial(closed_entries, ledger, writer))
        count = publish_outbox(outbox, writer)
        deployment.remember(writer)
        ledger.publish(writer, assembly.clock().now() // 86_400)
        return count


def run(
    root: Path, *, once: bool, every: int, inbox: Path | None, mapping: Path | None, how: How | None = None
) -> list[Step]:
    """The branch's service where headquarters' commands are its steps. Ends after one look with `once`."""
    service = Keeper(root, partial(_child, root, how or How()), inbox, mapping)
    return service.run(once=once, every=every)


def _child(root: Path, how: How, step: str, *words: str) -> Step:
    named = _WORDS[step]
    call = [sys.executable, "-m", "unheld", "--store", str(root), *how.options, *named, *words]
    ended = subprocess.run(call, check=False, stdout=sys.stderr if how.as_json else None)
    return Step(" ".join(named), ended.returncode)
