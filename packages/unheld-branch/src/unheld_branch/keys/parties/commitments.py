"""Commitments to the rows made in one commit, so that custodians can check whose label they open.

One padded, sorted list of leaves says neither how many rows were made nor in which order: commitments and padding are
both 32 bytes that look random, and sorting them is a shuffle that needs no trust in a generator.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from unheld_branch.keys.parties.nodes import Random
from unheld_branch.keys.parties.rows import Rows
from unheld_verify import crypto, merkle
from unheld_verify.errors import BadInputError

LEAF_BYTES = 32
MIN_LEAVES = 16
_ROW = b"unheld/v1/row"


def opening_key(party_key: bytes) -> bytes:
    """r of a row: opens its commitment, and tells nothing of the party key."""
    return crypto.hmac_sha256(party_key, _ROW)


def commitment(r: bytes, label: bytes, identity: str, since: int) -> bytes:
    """The 32-byte commitment to a row, from its opening."""
    if len(r) != LEAF_BYTES:
        raise BadInputError(f"the opening of a row commitment has {LEAF_BYTES} bytes, not {len(r)}")
    # Canonical JSON with its four keys in order; only the identity (a sender name) may need escaping.
    statement = f'{{"identity":{json.dumps(identity)},"label":"{label.hex()}","since":{since},"v":1}}'
    return crypto.hmac_sha256(r, statement.encode())


def leaves(rows: Rows, identities: Sequence[str], random: Random = crypto.random_bytes) -> list[bytes]:
    """Leaves of the tree over `rows` (of `identities`, same order), padded to a power of two of at least 16."""
    keys, labels = rows.keys.tobytes(), rows.labels.tobytes()
    made = [
        commitment(opening_key(keys[32 * at : 32 * at + 32]), labels[16 * at : 16 * at + 16], identity, since)
        for at, (identity, since) in enumerate(zip(identities, rows.since.tolist(), strict=True))
    ]
    size = max(MIN_LEAVES, 1 << (len(made) - 1).bit_length() if made else 0)
    return sorted(made + [random(LEAF_BYTES) for _ in range(size - len(made))])


def root(padded: Sequence[bytes]) -> bytes:
    """RFC 6962 root over the leaves: what the statement of the commit carries."""
    return merkle.root([merkle.leaf_hash(leaf) for leaf in padded])


def encode(padded: Sequence[bytes]) -> bytes:
    """Bytes of `rows/<generation>.bin`: the leaves, one after the other."""
    return b"".join(padded)


def decode(data: bytes) -> list[bytes]:
    """The leaves of a `rows/<generation>.bin`. Raises BadInputError if their number is no power of two >= 16."""
    count, rest = divmod(len(data), LEAF_BYTES)
    if rest or count < MIN_LEAVES or count & (count - 1):
        raise BadInputError(f"{len(data)} bytes are no list of row commitments: it was cut off; fetch it again")
    return [data[start : start + LEAF_BYTES] for start in range(0, len(data), LEAF_BYTES)]
