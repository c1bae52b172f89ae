"""What hostile bytes cost: lengths that lie, archives that swell, names and numbers without end, lines that trickle."""

from __future__ import annotations

import http.server
import json
import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.reader import WORDS_MOST
from tests.support.readers import READERS
from tests.support.readers_custody import push
from unheld.exit import buyer
from unheld_branch.records.codecs import csv, parquet
from unheld_branch.records.codecs.sources import Source, opened
from unheld_branch.records.mapping import CsvShape
from unheld_branch.records.propose import propose
from unheld_branch.store.parked import read_header
from unheld_slots import toml
from unheld_slots.slot import FileSlot
from unheld_verify import canonical, custody, errors
from unheld_verify.errors import BadInputError, CannotVerifyError
from unheld_verify.sources import FolderSource, HttpSource

SECONDS = 5.0
"""CPU seconds that no refusal here comes near; before it was mended each took minutes or hours."""


@contextmanager
def _soon() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < SECONDS


def test_a_long_name_costs_nothing_for_each_value_below_it() -> None:
    """A name of a million signs above many values is refused, or read, at once."""
    deep = {"a" * 1_000_000: {str(number): 1 for number in range(100_000)}, "b": "é"}
    data = json.dumps(deep, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    with _soon():
        assert canonical.decode(data)["b"] == "é"


@pytest.mark.parametrize(
    "text",
    [
        b"a." * 400_000 + b"a=1",
        b"[" + b"a." * 400_000 + b"a]",
        b"a=" + b"[" * 100_000,
        b"a=" + b"1" * 100_000,
        b"#" * 2_000_000,
    ],
    ids=["dotted key", "dotted table", "nesting", "digits", "size"],
)
def test_toml_without_end_is_refused_at_once(text: bytes) -> None:
    """Dots, brackets, digits and bytes without end are bad input, whatever the standard library makes of them."""
    with _soon(), pytest.raises(BadInputError, match=r"^settings\.toml: "):
        toml.loads(text, "settings.toml")


def test_a_push_makes_no_more_keys_than_it_carries() -> None:
    """Many columns times many components, with no key in any, are refused before a place is made for each."""
    body = custody.push_body(push())
    body["columns"] = [["charge", "2026-07-06"]] * 30_000
    body["keys"] = {str(number): "" for number in range(30_000)}

    tracemalloc.start()
    with _soon(), pytest.raises(BadInputError, match="one for every column"):
        custody.push_of(body)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_a_length_that_lies_allocates_nothing(tmp_path: Path) -> None:
    """A parked file that says its header is four gigabytes long is refused by what it says."""
    path = tmp_path / "one.parked"
    path.write_bytes(b"UNHPARK1\xff\xff\xff\xff")

    tracemalloc.start()
    with pytest.raises(BadInputError):
        read_header(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_slot_of_another_size_is_not_read(tmp_path: Path) -> None:
    """A file of a terabyte with nothing in it is no slot, and is not read to see so."""
    path = tmp_path / "root.slot"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    with _soon(), pytest.raises(BadInputError, match="not a slot"):
        FileSlot.open(path)


def test_a_text_that_a_million_rows_share_is_held_once(tmp_path: Path) -> None:
    """A Parquet file of some kilobytes cannot fill gigabytes with one long text in every row."""
    path = tmp_path / "bomb.parquet"
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"msisdn": text}), path, store_schema=False)
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()

    with opened(Source("bomb.parquet", path), lambda _: None) as raw:
        rows = sum(len(batch.lines) for batch in parquet.batches(Source("bomb.parquet", path), raw, ["msisdn"]))

    assert path.stat().st_size < 200_000
    assert rows == 60_000
    assert pool.bytes_allocated() - before < 64 << 20


def test_a_table_of_too_many_columns_is_refused_at_once() -> None:
    """A first line with a hundred thousand names is refused, and not compared name by name."""
    line = ",".join(f"c{number}" for number in range(100_000)).encode() + b"\n"

    with _soon(), pytest.raises(BadInputError, match="too many"):
        list(csv.batches(iter([line]), CsvShape(), ["c1"], "calls.csv", 1 << 20))


def test_a_first_line_without_digits_to_its_end_is_looked_at_once(tmp_path: Path) -> None:
    """A cell of a hundred thousand letters with digits behind them does not keep `unheld map` for minutes."""
    path = tmp_path / "calls.csv"
    path.write_bytes(b"a" * 120_000 + b"12345,b\n" + b"1,2\n")

    with _soon():
        assert propose(path).sample


def test_too_many_shares_are_refused_at_once(tmp_path: Path) -> None:
    """A buyer record of ten thousand shares is refused, and not summed up pair by pair."""
    path = tmp_path / "buyer.toml"
    path.write_text('buyer = "B"\n' + "[[share]]\n" * 10_000)

    with _soon(), pytest.raises(BadInputError, match="too many"):
        buyer.body(path, "2026-07-10")


def test_an_error_that_quotes_a_file_is_short() -> None:
    """However long what is quoted is, the error is not."""
    assert len(str(errors.BadInputError("x" * 1_000_000))) <= errors.WORDS_MOST <= WORDS_MOST


def test_a_pipe_in_a_log_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe where a log's file should be is said to be none."""
    os.mkfifo(tmp_path / "checkpoint")

    with pytest.raises(CannotVerifyError, match="no plain file"):
        FolderSource(tmp_path).read("checkpoint", 100)


@contextmanager
def _served(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_that_gives_a_byte_at_a_time_is_given_up() -> None:
    """The time limit is of the whole file: bytes that keep coming, one by one, do not prolong it."""

    def trickle(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"x")
                time.sleep(0.02)
        except OSError:
            return

    with _served(trickle) as url, pytest.raises(CannotVerifyError, match="too long"):
        HttpSource(url, seconds=0.3).read("checkpoint", 1000)


def test_an_answer_that_is_cut_off_is_not_taken_for_whole() -> None:
    """A body shorter than its server said is refused."""

    def cut(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x" * 10)

    with _served(cut) as url, pytest.raises(CannotVerifyError, match="cut off"):
        HttpSource(url).read("checkpoint", 1000)


def test_more_than_a_hundred_readers_are_listed() -> None:
    """The list is of all readers, and not of some that somebody thought of."""
    assert len(READERS) > 100
