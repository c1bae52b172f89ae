"""Promote: a copy becomes the store after the store was lost. Nothing is decided here but what can be seen.

It is refused while the store may still answer, and where another copy has more. The journal and the log say that it
happened; from then on the former store is refused by everything that hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from unheld_branch.copies.letters import PATH
from unheld_branch.copies.remote import FarCopy, read_pins
from unheld_branch.custody.http import HttpTransport
from unheld_branch.kernel.clock import Clock
from unheld_branch.store import copying, seeds
from unheld_branch.store import policy as policies
from unheld_branch.store import store as stores
from unheld_branch.store.copying import Copy
from unheld_branch.store.openday import OpenDaySlot
from unheld_branch.store.policy import Policy
from unheld_branch.store.replica import GENESIS, MARKER, Marker, Replica, marker_of
from unheld_branch.store.store import Places
from unheld_slots import durable
from unheld_slots.places import slot_uri
from unheld_verify import canonical
from unheld_verify.errors import NoStoreError, StateError, UnheldError

QUIET_SECONDS = 7200
"""A store speaks to its copies once an hour at least: it lapses by the clock."""


@dataclass(frozen=True)
class Promoted:
    """What was promoted: the generation it was of, and the copies that did not say whether they have more."""

    generation: int
    unheard: tuple[str, ...]


def promote(folder: Path, clock: Clock) -> Promoted:
    """Make a store of a copy. After a crash anywhere, doing it again ends it.

    Raises NoStoreError (no copy), StateError (the store may still answer; another copy has more; done already).
    """
    marker, slots = marker_of(folder), copying.slots_of(folder)
    if marker is None:
        raise NoStoreError(f"{folder}: there is no copy there")
    policy = policies.from_document(canonical.decode((folder / GENESIS).read_bytes()))
    replica = Replica(marker.name, folder, slots)
    seed = replica.branch_seed()
    if not marker.promoted:
        _check_silent(marker, clock.now())
        generation, unheard = _newest(replica, policy, folder, seed)
        durable.write_file(slots / seeds.BRANCH, seed.hex().encode())
        _open_slot(folder, slots)
        durable.write_file(folder / MARKER, replace(marker, promoted=generation + 1).encode())
    else:
        generation, unheard = marker.promoted - 1, []
    _note(folder, slots, policy, marker.name, clock, seed)
    return Promoted(generation, tuple(unheard))


def _check_silent(marker: Marker, now: int) -> None:
    if marker.of and (Path(marker.of) / GENESIS).is_file():
        raise StateError(
            f"{marker.of}: the store is still there. Promote its copy when it is lost; to give it up, take its folder "
            "and its slots away first"
        )
    if 0 <= now - marker.heard < QUIET_SECONDS:
        minutes = -(-(marker.heard + QUIET_SECONDS - now) // 60)
        raise StateError(
            f"the store spoke to copy {marker.name} less than two hours ago: stop its service; in {minutes} minutes "
            "this copy may be promoted"
        )


def _newest(replica: Replica, policy: Policy, folder: Path, seed: bytes) -> tuple[int, list[str]]:
    """(the generation of this copy, who did not answer). Raises StateError naming a copy that has more."""
    standing = replica.standing()
    if standing.erasing:
        standing = replica.finish(standing.generation)
    unheard = []
    for name in policy.copies:
        if name == replica.name:
            continue
        other = _other(name, folder, seed)
        try:
            theirs = other.standing().generation
        except UnheldError:
            unheard.append(name)
            continue
        finally:
            other.close()
        if theirs > standing.generation:
            replica.close()
            raise StateError(
                f"copy {name} has generation {theirs}, this one {standing.generation}: promote that one, it lost less"
            )
    replica.close()
    return standing.generation, unheard


def _other(name: str, folder: Path, seed: bytes) -> Copy:
    if not copying.is_far(name):
        return Replica(name, Path(name))
    return FarCopy(name, read_pins(folder)[name], lambda: seed, HttpTransport([name + PATH]))


def _open_slot(folder: Path, slots: Path) -> None:
    """The open day's slot: its keys stayed where the store was; custodians give them anew.

    A promotion that was cut off may have left the slot without what it seals: it is made anew whatever is there.
    """
    OpenDaySlot(folder, slot_uri(slots, "open")).renew()


def _note(folder: Path, slots: Path, policy: Policy, name: str, clock: Clock, seed: bytes) -> None:
    """The first commit of the new store says what it was."""
    places = Places(folder, slots, policy.copies, lambda called: _other(called, folder, seed))
    with stores.opened(places, clock, write=True) as store:
        number = policy.copies.index(name) + 1
        if number in store.catalog.promoted:
            raise StateError(f"{folder}: was promoted already; it is the store")
        store.take_over_as(number)
