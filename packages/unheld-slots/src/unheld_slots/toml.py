"""TOML from whoever wrote the file: bounded in size and time, and every fault of it an error that names the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from unheld_verify.errors import BadInputError

MOST_BYTES = 1 << 20
_DOTS_MOST = 1_000
"""Dots in one line: the standard library's time grows with the cube of the parts of a dotted key."""


def loads(data: bytes, place: str, **options: Any) -> dict[str, Any]:
    """What a TOML file says; `options` as `tomllib.loads` takes them. Raises BadInputError naming `place`."""
    if len(data) > MOST_BYTES:
        raise BadInputError(f"{place}: larger than {MOST_BYTES:,} bytes; is it the right file?")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadInputError(f"{place}: is no text (UTF-8); is it the right file?") from None
    if any(line.count(".") > _DOTS_MOST for line in text.split("\n")):
        raise BadInputError(f"{place}: a line has more than {_DOTS_MOST:,} dots; is it the right file?")
    try:
        return tomllib.loads(text, **options)
    except ValueError as error:  # a number with thousands of digits is one that is no TOMLDecodeError
        raise BadInputError(f"{place}: not TOML: {error}") from None
    except RecursionError:
        raise BadInputError(f"{place}: not TOML: it nests too deep") from None


def read(path: Path, **options: Any) -> dict[str, Any]:
    """What the TOML file at `path` says. Raises BadInputError naming it, FileNotFoundError where there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}); mend the path or its rights") from None
    return loads(data, str(path), **options)
