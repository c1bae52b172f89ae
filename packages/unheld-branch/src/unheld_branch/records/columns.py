"""From text to facts, one function a shape. Each works on the *distinct* values of a column: a day's file of millions
of rows has far fewer distinct numbers, times and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records import identities, places, times
from unheld_branch.records.coded import Coded, distinct, whole_numbers
from unheld_branch.records.faults import Fault, Faults, none
from unheld_branch.records.identities import FREE_NUMBER, NumberRule
from unheld_branch.records.lookups import Table
from unheld_branch.records.mapping import ColumnRule
from unheld_branch.records.mapping import Mapping as MappingRule
from unheld_branch.records.places import CoarsenRule
from unheld_branch.records.schema import EVENT_TYPES, IDENTITY, TEXT_BYTES

_DIRECTIONS = {
    "out": ("true", "1", "t", "yes", "y", "out", "outgoing", "mo"),
    "in": ("false", "0", "f", "no", "n", "in", "incoming", "mt"),
}
_CONTROL = r"[\x00-\x1f\x7f]"
_HOLDER_BYTES = 128
_FACT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Context:
    """What reading a value needs besides its column: the mapping's rules, lookup tables and the clock."""

    mapping: MappingRule
    coarsen: CoarsenRule
    tables: Mapping[str, Table]
    now: int

    @property
    def numbers(self) -> NumberRule:
        """How phone numbers are written."""
        return self.mapping.numbers


def read(parts: Sequence[Coded], rule: ColumnRule, context: Context) -> tuple[pa.Array, Faults | None]:
    """Facts of every row of a coded column, and the fault of every row (None where all are sound)."""
    if rule.field.shape == "count" and rule.scale == 1 and not rule.via and (plain := whole_numbers(parts)) is not None:
        values, faults = _within(plain, rule, plain)
        return values.cast(rule.field.arrow), faults if faults.any() else None
    coded = distinct(parts)
    texts = pc.utf8_trim_whitespace(coded.dictionary)
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    texts, lost = _looked_up(texts, rule, context)
    values, faults = _shaped(texts, rule, context)
    if lost is not None:
        faults[lost] = Fault.LOOKUP
    found = _spread(values, coded.indices, rule.field.arrow)
    return found, _spread_faults(faults, coded.indices)


def _spread(values: pa.Array, indices: pa.Array, kind: pa.DataType) -> pa.Array:
    """One value a row; texts stay coded, each once."""
    if kind not in {IDENTITY, pa.string()}:
        return values.cast(kind).take(indices)
    coded = pc.dictionary_encode(values.cast(pa.string()))
    return pa.DictionaryArray.from_arrays(coded.indices.take(indices), coded.dictionary)


def _spread_faults(faults: Faults, indices: pa.Array) -> Faults | None:
    if not faults.any():
        return None
    with_none: Faults = np.append(faults, np.uint8(0))
    return np.take(with_none, np.asarray(indices.fill_null(len(faults)).to_numpy()))


def _looked_up(
    texts: pa.StringArray, rule: ColumnRule, context: Context
) -> tuple[pa.StringArray, npt.NDArray[np.bool_] | None]:
    names = list(rule.via)
    if rule.field.shape == "place" and context.coarsen.kind == "lookup":
        names.append(context.coarsen.table)
    if not names:
        return texts, None
    found = texts
    for name in names:
        found = context.tables[name].of(found)
    lost = pc.and_(texts.is_valid(), found.is_null())
    return found, np.asarray(lost.to_numpy(zero_copy_only=False))


def _shaped(texts: pa.StringArray, rule: ColumnRule, context: Context) -> tuple[pa.Array, Faults]:
    shape = rule.field.shape
    if shape == "identity":
        return identities.identities(texts, rule.scheme, context.numbers)
    if shape == "time":
        return times.seconds(texts, context.mapping.time, context.now)
    if shape in _NUMBERS:
        return _numbers(texts, rule, context)
    if shape in {"event", "direction"}:
        return _words(texts, rule)
    if shape == "place":
        return _place(texts, rule, context.coarsen)
    return _TEXTS[shape](texts)


def _numbers(texts: pa.StringArray, rule: ColumnRule, context: Context) -> tuple[pa.Array, Faults]:
    """Numbers in the field's own unit, after `scale`, rounded to whole."""
    unit = _NUMBERS[rule.field.shape][3]
    if context.mapping.csv.decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    sound = pc.match_substring_regex(texts, r"^[+-]?\d{1,18}(?:\.\d{1,12})?$")
    kept = pc.replace_substring_regex(pc.if_else(sound, texts, None), r"^\+|\.0+$", "")
    if rule.scale * unit == 1 and not pc.any(pc.match_substring(kept, ".")).as_py():
        values = kept.cast(pa.int64())
    else:
        scaled = pc.round(pc.multiply(kept.cast(pa.float64()), rule.scale * unit))
        values = pc.if_else(pc.less(pc.abs(scaled), 2.0**53), scaled, None).cast(pa.int64())
    values, faults = _within(values, rule, texts)
    return _coarse(values, rule, context.coarsen), faults


def _within(values: pa.Array, rule: ColumnRule, texts: pa.Array) -> tuple[pa.Array, Faults]:
    """The values that the field can hold; a fault where a text gave none."""
    lowest, highest, fault, _ = _NUMBERS[rule.field.shape]
    lowest, highest = _NARROWER.get(rule.field.name, (lowest, highest))
    fits = pc.and_(pc.greater_equal(values, lowest), pc.less_equal(values, highest))
    values = pc.if_else(fits, values, None)
    return values, _faults(texts, values, fault)


def _coarse(values: pa.Array, rule: ColumnRule, coarsen: CoarsenRule) -> pa.Array:
    return places.coarse_degrees(values, coarsen) if rule.field.shape == "degrees" else values


_NUMBERS = {
    "count": (0, 2**63 - 1, Fault.COUNT, 1),
    "amount": (-(2**62), 2**62, Fault.AMOUNT, 1),
    "degrees": (-180 * 10**5, 180 * 10**5, Fault.DEGREES, 10**5),
}
_NARROWER = {"duration": (0, 2**32 - 1), "latitude": (-90 * 10**5, 90 * 10**5)}


def _words(texts: pa.StringArray, rule: ColumnRule) -> tuple[pa.Array, Faults]:
    """Codes of event types, or true for outgoing, by the mapping's words and, where it has none, the usual ones."""
    if rule.field.shape == "event":
        names: Mapping[str, object] = rule.values or {name: name for name in EVENT_TYPES}
        codes = {word.lower(): EVENT_TYPES[str(name)] for word, name in names.items()}
        fault = Fault.EVENT
    else:
        usual = dict.fromkeys(_DIRECTIONS["out"], "true") | dict.fromkeys(_DIRECTIONS["in"], "false")
        codes = {word.lower(): name == "true" for word, name in (rule.values or usual).items()}
        fault = Fault.DIRECTION
    found = [None if text is None else codes.get(text.lower()) for text in texts.to_pylist()]
    values = pa.array(found, rule.field.arrow)
    return values, _faults(texts, values, fault)


def _place(texts: pa.StringArray, rule: ColumnRule, coarsen: CoarsenRule) -> tuple[pa.Array, Faults]:
    values, faults = _bounded(texts, TEXT_BYTES)
    kept = places.is_cell(values, rule.format)
    faults[pc.invert(kept).fill_null(False).to_numpy(zero_copy_only=False)] = Fault.CELL
    return places.coarse_texts(pc.if_else(kept, values, None), coarsen), faults


def _free_text(texts: pa.StringArray) -> tuple[pa.Array, Faults]:
    """Text of a record: what could hide a phone number is no free text."""
    values, faults = _bounded(texts, TEXT_BYTES)
    hidden = pc.match_substring_regex(values, FREE_NUMBER).fill_null(False)
    faults[hidden.to_numpy(zero_copy_only=False)] = Fault.FREE_NUMBER
    return pc.if_else(hidden, None, values), faults


def _bounded(texts: pa.StringArray, most: int) -> tuple[pa.Array, Faults]:
    faults = none(len(texts))
    control = pc.match_substring_regex(texts, _CONTROL).fill_null(False)
    faults[control.to_numpy(zero_copy_only=False)] = Fault.CONTROL
    long = pc.greater(pc.binary_length(texts), most).fill_null(False)
    faults[long.to_numpy(zero_copy_only=False)] = Fault.LONG_TEXT
    return pc.if_else(pa.array(faults == 0), texts, None), faults


def _key(texts: pa.StringArray) -> tuple[pa.Array, Faults]:
    lower = pc.utf8_lower(texts)
    values = pc.if_else(pc.match_substring_regex(lower, r"^[0-9a-f]{64}$"), lower, None)
    return values, _faults(texts, values, Fault.KEY)


_TEXTS = {
    "text": _free_text,
    "imsi": identities.imsis,
    "imei": identities.imeis,
    "holder": lambda texts: _bounded(texts, _HOLDER_BYTES),
    "fact": lambda texts: _bounded(texts, _FACT_BYTES),
    "key": _key,
}


def _faults(texts: pa.Array, values: pa.Array, fault: Fault) -> Faults:
    faults = none(len(texts))
    faults[pc.and_(texts.is_valid(), values.is_null()).to_numpy(zero_copy_only=False)] = fault
    return faults
