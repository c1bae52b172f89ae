"""What changed between two trees of one store, found by descending only where node ids differ.

Nodes are never changed, so equal ids mean equal rows below: the cost follows the change, not the tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tree as trees
from unheld_branch.keys.parties.nodes import Nodes, Ref
from unheld_branch.keys.parties.rows import Bytes, Rows
from unheld_branch.keys.parties.tree import Tree


@dataclass(frozen=True)
class Difference:
    """Rows to add or replace, and tags to drop, that lead from one tree to another."""

    upserts: Rows
    deletes: Bytes


def difference(old: Tree, new: Tree, nodes: Nodes) -> Difference:
    """The change from `old` to `new`. Both trees' nodes must still be readable."""
    before, after = _changed_leaves(old, new, nodes)
    gone = rows_.positions(np.sort(rows_.order(after.tags)), rows_.order(before.tags)) < 0
    kept = _same(before, after)
    return Difference(after.take(~kept), before.tags[gone])


def _changed_leaves(old: Tree, new: Tree, nodes: Nodes) -> tuple[Rows, Rows]:
    height = max(old.depth, new.depth)
    left = [old.root] if old.root and old.depth == height else []
    right = [new.root] if new.root and new.depth == height else []
    while height > 1:
        left, right = _only(left, right), _only(right, left)
        left, right = _children(nodes, left), _children(nodes, right)
        height -= 1
        left += [old.root] if old.root and old.depth == height else []
        right += [new.root] if new.root and new.depth == height else []
    left, right = _only(left, right), _only(right, left)
    return _rows(nodes, left), _rows(nodes, right)


def _only(refs: list[Ref], others: list[Ref]) -> list[Ref]:
    known = {ref.id for ref in others}
    return [ref for ref in refs if ref.id not in known]


def _children(nodes: Nodes, refs: list[Ref]) -> list[Ref]:
    return [child for data in nodes.read(refs) for child in trees.children(data)]


def _rows(nodes: Nodes, refs: list[Ref]) -> Rows:
    return rows_.join([rows_.decode_leaf(data) for data in nodes.read(refs)]).sort()


def _same(before: Rows, after: Rows) -> rows_.Mask:
    """Which rows of `after` stand unchanged in `before`, extras included."""
    at = before.at(after.tags)
    kept = at >= 0
    for name in ("keys", "labels", "since", "ended"):
        left, right = getattr(before, name)[at[kept]], getattr(after, name)[kept]
        same = left == right
        kept[kept] = same.all(axis=1) if same.ndim > 1 else same
    touched = _extras_of(before) ^ _extras_of(after)
    changed = {item[: rows_.TAG_BYTES] for item in touched}
    return kept & np.array([tag.tobytes() not in changed for tag in after.tags], np.bool_).reshape(len(after))


def _extras_of(rows: Rows) -> set[bytes]:
    return {record.tobytes() for record in rows.extras}
