"""What travels between branch, headquarters and custodians, as an attacker finds it: on a line, or later on a disk.

Every JSON is searched for it, however deep it lies: a founded set carries its deals for as long as anybody keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import canonical, note, roster, signed
from unheld_verify.errors import BadInputError, UnheldError
from unheld_verify.roster import Roster
from unheld_verify.signed import Document

_HOSTILE = (UnheldError, KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Box:
    """Bytes sealed to a one-time key, and what binds them. `place`: (set, custodian) that sealed it."""

    kind: str
    info: bytes
    sealed: bytes = field(repr=False)
    place: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Seed:
    """Which chain seed a deal's box holds: of a roster (its digest), a component."""

    roster: bytes
    component: int


@dataclass
class Travelled:
    """Boxes, and what ceremonies say in clear: rosters by digest, commitments to seeds."""

    boxes: set[Box] = field(default_factory=set)
    seeds: dict[Box, Seed] = field(default_factory=dict)
    rosters: dict[bytes, Roster] = field(default_factory=dict)
    commitments: dict[Seed, bytes] = field(default_factory=dict)

    def take(self, data: bytes) -> None:
        """Whatever of it is in these bytes."""
        if data[:1] == b"{":
            with suppress(BadInputError, RecursionError):
                for document in _documents(canonical.decode(data)):
                    with suppress(*_HOSTILE):
                        _TAKERS.get(str(document.get("kind")), _nothing)(self, document)

    def letter(self, document: Document) -> None:
        """An ask, sealed to a custodian's door."""
        address = bytes.fromhex(document["store"]) + document["set"].to_bytes(4, "big") + bytes([document["to"]])
        self._box("letter", b"unheld/v1/letter" + address, document["sealed"])

    def answer(self, document: Document) -> None:
        """A custodian's answer, sealed to the one-time key of the ask."""
        info = b"unheld/v1/answer" + bytes.fromhex(document["ask"])
        self._box("answer", info, document["sealed"], (document["set"], document["from"]))

    def values(self, body: Document, place: tuple[int, int]) -> None:
        """Values for a grant, sealed to its answer key, as they stand in an answer."""
        info = bytes.fromhex(body["grant"]) + place[0].to_bytes(4, "big") + bytes([place[1]])
        self._box("values-box", b"unheld/v1/values" + info, body["values"], place)

    def deal(self, document: Document) -> None:
        """Chain seeds, sealed to the holders of their components."""
        digest = bytes.fromhex(document["roster"])
        for number, commitment in document["commitments"].items():
            self.commitments[Seed(digest, int(number))] = bytes.fromhex(commitment)
        for one in document["boxes"]:
            number, to = one["component"], one["to"]
            info = b"unheld/v1/deal" + digest + number.to_bytes(2, "big") + bytes([to])
            self.seeds[self._box("deal-box", info, one["box"])] = Seed(digest, number)

    def roster(self, listed: Document) -> None:
        """Who is in a set, and from when on."""
        found = roster.roster_of(signed.from_json(listed, "roster"))
        self.rosters[found.digest] = found

    def of(self, kind: str) -> list[Box]:
        """Boxes of a kind."""
        return [box for box in self.boxes if box.kind == kind]

    def _box(self, kind: str, info: bytes, sealed: str, place: tuple[int, int] = (0, 0)) -> Box:
        box = Box(kind, info, note.base64_bytes(sealed, kind), place)
        self.boxes.add(box)
        return box


def _documents(value: Any) -> Iterator[Document]:
    """Every object that names its kind; a signed roster as a whole, for its digest is of the whole."""
    if isinstance(value, dict):
        if isinstance(value.get("document"), dict) and value["document"].get("kind") == "roster":
            yield value | {"kind": "roster"}
        elif "kind" in value:
            yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _documents(inner)


def _nothing(_travelled: Travelled, _document: Document) -> None:
    """Documents of other kinds hold nothing sealed."""


_TAKERS: Mapping[str, Callable[[Travelled, Document], None]] = {
    "letter": Travelled.letter,
    "answer": Travelled.answer,
    "deal": Travelled.deal,
    "roster": lambda travelled, listed: travelled.roster({name: listed[name] for name in ("document", "signature")}),
}
