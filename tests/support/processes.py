"""Real processes for tests: the shipped commands on a clock that a test sets, killed where a test says.

    python -m tests.support.processes run CLOCK ARMED unheld_custodian serve FOLDER …
    python -m tests.support.processes forward FOLDER PORT=HOST:PORT …
    python -m tests.support.processes person LINK
    python -m tests.support.processes rob STORE CLOCK DAY …

`run` is a program's own main. CLOCK is a file with Unix seconds; ARMED one that, where it is there, holds a number: so
many durable writes from now the process is killed, as by kill -9, before that write. `forward` carries lines, and
writes down every byte of both ways. `person` says yes to all that waits on a custodian's pages. `rob` has taken the
branch's keys, asks every custodian for days, and prints how many gave one.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from unheld_verify.errors import StateError


def run(clock: Path, armed: Path, module: str, *words: str) -> object:
    """A program of ours, killed where it is told."""
    os.environ["UNHELD_CLOCK"] = clock.read_text()
    sync = os.fsync

    def fsync(file: int) -> None:
        if armed.exists():
            left = int(armed.read_text()) - 1
            armed.write_text(str(left))
            if left <= 0:
                armed.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        sync(file)

    os.fsync = fsync  # type: ignore[assignment]
    sys.argv = [module, *words]
    program = importlib.import_module(f"{module}.__main__")  # that of unheld runs when it is imported
    if module == "unheld_custodian":
        program._now = lambda: int(clock.read_text())  # type: ignore[attr-defined]
        program._elapsed = lambda: float(clock.read_text())  # type: ignore[attr-defined]
    return program.main()


async def forward(folder: Path, *places: str) -> None:
    """Carry lines: from a port here to a place, every byte of both ways into a file of its own."""
    count, living = 0, set[object]()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path) -> None:
        try:
            with path.open("wb") as log:
                while data := await reader.read(1 << 16):
                    log.write(data)
                    writer.write(data)
                    await writer.drain()
                writer.write_eof()
        except OSError:
            writer.close()

    def serve(host: str, port: int) -> object:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            count += 1
            base = folder / f"{count:06}"
            living.add(asyncio.current_task())  # the loop alone would forget a line that waits
            try:
                there = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
            except (OSError, TimeoutError):
                writer.close()
                return
            both = (
                carry(reader, there[1], base.with_suffix(".up")),
                carry(there[0], writer, base.with_suffix(".down")),
            )
            await asyncio.gather(*both)
            for end in (writer, there[1]):
                end.close()
            living.discard(asyncio.current_task())

        return connected

    for place in places:
        port, _, target = place.partition("=")
        host, _, number = target.partition(":")
        await asyncio.start_server(serve(host, int(number)), "0.0.0.0", int(port))  # type: ignore[arg-type]  # noqa: S104
    print("forwarding", flush=True)
    await asyncio.Event().wait()


def messages(folder: Path) -> list[bytes]:
    """What went over the lines: the bodies of requests and answers, as far as they came."""
    bodies = (path.read_bytes().partition(b"\r\n\r\n")[2] for path in sorted(folder.glob("*.*")))
    return [body for body in bodies if body]


def person(link: str) -> None:
    """Say yes to all that waits on the pages behind a link or a bookmark's cookie (LINK or LINK#COOKIE)."""
    from tests.support.served import Served

    url, _, cookie = link.partition("#")
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port or 0)
    pages = Served(Path(), None, place, place, url, cookie)  # type: ignore[arg-type]
    pages.get()
    pages.approve_all()
    print(pages.cookie)


def rob(store: Path, clock: Path, *days: str) -> int:
    """How many of these days any custodian opens for whoever holds the branch's signing key."""
    from unheld_branch import assembly

    os.environ["UNHELD_CLOCK"] = clock.read_text()
    given = 0
    with assembly.opened(store) as opened:
        for client in assembly.custodians(opened).clients:
            for index in range(client.roster.draft.n):
                for day in days:
                    with suppress(StateError):
                        given += bool(client.ask(index, "open", {"day": day}))
    return given


def bookmark(said: str) -> str:
    """The link in what a custodian prints when it starts."""
    found = re.search(r"http://\S+", said)
    assert found, said
    return found[0]


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "run":
        sys.exit(run(Path(rest[0]), Path(rest[1]), *rest[2:]))  # type: ignore[arg-type]
    if word == "rob":
        print(rob(Path(rest[0]), Path(rest[1]), *rest[2:]))
        sys.exit()
    if word == "forward":
        asyncio.run(forward(Path(rest[0]), *rest[1:]))
    person(rest[0])
