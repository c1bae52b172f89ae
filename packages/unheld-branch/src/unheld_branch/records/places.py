"""Places: which texts are cells, and how much of a place is kept (`coarsen`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records.identities import FREE_NUMBER
from unheld_verify.checkpoint import is_decimal
from unheld_verify.errors import BadInputError

# 3GPP TS 23.003: MCC 3 digits, MNC 2 or 3, then area code and cell in decimal or hexadecimal, with or without signs
# between them. A phone number fits none of them by accident where the mapping does not ask for it.
CELL_FORMATS = {
    "cgi": r"^\d{3}[-.:_ ]?\d{2,3}[-.:_ ]?[0-9A-Fa-f]{1,5}[-.:_ ]?[0-9A-Fa-f]{1,5}$",
    "ecgi": r"^\d{3}[-.:_ ]?\d{2,3}[-.:_ ]?[0-9A-Fa-f]{1,9}$",
    "cell-id": r"^[0-9A-Fa-f]{1,11}$",
}
COARSEN = "none, prefix:N, grid:DEGREES or lookup:NAME"


@dataclass(frozen=True, slots=True)
class CoarsenRule:
    """How much of a place is kept: all, its first `length` characters, a grid of `step` 10^-5 degrees, or what the
    lookup table `table` gives for it (antenna -> tower)."""

    kind: str = "none"
    length: int = 0
    step: int = 0
    table: str = ""

    @classmethod
    def parse(cls, text: str) -> CoarsenRule:
        """From the words of a mapping or policy. Raises BadInputError on others."""
        kind, _, word = text.partition(":")
        if text == "none":
            return cls()
        if kind == "prefix" and is_decimal(word) and 0 < int(word) <= 63:
            return cls("prefix", length=int(word))
        if kind == "lookup" and word:
            return cls("lookup", table=word)
        step = _degrees(word) if kind == "grid" else 0
        if not 0 < step <= 90 * 10**5:
            raise BadInputError(f"[place] coarsen: {text!r} is none of {COARSEN}")
        return cls("grid", step=step)

    def check(self, fields: Collection[str], lookups: Collection[str]) -> None:
        """Refuse a rule that would leave the exact place in another field."""
        exact = {"latitude", "longitude"} & set(fields)
        if self.kind == "grid" and "location_id" in fields:
            raise BadInputError("[place] coarsen: a grid leaves location_id exact: take its class away, or use prefix")
        if self.kind in {"prefix", "lookup"} and exact:
            raise BadInputError(
                f"[place] coarsen: {self.kind} leaves {min(exact)} exact: take its class away, or use grid"
            )
        if self.kind == "lookup" and self.table not in lookups:
            raise BadInputError(f"[place] coarsen: there is no [lookup.{self.table}]")


def _degrees(word: str) -> int:
    try:
        return round(float(word) * 10**5)
    except (ValueError, OverflowError):
        return 0


def is_cell(values: pa.StringArray, cell_format: str) -> pa.BooleanArray:
    """Which texts may be kept as a place: without a long run of digits, or of the declared format."""
    harmless = pc.invert(pc.match_substring_regex(values, FREE_NUMBER))
    return pc.or_(harmless, pc.match_substring_regex(values, CELL_FORMATS[cell_format])) if cell_format else harmless


def coarse_texts(values: pa.StringArray, rule: CoarsenRule) -> pa.StringArray:
    """Places as far as `prefix` keeps them; other rules work elsewhere."""
    return pc.utf8_slice_codeunits(values, 0, rule.length) if rule.kind == "prefix" else values


def coarse_degrees(values: pa.Array, rule: CoarsenRule) -> pa.Array:
    """10^-5 degrees, rounded down to the corner of their grid square."""
    if rule.kind != "grid":
        return values
    quotient = pc.floor(pc.divide(values.cast(pa.float64()), float(rule.step)))
    return pc.multiply(quotient, float(rule.step)).cast(pa.int32())
