"""The copies of a store as the store sees them: it keeps them in step, and knows durably who is away since when.

    copies.json    {"v":1, "away":{NAME:{"since":Unix seconds, "generation":g}}}: who does not answer, and what it has

A copy that is away stops no commit but one: that of a forgetting of rows. It catches up by digests of its rows, gets
only the buckets that differ, then one step for each generation it lacks.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tree as trees
from unheld_branch.keys.parties.difference import Difference
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store import copying, mirror
from unheld_branch.store.copying import Copy, Part, Standing, Step
from unheld_branch.store.database import Waiting
from unheld_branch.store.journal import Catalog
from unheld_branch.store.replica import Replica
from unheld_branch.store.vault import Vault
from unheld_slots import durable
from unheld_verify import canonical, crypto
from unheld_verify.errors import (
    AwayError,
    BadInputError,
    NoStoreError,
    RolledBackError,
    SealedError,
    StateError,
    StateUnknownError,
    VerificationError,
    WrongKeyError,
)

STATE = "copies.json"
_ABSENT = (AwayError, NoStoreError, SealedError, StateError, VerificationError, WrongKeyError)
PIECE_BYTES = 4 << 20
_PLACED = 64
"""Published statements that a copy's outbox has too: those of the last two publications."""


@dataclass
class Listed:
    """A copy that genesis lists as number `number`. `standing` is None while it is away: `since`, and `why`.

    `generation` is the newest that it is known to have.
    """

    number: int
    copy: Copy
    standing: Standing | None = None
    generation: int = 0
    since: int = 0
    why: str = "was not asked"
    told: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What genesis calls it."""
        return self.copy.name


@dataclass(frozen=True)
class Commit:
    """What a commit brings to copies: rows changed in each tree, its step, and the catalog after it."""

    changed: Mapping[int, Difference]
    step: Step
    catalog: Catalog


class Copies:
    """All listed copies, by their number in genesis. The store's owner holds its lock."""

    def __init__(self, folder: Path, copies: Mapping[int, Copy], now: Callable[[], int]) -> None:
        self._folder = folder
        self._now = now
        self._away = _read(folder / STATE)
        self._listed = [Listed(number, copy) for number, copy in copies.items()]

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    @property
    def vaults(self) -> list[Vault]:
        """The trees of those that are folders of this machine and are here."""
        return [one.copy.vault for one in self.here if isinstance(one.copy, Replica)]

    @property
    def here(self) -> list[Listed]:
        """Those that answer."""
        return [one for one in self._listed if one.standing is not None]

    def recoverable(self, generation: int) -> int:
        """How many of them have this generation."""
        return sum(one.standing.generation == generation for one in self.here if one.standing is not None)

    def lacking(self, released: Collection[int]) -> list[Listed]:
        """Those that a forgetting waits for: away, and not released."""
        return [one for one in self._listed if one.standing is None and one.number not in released]

    def require(self, released: Collection[int]) -> None:
        """See that every copy answers now. Raises AwayError naming who does not, since when."""
        for one in self.here:
            with self._excused(one):
                one.standing = one.copy.standing()
        self._write()
        if missing := self.lacking(released):
            raise AwayError(f"{'; '.join(map(words, missing))}. Nothing was begun: it waits until they are back")

    def meet(self, vault: Vault, root: RootNode, catalog: Catalog) -> None:
        """Ask every copy where it is and bring it what it lacks. Raises RolledBackError when one is ahead."""
        for one in self._listed:
            with self._excused(one, root.generation):
                one.standing = one.copy.standing()
                self._check(one, vault, root)
                self._bring(one, vault, root, catalog)
        self._write()

    def follow(self, commit: Commit) -> None:
        """Bring a commit to every copy that is here, and have it acknowledged."""
        for one in self.here:
            with self._excused(one, commit.step.generation - 1):
                self._ship(one, commit.catalog)
                for part in parts(commit.changed, commit.step.tag_keys):
                    one.copy.rows(part)
                one.standing = one.copy.step(commit.step)
        self._write()

    def finish(self, generation: int) -> None:
        """Have every copy that acknowledged destroy its older root key."""
        for one in self.here:
            with self._excused(one, generation):
                one.standing = one.copy.finish(generation)
                one.generation = generation
        self._write()

    def close(self) -> None:
        """Let go of all of them."""
        for one in self._listed:
            one.copy.close()

    def _check(self, one: Listed, vault: Vault, root: RootNode) -> None:
        """A copy is never ahead, and what it has is what was in the journal then."""
        standing = one.standing
        if standing is None:
            return
        if standing.generation > root.generation:
            raise RolledBackError(
                f"{vault.database.path}: generation {root.generation}, its copy {one.name} has "
                f"{standing.generation}: the store was put back from a snapshot, or another one is the store now; "
                "use the copy"
            )
        heads = {generation: head for generation, _, head in vault.database.journal()}
        if heads[standing.generation] != standing.head:
            raise RolledBackError(
                f"copy {one.name}: its journal of generation {standing.generation} is not this store's: one of the two "
                "went on without the other. Stop; the newer one is the store"
            )

    def _bring(self, one: Listed, vault: Vault, root: RootNode, catalog: Catalog) -> None:
        """Rows by digest, then a step for each generation: the first with the rows, the last after the files."""
        standing = one.standing
        if standing is None:
            return
        if standing.erasing:
            one.standing = standing = one.copy.finish(standing.generation)
        one.generation = standing.generation
        entries = [item for item in vault.database.journal() if item[0] > standing.generation]
        if not entries:
            one.told = set(mirror.named(self._folder, catalog))
            return
        one.told = set()
        wanted = [
            differing(one.copy, number, tree, vault, standing.rows.get(number, 0))
            for number, tree in root.trees.items()
        ]
        waiting, last = outbox(vault), entries[-1][0]
        for generation, entry, head in entries:
            if generation == last:
                self._ship(one, catalog)
            if generation == entries[0][0]:
                for part in chain.from_iterable(found.parts() for found in wanted):
                    one.copy.rows(part)
            one.copy.step(copying.step_of(root, generation, entry, head, waiting))
            one.standing = one.copy.finish(generation)
            one.generation = generation
        self._verify(one, root)

    def _verify(self, one: Listed, root: RootNode) -> None:
        counts = {number: tree.rows for number, tree in root.trees.items()}
        if one.standing is not None and dict(one.standing.rows) != counts:
            raise StateUnknownError(f"copy {one.name}: has other rows than it was sent; open the store again")

    def _ship(self, one: Listed, catalog: Catalog) -> None:
        """The files that it lacks."""
        new = set(mirror.named(self._folder, catalog)) - one.told
        for path in one.copy.missing(mirror.side(self._folder), sorted(new)):
            self._send(one.copy, path)
        one.told |= new

    def _send(self, copy: Copy, path: str) -> None:
        running, at = crypto.RunningSha256(), 0
        with (self._folder / path).open("rb") as file:
            piece = file.read(PIECE_BYTES)
            while True:
                running.update(piece)
                following = file.read(PIECE_BYTES)
                copy.file(path, at, piece, "" if following else running.digest().hex())
                if not following:
                    return
                at, piece = at + len(piece), following

    def _excused(self, one: Listed, generation: int = 0) -> _Excused:
        return _Excused(self, one, generation)

    def gone(self, one: Listed, why: str, generation: int) -> None:
        """Note that a copy does not answer."""
        known = self._away.get(one.name)
        one.since, has = known or (self._now(), one.generation or generation)
        one.standing, one.why, one.generation = None, why, has
        self._away[one.name] = (one.since, has)

    def _write(self) -> None:
        """Keep who is away on the disk, when that changed."""
        away = {name: held for name, held in self._away.items() if name not in {one.name for one in self.here}}
        listed = {name: {"since": since, "generation": has} for name, (since, has) in away.items()}
        self._away = away
        if _read(self._folder / STATE) != away:
            durable.write_file(self._folder / STATE, canonical.encode({"v": 1, "away": listed}))


class _Excused:
    """Take the absence of one copy for what it is, and go on. A copy that is there and cannot follow is away, too.

    One that another store wrote to is not excused: then this is not the store.
    """

    def __init__(self, copies: Copies, one: Listed, generation: int) -> None:
        self._copies, self._one, self._generation = copies, one, generation

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, _ABSENT) and not isinstance(error, RolledBackError):
            self._copies.gone(self._one, str(error), self._generation)
            return True
        return False


def parts(changed: Mapping[int, Difference], tag_keys: Mapping[int, bytes]) -> Iterator[Part]:
    """The rows of a commit, cut to fit letters."""
    for number, part in changed.items():
        yield from copying.parts_of(number, tag_keys[number], part.upserts, part.deletes)


@dataclass(frozen=True)
class Differing:
    """The buckets of a tree in which a copy has other rows."""

    vault: Vault
    number: int
    tree: Tree
    bits: int
    buckets: Sequence[int]

    def parts(self) -> Iterator[Part]:
        """What these buckets hold here, bounded in memory. One part at least, so that an empty tree comes to be."""
        nodes = self.vault.nodes()
        for group in _groups(self.buckets):
            chosen = set(group)
            leaves = trees.between(self.tree, nodes, *_ends(group[0], group[-1], self.bits))
            rows = [rows for at, rows in copying.by_bucket(leaves, self.bits) if at in chosen]
            yield self._part(rows_.join(rows), tuple(group))
        if not self.buckets:
            yield self._part(rows_.empty(), ())

    def _part(self, rows: rows_.Rows, buckets: tuple[int, ...]) -> Part:
        return Part(self.number, self.tree.tag_key, rows, rows_.tags_from([]), self.bits, buckets)


def differing(copy: Copy, number: int, tree: Tree, vault: Vault, held: int) -> Differing:
    """Compare a tree by digests of its buckets. `held` is how many rows the copy says it has."""
    bits, key = copying.bits_for(max(tree.rows, held)), crypto.random_bytes(32)
    theirs = copy.sums(number, bits, key, tree.tag_key)
    ours = copying.sums(trees.walk(tree, vault.nodes()), bits, key)
    spans = [slice(at * copying.SUM_BYTES, (at + 1) * copying.SUM_BYTES) for at in range(1 << bits)]
    buckets = [at for at, span in enumerate(spans) if ours[span] != theirs[span]]
    return Differing(vault, number, tree, bits, buckets)


def _groups(wanted: Sequence[int]) -> Iterator[Sequence[int]]:
    """Buckets by the 64, so that a part has some 16,000 rows."""
    return (wanted[at : at + 64] for at in range(0, len(wanted), 64))


def _ends(first: int, last: int, bits: int) -> tuple[bytes, bytes]:
    shift = 16 - bits
    return (first << shift).to_bytes(2, "big") + bytes(14), (((last + 1) << shift) - 1).to_bytes(
        2, "big"
    ) + b"\xff" * 14


def outbox(vault: Vault) -> list[Waiting]:
    """The statements that a copy needs: those that wait for the log, and the last that were published."""
    held = vault.database.outbox()
    placed = sorted((item for item in held if item.index is not None), key=lambda item: item.index or 0)
    return [*placed[-_PLACED:], *(item for item in held if item.index is None)]


def words(one: Listed) -> str:
    """Who is away, since when, and why."""
    return f"copy {one.name} is away since {moment(one.since)} ({one.why})"


def moment(seconds: int) -> str:
    """A time as people read it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _read(path: Path) -> dict[str, tuple[int, int]]:
    if not path.is_file():
        return {}
    try:
        said = canonical.decode(path.read_bytes())
        found = {name: (held["since"], held["generation"]) for name, held in said["away"].items()}
    except (BadInputError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{path}: cannot be read ({error}); put it back from a copy of the store") from None
    if any(type(number) is not int or not 0 <= number < 2**53 for pair in found.values() for number in pair):
        raise BadInputError(f"{path}: times or generations are no numbers; put it back from a copy of the store")
    return found
