"""The root node: the one thing sealed under the root slot, and the way to everything else (`docs/spec/node.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unheld_branch.keys.parties.nodes import ID_BYTES, KEY_BYTES, Random, Ref
from unheld_branch.keys.parties.tree import Tree
from unheld_verify import canonical, crypto, formats
from unheld_verify.errors import BadInputError, NewerError, StateError, WrongKeyError

_LABEL = b"unheld/v1/root"
_PLAN_STEP = b"unheld/v1/plan-step"
_VERSION = 1
_TREE_FIELDS = {"tag_key", "rows", "node", "key", "depth"}


@dataclass(frozen=True)
class RootNode:
    """What one generation holds: the plan key, a key for file digests a sealing day, the trees by number."""

    generation: int
    plan_key: bytes = field(repr=False)
    dedup: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    trees: Mapping[int, Tree] = field(default_factory=dict)


def seal(root: RootNode, secret: bytes, store_id: bytes, random: Random = crypto.random_bytes) -> bytes:
    """The root node under the root slot's secret of the same generation."""
    return crypto.seal(secret, canonical.encode(_to_json(root)), _aad(store_id, root.generation), random)


def unseal(sealed: bytes, secret: bytes, store_id: bytes, generation: int) -> RootNode:
    """Open the root node of `generation`. Raises WrongKeyError (another slot, generation or store) or StateError."""
    try:
        data = crypto.unseal(secret, sealed, _aad(store_id, generation))
    except WrongKeyError:
        raise WrongKeyError(
            f"the root node does not open as generation {generation}: the slot holds another generation, or the root"
            " node was altered or is of another store"
        ) from None
    try:
        document = canonical.decode(data)
        formats.check_json("root", document, f"generation {generation}")
        root = _from_json(document)
    except NewerError:
        raise
    except (BadInputError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise StateError(f"the root node of generation {generation} breaks its format: {error}") from None
    if root.generation != generation or canonical.encode(_to_json(root)) != data:
        raise StateError(f"the root node of generation {generation} breaks its format: not what would be written")
    return root


def step_plan_key(plan_key: bytes) -> bytes:
    """The plan key after the commit that applies a plan: that plan opens for nobody afterwards."""
    return crypto.sha256(_PLAN_STEP, plan_key)


def _aad(store_id: bytes, generation: int) -> bytes:
    return _LABEL + store_id + generation.to_bytes(8, "big")


def _to_json(root: RootNode) -> dict[str, Any]:
    return {
        "v": _VERSION,
        "generation": root.generation,
        "plan_key": root.plan_key.hex(),
        "dedup": {str(day): key.hex() for day, key in root.dedup.items()},
        "trees": {str(number): _tree_to_json(tree) for number, tree in root.trees.items()},
    }


def _tree_to_json(tree: Tree) -> dict[str, Any]:
    node, key = (tree.root.id.hex(), tree.root.key.hex()) if tree.root else ("", "")
    return {"tag_key": tree.tag_key.hex(), "rows": tree.rows, "node": node, "key": key, "depth": tree.depth}


def _from_json(value: dict[str, Any]) -> RootNode:
    if value["v"] != _VERSION:
        raise BadInputError(f"version {value['v']} is not known here")
    dedup = {int(day): _bytes(key, KEY_BYTES) for day, key in value["dedup"].items()}
    trees = {int(number): _tree_from_json(tree) for number, tree in value["trees"].items()}
    return RootNode(value["generation"], _bytes(value["plan_key"], KEY_BYTES), dedup, trees)


def _tree_from_json(value: dict[str, Any]) -> Tree:
    counts = (value["depth"], value["rows"])
    empty = value["node"] == ""
    if set(value) != _TREE_FIELDS or any(type(count) is not int or count < 0 for count in counts):
        raise BadInputError("a tree has other fields than the format names")
    if empty != (counts == (0, 0)) or (counts[0] > 0) != (counts[1] > 0):
        raise BadInputError("a tree is empty by one field and not by another")
    root = None if empty else Ref(_bytes(value["node"], ID_BYTES), _bytes(value["key"], KEY_BYTES))
    return Tree(_bytes(value["tag_key"], KEY_BYTES), root, *counts)


def _bytes(text: str, count: int) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != count:
        raise BadInputError(f"{count} bytes are needed, not {len(value)}")
    return value
