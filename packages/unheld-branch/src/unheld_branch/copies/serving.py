"""A copy's socket: `POST /v1/copy` and nothing else; it writes down nobody's address.

What it carries is signed and sealed (`docs/spec/copy.md`), so plain HTTP will do.
"""

from __future__ import annotations

import ipaddress
import resource
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Timer
from types import FrameType
from typing import Protocol

from unheld_branch.copies import letters
from unheld_verify.errors import StateError, UsageError

LINE_SECONDS = 60
LINES_MOST = 32


class Answering(Protocol):
    """A keeper, or the desk that stands for one."""

    def handle(self, data: bytes) -> bytes:
        """Answer one message."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class _Server(ThreadingHTTPServer):
    """A bounded number of lines, each of bounded time. The keeper works in one thread of its own."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, place: tuple[str, int], family: socket.AddressFamily, keeper: Answering) -> None:
        self.address_family = family
        self.watch: Callable[[], None] = lambda: None
        self.keeper = keeper
        self.desk = ThreadPoolExecutor(max_workers=1)
        self.lines = threading.BoundedSemaphore(LINES_MOST)
        super().__init__(place, _Line)

    def service_actions(self) -> None:
        """What the service looks at all the time."""
        self.watch()


class _Line(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    timeout = LINE_SECONDS

    def do_POST(self) -> None:
        """Answer a message."""
        if not self.server.lines.acquire(blocking=False):
            self.send_error(503)
            return
        end = Timer(LINE_SECONDS, self._cut)
        try:
            end.start()
            self._answer()
        finally:
            end.cancel()
            self.server.lines.release()

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != letters.PATH or not length.isascii() or not length.isdigit():
            self.send_error(404)
            return
        if int(length) > letters.BYTES_MOST:
            self.send_error(413)
            return
        data = self.rfile.read(int(length))
        said = self.server.desk.submit(self.server.keeper.handle, data).result()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _cut(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def version_string(self) -> str:
        """Tells nobody what runs here."""
        return "copy"

    def log_message(self, *_: object) -> None:
        """Write down nobody's address."""


def listening(place: str, keeper: Answering) -> _Server:
    """A server at `ADDRESS:PORT` (port 0: one that is free). Raises UsageError, StateError where it is taken."""
    host, _, port = place.rpartition(":")
    try:
        address, number = ipaddress.ip_address(host.strip("[]")), range(1 << 16).index(int(port))
    except ValueError:
        raise UsageError(f"{place}: write ADDRESS:PORT, for example 127.0.0.1:8450 or [::]:8450") from None
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return _Server((str(address), number), family, keeper)
    except OSError as error:
        raise StateError(f"{place}: cannot listen there: {error}") from None


def run(server: _Server, watch: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, or until `watch` raises; then finish what is being written."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be a copy of the secrets

    def stop(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.watch = watch
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        server.desk.submit(server.keeper.close).result()
        server.server_close()
