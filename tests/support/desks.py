"""A small custodian's desk for tests of who asks: doors and letters are right, and a test says what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from unheld_verify import canonical, columns, crypto, custody
from unheld_verify.columns import Attestation
from unheld_verify.custody import Address
from unheld_verify.errors import AwayError, StateError, UnheldError
from unheld_verify.roster import Draft, Roster
from unheld_verify.signed import Document

DAY = columns.day_of(date(2026, 7, 8))
NOW = DAY * 86_400 + 3600
STORE = bytes(range(16))
Act = Callable[["Desk", Document], Document]


def roster_of(seeds: list[bytes], t: int, *, asks: bytes, store: bytes = STORE) -> Roster:
    """A roster of custodians with these signing seeds; `asks` is the seed of the branch and of headquarters."""
    public = crypto.sign_public(asks)
    names = tuple(f"Custodian {index}" for index in range(len(seeds)))
    draft = Draft(store, 1, t, names, DAY - 30, columns.LIFETIME_DEFAULTS, 45, public, public, "log+0+key")
    return Roster(draft, tuple(map(crypto.sign_public, seeds)), tuple(bytes(32) for _ in seeds))


@dataclass
class Desk:
    """One custodian. `acts` answer asks; without one for an act it refuses. `bend` alters what leaves."""

    roster: Roster
    index: int
    seed: bytes = field(repr=False)
    acts: Mapping[str, Act] = field(default_factory=dict)
    bend: Callable[[bytes], bytes] = lambda data: data
    generation: int = 1
    tag: str = "00" * 8
    at: int = NOW
    doors: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)
    asked: list[custody.Ask] = field(default_factory=list)

    @property
    def address(self) -> Address:
        """Where it is."""
        return Address(self.roster.draft.store, self.roster.draft.set, self.index)

    def answer(self, data: bytes) -> bytes:
        """Bytes to bytes."""
        document = canonical.decode(data)
        if document["kind"] == "knock":
            return self.bend(self._door())
        for private, public in self.doors:
            if document["door"] == crypto.sha256(public)[:8].hex():
                return self.bend(self._letter(document, private))
        return self.bend(self._door())

    def attest(self, kind: str, day: int, pairs: list[tuple[str, int]]) -> Attestation:
        """Testimony of this custodian."""
        statement = canonical.encode({
            "v": 1, "kind": kind, "store": self.address.store.hex(), "set": self.address.set, "custodian": self.index,
            "day": columns.day_text(day), "columns": [[cls, columns.day_text(on)] for cls, on in pairs],
            "generation": self.generation, "tag": self.tag, "slot": "file",
        })  # fmt: skip
        return Attestation(statement, crypto.sign(self.seed, columns.ATTEST_LABEL + statement))

    def _door(self) -> bytes:
        self.doors.append(crypto.park_keypair())
        return custody.door(self.address, self.doors[-1][1], self.at, self.seed).encode()

    def _letter(self, document: Document, private: bytes) -> bytes:
        ask = custody.open_letter(document, self.address, private)
        self.asked.append(custody.ask_of(ask.document))
        body: dict[str, Any]
        try:
            act = self.acts.get(self.asked[-1].act)
            if act is None:
                raise StateError(f"{self.asked[-1].act}: not here")
            body = act(self, dict(self.asked[-1].body)) | {"generation": self.generation, "tag": self.tag}
        except UnheldError as error:
            body = custody.refusal(error)
        return custody.answer(ask, self.address, self.at, body, self.seed).encode()


@dataclass
class Lines:
    """A transport to desks in this process; those in `cut` do not answer."""

    desks: list[Desk]
    cut: set[int] = field(default_factory=set)

    def call(self, index: int, data: bytes) -> bytes:
        """To the desk and back."""
        if index in self.cut:
            raise AwayError("the line is cut")
        return self.desks[index].answer(data)
