"""The subscriber's folder: one round of own access, step by step, on their own machine. It needs no store.

Every file in it is for its owner alone (mode 600). The keys in it are made for one request and one grant; `close`
overwrites nothing, so whoever finishes should keep the folder on a disk of their own, or in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from unheld.access import messages, opening, values
from unheld.access.card import Card
from unheld.access.messages import Bucket, HeldFile, Slip
from unheld.access.opening import Opened
from unheld.access.values import Read
from unheld_slots import durable
from unheld_verify import canonical, columns, crypto, grant, signed
from unheld_verify.columns import EventColumn
from unheld_verify.errors import BadInputError, StateError
from unheld_verify.grant import Grant
from unheld_verify.signed import Signed

REQUEST, SLIP, GRANT, ANSWERS, WANTED = "request.json", "slip", "grant.json", "answers", "wanted.json"
_REQUEST_KEY, _ANSWER_KEY, _WISH = "request.key", "answer.key", "wish.json"
GRANT_SECONDS = 3 * 86_400


@dataclass(frozen=True)
class Wish:
    """What to ask for: classes (none: all), and event days from `begins` to `ends` (day numbers, both included)."""

    classes: Collection[str] = ()
    begins: int = 0
    ends: int = 1 << 31

    def wants(self, pair: EventColumn) -> bool:
        """Whether a class of a day belongs to it; the registry's class is kept by month, so its month counts."""
        cls, day = pair
        first = columns.month_start(self.begins) if cls == "identity" else self.begins
        return (not self.classes or cls in self.classes) and first <= day <= self.ends

    def encode(self) -> bytes:
        """As a file of the folder."""
        return canonical.encode({"v": 1, "classes": sorted(self.classes), "begins": self.begins, "ends": self.ends})


@dataclass(frozen=True)
class Folder:
    """A folder of one subscriber."""

    path: Path

    def begin(self, card: Card, now: int) -> Signed:
        """Make the request for a slip. Raises StateError where one was made already."""
        if (self.path / REQUEST).exists():
            raise StateError(f"{self.path}: a request was made here already; take a new folder for a new one")
        durable.make_folders(self.path)
        private, public = crypto.park_keypair()
        self._write(_REQUEST_KEY, private)
        made = messages.request(card.seed, now, public)
        self._write(REQUEST, made.encode())
        return made

    def take_slip(self, data: bytes) -> Slip:
        """Keep the slip, if it is for this folder's request. Raises WrongKeyError, BadInputError, VerificationError."""
        slip = messages.open_slip(data, self._signed(REQUEST, "access-request"), self._read(_REQUEST_KEY))
        slip.rosters()
        self._write(SLIP, data)
        return slip

    def slip(self) -> Slip:
        """The slip taken before. Raises StateError where there is none."""
        data = self._read(SLIP)
        return messages.open_slip(data, self._signed(REQUEST, "access-request"), self._read(_REQUEST_KEY))

    def ask(self, card: Card, wish: Wish, now: int) -> Grant:
        """Sign a grant for what the slip names and the wish wants. Raises BadInputError where that is nothing."""
        slip = self.slip()
        held = {(file.column.cls, file.column.event_day) for file in slip.files}
        pairs = {pair for pair in held if wish.wants(pair)}
        if not pairs:
            raise BadInputError("nothing of these classes and days is held any more, or yet; name other days")
        if len(pairs) > grant.COLUMNS_MOST:
            raise BadInputError(
                f"a grant names {grant.COLUMNS_MOST} columns at most, not {len(pairs)}; name fewer days"
            )
        if self._signed(REQUEST, "access-request").document["subscriber"] != card.public.hex():
            raise BadInputError("this is another card than the one that made the request in this folder")
        private, public = crypto.park_keypair()
        made = Grant(
            slip.store, card.public, slip.salt, tuple(columns.in_order(pairs)), now, now + GRANT_SECONDS,
            crypto.random_bytes(16), public,
        )  # fmt: skip
        self._write(_ANSWER_KEY, private)
        self._write(_WISH, wish.encode())
        self._write(GRANT, made.signed(card.seed).encode())
        return made

    def check(self, data: bytes) -> Read:
        """Keep the answers, compare them, and write the request for blocks.

        Raises BadInputError for another grant's answers.
        """
        read, silent = self._values(data)
        self._write(ANSWERS, data)
        buckets = opening.asked(self.slip(), self.files(), read.columns)
        self._write(WANTED, messages.wanted(self.slip().store, buckets))
        return values.Read(read.columns, read.liars, read.pairs, {**silent, **read.refused})

    def open(self, data: bytes) -> tuple[Opened, Read]:
        """Own records from the blocks that the branch gave, and what is known of each column."""
        slip = self.slip()
        read, silent = self._values(self._read(ANSWERS))
        came = messages.blocks_of(data, slip.store)
        opened = opening.opened(slip, self.files(), read.columns, self._wanted(slip), came)
        return opened, values.Read(read.columns, read.liars, read.pairs, {**silent, **read.refused})

    def wish(self) -> Wish:
        """What the newest grant was to be for. Raises StateError where there is none, BadInputError."""
        data = self._read(_WISH)
        try:
            document = canonical.decode(data)
            wish = Wish(tuple(document["classes"]), document["begins"], document["ends"])
            sound = wish.encode() == data and type(wish.begins) is type(wish.ends) is int
        except (BadInputError, KeyError, TypeError):
            sound = False
        if not sound:
            raise BadInputError(f"{self.path / _WISH}: was altered; sign a new grant with unheld access ask")
        return wish

    def files(self) -> Sequence[HeldFile]:
        """The column files of the grant, in the slip's order."""
        granted = set(grant.verified(self._signed(GRANT, "grant")).columns)
        return [file for file in self.slip().files if (file.column.cls, file.column.event_day) in granted]

    def _values(self, data: bytes) -> tuple[Read, dict[tuple[int, int], str]]:
        asked, slip = self._signed(GRANT, "grant"), self.slip()
        sealed, silent = messages.answers_of(data, asked)
        return values.read(sealed, asked, self._read(_ANSWER_KEY), slip.rosters(), tuple(self.files())), silent

    def _wanted(self, slip: Slip) -> tuple[Bucket, ...]:
        return messages.wanted_of(self._read(WANTED), slip.store)

    def _signed(self, name: str, kind: str) -> Signed:
        return signed.decode(self._read(name), kind)

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise StateError(f"{self.path}: {name} is not there; {_BEFORE[name]} comes first") from None

    def _write(self, name: str, data: bytes) -> None:
        durable.write_file(self.path / name, data)


_BEFORE = {
    REQUEST: "unheld access begin",
    _REQUEST_KEY: "unheld access begin",
    SLIP: "unheld access ask with the slip from the counter",
    GRANT: "unheld access ask",
    _WISH: "unheld access ask",
    _ANSWER_KEY: "unheld access ask",
    ANSWERS: "unheld access check",
    WANTED: "unheld access check",
}
