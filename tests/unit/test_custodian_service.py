"""Promises of a custodian as a process: one command, two sockets, and nothing for whoever asks for something else."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.ceremony import World
from tests.support.served import BYTES, Served, command, founded, send, served
from unheld_custodian import service
from unheld_custodian.__main__ import _desk, main
from unheld_custodian.desk import Desk
from unheld_slots import durable
from unheld_slots.listening import listening
from unheld_slots.slot import FileSlot
from unheld_verify import canonical, columns, custody, signed
from unheld_verify.errors import StateError


@pytest.fixture(scope="module")
def custodian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Served]]:
    """A founded custodian that tests of this module only ask what changes nothing."""
    with founded(tmp_path_factory.mktemp("custodian")) as both:
        yield both


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """`unheld-custodian` to its end, in this process."""
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told):
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(words, code, said.getvalue(), told.getvalue())


def made(folder: Path, *, slot: str | None = None, name: str | None = None) -> None:
    """What a first `serve` leaves when it has been told to stop."""
    durable.make_folders(folder)
    _desk(folder, slot, name)


def start(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A start that does not get as far as serving."""
    return run("serve", str(folder), "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0", *words)


def test_bytes_come_back_as_the_desk_answers(custodian: tuple[World, Served]) -> None:
    """A knock over the line is answered with a door that the custodian signed."""
    world, running = custodian
    assert world.roster
    door = signed.decode(running.handle(custody.knock(world.address(0))), "door")

    assert len(custody.door_key(door, world.address(0), world.roster.signs[0])) == 1216


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_only_posts_are_answered(custodian: tuple[World, Served], method: str) -> None:
    """Any other method finds nothing."""
    assert send(custodian[1].line, method, "/v1", b"", BYTES).status == 404


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "//v1", "/V1", "/v1/..", "/../v1", "/v2", "/%2fv1", "/status", "/v1%00", "/style.css"]
)
def test_only_one_path_is_answered(custodian: tuple[World, Served], path: str) -> None:
    """Any other path finds nothing, however it is spelled."""
    assert send(custodian[1].line, "POST", path, b"{}", BYTES).status == 404


def test_the_pages_are_not_on_the_line(custodian: tuple[World, Served]) -> None:
    """Who reaches the open socket finds no page there, even with the link's own path; nor bytes on the other one."""
    running = custodian[1]

    assert send(running.line, "GET", running.root, b"", {"Host": running.host}).status == 404
    assert send(running.page, "POST", "/v1", b"{}", BYTES | {"Host": running.host}).status == 404


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "application/octet-stream; charset=utf-8"])
def test_only_bytes_are_taken(custodian: tuple[World, Served], kind: str) -> None:
    """A web page in a browser cannot send this type elsewhere without asking first, and is not answered."""
    assert send(custodian[1].line, "POST", "/v1", b"{}", {"Content-Type": kind}).status == 415


@pytest.mark.parametrize("length", [str(service.MOST_BYTES + 1), "9" * 18])
def test_too_much_is_refused_before_it_is_read(custodian: tuple[World, Served], length: str) -> None:
    """A body that says it is too long is not waited for."""
    assert send(custodian[1].line, "POST", "/v1", b"", BYTES | {"Content-Length": length}).status == 413


def test_too_much_in_pieces_is_refused(custodian: tuple[World, Served]) -> None:
    """A body that does not say how long it is ends where the limit is."""
    with socket.create_connection(custodian[1].line, timeout=20) as line:
        head = "POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked"
        line.sendall(f"{head}\r\n\r\n".encode())
        piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        for _ in range(service.MOST_BYTES >> 20):
            line.sendall(piece)
        line.sendall(b"1\r\n\0\r\n")

        assert line.recv(100).startswith(b"HTTP/1.1 413")


NO_REQUESTS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n",
]


def test_what_is_no_request_ends_its_line_alone(tmp_path: Path) -> None:
    """The custodian goes on after bytes that are no HTTP, and says nothing of where they came from."""
    with founded(tmp_path) as (world, running):
        for said in NO_REQUESTS:
            with socket.create_connection(running.line, timeout=20) as line:
                try:
                    line.sendall(said)
                    answered = line.recv(100)
                except ConnectionError:
                    answered = b""
            assert answered == b"" or answered.split()[1] in (b"400", b"413", b"431")
        assert running.handle(custody.knock(world.address(0)))
        running.process.terminate()
        assert running.process.stdout
        assert "127.0.0.1" not in running.process.stdout.read()


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"[" * 5000, b'{"v":1,"kind":"letter"}', b"null"])
def test_bytes_that_say_nothing_change_nothing(custodian: tuple[World, Served], data: bytes) -> None:
    """The desk refuses in clear, and its memory is not written again."""
    world, running = custodian
    before = world.ask(0, "status")["generation"]

    assert canonical.decode(running.handle(data))["kind"] == "refused"
    assert world.ask(0, "status")["generation"] == before


class Nothing:
    """An application that is never asked."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError(scope)


def test_a_silent_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can hold connections by saying nothing."""
    monkeypatch.setattr(service, "LINE_SECONDS", 0.2)

    async def silent() -> bytes:
        with listening("127.0.0.1:0") as listener:
            server = service._server(Nothing())
            task = asyncio.create_task(server.serve([listener]))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            try:
                return await asyncio.wait_for(reader.read(), 10)
            except ConnectionResetError:
                return b""
            finally:
                writer.close()
                server.should_exit = True
                await task

    assert asyncio.run(silent()) == b""


def test_one_command_makes_it_and_finds_it_again(tmp_path: Path) -> None:
    """The first start makes the custodian with its slot beside it; the second is the same custodian."""
    folder = tmp_path / "held"
    with served(folder, "--name", "Oslo") as running:
        assert "Oslo" in running.get().text
        cookie = running.cookie
        link = running.link
    assert (tmp_path / "held.slot" / "custodian.slot").stat().st_mode & 0o777 == 0o600
    with served(folder) as again:
        again.link, again.cookie = link, cookie
        assert "Oslo" in again.get().text


def test_the_secret_can_be_kept_elsewhere(tmp_path: Path) -> None:
    """`--slot` says where a new custodian's secret is; its folder and the one beside it hold none."""
    (tmp_path / "key").mkdir()
    uri = f"file:{tmp_path / 'key' / 'oslo.slot'}"
    made(tmp_path / "held", slot=uri)

    assert FileSlot.open(tmp_path / "key" / "oslo.slot").live()
    assert [path.name for path in (tmp_path / "held.slot").iterdir()] == ["slots.toml"]
    assert start(tmp_path / "held", "--slot", "file:/elsewhere").returncode == 2


def test_it_keeps_its_name(tmp_path: Path) -> None:
    """A custodian is known to its sets by its name: another one is refused."""
    made(tmp_path / "held", name="Oslo")
    renamed = start(tmp_path / "held", "--name", "Bergen")

    assert renamed.returncode == 2
    assert "Oslo" in renamed.stderr


def test_a_first_start_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    """An empty slot without a custodian is what a crash leaves: the next start uses it."""
    (tmp_path / "held.slot").mkdir()
    FileSlot.create(tmp_path / "held.slot" / "custodian.slot")
    with served(tmp_path / "held") as running:
        assert running.get().status == 200


def test_a_full_slot_is_never_taken_for_a_new_custodian(tmp_path: Path) -> None:
    """With its folder away (a disk not mounted), a start ends at once and the secret stays as it is."""
    made(tmp_path / "held")
    (tmp_path / "held").rename(tmp_path / "away")
    before = (tmp_path / "held.slot" / "custodian.slot").read_bytes()
    missing = start(tmp_path / "held")

    assert missing.returncode == 10
    assert "is the right folder given" in missing.stderr
    assert (tmp_path / "held.slot" / "custodian.slot").read_bytes() == before


def test_a_missing_slot_is_never_made_anew(tmp_path: Path) -> None:
    """A custodian whose secret is away does not start, and no empty slot takes its place."""
    made(tmp_path / "held")
    (tmp_path / "held.slot").rename(tmp_path / "away")

    assert start(tmp_path / "held").returncode == 10
    assert not (tmp_path / "held.slot").exists()


def test_one_process_a_folder(tmp_path: Path) -> None:
    """A second one for the same folder ends at once with the code for a locked store."""
    with served(tmp_path / "held"):
        assert start(tmp_path / "held").returncode == 11


@pytest.mark.parametrize("place", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_the_pages_are_for_this_machine_alone(tmp_path: Path, place: str) -> None:
    """Any address that others could reach is refused, and nothing is made."""
    refused = run("serve", str(tmp_path / "held"), "--listen", "127.0.0.1:0", "--page", place)

    assert refused.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["8440", "here:8440", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_named(tmp_path: Path, place: str) -> None:
    """A wrong address is repeated in the error, and nothing is made."""
    refused = run("serve", str(tmp_path / "held"), "--listen", place)

    assert refused.returncode in (1, 2)
    assert f"{place}: " in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """Where something listens already, nothing is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = run("serve", str(tmp_path / "held"), "--listen", place)

    assert refused.returncode == 1
    assert "cannot listen there" in refused.stderr


def test_status_gives_figures_to_scripts(tmp_path: Path) -> None:
    """While it runs: code 0 and figures as JSON; afterwards code 1 and the last ones."""
    with founded(tmp_path) as (world, running):
        world.ask(0, "drill", {"drill": "ab" * 32})
        running.get()
        call = command("status", str(tmp_path / "c0"))
        found = subprocess.run(call, capture_output=True, text=True, timeout=60, check=True)
    ended = run("status", str(tmp_path / "c0"))

    assert json.loads(found.stdout)["running"] is True
    assert json.loads(found.stdout)["sets"][0]["n"] == 3
    assert (ended.returncode, json.loads(ended.stdout)["running"]) == (1, False)


@pytest.mark.parametrize("figures", [None, b"", b"\xff", b"["])
def test_status_without_figures_says_where_they_should_be(tmp_path: Path, figures: bytes | None) -> None:
    """A custodian that was never served, or whose figures were cut off, has no state to tell: not one of nothing."""
    made(tmp_path / "held")
    if figures is not None:
        (tmp_path / "held" / service.FIGURES).write_bytes(figures)
    found = run("status", str(tmp_path / "held"))

    assert found.returncode not in (0, 1)
    assert f"{service.FIGURES}: cannot be read" in found.stderr


def test_status_tells_of_a_custodian_that_runs_and_cannot_work(tmp_path: Path) -> None:
    """Figures that housekeeping has not written for minutes, as without its token, are an alarm and not the state."""
    figures = tmp_path / "held" / service.FIGURES
    with served(tmp_path / "held"):
        while not figures.exists():
            time.sleep(0.01)
        os.utime(figures, (0, time.time() - 400))
        found = run("status", str(tmp_path / "held"))

    assert (found.returncode, json.loads(found.stdout)["age"] >= 400) == (1, True)
    assert "it runs and cannot work" in found.stderr


@pytest.mark.parametrize("name", ["status", "freeze", "page"])
def test_where_no_custodian_is_nothing_is_done(tmp_path: Path, name: str) -> None:
    """The other commands need a custodian, and make none."""
    assert run(name, str(tmp_path)).returncode == 10
    assert list(tmp_path.iterdir()) == []


def test_freeze_holds_for_the_very_next_call(tmp_path: Path) -> None:
    """After `freeze` a running custodian hands out nothing, and its person alone can end it."""
    with founded(tmp_path) as (world, running):
        assert run("freeze", str(tmp_path / "c0")).returncode == 0
        with pytest.raises(StateError, match="frozen by person"):
            world.ask(0, "open", {"day": columns.day_text(world.today)})
        running.get()
        assert running.post("thaw").status == 303
        assert world.ask(0, "open", {"day": columns.day_text(world.today)})["index"] == 0


def test_freeze_waits_for_one_that_does_not_run(tmp_path: Path) -> None:
    """A custodian that was told to freeze while it was off starts frozen."""
    made(tmp_path / "held")
    run("freeze", str(tmp_path / "held"))
    with served(tmp_path / "held") as running:
        running.link = run("page", str(tmp_path / "held"), "--page", running.host).stdout.split()[2]
        assert "You froze this custodian" in running.get().text


def test_trouble_with_the_disk_is_shown_to_the_person(tmp_path: Path) -> None:
    """When the minute's housekeeping fails the custodian goes on, and says so where the person looks."""
    made(tmp_path / "held")
    (tmp_path / "held" / service.FIGURES).mkdir()
    with served(tmp_path / "held", complains=True) as running:
        running.get()
        assert "Something does not work" in running.get().text


@pytest.mark.parametrize("handed_on", [True, False])
def test_a_clock_set_ahead_gains_nothing_by_a_new_process(tmp_path: Path, handed_on: bool) -> None:
    """What a watch knew goes along: a day ahead in all while the service runs. Without it there would be another."""
    start, ahead = 20_000 * 86_400, [0]
    slot = FileSlot.create(tmp_path / "slot")
    one = Desk.create(tmp_path / "c", slot, "C", lambda: start, lambda: 50.0)
    for hours in (0, 20, 40):
        assert not one.overview().jumped
        ahead[0] = hours * 3600
        known = one.watch.known if handed_on else None
        one = Desk.open(tmp_path / "c", slot, lambda: start + ahead[0], lambda: 50.0, known)

    assert one.overview().jumped == handed_on
