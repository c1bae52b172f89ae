"""One big day for the benchmark: flat traffic of impossible numbers, fast to write, in order of arrival."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from unheld.testing import impossible, textfile, traffic
from unheld.testing.arrow import Ints, ints, joined, take, text

BATCH = 250_000
CELLS = 2_000
BENCH_DAY = date(2026, 7, 6)


@dataclass(frozen=True)
class _Book:
    msisdn: pa.StringArray
    imsi: pa.StringArray
    imei: pa.StringArray
    off_net: pa.StringArray
    cell: pa.StringArray


def bench_csv(path: Path, rows: int = 5_000_000, parties: int = 200_000, day: date = BENCH_DAY) -> Path:
    """Write `rows` records of `parties` subscribers on one event day, about 100 bytes each.

    The same input gives the same bytes.
    """
    rng = np.random.default_rng([parties, rows, day.toordinal()])
    book = _book(parties)
    # a record arrives half an hour after its event in the mean, so the file is nearly, not quite, in order of time
    arrival = np.sort(rng.integers(0, textfile.DAY, rows, dtype=np.int32)).astype(np.int64)
    midnight = (day - date(1970, 1, 1)).days * textfile.DAY
    with csv.CSVWriter(path, _text_schema(), write_options=textfile.PLAIN) as out:
        for begin in range(0, rows, BATCH):
            part = arrival[begin : begin + BATCH]
            event = np.maximum(part - rng.exponential(1800, len(part)).astype(np.int64), 0)
            out.write_table(_batch(rng, book, midnight + event))
    return path


def bench_registry(path: Path, parties: int = 200_000) -> Path:
    """Write the registry of the same subscribers: msisdn, imsi, imei."""
    book = _book(parties)
    return textfile.write(pa.table({"msisdn": book.msisdn, "imsi": book.imsi, "imei": book.imei}), path)


def _book(parties: int) -> _Book:
    rng = np.random.default_rng(parties)
    return _Book(
        impossible.msisdns(impossible.draw(rng, impossible.ON_NET, parties)),
        impossible.imsis(impossible.draw(rng, impossible.HOME_MSIN, parties)),
        impossible.imeis(impossible.draw(rng, impossible.IMEI_BODIES, parties)),
        impossible.msisdns(impossible.draw(rng, impossible.OFF_NET, parties // 4 + 1)),
        joined("c", text(np.arange(CELLS), 5)),
    )


def _text_schema() -> pa.Schema:
    place = traffic.SCHEMA.get_field_index("datetime")
    return traffic.SCHEMA.set(place, pa.field("datetime", pa.string()))


def _batch(rng: np.random.Generator, book: _Book, time: Ints) -> pa.Table:
    count, parties = len(time), len(book.msisdn)
    owner, kind = rng.integers(0, parties, count), rng.choice(3, count, p=[0.5, 0.3, 0.2])
    abroad = rng.random(count) < 0.2
    data = kind == traffic.DATA
    off_net = rng.integers(0, len(book.off_net), count)
    peer = np.where(abroad, parties + off_net, rng.integers(0, parties, count))
    numbers = pa.concat_arrays([book.msisdn, book.off_net])
    return pa.table(
        [
            take(traffic.KINDS, kind),
            pa.array(rng.random(count) < 0.5),
            textfile.times(time),
            ints(rng.lognormal(4.2, 1.1, count).astype(np.int64) + 1, kind != traffic.SMS),
            take(book.msisdn, owner),
            take(numbers, peer, ~data),
            take(book.imsi, owner),
            take(book.imei, owner),
            take(book.cell, (owner + rng.integers(0, 3, count)) % CELLS),
            ints(rng.integers(10**3, 10**6, count), data),
            ints(rng.integers(10**4, 10**7, count), data),
            take(traffic.NETWORKS, np.where(data, 2, owner % 3)),
            take(traffic.PARTNERS, off_net % 3, abroad & ~data),
            take(traffic.PARTNER_COUNTRY, np.zeros_like(off_net), abroad & ~data),
        ],
        schema=_text_schema(),
    )
