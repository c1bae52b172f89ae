"""The pages of the person at a custodian: six screens, no script, on this machine alone.

Who opens the link first gets the pages, in that browser only: the link's code is also the path that the browser's
cookie is bound to, since cookies of 127.0.0.1 go to every port of it. `unheld-custodian page` makes a new link, and the
one before is over. Any other path, host or origin finds nothing here, so that neither a web page in another tab nor
somebody else on this machine can do anything. Texts are in `en.json`, one for each key, for translators.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette import requests as http
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from unheld_custodian.desk import Desk
from unheld_custodian.state import Request
from unheld_slots import durable
from unheld_verify import columns, crypto, spoken
from unheld_verify.errors import BadInputError, UnheldError

FORM_BYTES = 4096
_DIGITS_MOST = 12
CODE_BYTES = 16
COOKIE = "unheld"
COOKIE_SECONDS = 400 * 86_400
_KEY = "page.json"
_SCREENS = ("home", "request", "pressure", "history", "settings")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # `no-referrer` would make browsers hide where a form comes from
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


async def body_of(request: http.Request, most: int) -> bytes | None:
    """The body, or nothing if it has more than `most` bytes."""
    declared = request.headers.get("content-length", "0")
    if len(declared) > _DIGITS_MOST or int(declared) > most:  # the server took digits only
        return None
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > most:
            return None
    return bytes(data)


class Key:
    """Which browser the pages are for: digests in one file of the custodian's folder, no secret."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _KEY

    @property
    def is_new(self) -> bool:
        """Whether no browser has the pages yet."""
        return not self._read()[1]

    def renew(self) -> str:
        """A new code for a link. The browser that had the pages has them no more."""
        code = crypto.random_bytes(CODE_BYTES).hex()
        self._write(_digest(code), "")
        return code

    def knows(self, code: str) -> bool:
        """Whether this is the link's code."""
        return crypto.equal(_digest(code).encode(), self._read()[0].encode())

    def admits(self, cookie: str) -> bool:
        """Whether this is the cookie of the browser that has the pages."""
        return crypto.equal(_digest(cookie).encode(), self._read()[1].encode())

    def admit(self) -> str:
        """A cookie for the browser that has the pages from now on."""
        cookie = crypto.random_bytes(CODE_BYTES).hex()
        self._write(self._read()[0], _digest(cookie))
        return cookie

    def _read(self) -> tuple[str, str]:
        try:
            code, cookie = json.loads(self._path.read_text("ascii"))
        except (OSError, ValueError, TypeError, RecursionError):
            return "", ""  # no digest is empty: nobody enters before `renew`
        return str(code), str(cookie)

    def _write(self, code: str, cookie: str) -> None:
        durable.write_file(self._path, json.dumps([code, cookie]).encode())


class Pages:
    """The ASGI application of the second socket. `trouble`: what the last housekeeping failed with, or nothing."""

    def __init__(self, desk: Desk, folder: Path, port: int) -> None:
        self.trouble = ""
        self._desk = desk
        self._folder = folder
        self._key = Key(folder)
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(http.Request(scope, receive))
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    async def _answer(self, asked: http.Request) -> Response:
        host = asked.headers.get("host", "")
        _, _, rest = asked.scope["path"].partition("/")
        code, slash, place = rest.partition("/")
        cookie = asked.cookies.get(COOKIE, "")
        if host not in self._hosts or not slash or asked.method not in ("GET", "POST") or not self._key.knows(code):
            return PlainTextResponse(_TEXTS["none"], 404)
        if not self._key.is_new and not self._key.admits(cookie):
            return PlainTextResponse(_TEXTS["taken"], 403)
        if asked.method == "POST" and asked.headers.get("origin") != f"http://{host}":
            return PlainTextResponse(_TEXTS["none"], 403)
        try:
            response = await (self._act if asked.method == "POST" else self._show)(asked, f"/{code}/", place)
        except UnheldError as error:
            page = _ENVIRONMENT.get_template("broken.html.j2").render(root=f"/{code}/", error=error)
            return Response(page, error.status, media_type="text/html")
        if self._key.is_new:  # as late as possible: nothing may fail between the key and the browser that has it
            cookie = self._key.admit()
            response.set_cookie(COOKIE, cookie, COOKIE_SECONDS, path=f"/{code}/", httponly=True, samesite="strict")
        return response

    async def _show(self, asked: http.Request, root: str, place: str) -> Response:
        if place == "style.css":
            return Response(_STYLE, media_type="text/css")
        return await self._screen(place, root, asked.query_params)

    async def _act(self, asked: http.Request, root: str, place: str) -> Response:
        data = await body_of(asked, FORM_BYTES)
        given = {name: values[-1] for name, values in parse_qs((data or b"").decode("ascii", "replace")).items()}
        act = _ACTS.get(place)
        if act is None or data is None:
            return PlainTextResponse(_TEXTS["none"], 404)
        try:
            done = await asyncio.to_thread(act, self._desk, given)
        except UnheldError as error:
            return await self._screen(given.get("screen", ""), root, given, error)
        return RedirectResponse(f"{root}{done}", 303)

    async def _screen(
        self, place: str, root: str, given: Mapping[str, str], error: UnheldError | None = None
    ) -> Response:
        name = place or "home"
        overview, requests = await asyncio.to_thread(lambda: (self._desk.overview(), self._desk.requests()))
        known = {one.id: one for one in (*requests, _PRACTICE)}
        if name not in _SCREENS or (name == "request" and given.get("id") not in known):
            return PlainTextResponse(_TEXTS["none"], 404)
        done = given.get("done") if f"done.{given.get('done')}" in _TEXTS else None
        waiting = [one for one in requests if not one.decision]
        page = _ENVIRONMENT.get_template(f"{name}.html.j2").render(
            root=root, screen=name, own=overview, folder=self._folder, waiting=waiting,
            request=known.get(given.get("id", "")), trouble=self.trouble, error=error, done=done,
        )  # fmt: skip
        return Response(page, error.status if error else 200, media_type="text/html")


def _decide(desk: Desk, given: Mapping[str, str]) -> str:
    name, choice = given.get("id", ""), given.get("answer")
    if choice not in ("approve", "refuse"):
        raise BadInputError(_TEXTS["answer.unclear"])
    if name == _PRACTICE.id:
        return "?done=practice"
    desk.decide(name, choice == "approve", given.get("said", ""))
    return f"?done={choice}"


def _freeze(desk: Desk, given: Mapping[str, str]) -> str:
    desk.freeze(_TEXTS["frozen.why"])
    return "pressure?done=frozen"


def _thaw(desk: Desk, given: Mapping[str, str]) -> str:
    desk.thaw()
    return "?done=thawed"


def _believe(desk: Desk, given: Mapping[str, str]) -> str:
    desk.believe(columns.day_number(given.get("day", "")))
    return "settings?done=believed"


_ACTS: dict[str, Callable[[Desk, Mapping[str, str]], str]] = {
    "answer": _decide, "freeze": _freeze, "thaw": _thaw, "believe": _believe,
}  # fmt: skip
"""What a form can do, and the screen that shows it done."""


def _digest(text: str) -> str:
    return crypto.sha256(b"unheld/v1/page", text.encode()).hex()


def _said(key: str, **parts: Any) -> str:
    """A text of the catalogue; the page escapes it, with what it names."""
    return _TEXTS[key].format(**parts)


def _when(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%-d %B %Y, %H:%M UTC")


def _resource(name: str) -> str:
    return files("unheld_custodian").joinpath(name).read_text("utf-8")


_TEXTS: dict[str, str] = json.loads(_resource("en.json"))
_STYLE = _resource("templates/style.css")
_PRACTICE = Request(
    "practice", "drill", "", 0, "", _TEXTS["practice.sentence"], spoken.words(crypto.sha256(b"practice")), 0, ()
)
"""A made-up request, to look at and to answer without anything happening."""
_ENVIRONMENT = Environment(
    loader=PackageLoader("unheld_custodian"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
_ENVIRONMENT.globals.update(t=_said, day=columns.day_text, when=_when)
