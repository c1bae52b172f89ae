"""What custodians that were away have yet to hear: plans that headquarters signed, and hashes of labels.

    pending/DIGEST.plan        a plan for columns or everything; it names nobody
    pending/DIGEST.tombstones  16-byte hashes of forgotten labels with the plan that forgot them, whose sealed names
                               open for nobody once it is applied
    pending/close              the day that was closed, while it is not over and not every custodian has heard so

All are written before the act that they belong to, so that no crash loses them; hashes count once the journal names
their plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from unheld_slots import durable
from unheld_verify import canonical, columns, note, plan
from unheld_verify.errors import BadInputError
from unheld_verify.plan import Plan

_FOLDER, _CLOSE = "pending", "close"


def keep(folder: Path, one: Plan) -> None:
    """Bring this plan again to custodians until all of them have testified, or its columns have lapsed."""
    _write(folder, f"{one.digest}.plan", one.encode())


def has(folder: Path, one: Plan) -> bool:
    """Whether this plan has begun and waits for custodians."""
    return (folder / _FOLDER / f"{one.digest}.plan").is_file()


def plans(folder: Path, today: int, lifetimes: Mapping[str, int]) -> list[Plan]:
    """The plans that are still to be brought; those whose columns have all lapsed are dropped here."""
    found = [_read(path) for path in sorted((folder / _FOLDER).glob("*.plan"))]
    for one in found:
        if _due(one, lifetimes) <= today:
            done(folder, one)
    return [one for one in found if _due(one, lifetimes) > today]


def _read(path: Path) -> Plan:
    try:
        return plan.decode(path.read_bytes())
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}; put it back from a copy of the store") from None


def _due(one: Plan, lifetimes: Mapping[str, int]) -> int:
    """When the calendar has done what a plan says."""
    if one.act in ("party", "parties", "everything"):
        return columns.day_number(one.made) + max(lifetimes.values())
    return max(columns.due(*pair, lifetimes) for pair in one.columns)


def done(folder: Path, one: Plan) -> None:
    """Every custodian testified."""
    durable.remove_file(folder / _FOLDER / f"{one.digest}.plan")


def bury(folder: Path, one: Plan, hashes: Collection[bytes]) -> None:
    """Name these hashes to the custodians once this plan has been applied."""
    if hashes:
        listed = {"plan": note.base64_text(one.encode()), "hashes": sorted(each.hex() for each in hashes)}
        _write(folder, f"{one.digest}.tombstones", canonical.encode(listed))


def buried(
    folder: Path, applied: Collection[str], today: int, lifetimes: Mapping[str, int]
) -> list[tuple[Plan, set[bytes]]]:
    """The plans that the journal names (digests), each with the hashes that custodians have yet to hear.

    Those of plans so old that nothing is left of whom they forgot are dropped here.
    """
    found = []
    for path in sorted((folder / _FOLDER).glob("*.tombstones")):
        one, hashes = _tombstones(path)
        if _due(one, lifetimes) <= today:
            durable.remove_file(path)
        elif path.stem in applied:
            found.append((one, hashes))
    return found


def _tombstones(path: Path) -> tuple[Plan, set[bytes]]:
    try:
        listed = canonical.decode(path.read_bytes())
        one = plan.decode(note.base64_bytes(str(listed["plan"]), "plan"))
        return one, {bytes.fromhex(each) for each in listed["hashes"]}
    except (BadInputError, KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{path}: cannot be read ({error}); put it back from a copy of the store") from None


def acknowledged(folder: Path, one: Plan, left: Collection[bytes]) -> None:
    """Every custodian holds the hashes of a plan, all but these."""
    if left:
        bury(folder, one, left)
    else:
        durable.remove_file(folder / _FOLDER / f"{one.digest}.tombstones")


def close(folder: Path, day: int) -> None:
    """Tell custodians of this closed day again, until all of them heard or it is over."""
    _write(folder, _CLOSE, columns.day_text(day).encode("ascii"))


def closing(folder: Path, today: int) -> int | None:
    """The closed day that custodians are still to be told of; a day that is over opens for nobody again."""
    try:
        day = columns.day_number((folder / _FOLDER / _CLOSE).read_text("ascii"))
    except (FileNotFoundError, UnicodeDecodeError, BadInputError):
        return None
    return day if day >= today else None


def closed(folder: Path) -> None:
    """Every custodian heard it."""
    durable.remove_file(folder / _FOLDER / _CLOSE)


def _write(folder: Path, name: str, data: bytes) -> None:
    durable.make_folder(folder / _FOLDER)
    durable.write_file(folder / _FOLDER / name, data)
