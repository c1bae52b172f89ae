"""The few things done with columns of integers and text, each in one call."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def ints(values: Ints, present: Bools | None = None) -> pa.Int64Array:
    """Integers as an Arrow array; null where not `present`."""
    return pa.array(values, pa.int64(), mask=None if present is None else ~present)


def text(values: Ints, width: int = 1) -> pa.StringArray:
    """Integers in decimal, filled with zeros on the left to `width` digits."""
    return pc.utf8_lpad(ints(values).cast(pa.string()), width, "0")


def joined(*parts: str | pa.StringArray, by: str = "") -> pa.StringArray:
    """Strings put together row by row with `by` between."""
    return pc.binary_join_element_wise(*parts, by)


def take(strings: pa.StringArray, index: Ints, present: Bools | None = None) -> pa.StringArray:
    """The strings at `index`; null where not `present`."""
    return strings.take(ints(index, present))
