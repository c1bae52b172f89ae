"""Damaged Parquet is refused by name, whatever Arrow makes of it: it is unpacked in a process of its own."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from random import Random

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fuzz.kept import CORPUS
from tests.support.readers_tables import HEADER
from unheld_branch.records.codecs.unpacking import unpacked
from unheld_branch.records.propose import propose
from unheld_verify.errors import BadInputError

NUMBERS = pa.table({"msisdn": [f"9991{number:07d}" for number in range(20_000)]})
ENDS = CORPUS / "parquet" / "ends-the-program"
"""Its footer opens; at the sizes of one column Arrow ends the program (found by mutation, Arrow 25)."""


def _rows(path: Path, wanted: list[str] | None = None) -> int:
    with unpacked(path, path.name, 1_000, wanted) as file:
        return sum(batch.num_rows for batch in file.batches)


def test_a_file_at_which_arrow_ends_the_program_is_refused() -> None:
    """The process that looks at it dies; ours names the file and the signal."""
    wanted = HEADER.split(",")

    with pytest.raises(BadInputError, match=r"ends-the-program: not Parquet, or damaged .*SIGABRT.*get the file again"):
        _rows(ENDS, wanted)


def unpacking() -> list[psutil.Process]:
    """The processes of this one that unpack a file; a database that other tests started may stand beside them."""
    return [child for child in psutil.Process().children() if any("unpacking" in word for word in child.cmdline())]


@pytest.mark.parametrize("ending", [signal.SIGABRT, signal.SIGKILL])
def test_a_process_that_dies_between_two_batches_is_no_end_of_the_file(tmp_path: Path, ending: signal.Signals) -> None:
    """However its process ends, a file of which rows are missing is not taken for a shorter one."""
    path = tmp_path / "calls.parquet"
    pq.write_table(NUMBERS, path)

    with unpacked(path, path.name, 10, ["msisdn"]) as file:
        assert next(file.batches).num_rows == 10
        [child] = unpacking()
        child.send_signal(ending)
        with pytest.raises(BadInputError, match=rf"calls.parquet: .*{ending.name}"):
            list(file.batches)


def test_whoever_stops_reading_leaves_no_process_behind(tmp_path: Path) -> None:
    """A reader that wants the first rows alone ends what unpacks the others."""
    path = tmp_path / "calls.parquet"
    pq.write_table(NUMBERS, path)

    with unpacked(path, path.name, 10) as file:
        next(file.batches)

    assert unpacking() == []


def test_a_page_that_does_not_unpack_is_refused_with_its_file(tmp_path: Path) -> None:
    """A sound footer over spoilt pages is named as damaged, when the rows are read and when a mapping is proposed."""
    path = tmp_path / "calls.parquet"
    pq.write_table(NUMBERS, path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[64:4_000] = bytes(3_936)
    path.write_bytes(data)

    with pytest.raises(BadInputError, match=r"calls.parquet: not Parquet, or damaged"):
        _rows(path, ["msisdn"])
    with pytest.raises(BadInputError, match=r"calls.parquet: not Parquet, or damaged"):
        propose(path)


def test_a_name_of_no_utf_8_is_told_as_it_is(tmp_path: Path) -> None:
    """The name of the file comes through the other process unchanged, whatever bytes it has."""
    path = tmp_path / "calls-\udcff.parquet"
    path.write_bytes(b"PAR1")

    with pytest.raises(BadInputError, match=re.escape("calls-\udcff.parquet: not Parquet")):
        _rows(path)


@pytest.mark.slow
def test_spoilt_pages_under_a_sound_footer_are_read_or_refused(tmp_path: Path) -> None:
    """Twenty files with bytes of their pages changed: rows, or a refusal that names the file."""
    path, random = tmp_path / "calls.parquet", Random(5)
    pq.write_table(NUMBERS.slice(0, 300), path, compression="none")
    good = path.read_bytes()
    pages = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    told = []

    for _ in range(20):
        data = bytearray(good)
        for _ in range(3):
            data[random.randrange(4, pages)] ^= 1 << random.randrange(8)
        path.write_bytes(data)
        try:
            told.append(str(_rows(path, ["msisdn"])))
        except BadInputError as error:
            told.append(str(error))

    assert [words for words in told if words != "300" and not words.startswith("calls.parquet: ")] == []
    assert len(set(told)) > 1
