"""Where the custodians of each set are: `custodians.toml`, by set and name. It holds no secret, and may be edited.

    [set-1]
    "Umoja Trust" = "https://umoja.example/v1"

A set that it does not name is on this machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from unheld_slots import durable
from unheld_slots.places import read_toml
from unheld_verify.checkpoint import is_decimal
from unheld_verify.errors import BadInputError
from unheld_verify.roster import custodian_name

FILE = "custodians.toml"
_SET = "set-"


def read(path: Path) -> dict[int, dict[str, str]]:
    """Names and URLs by set. Raises BadInputError naming what cannot be read."""
    found = read_toml(path)
    for title, named in found.items():
        if not title.startswith(_SET) or not is_decimal(title.removeprefix(_SET)) or not isinstance(named, dict):
            raise BadInputError(f"{path}: {title}: write [set-NUMBER], and in it lines of NAME = URL")
        for url in named.values():
            check_url(url, f"{path}: {title}")
    return {
        int(title.removeprefix(_SET)): {custodian_name(name): url for name, url in named.items()}
        for title, named in found.items()
    }


def write(path: Path, places: Mapping[int, Mapping[str, str]]) -> None:
    """Write them down, durably."""
    lines = []
    for number, named in sorted(places.items()):
        lines += [f"[{_SET}{number}]", *(f"{_quoted(name)} = {_quoted(url)}" for name, url in named.items()), ""]
    durable.write_file(path, "\n".join(lines).encode())


def check_url(url: object, where: str) -> None:
    """Raise BadInputError unless this is the address of a custodian's line, without a password in it."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() else urlsplit("")
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        sound = False
    if not sound:
        raise BadInputError(f"{where}: {url!r} is no address; write http://HOST:PORT/v1 or https://HOST/v1")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string of printable signs is a TOML string
