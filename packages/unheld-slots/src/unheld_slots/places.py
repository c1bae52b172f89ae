"""Which slot a folder's owner means by a name: a file of that folder, unless `slots.toml` there names another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unheld_slots import durable, toml
from unheld_verify.errors import BadInputError

NAMES = "slots.toml"


def slot_uri(folder: Path, name: str) -> str:
    """The URI of the slot `name`. Raises BadInputError for a `slots.toml` that cannot be read."""
    return _named(folder / NAMES).get(name, f"file:{folder / name}.slot")


def name_slots(folder: Path, named: Mapping[str, str]) -> None:
    """Write down, durably, which slots of a new folder lie elsewhere. It holds no secret: it may be backed up."""
    quoted = (f"{name} = '{uri}'" for name, uri in sorted(named.items()))
    if bad := [name for name, uri in named.items() if "'" in uri or not uri.isprintable()]:
        raise BadInputError(f"slot {bad[0]}: its URI may hold no ' and no control signs; write them as %XX")
    durable.write_file(folder / NAMES, "".join(f"{line}\n" for line in quoted).encode())


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says; nothing where there is none. Raises BadInputError naming a file that cannot be read."""
    try:
        return toml.read(path)
    except FileNotFoundError:
        return {}


def _named(path: Path) -> dict[str, str]:
    found = read_toml(path)
    if wrong := [name for name, uri in found.items() if not isinstance(uri, str)]:
        raise BadInputError(f"{path}: {wrong[0]} is no URI: write {wrong[0]} = 'SCHEME:PLACE'")
    return found
