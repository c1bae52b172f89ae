"""A custodian as its own process with two sockets, for tests of its lines and of its pages."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from tests.support.ceremony import SEEDS, World, draft
from unheld_custodian.desk import Desk
from unheld_slots import durable
from unheld_slots.places import name_slots
from unheld_verify import signed
from unheld_verify.custody import HEADQUARTERS

BYTES = {"Content-Type": "application/octet-stream"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Reply:
    """What a socket answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Served:
    """A running custodian: where its lines and its pages are, and the cookie of the browser that has them."""

    folder: Path
    process: subprocess.Popen[str]
    line: tuple[str, int]
    page: tuple[str, int]
    link: str
    cookie: str = field(default="", repr=False)

    def handle(self, data: bytes) -> bytes:
        """What it answers over its line, as a desk would in this process."""
        reply = send(self.line, "POST", "/v1", data, BYTES)
        assert reply.status == 200
        return reply.body

    @property
    def root(self) -> str:
        """The path of its pages."""
        return urlsplit(self.link).path

    @property
    def host(self) -> str:
        """The host of its pages, as a browser names it."""
        return f"{self.page[0]}:{self.page[1]}"

    def get(self, place: str = "", **headers: str) -> Reply:
        """A screen, as the browser that has the pages asks for it."""
        reply = send(self.page, "GET", self.root + place, b"", self._own() | headers)
        if given := re.match(r"unheld=(\w+);", reply.headers.get("set-cookie", "")):
            self.cookie = given[1]
        return reply

    def post(self, place: str, form: Mapping[str, str] | None = None, **headers: str) -> Reply:
        """A form of that browser."""
        own = self._own() | FORM | {"Origin": f"http://{self.host}"}
        return send(self.page, "POST", self.root + place, urlencode(form or {}).encode(), own | headers)

    def approve_all(self, answer: str = "approve") -> None:
        """Approve (or not) what waits, screen by screen, writing down the words that the person could read there."""
        for asked in re.findall(r"request\?id=(\w+)", self.get().text):
            words = re.findall(r"<span>(\w+)</span>", self.get(f"request?id={asked}").text)
            form = {"id": asked, "answer": answer, "screen": "request", "said": " ".join(words)}
            assert self.post("answer", form).status == 303

    def _own(self) -> dict[str, str]:
        return {"Host": self.host} | ({"Cookie": f"unheld={self.cookie}"} if self.cookie else {})


def send(place: tuple[str, int], method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """One request on a connection of its own; nothing is added to the headers but the body's length."""
    line = http.client.HTTPConnection(*place, timeout=20)
    try:
        line.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            line.putheader(name, value)
        line.endheaders(body)
        answer = line.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        line.close()


def command(*words: str) -> list[str]:
    """A call of `unheld-custodian`."""
    return [sys.executable, "-m", "unheld_custodian", *words]


@contextmanager
def served(folder: Path, *more: str, complains: bool = False) -> Iterator[Served]:
    """A custodian of `folder` on free ports, told to stop at the end; it must end well, and say nothing by the way."""
    call = command("serve", str(folder), "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0", *more)
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(2)]
        try:
            page, line = (re.search(r"http://([\d.]+):(\d+)(\S+)", one) for one in said)
            assert page, said
            assert line, said
            yield Served(folder, process, (line[1], int(line[2])), (page[1], int(page[2])), page[0])
        finally:
            process.terminate()
            more_said = process.stdout.read()
        assert process.wait(20) == 0
        assert bool(more_said) == complains


@contextmanager
def founded(folder: Path) -> Iterator[tuple[World, Served]]:
    """A set of three whose custodian 0 runs as a process; what is asked of it goes over its line."""
    world = World.of(folder)
    world.at(int(time.time()))
    for desk in world.desks:
        desk.believe(world.today)
    world.found(draft(begins=world.today))
    slots = folder / "c0.slot"
    durable.make_folder(slots)
    name_slots(slots, {"custodian": f"file:{folder / '0.slot'}"})
    with served(folder / "c0") as running:
        world.desks[0] = cast("Desk", running)
        yield world, running


def invited(running: Served, number: int = 1, **changed: Any) -> str:
    """Send a draft of headquarters' to it; gives the request's id."""
    today = int(time.time()) // 86_400
    said = signed.sign(draft(begins=today, set=number, **changed).document(), SEEDS[HEADQUARTERS])
    running.handle(said.encode())
    return said.digest.hex()
