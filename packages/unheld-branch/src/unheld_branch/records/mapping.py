"""Mappings: a TOML file that says what each column of a source is for. A column without a class is not stored.

Loading is strict: an unknown word is refused with its place and the nearest right one, so that a slip of the pen
never changes what is kept.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from unheld_branch.records.identities import ACCEPT, BARE, SCHEMES, NumberRule
from unheld_branch.records.places import CELL_FORMATS, CoarsenRule
from unheld_branch.records.schema import EVENT_TYPES, RECORD_FIELDS, REGISTRY_FIELDS, Field, fact
from unheld_branch.records.times import TimeRule
from unheld_slots import toml
from unheld_verify.errors import BadInputError

KINDS = ("records", "registry")
FORMATS = ("csv", "parquet")
ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16")
_SCALE_MOST = 10**12
MAX_BAD = 0.01
"""The most that a mapping can allow: beyond one bad row in a hundred the mapping is wrong, not the rows."""


@dataclass(frozen=True, slots=True)
class CsvShape:
    """How a text table is written. `columns` names those of a file without a header; `null` are words for none."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header: bool = True
    columns: tuple[str, ...] = ()
    null: tuple[str, ...] = ("", "NULL")
    decimal: str = "."


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """One column of the source: the field it fills and how its values are read. `beside` names a column whose text
    follows this one's: a time of day after its date."""

    name: str
    field: Field
    scheme: str = "number"
    via: tuple[str, ...] = ()
    values: MappingOf[str, str] = dataclasses.field(default_factory=dict)
    scale: float = 1.0
    format: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table beside the source that gives one column for another; it is held in memory and never stored."""

    name: str
    file: str
    key: str
    value: str
    csv: CsvShape


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a source's columns are for. `place` names the mapping in errors."""

    place: str
    kind: str
    format: str
    csv: CsvShape
    numbers: NumberRule
    time: TimeRule
    columns: tuple[ColumnRule, ...]
    constants: MappingOf[str, str]
    lookups: MappingOf[str, Lookup]
    coarsen: CoarsenRule
    max_bad: float

    def rule(self, field_name: str) -> ColumnRule | None:
        """The column that fills a field, if any."""
        return next((rule for rule in self.columns if rule.field.name == field_name), None)


def mapping_of(path: Path) -> Mapping:
    """Read a mapping file. Raises BadInputError naming file, place in it and mend."""
    try:
        found = toml.read(path)
    except (FileNotFoundError, BadInputError) as error:
        words = str(error).removeprefix(f"{path}: ")
        raise BadInputError(f"{path}: the mapping cannot be read ({words}); `unheld map FILE` proposes one") from None
    return _placed(found, str(path))


def parse(text: str, place: str) -> Mapping:
    """A mapping from TOML text. Raises BadInputError naming `place`, the place in it and the mend."""
    return _placed(toml.loads(text.encode("utf-8", "surrogatepass"), place), place)


def _placed(found: dict[str, Any], place: str) -> Mapping:
    try:
        return _mapping(_Table(found, ""), place)
    except BadInputError as error:
        raise BadInputError(f"{place}: {error}") from None


class _Table:
    """One table of the TOML file; `done` refuses what nobody asked for."""

    def __init__(self, values: dict[str, Any], place: str) -> None:
        self.values, self.place, self._asked = values, place, set[str]()

    def at(self, key: str) -> str:
        """Where a key stands, for an error."""
        return f"[{self.place}] {key}" if self.place else key

    def take(self, key: str, kind: type, default: Any) -> Any:
        """A value of one kind, or the default. Raises BadInputError."""
        self._asked.add(key)
        value = self.values.get(key, default)
        if value is not default and (not isinstance(value, kind) or (kind is not bool and isinstance(value, bool))):
            raise BadInputError(f"{self.at(key)}: {_WORDS[kind]} is expected, here stands {value!r}")
        return value

    def choice(self, key: str, among: Sequence[str], default: str) -> str:
        """One of the words `among`. Raises BadInputError."""
        value: str = self.take(key, str, default)
        if value not in among:
            raise BadInputError(f"{self.at(key)}: {value!r} is none of {', '.join(among)}")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts. Raises BadInputError."""
        value = self.take(key, list, default)
        if not all(isinstance(item, str) for item in value):
            raise BadInputError(f"{self.at(key)}: a list of texts is expected")
        return tuple(value)

    def table(self, key: str) -> _Table:
        """A table inside this one."""
        return _Table(self.take(key, dict, {}), f"{self.place}.{key}" if self.place else key)

    def done(self) -> None:
        """Refuse every key that nobody asked for, with the nearest one that is known."""
        for key in sorted(self.values.keys() - self._asked):
            near = get_close_matches(key, self._asked, 1)
            mend = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(sorted(self._asked))}"
            raise BadInputError(f"{self.at(key)}: no such word here; {mend}")


_WORDS = {str: "a text", list: "a list", dict: "a table", bool: "true or false", float: "a number", int: "a number"}


def _mapping(top: _Table, place: str) -> Mapping:
    kind = top.choice("kind", KINDS, "records")
    csv = _csv(top.table("csv"), CsvShape())
    place_table = top.table("place")
    mapping = Mapping(
        place=place,
        kind=kind,
        format=top.choice("format", FORMATS, "csv"),
        csv=csv,
        numbers=_numbers(top.table("numbers")),
        time=_time(top.table("time")),
        columns=_columns(top.table("columns"), kind),
        constants=_constants(top.table("constants")),
        lookups=_lookups(top.table("lookup"), csv),
        coarsen=CoarsenRule.parse(place_table.take("coarsen", str, "none")),
        max_bad=_max_bad(top),
    )
    place_table.done()
    top.done()
    _check(mapping)
    return mapping


def _csv(table: _Table, base: CsvShape) -> CsvShape:
    shape = CsvShape(
        delimiter=table.take("delimiter", str, base.delimiter),
        quote=table.take("quote", str, base.quote),
        encoding=table.choice("encoding", ENCODINGS, base.encoding),
        header=table.take("header", bool, base.header),
        columns=table.texts("columns", base.columns),
        null=table.texts("null", base.null),
        decimal=table.choice("decimal", (".", ","), base.decimal),
    )
    table.done()
    if not (_is_sign(shape.delimiter) and (_is_sign(shape.quote) or not shape.quote)):
        raise BadInputError(f"{table.at('delimiter')}: delimiter is one character of ASCII, quote one or none")
    if shape.delimiter == shape.quote:
        raise BadInputError(f"{table.at('delimiter')}: delimiter and quote are the same sign")
    return shape


def _is_sign(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text not in "\r\n\0"


def _numbers(table: _Table) -> NumberRule:
    rule = NumberRule(
        home=table.take("home", str, None),
        bare=table.choice("bare", BARE, "national"),
        accept=table.choice("accept", ACCEPT, "valid"),
        call_prefix=table.take("call_prefix", str, None),
        strip=table.texts("strip"),
    )
    table.done()
    return rule


def _time(table: _Table) -> TimeRule:
    rule = TimeRule(format=table.take("format", str, "iso"), zone=table.take("zone", str, "UTC"))
    table.done()
    return rule


def _columns(table: _Table, kind: str) -> tuple[ColumnRule, ...]:
    rules = (_column(table.table(name), name, kind) for name in table.values)
    return tuple(rule for rule in rules if rule is not None)


def _column(table: _Table, name: str, kind: str) -> ColumnRule | None:
    """The rule of one column; None when it has no class and so is not stored."""
    class_name, field_name = table.take("class", str, ""), table.take("field", str, "")
    rule = ColumnRule(
        name=name,
        field=_field(table, kind, field_name, class_name) if class_name else RECORD_FIELDS["owner"],
        scheme=table.choice("scheme", SCHEMES, "number"),
        via=table.texts("via"),
        values=_texts_table(table.table("values")),
        scale=_scale(table),
        format=table.choice("format", ("", *CELL_FORMATS), ""),
    )
    table.done()
    return rule if class_name else None


def _scale(table: _Table) -> float:
    given: float = table.take("scale", (float, int), 1.0)  # type: ignore[arg-type]
    if not -_SCALE_MOST <= given <= _SCALE_MOST:
        raise BadInputError(f"{table.at('scale')}: {str(given)[:40]} is no factor; choose up to {_SCALE_MOST:,}")
    return float(given)


def _field(table: _Table, kind: str, name: str, class_name: str) -> Field:
    known = RECORD_FIELDS if kind == "records" else REGISTRY_FIELDS
    found = known.get(name)
    if found is None and kind == "registry" and class_name == "identity" and name.isascii() and name.isidentifier():
        return fact(name)
    if found is None:
        near = get_close_matches(name, known, 1)
        mend = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
        raise BadInputError(f"{table.at('field')}: no field {name!r}; {mend}")
    if found.klass != class_name:
        raise BadInputError(f"{table.at('class')}: {name} is of class {found.klass!r}, here stands {class_name!r}")
    return found


def _texts_table(table: _Table) -> dict[str, str]:
    return {key: table.take(key, str, "") for key in table.values}


_CONSTANTS = ("owner", "event_type", "outgoing")


def _constants(table: _Table) -> dict[str, str]:
    found = {name: table.take(name, str, "") for name in _CONSTANTS}
    table.done()
    return {name: value for name, value in found.items() if name in table.values}


def _lookups(table: _Table, base: CsvShape) -> dict[str, Lookup]:
    return {name: _lookup(table.table(name), name, base) for name in table.values}


def _lookup(table: _Table, name: str, base: CsvShape) -> Lookup:
    found = Lookup(
        name=name,
        file=table.take("file", str, ""),
        key=table.take("key", str, ""),
        value=table.take("value", str, ""),
        csv=_csv(table.table("csv"), base),
    )
    table.done()
    if not (found.file and found.key and found.value):
        raise BadInputError(f"{table.at('file')}: a lookup needs file, key and value")
    return found


def _max_bad(top: _Table) -> float:
    share = float(top.take("max_bad", float, MAX_BAD))
    if not 0 <= share <= MAX_BAD:
        raise BadInputError(f"max_bad: {share} is not between 0 and {MAX_BAD}: only a stricter bound can be asked for")
    return share


def _check(mapping: Mapping) -> None:
    """What is wrong only between tables."""
    names = [rule.field.name for rule in mapping.columns]
    for name, count in Counter(names).items():
        if count > 1:
            raise BadInputError(f"[columns]: two columns fill the field {name!r}: take the class away from one")
    if mapping.kind == "records":
        _check_record(mapping, set(names))
    elif "owner" not in names:
        raise BadInputError(
            "[columns]: no column is the owner: give the number's column field = 'owner', class = 'all'"
        )
    _check_words(mapping)
    _check_lookups(mapping)
    if mapping.format == "csv" and not mapping.csv.header and not mapping.csv.columns:
        raise BadInputError("[csv] columns: a file without a header needs the names of its columns, in order")
    if len(set(mapping.csv.columns)) < len(mapping.csv.columns):
        raise BadInputError("[csv] columns: two columns have one name")


def _check_record(mapping: Mapping, names: set[str]) -> None:
    if ("datetime" in names) == bool(names & {"date", "time"}) or len(names & {"date", "time"}) == 1:
        raise BadInputError("[columns]: a record needs one time: a column 'datetime', or 'date' and 'time' together")
    both = names & mapping.constants.keys()
    if both:
        raise BadInputError(f"[constants] {min(both)}: a column fills it as well: take one of them away")
    mapping.coarsen.check(names, mapping.lookups)


def _check_words(mapping: Mapping) -> None:
    event, outgoing = mapping.constants.get("event_type"), mapping.constants.get("outgoing")
    checks = [(rule.field.name, word) for rule in mapping.columns for word in rule.values.values()]
    checks += [(name, word) for name, word in (("event_type", event), ("outgoing", outgoing)) if word is not None]
    for name, word in checks:
        allowed = {"event_type": tuple(EVENT_TYPES), "outgoing": ("true", "false")}.get(name, ())
        if word not in allowed:
            raise BadInputError(f"{name}: {word!r} is no value of it; known are: {', '.join(allowed) or 'none'}")


def _check_lookups(mapping: Mapping) -> None:
    for rule in mapping.columns:
        for name in rule.via:
            if name not in mapping.lookups:
                raise BadInputError(f"[columns.{rule.name}] via: there is no [lookup.{name}]")
