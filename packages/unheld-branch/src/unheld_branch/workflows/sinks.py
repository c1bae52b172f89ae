"""Sinks: what leaves at ingest by design, to named places outside the store that `unheld init` was told of.

`totals`: events, minutes and bytes per partner and day, no person in them. `charge`: charge lines for the rating
system; they name subscribers, so the sink is off unless named, and `status` lists it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unheld_slots import durable
from unheld_slots.places import read_toml
from unheld_verify import columns, crypto
from unheld_verify.errors import BadInputError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

    from unheld_branch.records.totals import Totals

SETTINGS = "unheld.toml"
_STAGED, _READY = ".part", ".ready"
_CHARGE = (
    "owner",
    "datetime",
    "event_type",
    "outgoing",
    "duration",
    "volume_upload",
    "volume_download",
    "amount",
    "balance",
)


@dataclass(frozen=True)
class Sinks:
    """Where figures and charge lines go; None: nowhere."""

    totals: Path | None
    charge: Path | None


def read(folder: Path) -> Sinks:
    """The sinks that a store's settings name, those without a full path in the store, which may have been moved.

    Raises BadInputError naming the place in the file.
    """
    path = folder / SETTINGS
    table = read_toml(path).get("sinks", {})
    if not isinstance(table, dict) or not all(isinstance(place, str) for place in table.values()):
        raise BadInputError(f"{path}: [sinks] names folders, as text in quotes")
    if unknown := set(table) - {"totals", "charge"}:
        raise BadInputError(f"{path}: [sinks] has no {', '.join(sorted(unknown))}; known are totals and charge")
    return Sinks(*(folder / table[name] if name in table else None for name in ("totals", "charge")))


def made(folder: Path) -> None:
    """Make the sinks' folders before anything is sealed whose lines could go nowhere. Raises StateError."""
    named = read(folder)
    for sink in {named.totals, named.charge} - {None}:
        if sink is not None:
            durable.make_folders(sink)


def write_settings(folder: Path, sinks: Sinks) -> None:
    """Name the sinks in a new store's settings."""
    named = {"totals": sinks.totals, "charge": sinks.charge}
    lines = [f"{name} = {json.dumps(str(path))}" for name, path in named.items() if path is not None]
    durable.write_file(folder / SETTINGS, ("[sinks]\n" + "".join(line + "\n" for line in lines)).encode())


def totals(folder: Path, batch: str, counted: Totals) -> None:
    """Write a delivery's totals as one JSON file into the totals sink."""
    sink = read(folder).totals
    if sink is None or not counted.by_partner_day:
        return
    rows = [
        {"partner": partner, "day": columns.day_text(day), "events": t.events, "minutes": t.minutes, "bytes": t.bytes}
        for (partner, day), t in sorted(counted.by_partner_day.items())
    ]
    durable.make_folders(sink)
    durable.write_file(sink / f"{batch}.json", json.dumps({"batch": batch, "totals": rows}, indent=1).encode())


def replaced(folder: Path, batch: str, old: str) -> None:
    """Tell every sink that a batch takes the place of another: `BATCH.replaces` names whose lines to take back.

    Written before the commit; a note of a batch that never stood stands beside no lines of it and means nothing.
    """
    named = read(folder)
    for sink in {named.totals, named.charge} - {None}:
        if sink is not None:
            durable.write_file(sink / f"{batch}.replaces", f"{old}\n".encode())


class Charges:
    """Charge lines of one delivery: written beside the sink's other files, named only once the delivery stands."""

    def __init__(self, folder: Path) -> None:
        self._sink = read(folder).charge
        self._writer: csv.CSVWriter | None = None
        self._staged: Path | None = None

    def write(self, table: pa.Table) -> None:
        """Add the charge facts of sealed records. Nothing happens without a charge sink."""
        if self._sink is None:
            return
        import pyarrow as pa  # noqa: PLC0415 - a status, too, reads which sinks there are
        from pyarrow import csv  # noqa: PLC0415

        lines = table.select([name for name in _CHARGE if name in table.column_names])
        lines = lines.set_column(0, "owner", lines["owner"].cast(pa.string()))
        if self._writer is None:
            durable.make_folders(self._sink)
            self._staged = self._sink / f".{crypto.random_bytes(8).hex()}{_STAGED}"
            self._staged.touch(0o600)  # it names people
            self._writer = csv.CSVWriter(str(self._staged), lines.schema)
        self._writer.write_table(lines)

    def ready(self, batch: str) -> None:
        """Make the lines durable under a hidden name, before the commit that they belong to."""
        if self._writer is not None and self._staged is not None:
            self._writer.close()
            self._staged, staged = self._staged.with_name(f".{batch}{_READY}"), self._staged
            durable.publish(staged, self._staged)

    def leave(self) -> None:
        """Hand the lines over: the file gets its name. What a crash leaves before this, `settle` ends."""
        if self._staged is not None:
            _hand_over(self._staged)

    def discard(self) -> None:
        """Remove what was staged."""
        if self._writer is not None and self._staged is not None:
            self._writer.close()
            self._staged.unlink(missing_ok=True)


def settle(folder: Path, batches: Collection[str]) -> None:
    """End what a crash cut short: lines of a batch that stands are handed over, all others are removed."""
    sink = read(folder).charge
    for path in sorted(sink.glob(".*")) if sink is not None and sink.is_dir() else ():
        if path.suffix == _READY and path.stem.removeprefix(".") in batches:
            _hand_over(path)
        elif path.suffix in {_READY, _STAGED}:
            durable.remove_file(path)


def _hand_over(ready: Path) -> None:
    durable.publish(ready, ready.with_name(ready.stem.removeprefix(".") + ".csv"))
