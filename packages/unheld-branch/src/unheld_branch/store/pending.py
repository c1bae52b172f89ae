"""What custodians that were away have yet to hear: plans that headquarters signed, and hashes of labels.

    pending/DIGEST.plan        a plan for columns or everything; it names nobody
    pending/DIGEST.tombstones  16-byte hashes of forgotten labels, under the digest of the plan that forgot them

Both are written before the act that they belong to, so that no crash loses them; hashes count once the journal names
their plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from unheld_slots import durable
from unheld_verify import columns, plan
from unheld_verify.plan import Plan

_FOLDER = "pending"
_HASH = 16


def keep(folder: Path, one: Plan) -> None:
    """Bring this plan again to custodians until all of them have testified, or its columns have lapsed."""
    _write(folder, f"{one.digest}.plan", one.encode())


def plans(folder: Path, today: int, lifetimes: Mapping[str, int]) -> list[Plan]:
    """The plans that are still to be brought; those whose columns have all lapsed are dropped here."""
    found = [plan.decode(path.read_bytes()) for path in sorted((folder / _FOLDER).glob("*.plan"))]
    for one in found:
        if _due(one, lifetimes) <= today:
            done(folder, one)
    return [one for one in found if _due(one, lifetimes) > today]


def _due(one: Plan, lifetimes: Mapping[str, int]) -> int:
    """When the calendar has done what a plan says."""
    if one.act == "everything":
        return columns.day_number(one.made) + max(lifetimes.values())
    return max(columns.due(*pair, lifetimes) for pair in one.columns)


def done(folder: Path, one: Plan) -> None:
    """Every custodian testified."""
    durable.remove_file(folder / _FOLDER / f"{one.digest}.plan")


def bury(folder: Path, one: Plan, hashes: Collection[bytes]) -> None:
    """Name these hashes to the custodians once this plan has been applied."""
    if hashes:
        _write(folder, f"{one.digest}.tombstones", b"".join(sorted(hashes)))


def buried(folder: Path, applied: Collection[str]) -> set[bytes]:
    """The hashes that custodians have yet to hear, of plans that the journal names (digests)."""
    found: set[bytes] = set()
    for path in (folder / _FOLDER).glob("*.tombstones"):
        data = path.read_bytes() if path.stem in applied else b""
        found |= {data[at : at + _HASH] for at in range(0, len(data), _HASH)}
    return found


def acknowledged(folder: Path, hashes: Collection[bytes]) -> None:
    """Every custodian holds these."""
    for path in sorted((folder / _FOLDER).glob("*.tombstones")):
        data = path.read_bytes()
        left = {data[at : at + _HASH] for at in range(0, len(data), _HASH)}.difference(hashes)
        if left:
            durable.write_file(path, b"".join(sorted(left)))
        else:
            durable.remove_file(path)


def _write(folder: Path, name: str, data: bytes) -> None:
    durable.make_folder(folder / _FOLDER)
    durable.write_file(folder / _FOLDER / name, data)
