"""Column files as Parquet: ids and blocks as two plain columns, coded and decoded in memory (`docs/spec/block.md`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unheld_branch.store.blocks import SealedBlocks
from unheld_verify.errors import BadInputError

ROW_GROUP = 65_536
_COLUMNS: list[pa.Field[Any]] = [
    pa.field("block_id", pa.binary(16), nullable=False),
    pa.field("block", pa.binary(), nullable=False),
]
_SCHEMA = pa.schema(_COLUMNS)


def encode(sealed: SealedBlocks) -> bytes:
    """The bytes of a column file."""
    table = pa.Table.from_arrays(
        [
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(16), len(sealed.ids), [None, pa.py_buffer(sealed.ids.tobytes())]
            ),
            pa.array(sealed.blocks, pa.binary()),
        ],
        schema=_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    # Ciphertext does not compress and has no value twice; statistics would only repeat ids.
    pq.write_table(
        table, sink, compression="none", use_dictionary=False, write_statistics=False, row_group_size=ROW_GROUP,
        store_schema=False,
    )  # fmt: skip
    return bytes(sink.getvalue())


def decode(data: bytes, path: str) -> SealedBlocks:
    """The blocks of a column file's bytes, without handles. Raises BadInputError, naming the file, for other bytes."""
    try:
        table = _table(data)
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        raise BadInputError(f"{path}: not a column file: {error}") from None
    if table.schema.names != _SCHEMA.names or table.schema.types != _SCHEMA.types:
        raise BadInputError(f"{path}: its columns are {table.schema.names}, not block_id and block")
    array = np.frombuffer(_fixed_bytes(table.column("block_id")), "V16")
    blocks = [bytes(block) for block in table.column("block").to_pylist() if block is not None]
    return SealedBlocks(array, blocks, np.zeros(len(array), "V8"))


def _table(data: bytes) -> pa.Table:
    """The table, unless its footer says that it unpacks to more than it is: a writer compresses nothing."""
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
        if any(one.compression != "UNCOMPRESSED" or "DICTIONARY" in "".join(one.encodings) for one in chunks):
            raise ValueError("it is compressed, or has dictionaries")
        return file.read()


def _fixed_bytes(column: pa.ChunkedArray[Any]) -> bytes:
    parts = []
    for chunk in column.chunks:
        if (buffer := chunk.buffers()[1]) is not None:
            parts.append(buffer.slice(chunk.offset * 16, len(chunk) * 16).to_pybytes())
    return b"".join(parts)
