"""Merkle trees of RFC 6962 over SHA-256: hashes, roots, and proofs of inclusion and of consistency.

Making a proof asks for the hash of ranges of leaves through a callable, so that one algorithm serves a list in memory
and a log of tiles. Checking follows RFC 9162 sections 2.1.3.2 and 2.1.4.2 and is strict on the length of every part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unheld_verify.crypto import equal, sha256
from unheld_verify.errors import BadInputError, VerificationError

HASH_BYTES = 32
EMPTY_ROOT = sha256()
MAX_PROOF = 63

# Root of the leaves start..end, end exclusive, end > start.
Subtree = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry of a log."""
    return sha256(b"\x00", entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring subtrees."""
    return sha256(b"\x01", left, right)


def root(hashes: Sequence[bytes]) -> bytes:
    """Merkle tree hash over leaf hashes (or over roots of equally large full subtrees, the last of any size)."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    # Pairing from the left and carrying an odd last node up gives the same tree as RFC 6962's split from the top.
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def subtree_of(hashes: Sequence[bytes]) -> Subtree:
    """Ranges of a list of leaf hashes in memory."""
    return lambda start, end: root(hashes[start:end])


def prove_inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The path from leaf `index` to the root of the first `size` leaves. Raises BadInputError outside the tree."""
    if not 0 <= index < size:
        raise BadInputError(f"index {index} lies outside a tree of {size} leaves")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + split_point(end - start)
        if index < split:
            path.append(subtree(split, end))
            end = split
        else:
            path.append(subtree(start, split))
            start = split
    return path[::-1]


def prove_consistency(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """That the tree of `new` leaves continues the tree of `old` leaves. Raises BadInputError unless 0 < old <= new."""
    if not 0 < old <= new:
        raise BadInputError(f"there is no consistency proof from {old} to {new} leaves: give 0 < old <= new")
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        split = start + split_point(end - start)
        if old <= split:
            path.append(subtree(split, end))
            end = split
        else:
            path.append(subtree(start, split))
            start = split
    if start:  # otherwise the old root itself is the missing part, and the verifier has it
        path.append(subtree(start, old))
    return path[::-1]


def split_point(count: int) -> int:
    """The largest power of two below `count` (at least 2): where RFC 6962 splits a tree."""
    return 1 << ((count - 1).bit_length() - 1)


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], tree_root: bytes) -> None:
    """Return if leaf hash `leaf` stands at `index` in the tree of `size` leaves, raise VerificationError if not."""
    _check_lengths([leaf, tree_root, *path])
    if not 0 <= index < size:
        raise VerificationError(f"index {index} lies outside a tree of {size} leaves")
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise VerificationError("inclusion proof is too long")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise VerificationError("inclusion proof is too short")
    if not equal(result, tree_root):
        raise VerificationError("inclusion proof does not lead to the root")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Return if the tree of `new` leaves continues that of `old` leaves, raise VerificationError if not.

    From the empty tree nothing can be proven, so old = 0 is refused: the caller must treat it as a first sight.
    """
    _check_lengths([old_root, new_root, *path])
    if not 0 < old <= new:
        raise VerificationError(f"a tree of {new} leaves cannot be shown to continue one of {old}")
    if old == new:
        if path or not equal(old_root, new_root):
            raise VerificationError(f"two different trees of {old} leaves, or a proof where none belongs")
        return
    old_result, new_result = _consistency_roots(old, new, [old_root, *path] if old & (old - 1) == 0 else list(path))
    if not (equal(old_result, old_root) and equal(new_result, new_root)):
        raise VerificationError("consistency proof does not lead to both roots")


def _consistency_roots(old: int, new: int, path: list[bytes]) -> tuple[bytes, bytes]:
    if len(path) < 2:
        raise VerificationError("consistency proof is too short")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_result = new_result = path[0]
    for part in path[1:]:
        if last == 0:
            raise VerificationError("consistency proof is too long")
        if node & 1 or node == last:
            old_result, new_result = node_hash(part, old_result), node_hash(part, new_result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_result = node_hash(new_result, part)
        node, last = node >> 1, last >> 1
    if last:
        raise VerificationError("consistency proof is too short")
    return old_result, new_result


def _check_lengths(hashes: Sequence[bytes]) -> None:
    if len(hashes) > MAX_PROOF + 2:
        raise VerificationError(f"a proof has at most {MAX_PROOF} hashes")
    if any(len(value) != HASH_BYTES for value in hashes):
        raise VerificationError(f"every hash of a proof has {HASH_BYTES} bytes")
