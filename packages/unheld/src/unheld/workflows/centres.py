"""Data centres: several stores of one network, each with the records of its own range of parties (`docs/centres.md`).

Each is a whole store, with its own keys, custodians, log and copies. What they share is pinned when the second is
founded beside the first; what one must not do without the other is to forget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unheld.assembly import Deployment
from unheld_branch.store import policy as policies
from unheld_branch.store.centres import Centre
from unheld_branch.store.policy import Policy
from unheld_branch.store.store import Store
from unheld_verify import canonical, columns
from unheld_verify.errors import BadInputError, UsageError

_SHARED = ("lifetimes", "late_days", "coarsen", "home")


@dataclass(frozen=True)
class Standing:
    """How one data centre stands: figures of the whole. `erasures` are plans applied, `closed` days."""

    number: int
    store: str
    generation: int
    closed: int
    newest: str
    erasures: int


def wished(said: str, beside: Path | None, store_id: bytes) -> tuple[Centre | None, Policy | None]:
    """(the centre that `NUMBER/OF` says, the policy of the first one). Raises UsageError, BadInputError."""
    if not said:
        if beside is not None:
            raise UsageError("--beside says which data centre is the first: it belongs to --centre NUMBER/OF")
        return None, None
    number, _, of = said.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise UsageError(f"--centre {said}: write NUMBER/OF, for example 1/2")
    if (int(number) == 1) != (beside is None):
        raise UsageError("--centre 1/OF is founded first; each other one names its genesis.json with --beside")
    if beside is None:
        return Centre(int(number), int(of), store_id), None
    if not beside.is_file():
        raise BadInputError(f"{beside}: there is no such file; it is genesis.json of the first data centre")
    first = policies.read(beside)
    if first.centre is None or first.centre.number != 1 or first.centre.of != int(of):
        raise BadInputError(f"{beside}: is not of data centre 1 of {of}; nothing was changed")
    return Centre(int(number), int(of), first.store_id), first


def check_beside(policy: Policy, first: Policy) -> None:
    """Raise BadInputError where a centre would keep records under other rules than the first one."""
    ours, theirs = policy.document(), first.document()
    if different := [name for name in _SHARED if canonical.encode(ours[name]) != canonical.encode(theirs[name])]:
        raise BadInputError(
            f"data centres of one network have the same {', '.join(different)}; as the first one has: "
            + ", ".join(f"{name} {theirs[name]}" for name in different)
        )


def together(stores: Sequence[Deployment]) -> list[Deployment]:
    """All data centres of one network, by number. Raises BadInputError unless they are: one of each, none missing."""
    found: dict[int, Deployment] = {}
    networks = set()
    for one in stores:
        centre = one.policy().centre
        if centre is None:
            raise BadInputError(f"{one.root}: is no data centre of several; it was founded without --centre")
        if centre.number in found:
            raise BadInputError(f"{one.root}: is data centre {centre.number}, as {found[centre.number].root} is")
        networks.add((centre.first, centre.of))
        found[centre.number] = one
    if len(networks) > 1:
        raise BadInputError("these stores are not data centres of one network")
    ((_, of),) = networks
    if missing := sorted(set(range(1, of + 1)) - found.keys()):
        raise UsageError(f"data centre {missing[0]} of {of} is missing: name its store with --other, too")
    return [found[number] for number in sorted(found)]


def standing(deployment: Deployment) -> Standing:
    """How a data centre stands."""
    with deployment.opened() as store:
        return _standing(deployment, store)


def _standing(deployment: Deployment, store: Store) -> Standing:
    catalog = store.catalog
    closed = [number for number, day in catalog.days.items() if day.state == "closed"]
    newest = columns.day_text(max(closed)) if closed else ""
    number = store.policy.centre.number if store.policy.centre else 0
    return Standing(number, str(deployment.root), store.root.generation, len(closed), newest, catalog.erasures)


def words(policy: Policy) -> str:
    """Which data centre a store is, and what that asks of people; empty for the only one."""
    if policy.centre is None:
        return ""
    rest = (
        "the other one forgets by a plan of its own"
        if policy.centre.of == 2
        else "the others forget by plans of their own"
    )
    return f"data centre {policy.centre.number} of {policy.centre.of}: {rest}"


def lines(all_of_them: Sequence[Standing]) -> list[str]:
    """The figures as a person reads them."""
    said = [
        f"  data centre {one.number}: {one.store}, generation {one.generation}, {one.closed} days closed"
        f"{f', the newest {one.newest}' if one.newest else ''}, {one.erasures} plans applied"
        for one in all_of_them
    ]
    if len({one.erasures for one in all_of_them}) > 1:
        said.append("  NOT THE SAME NUMBER OF PLANS APPLIED: who is to be forgotten may still be held by one of them")
    return said
