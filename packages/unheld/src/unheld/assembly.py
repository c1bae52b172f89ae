"""The one place that builds parts from settings: where a deployment's folders lie, and who its custodians are.

Store, slots and headquarters lie in folders side by side. Custodians lie there too, or where `custodians.toml` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from unheld.custody import ceremony, local
from unheld.custody.ceremony import Ceremony
from unheld.custody.local import LocalDesks
from unheld.inventory import FILE as INVENTORY
from unheld.ledger import Ledger
from unheld_branch.copies import remote as remote_copies
from unheld_branch.custody import addresses
from unheld_branch.custody.attested import Attested
from unheld_branch.custody.client import SECONDS, Client, Remote
from unheld_branch.custody.http import HttpTransport
from unheld_branch.kernel import clock as clocks
from unheld_branch.kernel.clock import Clock
from unheld_branch.log.tiles import LogWriter
from unheld_branch.store import copying, mark, postgresql, sets
from unheld_branch.store import policy as policies
from unheld_branch.store import seeds as signing
from unheld_branch.store import store as stores
from unheld_branch.store.policy import Policy
from unheld_branch.store.store import Places, Store
from unheld_branch.workflows import custody as taking
from unheld_slots import durable
from unheld_slots.places import name_slots
from unheld_verify import canonical, checkpoint, columns, crypto, formats, note
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.custody import BRANCH, HEADQUARTERS, Transport
from unheld_verify.errors import (
    BadInputError,
    InternalError,
    NoStoreError,
    NotAllowedError,
    StateError,
    UnheldError,
    VerificationError,
)
from unheld_verify.roster import FREEZE_DAYS, Draft, Roster

CLOCK_VARIABLE = clocks.CLOCK_VARIABLE
clock = clocks.machine_clock
ESCROW_PUBLIC, ESCROW_PRIVATE = "escrow.pub", "escrow.key"
PUBLISHED = "checkpoint"
BEGUN = "founding"
_ESCROW_PRIVATE_BYTES = 64 + 32
_DAY = 86_400


@dataclass(frozen=True)
class Database:
    """A database in PostgreSQL: libpq's URL without a password, and what `Settings` says of standbys."""

    url: str
    standby: str = postgresql.SYNCHRONOUS


@dataclass(frozen=True)
class Deployment:
    """A store at `root` with everything beside it."""

    root: Path

    @property
    def slots(self) -> Path:
        """Root slot and open-day slot: keep this folder out of every backup and snapshot."""
        return self.root.with_name(self.root.name + ".slots")

    @property
    def custodians(self) -> Path:
        """The local custodians' sealed states."""
        return self.root.with_name(self.root.name + ".custodians")

    @property
    def custodian_slots(self) -> Path:
        """The local custodians' slots: keep this folder out of every backup and snapshot."""
        return self.root.with_name(self.root.name + ".custodian-slots")

    @property
    def headquarters(self) -> Path:
        """Log key and plan key: they sign, they open nothing."""
        return self.root.with_name(self.root.name + ".hq")

    @property
    def log(self) -> Path:
        """The public log: static files for any web server."""
        return self.root.with_name(self.root.name + ".log")

    @property
    def register(self) -> Path:
        """Headquarters' register: demands, papers, statements. It outlives the store, and opens with the escrow key."""
        return self.root.with_name(self.root.name + ".register")

    @property
    def ledger(self) -> Path:
        """Headquarters' own statements for the log."""
        return self.register / "statements"

    def folders(self) -> tuple[Path, ...]:
        """Every folder that belongs to it."""
        beside = (self.slots, self.custodians, self.custodian_slots, self.headquarters, self.register, self.log)
        return (self.root, *beside)

    @property
    def has_store(self) -> bool:
        """Whether the store is (still) here."""
        return (self.root / stores.GENESIS).is_file()

    @property
    def is_unfinished(self) -> bool:
        """Whether its founding goes on right now, or was cut short: the inventory is what is made last."""
        return (self.register / BEGUN).is_file() and not (self.root / INVENTORY).is_file()

    def check_store(self) -> None:
        """Raise NoStoreError where the store is gone and its register is not: nobody is to found it again.

        Raises StateError where it was never founded to the end.
        """
        if self.is_unfinished:
            raise StateError(f"{self.root}: its founding goes on, or was cut short; `unheld init` says what to remove")
        if not self.has_store and (self.register / stores.GENESIS).is_file():
            raise NoStoreError(
                f"{self.root}: the store is gone; demand, log, receipt, exit and casefolder go on without it"
            )

    def policy(self) -> Policy:
        """The genesis document: the store's, or where that is gone, headquarters' copy.

        Raises NoStoreError where there is neither, BadInputError where they differ (what was pinned stays pinned),
        NewerError where a part is of a format that only a later release reads.
        """
        mark.read(self.root, mark.STORE)
        mark.read(self.register, mark.REGISTER)
        paths = (self.root / stores.GENESIS, self.register / stores.GENESIS)
        found = [path.read_bytes() for path in paths if path.is_file()]
        if not found:
            raise NoStoreError(f"{self.root}: no store there; `unheld init` makes one")
        if len(set(found)) > 1:
            raise BadInputError(f"{paths[0]}: differs from headquarters' copy {paths[1]}; put back the one of founding")
        return policies.read(next(path for path in paths if path.is_file()))

    def places(self) -> Places:
        """Where the store's parts lie, the copies that genesis lists included."""
        return Places(self.root, self.slots, self.policy().copies, remote_copies.reach(self.root, self.slots))

    @contextmanager
    def opened(self, *, write: bool = False) -> Iterator[Store]:
        """The store under its lock. Raises NoStoreError; where only headquarters' part is left, it says so."""
        self.check_store()
        with stores.opened(self.places(), clock(), write=write) as store:
            yield store

    @property
    def custody(self) -> Path:
        """Headquarters' ceremonies with custodians, a folder a set."""
        return self.register / "custody"

    @property
    def addresses(self) -> Path:
        """Where custodians are that are not on this machine."""
        return self.register / addresses.FILE

    @property
    def branch_addresses(self) -> Path:
        """Where the branch's own program looks for them."""
        return self.root.with_name(f"{self.root.name}.{addresses.FILE}")

    def ceremonies(self) -> dict[int, Ceremony]:
        """Every set that was ever proposed, by its number, ascending."""
        return ceremony.ceremonies(self.custody, bytes.fromhex(self.policy().plan_key))

    def is_local(self, draft: Draft) -> bool:
        """Whether the custodians of a set are on this machine: they are called so, and have no address."""
        return draft.names == local_names(draft.n) and draft.set not in addresses.read(self.addresses)

    def desks(self, now: Callable[[], int] | None = None) -> LocalDesks:
        """The desks of this machine. Hold the store's lock, and have one of these at a time: each has a memory."""
        return LocalDesks(self.custodians, self.custodian_slots, now or clock().now)

    def lines(self, draft: Draft, desks: LocalDesks) -> Transport:
        """How the custodians of a set are reached: at these desks, or over HTTP. Raises BadInputError."""
        if self.is_local(draft):
            return desks
        named = addresses.read(self.addresses).get(draft.set, {})
        if missing := [name for name in draft.names if name not in named]:
            raise BadInputError(f"{self.addresses}: set {draft.set}: no address of {', '.join(missing)}")
        return HttpTransport([named[name] for name in draft.names])

    def officer(self, one: Roster, desks: LocalDesks) -> Client:
        """Headquarters' line to the custodians of a set. It remembers which generation each of them spoke of.

        Of custodians on this machine it knows what the branch knows; of others it does not take the branch's word,
        which could end a custodian with a number.
        """
        shared = self.has_store and self.is_local(one.draft)
        seen = Attested(self.root if shared else self.register, []).seen(one.draft.set)
        lines, seed = self.lines(one.draft, desks), self.seed("plan")
        return Client(one, lines, seed, HEADQUARTERS, desks.clock, seen)

    def open_custodians(self, clock: Clock | None = None) -> Remote:
        """The branch's line to the custodians of every set that may hold a key. Hold the store's lock.

        Custodians of this machine hear headquarters first, which is on it too: else they would freeze.
        Raises NoStoreError where no set was founded.
        """
        desks, seed = self.desks(clock.now if clock else None), self.branch_seed()
        pinned = sets.read(self.root, self.policy())
        holding = sets.holding(pinned, desks.clock() // _DAY)
        if not holding:
            raise NoStoreError(f"{self.root}: no custodians yet: unheld custody init and go found a set")
        attested = Attested(self.root, pinned)
        clients = [
            Client(one, self.lines(one.draft, desks), seed, BRANCH, desks.clock, attested.seen(one.draft.set))
            for one in holding
        ]
        here = [one for one in holding if self.is_local(one.draft)]
        with suppress(BadInputError):  # headquarters' key may be elsewhere
            for one in here:
                beat_here(self.officer(one, desks), desks)
        return Remote(*clients, seconds=None if len(here) == len(holding) else SECONDS, keep=attested.keep)

    def branch_seed(self) -> bytes:
        """The key that the branch asks custodians with: it signs, and lies with the slots, out of every backup."""
        return signing.read(self.slots / signing.BRANCH, signing.BRANCH_MEND)

    def seed(self, name: str) -> bytes:
        """A signing seed of headquarters: `log` or `plan`."""
        return signing.read(self.headquarters / f"{name}.seed", "put it back from its backup")

    @property
    def speaks_for_headquarters(self) -> bool:
        """Whether the key is here that headquarters asks custodians with."""
        return (self.headquarters / "plan.seed").is_file()

    def escrow_public(self) -> bytes:
        """The key that demands are sealed to: whoever files one need not be able to read it again.

        Raises BadInputError when it is not there, or is none.
        """
        path = self.register / ESCROW_PUBLIC
        data = path.read_bytes() if path.is_file() else b""
        if len(data) != crypto.PARK_PUBLIC_BYTES:
            raise BadInputError(f"{path}: is no escrow key; put back the last good copy")
        return data

    def escrow_private(self, place: Path | None = None) -> bytes:
        """The key that opens what demands name. It is best kept offline and named by `place` when it is needed.

        Raises NotAllowedError when it is not there.
        """
        path = place or self.headquarters / ESCROW_PRIVATE
        try:
            key = bytes.fromhex(path.read_text("ascii").strip())
        except (OSError, ValueError):
            key = b""
        if len(key) != _ESCROW_PRIVATE_BYTES:
            raise NotAllowedError(
                f"{path}: the escrow key is not here, and what demands name opens with it alone; --escrow-key names it"
            )
        return key

    def log_key(self) -> note.Key:
        """The key that the log's checkpoints are signed with."""
        return note.parse_key(self.policy().log_key)

    def log_writer(self) -> LogWriter:
        """The log, for publishing: never with other entries at a size that was published before.

        Raises BadInputError when the register's checkpoint is none of this log.
        """
        return LogWriter(self.log, self.seed("log"), self.policy().origin, self._published())

    def remember(self, writer: LogWriter) -> None:
        """Keep the log's newest checkpoint in the register, so that an older copy of its folder is known for one."""
        seen = self._published()
        if seen is None or writer.size > seen.size:
            durable.write_file(self.register / PUBLISHED, writer.checkpoint())

    def _published(self) -> Checkpoint | None:
        path = self.register / PUBLISHED
        try:
            return checkpoint.verify(path.read_bytes(), self.log_key()) if path.is_file() else None
        except (BadInputError, VerificationError) as error:
            raise BadInputError(f"{path}: {error}; put back the last good copy") from None


def found(
    deployment: Deployment,
    policy: Policy,
    seeds: Mapping[str, bytes],
    slots: Mapping[str, str] | None = None,
    *,
    remote: bool = False,
    databases: Mapping[str, Database] | None = None,
    pins: Mapping[str, bytes] | None = None,
) -> None:
    """Make every part of a new deployment: headquarters' keys, log, store, and with a ceremony its custodians.

    `slots` names slots that shall lie elsewhere than in a file of their folder, as in `slot_folders`, and
    `databases` databases in PostgreSQL, as in `database_folders`. With `remote` the custodians are elsewhere: no day
    opens until they founded a set with headquarters. `pins` are the public keys of copies on other machines, by name.
    """
    _name_slots(slot_folders(deployment, policy.n, policy.copies), slots or {})
    durable.make_folders(deployment.headquarters)
    for name, seed in seeds.items():
        durable.write_file(deployment.headquarters / f"{name}.seed", seed.hex().encode())
    LogWriter.create(deployment.log, seeds["log"], policy.origin)
    private, public = crypto.park_keypair()
    durable.write_file(deployment.headquarters / ESCROW_PRIVATE, private.hex().encode())
    Ledger(deployment.ledger).begin()
    mark.write(deployment.register, mark.REGISTER, formats.FORMATS[mark.REGISTER].newest)
    durable.write_file(deployment.register / ESCROW_PUBLIC, public)
    durable.write_file(deployment.register / stores.GENESIS, canonical.encode(policy.document()))
    durable.make_folders(deployment.slots)
    branch = crypto.random_bytes(32)
    durable.write_file(deployment.slots / signing.BRANCH, branch.hex().encode())
    folders = database_folders(deployment, policy.copies)
    placed = {
        folders[called]: postgresql.Settings(one.url, schema(policy.store_id, called), one.standby)
        for called, one in (databases or {}).items()
    }
    reach = remote_copies.reach(deployment.root, deployment.slots, pins or {})
    stores.create(Places(deployment.root, deployment.slots, policy.copies, reach), policy, clock(), branch, placed)
    if pins:
        remote_copies.write_pins(deployment.root, pins)
    if not remote:
        _found_locally(deployment, policy)


def _found_locally(deployment: Deployment, policy: Policy) -> None:
    """The first set's ceremony at desks of this machine, whose persons this program plays."""
    desks, seed = deployment.desks(), deployment.seed("plan")
    desks.create(policy.n)
    names, branch = local_names(policy.n), crypto.sign_public(deployment.branch_seed())
    proposed = draft(policy, policy.set_number, names, policy.t, clock().now() // _DAY, branch)
    made = Ceremony.begin(ceremony.place(deployment.custody, policy.set_number), proposed, seed)
    while not (step := made.go(desks, seed)).over:
        if all(why != ceremony.WAITING for why in step.missing.values()):
            raise InternalError(f"custodians of this machine do not agree with each other: {dict(step.missing)}")
        desks.approve()
    if made.founded is None:
        raise InternalError("a ceremony is over and has founded nothing")
    with stores.opened(deployment.places(), clock(), write=True) as store:
        taking.take_over(store, made.founded)


def draft(
    policy: Policy,
    number: int,
    names: Sequence[str],
    t: int,
    begins: int,
    branch: bytes,
    freeze_days: int = FREEZE_DAYS,
) -> Draft:
    """A set of custodians for a store; `branch` is the public key of what its branch asks with."""
    return Draft(
        policy.store_id, number, t, tuple(names), begins, policy.lifetimes, policy.late_days,
        branch, bytes.fromhex(policy.plan_key), policy.log_key, freeze_days,
    )  # fmt: skip


def local_names(n: int) -> tuple[str, ...]:
    """What the custodians of a set on this machine are called."""
    return tuple(map(local.name, range(n)))


def slot_folders(deployment: Deployment, n: int, copies: Sequence[str]) -> dict[str, tuple[Path, str]]:
    """Every slot of a deployment: by what a person calls it, its folder and its name there."""
    here = {number: Path(copy) for number, copy in enumerate(copies, 1) if not copying.is_far(copy)}
    return {
        "root": (deployment.slots, "root"),
        "open": (deployment.slots, "open"),
        **{f"custodian-{index}": (deployment.custodian_slots, f"custodian-{index}") for index in range(n)},
        **{f"copy-{number}": (copying.slots_of(copy), "root") for number, copy in here.items()},
    }


def database_folders(deployment: Deployment, copies: Sequence[str]) -> dict[str, Path]:
    """Every folder of this machine with a database: by what a person calls it."""
    here = {f"copy-{number}": Path(copy) for number, copy in enumerate(copies, 1) if not copying.is_far(copy)}
    return {"store": deployment.root, **here}


def schema(store_id: bytes, called: str) -> str:
    """The schema of a store's database, or of a copy's: a server may hold many stores, and copies of them."""
    part = "" if called == "store" else f"_{called.replace('-', '_')}"
    return f"unheld_{store_id.hex()}{part}"


def _name_slots(folders: Mapping[str, tuple[Path, str]], slots: Mapping[str, str]) -> None:
    named: dict[Path, dict[str, str]] = {}
    for called, uri in slots.items():
        folder, name = folders[called]
        named.setdefault(folder, {})[name] = uri
    for folder, uris in named.items():
        durable.make_folders(folder)
        name_slots(folder, uris)


def beat_here(officer: Client, desks: LocalDesks) -> None:
    """Headquarters' heartbeat of today to custodians of this machine, unless they heard it. Who is away hears none.

    After a year and more without one a person has to say the date: a clock that jumped would let everything lapse.
    """
    today = desks.clock() // _DAY
    for index in range(officer.roster.draft.n):
        with suppress(UnheldError):
            if 0 < today - desks.heard(index, officer.roster.draft.set) <= stores.PAUSE_MOST:
                officer.ask(index, "beat", {"day": columns.day_text(today)})
