"""Column files: dummies, order, and what their outside tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld_branch.store import blocks, files
from unheld_branch.store.blocks import Place, SealedBlocks
from unheld_branch.store.files import ColumnFile
from unheld_verify import columns, crypto
from unheld_verify.columns import Column
from unheld_verify.errors import BadInputError, VerificationError

DAY = columns.day_number("2026-07-01")
PLACE = Place(b"s" * 16, 1, Column("charge", DAY - 1, DAY), b"b" * 16)
KEY = b"d" * 32


def sealed(count: int, length: int = 92) -> SealedBlocks:
    """Blocks as they come from sealing."""
    ids = blocks.ids_array([crypto.random_bytes(16) for _ in range(count)] or [b""])
    handles = np.frombuffer(crypto.random_bytes(8 * count), "V8")
    return blocks.in_file_order(ids, [crypto.random_bytes(length) for _ in range(count)], handles)


def written(tmp_path: Path, count: int, key: bytes | None = None) -> ColumnFile:
    """A padded file of `count` real blocks."""
    return files.write(tmp_path, PLACE, files.with_dummies(sealed(count)), key)


@given(st.integers(0, 2**34))
def test_sizes_of_files_are_few(count: int) -> None:
    """A file shows 256·2^k·{1, 1.25, 1.5, 1.75} blocks: never fewer than there are, at most a quarter more."""
    size = files.rounded(count)
    power = 1 << (size.bit_length() - 1)

    assert size in {power, power * 5 // 4, power * 3 // 2, power * 7 // 4}
    assert max(256, count) <= size <= max(256, count * 5 // 4 + 1)


@pytest.mark.parametrize("count", [1, 2, 57, 200, 256])
def test_a_file_does_not_tell_one_party_from_two_hundred(tmp_path: Path, count: int) -> None:
    """Number of blocks, their lengths and the size of the file are the same for 1 party and for 256."""
    one, other = written(tmp_path / "one", 1), written(tmp_path / "other", count)

    assert (one.blocks, one.size) == (other.blocks, other.size) == (256, one.size)


def test_dummies_have_lengths_of_real_blocks() -> None:
    """A dummy is as long as a real block of its file, drawn at random: no length marks it."""
    real = sealed(40, 92)
    longer = blocks.in_file_order(
        real.ids, real.blocks[:20] + [crypto.random_bytes(156) for _ in range(20)], real.handles
    )

    lengths = Counter(len(block) for block in files.with_dummies(longer).blocks)

    assert set(lengths) == {92, 156}
    assert 60 < lengths[156] < 196  # 128 expected


def test_a_batch_can_be_filled_to_a_least_number() -> None:
    """`least` is met even where a file has few blocks of its own."""
    assert len(files.with_dummies(sealed(3), least=10_000).blocks) == files.rounded(10_000)


def test_dummies_leave_real_blocks_with_their_handles() -> None:
    """Ids, blocks and handles stay together when dummies come between."""
    real = sealed(30)
    padded = files.with_dummies(real)
    place = {block_id: number for number, block_id in enumerate(padded.ids.tolist())}

    for block_id, block, handle in zip(real.ids.tolist(), real.blocks, real.handles.tolist(), strict=True):
        assert (padded.blocks[place[block_id]], padded.handles.tolist()[place[block_id]]) == (block, handle)


def test_blocks_read_back_in_order_of_ids(tmp_path: Path) -> None:
    """A file gives the blocks that were written, sorted by id."""
    padded = files.with_dummies(sealed(300))
    file = files.write(tmp_path, PLACE, padded, None)

    found = files.read(tmp_path, file)

    assert found.ids.tobytes() == padded.ids.tobytes()
    assert found.blocks == padded.blocks
    assert sorted(found.ids.tolist()) == found.ids.tolist()


def test_a_file_carries_no_metadata(tmp_path: Path) -> None:
    """No key-value metadata, no compression, no statistics, and a name that is its column and batch."""
    file = written(tmp_path, 3)
    metadata = pq.ParquetFile(tmp_path / file.path).metadata
    group = metadata.row_group(0)

    assert metadata.metadata is None
    assert metadata.num_columns == 2
    assert [group.column(number).compression for number in (0, 1)] == ["UNCOMPRESSED"] * 2
    assert [group.column(number).statistics for number in (0, 1)] == [None, None]
    assert file.path == f"blocks/charge/2026-06-30/2026-07-01/{PLACE.batch_id.hex()}.parquet"
    assert files.from_entry(file.entry(), DAY) == file  # type: ignore[arg-type]


def test_a_long_file_has_groups_of_the_size_on_the_page(tmp_path: Path) -> None:
    """Row groups have 65,536 blocks and all are read again."""
    padded = files.with_dummies(sealed(65_600, 20))
    file = files.write(tmp_path, PLACE, padded, None)

    assert pq.ParquetFile(tmp_path / file.path).metadata.row_group(0).num_rows == 65_536
    assert files.read(tmp_path, file).ids.tobytes() == padded.ids.tobytes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A column file that is gone is false, and the error says which."""
    file = written(tmp_path, 3)
    (tmp_path / file.path).unlink()

    with pytest.raises(VerificationError, match=f"{file.path}: missing"):
        files.read(tmp_path, file)


@given(st.integers(0), st.integers(1, 255))
def test_no_byte_of_a_file_can_be_flipped(tmp_path_factory: pytest.TempPathFactory, at: int, flip: int) -> None:
    """A column file with any byte changed is refused before anything in it is read."""
    folder = tmp_path_factory.mktemp("file")
    file = written(folder, 1)
    data = bytearray((folder / file.path).read_bytes())
    data[at % len(data)] ^= flip
    (folder / file.path).write_bytes(data)

    with pytest.raises(VerificationError, match="altered"):
        files.read(folder, file)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    """A file that the journal names but that is no column file says so."""
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    file = ColumnFile("x.parquet", PLACE.column, 1, 7, crypto.sha256(b"nothing").hex())

    with pytest.raises(BadInputError, match="not a column file"):
        files.read(tmp_path, file)


def test_handles_open_with_the_directory_key_alone(tmp_path: Path) -> None:
    """Beside the blocks of an open day stand their handles, sealed; without the key nobody groups anything."""
    padded = files.with_dummies(sealed(5))
    file = files.write(tmp_path, PLACE, padded, KEY)

    assert files.read_handles(tmp_path, PLACE, file, KEY).tobytes() == padded.handles.tobytes()
    assert not any(files.read(tmp_path, file).handles.tobytes())
    with pytest.raises(VerificationError, match=r"\.handles"):
        files.read_handles(tmp_path, PLACE, file, b"x" * 32)


def test_handles_of_another_batch_are_refused(tmp_path: Path) -> None:
    """Handles are bound to their batch: those of another do not open beside it."""
    file = files.write(tmp_path, PLACE, files.with_dummies(sealed(5)), KEY)
    other = Place(PLACE.store_id, 1, PLACE.column, b"c" * 16)

    with pytest.raises(VerificationError):
        files.read_handles(tmp_path, other, file, KEY)


def test_a_file_is_removed_with_its_handles(tmp_path: Path) -> None:
    """What was staged for a refused delivery leaves nothing behind, and may be gone already."""
    file = written(tmp_path, 3, KEY)

    files.remove(tmp_path, file)
    files.remove(tmp_path, file)

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_orphans_are_files_that_no_entry_names(tmp_path: Path) -> None:
    """Handles belong to their blocks; everything else below `blocks` that is not named is an orphan."""
    file = written(tmp_path, 3, KEY)
    stray = (tmp_path / file.path).with_name("ab.parquet")
    stray.write_bytes(b"x")

    assert list(files.orphans(tmp_path, {file.path})) == [stray]
    assert len(list(files.orphans(tmp_path, set()))) == 3
