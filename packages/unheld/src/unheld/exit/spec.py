"""The hand-over's TOML file: which file fills which table, and which of its columns fills which allowed one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from unheld.exit.allowed import IMSI, TABLES, Known
from unheld_branch.records.identities import BARE, NumberRule
from unheld_branch.records.mapping import ENCODINGS, FORMATS, CsvShape
from unheld_slots import toml as reading
from unheld_verify.errors import BadInputError

_PLMN = re.compile(r"(?:[2-7][0-9]{2}|901|999|001)[0-9]{2,3}")
_KEYS = {"file", "format", "delimiter", "encoding", "columns"}


@dataclass(frozen=True)
class TableSpec:
    """One table to hand over: its source, and by the source's column the allowed name it fills."""

    name: str
    file: Path
    format: str
    csv: CsvShape
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Spec:
    """What a hand-over's file says."""

    buyer: str
    known: Known
    tables: tuple[TableSpec, ...]


def read(path: Path, home: str) -> Spec:
    """Read a hand-over's file; `home` is the country of national numbers unless it names one.

    Raises BadInputError naming the place in it and the mend.
    """
    document = toml(path)
    try:
        return _spec(document, path.parent, home)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None


def toml(path: Path, **options: Any) -> dict[str, Any]:
    """A TOML file's document. Raises BadInputError naming the file."""
    try:
        return reading.read(path, **options)
    except FileNotFoundError:
        raise BadInputError(f"{path}: cannot be read (there is no such file); mend the path") from None


def known(given: Mapping[str, Any], names: set[str], place: str) -> None:
    """Refuse a key that nobody asks for: a slip of the pen must not change what is handed over."""
    for name in given:
        if name not in names:
            near = get_close_matches(name, sorted(names), 1)
            mend = f"did you mean {near[0]!r}?" if near else f"choose {', '.join(sorted(names))}"
            raise BadInputError(f"{place}: {name!r} is not known here; {mend}")


def text(given: Mapping[str, Any], name: str, place: str, default: str | None = None) -> str:
    """A text that is not empty. Raises BadInputError naming the field."""
    value = given.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise BadInputError(f'{place}: {name} is missing, or is no text; write {name} = "…"')
    return value.strip()


def _spec(document: dict[str, Any], folder: Path, home: str) -> Spec:
    known(document, {"buyer", "numbers", "tables"}, "the file")
    own = _numbers(_table(document, "numbers", "the file"), home)
    tables = _table(document, "tables", "the file")
    if not tables:
        raise BadInputError(f"[tables.…] is missing: name at least one of {', '.join(TABLES)}")
    known(tables, set(TABLES), "[tables]")
    made = tuple(_one(name, _table(tables, name, "[tables]"), folder) for name in TABLES if name in tables)
    if not own.plmn and any(TABLES[table.name][column] is IMSI for table in made for column in table.columns.values()):
        raise BadInputError('[numbers] plmn is missing: which codes do your IMSIs begin with? Write plmn = ["99901"]')
    return Spec(text(document, "buyer", "the file", ""), own, made)


def _numbers(given: Mapping[str, Any], home: str) -> Known:
    known(given, {"home", "bare", "plmn"}, "[numbers]")
    bare, plmn = given.get("bare", "international"), given.get("plmn", [])
    if bare not in BARE:
        raise BadInputError(f"[numbers] bare: choose {' or '.join(BARE)}")
    if not isinstance(plmn, list) or not all(isinstance(code, str) and _PLMN.fullmatch(code) for code in plmn):
        raise BadInputError("[numbers] plmn: a list of texts of 5 or 6 digits, country code and network code")
    country = text(given, "home", "[numbers]", home) or None
    return Known(NumberRule(home=country, bare=bare), tuple(plmn))


def _one(name: str, given: Mapping[str, Any], folder: Path) -> TableSpec:
    place = f"[tables.{name}]"
    known(given, _KEYS, place)
    columns = _table(given, "columns", place)
    if not columns:
        raise BadInputError(f"{place} columns is missing: your column = allowed name, one a line")
    for column, allowed in columns.items():
        if not isinstance(allowed, str) or allowed not in TABLES[name]:
            raise BadInputError(
                f"[tables.{name}.columns] {column!r}: choose {', '.join(TABLES[name])}, or leave it out"
            )
    if len(set(columns.values())) != len(columns):
        raise BadInputError(f"[tables.{name}.columns]: two columns fill the same allowed one")
    kind, encoding = given.get("format", "csv"), given.get("encoding", "utf-8")
    if kind not in FORMATS or encoding not in ENCODINGS:
        raise BadInputError(f"{place}: format is one of {', '.join(FORMATS)}, encoding one of {', '.join(ENCODINGS)}")
    delimiter = given.get("delimiter", ",")
    if not isinstance(delimiter, str) or len(delimiter.encode()) != 1:
        raise BadInputError(f"{place}: delimiter is one sign")
    shape = dataclasses.replace(CsvShape(), delimiter=delimiter, encoding=encoding)
    return TableSpec(name, folder / text(given, "file", place), kind, shape, columns)


def _table(given: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise BadInputError(f"{place}: {name} is no table")
    return value
