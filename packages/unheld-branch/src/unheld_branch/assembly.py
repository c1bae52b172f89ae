"""A branch by itself: where its parts lie, and its line to the custodians. Headquarters is not on this machine.

STORE                   the store: nothing in it opens anything by itself
STORE.slots             its slots and `branch.seed`: out of every backup and snapshot
STORE.custodians.toml   where the custodians of each set are
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unheld_branch.copies import remote
from unheld_branch.custody import addresses
from unheld_branch.custody.attested import Attested
from unheld_branch.custody.client import Client, Remote
from unheld_branch.custody.http import HttpTransport
from unheld_branch.kernel.clock import machine_clock
from unheld_branch.store import policy as policies
from unheld_branch.store import seeds, sets
from unheld_branch.store import store as stores
from unheld_branch.store.policy import Policy
from unheld_branch.store.store import Places, Store
from unheld_verify.custody import BRANCH, Transport
from unheld_verify.errors import BadInputError, NoStoreError
from unheld_verify.roster import Roster


@contextmanager
def opened(root: Path) -> Iterator[Store]:
    """The store at `root` under its lock. Raises NoStoreError, LockedError, BadInputError."""
    policy = policy_of(root)
    slots = root.with_name(f"{root.name}.slots")
    places = Places(root, slots, policy.copies, remote.reach(root, slots))
    with stores.opened(places, machine_clock(), write=True) as store:
        yield store


def policy_of(root: Path) -> Policy:
    """The genesis document of a store. Raises NoStoreError."""
    if not (root / stores.GENESIS).is_file():
        raise NoStoreError(f"{root}: no store there")
    return policies.read(root / stores.GENESIS)


def custodians(store: Store) -> Remote:
    """The custodians of every set that may hold a key. Raises NoStoreError where no set was founded."""
    held = store.sets()
    holding = sets.holding(held, store.today())
    if not holding:
        raise NoStoreError(f"{store.folder}: no custodians yet: take over the set that headquarters founded")
    attested, seed = Attested(store.folder, held), seeds.read(store.places.slots / seeds.BRANCH, seeds.BRANCH_MEND)
    attested.tidy(store.today())
    clients = [
        Client(one, _line(store.folder, one), seed, BRANCH, store.clock.now, attested.seen(one.draft.set))
        for one in holding
    ]
    return Remote(*clients, keep=attested.keep)


def _line(root: Path, one: Roster) -> Transport:
    path = root.with_name(f"{root.name}.{addresses.FILE}")
    named = addresses.read(path).get(one.draft.set, {})
    if missing := [name for name in one.draft.names if name not in named]:
        raise BadInputError(
            f"{path}: set {one.draft.set}: no address of {', '.join(missing)}; "
            "headquarters writes them there when a set is founded: bring its STORE.custodians.toml"
        )
    return HttpTransport([named[name] for name in one.draft.names])
