"""Which folios must exist once a synthetic operator's records were taken in: the truth an attack is measured by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unheld.testing.population import ALPHA_SENDERS, SHORT_SENDERS
from unheld.testing.synthetic import Operator
from unheld_verify import columns
from unheld_verify.columns import Column

RECORD_CLASSES = ("charge", "contact", "place")
_SECONDS = 86_400


@dataclass(frozen=True)
class Planted:
    """Synthetic identities that have a folio, by column."""

    folios: Mapping[Column, frozenset[str]] = field(repr=False)

    def of(self, parties: Collection[str]) -> Planted:
        """Those of these parties alone."""
        return self._kept({column: found & frozenset(parties) for column, found in self.folios.items()})

    def but(self, parties: Collection[str]) -> Planted:
        """Those of everybody else."""
        return self._kept({column: found - frozenset(parties) for column, found in self.folios.items()})

    def where(self, *, classes: Collection[str] | None = None, event_days: Collection[int] | None = None) -> Planted:
        """Those of some classes and event days alone."""
        return self._kept(
            {
                column: found
                for column, found in self.folios.items()
                if (classes is None or column.cls in classes) and (event_days is None or column.event_day in event_days)
            }
        )

    def _kept(self, folios: Mapping[Column, frozenset[str]]) -> Planted:
        return Planted({column: found for column, found in folios.items() if found})


def planted(operator: Operator, sealing_days: Collection[date], lifetimes: Mapping[str, int]) -> Planted:
    """The folios of these sealing days' records, each day taken in whole while it was open.

    A class of an event day that had lapsed by its sealing day has none.
    """
    found: dict[Column, frozenset[str]] = {}
    for sealed in sealing_days:
        table, e = operator.day(sealed), columns.day_of(sealed)
        owners = _owners(table).to_numpy(zero_copy_only=False)
        days = table["datetime"].combine_chunks().cast(pa.int64()).to_numpy() // _SECONDS
        for d in np.unique(days).tolist():
            parties = frozenset(owners[days == d].tolist())
            for cls in RECORD_CLASSES:
                if columns.due(cls, d, lifetimes) > e:
                    found[Column(cls, d, e)] = parties
    return Planted(found)


def identities(operator: Operator) -> list[str]:
    """Every identity that a store of this operator's records may have a row of."""
    people = operator.population
    numbers = people.book.slice(0, people.first_sender).to_pylist()
    return [
        *(f"tel:{number}" for number in numbers),
        *(f"imsi:{number}" for number in people.imsi.to_pylist()),
        *(f"short:{number}" for number in SHORT_SENDERS),
        *(f"alpha:{name}" for name in ALPHA_SENDERS),
    ]


def _owners(table: pa.Table) -> pa.StringArray:
    """The party each record belongs to: its number, and its IMSI where a visitor has no number."""
    number = pc.binary_join_element_wise("tel:", table["msisdn"].combine_chunks(), "")
    imsi = pc.binary_join_element_wise("imsi:", table["imsi"].combine_chunks(), "")
    return pc.coalesce(number, imsi)
