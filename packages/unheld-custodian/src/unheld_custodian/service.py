"""A custodian's two sockets in one process: bytes for branch and headquarters, pages for the person beside it.

The first answers `POST /v1` and nothing else, and writes down nobody's address: what it carries is signed and sealed
(`docs/spec/custody.md`), so plain HTTP will do. The second listens on this machine alone (`unheld_custodian.pages`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from unheld_custodian.acts import Known
from unheld_custodian.desk import Desk
from unheld_custodian.pages import Pages, body_of
from unheld_slots import durable, locks
from unheld_verify.errors import StateError, UnheldError, UsageError

MOST_BYTES = 8 << 20
LINES_MOST = 64
LINE_SECONDS = 120
TICK_SECONDS = 60
FIGURES = "status.json"
_AGAIN = 75
"""Exit code of a child that lost a secret: begin another."""
Opened = Callable[[Known, bool], tuple[Desk, str]]
"""Opens a custodian's desk, given what its watch knows; where it is the first time, also what to print."""
_FREEZE, _LOCK = "freeze-now", "lock"


class Carrier:
    """The ASGI application of the first socket: bytes in, bytes out."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if (request.method, request.scope["path"]) != ("POST", "/v1"):
            return Response(status_code=404)
        if request.headers.get("content-type") != "application/octet-stream":
            return Response(status_code=415)
        data = await body_of(request, MOST_BYTES)
        if data is None:
            return Response(status_code=413, headers={"connection": "close"})
        answer = await asyncio.to_thread(self._handle, data)
        return Response(answer, media_type="application/octet-stream")

    def _handle(self, data: bytes) -> bytes:
        freeze_as_told(self._desk, self._folder)
        return self._desk.handle(data)


class _ShortLine(H11Protocol):
    """A connection that ends after a while, so that nobody holds them all by saying nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(LINE_SECONDS, transport.abort)


class _Server(uvicorn.Server):
    """One of two servers: signals are for both, and both end when their desk lost a secret."""

    desk: Desk | None = None

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is over."""
        return await super().on_tick(counter) or (self.desk is not None and self.desk.lost)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(place: str, *, here: bool = False) -> socket.socket:
    """A socket that listens at `ADDRESS:PORT`; `here`: only an address of this machine will do.

    Raises UsageError, or StateError where the port is taken.
    """
    host, _, port = place.rpartition(":")
    try:
        address, number = ipaddress.ip_address(host.strip("[]")), range(1 << 16).index(int(port))
    except ValueError:
        raise UsageError(f"{place}: write ADDRESS:PORT, for example 127.0.0.1:8441 or [::]:8440") from None
    if here and not address.is_loopback:
        raise UsageError(f"{place}: the pages are for the person at this machine alone: give 127.0.0.1 and a port")
    try:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return socket.create_server((str(address), number), family=family)
    except OSError as error:
        raise StateError(f"{place}: cannot listen there: {error}; is the custodian running already?") from None


def alone(folder: Path) -> AbstractContextManager[None]:
    """Be the one process that works in `folder`. Raises LockedError at once where another does."""
    return locks.locked(folder / _LOCK, f"{folder}: this custodian is running already")


def tell_to_freeze(folder: Path) -> None:
    """Let the custodian of `folder` freeze before it answers anybody, whether it runs now or later."""
    durable.write_file(folder / _FREEZE, b"")


def freeze_as_told(desk: Desk, folder: Path) -> None:
    """Freeze if somebody told so from outside."""
    if (folder / _FREEZE).exists():
        desk.freeze()
        durable.remove_file(folder / _FREEZE)


def run(opened: Opened, folder: Path, lines: socket.socket, page: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is being written; gives the exit code.

    What Python freed stays in a process's memory. So this process reads no secret: one that it forks does, ends once
    it destroyed any, and the next one begins. Who connects meanwhile waits for a moment. Raises what `opened` raises.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be a copy of the secrets
    children: list[int] = []
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)
        for pid in children:
            os.kill(pid, number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = _AGAIN
        first, known = True, Known()
        while code == _AGAIN and not stopping:
            code, known = _child(partial(_work, opened, folder, lines, page, known, first), children, stopping)
            first = False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopping and code in (_AGAIN, -signal.SIGTERM, -signal.SIGINT):
        return 0
    if code < 0:  # who killed it meant this service
        os.kill(os.getpid(), -code)
    return code


def _child(work: Callable[[Connection], int], children: list[int], stopping: list[int]) -> tuple[int, Known]:
    """(exit code of `work` in a fork, what its watch knew). It ends when this process does. Raises what it raised."""
    here, there = Pipe()
    pid = os.fork()
    if not pid:
        here.close()
        _end(work, there)
    there.close()
    known = Known()
    with here:
        children.append(pid)
        if stopping:
            os.kill(pid, stopping[0])
        status = os.waitpid(pid, 0)[1]
        children.clear()
        if here.poll():
            with contextlib.suppress(EOFError):
                known = here.recv()
    if isinstance(known, UnheldError):
        raise known
    return os.waitstatus_to_exitcode(status), known


def _end(work: Callable[[Connection], int], line: Connection) -> NoReturn:
    """A child's whole life: nothing of its parent's clean-up runs in it."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        code = work(line)
    except UnheldError as error:
        line.send(error)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work(
    opened: Opened, folder: Path, lines: socket.socket, page: socket.socket, known: Known, first: bool, end: Connection
) -> int:
    desk, ready = opened(known, first)
    if ready:
        print(ready, flush=True)
    if not desk.lost:
        asyncio.run(_serve(desk, folder, (lines, page), end))
    if not desk.lost:
        return 0
    end.send(known)
    return _AGAIN


async def _serve(desk: Desk, folder: Path, sockets: tuple[socket.socket, socket.socket], end: Connection) -> None:
    lines, page = sockets
    pages = Pages(desk, folder, page.getsockname()[1])
    servers = [_server(Carrier(desk, folder)), _server(pages)]
    for server in servers:
        server.desk = desk
    asyncio.get_running_loop().add_reader(end.fileno(), os._exit, 1)  # the parent was killed: so is this one

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    ticking = asyncio.create_task(_every_minute(desk, folder, pages))
    await asyncio.gather(servers[0].serve([lines]), servers[1].serve([page]))
    ticking.cancel()


async def _every_minute(desk: Desk, folder: Path, pages: Pages) -> None:
    while True:
        try:
            await asyncio.to_thread(_tick, desk, folder)
            pages.trouble = ""
        except UnheldError as error:  # shown to the person, and tried again in a minute
            pages.trouble = str(error)
            print(f"unheld-custodian: {error}", file=sys.stderr, flush=True)
        await asyncio.sleep(TICK_SECONDS)


def _tick(desk: Desk, folder: Path) -> None:
    freeze_as_told(desk, folder)
    desk.tick()
    durable.write_file(folder / FIGURES, json.dumps(asdict(replace(desk.overview(), history=()))).encode())


def _server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app, http=_ShortLine, ws="none", lifespan="off", access_log=False, log_level="warning",
            server_header=False, limit_concurrency=LINES_MOST, timeout_graceful_shutdown=5,
        )
    )  # fmt: skip
