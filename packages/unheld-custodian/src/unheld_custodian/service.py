"""A custodian's two sockets in one process: bytes for branch and headquarters, pages for the person beside it.

The first answers `POST /v1` and nothing else, and writes down nobody's address: what it carries is signed and sealed
(`docs/spec/custody.md`), so plain HTTP will do. The second listens on this machine alone (`unheld_custodian.pages`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from unheld_custodian.acts import Known
from unheld_custodian.desk import Desk
from unheld_custodian.pages import Pages, body_of
from unheld_slots import durable, locks, succession
from unheld_verify.errors import UnheldError

MOST_BYTES = 8 << 20
LINES_MOST = 64
LINE_SECONDS = 120
TICK_SECONDS = 60
FIGURES = "status.json"
Opened = Callable[[Known | None], Desk]
"""Opens a custodian's desk, given what the watch of the one before knew."""
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
    """Serve until SIGTERM or SIGINT, then finish what is being written; the exit code. Raises what `opened` raises.

    The desk is in a child process, and each time that it destroyed a secret in another (`unheld_slots.succession`).
    """

    def work(known: Known | None, parent: Connection) -> int:
        desk = opened(known)
        if not desk.lost:
            asyncio.run(_serve(desk, folder, (lines, page), parent))
        parent.send(desk.watch.known)
        return succession.AGAIN if desk.lost else 0

    return succession.run(work)


async def _serve(desk: Desk, folder: Path, sockets: tuple[socket.socket, socket.socket], parent: Connection) -> None:
    lines, page = sockets
    pages = Pages(desk, folder, page.getsockname()[1])
    servers = [_server(Carrier(desk, folder)), _server(pages)]
    _Server.desk = desk
    asyncio.get_running_loop().add_reader(parent.fileno(), os._exit, 1)  # it was killed: so is this one

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
