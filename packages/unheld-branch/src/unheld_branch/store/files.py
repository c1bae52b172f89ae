"""Column files: the Parquet file of one batch's blocks in one column, with dummies, and the sealed handles beside it.

See `docs/spec/block.md`. A file never changes once written; its journal entry carries its SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unheld_branch.store import blocks as block_format
from unheld_branch.store.blocks import Place, SealedBlocks
from unheld_slots import durable
from unheld_verify import columns, crypto
from unheld_verify.columns import Column
from unheld_verify.errors import VerificationError, WrongKeyError

LEAST_BLOCKS_A_BATCH = 10_000
_LEAST_BLOCKS = 256


@dataclass(frozen=True, slots=True)
class ColumnFile:
    """One column file as the journal names it."""

    path: str
    column: Column
    blocks: int
    size: int
    sha256: str

    @property
    def batch_id(self) -> bytes:
        """The batch whose blocks it holds."""
        return bytes.fromhex(Path(self.path).stem)

    def entry(self) -> dict[str, str | int]:
        """Its form inside a journal entry."""
        return {
            "path": self.path,
            "class": self.column.cls,
            "event_day": columns.day_text(self.column.event_day),
            "blocks": self.blocks,
            "bytes": self.size,
            "sha256": self.sha256,
        }


def from_entry(entry: dict[str, str], sealing_day: int) -> ColumnFile:
    """The inverse of `ColumnFile.entry`."""
    column = Column(entry["class"], columns.day_number(entry["event_day"]), sealing_day)
    return ColumnFile(entry["path"], column, int(entry["blocks"]), int(entry["bytes"]), entry["sha256"])


def rounded(count: int) -> int:
    """The number of blocks a file of `count` real ones shows: 256·2^k·{1, 1.25, 1.5, 1.75}."""
    size = _LEAST_BLOCKS
    while size * 7 // 4 < count:
        size *= 2
    return next(step for step in (size, size * 5 // 4, size * 3 // 2, size * 7 // 4) if step >= count)


def with_dummies(sealed: SealedBlocks, *, least: int = 0) -> SealedBlocks:
    """Fill up with dummies: random ids and bytes, as long as real blocks of this file are."""
    missing = rounded(max(len(sealed.blocks), least)) - len(sealed.blocks)
    if not missing:
        return sealed
    lengths = np.array([len(block) for block in sealed.blocks] or [92])
    drawn = lengths[np.frombuffer(crypto.random_bytes(8 * missing), np.uint64) % np.uint64(len(lengths))]
    noise, ends = crypto.random_bytes(int(drawn.sum())), np.cumsum(drawn)
    dummies = [noise[end - length : end] for end, length in zip(ends.tolist(), drawn.tolist(), strict=True)]
    ids = np.frombuffer(sealed.ids.tobytes() + crypto.random_bytes(16 * missing), "V16")
    handles = np.frombuffer(sealed.handles.tobytes() + crypto.random_bytes(8 * missing), "V8")
    return block_format.in_file_order(ids, sealed.blocks + dummies, handles)


def path_of(place: Place) -> str:
    """Where a column file stands below the store's folder."""
    column = place.column
    days = f"{columns.day_text(column.event_day)}/{columns.day_text(column.sealing_day)}"
    return f"blocks/{column.cls}/{days}/{place.batch_id.hex()}.parquet"


def write(root: Path, place: Place, sealed: SealedBlocks, directory_key: bytes | None) -> ColumnFile:
    """Write one column file durably, and its handles if the batch is of an open day (`directory_key` given)."""
    from unheld_branch.store import parquet  # noqa: PLC0415 - a status, too, lists files

    path = path_of(place)
    target = root / path
    durable.make_folders(target.parent)
    data = parquet.encode(sealed)
    durable.write_file(target, data)
    if directory_key is not None:
        handles = crypto.seal(directory_key, sealed.handles.tobytes(), place.handles_aad)
        durable.write_file(target.with_suffix(".handles"), handles)
    return ColumnFile(path, place.column, len(sealed.blocks), len(data), crypto.sha256(data).hex())


def read(root: Path, file: ColumnFile) -> SealedBlocks:
    """All blocks of a column file, in file order, without handles. Raises VerificationError if its bytes changed."""
    from unheld_branch.store import parquet  # noqa: PLC0415 - a status, too, lists files

    return parquet.decode(read_checked(root, file), file.path)


def read_handles(root: Path, place: Place, file: ColumnFile, directory_key: bytes) -> npt.NDArray[np.void]:
    """The handles of an open batch's column file, in the order of its blocks."""
    path = Path(file.path).with_suffix(".handles")
    try:
        handles = crypto.unseal(directory_key, (root / path).read_bytes(), place.handles_aad)
    except (FileNotFoundError, WrongKeyError) as error:
        raise VerificationError(f"{path}: missing or altered ({error}). Restore it from a backup of today") from None
    if len(handles) != 8 * file.blocks:
        raise VerificationError(f"{file.path}: handles do not fit its blocks")
    return np.frombuffer(handles, "V8")


def read_checked(root: Path, file: ColumnFile) -> bytes:
    """The bytes of a column file, compared with the journal's digest."""
    path = root / file.path
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise VerificationError(f"{file.path}: missing; the journal names it. Restore it from a backup") from None
    if crypto.sha256(data).hex() != file.sha256:
        raise VerificationError(f"{file.path}: altered; it is not the file the journal names. Restore it from a backup")
    return data


def remove(root: Path, file: ColumnFile) -> None:
    """Take a staged file out again: its delivery was refused."""
    for path in (root / file.path, (root / file.path).with_suffix(".handles")):
        if path.exists():
            durable.remove_file(path)


def orphans(root: Path, known: set[str]) -> Iterator[Path]:
    """Files below `blocks/` that the journal does not name: left by a crash before the commit."""
    for path in sorted((root / "blocks").rglob("*")):
        if path.is_file() and str(path.relative_to(root).with_suffix(".parquet")) not in known:
            yield path
