"""Custodians' desks over HTTP on loopback, in one process, on a clock that the benchmark sets; they agree to all.

    python -m bench.desks FOLDER COUNT CLOCK [PORT]

Prints the port; custodian N answers at POST /N. CLOCK is a file with Unix seconds. Desks that are there go on.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from unheld.custody.local import LocalDesks


def handler(desks: LocalDesks) -> type[BaseHTTPRequestHandler]:
    """Bytes to a desk and back."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            index = int(self.path.strip("/"))
            answer = desks.call(index, data)
            desks.approve()
            with suppress(ConnectionError):  # who asked was killed meanwhile
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def main(folder: Path, count: int, clock: Path, port: int = 0) -> None:
    """Serve until killed."""
    desks = LocalDesks(folder / "desks", folder / "desk-slots", lambda: int(clock.read_text("ascii")))
    desks.create(count)
    for index in range(count):
        desks.desk(index)  # before there are threads: opening one ends what a crash cut short
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(desks))
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
