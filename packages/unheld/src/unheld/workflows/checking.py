"""Check a deployment: the store's files against its journal, and its journal against the public log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from unheld.assembly import Deployment
from unheld.workflows import succession
from unheld_branch.store.check import Checked, Finding, check
from unheld_branch.store.store import Store
from unheld_verify import tiles
from unheld_verify.errors import UnheldError


def check_all(deployment: Deployment, percent: int = 100) -> Checked:
    """Everything that can be compared without a person's key."""
    with deployment.opened() as store:
        checked = check(store, percent)
        return replace(checked, findings=(*checked.findings, *_log(deployment, store)))


def _log(deployment: Deployment, store: Store) -> Iterator[Finding]:
    """The log verifies, holds what the outbox published, and tells of no later or other journal than this one."""
    log, place = tiles.open_log(str(deployment.log)), str(deployment.log)
    try:
        head = tiles.verify_log(log, deployment.log_key())
    except UnheldError as error:
        yield Finding("altered", place, str(error))
        return
    outbox = {item.index: item.entry for item in store.vault.database.outbox() if item.index is not None}
    if len(outbox) > head.size:
        yield Finding("missing", place, f"{len(outbox) - head.size} planned entries are not published; publish again")
    # A copy that was promoted knows the last statements of what it followed, and none of its dummies.
    if head.size > len(outbox) and not store.catalog.promoted:
        words = f"the log has {head.size} entries, this store knows of {len(outbox)}: an older store was put back"
        yield Finding("rolled back", str(store.folder), words)
    heads = {generation: entry_head for generation, _, entry_head in store.vault.database.journal()}
    for index in log.opened(head.size):
        if index in outbox and outbox[index] != log.entry(index, head.size):
            yield Finding("altered", place, f"entry {index} is not the one this store published")
        said = log.opening(index).statement
        if said["kind"] == "copy-promoted" and said["copy"] not in store.catalog.promoted:
            yield Finding("rolled back", str(store.folder), succession.words(said["copy"], said["day"], store.policy))
        elif said.get("generation", 0) > store.root.generation:
            words = f"the log tells of generation {said['generation']}, this store has {store.root.generation}"
            yield Finding("rolled back", str(store.folder), f"{words}: an older store was put back")
        elif said["kind"] == "close" and heads.get(said["generation"], b"").hex() != said["head"]:
            words = f"the log tells of generation {said['generation']} with another journal: a part was put back"
            yield Finding("rolled back", str(store.folder), words)
