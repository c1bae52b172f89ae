"""Logs of tiles: paths, reading from folders and over HTTP, and that no altered file of a log goes unnoticed."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unheld_branch.log.tiles import LogWriter
from unheld_verify import canonical, checkpoint, crypto, merkle, note, receipt, sources, statement, tiles
from unheld_verify.errors import BadInputError, CannotVerifyError, UnheldError, VerificationError

ORIGIN = "log.example/unheld"
SEED = bytes(range(32))
KEY = note.Key(ORIGIN, crypto.sign_public(SEED))
OPENING = statement.commit(statement.make(ORIGIN, "open", "2026-01-06", sealing_day="2026-01-06", set=0))
ENTRIES = [OPENING.entry] + [crypto.sha256(number.to_bytes(4, "big")) for number in range(599)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of 600 entries in two publications, the first entry opened."""
    writer = LogWriter.create(tmp_path / "log", SEED, ORIGIN)
    writer.append(0, ENTRIES[:250])
    writer.append(250, ENTRIES[250:])
    writer.publish_opening(0, OPENING)
    return tmp_path / "log"


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (1, 1000, 256, "tile/1/x001/000"),
        ("entries", 1234067, 256, "tile/entries/x001/x234/067"),
        (63, 999, 1, "tile/63/999.p/1"),
    ],
)
def test_tile_paths_are_those_of_the_specification(level: int | str, index: int, width: int, path: str) -> None:
    """A tile's number is written in groups of three digits, all but the last marked."""
    assert tiles.tile_path(level, index, width) == path


def test_widths_are_those_of_the_specification() -> None:
    """A log of 70,000 entries has the tiles that the specification counts for it, and one of 256 has two levels."""
    assert [tiles.tile_widths(70_000, level) for level in tiles.levels(70_000)] == [(273, 112), (1, 17), (0, 1)]
    assert [tiles.tile_widths(256, level) for level in tiles.levels(256)] == [(1, 0), (0, 1)]
    assert list(tiles.levels(0)) == []


def test_whole_log_verifies_in_five_steps(folder: Path) -> None:
    """A good log passes its five steps and says how many entries and openings it has."""
    told: list[str] = []

    head = tiles.verify_log(tiles.open_log(str(folder)), KEY, lambda step: told.append(f"{step.number} {step.words}"))

    assert (head.size, len(told)) == (600, 5)
    assert head.root == merkle.root([merkle.leaf_hash(entry) for entry in ENTRIES])
    assert told[4].startswith("5 1 published")


def test_log_of_exactly_full_tiles_verifies(tmp_path: Path) -> None:
    """A log whose last tile is full, so that level 0 has no partial one, verifies."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN).append(0, ENTRIES[:512])

    assert tiles.verify_log(tiles.open_log(str(tmp_path / "log")), KEY).size == 512


def test_partial_tiles_may_be_dropped_beside_full_ones(folder: Path) -> None:
    """A reader of an older checkpoint takes the full tile where the partial one is gone."""
    log = tiles.open_log(str(folder))
    for old in folder.rglob("000.p/250"):
        old.unlink()

    assert log.root(250) == merkle.root([merkle.leaf_hash(entry) for entry in ENTRIES[:250]])
    assert log.entries(0, 250) == ENTRIES[:250]


def test_any_altered_byte_of_any_file_is_found(folder: Path) -> None:
    """No file that the checkpoint covers can be altered: each byte tried makes the whole log false or unreadable."""
    covered = ("checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001", "openings/0.json")
    log = tiles.open_log(str(folder))
    for name in covered:
        good = (folder / name).read_bytes()
        for at in range(0, len(good), max(1, len(good) // 7)):
            (folder / name).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            with pytest.raises((VerificationError, BadInputError)):
                tiles.verify_log(log, KEY)
        (folder / name).write_bytes(good)
    assert tiles.verify_log(log, KEY).size == 600


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000", "tile/1/000.p/2", "tile/entries/002.p/88"])
@pytest.mark.parametrize(
    ("cut", "kind"), [("gone", CannotVerifyError), ("short", BadInputError), ("long", BadInputError)]
)
def test_missing_or_cut_file_is_named(folder: Path, name: str, cut: str, kind: type[UnheldError]) -> None:
    """A missing part cannot be verified, a part of another length is malformed; the error names the step."""
    good = (folder / name).read_bytes()
    (folder / name).unlink()
    if cut != "gone":
        (folder / name).write_bytes(good[:-1] if cut == "short" else good + b"\x00")

    with pytest.raises(kind, match=r"^step [123], "):
        tiles.verify_log(tiles.open_log(str(folder)), KEY)


def test_tiles_of_other_entries_do_not_pass(folder: Path) -> None:
    """Entries and tiles replaced together, so that they agree, still do not lead to the signed root."""
    (folder / "checkpoint").rename(folder / "signed")
    other = folder.parent / "other"
    LogWriter.create(other, SEED, ORIGIN).append(0, ENTRIES[::-1])
    (other / "checkpoint").write_bytes((folder / "signed").read_bytes())

    with pytest.raises(VerificationError, match=r"^step 4, root"):
        tiles.verify_log(tiles.open_log(str(other)), KEY)


@pytest.mark.parametrize("name", ["600.json", "01.json", "1", "x.json", "-1.json"])
def test_opening_of_no_entry_is_refused(folder: Path, name: str) -> None:
    """A file among the openings that belongs to no entry is named."""
    (folder / "openings" / name).write_bytes(canonical.encode(OPENING.to_json()))

    with pytest.raises(BadInputError, match="belongs to no entry"):
        tiles.verify_log(tiles.open_log(str(folder)), KEY)


def test_opening_of_another_entry_is_false(folder: Path) -> None:
    """An opening under the number of another entry is false."""
    (folder / "openings" / "1.json").write_bytes(canonical.encode(OPENING.to_json()))

    with pytest.raises(VerificationError, match="does not open entry 1"):
        tiles.verify_log(tiles.open_log(str(folder)), KEY)


def test_debris_of_a_broken_write_is_passed_over(folder: Path) -> None:
    """A staged file that a crash left among the openings is not taken for one."""
    (folder / "openings" / ".1.json.part").write_bytes(b"half")

    assert tiles.verify_log(tiles.open_log(str(folder)), KEY).size == 600


def test_claimed_receipt_is_completed_from_the_log(folder: Path) -> None:
    """An opening is found in the log by its entry and comes out as a receipt that verifies."""
    data = receipt.complete(OPENING, None, tiles.open_log(str(folder)), KEY)

    assert receipt.verify(data, KEY).statement == OPENING.statement


def test_unpublished_receipt_is_not_false_but_missing(folder: Path) -> None:
    """An opening whose entry is not in the log (yet) cannot be verified."""
    with pytest.raises(CannotVerifyError, match="not be published yet"):
        receipt.complete(statement.commit(OPENING.statement), None, tiles.open_log(str(folder)), KEY)


def test_overlong_entry_cannot_be_bundled() -> None:
    """An entry whose length does not fit two bytes is refused."""
    with pytest.raises(BadInputError, match="65,535"):
        tiles.encode_bundle([bytes(65_536)])


@pytest.mark.parametrize("place", ["ftp://log.example/", "file:///log"])
def test_other_schemes_are_refused(place: str) -> None:
    """A log is read from a folder or over http(s) and from nowhere else."""
    with pytest.raises(BadInputError, match="http://"):
        tiles.open_log(place)


def test_a_million_entries_take_time_linear_in_their_number(tmp_path: Path) -> None:
    """Verifying is fast enough for a million entries in 30 seconds: 30,000 of them take well under one."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN).append(0, ENTRIES * 50)
    began = time.process_time()

    tiles.verify_log(tiles.open_log(str(tmp_path / "log")), KEY)

    assert time.process_time() - began < 0.9


Answer = Callable[[http.server.BaseHTTPRequestHandler, bytes | None], None]


@contextmanager
def _served(folder: Path, answer: Answer) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = folder / self.path.lstrip("/")
            answer(self, place.read_bytes() if place.is_file() else None)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _plain(handler: http.server.BaseHTTPRequestHandler, data: bytes | None, encoding: str = "identity") -> None:
    handler.send_response(404 if data is None else 200)
    handler.send_header("Content-Encoding", encoding)
    handler.send_header("Content-Length", str(len(data or b"")))
    handler.end_headers()
    handler.wfile.write(data or b"")


def _zipped(handler: http.server.BaseHTTPRequestHandler, data: bytes | None) -> None:
    _plain(handler, None if data is None else gzip.compress(data), "gzip")


@pytest.mark.parametrize("answer", [_plain, _zipped])
def test_log_verifies_over_http(folder: Path, answer: Answer) -> None:
    """A log served as static files verifies, compressed or not, and says that openings were not checked."""
    told: list[str] = []
    with _served(folder, answer) as url:
        head = tiles.verify_log(tiles.open_log(f"{url}/"), KEY, lambda step: told.append(step.words))

    assert head.size == 600
    assert "not checked" in told[-1]


def test_missing_file_over_http_cannot_be_verified(folder: Path) -> None:
    """A server's 404 means missing, not false."""
    (folder / "tile/0/001").unlink()
    with _served(folder, _plain) as url, pytest.raises(CannotVerifyError, match="404"):
        tiles.verify_log(tiles.open_log(url), KEY)


def test_endless_answer_is_cut_off(tmp_path: Path) -> None:
    """A server that unpacks to more than a checkpoint may be is refused without holding it all."""

    def bomb(handler: http.server.BaseHTTPRequestHandler, _data: bytes | None) -> None:
        _zipped(handler, bytes(50_000_000))

    with _served(tmp_path, bomb) as url, pytest.raises(BadInputError, match="larger"):
        tiles.open_log(url).checkpoint()


def test_slow_answer_is_given_up(tmp_path: Path) -> None:
    """A server that trickles is given up after the time limit for the whole file."""

    def trickle(handler: http.server.BaseHTTPRequestHandler, _data: bytes | None) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        try:
            for _ in range(20):
                handler.wfile.write(bytes(70_000))
                time.sleep(0.05)
        except OSError:
            return

    with _served(tmp_path, trickle) as url, pytest.raises(CannotVerifyError, match="too long"):
        sources.HttpSource(url, seconds=0.2).read("checkpoint", 10_000_000)


def _broken_zip(handler: http.server.BaseHTTPRequestHandler, _data: bytes | None) -> None:
    _plain(handler, gzip.compress(bytes(1000))[:10] + b"\xff" * 20, "gzip")


def _cut_short(handler: http.server.BaseHTTPRequestHandler, _data: bytes | None) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"5\r\nab")


def _garbage(handler: http.server.BaseHTTPRequestHandler, _data: bytes | None) -> None:
    handler.wfile.write(b"no http at all\r\n\r\n")


@pytest.mark.parametrize("answer", [_broken_zip, _cut_short, _garbage])
def test_broken_answer_cannot_be_verified(tmp_path: Path, answer: Answer) -> None:
    """An answer that is not what it says it is means missing, not false, and never a crash."""
    with _served(tmp_path, answer) as url, pytest.raises(CannotVerifyError, match="cannot be fetched"):
        tiles.open_log(url).checkpoint()


def test_folder_of_openings_that_is_a_file_cannot_be_verified(folder: Path) -> None:
    """Openings that cannot be listed cannot be verified."""
    (folder / "openings" / "0.json").unlink()
    (folder / "openings").rmdir()
    (folder / "openings").write_bytes(b"")

    with pytest.raises(CannotVerifyError, match="cannot be listed"):
        tiles.verify_log(tiles.open_log(str(folder)), KEY)


def test_unreachable_server_cannot_be_verified() -> None:
    """A refused connection means missing, not false."""
    with pytest.raises(CannotVerifyError, match="cannot be fetched"):
        sources.HttpSource("http://127.0.0.1:1").read("checkpoint", 10)


def test_empty_log_verifies(tmp_path: Path) -> None:
    """A log just begun, with no entry, verifies."""
    LogWriter.create(tmp_path / "log", SEED, ORIGIN)

    assert tiles.verify_log(tiles.open_log(str(tmp_path / "log")), KEY) == checkpoint.Checkpoint(
        ORIGIN, 0, merkle.EMPTY_ROOT
    )
