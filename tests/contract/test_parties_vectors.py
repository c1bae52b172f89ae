"""The vectors of the party tree: what is published is what the code makes, to the byte."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unheld_branch.keys.parties import root, rows, tags, tree

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((VECTORS / "tree.json").read_text())
    return value


def test_generator_gives_the_published_vectors_again() -> None:
    """Fixed randomness in, the same file out: no format moved by accident."""
    made = runpy.run_path(str(VECTORS / "make_tree.py"))

    assert made["make"]() == (VECTORS / "tree.json").read_text()


def test_published_tags_are_those_of_the_identities(vectors: dict[str, Any]) -> None:
    """Present and earlier holders have the tags the vectors say."""
    for vector in vectors["tags"]:
        tag = tags.tags(bytes.fromhex(vector["tag_key"]), [vector["identity"]], vector["ended"])

        assert tag.tobytes().hex() == vector["tag"]


def test_published_nodes_parse_and_encode_to_the_same_bytes(vectors: dict[str, Any]) -> None:
    """A leaf and an inner node read from the file write themselves again."""
    leaf, inner = (bytes.fromhex(vector["plaintext"]) for vector in vectors["nodes"])

    assert rows.encode_leaf(rows.decode_leaf(leaf)) == leaf
    assert tree.encode_inner(tree.decode_inner(inner)) == inner


def test_published_root_node_opens(vectors: dict[str, Any]) -> None:
    """The root node of the vectors opens under its secret, and holds what the vectors say."""
    vector = vectors["root"]

    value = root.unseal(
        bytes.fromhex(vector["sealed"]), bytes.fromhex(vector["secret"]), bytes.fromhex(vector["store"]), 7
    )

    assert value.plan_key.hex() == vector["plain"]["plan_key"]
    assert {str(number): found.rows for number, found in value.trees.items()} == {
        number: found["rows"] for number, found in vector["plain"]["trees"].items()
    }
    assert root.step_plan_key(value.plan_key).hex() == vector["next_plan_key"]


def test_published_leaf_holds_the_numbered_rows(vectors: dict[str, Any]) -> None:
    """Rows 0 and 1 of the vectors stand in the leaf, with the link of row 0 to row 1."""
    found = rows.decode_leaf(bytes.fromhex(vectors["nodes"][0]["plaintext"]))

    owners, targets = found.links()

    assert sorted(found.since.tolist()) == [0, 1]
    assert np.array_equal(found.tags[found.since == 0], owners)
    assert np.array_equal(found.tags[found.since == 1], targets)
