"""The outbox: statements wait here, committed with the change they tell of, until the log's daily cadence.

Entries get their places in one transaction before they are published, dummies included; so publishing again after a
crash anywhere writes the same log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from unheld_branch.log.tiles import LogWriter
from unheld_verify import canonical, crypto, statement
from unheld_verify.statement import Opening

CADENCE = 32
_DRAW_BYTES = 16


class Statement(Protocol):
    """A statement that waits, or a dummy with its place."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def r(self) -> bytes: ...  # noqa: D102
    @property
    def statement(self) -> bytes: ...  # noqa: D102
    @property
    def index(self) -> int | None: ...  # noqa: D102
    @property
    def entry(self) -> bytes: ...  # noqa: D102


class Planner(Protocol):
    """Fixes places in one transaction."""

    def plan_entries(self, places: Mapping[int, int], dummies: Iterable[tuple[int, bytes]]) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Outbox:
    """The database's side: what is there, and a transaction that fixes places.

    `closed` are entries whose statements are kept elsewhere, given what is taken already: they take dummies' places,
    drawn at random and in their order, so that neither what is here nor an opening's place tells them from dummies.
    """

    read: Callable[[], Sequence[Statement]]
    transaction: Callable[[], AbstractContextManager[Planner]]
    closed: Callable[[Iterable[bytes]], Sequence[bytes]] = lambda _taken: ()


def publish(outbox: Outbox, writer: LogWriter) -> int:
    """One publication: what waits, filled up with dummies to a multiple of 32, never nothing. Entries published.

    After a crash this ends the publication that was cut short; then it begins another only if something waits.
    """
    _find_published(outbox, writer)
    cut_short = _publish_openings(outbox, writer)
    held = _held(outbox, writer)
    standing = all(item.index is not None and item.index < writer.size for item in held)
    if cut_short and standing and not outbox.closed([item.entry for item in held]):
        return 0
    if not _planned(held, writer.size):
        _plan(outbox, held, writer.size)
        held = _held(outbox, writer)
    start = writer.size
    writer.append(start, [item.entry for item in _planned(held, start)])
    _publish_openings(outbox, writer)
    return writer.size - start


def known_to(held: Iterable[Statement], writer: LogWriter) -> int:
    """The place in the log after the last entry that is of these: from there on others may have written."""
    return 1 + max((at for at, item in _placed(held, writer) if writer.entry(at) == item.entry), default=-1)


def _find_published(outbox: Outbox, writer: LogWriter) -> None:
    """Give statements that wait, and that the log has already, the places that they have there.

    A copy that was promoted does not know what was published after its last exchange.
    """
    held = outbox.read()
    waiting = {item.entry: item.id for item in held if item.index is None and item.statement}
    begin = known_to(held, writer) if waiting else writer.size
    places = {waiting[writer.entry(at)]: at for at in range(begin, writer.size) if writer.entry(at) in waiting}
    if places:
        with outbox.transaction() as transaction:
            transaction.plan_entries(places, ())


def _placed(held: Iterable[Statement], writer: LogWriter) -> list[tuple[int, Statement]]:
    return [(item.index, item) for item in held if item.index is not None and item.index < writer.size]


@dataclass(frozen=True)
class _Held:
    """A statement or dummy as the log has it: without a place if other entries stand where it was to stand."""

    id: int
    r: bytes
    statement: bytes
    index: int | None
    entry: bytes


def _held(outbox: Outbox, writer: LogWriter) -> list[_Held]:
    """What the outbox holds, its places compared with the log.

    While a store was away the log may have gone on without it, over places that it had planned: its statements wait
    again, and its dummies of then are no more.
    """
    found = []
    for item in outbox.read():
        at = item.index
        if at is not None and at < writer.size and writer.entry(at) != item.entry:
            if not item.statement:
                continue
            at = None
        found.append(_Held(item.id, item.r, item.statement, at, item.entry))
    return found


def _planned(held: Sequence[_Held], size: int) -> list[_Held]:
    """What has its place after the end of the log, in the order of places."""
    placed = [(item.index, item) for item in held if item.index is not None and item.index >= size]
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def _plan(outbox: Outbox, held: Sequence[_Held], start: int) -> None:
    waiting = [item for item in held if item.index is None]
    closed = outbox.closed([item.entry for item in held])
    places = {item.id: start + number for number, item in enumerate(waiting)}
    end = start + max(CADENCE, -(-(len(waiting) + len(closed)) // CADENCE) * CADENCE)
    free = range(start + len(waiting), end)
    taken = sorted(sorted(free, key=lambda _: crypto.random_bytes(_DRAW_BYTES))[: len(closed)])
    dummies = {index: statement.dummy() for index in free} | dict(zip(taken, closed, strict=True))
    with outbox.transaction() as transaction:
        transaction.plan_entries(places, dummies.items())


def _publish_openings(outbox: Outbox, writer: LogWriter) -> int:
    """Publish the openings of entries that stand in the log and have none yet: every kind of this version is public."""
    missing = [
        item
        for item in _held(outbox, writer)
        if item.statement and item.index is not None and item.index < writer.size and not writer.has_opening(item.index)
    ]
    for item in missing:
        writer.publish_opening(item.index or 0, Opening(canonical.decode(item.statement), item.r))
    return len(missing)
