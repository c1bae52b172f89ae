"""Numbers of others: what in a text could be a number of somebody who is not the party that the text is for.

Found are runs of seven digits or more, of any script, with up to two separators between digits, on one line. Not found
are names, numbers that are written in words, broken over lines or drawn in a picture; so a person reads what goes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from unheld.stray import normal

LEAST = 7
_RUN = re.compile(rf"\d(?:[ \-./()+_~'’·‐–—−]{{0,2}}\d){{{LEAST - 1},}}")
# What stands in such texts and is no number of anybody: dates, digests, keys.
_HARMLESS = re.compile(
    r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)|(?<!\d)\d{1,2}[./]\d{1,2}[./]\d{4}(?!\d)"
    r"|(?<![0-9A-Za-z])(?=\d*[a-f])[0-9a-f]{32,}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])(?:\d{32}|\d{64}|\d{128})(?![0-9A-Za-z])"
    r"|\+[0-9a-f]{8}\+(?=[A-Za-z0-9+/]{40})|(?<![0-9A-Za-z+/])(?=\d*[A-Za-z])[A-Za-z0-9+/]{40,}={0,2}"
)


def first_line(text: str, identity: str = "", known: Iterable[str] = ()) -> int:
    """The first line that holds a number of another than `identity`, from 1; 0 where there is none.

    `known` are words that may stand there by themselves, not within a longer number: the log's name, the store's.
    """
    words = sorted({re.escape(word) for word in known}, key=len, reverse=True)
    stand = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(words)})(?![0-9A-Za-z])") if words else None
    for number, whole in enumerate(text.splitlines(), 1):
        line = stand.sub(" ", whole) if stand else whole
        if any(not _own(found, identity) for found in _RUN.findall(_HARMLESS.sub(" ", normal(line)))):
            return number
    return 0


def _own(found: str, identity: str) -> bool:
    """Whether digits are the party's own, with or without country code and leading zeros."""
    digits = re.sub(r"\D", "", found).lstrip("0")
    return len(digits) >= LEAST and re.sub(r"\D", "", identity).endswith(digits)
