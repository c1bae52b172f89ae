"""Whose rows an erasure plan drops: sealed in it under a key that dies when a plan is applied (`docs/spec/plan.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from unheld_branch.keys.parties.rows import Bytes
from unheld_verify import crypto
from unheld_verify.errors import BadInputError, StateError, WrongKeyError
from unheld_verify.plan import Plan

_SEALED = b"unheld/v1/plan"
_ENTRY = 4 + 16 + 16
_LEAST_ENTRIES = 16


@dataclass(frozen=True)
class Targets:
    """Whose rows a plan drops: by tree, n tags and n labels."""

    trees: Mapping[int, tuple[Bytes, Bytes]] = field(repr=False)

    def encode(self, least: int = 0) -> bytes:
        """tree u32 ‖ tag 16 ‖ label 16 each, padded with zero entries to a power of two of at least 16 and `least`."""
        entries = [
            number.to_bytes(4, "big") + tag.tobytes() + label.tobytes()
            for number, (tags, labels) in sorted(self.trees.items())
            for tag, label in zip(tags, labels, strict=True)
        ]
        count = max(_LEAST_ENTRIES, 1 << max(0, max(len(entries), least) - 1).bit_length())
        return b"".join(entries).ljust(count * _ENTRY, b"\0")


def decode_targets(data: bytes) -> Targets:
    """The inverse of `Targets.encode`. Raises BadInputError."""
    count, rest = divmod(len(data), _ENTRY)
    if rest or count < _LEAST_ENTRIES or count & (count - 1):
        raise BadInputError("plan: its entries are cut off")
    table = np.frombuffer(data, np.uint8).reshape(-1, _ENTRY)
    filled = table[:, 4:].any(axis=1)
    padding = table[np.count_nonzero(filled) :]
    table = table[filled]
    numbers = np.ascontiguousarray(table[:, :4]).view(">u4").reshape(-1)
    if padding.any() or (numbers[1:] < numbers[:-1]).any():
        raise BadInputError("plan: its entries are not in the order in which this version writes them")
    return Targets(
        {int(n): (table[numbers == n, 4:20].copy(), table[numbers == n, 20:].copy()) for n in np.unique(numbers)}
    )


def opened(plan: Plan, plan_key: bytes) -> Targets:
    """Whose rows a plan drops. Raises StateError when the plan died with an earlier root."""
    try:
        return decode_targets(crypto.unseal(plan_key, plan.sealed, _SEALED + plan.store_id))
    except WrongKeyError:
        raise StateError(
            "this plan does not open any more: a plan was applied, or everything forgotten, since it was made; "
            "make a new one with `unheld erase plan`"
        ) from None


def seal_targets(targets: Targets, plan_key: bytes, store_id: bytes, named: int = 0) -> bytes:
    """The sealed entries of a plan: no number, name or tag stands in it in clear.

    `named` parties give room for as many entries, so that its length does not say how many of them have a row.

    A plan without targets has them too, all padding: what opens under one plan key only applies only once.
    """
    return crypto.seal(plan_key, targets.encode(named), _SEALED + store_id)
