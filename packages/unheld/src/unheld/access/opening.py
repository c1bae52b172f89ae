"""Own records: from party key, column values and fetched blocks to the facts of one party."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from unheld.access import buckets
from unheld.access.messages import Bucket, Filled, HeldFile, Slip
from unheld.access.values import Joined
from unheld_branch.keys import folios
from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.records.schema import EVENT_TYPES, FIELDS
from unheld_branch.store import blocks, coding, layout
from unheld_branch.store.blocks import Place
from unheld_branch.store.layout import Numbers
from unheld_verify.columns import Column, day_text
from unheld_verify.errors import WrongKeyError

Record = dict[str, Any]
_EVENTS = {number: name for name, number in EVENT_TYPES.items()}
_DEGREES = 10**5
_DAY = 86_400


@dataclass(frozen=True)
class Opened:
    """Own records by class. `altered` are columns whose block is there and does not open: it was changed."""

    records: Mapping[str, list[Record]] = field(repr=False)
    altered: tuple[Column, ...]
    missing: int
    """Column files that the branch did not hand over."""


def asked(slip: Slip, files: Sequence[HeldFile], joined: Mapping[Column, Joined]) -> tuple[Bucket, ...]:
    """A bucket of every file of the grant, whatever is known of its column."""
    made = []
    for file in files:
        secrets = _secrets(slip, file, joined.get(file.column))
        made.append(buckets.of(file, None if secrets is None else secrets.block_id(0, file.batch)))
    return tuple(made)


def opened(
    slip: Slip,
    files: Sequence[HeldFile],
    joined: Mapping[Column, Joined],
    wanted: Sequence[Bucket],
    came: Sequence[Filled],
) -> Opened:
    """Own records among the blocks that came. Raises BadInputError for blocks that were not asked for."""
    by_batch = {(one.bucket.column, one.bucket.batch): one for one in came}
    records: dict[str, list[Record]] = {}
    altered, missing = [], 0
    for file, bucket in zip(files, wanted, strict=True):
        filled = by_batch.get((file.column, file.batch))
        if filled is None:
            missing += 1
            continue
        buckets.check(bucket, filled)
        secrets = _secrets(slip, file, joined.get(file.column))
        try:
            found = [] if secrets is None else list(_records(slip, file, secrets, filled))
        except WrongKeyError:
            altered.append(file.column)
            continue
        records.setdefault(file.column.cls, []).extend(found)
    for listed in records.values():
        listed.sort(key=lambda record: str(record.get("time", record["day"])))
    return Opened(records, tuple(altered), missing)


def _secrets(slip: Slip, file: HeldFile, joined: Joined | None) -> FolioSecrets | None:
    if joined is None or joined.value is None:
        return None
    return folios.derive(slip.party_key, joined.value, file.set, file.column)


def _records(slip: Slip, file: HeldFile, secrets: FolioSecrets, filled: Filled) -> Iterator[Record]:
    wanted = secrets.block_id(0, file.batch)
    place = Place(slip.store, file.set, file.column, file.batch)
    for block_id, block in zip(filled.ids, filled.blocks, strict=True):
        if block_id == wanted:
            yield from _facts(file.column, blocks.open_block(place, secrets.block_key(0), block_id, block))


def _facts(column: Column, plaintext: bytes) -> Iterator[Record]:
    head = {"day": day_text(column.event_day), "sealed": day_text(column.sealing_day)}
    if column.cls == "identity":
        yield from ({**head, **_dated(fact)} for fact in blocks.read_facts(plaintext))
        return
    found = blocks.columns_of([blocks.read_rows(plaintext)])
    seconds = coding.times(found)
    texts = {item.name: _texts(found[item.number], item.name) for item in FIELDS[1:] if item.number in found}
    for row, second in enumerate(seconds.tolist()):
        when = datetime.fromtimestamp(column.event_day * _DAY + second, UTC)
        facts = {name: values[row] for name, values in texts.items() if values[row] is not None}
        yield {**head, "time": when.isoformat(), **facts}


def _dated(fact: Mapping[str, str]) -> Record:
    """A fact of the registry with a time that a person reads: it is kept as Unix seconds."""
    since = fact.get("since", "")
    return {**fact, "since": datetime.fromtimestamp(int(since), UTC).isoformat()} if since.isdecimal() else {**fact}


def _texts(column: layout.Column, name: str) -> list[Any]:
    """Values of a field as JSON values, None where there is none."""
    if isinstance(column, Numbers):
        return [None if not coded else _number(column.kind, coded, name) for coded in column.coded.tolist()]
    given = [bytes(value) for value in column.values[column.codes].tolist()]
    if name == "counterpart":
        wide = (value.ljust(coding.ALIAS_BYTES, b"\0") for value in given)
        return [f"alias {value.hex()}" if any(value) else None for value in wide]
    return [value.decode("utf-8", "replace") or None for value in given]


def _number(kind: int, coded: int, name: str) -> Any:
    value = layout.signed(coded) if kind == layout.SIGNED else coded - 1
    if name == "event_type":
        return _EVENTS.get(value, value)
    if name == "outgoing":
        return bool(value)
    return value / _DEGREES if name in {"latitude", "longitude"} else value
