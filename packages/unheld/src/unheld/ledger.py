"""The ledger: headquarters' own statements (demands, papers, standstills), until the public log tells of them.

They do not pass through a store, and outlive every store. A statement that must stay closed for a while has its entry
in the log at once, which hides it, and its opening published when it is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unheld_branch.log.outbox import Outbox
from unheld_branch.log.tiles import LogWriter
from unheld_slots import durable
from unheld_verify import canonical, checkpoint, formats, statement, tiles
from unheld_verify.errors import BadInputError, NewerError
from unheld_verify.note import Key
from unheld_verify.statement import Opening
from unheld_verify.tiles import Log

_DIGITS = 8
_PLAN = "places.json"


@dataclass(frozen=True)
class Kept:
    """A statement and the day (days since 1970) from which its opening may be published."""

    opening: Opening
    due: int


class Ledger:
    """The statements in a folder, one file each, in the order in which they were posted. One writer at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> None:
        """Lay out an empty ledger."""
        durable.make_folders(self._folder)

    def post(self, opening: Opening, due: int = 0) -> None:
        """Keep a statement for the next publication; its opening is published from day `due` on.

        Hold the register's lock. Raises VerificationError for a statement that the log would refuse.
        """
        statement.verify(opening, str(opening.statement.get("log")))
        number = max((int(path.stem) for path in self._files()), default=0) + 1
        data = canonical.encode({"v": 1, "due": due, **opening.to_json()})
        durable.write_file(self._folder / f"{number:0{_DIGITS}d}.json", data)

    def kept(self) -> list[Kept]:
        """Every statement ever posted. Raises BadInputError naming a file that is none."""
        return [_read(path) for path in self._files()]

    def publish(self, writer: LogWriter, today: int) -> int:
        """Publish openings that are due and stand in the log. Repeating it is fine; gives how many it published."""
        log = Log(writer.source)
        missing = [kept.opening for kept in self.kept() if kept.due <= today]
        places = places_of([opening.entry for opening in missing], log, writer.size)
        found = [(places[opening.entry], opening) for opening in missing if opening.entry in places]
        new = [(index, opening) for index, opening in found if not writer.has_opening(index)]
        for index, opening in new:
            writer.publish_opening(index, opening)
        return len(new)

    def outbox(self, writer: LogWriter) -> Outbox:
        """An outbox of the ledger alone, for the time when there is no store any more."""
        closed = partial(closed_entries, self, writer)
        return Outbox(lambda: self._places(writer), lambda: self._planned(writer), closed)

    def _places(self, writer: LogWriter) -> Sequence[_Placed]:
        """What the log has of the ledger, and what was planned for its end.

        The log is asked first: a store that is gone may have published entries that no plan here knows of.
        """
        own = [kept.opening.entry for kept in self.kept()]
        placed = {entry: index for entry, index in _fixed(self._folder / _PLAN) if index >= writer.size}
        placed |= places_of(own, Log(writer.source), writer.size)
        return [_Placed(index, entry) for entry, index in placed.items()]

    @contextmanager
    def _planned(self, writer: LogWriter) -> Iterator[_Planner]:
        planner = _Planner(self._places(writer))
        yield planner
        entries = [[item.entry.hex(), item.index] for item in planner.items]
        durable.write_file(self._folder / _PLAN, canonical.encode({"v": 1, "entries": entries}))

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("[0-9]*.json") if path.stem.isdecimal())


@dataclass(frozen=True)
class _Placed:
    """An entry with its place in the log. The outbox sees it as a dummy."""

    index: int
    entry: bytes
    statement: bytes = b""

    @property
    def id(self) -> int:
        """Its place: what tells it from others."""
        return self.index

    @property
    def r(self) -> bytes:
        """The entry: what stands for a dummy's r."""
        return self.entry


@dataclass
class _Planner:
    """Fixes places, in memory until its context ends."""

    items: Sequence[_Placed]

    def plan_entries(self, places: Mapping[int, int], dummies: Iterable[tuple[int, bytes]]) -> None:
        """Add entries at their places. No statement waits here: the ledger's are closed entries, among the dummies."""
        self.items = [*self.items, *(_Placed(index, entry) for index, entry in dummies)]


def closed_entries(ledger: Ledger, writer: LogWriter, taken: Iterable[bytes]) -> list[bytes]:
    """Entries of the ledger that no publication has taken yet, of this store or while there was none."""
    own = [kept.opening.entry for kept in ledger.kept()]
    known = {*taken, *places_of(own, Log(writer.source), writer.size)}
    return [entry for entry in own if entry not in known]


def places_of(entries: Sequence[bytes], log: Log, size: int) -> dict[bytes, int]:
    """Where entries stand among the first `size` of a log; those that do not are left out."""
    wanted, found = set(entries), dict[bytes, int]()
    for number in range(-(-size // tiles.WIDTH)) if wanted else ():
        bundle = log.entries(number, min(tiles.WIDTH, size - number * tiles.WIDTH))
        found |= {entry: number * tiles.WIDTH + at for at, entry in enumerate(bundle) if entry in wanted}
    return found


def published(opening: Opening, log: Log, key: Key) -> bool:
    """Whether the log holds the entry of a statement."""
    size = checkpoint.verify(log.checkpoint(), key).size
    return opening.entry in places_of([opening.entry], log, size)


def _fixed(path: Path) -> list[tuple[bytes, int]]:
    """Entries with the places that were fixed for them."""
    if not path.exists():
        return []
    try:
        document = canonical.decode(path.read_bytes())
        listed = [(statement.hex_bytes(entry, "entry"), index) for entry, index in document["entries"]]
        sound = (
            set(document) == {"v", "entries"}
            and type(document["v"]) is int
            and document["v"] == 1
            and all(map(_is_place, listed))
        )
    except (BadInputError, KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{path}: are no places of the ledger ({error}); put back the last good copy") from None
    if not sound:
        raise BadInputError(f"{path}: has other fields or values than this version writes; put back the last good copy")
    return listed


def _is_place(item: tuple[bytes, int]) -> bool:
    return len(item[0]) == statement.ENTRY_BYTES and type(item[1]) is int and item[1] >= 0


def _read(path: Path) -> Kept:
    try:
        document = canonical.decode(path.read_bytes())
        formats.check_json("ledger", document, path)
        known = set(document) == {"v", "due", "r", "statement"} and type(document["v"]) is int and document["v"] == 1
        opening = statement.parse_opening({name: document[name] for name in ("r", "statement")})
        due = document["due"] if known and type(document["due"]) is int else None
    except NewerError:
        raise
    except (BadInputError, KeyError, TypeError) as error:
        raise BadInputError(f"{path}: is no statement of the ledger ({error}); put back the last good copy") from None
    if due is None:
        raise BadInputError(f"{path}: has other fields than a statement of the ledger; put back the last good copy")
    return Kept(opening, due)
