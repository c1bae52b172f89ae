"""Tables of a hand-over: read from the operator's files, held to their forms value by value, written afresh.

Everything is read and checked before anything is written: one stray, and nothing leaves. Rows are sorted by their
values, so that neither the order in which people came nor the operator's own says anything.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow

from unheld.exit import allowed
from unheld.exit.allowed import TABLES, Form, Known
from unheld.exit.spec import Spec, TableSpec
from unheld.stray import stray
from unheld_branch.records.codecs import csv, parquet, sources
from unheld_branch.records.codecs.batches import Batch
from unheld_branch.records.codecs.sources import Source
from unheld_branch.records.coded import distinct
from unheld_verify import crypto
from unheld_verify.errors import BadInputError

_BLOCK = 1 << 22
_NOTHING_LEFT = "nothing was handed over"


@dataclass(frozen=True)
class Table:
    """One table as it is handed over: the bytes of its file, and the names of the source's columns that stayed."""

    name: str
    columns: tuple[str, ...]
    rows: int
    data: bytes
    stayed: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file."""
        return crypto.sha256(self.data).hex()


def read(spec: Spec) -> tuple[Table, ...]:
    """Every table of a hand-over, checked. Raises BadInputError naming file, line, column and kind, never a value."""
    known, found = spec.known, []
    for table in sorted(spec.tables, key=lambda table: list(TABLES).index(table.name)):
        whole, stayed = _read(table, known)
        if table.name == "tariffs" and "tariff" in whole.column_names:
            known = dataclasses.replace(known, tariffs=frozenset(whole["tariff"].drop_null().to_pylist()))
        found.append(Table(table.name, tuple(whole.column_names), whole.num_rows, _written(whole), stayed))
    return tuple(found)


def _read(spec: TableSpec, known: Known) -> tuple[pa.Table, tuple[str, ...]]:
    if not spec.file.is_file():
        raise BadInputError(f"{spec.file}: there is no such file; {_NOTHING_LEFT}")
    reading = _Reading(spec, known)
    for batch in _batches(spec):
        reading.take(batch)
    order = [column for column in TABLES[spec.name] if column in spec.columns.values()]
    whole = reading.whole().select(order).sort_by([(column, "ascending") for column in order])
    return whole, tuple(reading.stayed)


class _Reading:
    """One table while it is read."""

    def __init__(self, spec: TableSpec, known: Known) -> None:
        self._spec, self._known, self._file = spec, known, spec.file.name
        self._forms = {given: TABLES[spec.name][column] for given, column in spec.columns.items()}
        self._seen: dict[str, set[str]] = {given: set() for given, form in self._forms.items() if form.most}
        self._parts: list[pa.Table] = []
        self.stayed: dict[str, None] = {}
        _check_names(list(spec.columns), self._file)

    def take(self, batch: Batch) -> None:
        """Check a batch's rows and keep them."""
        _check_names(list(batch.saved), self._file)
        self.stayed |= dict.fromkeys(batch.saved)
        for broken in batch.broken:
            raise BadInputError(f"{self._file}: line {broken.line}: {broken.reason}; {_NOTHING_LEFT}")
        found = {given: self._column(given, form, batch) for given, form in self._forms.items()}
        for given, seen in self._seen.items():
            seen.update(value for value in found[given].unique().to_pylist() if value is not None)
            if len(seen) > self._forms[given].most:
                raise BadInputError(f"{self._file}: column {given!r}: not {self._forms[given].words}; {_NOTHING_LEFT}")
        self._parts.append(pa.table({self._spec.columns[given]: values for given, values in found.items()}))

    def whole(self) -> pa.Table:
        """All rows."""
        if self._parts:
            return pa.concat_tables(self._parts)
        return pa.table({column: pa.array([], pa.string()) for column in self._spec.columns.values()})

    def _column(self, given: str, form: Form, batch: Batch) -> pa.StringArray:
        """A column's values as they are handed over. Each different value is looked at once."""
        coded = distinct([batch.columns[given]])
        checked = allowed.check(form, coded.dictionary, self._known)
        places = np.asarray(coded.indices.fill_null(-1))
        wrong = np.flatnonzero(np.isin(places, list(checked.faults)))
        if len(wrong):
            line, fault = int(batch.lines[wrong[0]]), checked.faults[int(places[wrong[0]])]
            raise BadInputError(f"{self._file}: line {line}: column {given!r}: {fault}; {_NOTHING_LEFT}")
        return checked.values.take(coded.indices)


def _batches(spec: TableSpec) -> Iterator[Batch]:
    source = Source(spec.file.name, spec.file)
    with sources.opened(source, lambda _: None) as raw:
        if spec.format == "parquet":
            yield from parquet.batches(source, raw, tuple(spec.columns))
        else:
            pieces = sources.decompressed(raw, source.name)
            yield from csv.batches(pieces, spec.csv, tuple(spec.columns), source.name, _BLOCK)


def _check_names(names: Sequence[str], name: str) -> None:
    """A table's first line must hold names: in a file without a header the first person would stand there."""
    for given in names:
        if found := stray(given):
            raise BadInputError(f"{name}: line 1: {found} in the name of a column; {_NOTHING_LEFT}")


def _written(table: pa.Table) -> bytes:
    out = io.BytesIO()
    arrow.write_csv(table, out, arrow.WriteOptions(quoting_style="needed"))
    return out.getvalue()


def facts(tables: Sequence[Table]) -> list[Mapping[str, object]]:
    """What a manifest says of the tables."""
    return [
        {
            "table": table.name,
            "file": f"{table.name}.csv",
            "sha256": table.sha256,
            "rows": table.rows,
            "columns": [{"name": column, "form": TABLES[table.name][column].words} for column in table.columns],
            "stayed": list(table.stayed),
        }
        for table in tables
    ]
