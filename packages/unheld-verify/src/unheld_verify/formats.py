"""Which versions of each byte format this release reads and writes: the one place that knows (`docs/spec/versions.md`).

A reader hands what marks a format to `check` before it looks at anything else. A version that only a later release
knows is refused as that, and nothing is changed; what is no version at all is the reader's own to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from unheld_verify.errors import BadInputError, NewerError


@dataclass(frozen=True)
class Format:
    """What people call it, the versions that are read, the newest of which is written, and where the mark stands.

    `magic`: the bytes before the version's digit; empty where it is the number `v` of a JSON object, or a first byte.
    """

    words: str
    reads: tuple[int, ...] = (1,)
    magic: bytes = b""

    @property
    def newest(self) -> int:
        """The version that is written."""
        return max(self.reads)


FORMATS: Mapping[str, Format] = {
    "store": Format("store", (1, 2)),
    "register": Format("register", (1, 2)),
    "mark": Format("format mark"),
    "genesis": Format("genesis document"),
    "journal": Format("journal entry"),
    "root": Format("root node"),
    "slot": Format("slot", magic=b"UNHSLOT"),
    "token": Format("slot in a token", magic=b"UNHTOKN"),
    "sealed": Format("sealed state", magic=b"UNHSEAL"),
    "open": Format("open day", (0, 1), magic=b"UNHOPEN"),
    "block": Format("block", (1, 2)),
    "day-keys": Format("day keys", magic=b"UNHDAYK"),
    "custodian": Format("custodian's memory", (3,), magic=b"UNHCUST"),
    "parked": Format("parked batch", magic=b"UNHPARK"),
    "parked-header": Format("header of a parked batch"),
    "parking-keys": Format("list of parking keys", (2,)),
    "plan": Format("erasure plan"),
    "upgrade": Format("upgrade plan"),
    "signed": Format("signed document"),
    "line": Format("message to a custodian"),
    "statement": Format("statement of a log"),
    "paper": Format("paper"),
    "ledger": Format("statement of the register"),
    "demand": Format("act of a demand"),
    "inventory": Format("inventory"),
    "access": Format("message of own access"),
}


@cache
def release() -> str:
    """This release, as its packages say."""
    return metadata.version("unheld-verify")


def check(name: str, found: object, place: Path | str = "") -> None:
    """Refuse a version that only a later release knows. Raises NewerError naming place, version and mend."""
    known = FORMATS[name]
    if type(found) is int and found > known.newest:
        raise newer(name, str(found), place)


def check_json(name: str, document: Any, place: Path | str = "") -> None:
    """As `check`, of a decoded document that has its version as `v`."""
    if isinstance(document, dict):
        check(name, document.get("v"), place)


def check_magic(name: str, data: bytes, place: Path | str = "") -> None:
    """As `check`, of bytes that begin with a magic and the digit of a version."""
    known = FORMATS[name]
    digit = data[len(known.magic) : len(known.magic) + 1]
    if data.startswith(known.magic) and digit.isdigit():
        check(name, int(digit), place)


def newer(name: str, found: str, place: Path | str = "", needs: str = "") -> NewerError:
    """What a reader says of a version that it does not know yet. `needs`: the first release that does, where known."""
    known = FORMATS[name]
    reads = " and ".join(map(str, known.reads))
    later = f"use unheld {needs} or later" if needs else "use the release that wrote it, or a later one"
    return NewerError(
        f"{f'{place}: ' if place else ''}a {known.words} of version {found}; unheld {release()} reads version {reads}. "
        f"Nothing was changed: {later}"
    )


def known(name: str, found: object, place: Path | str = "") -> int:
    """A version that is read here. Raises NewerError for a later one, BadInputError for what is none."""
    check(name, found, place)
    if type(found) is not int or found not in FORMATS[name].reads:
        raise BadInputError(f"{place}: {found!r} is no version of a {FORMATS[name].words}; put back the last good copy")
    return found
