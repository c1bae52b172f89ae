"""Tables of records as CSV, plain or gzip, with times as `YYYY-MM-DDTHH:MM:SSZ`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from unheld.testing.arrow import Ints, joined, take

DAY = 86_400
# no value we write holds a comma or a quote; Arrow refuses to write one that does
PLAIN = csv.WriteOptions(quoting_style="none", quoting_header="none")
_CLOCK = pa.array([f"T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}Z" for s in range(DAY)], pa.string())


def write(table: pa.Table, path: Path) -> Path:
    """Write a table as CSV (gzip when the name ends with .gz), replacing the file; give the path."""
    with pa.output_stream(path, compression="detect") as out:  # by the name
        csv.write_csv(as_text(table), out, PLAIN)
    return path


def times(seconds: Ints) -> pa.StringArray:
    """Seconds since 1970 as text; a table of the 86,400 seconds of a day is far faster than formatting each."""
    first = int(seconds.min()) // DAY if len(seconds) else 0
    days = seconds // DAY - first
    dates = np.datetime64(first, "D") + np.arange(int(days.max(initial=0)) + 1)
    text = pa.array(np.datetime_as_string(dates), pa.string())
    return joined(take(text, days), take(_CLOCK, seconds % DAY))


def as_text(table: pa.Table) -> pa.Table:
    """The table with its times as this module writes them."""
    if "datetime" not in table.column_names:
        return table
    place = table.column_names.index("datetime")
    seconds: Ints = table.column(place).cast(pa.int64()).to_numpy()
    return table.set_column(place, "datetime", times(seconds))
