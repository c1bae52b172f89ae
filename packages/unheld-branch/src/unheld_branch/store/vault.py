"""A vault: one party tree with its own database and its own slot. A store is one vault, each copy of its tree another.

The durable order of a change (`docs/spec/journal.md`) is cut in two, so that a store can wait for its copies between:
`Vault.commit` does steps 2 to 4 and leaves both root keys alive, `Vault.finish` destroys the old one (step 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from unheld_branch.keys.parties import root as root_nodes
from unheld_branch.keys.parties import tree as trees
from unheld_branch.keys.parties.nodes import Changes, Nodes
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store.database import Database, Transaction
from unheld_slots.slot import Slot
from unheld_verify import columns, crypto
from unheld_verify.errors import RolledBackError, SealedError, StateError, StateUnknownError

SUBSCRIBERS = 0
Opening = tuple[bytes, bytes]


def month_tree(day: int) -> int:
    """The number yyyymm of the tree of other parties met on this sealing day."""
    date = columns.date_of(day)
    return date.year * 100 + date.month


class Condition(Enum):
    """What a vault's slot and database say together."""

    SETTLED = "settled"
    ERASING = "erasing"
    ORPHAN = "orphan"


@dataclass(frozen=True)
class Change:
    """One commit besides its rows: what it means is the same for a store and for every copy of its tree.

    `entry` and `head` are the journal's; `dedup` replaces the file-digest keys; `plan_applied` steps the plan key;
    `everything` takes the place of the whole root node: no row of any tree stays.
    """

    entry: bytes
    head: bytes
    dedup: Mapping[int, bytes] | None = field(default=None, repr=False)
    plan_applied: bool = False
    everything: RootNode | None = None
    openings: tuple[Opening, ...] = field(default=(), repr=False)

    def following(self, root: RootNode, kept: Mapping[int, Tree]) -> RootNode:
        """The root node of the next generation over the trees `kept`."""
        if self.everything is not None:
            return replace(self.everything, generation=root.generation + 1)
        plan_key = root_nodes.step_plan_key(root.plan_key) if self.plan_applied else root.plan_key
        return RootNode(root.generation + 1, plan_key, root.dedup if self.dedup is None else self.dedup, kept)


class Vault:
    """A party tree, its database and its slot. The owner holds the lock."""

    def __init__(self, database: Database, slot: Slot, store_id: bytes) -> None:
        self.database = database
        self.slot = slot
        self.store_id = store_id

    @classmethod
    def opened(cls, database: Database, slot: Slot, store_id: bytes) -> Vault:
        """One that is there, as a crash may have left it: which of two keys ends is read from the disk itself."""
        if len(slot.live()) == 2:
            database.make_sure()
        return cls(database, slot, store_id)

    def create(self, first: RootNode, entry: bytes, head: bytes, openings: Iterable[Opening]) -> None:
        """Store the first generation; a copy begins with the same root node under its own slot."""
        with self.database.transaction() as transaction:
            self.store_root(transaction, first, entry, head)
            transaction.post(openings)

    def condition(self) -> Condition:
        """Compare slot and database. Raises RolledBackError or SealedError when they do not belong together."""
        live = self.slot.live()
        stored = self.database.root()
        if not live:
            raise SealedError(f"{self.database.path}: its slot holds no key: the store was ended, or never begun")
        if stored is None:
            if [item.generation for item in live] == [1]:
                raise StateError(
                    f"{self.database.path}: its making was cut short; remove it and run `unheld init` again"
                )
            raise RolledBackError(f"{self.database.path}: it holds no root node, but its slot does")
        if stored[0] not in {item.generation for item in live}:
            raise RolledBackError(
                f"{self.database.path}: tree of generation {stored[0]}, slot of generation {live[-1].generation}: an "
                "older copy was put back and opens nothing; use another copy of the tree"
            )
        if len(live) == 1:
            return Condition.SETTLED
        return Condition.ERASING if stored[0] == live[-1].generation else Condition.ORPHAN

    def drop_orphan(self) -> None:
        """A crash came before the transaction: destroy the newer key, which seals nothing."""
        self.slot.destroy(self.slot.live()[-1].generation)

    def finish(self) -> None:
        """Step 6: destroy the old root key and see that it is gone. Raises StateError while it must be kept."""
        older, newer = self.slot.live()
        self._confirm()
        self.slot.destroy(older.generation)
        if [live.generation for live in self.slot.live()] != [newer.generation]:
            raise StateUnknownError(f"{self.database.path}: the old root key may still live; open the store again")

    def _confirm(self) -> None:
        """Were the commit lost with its server after this, the old key would be missed by everybody."""
        try:
            self.database.confirm()
        except StateUnknownError:
            raise
        except StateError as error:
            raise StateError(
                f"{error}\nThe store is erasing: what was asked is stored, and ends when it is opened again"
            ) from None

    def load(self) -> RootNode:
        """The root node of the newest generation. Raises RolledBackError when slot and database do not bind."""
        live, (generation, sealed) = self.slot.live()[-1], self.database.root() or (0, b"")
        head = self.database.journal_head()
        if generation != live.generation or live.binding != binding(sealed, head):
            raise RolledBackError(
                f"{self.database.path}: its root node or journal is not the one its slot is bound to: a part was put "
                "back from a backup or altered; use another copy of the tree"
            )
        return root_nodes.unseal(sealed, live.secret, self.store_id, generation)

    def commit(self, root: RootNode, change: Change, parties: Parties | None) -> RootNode:
        """Steps 2 to 4: new root key, one transaction, and the proof through a new connection that it opens."""
        following = change.following(root, root.trees if parties is None else parties.trees)
        nodes = Changes([], []) if parties is None else parties.nodes.take()
        with self.database.transaction() as transaction:
            transaction.store_nodes(nodes)
            self.store_root(transaction, following, change.entry, change.head)
            transaction.post(change.openings)
        return self.reread(root, following, nodes)

    def delete_nodes(self) -> None:
        """Delete the nodes that everyone's forgetting left: their keys are gone, and a country's take seconds."""
        if self.database.has_nodes():
            with self.database.transaction() as transaction:
                transaction.delete_all_nodes()

    def nodes(self) -> Nodes:
        """A reader of this vault's nodes."""
        return Nodes(self.store_id, self.database)

    def store_root(self, transaction: Transaction, root: RootNode, entry: bytes, head: bytes) -> None:
        """Steps 2 and 3 for the root node: a new slot secret, and root and entry in the transaction."""
        secret = crypto.random_bytes(32)
        sealed = root_nodes.seal(root, secret, self.store_id)
        self.slot.prepare(root.generation, secret, binding(sealed, head))
        transaction.finish(root.generation, sealed, entry, head)

    def reread(self, before: RootNode, expected: RootNode, changes: Changes) -> RootNode:
        """Step 4: through a new connection, open the root with the new key and walk a changed path of each tree."""
        written = {id_ for id_, _ in changes.new}
        with self.database.fresh() as database:
            anew = Vault(database, self.slot, self.store_id)
            found, nodes = anew.load(), anew.nodes()
            if found != expected:
                raise StateUnknownError(
                    f"{database.path}: what was stored reads back differently; open the store again"
                )
            for number, tree in found.trees.items():
                if tree != before.trees.get(number):
                    trees.touch(tree, nodes, written)
        return found


def first_root() -> RootNode:
    """A root node that knows nobody: fresh plan key, an empty subscriber tree with a fresh tag key."""
    return RootNode(1, crypto.random_bytes(32), {}, {SUBSCRIBERS: Tree(crypto.random_bytes(32))})


def binding(sealed_root: bytes, head: bytes) -> bytes:
    """What a slot generation is tied to: SHA-256 of the sealed root node ‖ journal head."""
    return crypto.sha256(sealed_root) + head
