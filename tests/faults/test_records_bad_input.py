"""Bad input: an error that names file, line and mend; nothing is guessed, memory stays bounded."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unheld_branch.records import Chunk, Reader, read_records
from unheld_branch.records.codecs import csv
from unheld_branch.records.mapping import CsvShape, Mapping, parse
from unheld_verify.errors import BadInputError, UnheldError

NOW = 1_783_555_200
HEAD = b"who,when\n"
ROW = b"+99912345678,2026-07-08\n"
COLUMNS = '[columns]\nwho = { field = "owner", class = "all" }\nwhen = { field = "datetime", class = "all" }'


def refused(path: Path, mapping: Mapping | None = None) -> str:
    """The text of the error with which a file is refused."""
    with pytest.raises(BadInputError) as error:
        list(read_records([path], mapping or parse(COLUMNS, "my.toml"), now=NOW))
    return str(error.value)


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"", 1, "the file is empty"),
        (gzip.compress(b"", mtime=0), 1, "the file is empty"),
        (HEAD + ROW + b"+999123\0,2026-07-08\n", 3, "a NUL byte"),
        (b"\x7fELF\0\0\0\1" * 99, 1, "a NUL byte"),
        (HEAD + ROW * 2 + b"a\rb,c\n", 4, "a carriage return"),
        (b"who,when\r+99912345678,2026-07-08\r", 1, "a carriage return"),
        (b"\r\r", 1, "a carriage return"),
        (b"who,who,when\n", 1, "two columns have the name of column 1"),
        (b"whom,when\n", 1, "no column 'who' among its 2"),
        (b"who;when\n", 1, "no column 'who' among its 1"),
        (b"PAR1" + bytes(20), 1, "this is Parquet"),
        (HEAD + ROW + b"x" * (csv.LONGEST_LINE + 2), 3, "longer than 1,048,576 bytes"),
        (HEAD + ROW + b"x" * (csv.LONGEST_LINE + 2) + b"\n" + ROW, 3, "longer than 1,048,576 bytes"),
        (b"who\xff,when\n", 1, "not utf-8; mend: encoding"),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, data: bytes, line: int, said: str) -> None:
    """Each kind of broken file names itself, the line and what to do."""
    path = tmp_path / "bad.csv"
    path.write_bytes(data)
    text = refused(path)

    assert text.startswith(f"{path}: line {line}: ")
    assert said in text


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("kept", [20, 0.5, -3])
def test_a_cut_off_archive(tmp_path: Path, codec: str, kept: float) -> None:
    """An archive that ends too early is refused as a whole, wherever it was cut."""
    whole = tmp_path / "whole"
    rows = b"".join(b"+9991%07d,2026-07-08\n" % n for n in range(20_000))
    with pa.CompressedOutputStream(str(whole), codec) as file:
        file.write(HEAD + rows)
    data = whole.read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])

    assert "the archive is damaged or cut off" in refused(path)


def test_a_damaged_archive(tmp_path: Path) -> None:
    """A flipped bit in an archive is found."""
    data = bytearray(gzip.compress(HEAD + ROW * 1000))
    data[-6] ^= 1
    path = tmp_path / "bad.gz"
    path.write_bytes(data)

    assert "the archive is damaged" in refused(path)


def test_an_empty_folder(tmp_path: Path) -> None:
    """A folder without files is told, not read as nothing."""
    assert "the folder holds no file" in refused(tmp_path)


def test_a_folder_of_junk(tmp_path: Path) -> None:
    """The first file that is none is named."""
    (tmp_path / "a.csv").write_bytes(HEAD + ROW)
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))

    assert refused(tmp_path).startswith(f"{tmp_path / 'b.jpg'}: line 1: ")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"a": [1]}), "no column 'who' among its 1"),
        (pa.table([[["x"]], ["2026-07-08"]], names=["who", "when"]), "holds list"),
        (pa.table([["x"], ["y"], ["z"]], names=["who", "when", "who"]), "two columns have the name"),
    ],
)
def test_parquet_of_another_schema(tmp_path: Path, table: pa.Table, said: str) -> None:
    """A Parquet file with other columns is refused by name."""
    pq.write_table(table, tmp_path / "x.parquet")
    text = refused(tmp_path / "x.parquet", parse('format = "parquet"\n' + COLUMNS, "m"))

    assert said in text
    assert "x.parquet" in text


@pytest.mark.parametrize("data", [b"", b"PAR1", HEAD + ROW, b"PAR1" + b"\xff" * 50 + b"PAR1"])
def test_what_is_no_parquet(tmp_path: Path, data: bytes) -> None:
    """Text, an empty file and junk are no Parquet."""
    (tmp_path / "x.parquet").write_bytes(data)

    assert "not Parquet, or damaged" in refused(tmp_path / "x.parquet", parse('format = "parquet"\n' + COLUMNS, "m"))


def test_more_than_one_bad_row_in_a_hundred(tmp_path: Path) -> None:
    """The whole file is refused, with its first bad lines and the mend."""
    path = tmp_path / "x.csv"
    path.write_bytes(HEAD + ROW * 197 + b"nobody at all,2026-07-08\n+99912345678,1970-01-01\n+99912345678,never\n")
    text = refused(path)

    assert "3 of 200 rows are bad, more than 1.0%: the file is refused" in text
    assert "line 199: who: neither a number" in text
    assert "line 200: when: a time before 1980" in text
    assert "mend: correct my.toml" in text


def test_one_bad_row_in_a_hundred_is_kept_apart(tmp_path: Path) -> None:
    """Up to one in a hundred the good rows are good."""
    path = tmp_path / "x.csv"
    path.write_bytes(HEAD + ROW * 198 + b"nobody at all,2026-07-08\n" * 2)
    (chunk,) = read_records([path], parse(COLUMNS, "m"), now=NOW)

    assert (chunk.table.num_rows, len(chunk.bad), chunk.read) == (198, 2, 200)


def test_a_mapping_can_be_stricter(tmp_path: Path) -> None:
    """`max_bad` lowers the bound."""
    path = tmp_path / "x.csv"
    path.write_bytes(HEAD + ROW * 999 + b"nobody at all,2026-07-08\n")

    assert "1 of 1,000 rows" in refused(path, parse("max_bad = 0.0005\n" + COLUMNS, "m"))


def test_a_wrong_mapping_is_refused_before_the_first_chunk(tmp_path: Path) -> None:
    """The first look comes before anything leaves."""
    path = tmp_path / "x.csv"
    path.write_bytes(HEAD + b"nobody at all,2026-07-08\n" * 300 + ROW * 100_000)
    reader = iter(read_records([path], parse(COLUMNS, "m"), now=NOW, chunk_rows=200_000))

    with pytest.raises(BadInputError, match="of 20,000 rows are bad"):
        next(reader)


def test_rows_that_go_bad_later_refuse_the_file_too(tmp_path: Path) -> None:
    """A file that turns bad at its end is refused although its chunks had left."""
    path = tmp_path / "x.csv"
    path.write_bytes(HEAD + ROW * 30_000 + b"nobody at all,2026-07-08\n" * 900)
    reader = iter(read_records([path], parse(COLUMNS, "m"), now=NOW, chunk_rows=2_000))
    next(reader)

    with pytest.raises(BadInputError, match="rows are bad"):
        list(reader)


def test_a_lookup_that_is_missing(tmp_path: Path) -> None:
    """A table that should stand beside the file is named."""
    (tmp_path / "x.csv").write_bytes(HEAD)
    more = '[lookup.sim]\nfile = "sims.csv"\nkey = "a"\nvalue = "b"\n'

    assert "[lookup.sim]" in refused(tmp_path / "x.csv", parse(more + COLUMNS, "m"))


def test_a_lookup_with_two_answers(tmp_path: Path) -> None:
    """One key that leads to two numbers leads to nobody."""
    (tmp_path / "x.csv").write_bytes(HEAD)
    (tmp_path / "sims.csv").write_bytes(b"a,b\n1,x\n1,y\n")
    more = '[lookup.sim]\nfile = "sims.csv"\nkey = "a"\nvalue = "b"\n'

    assert "one key has two values" in refused(tmp_path / "x.csv", parse(more + COLUMNS, "m"))


def test_a_line_of_100_megabytes_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """An endless line is told long before it has been read."""
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(HEAD + ROW)
        file.seek(100 << 20, 1)
        file.write(b"\n")
    compressed = tmp_path / "long.gz"
    with gzip.open(compressed, "wb", 1) as archive:
        archive.write(HEAD + ROW)
        for _ in range(100):
            archive.write(b"x" * (1 << 20))

    assert "line 3: a NUL byte" in refused(path)
    text, _, grown = _apart(compressed)
    assert "line 3: longer than 1,048,576 bytes" in text
    assert grown < 100 << 10


def _apart(path: Path) -> tuple[str, int, int]:
    """Read a file in a fresh process: the error, the rows, and by how many KiB its memory grew."""
    code = f"""
import json, resource
from unheld_branch.records import read_records
from unheld_branch.records.mapping import parse
from unheld_verify.errors import BadInputError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
text, rows = "", 0
try:
    for chunk in read_records([{str(path)!r}], parse({COLUMNS!r}, "m"), chunk_rows=50_000):
        rows += chunk.read
except BadInputError as error:
    text = str(error)
print(json.dumps([text, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    text, rows, grown = json.loads(done.stdout)
    return text, rows, grown


def _texts() -> Iterator[st.SearchStrategy[bytes]]:
    yield st.binary(max_size=300)
    yield st.text('+0123456789,;"\n\r x-:T', max_size=300).map(str.encode)
    yield st.text('+0123456789,"\n', max_size=300).map(lambda text: HEAD + text.encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(*_texts()))
def test_no_bytes_crash_the_reader(tmp_path: Path, data: bytes) -> None:
    """Whatever a file holds, it is read or refused by an error of ours."""
    path = tmp_path / "any"
    path.write_bytes(data)
    reader = read_records([path], parse(COLUMNS, "m"), now=NOW)
    said, chunks = _outcome(reader)

    assert said.startswith(f"{path}: ") or not said
    assert all(chunk.table.num_rows + len(chunk.bad) == chunk.read for chunk in chunks)


def _outcome(reader: Reader) -> tuple[str, list[Chunk]]:
    try:
        return "", list(reader)
    except UnheldError as error:
        return str(error), []


@given(
    st.lists(st.lists(st.text("abc\"';, é", max_size=4), min_size=2, max_size=2), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_blocks_of_any_size_give_the_same_rows(rows: list[list[str]], size: int) -> None:
    """Where a file is cut into blocks changes neither its rows nor its line numbers."""
    data = "\n".join(",".join(row) for row in rows).encode()
    shape = CsvShape(header=False, columns=("a", "b"))

    def read(block: int) -> list[object]:
        pieces = iter([data[i : i + block] for i in range(0, len(data), block)] or [b"\n"])
        found = list(csv.batches(pieces, shape, ["a", "b"], "x", block))
        lines = [line for batch in found for line in batch.lines.tolist()]
        cells = [
            cell
            for batch in found
            for cell in zip(*(c.texts().to_pylist() for c in batch.columns.values()), strict=True)
        ]
        broken = [row for batch in found for row in batch.broken]
        return [lines, cells, broken]

    assert read(size) == read(1 << 20)


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """Eight times the rows take hardly more memory."""
    peaks = []
    for count in (500_000, 4_000_000):
        path = tmp_path / f"{count}.csv"
        rows = b"".join(b"+9991%07d,2026-07-08\n" % n for n in range(500_000))
        path.write_bytes(HEAD + rows * (count // 500_000))
        text, read, grown = _apart(path)
        peaks.append(grown)

        assert (text, read) == ("", count)
    assert peaks[1] < peaks[0] + (100 << 10)
