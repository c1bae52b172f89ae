"""What a codec gives: columns of text, where each row stood, and the rows that did not even parse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unheld_branch.records.coded import Coded


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that has no columns: its line, why, and its bytes."""

    line: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one file in order. `columns` are coded texts (null for the words of none); `lines` are physical lines;
    `raw` gives the bytes of the rows with these positions; `saved` the bytes of columns that nobody asked for."""

    columns: dict[str, Coded]
    lines: npt.NDArray[np.int64]
    raw: Callable[[Sequence[int]], list[bytes]]
    broken: tuple[BrokenRow, ...]
    saved: Mapping[str, int]
    bytes: int
