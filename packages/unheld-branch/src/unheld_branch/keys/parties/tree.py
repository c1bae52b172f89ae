"""A copy-on-write B+-tree of rows: one change rewrites the nodes on its paths, each under a fresh key.

`Tree` is a value: a change gives a new one, and the old one still reads while its nodes are kept. What a change writes
waits in `Nodes` for one transaction. Formats: `docs/spec/node.md`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties.nodes import ID_BYTES, KEY_BYTES, Nodes, Ref
from unheld_branch.keys.parties.rows import LEAF_ROWS, TAG_BYTES, Bytes, Index, Mask, Rows
from unheld_verify.errors import BadInputError, StateError

INNER_KIND = b"\x02"
INNER_CHILDREN = 256
# A split leaves a quarter of the room free, so that the next additions do not split again.
LEAF_FILL, INNER_FILL = 576, 192
_ENTRY_BYTES = TAG_BYTES + ID_BYTES + KEY_BYTES
# Opened at once on the way down: bounds memory, and saves queries.
_BATCH = 64


@dataclass(frozen=True)
class Tree:
    """One tree: its tag key, its topmost node (none while it is empty), levels of nodes, number of rows."""

    tag_key: bytes = field(repr=False)
    root: Ref | None = None
    depth: int = 0
    rows: int = 0


def lookup(tree: Tree, nodes: Nodes, tags: Bytes) -> tuple[Rows, Mask]:
    """(rows of the tags that are there, in the order asked; which of `tags` are there). Any order, repeats allowed."""
    by_tag = np.argsort(rows_.order(tags))
    found, hits = [], [np.zeros(0, np.bool_)]
    for leaf, wanted in _leaves_of(tree, nodes, tags.take(by_tag, axis=0)):
        at = leaf.at(wanted)
        hits.append(at >= 0)
        found.append(leaf.take(at[at >= 0]))
    hit = np.zeros(len(tags), np.bool_)
    hit[by_tag[: sum(map(len, hits))]] = np.concatenate(hits)
    return rows_.join(found).reorder(np.argsort(by_tag[hit[by_tag]])), hit


def walk(tree: Tree, nodes: Nodes) -> Iterator[Rows]:
    """Every leaf in ascending order; holds a few leaves at a time. Raises StateError if order or count are wrong."""
    last, count = b"", 0
    for leaf in _below(nodes, nodes.read([tree.root])[0], tree.depth) if tree.root else ():
        if leaf.tags[0].tobytes() <= last:
            raise StateError("leaves of the party tree are not in order: restore the tree from a copy")
        last = leaf.tags[-1].tobytes()
        count += len(leaf)
        yield leaf
    if count != tree.rows:
        raise StateError(f"the party tree holds {count} rows, its root says {tree.rows}: restore the tree from a copy")


def between(tree: Tree, nodes: Nodes, low: bytes, high: bytes) -> Iterator[Rows]:
    """The leaves that may hold tags from `low` to `high` (both of 16 bytes, inclusive), in ascending order."""
    if tree.root is not None:
        yield from _between(nodes, nodes.read([tree.root])[0], tree.depth, low, high)


def touch(tree: Tree, nodes: Nodes, written: Container[bytes]) -> None:
    """Open one path from the top to a leaf, through nodes just `written` where there are some.

    Raises StateError or WrongKeyError if it does not open.
    """
    ref = tree.root
    for height in range(tree.depth, 0, -1):
        (data,) = nodes.read([ref] if ref else [])
        if height == 1:
            rows_.decode_leaf(data)
        else:
            below = children(data)
            ref = next((child for child in below if child.id in written), below[-1])


def apply(tree: Tree, nodes: Nodes, upserts: Rows, deletes: Bytes | None = None) -> Tree:
    """The tree after dropping the rows of `deletes` (absent ones are ignored), then adding or replacing `upserts`.

    Rewrites the nodes on the changed paths, no others. Raises BadInputError if a tag is given twice in `upserts`.
    """
    upserts = upserts.sort()
    unwanted = rows_.tags_from([]) if deletes is None else _distinct(deletes)
    if tree.root is None:
        return _grown(tree, nodes, _write_leaves(nodes, upserts, bytes(TAG_BYTES)), 0, len(upserts))
    top = _entry(bytes(TAG_BYTES), tree.root)
    entries, gained = _change(nodes, top, nodes.read([tree.root])[0], tree.depth, upserts, unwanted)
    if entries is top:
        return tree
    return _grown(tree, nodes, entries, tree.depth, tree.rows + gained)


def drop_all(tree: Tree, nodes: Nodes) -> Tree:
    """The empty tree with the same tag key; every node becomes dead. Reads inner nodes only."""
    level = [tree.root] if tree.root else []
    for height in range(tree.depth, 0, -1):
        below: list[Ref] = []
        for start in range(0, len(level), _BATCH):
            refs = level[start : start + _BATCH]
            for data in nodes.read(refs) if height > 1 else ():
                below += _refs(decode_inner(data))
            for ref in refs:
                nodes.drop(ref.id)
        level = below
    return Tree(tree.tag_key)


def node_ids(tree: Tree, nodes: Nodes) -> set[bytes]:
    """The ids of every node of a tree. Reads inner nodes only."""
    level = [tree.root] if tree.root else []
    ids = {ref.id for ref in level}
    for _ in range(tree.depth - 1):
        level = [child for ref in level for child in children(nodes.read([ref])[0])]
        ids |= {ref.id for ref in level}
    return ids


def children(data: bytes) -> list[Ref]:
    """The children that an opened inner node leads to."""
    return _refs(decode_inner(data))


def encode_inner(entries: Bytes) -> bytes:
    """Bytes of an inner node: entries of lowest tag 16 ‖ child id 16 ‖ child key 32, the first tag as zeros."""
    body = entries.tobytes()
    return INNER_KIND + len(entries).to_bytes(2, "big") + bytes(TAG_BYTES) + body[TAG_BYTES:]


def decode_inner(data: bytes) -> Bytes:
    """The entries of an inner node. Raises StateError unless encoding them again would give the same bytes."""
    count = int.from_bytes(data[1:3], "big")
    if data[:1] != INNER_KIND or not 1 <= count <= INNER_CHILDREN or len(data) != 3 + count * _ENTRY_BYTES:
        raise StateError("an inner node of the party tree has another form than it says: restore the tree from a copy")
    entries = np.frombuffer(data, np.uint8, offset=3).reshape(count, _ENTRY_BYTES)
    if entries[0, :TAG_BYTES].any() or not rows_.ascending(rows_.order(entries[:, :TAG_BYTES])):
        raise StateError("an inner node of the party tree is not in order: restore the tree from a copy")
    return entries


def _leaves_of(tree: Tree, nodes: Nodes, tags: Bytes) -> Iterator[tuple[Rows, Bytes]]:
    """Each leaf that may hold some of the sorted `tags`, with those tags, in order."""
    if tree.root is not None and len(tags):
        yield from _towards(nodes, nodes.read([tree.root])[0], tree.depth, tags)


def _towards(nodes: Nodes, data: bytes, height: int, tags: Bytes) -> Iterator[tuple[Rows, Bytes]]:
    if height == 1:
        yield rows_.decode_leaf(data), tags
        return
    entries = decode_inner(data)
    cuts = _route(entries, tags)
    for child, opened in _opened(nodes, entries, np.flatnonzero(cuts[1:] > cuts[:-1])):
        yield from _towards(nodes, opened, height - 1, tags[cuts[child] : cuts[child + 1]])


def _below(nodes: Nodes, data: bytes, height: int) -> Iterator[Rows]:
    if height == 1:
        yield rows_.decode_leaf(data)
        return
    entries = decode_inner(data)
    for _, opened in _opened(nodes, entries, np.arange(len(entries))):
        yield from _below(nodes, opened, height - 1)


def _between(nodes: Nodes, data: bytes, height: int, low: bytes, high: bytes) -> Iterator[Rows]:
    if height == 1:
        yield rows_.decode_leaf(data)
        return
    entries = decode_inner(data)
    ends = np.array([low, high], f"S{TAG_BYTES}")
    first, last = np.searchsorted(rows_.order(entries[1:, :TAG_BYTES]), ends, side="right").tolist()
    for _, opened in _opened(nodes, entries, np.arange(first, last + 1)):
        yield from _between(nodes, opened, height - 1, low, high)


def _opened(nodes: Nodes, entries: Bytes, children: Index) -> Iterator[tuple[int, bytes]]:
    refs = _refs(entries[children])
    for start in range(0, len(refs), _BATCH):
        some = slice(start, start + _BATCH)
        yield from zip(children[some].tolist(), nodes.read(refs[some]), strict=True)


def _route(entries: Bytes, tags: Bytes) -> Index:
    """Bounds of the slices of sorted `tags` that belong to each child: child i has bounds[i]..bounds[i + 1]."""
    inside = np.searchsorted(rows_.order(tags), rows_.order(entries[1:, :TAG_BYTES]))
    return np.concatenate(([0], inside, [len(tags)]))


def _change(nodes: Nodes, entry: Bytes, data: bytes, height: int, upserts: Rows, deletes: Bytes) -> tuple[Bytes, int]:
    """(entries that take the place of `entry`, rows gained). The same `entry` back means that nothing changed."""
    if height == 1:
        return _change_leaf(nodes, entry, data, upserts, deletes)
    children = decode_inner(data)
    added, removed = _route(children, upserts.tags), _route(children, deletes)
    touched = np.flatnonzero((added[1:] > added[:-1]) | (removed[1:] > removed[:-1]))
    parts, gained, done, changed = [], 0, 0, False
    for child, opened in _opened(nodes, children, touched):
        old = children[child : child + 1]
        wanted = upserts.part(int(added[child]), int(added[child + 1]))
        new, more = _change(nodes, old, opened, height - 1, wanted, deletes[removed[child] : removed[child + 1]])
        parts += [children[done:child], new]
        gained, done, changed = gained + more, child + 1, changed or new is not old
    if not changed:
        return entry, 0
    nodes.drop(_ref(entry[0]).id)
    return _write_inners(nodes, np.concatenate([*parts, children[done:]]), _low(entry)), gained


def _change_leaf(nodes: Nodes, entry: Bytes, data: bytes, upserts: Rows, deletes: Bytes) -> tuple[Bytes, int]:
    old = rows_.decode_leaf(data)
    kept = np.ones(len(old), np.bool_)
    for tags in (deletes, upserts.tags):
        at = old.at(tags)
        kept[at[at >= 0]] = False
    if kept.all() and not len(upserts):
        return entry, 0
    new = old if kept.all() else old.take(kept)
    if len(upserts):
        new = rows_.join([new, upserts]).sort()
    nodes.drop(_ref(entry[0]).id)
    return _write_leaves(nodes, new, _low(entry)), len(new) - len(old)


def _grown(tree: Tree, nodes: Nodes, entries: Bytes, depth: int, count: int) -> Tree:
    """The tree over `entries` at height `depth`: higher while they are many, lower while a root has one child."""
    if not len(entries):
        return Tree(tree.tag_key)
    depth = max(depth, 1)
    while len(entries) > 1:
        entries, depth = _write_inners(nodes, entries, bytes(TAG_BYTES)), depth + 1
    while depth > 1:
        (data,) = nodes.read([_ref(entries[0])])
        children = decode_inner(data)
        if len(children) > 1:
            break
        nodes.drop(_ref(entries[0]).id)
        entries, depth = children, depth - 1
    return Tree(tree.tag_key, _ref(entries[0]), depth, count)


def _write_leaves(nodes: Nodes, rows: Rows, low: bytes) -> Bytes:
    """Entries of the leaves that hold the sorted `rows`, the first covering tags from `low` on."""
    entries = []
    for start, end in _parts(len(rows), LEAF_ROWS, LEAF_FILL):
        ref = nodes.write(rows_.encode_leaf(rows.part(start, end)))
        entries.append(_entry(rows.tags[start].tobytes() if start else low, ref))
    return np.concatenate(entries) if entries else np.zeros((0, _ENTRY_BYTES), np.uint8)


def _write_inners(nodes: Nodes, children: Bytes, low: bytes) -> Bytes:
    """Entries of the inner nodes over `children`, the first covering tags from `low` on."""
    entries = []
    for start, end in _parts(len(children), INNER_CHILDREN, INNER_FILL):
        ref = nodes.write(encode_inner(children[start:end]))
        entries.append(_entry(_low(children[start:end]) if start else low, ref))
    return np.concatenate(entries) if entries else children[:0]


def _parts(count: int, most: int, fill: int) -> list[tuple[int, int]]:
    """One part if it fits; else the fewest parts of at most `fill`, as equal as can be, larger ones first."""
    number = min(count, 1) if count <= most else -(-count // fill)
    size, rest = divmod(count, number) if number else (0, 0)
    bounds = [size * part + min(part, rest) for part in range(number + 1)]
    return list(pairwise(bounds))


def _distinct(tags: Bytes) -> Bytes:
    if tags.dtype != np.uint8 or tags.ndim != 2 or tags.shape[1] != TAG_BYTES:
        raise BadInputError(f"tags to delete: n x {TAG_BYTES} bytes are needed, not {tags.shape} {tags.dtype}")
    _, first = np.unique(rows_.order(tags), return_index=True)
    return tags.take(first, axis=0)


def _entry(low: bytes, ref: Ref) -> Bytes:
    return np.frombuffer(low + ref.id + ref.key, np.uint8).reshape(1, _ENTRY_BYTES)


def _low(entries: Bytes) -> bytes:
    return entries[0, :TAG_BYTES].tobytes()


def _ref(entry: Bytes) -> Ref:
    data = entry.tobytes()
    return Ref(data[TAG_BYTES : TAG_BYTES + ID_BYTES], data[TAG_BYTES + ID_BYTES :])


def _refs(entries: Bytes) -> list[Ref]:
    return [_ref(entry) for entry in entries]
