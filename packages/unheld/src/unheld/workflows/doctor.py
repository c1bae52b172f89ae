"""Doctor: what around a store could undo what it promises. Each finding has a mend."""

from __future__ import annotations

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.inventory import Inventory
from unheld.workflows import custody, mirrors
from unheld_branch.store import refusals
from unheld_branch.store.following import words as away_words
from unheld_branch.store.store import Store
from unheld_verify import canonical, formats
from unheld_verify.errors import SealedError, StateError, UnheldError

_COPY_ON_WRITE = {"btrfs", "zfs", "bcachefs", "overlay", "nilfs2", "f2fs"}
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"}
_LEAST_FREE = 1 << 30
_STALE_SECONDS = 2 * 86_400
_ENDS = {"person": "only its person ends it, at the custodian's page", "headquarters": "unheld custody thaw"}


@dataclass(frozen=True)
class Finding:
    """One check: `level` is ok, warning or failure; `advice` is empty when ok."""

    name: str
    level: str
    words: str
    advice: str = ""


def examine(deployment: Deployment) -> list[Finding]:
    """All checks. A failure breaks a promise, a warning weakens one."""
    with deployment.opened() as store:
        found = [*_store(store), *_databases(store), *_copies(store), *_custodians(deployment)]
    around = [*_slots(deployment), *_mirrors(deployment), *_rights(deployment), *_machine(deployment)]
    return [*around, *found, *_inventory(deployment)]


def mend_slots(deployment: Deployment) -> list[Finding]:
    """A person's act on mirrored slots, and what it overwrote. Raises what `mirrors.mend` raises."""
    return [Finding("slots' mirror", "ok", words) for words in mirrors.mend(deployment)]


def _slots(deployment: Deployment) -> Iterator[Finding]:
    custodians = [deployment.custodian_slots] if deployment.custodians.is_dir() else []  # else they are elsewhere
    for folder in (deployment.slots, *custodians):
        if not folder.is_dir():
            yield Finding("slots' place", "failure", f"{folder} is not there", "put the folder back; it holds keys")
            continue
        yield from _filesystem(folder)
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o077:
            yield Finding(
                "slots' permissions", "failure", f"{folder} is open to others ({mode:o})", f"chmod 700 {folder}"
            )
        if deployment.root in folder.parents:
            yield Finding(
                "slots' place", "failure", f"{folder} lies inside the store", "move it out of what is backed up"
            )
        for path in sorted(folder.glob("*.slot")):
            if path.stat().st_nlink > 1:
                yield Finding(
                    "slots' links", "failure", f"{path} has another name", "a copy of a slot is a copy of its key"
                )
    yield Finding("slots' backups", "warning", "no program sees your backups", f"keep {deployment.slots} out of them")


def _mirrors(deployment: Deployment) -> Iterator[Finding]:
    for name, uri, slot in mirrors.slots(deployment):
        troubles = slot.troubles()
        for words in troubles:
            yield Finding(
                "slots' mirror", "failure", f"{name}: {words}", "put that side back; until then nothing commits"
            )
        if not troubles:
            yield Finding("slots' mirror", "ok", f"{name}: both sides hold the same")
        if mirrors.one_device(uri):
            yield Finding("slots' mirror", "warning", f"{name}: both sides are on one device", "move one to another")


def _rights(deployment: Deployment) -> Iterator[Finding]:
    """Who may write into a folder may take its files away."""
    for folder in (deployment.root, deployment.custodians, deployment.headquarters):
        if folder.is_dir() and (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o077:
            yield Finding("permissions", "failure", f"{folder} is open to others ({mode:o})", f"chmod 700 {folder}")


def _filesystem(folder: Path) -> Iterator[Finding]:
    kind, device = _mount(folder)
    if kind in _COPY_ON_WRITE or kind in _NETWORK:
        why = "copies on write" if kind in _COPY_ON_WRITE else "is elsewhere"
        words = f"{folder} lies on {kind}, which {why}: overwriting may leave the old bytes"
        yield Finding("slots' file system", "warning", words, "put the slots on a plain local file system")
    else:
        yield Finding("slots' file system", "ok", f"{folder} lies on {kind or 'an unknown file system'}")
    rotational = _rotational(device)
    if rotational is False:
        words = f"{device} is flash or virtual: it may keep old cells that its own controller can read"
        yield Finding("slots' device", "warning", words, "use a token for the slots, or destroy the device at the end")


def _mount(folder: Path) -> tuple[str, str]:
    """(file system, device) of the mount that holds a folder."""
    best = ("", "", "")
    target = str(folder.resolve())
    mounts = Path("/proc/self/mounts")
    for line in mounts.read_text().splitlines() if mounts.exists() else []:
        device, point, kind = line.split()[:3]
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind, device)
    return best[1], best[2]


def _rotational(device: str) -> bool | None:
    name = Path(device).name
    for path in (
        Path(f"/sys/class/block/{name}/queue/rotational"),
        Path(f"/sys/class/block/{name}/../queue/rotational"),
    ):
        if path.exists():
            return path.read_text().strip() == "1"
    return None


def _machine(deployment: Deployment) -> Iterator[Finding]:
    swaps = Path("/proc/swaps")
    if swaps.exists() and len(swaps.read_text().splitlines()) > 1:
        yield Finding(
            "swap", "warning", "memory may be written to swap", "swapoff -a, or encrypt swap with a random key"
        )
    else:
        yield Finding("swap", "ok", "no swap is in use")
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    pattern = Path("/proc/sys/kernel/core_pattern")
    piped = pattern.exists() and pattern.read_text().startswith("|")
    if soft or piped:
        words = "a crash may write memory into a core file" + (", which the system collects" if piped else "")
        yield Finding(
            "core dumps", "warning", words, "ulimit -c 0 and an empty kernel.core_pattern; unheld sets the first"
        )
    else:
        yield Finding("core dumps", "ok", "core files are off")
    free = shutil.disk_usage(deployment.root).free
    level = "ok" if free >= _LEAST_FREE else "warning"
    yield Finding("disk", level, f"{free >> 20:,} MiB free", "" if level == "ok" else "make room before the next close")
    if CLOCK_VARIABLE in os.environ:
        yield Finding("clock", "warning", "the clock is simulated", f"unset {CLOCK_VARIABLE} outside of tests")


def _store(store: Store) -> Iterator[Finding]:
    last = max((canonical.decode(entry)["at"] for _, entry, _ in store.vault.database.journal()), default=0)
    now = store.clock.now()
    if now < last:
        words = f"the clock is {last - now:,} s behind the last commit"
        yield Finding("clock", "failure", words, "set the clock; days open and lapse by it")
    else:
        yield Finding("clock", "ok", "not behind the last commit")
    yield _format(store)
    held = store.catalog.open_day
    if held is not None and held.number < store.today():
        yield Finding("open day", "warning", "an earlier day is still open", "unheld day close")
    try:
        store.open_day()
    except (SealedError, StateError) as error:
        words, _, mend = str(error).partition("\n  mend: ")
        yield Finding("open day", "failure", words, mend or "put back what it names; then open the store again")
    for one in refusals.listed(store.folder, store.today()):
        plan = f"plan {one.digest[:8]} ({one.act})" if one.digest else "a plan that headquarters did not sign"
        yield Finding("erasure", "failure", f"{plan} was refused on {one.day}: {one.why}", "unheld erase plan, again")
    waiting = [item for item in store.vault.database.outbox() if item.index is None]
    if waiting and now - last > _STALE_SECONDS:
        yield Finding("log", "warning", f"{len(waiting)} statements wait for days", "unheld log publish")


def _databases(store: Store) -> Iterator[Finding]:
    for vault in (store.vault, *store.copies.vaults):
        for one in vault.database.concerns():
            yield Finding("database", one.level, f"{vault.database.path}: {one.words}", one.advice)


def _format(store: Store) -> Finding:
    held, newest = store.catalog.format, formats.FORMATS["store"].newest
    if held == newest:
        return Finding("format", "ok", f"format {held}, the newest of unheld {formats.release()}")
    words = f"format {held}; unheld {formats.release()} writes format {newest}"
    return Finding("format", "warning", words, "unheld upgrade plan")


def _copies(store: Store) -> Iterator[Finding]:
    if not len(store.copies):
        words = "recoverable copies: 1. A lost disk is everybody forgotten"
        yield Finding("copies", "warning", words, "init with --copy on another disk")
    for one in store.copies:
        if one.number in store.catalog.released:
            yield Finding(
                "copies", "warning", f"{one.name} was released", "bring it back: it still has who is forgotten"
            )
        elif one.standing is None:
            yield Finding("copies", "failure", away_words(one), "bring it back; no one is forgotten while it is away")
        else:
            yield Finding("copies", "ok", f"{one.name}: generation {one.standing.generation}")


def _custodians(deployment: Deployment) -> Iterator[Finding]:
    try:
        answers = custody.asked(deployment, "status")
    except UnheldError as error:
        yield Finding("custodians", "failure", str(error), "no day opens without them")
        return
    for one in answers:
        who = f"{one.name} of set {one.set}"
        if one.away:
            yield Finding("custodians", "warning", f"{who} is away: {one.away}", "put its folder and slot back")
        elif one.said.get("rolled_back"):
            yield Finding("custodians", "failure", f"{who} was put back from a backup", "unheld custody rotate")
        elif one.frozen:
            mend = _ENDS.get(str(one.said["frozen"]), "unheld custody beat")
            yield Finding("custodians", "warning", f"{who} is {one.frozen}", mend)
    if all(one.away for one in answers):
        yield Finding("custodians", "failure", "none of them answers", "parked batches wait for them")
    if any(one.local for one in answers):
        words = "all on this machine: whoever holds it holds them"
        yield Finding("custodians", "warning", words, "separate organisations abroad")


def _inventory(deployment: Deployment) -> Iterator[Finding]:
    inventory = Inventory(deployment.root)
    level = "ok" if inventory.places and not inventory.figures()["not_covered"] else "warning"
    yield Finding("inventory", level, inventory.words(), "" if level == "ok" else "unheld inventory add")
