"""From the text columns of some batches to one table of facts and the rows that are bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records import columns
from unheld_branch.records.chunks import BadRow
from unheld_branch.records.codecs.batches import Batch
from unheld_branch.records.coded import Coded, coded
from unheld_branch.records.columns import Context
from unheld_branch.records.faults import TEXTS, Fault, Faults
from unheld_branch.records.mapping import ColumnRule, Mapping
from unheld_branch.records.schema import EVENT_TYPES, FIELDS, IDENTITY, OWNER, REGISTRY_FIELDS, Field

_DATETIME = FIELDS[0]
_WORKERS = 2
Codes = npt.NDArray[np.uint16]
"""Of each row: 0 for a good one, else 256 x (number of the field's column) + fault."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """Good rows, and for the bad ones their places among all rows with a reason each."""

    table: pa.Table
    bad: npt.NDArray[np.int64]
    reasons: list[str]


def wanted(mapping: Mapping) -> list[str]:
    """The columns of the source that the mapping needs."""
    return [rule.name for rule in mapping.columns]


def assemble(batches: Sequence[Batch], context: Context, owner: str | None) -> Assembled:
    """The rows of `batches` as one table; `owner` is the identity of a source that is one party's.

    Each column leaves the batches as it is read: the codes and the facts of a chunk would not fit beside each other.
    """
    count = sum(len(batch.lines) for batch in batches)
    rules = list(_rules(context.mapping))
    with ThreadPoolExecutor(_WORKERS) as pool:
        found = list(pool.map(lambda rule: columns.read(_column(batches, rule), rule, context), rules))
    facts = {rule.field.name: values for rule, (values, _) in zip(rules, found, strict=True)}
    codes = _codes([faults for _, faults in found], count)
    facts |= _constant_facts(context.mapping, owner, count)
    if context.mapping.kind == "records":
        _known_by_imsi(facts)
    needed = ("owner", "datetime") if context.mapping.kind == "records" else ("owner",)
    names = [rule.name for rule in rules]
    missing = {len(names) + n: name for n, name in enumerate(needed)}
    for number, name in missing.items():
        codes[(codes == 0) & _null(facts[name])] = number << 8 | Fault.MISSING
    bad = np.flatnonzero(codes)
    table = _table(facts, context.mapping, pa.array(codes == 0) if len(bad) else None)
    return Assembled(table, bad, [_reason(int(code), [*names, *needed]) for code in codes[bad]])


def _rules(mapping: Mapping) -> Iterator[ColumnRule]:
    """The columns to read; `date` and `time` become one."""
    date, time = mapping.rule("date"), mapping.rule("time")
    for rule in mapping.columns:
        if rule is date and time is not None:
            yield replace(rule, field=_DATETIME, beside=time.name)
        elif rule is not time:
            yield rule


def _column(batches: Sequence[Batch], rule: ColumnRule) -> list[Coded]:
    parts = [batch.columns.pop(rule.name) for batch in batches]
    if rule.beside:
        pairs = zip(parts, (batch.columns.pop(rule.beside) for batch in batches), strict=True)
        parts = [coded(pc.binary_join_element_wise(a.texts(), b.texts(), " ")) for a, b in pairs]
    return parts


def _codes(found: Sequence[Faults | None], count: int) -> Codes:
    codes = np.zeros(count, np.uint16)
    for number, faults in enumerate(found):
        if faults is not None:
            fresh = (codes == 0) & (faults != 0)
            codes[fresh] = number << 8 | faults[fresh].astype(np.uint16)
    return codes


def _reason(code: int, names: Sequence[str]) -> str:
    return f"{names[code >> 8]}: {TEXTS[Fault(code & 255)]}"


def _constant_facts(mapping: Mapping, owner: str | None, count: int) -> dict[str, pa.Array]:
    facts: dict[str, pa.Array] = {}
    if owner is not None:
        facts["owner"] = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([owner]))
    if (event := mapping.constants.get("event_type")) is not None:
        facts["event_type"] = pa.repeat(pa.scalar(EVENT_TYPES[event], pa.uint8()), count)
    if (outgoing := mapping.constants.get("outgoing")) is not None:
        facts["outgoing"] = pa.repeat(outgoing == "true", count)
    return facts


def _known_by_imsi(facts: dict[str, pa.Array]) -> None:
    """A guest of the network may be known by the IMSI alone: then that is whose record it is."""
    owner, imsi = facts["owner"], facts.get("imsi")
    if imsi is None or not owner.null_count:
        return
    names = pc.binary_join_element_wise("imsi:", imsi.cast(pa.string()), "")
    facts["owner"] = pc.dictionary_encode(pc.coalesce(owner.cast(pa.string()), names))


def _null(values: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(values.is_null().to_numpy(zero_copy_only=False))


def _table(facts: dict[str, pa.Array], mapping: Mapping, good: pa.BooleanArray | None) -> pa.Table:
    """Good rows, fields in the order of the schema. Coded texts of bad rows leave the dictionaries too."""
    fields: Sequence[Field] = [OWNER, *FIELDS] if mapping.kind == "records" else list(REGISTRY_FIELDS.values())
    order = [field.name for field in fields if field.name in facts]
    order += [name for name in facts if name not in order]
    table = pa.table({name: facts[name] for name in order})
    return table if good is None else pa.table({name: _kept(table[name], good) for name in order})


def _kept(column: pa.ChunkedArray, good: pa.BooleanArray) -> pa.Array:
    kept = column.combine_chunks().filter(good)
    return pc.dictionary_encode(kept.cast(pa.string())) if kept.type == IDENTITY else kept


def bad_rows(batches: Sequence[Batch], found: Assembled, file: str) -> Iterator[BadRow]:
    """The bad rows of `batches` with their lines and bytes: those that did not parse and those that did not read."""
    start = 0
    for batch in batches:
        end = start + len(batch.lines)
        low, high = np.searchsorted(found.bad, [start, end])
        rows = [int(row) - start for row in found.bad[low:high]]
        raws = batch.raw(rows) if rows else []
        known = zip(rows, found.reasons[low:high], raws, strict=True)
        unread = [BadRow(file, int(batch.lines[row]), reason, raw) for row, reason, raw in known]
        unparsed = [BadRow(file, row.line, row.reason, row.raw) for row in batch.broken]
        yield from sorted(unparsed + unread, key=lambda row: row.line)
        start = end
