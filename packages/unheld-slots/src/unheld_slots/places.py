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
    return named_slots(folder).get(name, f"file:{folder / name}.slot")


def named_slots(folder: Path) -> dict[str, str]:
    """The URIs of the slots that lie elsewhere, by name. Raises BadInputError as `slot_uri`."""
    path = folder / NAMES
    found = {name: _uri(given) for name, given in read_toml(path).items()}
    if wrong := [name for name, uri in found.items() if not uri]:
        raise BadInputError(
            f"{path}: {wrong[0]} is no URI: write {wrong[0]} = 'SCHEME:PLACE', or a list of two for a mirrored slot"
        )
    return found


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


def _uri(given: object) -> str:
    """A URI as it stands there, or two as the one of a mirrored slot; "" for anything else."""
    if isinstance(given, list) and len(given) == 2 and all(isinstance(uri, str) for uri in given):
        return f"mirror:{given[0]},{given[1]}"
    return given if isinstance(given, str) else ""
