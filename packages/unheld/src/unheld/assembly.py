"""The one place that builds parts from settings: where a deployment's folders lie, and who its custodians are.

One machine is everything here: store, its slots, the custodians and headquarters in folders side by side.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unheld.ledger import Ledger
from unheld_branch.kernel.clock import Clock, FixedClock, SystemClock
from unheld_branch.log.tiles import LogWriter
from unheld_branch.store import policy as policies
from unheld_branch.store import store as stores
from unheld_branch.store.policy import Policy
from unheld_branch.store.store import Places, Store
from unheld_custodian.custodian import Terms
from unheld_custodian.local import LocalCustodians
from unheld_slots import durable
from unheld_slots.places import name_slots
from unheld_verify import canonical, checkpoint, crypto, note
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.errors import BadInputError, NoStoreError, NotAllowedError, VerificationError

CLOCK_VARIABLE = "UNHELD_CLOCK"
ESCROW_PUBLIC, ESCROW_PRIVATE = "escrow.pub", "escrow.key"
PUBLISHED = "checkpoint"
_ESCROW_PRIVATE_BYTES = 64 + 32
_CLOCK_END = 1 << 32


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

    def check_store(self) -> None:
        """Raise NoStoreError where the store is gone and its register is not: nobody is to found it again."""
        if not self.has_store and (self.register / stores.GENESIS).is_file():
            raise NoStoreError(
                f"{self.root}: the store is gone; demand, log, receipt, exit and casefolder go on without it"
            )

    def policy(self) -> Policy:
        """The genesis document: the store's, or where that is gone, headquarters' copy.

        Raises NoStoreError where there is neither, BadInputError where they differ: what was pinned stays pinned.
        """
        paths = (self.root / stores.GENESIS, self.register / stores.GENESIS)
        found = [path.read_bytes() for path in paths if path.is_file()]
        if not found:
            raise NoStoreError(f"{self.root}: no store there; `unheld init` makes one")
        if len(set(found)) > 1:
            raise BadInputError(f"{paths[0]}: differs from headquarters' copy {paths[1]}; put back the one of founding")
        return policies.from_document(canonical.decode(found[0]))

    def places(self) -> Places:
        """Where the store's parts lie, the copies that genesis lists included."""
        return Places(self.root, self.slots, tuple(Path(copy) for copy in self.policy().copies))

    @contextmanager
    def opened(self, *, write: bool = False) -> Iterator[Store]:
        """The store under its lock. Raises NoStoreError; where only headquarters' part is left, it says so."""
        self.check_store()
        with stores.opened(self.places(), clock(), write=write) as store:
            yield store

    def open_custodians(self) -> LocalCustodians:
        """The custodians of this deployment. Hold the store's lock: opening one ends what a crash cut short.

        Raises NoStoreError when none opens, BadInputError when one is another store's.
        """
        local = LocalCustodians.open(self.custodians, self.custodian_slots)
        store_id = self.policy().store_id
        if strangers := [number for number, item in local.custodians.items() if item.store != store_id]:
            raise BadInputError(f"{self.custodians}: custodians {strangers} are of another store; put back its own")
        return local

    def seed(self, name: str) -> bytes:
        """A signing seed of headquarters: `log` or `plan`."""
        path = self.headquarters / f"{name}.seed"
        try:
            return bytes.fromhex(path.read_text("ascii").strip())
        except (OSError, ValueError):
            raise BadInputError(
                f"{path}: headquarters' {name} key cannot be read; put it back from its backup"
            ) from None

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
    deployment: Deployment, policy: Policy, seeds: Mapping[str, bytes], slots: Mapping[str, str] | None = None
) -> None:
    """Make every part of a new deployment: headquarters' keys, log, custodians, store.

    `slots` names slots that shall lie elsewhere than in a file of their folder, as in `slot_folders`.
    """
    copies = tuple(Path(copy) for copy in policy.copies)
    _name_slots(slot_folders(deployment, policy.n, copies), slots or {})
    durable.make_folders(deployment.headquarters)
    for name, seed in seeds.items():
        durable.write_file(deployment.headquarters / f"{name}.seed", seed.hex().encode())
    LogWriter.create(deployment.log, seeds["log"], policy.origin)
    private, public = crypto.park_keypair()
    durable.write_file(deployment.headquarters / ESCROW_PRIVATE, private.hex().encode())
    Ledger(deployment.ledger).begin()
    durable.write_file(deployment.register / ESCROW_PUBLIC, public)
    durable.write_file(deployment.register / stores.GENESIS, canonical.encode(policy.document()))
    terms = Terms(
        policy.store_id, policy.set_number, 0, policy.n, policy.t, policy.lifetimes, policy.late_days,
        clock().now() // 86_400,
    )  # fmt: skip
    LocalCustodians.create(deployment.custodians, deployment.custodian_slots, terms)
    stores.create(Places(deployment.root, deployment.slots, copies), policy, clock())


def slot_folders(deployment: Deployment, n: int, copies: Sequence[Path]) -> dict[str, tuple[Path, str]]:
    """Every slot of a deployment: by what a person calls it, its folder and its name there."""
    places = Places(deployment.root, deployment.slots)
    return {
        "root": (deployment.slots, "root"),
        "open": (deployment.slots, "open"),
        **{f"custodian-{index}": (deployment.custodian_slots, f"custodian-{index}") for index in range(n)},
        **{f"copy-{number}": (places.copy_slots(copy), "root") for number, copy in enumerate(copies, 1)},
    }


def _name_slots(folders: Mapping[str, tuple[Path, str]], slots: Mapping[str, str]) -> None:
    named: dict[Path, dict[str, str]] = {}
    for called, uri in slots.items():
        folder, name = folders[called]
        named.setdefault(folder, {})[name] = uri
    for folder, uris in named.items():
        durable.make_folders(folder)
        name_slots(folder, uris)


def clock() -> Clock:
    """The machine's clock, or the Unix seconds in UNHELD_CLOCK: for simulated days, and `status` says so.

    Raises BadInputError for a clock that the formats cannot write: days lapse by it.
    """
    given = os.environ.get(CLOCK_VARIABLE)
    try:
        found: Clock = SystemClock() if given is None else FixedClock(int(given))
    except ValueError:
        raise BadInputError(f"{CLOCK_VARIABLE} is {given!r}: it must be Unix seconds") from None
    if not 0 <= found.now() < _CLOCK_END:
        raise BadInputError(f"the clock stands at {found.now()}, outside 1970 to 2106: set it, days lapse by it")
    return found
