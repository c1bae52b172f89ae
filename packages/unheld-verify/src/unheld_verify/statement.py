"""Statements and the log entries that commit to them (docs/spec/statement.md).

An entry is HMAC-SHA-256(r, statement) with r fresh and random: it hides the statement until r is shown, and binds
to it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import canonical, crypto, note
from unheld_verify.columns import CLASSES
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError

VERSION = 1
R_BYTES = 32
ENTRY_BYTES = 32
MIN_LEAVES = 16
MAX_TEXT = 2_000
_MAX_DEPTH = 8
# What a demand may ask for, from the least to the most. `realtime` and `content` are named to be refused.
ASKS = ("registry", "traffic", "location", "content", "realtime")
PAPERS = ("buyer-record", "certificate", "manifest")

Statement = dict[str, Any]
_Check = Callable[[Any], bool]


def _hex(count: int) -> _Check:
    return lambda value: isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{2 * count}}}", value) is not None


def _number(least: int) -> _Check:
    return lambda value: type(value) is int and value >= least


def _power(least: int) -> _Check:
    return lambda value: type(value) is int and value >= least and value & (value - 1) == 0


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT


def _date(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _ascending(values: Any, each: _Check) -> bool:
    return isinstance(values, list) and all(map(each, values)) and all(a < b for a, b in zip(values, values[1:]))  # noqa: B905, RUF007


def _class(value: Any) -> bool:
    return isinstance(value, str) and value in CLASSES


def _one_of(names: tuple[str, ...]) -> _Check:
    return lambda value: isinstance(value, str) and value in names


def _vkey(value: Any) -> bool:
    try:
        return _text(value) and note.format_key(note.parse_key(value)) == value
    except BadInputError:
        return False


def _name(value: Any) -> bool:
    return _text(value) and re.fullmatch(r"[^\s+]+", value) is not None


def _shallow(value: Any, depth: int = _MAX_DEPTH) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_shallow(item, depth - 1) for item in inner)


def _column(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _class(value[0]) and _date(value[1])


_CHECKS: dict[str, tuple[_Check, str]] = {
    "store": (_hex(16), "32 hex digits"),
    "genesis": (_hex(32), "64 hex digits"),
    "policy": (lambda value: _text(value) or (isinstance(value, dict) and _shallow(value)), "text or an object"),
    "set": (_number(0), "a number"),
    "sealing_day": (_date, "a date YYYY-MM-DD"),
    "event_day": (_date, "a date YYYY-MM-DD"),
    "class": (_class, f"one of {', '.join(CLASSES)}"),
    "records_at_most": (_power(1), "a power of two"),
    "rows": (_hex(32), "64 hex digits"),
    "root": (_hex(32), "64 hex digits"),
    "head": (_hex(32), "64 hex digits"),
    "generation": (_number(0), "a number"),
    "period": (_number(0), "a number"),
    "leaves": (_power(MIN_LEAVES), f"a power of two, at least {MIN_LEAVES}"),
    "slots": (_text, "words"),
    "copies": (_number(1), "a number, at least 1"),
    "copy": (_number(1), "a number, at least 1"),
    "listed": (_number(1), "a number, at least 1"),
    "custodians": (lambda value: _ascending(value, _number(0)), "an ascending list of numbers"),
    "columns": (lambda value: _ascending(value, _column), "an ascending list of [class, date]"),
    "demand": (_hex(16), "32 hex digits"),
    "authority": (_text, "words"),
    "asks": (lambda value: _ascending(value, _one_of(ASKS)) and value != [], f"an ascending list of {', '.join(ASKS)}"),
    "targets": (_number(0), "a number"),
    "codes": (lambda value: _ascending(value, _text) and value != [], "an ascending list of codes, at least one"),
    "paper": (_one_of(PAPERS), f"one of {', '.join(PAPERS)}"),
    "digest": (_hex(32), "64 hex digits"),
    "key": (_vkey, "a public key NAME+ID+BASE64"),
    "group": (_name, "the name of a registered key"),
    "begins": (_date, "a date YYYY-MM-DD"),
    "ends": (_date, "a date YYYY-MM-DD"),
    "n": (_number(1), "a number, at least 1"),
    "t": (_number(1), "a number, at least 1"),
    "from": (_number(1), "a number, at least 1"),
    "to": (_number(2), "a number, at least 2"),
}

KINDS: dict[str, tuple[str, ...]] = {
    "genesis": ("store", "genesis", "policy"),
    "open": ("sealing_day", "set"),
    "batch": ("sealing_day", "records_at_most", "rows"),
    "close": ("sealing_day", "records_at_most", "generation", "root", "head"),
    "erase-parties": ("root", "leaves", "slots", "copies"),
    "erase-day": ("event_day", "custodians", "slots"),
    "erase-class": ("event_day", "class", "custodians", "slots"),
    "erase-everything": ("slots", "copies"),
    "lapse": ("columns", "custodians"),
    "parked": ("period", "records_at_most"),
    "demand-received": ("demand", "authority", "asks", "targets", "root", "leaves"),
    "demand-narrowed": ("demand", "asks", "root", "leaves"),
    "demand-refused": ("demand", "codes", "root", "leaves"),
    "demand-withdrawn": ("demand", "root", "leaves"),
    "claim-answered": (),
    "paper": ("paper", "digest"),
    "group": ("key",),
    "standstill": ("group", "digest", "begins", "ends"),
    "custodians": ("set", "digest", "n", "t", "begins", "custodians"),
    "access-answered": (),
    "copy-released": ("copy", "copies", "listed", "generation"),
    "copy-returned": ("copy", "copies", "listed", "generation"),
    "copy-promoted": ("copy", "copies", "listed", "generation"),
    "upgrade": ("from", "to", "digest"),
}
# Statements with a tree of parties, and what a leaf of that tree says of its identity.
LEAVES = {
    "erase-parties": "forgotten",
    "demand-received": "named",
    "demand-narrowed": "named",
    "demand-refused": "named",
    "demand-withdrawn": "named",
}
_COMMON = {"v", "log", "kind", "day"}


def shapes() -> dict[str, str]:
    """What each field has to be, in words that name its check: for verifiers that are written in another language."""
    return {name: words for name, (_, words) in _CHECKS.items()}


@dataclass(frozen=True)
class Opening:
    """A statement and the secret r (32 bytes) that its entry was made with."""

    statement: Statement
    r: bytes = field(repr=False)

    @property
    def entry(self) -> bytes:
        """The 32-byte log entry that commits to the statement."""
        return entry(self.r, self.statement)

    def to_json(self) -> dict[str, Any]:
        """{"r":hex, "statement":{…}}, as receipts and published openings hold it."""
        return {"r": self.r.hex(), "statement": self.statement}


def make(origin: str, kind: str, day: str, **fields: Any) -> Statement:
    """A statement for the log `origin`; `day` is the date of the act. Raises BadInputError naming what is off."""
    made: Statement = {"v": VERSION, "log": origin, "kind": kind, "day": day, **fields}
    if kind not in KINDS:
        raise BadInputError(f"no statement of kind {kind!r}: kinds are {', '.join(KINDS)}")
    _check_fields(made)
    return made


def commit(statement: Statement) -> Opening:
    """An opening with a fresh r. It is the only way to show later what the entry says: keep it until it is due."""
    return Opening(statement, crypto.random_bytes(R_BYTES))


def entry(r: bytes, statement: Statement) -> bytes:
    """HMAC-SHA-256(r, JCS of the statement). Raises VerificationError unless r has 32 bytes.

    HMAC fills a shorter key with zeros, so r of another length would open the entry a second time.
    """
    if len(r) != R_BYTES:
        raise VerificationError(f"r has {len(r)} bytes, not {R_BYTES}")
    return crypto.hmac_sha256(r, canonical.encode(statement))


def dummy() -> bytes:
    """An entry that opens to nothing, to fill a publication."""
    return crypto.random_bytes(ENTRY_BYTES)


def parse_opening(value: Any) -> Opening:
    """The opening in decoded JSON. Raises BadInputError if it does not have its form; checks no rule of a statement."""
    if not isinstance(value, dict) or set(value) != {"r", "statement"}:
        raise BadInputError('an opening is {"r":hex, "statement":{…}} and nothing else')
    if not isinstance(value["statement"], dict):
        raise BadInputError("opening: the statement is not an object")
    return Opening(value["statement"], hex_bytes(value["r"], "opening: r"))


def is_date(value: Any) -> bool:
    """Whether a value is a date that exists, written YYYY-MM-DD."""
    return _date(value)


def hex_bytes(value: Any, what: str) -> bytes:
    """Decode lower-case hex. `what` names the place in the error."""
    if not isinstance(value, str) or not re.fullmatch("([0-9a-f]{2})*", value):
        raise BadInputError(f"{what} is not lower-case hex")
    return bytes.fromhex(value)


def verify(opening: Opening, origin: str) -> None:
    """Check the rules of a statement: length of r, form, and that it names the log `origin`.

    Raises VerificationError if a rule is broken, CannotVerifyError for a version or kind this program does not know.
    """
    statement = opening.statement
    if len(opening.r) != R_BYTES:
        raise VerificationError(f"r has {len(opening.r)} bytes, not {R_BYTES}")
    if type(statement.get("v")) is int and statement["v"] != VERSION:
        raise CannotVerifyError(f"statement of version {statement['v']}: only {VERSION} is known, use a newer program")
    kind = statement.get("kind")
    if isinstance(kind, str) and kind not in KINDS:
        raise CannotVerifyError(
            f"statement of unknown kind {kind!r}: use a newer program; known are {', '.join(KINDS)}"
        )
    try:
        canonical.encode(statement)
        _check_fields(statement)
    except BadInputError as error:
        raise VerificationError(str(error)) from None
    if statement["log"] != origin:
        raise VerificationError(f"the statement was made for log {statement['log']}, not for {origin}")


def _check_fields(statement: Statement) -> None:
    kind = statement.get("kind")
    if type(statement.get("v")) is not int or not isinstance(kind, str):
        raise BadInputError("statement: 'v' is a number and 'kind' a text")
    if not _text(statement.get("log")) or not _date(statement.get("day")):
        raise BadInputError("statement: 'log' names the log's origin and 'day' is a date YYYY-MM-DD")
    expected = _COMMON | set(KINDS[kind])
    if set(statement) != expected:
        raise BadInputError(
            f"statement of kind {kind}: missing {sorted(expected - set(statement))}, "
            f"too much {sorted(set(statement) - expected)}"
        )
    for name in KINDS[kind]:
        check, words = _CHECKS[name]
        if not check(statement[name]):
            raise BadInputError(f"statement of kind {kind}: {name} is not {words}")
    if kind == "standstill" and statement["begins"] >= statement["ends"]:
        raise BadInputError("statement of kind standstill: it ends before a day of it has passed")
    if kind == "custodians" and statement["t"] > statement["n"]:
        raise BadInputError("statement of kind custodians: more are needed than there are")
    if kind == "upgrade" and statement["from"] >= statement["to"]:
        raise BadInputError("statement of kind upgrade: from is not below to")
