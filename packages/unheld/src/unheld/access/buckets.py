"""Buckets: what a subscriber asks of a column file, so that the branch does not learn whether it holds anything.

A bucket is all blocks whose ids share a prefix. One is asked of every named file, whether or not a block of theirs is
there, and it always has 16 blocks or more, or the file has none besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from unheld.access.messages import ID_BYTES, PREFIX_BYTES, Bucket, Filled, HeldFile, masked
from unheld_branch.store.blocks import Place
from unheld_branch.store.files import path_of
from unheld_verify import crypto
from unheld_verify.errors import BadInputError

LEAST_BLOCKS = 16
_EXPECTED = 2 * LEAST_BLOCKS  # ids are random: a bucket of 32 on average rarely has fewer than 16


def of(file: HeldFile, block_id: bytes | None) -> Bucket:
    """The bucket to ask of a file for a block id; a random one of the same width where no id is known."""
    bits = max(0, (file.blocks // _EXPECTED).bit_length() - 1)
    prefix = crypto.random_bytes(PREFIX_BYTES) if block_id is None else block_id
    return Bucket(file.column, file.batch, bits, masked(prefix, bits))


def fill(root: Path, store_id: bytes, set_number: int, bucket: Bucket) -> Filled | None:
    """What a store's column file has in a bucket, widened until it has 16 blocks. None where the file is not there."""
    path = root / path_of(Place(store_id, set_number, bucket.column, bucket.batch))
    if not path.is_file():
        return None
    with path.open("rb") as opened, pq.ParquetFile(opened) as file:
        joined = _ids(file)
        starts = np.frombuffer(joined, ">u8")[::2].astype(np.uint64)
        while True:
            first, last = _span(starts, bucket)
            if last - first >= LEAST_BLOCKS or not bucket.bits:
                break
            bucket = bucket.wider(bucket.bits - 1)
        held = tuple(_blocks(file, first, last))
    ids = tuple(joined[at * ID_BYTES : (at + 1) * ID_BYTES] for at in range(first, last))
    return Filled(bucket, ids, held)


def check(asked: Bucket, came: Filled) -> None:
    """Raise BadInputError unless these are the blocks of the bucket asked for, or of a wider one around it."""
    bucket = came.bucket
    if bucket.bits > asked.bits or bucket != asked.wider(bucket.bits):
        raise BadInputError("blocks: they are of another bucket than was asked for; fetch them again")
    if any(masked(one, bucket.bits) != bucket.prefix for one in came.ids):
        raise BadInputError("blocks: an id lies outside its bucket; fetch them again")


def _ids(file: pq.ParquetFile) -> bytes:
    """All block ids of a file, joined; they stand in ascending order."""
    return b"".join(file.read(["block_id"]).column(0).to_pylist())


def _span(starts: npt.NDArray[np.uint64], bucket: Bucket) -> tuple[int, int]:
    """Where the bucket begins and ends among the first 8 bytes of ascending ids."""
    low = int.from_bytes(bucket.prefix, "big")
    high = low + (1 << (8 * PREFIX_BYTES - bucket.bits)) - 1
    first = np.searchsorted(starts, np.uint64(low), side="left")
    return int(first), int(np.searchsorted(starts, np.uint64(high), side="right"))


def _blocks(file: pq.ParquetFile, first: int, last: int) -> Iterator[bytes]:
    """Blocks first..last of a file; only the row groups that hold them are read."""
    start = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if first < start + count and start < last:
            column = file.read_row_group(group, ["block"]).column(0)
            low, high = max(first - start, 0), min(last - start, count)
            yield from column.slice(low, high - low).to_pylist()
        start += count
