"""The inventory: every system known to hold copies of these records. A store that covers one place of seven says so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unheld_slots import durable
from unheld_verify import formats
from unheld_verify.errors import BadInputError, UsageError

FILE = "inventory.json"


@dataclass(frozen=True)
class Place:
    """A system that receives these records. `covered`: unheld, or a proof of its own, covers it. `checked`: a date."""

    name: str
    owner: str
    holds: str
    retention: str
    covered: bool
    checked: str


_KINDS = {
    name: bool if name == "covered" else str for name in ("name", "owner", "holds", "retention", "covered", "checked")
}


class Inventory:
    """The list beside a store. A person keeps it; nothing is discovered by itself."""

    def __init__(self, root: Path) -> None:
        self._path = root / FILE
        self.places = _read(self._path)

    def add(self, place: Place) -> None:
        """Add a place, or replace the one of that name."""
        if not place.name.strip():
            raise UsageError("inventory: a place needs a name")
        self.places = [*(known for known in self.places if known.name != place.name), place]
        self._write()

    def note(self, name: str, checked: str, **said: Any) -> None:
        """Add a place, or correct the one of that name: what is None stays as it was, and is unknown in a new one."""
        known = next(
            (place for place in self.places if place.name == name),
            Place(name, "unknown", "unknown", "unknown", False, ""),
        )
        self.add(replace(known, checked=checked, **{key: value for key, value in said.items() if value is not None}))

    def begin(self) -> None:
        """Lay out an empty inventory."""
        self._write()

    def words(self) -> str:
        """The sentence every status and receipt prints."""
        open_places = sum(not place.covered for place in self.places)
        if not self.places:
            return "this store is 1 of 1 known places holding such data; the inventory is empty: name the others"
        return f"this store is 1 of {1 + len(self.places)} known places holding such data, {open_places} not covered"

    def figures(self) -> dict[str, int]:
        """Known places, this store included, and how many are not covered."""
        return {"known_places": 1 + len(self.places), "not_covered": sum(not place.covered for place in self.places)}

    def _write(self) -> None:
        document = {"v": 1, "places": [asdict(place) for place in self.places]}
        durable.write_file(self._path, json.dumps(document, indent=1, ensure_ascii=False).encode())


def _read(path: Path) -> list[Place]:
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_text("utf-8"))
        formats.check_json("inventory", document, path)
        listed: list[dict[str, Any]] = document["places"]
        places = [Place(**place) for place in listed]
        sound = all(type(getattr(place, name)) is kind for place in places for name, kind in _KINDS.items())
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise BadInputError(f"{path}: is no inventory; mend it or put back the last good copy")
    return places
