"""From files to chunks: what is kept, what is bad, and where it stood."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unheld_branch.records import BadRow, Chunk, Mapping, mapping_of, read_records
from unheld_branch.records.mapping import parse
from unheld_verify.errors import BadInputError, UsageError

NOW = 1_783_555_200
HEAD = "who,whom,when,secs,net,cell,imsi,imei,note\n"
COLUMNS = """
who = { field = "owner", class = "all" }
whom = { field = "counterpart", class = "contact" }
when = { field = "datetime", class = "all" }
secs = { field = "duration", class = "charge" }
net = { field = "network", class = "charge" }
cell = { field = "location_id", class = "place"%s }
imsi = { field = "imsi", class = "contact" }
imei = { field = "imei", class = "contact" }
"""
WHO, WHOM, WHEN = "+99912345678", "+99987654321", "2026-07-08T00:00:00Z"
ROW = f"{WHO},{WHOM},{WHEN},60,4G,c1,,,private"


def mapping(more: str = "", cell: str = "") -> Mapping:
    return parse(f"{more}\n[columns]\n{COLUMNS % cell}", "m")


def chunks(path: Path, rule: Mapping | None = None, **more: object) -> list[Chunk]:
    return list(read_records([path], rule or mapping(), now=NOW, **more))  # type: ignore[arg-type]


def good_and_bad(tmp_path: Path, row: str, rule: Mapping | None = None) -> tuple[list[dict[str, object]], list[BadRow]]:
    """What becomes of one row among two hundred good ones."""
    path = tmp_path / "x.csv"
    path.write_text(HEAD + f"{row}\n" + f"{ROW}\n" * 200, "utf-8")
    (chunk,) = chunks(path, rule)
    return chunk.table.slice(0, chunk.table.num_rows - 200).to_pylist(), list(chunk.bad)


def test_a_row_becomes_facts(tmp_path: Path) -> None:
    """Every mapped column becomes a fact of its type."""
    rows, bad = good_and_bad(tmp_path, f"{WHO},1333,{WHEN},61,3G,c2,414010123456789,490154203237510,x")

    assert bad == []
    assert rows == [
        {
            "owner": "tel:+99912345678",
            "datetime": 1_783_468_800,
            "duration": 61,
            "network": "3G",
            "counterpart": "short:1333",
            "imsi": "414010123456789",
            "imei": "490154203237518",
            "location_id": "c2",
        }
    ]


def test_a_guest_is_known_by_the_imsi_alone(tmp_path: Path) -> None:
    """Without a number the IMSI is the party."""
    rows, bad = good_and_bad(tmp_path, f",{WHOM},{WHEN},,,,414010123456789,,")

    assert (rows[0]["owner"], bad) == ("imsi:414010123456789", [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"+9590,{WHOM},{WHEN},60,4G,c1,,,", "who: digits that are no valid phone number"),
        (f",{WHOM},{WHEN},60,4G,c1,,,", "owner: empty"),
        (f"{WHO},{WHOM},,60,4G,c1,,,", "datetime: empty"),
        (f"{WHO},{WHOM},1970-01-01,60,4G,c1,,,", "when: a time before 1980"),
        (f"{WHO},{WHOM},2100-01-01,60,4G,c1,,,", "when: a time more than a year ahead"),
        (f"{WHO},{WHOM},{WHEN},-1,4G,c1,,,", "secs: not a whole number"),
        (f"{WHO},{WHOM},{WHEN},4294967296,4G,c1,,,", "secs: not a whole number"),
        (f"{WHO},{WHOM},{WHEN},sixty,4G,c1,,,", "secs: not a whole number"),
        (f"{WHO},{WHOM},{WHEN},60,to 0977 712 3456,c1,,,", "net: a number in free text"),
        (f"{WHO},{WHOM},{WHEN},60,၀၉၇၇၇၁၂၃၄၅၆,c1,,,", "net: a number in free text"),
        (f"{WHO},{WHOM},{WHEN},60,{'x' * 64},c1,,,", "net: text longer"),
        (f"{WHO},{WHOM},{WHEN},60,4G,09777123456,,,", "cell: 7 or more digits"),
        (f"{WHO},{WHOM},{WHEN},60,4G,c1,12345,,", "imsi: no IMSI"),
        (f"{WHO},{WHOM},{WHEN},60,4G,c1,,490154203237511,", "imei: no IMEI"),
        (f"{WHO},{WHOM},{WHEN}", "3 cells instead of 9"),
        (f"{ROW},more", "10 cells instead of 9"),
        (f'"{ROW}', "a quote that does not close"),
    ],
)
def test_a_bad_row_is_told_apart(tmp_path: Path, row: str, reason: str) -> None:
    """A bad row carries line, reason and bytes, and takes no other row with it."""
    rows, bad = good_and_bad(tmp_path, row)

    assert rows == []
    assert [(one.line, one.raw) for one in bad] == [(2, row.encode())]
    assert bad[0].reason.startswith(reason)


def test_a_reason_never_repeats_a_value(tmp_path: Path) -> None:
    """Reasons are printed; values are somebody's."""
    _, bad = good_and_bad(tmp_path, f"+9590,{WHOM},{WHEN},60,4G,c1,,,")

    assert "9590" not in bad[0].reason


def test_a_party_of_bad_rows_only_leaves_no_trace(tmp_path: Path) -> None:
    """Nobody becomes a party by a row that was refused."""
    path = tmp_path / "x.csv"
    path.write_text(HEAD + f"+99955555555,{WHOM},,,,,,,\n" + f"{ROW}\n" * 200, "utf-8")
    (chunk,) = chunks(path)

    assert chunk.table["owner"].combine_chunks().dictionary.to_pylist() == ["tel:+99912345678"]


def test_a_cell_of_a_declared_format_may_have_many_digits(tmp_path: Path) -> None:
    """A cell identity is no phone number where the mapping says what it is."""
    rule = mapping(cell=', format = "cgi"')
    rows, bad = good_and_bad(tmp_path, f"{WHO},{WHOM},{WHEN},60,4G,414-01-12345-54321,,,", rule)

    assert (rows[0]["location_id"], bad) == ("414-01-12345-54321", [])


def test_lines_are_counted_as_they_stand(tmp_path: Path) -> None:
    """Blank lines, line ends of Windows and broken rows do not shift the number of a line."""
    lines = [HEAD.strip(), *[ROW] * 300, "", ROW, "a,b", *[ROW] * 300, "", f"{WHO},{WHOM},,,,,,,", "x", ROW]
    path = tmp_path / "x.csv"
    path.write_bytes("\r\n".join(lines).encode())
    found = [(row.line, row.raw.decode()) for chunk in chunks(path, chunk_rows=10) for row in chunk.bad]

    assert found == [(n, line) for n, line in enumerate(lines, 1) if line in {"a,b", f"{WHO},{WHOM},,,,,,,", "x"}]


def test_bytes_that_are_no_utf8_are_one_bad_row(tmp_path: Path) -> None:
    """A line in another encoding does not take its file with it."""
    path = tmp_path / "x.csv"
    path.write_bytes(HEAD.encode() + f"{ROW}\n".encode() * 200 + b"\xff\n" + f"{ROW}\n".encode())
    (chunk,) = chunks(path)

    assert [(row.line, row.reason, row.raw) for row in chunk.bad] == [
        (202, "not utf-8 (mend: encoding in [csv])", b"\xff")
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """Declared encodings are read, with and without a byte order mark."""
    path = tmp_path / "x.csv"
    path.write_bytes((HEAD + ROW.replace("4G", "größe") + "\n").encode(encoding))
    (chunk,) = chunks(path, mapping(f'[csv]\nencoding = "{encoding.removesuffix("-sig")}"'))

    assert chunk.table["network"].to_pylist() == ["größe"]


def test_columns_without_a_class_are_told(tmp_path: Path) -> None:
    """The report says which columns were not stored and how many bytes that saved."""
    path = tmp_path / "x.csv"
    path.write_text(HEAD + f"{ROW}\n" * 3, "utf-8")
    reader = read_records([path], mapping(), now=NOW)
    tables = [chunk.table for chunk in reader]

    assert reader.report().saved == {"note": 3 * len("private")}
    assert "note" not in tables[0].column_names


def test_the_digest_is_of_the_bytes_as_they_lie_there(tmp_path: Path) -> None:
    """The same file twice can be told by the SHA-256 of its bytes, compressed or not."""
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress((HEAD + f"{ROW}\n").encode()))
    reader = read_records([path], mapping(), now=NOW)
    list(reader)

    assert [file.sha256 for file in reader.report().files] == [hashlib.sha256(path.read_bytes()).hexdigest()]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_compression_is_known_by_its_first_bytes(tmp_path: Path, codec: str) -> None:
    """A name says nothing; the content does."""
    path = tmp_path / "x.txt"
    with pa.CompressedOutputStream(str(path), codec) as file:
        file.write((HEAD + f"{ROW}\n").encode())

    assert chunks(path)[0].read == 1


def test_folders_and_globs_give_each_file_once(tmp_path: Path) -> None:
    """A file named twice, directly and by folder and glob, is read once."""
    for name in ("b.csv", "a.csv", ".hidden"):
        (tmp_path / name).write_text(HEAD + f"{ROW}\n", "utf-8")
    reader = read_records([tmp_path, str(tmp_path / "*.csv"), tmp_path / "a.csv"], mapping(), now=NOW)

    assert [Path(chunk.file).name for chunk in reader] == ["a.csv", "b.csv"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash reads from a pipe, compressed or not."""

    class Stdin:
        buffer = io.BytesIO(gzip.compress((HEAD + f"{ROW}\n").encode()))

    monkeypatch.setattr(sys, "stdin", Stdin())

    assert [chunk.read for chunk in read_records(["-"], mapping(), now=NOW)] == [1]


def test_progress_ends_at_the_sum(tmp_path: Path) -> None:
    """Whoever waits is told how far it is."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(HEAD + f"{ROW}\n", "utf-8")
    told: list[tuple[int, int | None]] = []
    list(read_records([tmp_path], mapping(), now=NOW, progress=lambda done, total: told.append((done, total))))
    size = 2 * (tmp_path / "a.csv").stat().st_size

    assert told[-1] == (size, size)
    assert told == sorted(told)


def test_chunks_are_bounded_and_lose_nothing(tmp_path: Path) -> None:
    """Small chunks carry the same rows as one large one."""
    rows = [ROW.replace("60", str(n)) for n in range(2000)]
    path = tmp_path / "x.csv"
    path.write_text(HEAD + "\n".join(rows), "utf-8")
    small = chunks(path, chunk_rows=100)

    assert len(small) > 3
    assert pa.concat_tables([c.table for c in small])["duration"].to_pylist() == list(range(2000))


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    """One mapping serves both formats."""
    moment = pa.array([1_783_468_800], pa.int64()).cast(pa.timestamp("s", "UTC"))
    table = pa.table(
        {
            "who": [WHO],
            "whom": pa.array(["1333"]).dictionary_encode(),
            "when": moment,
            "secs": [60.0],
            "net": ["4G"],
            "cell": ["c1"],
            "imsi": [414010123456789],
            "imei": pa.nulls(1, pa.string()),
            "note": ["private"],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    (tmp_path / "x.csv").write_text(HEAD + f"{WHO},1333,{WHEN},60,4G,c1,414010123456789,,private\n", "utf-8")

    from_parquet = chunks(tmp_path / "x.parquet", mapping('format = "parquet"'))[0].table
    assert from_parquet.to_pylist() == chunks(tmp_path / "x.csv")[0].table.to_pylist()


def test_bad_rows_of_parquet_have_row_numbers(tmp_path: Path) -> None:
    """In Parquet a line is the number of the row."""
    names = HEAD.strip().split(",")
    cells = [[WHO, WHOM, WHEN, "60", "4G", "c1", None, None, None]] * 150 + [["1234567890"] + [None] * 8]
    columns = {
        name: pa.array(column, pa.string()) for name, column in zip(names, zip(*cells, strict=True), strict=True)
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    (chunk,) = chunks(tmp_path / "x.parquet", mapping('format = "parquet"'))

    assert [row.line for row in chunk.bad] == [151]
    assert b'"who": "1234567890"' in chunk.bad[0].raw


def test_an_owner_for_the_whole_file(tmp_path: Path) -> None:
    """A file that is one party's own is given its owner."""
    path = tmp_path / "x.csv"
    path.write_text("when\n2026-07-08\n", "utf-8")
    rule = parse('[columns]\nwhen = { field = "datetime", class = "all" }', "m")

    assert chunks(path, rule, owner="sub:ego")[0].table["owner"].to_pylist() == ["sub:ego"]


def test_a_file_without_an_owner_is_refused(tmp_path: Path) -> None:
    """Whose records they are must be said."""
    (tmp_path / "x.csv").write_text("when\n", "utf-8")
    rule = parse('[columns]\nwhen = { field = "datetime", class = "all" }', "m")

    with pytest.raises(UsageError, match="say whose records"):
        chunks(tmp_path / "x.csv", rule)


def test_two_owners_are_refused(tmp_path: Path) -> None:
    """A column and a constant cannot both say it."""
    (tmp_path / "x.csv").write_text(HEAD, "utf-8")

    with pytest.raises(UsageError, match="none can be given"):
        chunks(tmp_path / "x.csv", owner=WHO)


@pytest.mark.parametrize(("coarsen", "kept"), [("none", "c12345"), ("prefix:2", "c1"), ("lookup:tower", "t7")])
def test_places_are_coarsened(tmp_path: Path, coarsen: str, kept: str) -> None:
    """The policy decides how much of a place is kept, before anything else sees it."""
    (tmp_path / "towers.csv").write_text("antenna,tower\nc12345,t7\n", "utf-8")
    (tmp_path / "x.csv").write_text(HEAD + ROW.replace("c1,", "c12345,") + "\n", "utf-8")
    rule = mapping('[lookup.tower]\nfile = "towers.csv"\nkey = "antenna"\nvalue = "tower"')

    assert chunks(tmp_path / "x.csv", rule, coarsen=coarsen)[0].table["location_id"].to_pylist() == [kept]


def test_degrees_are_rounded_to_a_grid(tmp_path: Path) -> None:
    """A grid keeps the corner of its square, south and west of zero too."""
    path = tmp_path / "x.csv"
    path.write_text(f"who,when,lat,lon\n{WHO},{WHEN},16.80528,-96.15611\n", "utf-8")
    rule = parse(
        '[columns]\nwho = { field = "owner", class = "all" }\nwhen = { field = "datetime", class = "all" }\n'
        'lat = { field = "latitude", class = "place" }\nlon = { field = "longitude", class = "place" }\n'
        '[place]\ncoarsen = "grid:0.01"',
        "m",
    )
    table = chunks(path, rule)[0].table

    assert (table["latitude"].to_pylist(), table["longitude"].to_pylist()) == ([1_680_000], [-9_616_000])


def test_totals_name_partners_and_days_only(tmp_path: Path) -> None:
    """What leaves for settlement is events, minutes and bytes, and no person."""
    path = tmp_path / "x.csv"
    rows = [f"{WHO},{WHEN},90,10,5,41401", f"{WHO},{WHEN},30,,,41401", f"{WHO},2026-07-09,,1,,"]
    path.write_text("who,when,secs,up,down,op\n" + "\n".join(rows), "utf-8")
    rule = parse(
        '[columns]\nwho = { field = "owner", class = "all" }\nwhen = { field = "datetime", class = "all" }\n'
        'secs = { field = "duration", class = "charge" }\nup = { field = "volume_upload", class = "charge" }\n'
        'down = { field = "volume_download", class = "charge" }\nop = { field = "operator_code", class = "contact" }',
        "m",
    )
    reader = read_records([path], rule, now=NOW)
    list(reader)
    totals = reader.report().totals.by_partner_day

    assert {place: (t.events, t.minutes, t.bytes) for place, t in totals.items()} == {
        ("41401", 20642): (2, 2.0, 15),
        ("home", 20643): (1, 0.0, 1),
    }


@pytest.mark.parametrize(("text", "minor"), [("4.99", 499), ("-0,01", -1), ("96", 9600), ("+1.005", 100), ("0", 0)])
def test_amounts_become_minor_units(tmp_path: Path, text: str, minor: int) -> None:
    """Money is whole minor units, whichever decimal sign the file has."""
    path = tmp_path / "x.csv"
    path.write_text(f"who;when;money\n{WHO};{WHEN};{text}\n", "utf-8")
    decimal = "," if "," in text else "."
    rule = parse(
        f'[csv]\ndelimiter = ";"\ndecimal = "{decimal}"\n[columns]\nwho = {{ field = "owner", class = "all" }}\n'
        'when = { field = "datetime", class = "all" }\nmoney = { field = "amount", class = "charge", scale = 100 }',
        "m",
    )

    assert chunks(path, rule)[0].table["amount"].to_pylist() == [minor]


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading leaves no file behind, not even while it runs."""
    path = tmp_path / "data" / "x.csv"
    path.parent.mkdir()
    path.write_text(HEAD + f"{ROW}\n" * 5000, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    seen = [
        sorted(p.name for p in tmp_path.rglob("*")) for _ in read_records([path], mapping(), now=NOW, chunk_rows=500)
    ]

    assert len(seen) > 3
    assert all(names == ["data", "x.csv"] for names in seen)


def test_the_example_of_the_synthetic_operator_reads_its_files(tmp_path: Path) -> None:
    """The mapping that ships with the demo fits the records that the demo makes."""
    from unheld.testing.synthetic import Operator

    operator = Operator(seed=3, subscribers=300, days=1)
    paths = operator.write(tmp_path)
    examples = Path(__file__).parents[2] / "examples" / "mappings"
    registry = chunks(paths[0], mapping_of(examples / "synthetic-registry.toml"))
    records = list(read_records([paths[2]], mapping_of(examples / "synthetic.toml"), now=NOW))

    assert [(c.table.num_rows, c.bad) for c in registry] == [(300, ())]
    assert [c.bad for c in records] == [()]
    assert sum(c.read for c in records) == operator.day(operator.sealing_days[0]).num_rows


def test_a_header_alone_is_no_error(tmp_path: Path) -> None:
    """A day without records is a day."""
    (tmp_path / "x.csv").write_text(HEAD, "utf-8")

    assert [chunk.table.num_rows for chunk in chunks(tmp_path / "x.csv")] == [0]


def test_sources_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """A wrong path is told before anything is read."""
    with pytest.raises(BadInputError, match="no such file, folder or glob"):
        read_records([tmp_path / "none.csv"], mapping())
