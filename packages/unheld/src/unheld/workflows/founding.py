"""Found a store: draw its keys, pin its policy, make every part of it.

While it is made a file `founding` lies in the register's folder, locked: no other process founds here, and what a crash
left is known for what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from unheld import assembly
from unheld.assembly import Database, Deployment
from unheld.inventory import Inventory, Place
from unheld.workflows import centres
from unheld_branch.copies import remote
from unheld_branch.records.identities import NumberRule
from unheld_branch.records.places import CoarsenRule
from unheld_branch.store import copying, postgresql
from unheld_branch.store.policy import STANDSTILL_DEFAULT, Policy
from unheld_branch.workflows import sinks
from unheld_branch.workflows.sinks import Sinks
from unheld_slots import durable, locks
from unheld_slots.slot import check_new, places_of
from unheld_verify import columns, crypto, note
from unheld_verify.errors import BadInputError, StateError
from unheld_verify.words import name_of

_SET = 1
_ORIGIN_MOST = 200


@dataclass(frozen=True)
class Wishes:
    """What a person may choose at genesis, within the hard bounds. Lifetimes and lateness in days.

    `remote`: the custodians are elsewhere, and found their set in a ceremony afterwards. `centre`: NUMBER/OF, where the
    network has several data centres; `beside` is the genesis document of the first.
    """

    n: int = 1
    t: int = 1
    lifetimes: Mapping[str, int] = field(default_factory=dict)
    late_days: int = columns.LATE_DAYS_DEFAULT
    coarsen: str = "none"
    home: str = ""
    origin: str = ""
    copies: Sequence[Path | str] = ()
    canaries: Sequence[str] = ()
    totals: Path | None = None
    charge: Path | None = None
    standstill_days: int = STANDSTILL_DEFAULT
    slots: Mapping[str, str] = field(default_factory=dict)
    remote: bool = False
    databases: Mapping[str, Database] = field(default_factory=dict)
    centre: str = ""
    beside: Path | None = None


def found(deployment: Deployment, wishes: Wishes) -> Policy:
    """Make a deployment. Raises BadInputError for a policy out of bounds, StateError where something is already.

    Where an earlier founding was cut short it names every folder to remove; LockedError while another process founds.
    """
    begun = deployment.register / assembly.BEGUN
    with _alone(begun) if begun.is_file() else nullcontext():
        _check_places(deployment, wishes)
    policy, seeds, pins = _drawn(deployment, wishes)
    durable.make_folders(deployment.register)
    with _alone(begun):
        _check_places(deployment, wishes)  # another may have founded just now
        for place in (begun, deployment.register):
            durable.make_sure(place)
        _make(deployment, wishes, policy, seeds, pins)
        durable.remove_file(begun)
    return policy


def _alone(begun: Path) -> AbstractContextManager[None]:
    return locks.locked(begun, f"{begun}: another process founds a store there; wait for it to end")


def _drawn(deployment: Deployment, wishes: Wishes) -> tuple[Policy, dict[str, bytes], dict[str, bytes]]:
    """Policy, headquarters' seeds, and copies' keys by name, after every check that needs nothing made."""
    _check_slots(deployment, wishes)
    store_id = crypto.random_bytes(16)
    centre, first = centres.wished(wishes.centre, wishes.beside, store_id)
    _check_databases(deployment, wishes, store_id)
    seeds = {"log": crypto.random_bytes(32), "plan": crypto.random_bytes(32)}
    origin = (
        name_of(wishes.origin, _ORIGIN_MOST, "origin") if wishes.origin else f"unheld.invalid/{store_id.hex()[:12]}"
    )
    copies = [_copy(str(copy)) for copy in wishes.copies]
    CoarsenRule.parse(wishes.coarsen)
    NumberRule(home=wishes.home or None, bare="national" if wishes.home else "international")
    policy = Policy(
        store_id,
        origin,
        assembly.clock().now(),
        _SET,
        wishes.n,
        wishes.t,
        {**columns.LIFETIME_DEFAULTS, **wishes.lifetimes},
        wishes.late_days,
        wishes.coarsen,
        wishes.home,
        tuple(name for name, _ in copies),
        tuple(wishes.canaries),
        note.format_key(note.Key(origin, crypto.sign_public(seeds["log"]))),
        crypto.sign_public(seeds["plan"]).hex(),
        wishes.standstill_days,
        centre,
    )
    if first is not None:
        centres.check_beside(policy, first)
    note.parse_key(policy.log_key)  # an origin that no key may be named after is refused before anything is made
    return policy, seeds, {name: key for name, key in copies if key}


def _make(
    deployment: Deployment, wishes: Wishes, policy: Policy, seeds: Mapping[str, bytes], pins: Mapping[str, bytes]
) -> None:
    assembly.found(deployment, policy, seeds, wishes.slots, remote=wishes.remote, databases=wishes.databases, pins=pins)
    charge = wishes.charge and wishes.charge.resolve()
    sinks.write_settings(deployment.root, Sinks(wishes.totals.resolve() if wishes.totals else Path("totals"), charge))
    inventory, day = Inventory(deployment.root), columns.day_text(policy.created // 86_400)
    if wishes.charge is None:  # what is written last says that all of it is there
        inventory.begin()
    else:
        inventory.add(Place("charge lines", "unknown", "whose calls, when and how long", "unknown", False, day))


def _copy(wished: str) -> tuple[str, bytes]:
    """(what genesis calls a copy, its pinned key or nothing for a folder of this machine)."""
    return remote.parsed(wished) if copying.is_far(wished) else (str(Path(wished).resolve()), b"")


def _check_places(deployment: Deployment, wishes: Wishes) -> None:
    """Every folder of a deployment begins empty: what lies there may be another store's."""
    here = [Path(copy).resolve() for copy in wishes.copies if not copying.is_far(str(copy))]
    copied = [folder for copy in here for folder in (copy, copying.slots_of(copy))]
    begun = [*deployment.folders(), *copied]
    full = [folder for folder in begun if not _is_empty(folder)]
    if full and deployment.is_unfinished:
        slots = [Path(place.partition(":")[2]) for uri in wishes.slots.values() for place in places_of(uri)]
        left = [*full, *(path for path in slots if path.is_file()), deployment.register]
        raise StateError(
            "a founding was cut short there; nothing was sealed in it. Remove what it left, and call again: "
            f"{' '.join(map(str, dict.fromkeys(left)))}"
        )
    if full:
        raise StateError(f"{full[0]}: not empty; a store begins in new folders, nothing was changed")
    if len({folder.resolve() for folder in begun}) != len(begun):
        raise BadInputError("copies: each needs a folder of its own, best on another disk; nothing was changed")
    for sink in (wishes.totals, wishes.charge):
        if sink is not None and sink.exists() and not sink.is_dir():
            raise BadInputError(f"{sink}: is no folder, and a sink is one; nothing was changed")


def _is_empty(folder: Path) -> bool:
    """Whether a store may begin in a folder: it is not there, or holds nothing but the mark of a founding."""
    if not folder.is_dir():
        return not folder.exists()
    return all(path.name == assembly.BEGUN for path in folder.iterdir())


def _check_slots(deployment: Deployment, wishes: Wishes) -> None:
    """See that every named slot can be made: a token that is away, full of others' keys or locked is told now."""
    known = assembly.slot_folders(
        deployment, 0 if wishes.remote else wishes.n, [_copy(str(copy))[0] for copy in wishes.copies]
    )
    for name, uri in wishes.slots.items():
        if name not in known:
            raise BadInputError(f"slot {name}: this store has {', '.join(known)}; nothing was changed")
        for place in places_of(uri):
            if place.startswith("file:") and not place.startswith("file:/"):
                raise BadInputError(f"slot {name}: give the file's full path, {place} would change with the folder")
        check_new(uri)
    named = [place for uri in wishes.slots.values() for place in places_of(uri)]
    if len(set(named)) != len(named):
        raise BadInputError("slots: each needs a place of its own, in a token an object= of its own")


def _check_databases(deployment: Deployment, wishes: Wishes, store_id: bytes) -> None:
    """See that every database can be made and would last: a server that is away or has no standby is told now."""
    known = assembly.database_folders(deployment, [_copy(str(copy))[0] for copy in wishes.copies])
    for name, one in wishes.databases.items():
        if name not in known:
            raise BadInputError(f"database {name}: this store has {', '.join(known)}; nothing was changed")
        postgresql.check_new(
            known[name] / postgresql.NAME,
            postgresql.Settings(one.url, assembly.schema(store_id, name), one.standby),
        )
