"""Check: trusts only the files, and says what is missing, extra, altered or rolled back. It never repairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unheld_branch.keys.parties import commitments
from unheld_branch.keys.parties import tree as trees
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.store import files, journal, mark
from unheld_branch.store.following import differing
from unheld_branch.store.journal import Entry
from unheld_branch.store.replica import Replica
from unheld_branch.store.store import Store
from unheld_branch.store.vault import Vault
from unheld_verify import canonical, crypto
from unheld_verify.errors import BadInputError, UnheldError, VerificationError

# What may lie in a store's own folder.
_AT_HOME = (
    "genesis.json", "catalog.db", "catalog.db-wal", "catalog.db-shm", "lock", "open-*.sealed", "parking-keys.json",
    "database.toml", "opened.json", "refused-plans.json", "copies.json", "format.json", "sets", "attestations",
    "pending", "blocks", "parked", "rows", "totals", "inventory.json", "unheld.toml", "copies.pins.json", "copy.json",
    "branch-*.sealed",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something that is not as the journal says. `kind`: missing, extra, altered or rolled back."""

    kind: str
    place: str
    words: str


@dataclass(frozen=True)
class Checked:
    """What was compared, as figures, and every finding."""

    entries: int
    nodes: int
    files: int
    bytes_read: int
    copies: int
    findings: tuple[Finding, ...]


def check(store: Store, percent: int = 100) -> Checked:
    """Compare everything; `percent` of the column files are read to the last byte, the others only looked for."""
    findings: list[Finding] = []
    entries = store.vault.database.journal()
    findings += _journal(store, entries)
    nodes = 0
    for vault in (store.vault, *store.copies.vaults):
        count, found = _tree(vault)
        nodes += count
        findings += found
    read, found = _files(store, percent)
    findings += [*_far(store), *found, *_mark(store), *_parked(store), *_rows(store, entries), *_extra(store)]
    count = len(store.catalog.live_files())
    return Checked(len(entries), nodes, count, read, len(store.copies), tuple(findings))


def _journal(store: Store, entries: list[tuple[int, bytes, bytes]]) -> Iterator[Finding]:
    try:
        journal.fold(store.policy, entries)
    except VerificationError as error:
        yield Finding("altered", "journal", str(error))
    for copy in store.copies.vaults:
        if copy.database.journal() != entries:
            yield Finding("altered", str(copy.database.path), "the copy's journal differs from the store's")


def _far(store: Store) -> Iterator[Finding]:
    """Compare copies on other machines by digests of their rows, under keys drawn for this."""
    for one in store.copies.here:
        if isinstance(one.copy, Replica) or one.standing is None:
            continue
        if (one.standing.generation, one.standing.head) != (store.catalog.generation, store.catalog.head):
            yield Finding("altered", one.name, "the copy's journal differs from the store's: do not promote it")
            continue
        try:
            rows = one.standing.rows
            trees_ = store.root.trees.items()
            found = [differing(one.copy, number, tree, store.vault, rows.get(number, 0)) for number, tree in trees_]
        except UnheldError as error:
            yield Finding("missing", one.name, f"the copy did not say what its rows are: {error}")
            continue
        if count := sum(len(each.buckets) for each in found):
            yield Finding("altered", one.name, f"the copy has other rows in {count} places: do not promote it")


def _tree(vault: Vault) -> tuple[int, list[Finding]]:
    """Walk every tree; compare the nodes it reaches with those stored."""
    place = str(vault.database.path)
    try:
        root = vault.load()
        reached = _reached(vault, root)
    except UnheldError as error:
        return 0, [Finding("altered", place, str(error))]
    stored = vault.database.node_ids()
    findings = []
    if extra := len(stored - reached):
        findings.append(Finding("extra", place, f"{extra} nodes that no tree leads to"))
    return len(stored), findings


def _reached(vault: Vault, root: RootNode) -> set[bytes]:
    nodes, reached = vault.nodes(), set[bytes]()
    for tree in root.trees.values():
        rows = sum(len(leaf) for leaf in trees.walk(tree, nodes))
        if rows != tree.rows:
            raise VerificationError(f"a tree holds {rows} rows, its root says {tree.rows}")
        reached |= trees.node_ids(tree, nodes)
    return reached


def _files(store: Store, percent: int) -> tuple[int, list[Finding]]:
    read, findings = 0, []
    for number, file in enumerate(sorted(store.catalog.live_files(), key=lambda item: item.path)):
        path = store.folder / file.path
        if not path.is_file():
            findings.append(Finding("missing", file.path, "the journal names it; restore it from a backup"))
        elif number * percent % 100 >= percent:
            continue
        else:
            read += path.stat().st_size
            findings += _contents(store.folder, file)
    return read, findings


def _contents(root: Path, file: files.ColumnFile) -> Iterator[Finding]:
    try:
        blocks = files.read(root, file)
    except (VerificationError, BadInputError) as error:
        yield Finding("altered", file.path, str(error).removeprefix(f"{file.path}: "))
        return
    if len(blocks.blocks) != file.blocks:
        yield Finding("altered", file.path, f"it holds {len(blocks.blocks)} blocks, the journal says {file.blocks}")
    ids = blocks.ids.tobytes()
    ordered = sorted(ids[i : i + 16] for i in range(0, len(ids), 16))
    if b"".join(ordered) != ids:
        yield Finding("altered", file.path, "its blocks are not sorted by id")


def _mark(store: Store) -> Iterator[Finding]:
    marked, said = mark.read(store.folder, mark.STORE), store.catalog.format
    if marked != said:
        mend = "the next change of the store marks it again" if marked < said else "apply its upgrade plan again"
        yield Finding("altered", mark.FILE, f"it says format {marked}, the journal says {said}: {mend}")


def _parked(store: Store) -> Iterator[Finding]:
    for batch in store.catalog.waiting():
        path = store.folder / batch.path
        if not path.is_file():
            yield Finding("missing", batch.path, "a parked batch; restore it from a backup")
        elif crypto.file_sha256(path).hex() != batch.sha256:
            yield Finding("altered", batch.path, "a parked batch that is not the one the journal names")


def _rows(store: Store, entries: Iterable[tuple[int, bytes, bytes]]) -> Iterator[Finding]:
    """The leaves of row commitments must give the root that the journal names."""
    for generation, data, _ in entries:
        entry: Entry = canonical.decode(data)
        if not entry.get("rows"):
            continue
        path = store.folder / "rows" / f"{generation}.bin"
        if not path.is_file():
            yield Finding("missing", f"rows/{generation}.bin", "row commitments of a commit")
        elif not _leads_to(path, entry):
            yield Finding("altered", f"rows/{generation}.bin", "its leaves do not give the root the journal names")


def _leads_to(path: Path, entry: Mapping[str, object]) -> bool:
    try:
        return commitments.root(commitments.decode(path.read_bytes())).hex() == entry["rows"]
    except BadInputError:
        return False


def _extra(store: Store) -> Iterator[Finding]:
    named = {file.path for file in store.catalog.live_files()}
    for path in files.orphans(store.folder, named):
        yield Finding(
            "extra", str(path.relative_to(store.folder)), "the journal does not name it; the next close removes it"
        )
    for path in sorted(store.folder.iterdir()):
        if not any(path.match(pattern) for pattern in _AT_HOME):
            yield Finding("extra", path.name, "no part of a store is called so; look at it, then take it away")
    waiting = {batch.path for batch in store.catalog.waiting()}
    for path in sorted((store.folder / "parked").glob("*.parked")):
        if str(path.relative_to(store.folder)) not in waiting:
            yield Finding("extra", str(path.relative_to(store.folder)), "a parked batch the journal does not name")
