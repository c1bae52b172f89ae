"""A store, opened: its vault, its copies, its catalog, its open day. Every change of it goes through `Store.commit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unheld_branch.kernel import locks
from unheld_branch.kernel.clock import Clock
from unheld_branch.keys.parties.difference import difference
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store import files, journal, sets
from unheld_branch.store import policy as policies
from unheld_branch.store.database import Database
from unheld_branch.store.journal import Catalog
from unheld_branch.store.openday import OpenDay, OpenDaySlot
from unheld_branch.store.policy import Policy
from unheld_branch.store.postgresql import Settings
from unheld_branch.store.vault import Change, Condition, Vault, first_root
from unheld_branch.store.vault import Rows as VaultRows
from unheld_slots import durable
from unheld_slots.places import slot_uri
from unheld_slots.slot import create_slot, open_slot
from unheld_verify import canonical, columns, crypto, statement
from unheld_verify.errors import BadInputError, NoStoreError, RolledBackError, StateError
from unheld_verify.roster import Roster

GENESIS = "genesis.json"
# The longest lifetime of a class, in days: whoever worked in that time has committed something.
PAUSE_MOST = 400


@dataclass(frozen=True)
class Places:
    """Where the parts of a store lie. Slots lie outside the store, so that a backup of the store holds no key."""

    root: Path
    slots: Path
    copies: tuple[Path, ...] = ()

    def slot(self, name: str) -> str:
        """The URI of a slot: a file of the slots' folder, or what `slots.toml` there names."""
        return slot_uri(self.slots, name)

    def copy_slots(self, copy: Path) -> Path:
        """The slots' folder of a copy."""
        return copy.with_name(copy.name + ".slots")


@dataclass
class Store:
    """An open store. Hold it only inside `opened`, which holds the lock."""

    places: Places
    policy: Policy
    vault: Vault
    copies: Sequence[Vault]
    day_slot: OpenDaySlot
    clock: Clock
    root: RootNode = field(repr=False)
    catalog: Catalog = field(repr=False)

    @property
    def folder(self) -> Path:
        """The store's folder."""
        return self.places.root

    def today(self) -> int:
        """The day by this store's clock."""
        return self.clock.now() // 86_400

    def sets(self) -> list[Roster]:
        """The custodian sets, in order, each held to headquarters' key."""
        return sets.read(self.folder, self.policy)

    def open_day(self) -> OpenDay | None:
        """The keys of the day that the journal calls open. Keys of any other day are a crash's remains: not served.

        Raises SealedError with the mend where they cannot be read here.
        """
        held = self.catalog.open_day
        kept = self.day_slot.read() if held is not None else None
        return kept if held is not None and kept is not None and kept.day == held.number else None

    def slot_words(self) -> str:
        """The class of the root slot, and of copies' where it differs, in plain words; the weakest first."""
        words = {vault.slot.words() for vault in (self.vault, *self.copies)}
        return "; ".join(sorted(words))  # "file" stands before "token"

    def database_words(self) -> str:
        """What the databases of store and copies are and survive, in plain words; each once."""
        return "; ".join(sorted({vault.database.words() for vault in (self.vault, *self.copies)}))

    def root_digest(self) -> bytes:
        """SHA-256 of the sealed root node of this generation."""
        _, sealed = self.vault.database.root() or (0, b"")
        return crypto.sha256(sealed)

    def tidy(self) -> None:
        """Remove ciphertext that the journal no longer names: after a crash, a merge, a replacement, a lapse."""
        if all(tree.root is None for tree in self.root.trees.values()):
            for vault in (self.vault, *self.copies):
                vault.delete_nodes()
        named = {file.path for file in self.catalog.live_files()}
        for path in files.orphans(self.folder, named):
            durable.remove_file(path)
        waiting = {batch.path for batch in self.catalog.waiting()}
        for path in sorted((self.folder / "parked").glob("*")):
            if path.is_file() and str(path.relative_to(self.folder)) not in waiting:
                durable.remove_file(path)
        for path in sorted((self.folder / "rows").glob("*")):
            if path.is_file() and path.name not in {f"{number}.bin" for number in self.catalog.row_files}:
                durable.remove_file(path)

    def parties(self) -> Parties:
        """The parties of this generation, for reading and for drafting the next one."""
        return Parties(self.vault.nodes(), self.root.trees)

    def ready(self) -> None:
        """See that every database would keep a change made now. Raises StateError with the mend."""
        for vault in (self.vault, *self.copies):
            vault.database.ready()

    def commit(
        self,
        entry: Mapping[str, Any],
        *,
        say: Sequence[statement.Opening] = (),
        parties: Parties | None = None,
        dedup: Mapping[int, bytes] | None = None,
        plan_applied: bool = False,
        everything: RootNode | None = None,
    ) -> None:
        """One change in the durable order: this store, every copy, then the old keys die.

        `entry` is the journal's (kind and its fields), `say` goes to the log's outbox; the rest as in `Change`.
        """
        self.ready()
        full = canonical.encode({"v": 1, "at": self.clock.now(), **entry})
        head = journal.next_head(self.catalog.head, full)
        posted = tuple((item.r, canonical.encode(item.statement)) for item in say)
        change = Change(full, head, dedup, plan_applied, everything, posted)
        rows = self._rows_for_copies(parties) if self.copies else None
        self.root = self.vault.commit(self.root, change, parties)
        for copy in self.copies:
            copy.follow(copy.load(), change, rows or VaultRows({}, {}))
        for vault in (*self.copies, self.vault):
            vault.finish()
        journal.apply(self.catalog, canonical.decode(full))
        self.catalog.generation, self.catalog.head = self.root.generation, head

    def _rows_for_copies(self, parties: Parties | None) -> VaultRows:
        """What changed in each tree, read while the nodes of both generations are there."""
        after = self.root.trees if parties is None else parties.trees
        empty = {number: Tree(tree.tag_key) for number, tree in after.items()}
        changed = {
            number: difference(self.root.trees.get(number, empty[number]), tree, parties.nodes)
            for number, tree in after.items()
            if parties is not None and tree != self.root.trees.get(number)
        }
        return VaultRows(changed, {number: tree.tag_key for number, tree in after.items()})

    def opening(self, kind: str, **fields: Any) -> statement.Opening:
        """A statement of this store's log, committed to with a fresh r."""
        return statement.commit(statement.make(self.policy.origin, kind, columns.day_text(self.today()), **fields))


def create(places: Places, policy: Policy, clock: Clock, databases: Mapping[Path, Settings] | None = None) -> None:
    """Lay out a new store with its copies: genesis document, slots, database, first generation.

    `databases` says, by the folder of a store or copy, which of them lie in PostgreSQL.
    """
    if places.root.exists() and any(places.root.iterdir()):
        raise StateError(f"{places.root}: not empty; a store begins in a new folder")
    copied = [folder for copy in places.copies for folder in (copy, places.copy_slots(copy))]
    for folder in (places.root, places.slots, *copied):
        durable.make_folders(folder)
    for folder, settings in (databases or {}).items():
        settings.write(folder)
    durable.write_file(places.root / GENESIS, canonical.encode(policy.document()))
    OpenDaySlot.create(places.root, places.slot("open"))
    entry = canonical.encode({"v": 1, "at": clock.now(), "kind": "genesis", "policy": policy.document()})
    head = journal.next_head(journal.first_head(policy), entry)
    said = statement.commit(
        statement.make(
            policy.origin,
            "genesis",
            columns.day_text(clock.now() // 86_400),
            store=policy.store_id.hex(),
            genesis=policy.digest.hex(),
            policy=policy.public(),
        )
    )
    first = first_root()
    with ExitStack() as held:
        _new_vault(places.root, places.slots, policy, held).create(
            first, entry, head, [(said.r, canonical.encode(said.statement))]
        )
        for copy in places.copies:
            _new_vault(copy, places.copy_slots(copy), policy, held).create(first, entry, head, [])


def _new_vault(folder: Path, slots: Path, policy: Policy, held: ExitStack) -> Vault:
    database = Database.create(folder)
    held.callback(database.disconnect)
    return Vault(database, create_slot(slot_uri(slots, "root")), policy.store_id)


@contextmanager
def opened(places: Places, clock: Clock, *, write: bool = False) -> Iterator[Store]:
    """Open a store under its lock; finishes what a crash left before serving anything."""
    if not (places.root / GENESIS).is_file():
        raise NoStoreError(f"{places.root}: no store there; `unheld init` makes one")
    with locks.locked(places.root / "lock", exclusive=True), ExitStack() as held:
        store = _open(places, clock, held)
        if write:
            _believe(store)
            store.ready()
            store.tidy()
        yield store


def journal_of(root: Path) -> Catalog:
    """What the journal of a store says, without its lock and without any key. Raises NoStoreError."""
    if not (root / GENESIS).is_file():
        raise NoStoreError(f"{root}: no store there")
    database = Database.open(root)
    try:
        policy = policies.from_document(canonical.decode((root / GENESIS).read_bytes()))
        return journal.fold(policy, database.journal())
    finally:
        database.disconnect()


def _open(places: Places, clock: Clock, held: ExitStack) -> Store:
    policy = policies.from_document(canonical.decode((places.root / GENESIS).read_bytes()))
    vault = _vault(places.root, places.slots, policy, held)
    copies = [_vault(copy, places.copy_slots(copy), policy, held) for copy in places.copies]
    _settle(vault, copies)
    catalog = journal.fold(policy, vault.database.journal())
    day_slot = OpenDaySlot(places.root, places.slot("open"))
    return Store(places, policy, vault, copies, day_slot, clock, vault.load(), catalog)


def _believe(store: Store) -> None:
    """Refuse a clock that jumped: one wrong step and every key lapses, and chains never go back."""
    days = (store.clock.now() - store.catalog.at) // 86_400
    if days > PAUSE_MOST:
        raise StateError(
            f"{store.folder}: the clock is {days:,} days ahead of the last commit: set it right, days lapse by it. "
            f"If it is right, work up to it: UNHELD_CLOCK={store.catalog.at + PAUSE_MOST * 86_400} unheld day open"
        )


def _vault(folder: Path, slots: Path, policy: Policy, held: ExitStack) -> Vault:
    database = Database.open(folder)
    held.callback(database.disconnect)
    database.hold()
    return Vault(database, open_slot(slot_uri(slots, "root")), policy.store_id)


def _settle(vault: Vault, copies: Sequence[Vault]) -> None:
    """Finish what a crash cut short: nothing is served while a vault is erasing."""
    for one in (vault, *copies):
        if one.condition() is Condition.ORPHAN:
            one.drop_orphan()
    root = vault.load()
    for copy in copies:
        held = copy.load()
        if held.generation == root.generation - 1:
            copy.catch_up(held, vault, root)
        elif held.generation > root.generation:
            raise RolledBackError(
                f"{vault.database.path}: generation {root.generation}, its copy {copy.database.path} has "
                f"{held.generation}: the store was put back from a snapshot; use the copy"
            )
        elif held.generation != root.generation:
            raise BadInputError(
                f"{copy.database.path}: generation {held.generation}, the store has {root.generation}: this copy "
                "cannot follow any more; remove it and make a new one"
            )
    for one in (*copies, vault):
        if one.condition() is Condition.ERASING:
            one.finish()
