"""A whole ceremony in memory, step by step, so that a test can lie at any of them; and documents, spoilt."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import columns, crypto, note, roster, signed
from unheld_verify.roster import Draft, Roster
from unheld_verify.signed import Document, Signed

HEADQUARTERS, BRANCH = b"\x01" * 32, b"\x02" * 32
LOG_KEY = note.format_key(note.Key("example.org/log", crypto.sign_public(b"\x03" * 32)))


def draft(n: int, t: int, number: int = 1) -> Signed:
    """A signed draft of n custodians."""
    names = tuple(f"Custodian {index}" for index in range(n))
    keys = crypto.sign_public(BRANCH), crypto.sign_public(HEADQUARTERS)
    made = Draft(bytes(16), number, t, names, 20_640, columns.LIFETIME_DEFAULTS, 45, *keys, LOG_KEY)
    return signed.sign(made.document(), HEADQUARTERS)


@dataclass
class Founding:
    """The custodians' secrets and every document, made when first asked for; a test may put its own in between."""

    n: int
    t: int
    number: int = 1
    seeds: list[bytes] = field(init=False)
    transports: list[tuple[bytes, bytes]] = field(init=False)
    own: list[dict[int, bytes]] = field(init=False)
    joins: list[Signed] = field(init=False)
    roster: Signed = field(init=False)
    deals: list[Signed] = field(init=False)

    def __post_init__(self) -> None:
        self.draft = draft(self.n, self.t, self.number)
        self.seeds = [crypto.random_bytes(32) for _ in range(self.n)]
        self.transports = [crypto.park_keypair() for _ in range(self.n)]
        self.own = [
            {number: crypto.random_bytes(32) for number in roster.dealt(self.n, self.t, index)}
            for index in range(self.n)
        ]
        pairs = zip(self.seeds, self.transports, strict=True)
        self.joins = [roster.join(self.draft, at, seed, pair[1]) for at, (seed, pair) in enumerate(pairs)]
        self.roster = roster.roster(self.draft, self.joins, HEADQUARTERS)
        self.deals = [self.deal(index) for index in range(self.n)]

    @property
    def found(self) -> Roster:
        """The roster as everybody reads it."""
        return roster.roster_of(self.roster)

    def deal(self, index: int) -> Signed:
        """The deal of a custodian."""
        return roster.deal(self.found, index, self.own[index], self.seeds[index])

    def transcript(self) -> Signed:
        """What headquarters makes of the deals."""
        return roster.transcript(self.roster, self.deals, HEADQUARTERS)

    def receive(self, script: Signed, index: int) -> dict[int, bytes]:
        """The chains of a custodian."""
        return roster.receive(script, index, self.own[index], self.transports[index][0])

    def founded(self, script: Signed) -> Signed:
        """The set, confirmed by all."""
        confirms = [roster.confirm(script, index, seed) for index, seed in enumerate(self.seeds)]
        return roster.founded(script, confirms, HEADQUARTERS)


HOSTILE: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 9, 256, 2**32, 2**52, 10**400, "", "é", "\ud800", "zz", "00", [], {}, [[]], [1, 2],
    {"v": 1}, {"document": {}, "signature": ""}, "x" * 5000,
)  # fmt: skip
"""What may stand in the place of any value."""


def deep(depth: int = 5000) -> Any:
    """Lists in one another."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*at, key))


def changed(value: Any, at: tuple[Any, ...], put: Any) -> Any:
    """A copy with `put` at this place."""
    if not at:
        return put
    made = copy.deepcopy(value)
    inner = made
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = put
    return made


def without(value: Any, at: tuple[Any, ...]) -> Any:
    """A copy without this place, which is not the whole."""
    made = copy.deepcopy(value)
    inner = made
    for key in at[:-1]:
        inner = inner[key]
    del inner[at[-1]]
    return made


def resigned(said: Signed, seed: bytes, **fields: Any) -> Signed:
    """The same document with other fields, signed by `seed`."""
    document: Document = {**said.document, **fields}
    return signed.sign(document, seed)
