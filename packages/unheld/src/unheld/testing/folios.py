"""Every folio, tried: all parties ever found, under all column keys ever found, on all blocks ever recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from unheld.testing.evidence import BlockFile, Evidence
from unheld_branch.keys import folios
from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.keys.parties.rows import order, positions
from unheld_branch.store.blocks import Place, open_block, read_rows
from unheld_branch.store.policy import Policy
from unheld_verify import columns
from unheld_verify.columns import Column
from unheld_verify.errors import WrongKeyError

ColumnKeys = tuple[Column, tuple[bytes, ...]]
ColumnValue = tuple[Column, bytes]
"""A value of the column function, for one label that is not said."""


@dataclass
class Tried:
    """What came of it: folios tried, blocks opened, records in them, and labels whose folio opened in each column."""

    folios: int = 0
    blocks: int = 0
    records: int = 0
    opened: dict[Column, set[bytes]] = field(default_factory=lambda: defaultdict(set), repr=False)


def try_all(
    evidence: Evidence,
    parties: Sequence[tuple[bytes, bytes]],
    keys: Iterable[ColumnKeys],
    values: Iterable[ColumnValue] = (),
) -> Tried:
    """Try every (party key, label) under every column's keys, and every party key with every value of the function,
    on every block of that column."""
    tried = Tried()
    if not parties:
        return tried
    labels = b"".join(label for _, label in parties)
    files = evidence.files
    computed = ((column, columns.evaluate(components, labels)) for column, components in keys if column in files)
    given = ((column, value * len(parties)) for column, value in values if column in files)
    for column, function in chain(computed, given):
        for label, plaintext in opened(evidence, parties, column, function):
            tried.blocks += 1
            # every record has a row among the charges, which live longest
            tried.records += read_rows(plaintext).count if column.cls == "charge" else 0
            tried.opened[column].add(label)
        tried.folios += len(parties)
    return tried


def opened(
    evidence: Evidence, parties: Sequence[tuple[bytes, bytes]], column: Column, function: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """(label, plaintext) of every block of a column that one of these parties opens; `function` is F of each."""
    party_keys = b"".join(key for key, _ in parties)
    for policy in evidence.policies.values():
        secrets = folios.derive(party_keys, function, policy.set_number, column)
        for file in evidence.files[column]:
            for number, plaintext in _opened(file, policy, secrets):
                yield parties[number][1], plaintext


def _opened(file: BlockFile, policy: Policy, secrets: FolioSecrets) -> Iterator[tuple[int, bytes]]:
    wanted = b"".join(secrets.block_id(number, file.batch) for number in range(len(secrets)))
    at = positions(order(file.ids), order(_ids(wanted)))
    mine = np.flatnonzero(at >= 0)
    place = Place(policy.store_id, policy.set_number, file.column, file.batch)
    for number, sealed in zip(mine.tolist(), file.blocks(at[mine].tolist()) if len(mine) else [], strict=True):
        try:
            yield number, open_block(place, secrets.block_key(number), wanted[number * 16 : number * 16 + 16], sealed)
        except WrongKeyError:  # 16 equal bytes by chance do not make a block ours
            continue


def _ids(joined: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)
