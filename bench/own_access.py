"""One person's own access, step by step, timed: for any deployment that is there, wherever its custodians are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from unheld.access.card import Card
from unheld.access.folder import GRANT, WANTED, Folder, Wish
from unheld.assembly import Deployment, clock
from unheld.workflows import access

_Made = TypeVar("_Made")


def seconds(deployment: Deployment, card: Card, identity: str, folder: Path, wish: Wish) -> dict[str, float]:
    """Seconds that each step takes, and the `records` that opened (a count), for whom the card is enrolled.

    `folder` is new. Custodians are asked as the deployment says: in this process, or over HTTP.
    """
    took: dict[str, float] = {}

    def timed(step: str, act: Callable[[], _Made]) -> _Made:
        start = time.perf_counter()
        made = act()
        took[step] = time.perf_counter() - start
        return made

    own = Folder(folder)
    request = own.begin(card, clock().now())
    with deployment.opened() as store:
        own.take_slip(timed("slip", lambda: access.slip(store, request.encode(), identity)))
    timed("ask", lambda: own.ask(card, wish, clock().now()))
    answered = timed("answer", lambda: access.answered(deployment, (folder / GRANT).read_bytes()))
    timed("check", lambda: own.check(answered.data))
    with deployment.opened() as store:
        fetched = timed("fetch", lambda: access.fetch(store, (folder / WANTED).read_bytes()))
    opened, _ = timed("open", lambda: own.open(fetched.data))
    took["records"] = sum(map(len, opened.records.values()))
    return took
