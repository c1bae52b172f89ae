"""A copy in a folder: its own tree under its own slot, the journal, and the ciphertext of the store it follows.

    genesis.json  catalog.db  blocks/ parked/ rows/ …   as in a store
    copy.json                                           whom it follows, or that it was promoted
    branch-*.sealed                                     the branch's signing key, for a promotion

Slots lie beside it (`FOLDER.slots`): `root` of its tree, `branch` of the signing key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unheld_branch.kernel import locks
from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tree as trees
from unheld_branch.keys.parties.nodes import Nodes
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.rows import Bytes
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store import copying, journal, mirror
from unheld_branch.store import policy as policies
from unheld_branch.store.copying import Making, Part, Standing, Step
from unheld_branch.store.database import Database
from unheld_branch.store.policy import Policy
from unheld_branch.store.vault import Condition, Vault
from unheld_slots import durable
from unheld_slots.places import slot_uri
from unheld_slots.sealed import SealedState
from unheld_slots.slot import create_slot, open_slot
from unheld_verify import canonical, crypto
from unheld_verify.errors import (
    AwayError,
    BadInputError,
    LockedError,
    PromotedError,
    RolledBackError,
    StateError,
    VerificationError,
)

GENESIS, MARKER = "genesis.json", "copy.json"
BRANCH = "branch"


@dataclass(frozen=True)
class Marker:
    """What a folder is: a copy called `name` that follows a store (in the folder `of`, where that is on this machine).

    `branch` is the public key that alone may change it, `heard` when the store last did (Unix seconds), `promoted` the
    generation at which it became a store itself, or 0.
    """

    name: str
    of: str
    branch: bytes
    heard: int = 0
    promoted: int = 0

    def encode(self) -> bytes:
        """As the file has it."""
        said = {"name": self.name, "of": self.of, "branch": self.branch.hex(), "heard": self.heard}
        return canonical.encode({"v": 1, **said, "promoted": self.promoted})


def marker_of(folder: Path) -> Marker | None:
    """What `copy.json` says, or None where there is none. Raises BadInputError."""
    path = folder / MARKER
    if not path.is_file():
        return None
    try:
        said = canonical.decode(path.read_bytes())
        found = Marker(said["name"], said["of"], bytes.fromhex(said["branch"]), said["heard"], said["promoted"])
        sound = found.encode() == path.read_bytes()
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{path}: {error!r}; put back the copy's own") from None
    if not sound:
        raise BadInputError(f"{path}: not as this version writes it; put back the copy's own")
    return found


def is_following(folder: Path) -> bool:
    """Whether a folder is a copy that was not promoted."""
    found = marker_of(folder)
    return found is not None and not found.promoted


class Replica:
    """A copy in a folder. It honours the contract of `copying.Copy`; whoever calls it is the store."""

    def __init__(self, name: str, folder: Path, slots: Path | None = None) -> None:
        self._name = name
        self.folder = folder
        self.slots = slots or copying.slots_of(folder)
        self._vault: Vault | None = None
        self._draft: _Draft | None = None
        self._lock: AbstractContextManager[None] | None = None

    @property
    def name(self) -> str:
        """What genesis calls it."""
        return self._name

    @property
    def vault(self) -> Vault:
        """Its tree. Raises AwayError where the folder is not there or another process has it, RolledBackError."""
        if not (self.folder / MARKER).is_file():
            raise AwayError(f"copy {self._name}: is not there: is its disk mounted?")
        if self._vault is None:
            self._vault = self._opened()
        return self._vault

    def make(self, making: Making) -> None:
        """Lay out the copy; the last file written is the one that says that it is there."""
        for folder in (self.folder, self.slots):
            durable.make_folders(folder)
        if (self.folder / GENESIS).exists():
            raise StateError(f"{self.folder}: there is a store or a copy already; a copy begins in a new folder")
        policy = policies.from_document(canonical.decode(making.genesis))
        durable.write_file(self.folder / GENESIS, making.genesis)
        database = Database.create(self.folder)
        try:
            slot = create_slot(slot_uri(self.slots, "root"))
            Vault(database, slot, policy.store_id).create(making.first, making.entry, making.head, [])
            SealedState(self.folder, BRANCH, create_slot(slot_uri(self.slots, BRANCH))).create(making.branch_seed)
            marker = Marker(making.name, making.of, crypto.sign_public(making.branch_seed))
            durable.write_file(self.folder / MARKER, marker.encode())
        finally:
            database.disconnect()

    def standing(self) -> Standing:
        """Where it is, after what a crash left was put in order."""
        self._throw_away()
        if self.vault.condition() is Condition.ORPHAN:
            self.vault.drop_orphan()
        standing = self._standing()
        if not standing.erasing:
            self._sweep()
        return standing

    def _sweep(self) -> None:
        """Delete the nodes that everyone's forgetting left, also where a crash came after their keys' end."""
        if all(tree.root is None for tree in self.vault.load().trees.values()):
            self.vault.delete_nodes()

    def sums(self, tree: int, bits: int, key: bytes, tag_key: bytes) -> bytes:
        """A digest of each bucket; a tree that is not here, or under another tag key, is empty."""
        self._throw_away()
        held = self.vault.load().trees.get(tree)
        leaves = trees.walk(held, self.vault.nodes()) if held is not None and held.tag_key == tag_key else ()
        return copying.sums(leaves, bits, key)

    def rows(self, part: Part) -> None:
        """Rows for the next step, in a transaction that is open until then."""
        if self._draft is None:
            self._draft = _Draft(self.vault)
        try:
            self._draft.take(part)
        except BaseException:
            self._throw_away()
            raise

    def step(self, step: Step) -> Standing:
        """The next generation: transaction, and the proof through a new connection that it opens."""
        draft, self._draft = self._draft or _Draft(self.vault), None
        draft.store(step)
        return self._standing()

    def finish(self, generation: int) -> Standing:
        """Destroy the older root key where there is one; ciphertext that the journal names no more goes."""
        standing = self.standing()
        if standing.generation != generation:
            raise StateError(f"{self.folder}: generation {standing.generation} cannot end as {generation}")
        if standing.erasing:
            self.vault.finish()
        self._sweep()
        mirror.tidy(self.folder, journal.fold(self._policy(), self.vault.database.journal()))
        return self._standing()

    def missing(self, side: Mapping[str, str], named: Collection[str]) -> list[str]:
        """What it lacks."""
        self._throw_away()
        self.vault.condition()
        return mirror.lacking(self.folder, side, named)

    def file(self, path: str, at: int, data: bytes, sha256: str) -> None:
        """Write a piece; with the last one the file appears, if its digest is right."""
        target = self.folder / mirror.checked_path(path)
        staged = target.with_name(f".{target.name}.part")
        durable.make_folders(target.parent)
        if not at:
            staged.unlink(missing_ok=True)
            staged.touch(0o600)
        held = staged.stat().st_size if staged.exists() else 0
        if held != at:
            raise BadInputError(f"{path}: a piece for byte {at}, and {held} are here")
        with staged.open("ab") as file:
            file.write(data)
        if sha256:
            if crypto.file_sha256(staged).hex() != sha256:
                staged.unlink()
                raise VerificationError(f"{path}: came otherwise than it was sent")
            durable.publish(staged, target)

    def close(self) -> None:
        """Let go of files, transaction and lock."""
        self._throw_away()
        if self._vault is not None:
            self._vault.database.disconnect()
            self._vault = None
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
            self._lock = None

    def heard(self, now: int) -> None:
        """Note durably that the store spoke, once an hour at most."""
        marker = marker_of(self.folder)
        if marker is not None and not 0 <= now - marker.heard < 3600:
            durable.write_file(self.folder / MARKER, replace(marker, heard=now).encode())

    def branch_seed(self) -> bytes:
        """The branch's signing key as it came along."""
        return SealedState(self.folder, BRANCH, open_slot(slot_uri(self.slots, BRANCH))).load()

    def _opened(self) -> Vault:
        marker = marker_of(self.folder)
        if marker is None:
            raise BadInputError(f"{self.folder}: is no copy: {MARKER} is missing")
        if marker.promoted:
            raise PromotedError(
                f"copy {self._name} was promoted to be the store at generation {marker.promoted}: this one is no "
                "longer the store. Stop its service and write nothing more here; what came in since goes into the new "
                "store from the delivered files"
            )
        lock = locks.locked(self.folder / "lock", exclusive=True)
        try:
            lock.__enter__()
        except LockedError:
            raise AwayError(f"copy {self._name}: another process works on it") from None
        self._lock = lock
        database = Database.open(self.folder)
        database.hold()
        return Vault.opened(database, open_slot(slot_uri(self.slots, "root")), self._policy().store_id)

    def _policy(self) -> Policy:
        return policies.read(self.folder / GENESIS)

    def _standing(self) -> Standing:
        root = self.vault.load()
        rows = {number: tree.rows for number, tree in root.trees.items()}
        erasing = self.vault.condition() is Condition.ERASING
        return Standing(root.generation, self.vault.database.journal_head(), erasing, rows, self.vault.slot.words())

    def _throw_away(self) -> None:
        if self._draft is not None:
            self._draft.throw_away()
            self._draft = None


class _Draft:
    """Rows that a copy took and no step has stored: one open transaction over the tree of the last generation."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._root = vault.load()
        self._trees = dict(self._root.trees)
        self._open = ExitStack()
        self._transaction = self._open.enter_context(vault.database.transaction())
        self._nodes = Nodes(vault.store_id, self._transaction, flush=self._transaction.store_nodes)

    def take(self, part: Part) -> None:
        """Change a tree. Dropping comes before adding."""
        tree = self._tree(part.tree, part.tag_key)
        deletes = np.concatenate([part.deletes, self._in_buckets(tree, part)])
        self._trees[part.tree] = trees.apply(tree, self._nodes, part.upserts, deletes)

    def store(self, step: Step) -> None:
        """Everything taken, and the step, in one transaction; then read it back."""
        try:
            following = self._following(step)
            written = self._nodes.take()
            self._transaction.store_nodes(written)
            self._vault.store_root(self._transaction, following, step.entry, step.head)
            self._transaction.replace_outbox(step.outbox)
        except BaseException:
            self.throw_away()
            raise
        self._open.close()
        self._vault.reread(self._root, following, written)

    def throw_away(self) -> None:
        """Store nothing."""
        end = _ThrownAwayError()
        self._open.__exit__(_ThrownAwayError, end, None)

    def _following(self, step: Step) -> RootNode:
        before = self._vault.database.journal_head()
        if step.generation != self._root.generation + 1 or step.head != journal.next_head(before, step.entry):
            raise RolledBackError(
                f"{self._vault.database.path}: generation {step.generation} does not follow from generation "
                f"{self._root.generation} here: another store wrote to this copy, or a part was put back"
            )
        forgets_all = not {tree.tag_key for tree in self._root.trees.values()} & set(step.tag_keys.values())
        for number in self._trees.keys() - step.tag_keys.keys():
            if not forgets_all:
                trees.drop_all(self._trees[number], self._nodes)
        kept = {number: self._tree(number, key, forgets_all) for number, key in step.tag_keys.items()}
        return RootNode(step.generation, step.plan_key, step.dedup, kept)

    def _tree(self, number: int, tag_key: bytes, forgets_all: bool = False) -> Tree:
        """The tree under this tag key; one under another goes. Nodes of everyone's forgetting are swept later."""
        tree = self._trees.get(number)
        if tree is None or tree.tag_key != tag_key:
            if tree is not None and not forgets_all:
                trees.drop_all(tree, self._nodes)
            return Tree(tag_key)
        return tree

    def _in_buckets(self, tree: Tree, part: Part) -> Bytes:
        """The tags that stand in the buckets of a part now."""
        if not part.buckets:
            return rows_.tags_from([])
        shift = 16 - part.bits
        low = (part.buckets[0] << shift).to_bytes(2, "big") + bytes(14)
        high = ((part.buckets[-1] << shift) | ((1 << shift) - 1)).to_bytes(2, "big") + b"\xff" * 14
        found = [rows_.tags_from([])]
        for leaf in trees.between(tree, self._nodes, low, high):
            found.append(leaf.tags[np.isin(copying.buckets_of(leaf.tags, part.bits), part.buckets)])
        return np.concatenate(found)


class _ThrownAwayError(Exception):
    """Ends a transaction that is to store nothing."""
