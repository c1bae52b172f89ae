"""Mirrored slots of a deployment: what is wrong with them, and a person's act to make both sides one again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from unheld.assembly import Deployment
from unheld_branch.kernel import locks
from unheld_branch.store import copying
from unheld_slots.mirror import MirrorSlot
from unheld_slots.places import named_slots
from unheld_slots.slot import mirrored, places_of


def slots(deployment: Deployment) -> Iterator[tuple[str, str, MirrorSlot]]:
    """Every mirrored slot of store, open day, custodians and copies that lie here: its folder and name, URI, itself."""
    for folder in (deployment.slots, deployment.custodian_slots, *map(copying.slots_of, _copies(deployment))):
        for name, uri in named_slots(folder).items():
            slot = mirrored(uri)
            if slot is not None:
                yield f"{folder}/{name}", uri, slot


def _copies(deployment: Deployment) -> list[Path]:
    """Folders of the copies that are on this machine."""
    return [Path(name) for name in deployment.policy().copies if not copying.is_far(name)]


def one_device(uri: str) -> bool:
    """Whether both sides are files of one device: then they are lost together."""
    folders = [Path(place.partition(":")[2]).parent for place in places_of(uri) if place.startswith("file:")]
    return len({folder.stat().st_dev for folder in folders if folder.is_dir()}) == 1 and len(folders) == 2


def mend(deployment: Deployment) -> list[str]:
    """Make both sides of every mirrored slot what the newer one is. What was overwritten, in words.

    For a person who looked: a side that was put back is a copy of a key that should be nowhere. Raises StateError where
    nothing says which side is right, and LockedError while another process works on the store.
    """
    with ExitStack() as held:
        for folder in (deployment.root, *filter(Path.is_dir, _copies(deployment))):
            held.enter_context(locks.locked(folder / "lock", exclusive=True))
        return [f"{name}: {done}" for name, _, slot in slots(deployment) if (done := slot.mend())]
