"""The format mark: a file that says which version of the whole a folder is of, read before anything else of it.

    format.json    {"v":1, "kind":"format", "of":"store" or "register", "format":n, "needs":release}

The journal says it too, and counts. The mark stands outside of it so that a release that cannot read the folder knows
so before it takes a lock or finishes what a crash left. A folder without one is of format 1: nothing marked it then.
"""

from __future__ import annotations

from pathlib import Path

from unheld_slots import durable
from unheld_verify import canonical, formats
from unheld_verify.errors import BadInputError

FILE = "format.json"
STORE, REGISTER = "store", "register"
_UNMARKED = 1
_NEEDS = {2: "0.2.0"}
"""The first release that reads a format."""


def read(folder: Path, of: str) -> int:
    """The format of a folder. Raises NewerError where only a later release reads it, BadInputError for no mark."""
    path = folder / FILE
    if not path.is_file():
        return _UNMARKED
    document = canonical.decode(path.read_bytes())
    formats.check_json("mark", document, path)
    if not isinstance(document, dict) or (document.get("kind"), document.get("of")) != ("format", of):
        raise BadInputError(f"{path}: is no format mark of a {of}; put back the last good copy")
    found = document.get("format")
    if type(found) is int and found > formats.FORMATS[of].newest:
        raise formats.newer(of, str(found), path, str(document.get("needs", "")))
    return formats.known(of, found, path)


def write(folder: Path, of: str, version: int) -> None:
    """Mark a folder, durably. The same again changes nothing."""
    document = {"v": 1, "kind": "format", "of": of, "format": version, "needs": _NEEDS[version]}
    data, path = canonical.encode(document), folder / FILE
    if not path.is_file() or path.read_bytes() != data:
        durable.write_file(path, data)


def restore(folder: Path, of: str, version: int) -> None:
    """Mark a folder that lost its mark, or was never marked, with the version that it is known to have."""
    if version > read(folder, of):
        write(folder, of, version)
