"""The peer: DuckDB with plain Parquet, what an operator would do without unheld. Prints one JSON line.

python -m bench.peer sort CSV PARQUET COLUMN...     the CSV's columns, sorted by party and time, zstd
python -m bench.peer drop PARQUET NUMBER            the same file without every record that names a number
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import duckdb
from duckdb import CoalesceOperator, ColumnExpression, ConstantExpression

TYPES = {
    "event_type": "VARCHAR",
    "outgoing": "BOOLEAN",
    "datetime": "TIMESTAMP",
    "duration": "BIGINT",
    "msisdn": "VARCHAR",
    "msisdn_counterpart": "VARCHAR",
    "imsi": "VARCHAR",
    "imei": "VARCHAR",
    "location_id": "VARCHAR",
    "volume_upload": "BIGINT",
    "volume_download": "BIGINT",
    "network": "VARCHAR",
    "operator_code": "VARCHAR",
    "country_code": "VARCHAR",
}


def sort(source: Path, target: Path, columns: list[str]) -> None:
    """Write columns of a CSV as sorted zstd Parquet, durable."""
    records = duckdb.connect().read_csv(str(source), header=True, dtype=TYPES, quotechar="", escapechar="")
    records.select(*columns).sort("msisdn", "datetime").write_parquet(str(target), compression="zstd")
    _sync(target)


def drop(file: Path, number: str) -> None:
    """Rewrite a Parquet file without the records that name a number, durable."""
    records = duckdb.connect().read_parquet(str(file))
    other = CoalesceOperator(ColumnExpression("msisdn_counterpart"), ConstantExpression(""))
    kept = records.filter(ColumnExpression("msisdn") != ConstantExpression(number))
    kept = kept.filter(other != ConstantExpression(number))
    fresh = file.with_suffix(".new")
    kept.write_parquet(str(fresh), compression="zstd")
    _sync(fresh)
    fresh.replace(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main(words: list[str]) -> None:
    """Do one act and print how long it took without the start of Python."""
    begin = time.perf_counter()
    match words:
        case ["sort", source, target, *columns]:
            sort(Path(source), Path(target), columns)
        case ["drop", file, number]:
            drop(Path(file), number)
        case _:
            raise SystemExit(__doc__)
    print(json.dumps({"ms": (time.perf_counter() - begin) * 1000}))


if __name__ == "__main__":
    main(sys.argv[1:])
