"""What leaves this room: chunks of good rows, the bad rows beside them, and a report of the sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from unheld_branch.records.totals import Totals


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that was not understood. `line` is the physical line of the file (row number in Parquet)."""

    file: str
    line: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one file. `read` counts good and bad rows; blank lines are no rows. `full`: more may follow."""

    file: str
    table: pa.Table
    bad: tuple[BadRow, ...]
    read: int
    full: bool = False


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file that was read to its end. `sha256` is over its bytes as they lay there, compressed or not."""

    name: str
    sha256: str
    raw_bytes: int
    read: int
    bad: int


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What was read, and what of it will not be stored: column name -> bytes that saved.

    `elsewhere`: records of another data centre's parties.
    """

    files: tuple[FileReport, ...]
    saved: Mapping[str, int]
    reasons: Mapping[str, int]
    totals: Totals
    elsewhere: int = 0
