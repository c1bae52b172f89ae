"""The custodians' parking keys as the branch keeps them: public, signed, fetched ahead, so that an outage finds them.

They are held to the roster whenever something is parked: keys that somebody else put there would open it to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unheld_slots import durable
from unheld_verify import canonical, crypto, custody, formats, signed
from unheld_verify.custody import Address
from unheld_verify.errors import BadInputError, NewerError, StateError, UnheldError, VerificationError
from unheld_verify.roster import Roster
from unheld_verify.signed import Signed

_FILE = "parking-keys.json"


def keep(folder: Path, parkings: Mapping[int, Signed]) -> None:
    """Replace the keys of the custodians that gave some; those that are away keep what they gave ahead of time."""
    held = _held(folder) | {_place(one): one for one in parkings.values()}
    listed = [held[place].as_json() for place in sorted(held)]
    durable.write_file(folder / _FILE, canonical.encode({"v": 2, "parkings": listed}))


def drop(folder: Path) -> None:
    """Hold none: the custodians erased the private halves, so what were parked now would open for nobody."""
    durable.remove_file(folder / _FILE)


def find(folder: Path, roster: Roster, reason: str, period: int) -> list[bytes]:
    """The keys of all custodians of a set for one period.

    In the place of a custodian that gave none stands a key that nobody has, as long as t others can open the batch.
    Raises StateError when fewer gave one: nothing can be parked. Raises VerificationError naming a custodian whose
    keys it did not sign.
    """
    held, draft = _held(folder), roster.draft
    found = {
        index: _keys(held[draft.set, index], roster, index) for index in range(draft.n) if (draft.set, index) in held
    }
    missing = [index for index in range(draft.n) if (reason, period) not in found.get(index, {})]
    if draft.n - len(missing) < draft.t:
        who = ", ".join(draft.names[index] for index in missing)
        raise StateError(
            f"no parking key for {reason} of period {period} from {who}: it was not fetched in time; "
            "keep the source file and open a day when the custodians are back"
        )
    return [found.get(index, {}).get((reason, period)) or crypto.park_keypair()[1] for index in range(draft.n)]


def _keys(said: Signed, roster: Roster, index: int) -> dict[tuple[str, int], bytes]:
    try:
        return custody.parking_of(said, Address(roster.draft.store, roster.draft.set, index), roster.signs[index])
    except UnheldError as error:
        who = roster.draft.names[index]
        raise VerificationError(
            f"{_FILE}: the keys of {who} are not its own ({error}); remove the file and open a day"
        ) from None


def _place(said: Signed) -> tuple[int, int]:
    return said.document["set"], said.document["from"]


def _held(folder: Path) -> dict[tuple[int, int], Signed]:
    path = folder / _FILE
    try:
        whole: Any = canonical.decode(path.read_bytes()) if path.exists() else {"v": 2, "parkings": []}
        formats.check_json("parking-keys", whole, path)
        listed = whole["parkings"]
        held = {_place(one): one for one in (signed.from_json(value, "parking") for value in listed)}
        known = set(whole) == {"v", "parkings"} and signed.same(whole["v"], 2)
    except NewerError:
        raise
    except (OSError, BadInputError, KeyError, TypeError) as error:
        raise StateError(f"{path}: cannot be read ({error}); remove the file and open a day") from None
    if not known:
        raise StateError(f"{path}: not of a version known here; remove the file and open a day")
    return held
