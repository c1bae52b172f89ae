"""Readers of what operators bring: mappings, text tables and Parquet, archives, registries, lookup tables."""

from __future__ import annotations

import gzip
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.support.reader import Reader, file, text
from tests.support.readers_store import parquet_bytes
from unheld_branch.records import mapping
from unheld_branch.records.codecs import sources
from unheld_branch.records.lookups import load
from unheld_branch.records.mapping import Mapping
from unheld_branch.records.places import CoarsenRule
from unheld_branch.records.propose import propose
from unheld_branch.records.reader import read_records
from unheld_branch.records.registry import registry_rows
from unheld_branch.workflows import park

EXAMPLES = Path(__file__).parents[2] / "examples" / "mappings"
NOW = 1_783_000_000
HEADER = "event_type,outgoing,datetime,duration,msisdn,msisdn_counterpart,imsi,imei,location_id,volume_upload"
LINES = (
    "call,true,2026-07-01T08:00:00,61,99910000001,99910000002,999010000000001,350000000000000,A-1,",
    '"sms",false,2026-07-01T09:10:11,,99910000001,99910000003,,,"A ""2""",',
)
CALLS = "\n".join(
    [HEADER + ",volume_download,network,operator_code,country_code", *(line + ",1,4g,99901,XX" for line in LINES), ""]
)
REGISTRY = (
    "msisdn,imsi,holder,since,name\n99910000001,999010000000001,H1,2020-01-01,Aye\n99910000002,,H2,2021-01-01,Ba\n"
)
REGISTRY_MAPPING = """kind = "registry"
[numbers]
bare = "international"
[columns]
msisdn = { field = "owner", class = "all" }
imsi = { field = "imsi", class = "all" }
holder = { field = "holder", class = "all" }
since = { field = "since", class = "all" }
name = { field = "name", class = "identity" }
"""
_MORE = b"""
[csv]
delimiter = ","
quote = '"'
null = ["", "NULL"]
[place]
coarsen = "prefix:3"
"""
LOOKUP_MAPPING = """[time]
format = "iso"
[columns]
contract = { field = "owner", class = "all", via = ["contracts"], scheme = "sub" }
at = { field = "datetime", class = "all" }
[lookup.contracts]
file = "contracts.csv"
key = "contract"
value = "number"
"""


@cache
def _mapping(format_: str = "csv", encoding: str = "utf-8") -> Mapping:
    words = (EXAMPLES / "synthetic.toml").read_text("utf-8")
    return mapping.parse(f'format = "{format_}"\n{words}\n[csv]\nencoding = "{encoding}"\n', "calls.toml")


def _records(name: str, data: bytes, by: Mapping) -> int:
    """How many rows of a file are records, and how many are not."""
    reader = read_records([file(name, data)], by, now=NOW, chunk_rows=100)
    return sum(chunk.table.num_rows + len(chunk.bad) for chunk in reader)


def _registry(data: bytes) -> list[Any]:
    by = mapping.parse(REGISTRY_MAPPING, "registry.toml")
    return [row for chunk in read_records([file("registry.csv", data)], by, now=NOW) for row in registry_rows(chunk)]


def _lookup(data: bytes) -> Any:
    by = mapping.parse(LOOKUP_MAPPING, "calls.toml")
    return load(by.lookups.values(), file("contracts.csv", data).parent)


def _decompressed(data: bytes) -> int:
    """How many bytes come out of a source, piece by piece, up to a bound."""
    source = sources.Source("source", file("source", data))
    count = 0
    with sources.opened(source, lambda _: None) as raw:
        for piece in sources.decompressed(raw, "source"):
            assert len(piece) <= 1 << 20
            count += len(piece)
            if count > 64 << 20:
                break
    return count


def _proposed(data: bytes) -> str:
    """The mapping that is proposed for a file; it is TOML, whatever its columns are called."""
    made = propose(file("calls.csv", data), home="MM")

    tomllib.loads(made.text)
    return made.text


def zstd(data: bytes) -> bytes:
    """Compressed by zstandard."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


@cache
def _table() -> pa.Table:
    rows = [line.replace('"', "").split(",") for line in CALLS.splitlines()]
    return pa.table({name: [row[at] for row in rows[1:]] for at, name in enumerate(rows[0])})


def _parquets() -> list[bytes]:
    return [
        parquet_bytes(_table()),
        parquet_bytes(_table(), compression="gzip", use_dictionary=False),
        parquet_bytes(_table(), compression="none", use_dictionary=True),
    ]


def _stream(data: bytes) -> int:
    """The records of a parked batch, which any t custodians made it possible to read."""
    return sum(table.num_rows for table in park.records(iter([data]), Path("batch")))


def _streams() -> list[bytes]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _table().schema) as writer:
        writer.write_table(_table())
    return [bytes(sink.getvalue())]


def _coarsen(data: bytes) -> CoarsenRule:
    return CoarsenRule.parse(text(data))


READERS = (
    Reader(
        "mapping",
        lambda data: mapping.mapping_of(file("mapping.toml", data)),
        lambda: [path.read_bytes() for path in sorted(EXAMPLES.glob("*.toml"))] + [LOOKUP_MAPPING.encode()],
        ("unheld_branch.records.mapping.mapping_of", "unheld_branch.records.mapping.parse"),
        slow=True,
    ),
    Reader(
        "mapping-used",
        lambda data: _records("calls.csv", CALLS.encode(), mapping.mapping_of(file("mapping.toml", data))),
        lambda: [(EXAMPLES / "synthetic.toml").read_bytes() + more for more in (b"", _MORE)],
        ("unheld_branch.records.mapping.mapping_of",),
        slow=True,
    ),
    Reader(
        "csv",
        lambda data: _records("calls.csv", data, _mapping()),
        lambda: [CALLS.encode(), b"\xef\xbb\xbf" + CALLS.replace("\n", "\r\n").encode()],
        ("unheld_branch.records.reader.read_records", "unheld_branch.records.codecs.csv.batches"),
        slow=True,
    ),
    Reader(
        "csv-utf16",
        lambda data: _records("calls16.csv", data, _mapping(encoding="utf-16")),
        lambda: [CALLS.encode("utf-16")],
        ("unheld_branch.records.codecs.csv.blocks",),
        slow=True,
    ),
    Reader(
        "parquet",
        lambda data: _records("calls.parquet", data, _mapping("parquet")),
        _parquets,
        (
            "unheld_branch.records.codecs.parquet.batches",
            "unheld_branch.records.codecs.unpacking.unpacked",
        ),
        slow=True,
    ),
    Reader(
        "archive",
        _decompressed,
        lambda: [CALLS.encode(), gzip.compress(CALLS.encode()), zstd(CALLS.encode())],
        ("unheld_branch.records.codecs.sources.decompressed", "unheld_branch.records.codecs.sources.opened"),
        slow=True,
    ),
    Reader(
        "registry",
        _registry,
        lambda: [REGISTRY.encode()],
        ("unheld_branch.records.registry.registry_rows",),
        slow=True,
    ),
    Reader(
        "lookup",
        _lookup,
        lambda: [b"contract,number\nC1,99910000001\nC2,99910000002\n"],
        ("unheld_branch.records.lookups.load",),
        slow=True,
    ),
    Reader(
        "proposal",
        _proposed,
        lambda: [CALLS.encode(), REGISTRY.encode(), _parquets()[0]],
        ("unheld_branch.records.propose.propose",),
        slow=True,
    ),
    Reader("parked-records", _stream, _streams, ("unheld_branch.workflows.park.records",)),
    Reader(
        "coarsen",
        _coarsen,
        lambda: [b"none", b"prefix:5", b"grid:0.05", b"lookup:towers"],
        ("unheld_branch.records.places.CoarsenRule.parse",),
    ),
)
