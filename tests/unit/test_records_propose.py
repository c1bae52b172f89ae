"""A proposed mapping loads, says what will not be stored, and shows nothing of anybody."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld_branch.records import propose, read_records
from unheld_branch.records.mapping import parse
from unheld_branch.records.propose import mask
from unheld_verify.errors import BadInputError

RECORDS = (
    "interaction,direction,MSISDN,B-Number,timestamp,Duration (seconds),IMSI,Cell ID,Remark\n"
    "voice,out,+959777123456,09777123457,2026-07-08 10:11:12,60,414010123456789,c7,Daw Specimen\n"
    "text,in,+959777123456,KBZBANK,2026-07-08 10:12:13,,414010123456789,c8,\n"
)


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_proposal_reads_its_own_file(tmp_path: Path) -> None:
    """What is proposed works on a plain file as it stands."""
    path = written(tmp_path, RECORDS)
    mapping = parse(propose(path, home="MM", zone="Asia/Yangon").text, "m")
    (chunk,) = read_records([path], mapping, now=1_783_555_200)

    assert chunk.bad == ()
    assert chunk.table.slice(0, 1).to_pylist() == [
        {
            "owner": "tel:+959777123456",
            "datetime": 1_783_482_072,
            "event_type": 1,
            "outgoing": True,
            "duration": 60,
            "counterpart": "tel:+959777123457",
            "imsi": "414010123456789",
            "location_id": "c7",
        }
    ]


def test_the_commonest_names_are_known(tmp_path: Path) -> None:
    """A caller, a callee and a kind are recognised whatever else the export is."""
    text = "Caller,Callee,Start,Kind\n+959777123456,+959777123457,2026-07-08 10:11:12,voice\n"

    assert propose(written(tmp_path, text)).not_stored == ()


def test_columns_without_a_class_are_named(tmp_path: Path) -> None:
    """What will not be stored is said beforehand."""
    proposal = propose(written(tmp_path, RECORDS))

    assert proposal.not_stored == ("Remark",)
    assert "Remark = {}  # not stored" in proposal.text


def test_the_sample_is_masked(tmp_path: Path) -> None:
    """No digit and no letter of a value is shown."""
    proposal = propose(written(tmp_path, RECORDS))
    shown = " ".join(cell for row in proposal.sample[1:] for cell in row)

    assert set(shown) <= set("9x +-:")
    assert "777" not in proposal.text


@pytest.mark.parametrize(
    ("text", "delimiter", "header"),
    [
        ("a;when\n+959777123456;2026-07-08 10:11\n", ";", True),
        ("+959777123456\t2026-07-08 10:11\n+959777123457\t2026-07-08 10:11\n", "\t", False),
        ("Hla,+959777123456,2026-07-08 10:11\nMya,+959777123457,2026-07-08 10:11\n", ",", False),
    ],
)
def test_delimiter_and_header_are_found(tmp_path: Path, text: str, delimiter: str, header: bool) -> None:
    """A first row of data is never taken for a header."""
    mapping = parse(propose(written(tmp_path, text), home="MM").text, "m")

    assert (mapping.csv.delimiter, mapping.csv.header) == (delimiter, header)


@pytest.mark.parametrize(
    ("encoding", "found"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("cp1252", "cp1252"), ("utf-16", "utf-16")]
)
def test_the_encoding_is_found(tmp_path: Path, encoding: str, found: str) -> None:
    """Encodings with and without a mark."""
    path = written(tmp_path, RECORDS.replace("Specimen", "Müller"), encoding)

    assert parse(propose(path, home="MM").text, "m").csv.encoding == found


def test_a_table_without_times_is_a_registry(tmp_path: Path) -> None:
    """Numbers and days, but no time of day: who holds what since when."""
    path = written(tmp_path, "customer;number;activated;name\n7;09777123456;2020-01-02;Daw Specimen\n")
    mapping = parse(propose(path, home="MM").text, "m")

    assert mapping.kind == "registry"
    assert [rule.field.name for rule in mapping.columns] == ["holder", "owner", "since"]


def test_compressed_and_parquet_files_are_proposed_for(tmp_path: Path) -> None:
    """The format is known by the content."""
    (tmp_path / "x.gz").write_bytes(gzip.compress(RECORDS.encode()))
    pq.write_table(pa.table({"msisdn": ["+959777123456"], "datetime": ["2026-07-08 10:11:12"]}), tmp_path / "x.pq")

    assert parse(propose(tmp_path / "x.gz", home="MM").text, "m").format == "csv"
    assert parse(propose(tmp_path / "x.pq", home="MM").text, "m").format == "parquet"


@pytest.mark.parametrize("data", [b"", b"\0\1\2", b"PAR1xxxx", b"\n\n"])
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes) -> None:
    """Junk gets an error that names the file."""
    (tmp_path / "x").write_bytes(data)

    with pytest.raises(BadInputError, match=r"/x: "):
        propose(tmp_path / "x")


@given(st.text(max_size=60))
def test_a_mask_shows_shape_only(text: str) -> None:
    """Digits become 9 and letters x, in any script, and long values are cut."""
    shown = mask(text)

    assert all(sign in "9x" or (sign.isascii() and not sign.isalnum()) for sign in shown.removesuffix("…"))
    assert len(shown) <= 25
