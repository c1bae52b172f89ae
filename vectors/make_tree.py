"""Writes `tree.json`: vectors of `docs/spec/node.md` (tags, labels, commitments, nodes, the root node, whole trees).

Randomness is replaced by `Draws`: draw number c of n bytes = the first n bytes of SHA-256(label ‖ c u32 ‖ 0 u32) ‖
SHA-256(label ‖ c u32 ‖ 1 u32) ‖ …; c counts from 0. A node draws its key first, then its id.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from unheld_branch.keys.parties import commitments, root, rows, tags, tree
from unheld_branch.keys.parties.nodes import Changes, Nodes
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.keys.parties.tree import Tree
from unheld_verify import canonical, crypto

STORE_ID = bytes(range(16))
TAG_KEY = bytes(range(32))
IDENTITIES = ("tel:+959123456789", "imsi:414010123456789", "short:1331", 'alpha:"KBZ PAY"', "sub:A-1_b.2")


class Draws:
    """A repeatable source of bytes, for vectors only."""

    def __init__(self, label: bytes) -> None:
        self._label, self._count = label, 0

    def __call__(self, count: int) -> bytes:
        """The next draw."""
        prefix = self._label + self._count.to_bytes(4, "big")
        self._count += 1
        blocks = range(-(-count // 32))
        return b"".join(crypto.sha256(prefix, block.to_bytes(4, "big")) for block in blocks)[:count]


class MemoryStore(dict[bytes, bytes]):
    """Sealed nodes in memory."""

    def get_many(self, node_ids: Any) -> dict[bytes, bytes]:
        """Sealed nodes by id."""
        return {node_id: self[node_id] for node_id in node_ids}

    def save(self, changes: Changes) -> None:
        """Store what a commit changed."""
        self.update(changes.new)
        for node_id in changes.dead:
            del self[node_id]


def row(number: int, part: str, width: int) -> bytes:
    """Field `part` of row `number` in the tree vectors: the first bytes of SHA-256(part ‖ number u32)."""
    return crypto.sha256(part.encode(), number.to_bytes(4, "big"))[:width]


def numbered_rows(numbers: range) -> Rows:
    """Rows of the tree vectors: row i begins at second i, never ends, and links to row i + 1 where i is even."""

    def column(part: str, width: int, of: list[int]) -> rows.Bytes:
        return np.frombuffer(b"".join(row(i, part, width) for i in of), np.uint8).reshape(-1, width)

    every, even = list(numbers), [i for i in numbers if i % 2 == 0]
    links = rows.make_extras(column("tag", 16, even), rows.LINK, column("tag", 16, [i + 1 for i in even]))
    since = np.array(every, np.uint32)
    return rows.make(
        column("tag", 16, every), column("key", 32, every), column("label", 16, every), since, extras=links
    )


def tag_vectors() -> list[dict[str, Any]]:
    """Tags of present and earlier holders."""
    return [
        {
            "tag_key": TAG_KEY.hex(),
            "identity": identity,
            "ended": ended,
            "tag": tags.tags(TAG_KEY, [identity], ended).tobytes().hex(),
        }
        for identity in IDENTITIES
        for ended in (0, 1_751_328_000)
    ]


def commitment_vectors() -> dict[str, Any]:
    """Labels, holder checks, and one padded list of commitments."""
    some = numbered_rows(range(len(IDENTITIES)))
    leaves = commitments.leaves(some, IDENTITIES, Draws(b"commitments"))
    public, salt = row(1, "public", 32), row(1, "salt", 16)
    return {
        "label": {"public": public.hex(), "salt": salt.hex(), "label": tags.label(public, salt).hex()},
        "holder": {
            "key": row(0, "key", 32).hex(),
            "id": "12/ABC(N)3",
            "check": tags.holder_check(row(0, "key", 32), "12/ABC(N)3").hex(),
        },
        "draws": "commitments",
        "rows": [
            {
                "key": key.tobytes().hex(),
                "label": label.tobytes().hex(),
                "identity": identity,
                "since": int(since),
                "r": (r := commitments.opening_key(key.tobytes())).hex(),
                "commitment": commitments.commitment(r, label.tobytes(), identity, int(since)).hex(),
            }
            for key, label, since, identity in zip(some.keys, some.labels, some.since, IDENTITIES, strict=True)
        ],
        "leaves": [leaf.hex() for leaf in leaves],
        "root": commitments.root(leaves).hex(),
    }


def node_vectors() -> list[dict[str, Any]]:
    """A leaf of three rows and an inner node of two children, in clear and sealed."""
    inner = np.frombuffer(
        bytes(16) + row(1, "id", 16) + row(1, "k", 32) + b"\x80" * 16 + row(2, "id", 16) + row(2, "k", 32), np.uint8
    )
    plain = [
        rows.encode_leaf(numbered_rows(range(3)).take(np.arange(2)).sort()),
        tree.encode_inner(inner.reshape(2, 64)),
    ]
    nodes = Nodes(STORE_ID, MemoryStore(), random=Draws(b"nodes"))
    refs = [nodes.write(data) for data in plain]
    sealed = dict(nodes.take().new)
    return [
        {
            "store": STORE_ID.hex(),
            "id": ref.id.hex(),
            "key": ref.key.hex(),
            "plaintext": data.hex(),
            "sealed": sealed[ref.id].hex(),
        }
        for ref, data in zip(refs, plain, strict=True)
    ]


def tree_vectors() -> list[dict[str, Any]]:
    """Two commits on one tree: 0..1500 added, then 0, 7, 14 … dropped while 1500..2400 are added."""
    store = MemoryStore()
    nodes = Nodes(STORE_ID, store, random=Draws(b"tree"))
    gone = rows.tags_from([row(i, "tag", 16) for i in range(0, 1500, 7)])
    steps, current = [], Tree(TAG_KEY)
    for added, dropped in ((range(1500), None), (range(1500, 2400), gone)):
        current = tree.apply(current, nodes, numbered_rows(added), dropped)
        changes = nodes.take()
        store.save(changes)
        steps.append(
            {
                "added": [added.start, added.stop],
                "dropped_every": 0 if dropped is None else 7,
                "root": {"id": current.root.id.hex(), "key": current.root.key.hex()} if current.root else {},
                "depth": current.depth,
                "rows": current.rows,
                "written": [[node_id.hex(), crypto.sha256(body).hex()] for node_id, body in changes.new],
                "dead": sorted(node_id.hex() for node_id in changes.dead),
            }
        )
    return steps


def root_vectors() -> dict[str, Any]:
    """A root node with a full and an empty tree, and the plan key one step on."""
    nodes = Nodes(STORE_ID, MemoryStore(), random=Draws(b"root"))
    full = tree.apply(Tree(TAG_KEY), nodes, numbered_rows(range(2)))
    value = RootNode(7, row(0, "plan", 32), {20_640: row(0, "dedup", 32)}, {0: full, 202_607: Tree(row(0, "t", 32))})
    secret = row(0, "secret", 32)
    sealed = root.seal(value, secret, STORE_ID, Draws(b"nonce"))
    plain = crypto.unseal(secret, sealed, b"unheld/v1/root" + STORE_ID + (7).to_bytes(8, "big"))
    return {
        "store": STORE_ID.hex(),
        "secret": secret.hex(),
        "plain": canonical.decode(plain),
        "sealed": sealed.hex(),
        "next_plan_key": root.step_plan_key(value.plan_key).hex(),
    }


def make() -> str:
    """The text of `tree.json`."""
    vectors = {
        "comment": "Made by make_tree.py, which says how rows and random bytes are drawn. Formats: docs/spec/node.md",
        "tags": tag_vectors(),
        "commitments": commitment_vectors(),
        "nodes": node_vectors(),
        "tree": {"store": STORE_ID.hex(), "draws": "tree", "steps": tree_vectors()},
        "root": root_vectors(),
    }
    return json.dumps(vectors, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("tree.json").write_text(make())
