"""A store, opened: its vault, its copies, its catalog, its open day. Every change of it goes through `Store.commit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unheld_branch.kernel import locks
from unheld_branch.kernel.clock import Clock
from unheld_branch.keys.parties.difference import Difference, difference
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store import copying, journal, mark, mirror, releases, replica, restored, sets
from unheld_branch.store import policy as policies
from unheld_branch.store.copying import Copy, Making
from unheld_branch.store.database import Database
from unheld_branch.store.following import Commit, Copies, outbox
from unheld_branch.store.following import words as away_words
from unheld_branch.store.journal import Catalog
from unheld_branch.store.openday import OpenDay, OpenDaySlot
from unheld_branch.store.policy import Policy
from unheld_branch.store.postgresql import Settings
from unheld_branch.store.replica import Replica
from unheld_branch.store.vault import Change, Condition, Vault, first_root
from unheld_slots import durable
from unheld_slots.places import slot_uri
from unheld_slots.slot import create_slot, open_slot
from unheld_verify import canonical, columns, crypto, formats, statement
from unheld_verify.errors import AwayError, NoStoreError, RolledBackError, StateError, StateUnknownError
from unheld_verify.roster import Roster

GENESIS = replica.GENESIS
FORMAT = formats.FORMATS["store"].newest
# The longest lifetime of a class, in days: whoever worked in that time has committed something.
PAUSE_MOST = 400


def _folder(name: str) -> Copy:
    """A copy that is a folder of this machine."""
    return Replica(name, Path(name))


Reach = Callable[[str], Copy]


@dataclass(frozen=True)
class Places:
    """Where the parts of a store lie. Slots lie outside the store, so that a backup of the store holds no key.

    `copies` are those that genesis lists; `reach` gets to one by its name.
    """

    root: Path
    slots: Path
    copies: tuple[str, ...] = ()
    reach: Reach = _folder

    def slot(self, name: str) -> str:
        """The URI of a slot: a file of the slots' folder, or what `slots.toml` there names."""
        return slot_uri(self.slots, name)


@dataclass
class Store:
    """An open store. Hold it only inside `opened`, which holds the lock."""

    places: Places
    policy: Policy
    vault: Vault
    copies: Copies
    day_slot: OpenDaySlot
    clock: Clock
    root: RootNode = field(repr=False)
    catalog: Catalog = field(repr=False)
    following: bool = False

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

        Keys of columns that the journal calls erased or lapsed are back with an older state that was put back: they end
        again before anything is served. Raises SealedError with the mend where keys cannot be read here, and StateError
        where they cannot be ended now.
        """
        held = self.catalog.open_day if not self.following else None
        kept = self.day_slot.read() if held is not None else None
        if held is None or kept is None or kept.day != held.number:
            return None
        back = {pair for pair in kept.keys.keys if self.catalog.is_gone(*pair)}
        if back:
            kept = kept.without(back)
            self.day_slot.keep(kept)
        return kept

    def slot_words(self) -> str:
        """The class of the root slot, and of copies' where it differs, in plain words; the weakest first."""
        words = {self.vault.slot.words(), *(one.standing.words for one in self.copies.here if one.standing)}
        return "; ".join(sorted(words))  # "file" stands before "token"

    def database_words(self) -> str:
        """What the databases of store and copies are and survive, in plain words; each once."""
        return "; ".join(sorted({vault.database.words() for vault in (self.vault, *self.copies.vaults)}))

    def root_digest(self) -> bytes:
        """SHA-256 of the sealed root node of this generation."""
        _, sealed = self.vault.database.root() or (0, b"")
        return crypto.sha256(sealed)

    def tidy(self) -> None:
        """Remove ciphertext that the journal no longer names: after a crash, a merge, a replacement, a lapse."""
        if all(tree.root is None for tree in self.root.trees.values()):
            self.vault.delete_nodes()
        mirror.tidy(self.folder, self.catalog)

    def parties(self) -> Parties:
        """The parties of this generation, for reading and for drafting the next one."""
        return Parties(self.vault.nodes(), self.root.trees)

    @property
    def trees_counted(self) -> int:
        """How many trees a forgetting reaches: this one, and every listed copy that was not released."""
        return 1 + len(self.copies) - len(self.catalog.released)

    def decide(self) -> None:
        """Take down which copies are waited for no longer, and which came back with everything."""
        released = dict(releases.due(self.folder, self.policy, self.copies, self.clock.now()))
        for number, digest in released.items():
            if number not in self.catalog.released:
                counted = self.trees_counted - 1
                said = self._of_copy("copy-released", number, counted)
                self.commit({"kind": "release", "copy": number, "document": digest}, say=[said])
        releases.done(self.folder, released)
        for one in self.copies.here:
            if one.number in self.catalog.released:
                said = self._of_copy("copy-returned", one.number, self.trees_counted + 1)
                self.commit({"kind": "return", "copy": one.number}, say=[said])

    def take_over_as(self, number: int) -> None:
        """Say that this store was copy `number` until now."""
        said = self._of_copy("copy-promoted", number, self.trees_counted)
        self.commit({"kind": "promote", "copy": number}, say=[said])

    def _of_copy(self, kind: str, number: int, counted: int) -> statement.Opening:
        generation = self.catalog.generation + 1
        return self.opening(kind, copy=number, copies=counted, listed=1 + len(self.copies), generation=generation)

    def ready(self) -> None:
        """See that every database would keep a change made now. Raises StateError with the mend."""
        for vault in (self.vault, *self.copies.vaults):
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
        check_writable(self.folder)
        self.ready()
        full = canonical.encode({"v": 1, "at": self.clock.now(), **entry})
        head = journal.next_head(self.catalog.head, full)
        posted = tuple((item.r, canonical.encode(item.statement)) for item in say)
        change = Change(full, head, dedup, plan_applied, everything, posted)
        forgets = forgets_rows(canonical.decode(full))
        if forgets:
            self.copies.require(self.catalog.released)
        changed = self._changed(parties) if self.copies.here else {}
        self.root = self.vault.commit(self.root, change, parties)
        journal.apply(self.catalog, canonical.decode(full))
        self.catalog.generation, self.catalog.head = self.root.generation, head
        self._bring(changed, full, head, forgets=forgets)
        self.vault.finish()

    def _bring(self, changed: Mapping[int, Difference], entry: bytes, head: bytes, *, forgets: bool) -> None:
        """Steps 5 and 6 for the copies. A forgetting ends nowhere before every copy has it."""
        generation = self.root.generation
        step = copying.step_of(self.root, generation, entry, head, outbox(self.vault) if len(self.copies) else ())
        self.copies.follow(Commit(changed, step, self.catalog))
        self.copies.finish(generation)
        if forgets and (missing := self.copies.lacking(self.catalog.released)):
            raise StateUnknownError(
                f"{'; '.join(map(away_words, missing))}: the store is erasing until they have forgotten too; "
                "it goes on by itself when they are back and the store is opened again"
            )

    def _changed(self, parties: Parties | None) -> dict[int, Difference]:
        """What changed in each tree, read while the nodes of both generations are there."""
        if parties is None:
            return {}
        old = self.root.trees
        return {
            number: difference(old.get(number, Tree(tree.tag_key)), tree, parties.nodes)
            for number, tree in parties.trees.items()
            if tree != old.get(number)
        }

    def opening(self, kind: str, **fields: Any) -> statement.Opening:
        """A statement of this store's log, committed to with a fresh r."""
        return statement.commit(statement.make(self.policy.origin, kind, columns.day_text(self.today()), **fields))


def create(
    places: Places,
    policy: Policy,
    clock: Clock,
    branch_seed: bytes,
    databases: Mapping[Path, Settings] | None = None,
) -> None:
    """Lay out a new store with its copies: genesis document, slots, database, first generation.

    `branch_seed` goes along to each copy, sealed there: whichever of them is promoted speaks for the branch.
    `databases` says, by the folder of a store or copy, which of them lie in PostgreSQL.
    """
    if places.root.exists() and any(places.root.iterdir()):
        raise StateError(f"{places.root}: not empty; a store begins in a new folder")
    for folder in (places.root, places.slots, *(databases or {})):
        durable.make_folders(folder)
    for folder, settings in (databases or {}).items():
        settings.write(folder)
    mark.write(places.root, mark.STORE, FORMAT)
    durable.write_file(places.root / GENESIS, canonical.encode(policy.document()))
    OpenDaySlot.create(places.root, places.slot("open"))
    first_entry = {"v": 1, "at": clock.now(), "kind": "genesis", "policy": policy.document(), "format": FORMAT}
    entry = canonical.encode(first_entry)
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
    genesis = canonical.encode(policy.document())
    for name in places.copies:
        of = "" if copying.is_far(name) else str(places.root.resolve())
        copy = places.reach(name)
        copy.make(Making(name, genesis, first, entry, head, branch_seed, of))
        copy.close()


def _new_vault(folder: Path, slots: Path, policy: Policy, held: ExitStack) -> Vault:
    database = Database.create(folder)
    held.callback(database.disconnect)
    return Vault(database, create_slot(slot_uri(slots, "root")), policy.store_id)


@contextmanager
def opened(places: Places, clock: Clock, *, write: bool = False) -> Iterator[Store]:
    """Open a store under its lock; finishes what a crash left before serving anything."""
    if not (places.root / GENESIS).is_file():
        raise NoStoreError(f"{places.root}: no store there; `unheld init` makes one")
    mark.read(places.root, mark.STORE)
    if write:
        check_writable(places.root)
    with locks.locked(places.root / "lock", exclusive=True), ExitStack() as held:
        store = _open(places, clock, held)
        if write:
            _believe(store)
            mark.restore(store.folder, mark.STORE, store.catalog.format)
            store.ready()
            store.tidy()
            store.decide()
        yield store


def journal_of(root: Path) -> Catalog:
    """What the journal of a store says, without its lock and without any key. Raises NoStoreError."""
    if not (root / GENESIS).is_file():
        raise NoStoreError(f"{root}: no store there")
    mark.read(root, mark.STORE)
    database = Database.open(root)
    try:
        policy = policies.read(root / GENESIS)
        return journal.fold(policy, database.journal())
    finally:
        database.disconnect()


def _open(places: Places, clock: Clock, held: ExitStack) -> Store:
    policy = policies.read(places.root / GENESIS)
    vault = _vault(places.root, places.slots, policy, held)
    marker = replica.marker_of(places.root)
    following = marker is not None and not marker.promoted
    own = marker.name if marker is not None else ""
    listed = {number: name for number, name in enumerate(places.copies, 1) if name != own and not following}
    reached = {number: places.reach(name) for number, name in listed.items()}
    copies = Copies(places.root, reached, clock.now)
    held.callback(copies.close)
    try:
        catalog = _settle(vault, copies, policy, places.root, clock.now(), following=following)
    except RolledBackError as error:
        raise RolledBackError(f"{error}{restored.advice(places.root, places.slots, vault, copies)}") from None
    day_slot = OpenDaySlot(places.root, places.slot("open"))
    return Store(places, policy, vault, copies, day_slot, clock, vault.load(), catalog, following)


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
    return Vault.opened(database, open_slot(slot_uri(slots, "root")), policy.store_id)


def check_writable(root: Path) -> None:
    """Raise StateError where this folder is a copy that follows a store."""
    if replica.is_following(root):
        raise StateError(
            f"{root}: this is a copy, only its store writes to it. `unheld erase plan` and `unheld status` read it; "
            "when the store is lost: `unheld-branch copy promote`"
        )


def forgets_rows(entry: Mapping[str, Any]) -> bool:
    """Whether a journal entry is of a forgetting that every copy has to acknowledge.

    A lapse drops rows too, of whom nothing is left that opens: a copy may drop them later.
    """
    return entry["kind"] == "erase" and entry["act"] in ("party", "parties", "everything")


def _settle(vault: Vault, copies: Copies, policy: Policy, folder: Path, now: int, *, following: bool) -> Catalog:
    """Finish what a crash cut short: nothing is served while the store is erasing. A copy finishes with its store."""
    if vault.condition() is Condition.ORPHAN:
        vault.drop_orphan()
    root = vault.load()
    entries = vault.database.journal()
    catalog = journal.fold(policy, entries)
    copies.meet(vault, root, catalog)
    if vault.condition() is Condition.ERASING and not following:
        if forgets_rows(canonical.decode(entries[-1][1])):
            _wait(vault, copies, catalog, {number for number, _ in releases.due(folder, policy, copies, now)})
        vault.finish()
    return catalog


def _wait(vault: Vault, copies: Copies, catalog: Catalog, decided: set[int]) -> None:
    """See that every copy has forgotten, but those that headquarters decided about: the log then counts without them.

    Raises AwayError naming the others.
    """
    if missing := copies.lacking({*catalog.released, *decided}):
        raise AwayError(
            f"{vault.database.path}: erasing: {'; '.join(map(away_words, missing))}, and went away before it had "
            "forgotten too. Bring it back, or release it: `unheld copy release`"
        )
    fewer = len(decided - catalog.released.keys())
    said = [one for one in vault.database.outbox() if one.statement and one.index is None]
    if not fewer or not said:
        return
    last = said[-1]
    told = canonical.decode(last.statement)
    counted = 1 + len(copies) - len(catalog.released) - fewer
    with vault.database.transaction() as transaction:
        transaction.restate(last.id, canonical.encode({**told, "copies": counted}))
