"""The custodians' parking keys as the branch keeps them: public, fetched ahead, so that an outage finds them here."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from unheld_slots import durable
from unheld_verify import canonical
from unheld_verify.columns import ParkPeriod
from unheld_verify.errors import StateError

_FILE = "parking-keys.json"
Publics = Mapping[int, Mapping[ParkPeriod, bytes]]


def keep(folder: Path, publics: Publics) -> None:
    """Replace the keys of the custodians that gave some; those that are away keep what they gave ahead of time."""
    given = {
        str(index): {f"{reason}:{period}": base64.b64encode(key).decode() for (reason, period), key in keys.items()}
        for index, keys in publics.items()
    }
    durable.write_file(folder / _FILE, canonical.encode({"v": 1, "keys": _held(folder) | given}))


def drop(folder: Path) -> None:
    """Hold none: the custodians erased the private halves, so what were parked now would open for nobody."""
    durable.remove_file(folder / _FILE)


def find(folder: Path, reason: str, period: int, n: int) -> list[bytes]:
    """The keys of all n custodians for one period. Raises StateError when one is missing: nothing can be parked."""
    held = _held(folder)
    name = f"{reason}:{period}"
    missing = [index for index in range(n) if name not in held.get(str(index), {})]
    if missing:
        raise StateError(
            f"no parking key for {reason} of period {period} from custodians {missing}: it was not fetched in time; "
            "keep the source file and open a day when the custodians are back"
        )
    return [base64.b64decode(held[str(index)][name]) for index in range(n)]


def _held(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / _FILE
    held: dict[str, dict[str, str]] = canonical.decode(path.read_bytes())["keys"] if path.exists() else {}
    return held
