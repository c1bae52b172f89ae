"""What a custodian remembers, and its bytes (`docs/spec/custodian.md`). Secrets stay out of every printed form."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from unheld_verify import canonical, formats
from unheld_verify.columns import CLASS_NAMES, CLASSES, EventColumn, ParkPeriod
from unheld_verify.errors import BadInputError

VERSION = 3
_MAGIC = b"UNHCUST%d" % VERSION
_MEND = "start the program that wrote it, or begin anew in another folder and let headquarters found a new set"
_KEY_NAME = struct.Struct(">BIIH")
_KEY = _KEY_NAME.size + 32

KeyName = tuple[int, int, int, int]
"""(class number, event day, sealing day, component), in the order of the file."""
Place = tuple[bytes, int]
"""(store, set)."""
Time = tuple[int, int, int]
"""(latest second, confirmed second, seconds that it ran since)."""


@dataclass(frozen=True)
class State:
    """Everything a custodian holds of one set: `begins` to `founded` as the ceremony pinned them.

    `issues`: by open day, the digests of the asks that it was handed to. `tombstones`: by hash, the day it may go.
    `used`: by digest of a grant, of the ask that brought it and when it expires. `asked`: by HMAC of a label under
    `month_key`, the grants of `month` (30 days). `emptied`: by digest of a plan for everything, the day it was done.
    `frozen_at`, `hq_at`: Unix seconds of headquarters' freeze (0: none) and of its latest act. `retired`: the first
    day that this set has no chain for (0: none). `rolled_back`: what it was put back from was older than it had been.
    `unparked`: by parked batch, its period, the second at which it was first opened, and the asks of that day.
    `entombed`: by digest of a plan for parties, how many tombstones it brought, and from which day it is too old.
    """

    store: bytes
    set: int
    index: int
    n: int
    t: int
    lifetimes: Mapping[str, int]
    late_days: int
    next_day: int
    sign: bytes = field(repr=False)
    chains: Mapping[int, bytes] = field(repr=False)
    keys: Mapping[KeyName, bytes] = field(default_factory=dict, repr=False)
    open_days: tuple[int, ...] = ()
    erased: frozenset[EventColumn] = frozenset()
    park: Mapping[ParkPeriod, bytes] = field(default_factory=dict, repr=False)
    begins: int = 0
    branch: bytes = b""
    headquarters: bytes = b""
    freeze_days: int = 0
    founded: bytes = b""
    issues: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)
    tombstones: Mapping[bytes, int] = field(default_factory=dict)
    used: Mapping[bytes, tuple[bytes, int]] = field(default_factory=dict)
    month: int = 0
    month_key: bytes = field(default=b"", repr=False)
    asked: Mapping[bytes, int] = field(default_factory=dict)
    day_asked: tuple[int, int] = (0, 0)
    emptied: Mapping[bytes, int] = field(default_factory=dict)
    beat_day: int = 0
    hq_at: int = 0
    frozen_at: int = 0
    retired: int = 0
    rolled_back: bool = False
    unparked: Mapping[bytes, tuple[int, int, tuple[bytes, ...]]] = field(default_factory=dict)
    entombed: Mapping[bytes, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ceremony:
    """A set that is being made. `draft` and `said` are signed documents; `said` by the digest that each answers.

    `transport` is the one-time key that seeds come to, `drawn` the seeds drawn here and then all that are held.
    """

    draft: bytes
    index: int
    received: int
    sign: bytes = field(repr=False)
    transport: bytes = field(default=b"", repr=False)
    roster: bytes = b""
    transcript: bytes = b""
    drawn: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    said: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Request:
    """What a person here is asked: `kind` draft, roster or drill, in one `sentence`.

    `words`: four to compare by voice, or none. `decision`: empty, approved or refused. `answered`: of `members`.
    """

    id: str
    kind: str
    store: str
    set: int
    who: str
    sentence: str
    words: tuple[str, ...]
    received: int
    members: tuple[str, ...]
    decision: str = ""
    answered: tuple[str, ...] = ()


class Line(NamedTuple):
    """A line of the journal: Unix seconds and words."""

    at: int
    words: str


@dataclass(frozen=True)
class Whole:
    """The whole memory of a custodian. `frozen`: since when and why, by its person.

    `times`: by headquarters, and under nothing for what is of none, the latest second seen, that at which the date was
    last confirmed, and for how many it is known to have run since. `journal`: its last acts; no label, no identity.
    `tags`: 8 random bytes of each of its latest generations.
    """

    name: str
    times: Mapping[bytes, Time]
    sets: Mapping[Place, State] = field(default_factory=dict)
    ceremonies: Mapping[Place, Ceremony] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    journal: tuple[Line, ...] = ()
    frozen: tuple[int, str] = (0, "")
    tags: bytes = field(default=b"", repr=False)

    def time(self, headquarters: bytes) -> Time:
        """What is known of the time for the sets of a headquarters."""
        return self.times.get(headquarters, self.times[b""])


_HINTS: dict[Any, dict[str, Any]] = {kind: get_type_hints(kind) for kind in (State, Ceremony, Request, Whole)}


def secrets(whole: Whole) -> frozenset[bytes]:
    """Everything in it that opens something, or could be walked on from; not the seeds, which only sign."""
    sets, ceremonies = whole.sets.values(), whole.ceremonies.values()
    found = [k for one in sets for k in (one.month_key, *one.chains.values(), *one.keys.values(), *one.park.values())]
    found += [k for one in ceremonies for k in (one.transport, *one.drawn.values())]
    return frozenset(found) - {b""}


def encode(whole: Whole) -> bytes:
    """The plaintext of the sealed state."""
    header = canonical.encode({"v": VERSION, **_written(whole)})
    keys = (
        _KEY_NAME.pack(*name) + key
        for _, state in sorted(whole.sets.items())
        for name, key in sorted(state.keys.items())
    )
    return _MAGIC + len(header).to_bytes(4, "big") + header + b"".join(keys)


def decode(data: bytes, where: str = "state") -> Whole:
    """Parse what `encode` made and lies `where`. Raises BadInputError for other bytes, naming another version."""
    formats.check_magic("custodian", data, where)
    if data[: len(_MAGIC)] != _MAGIC:
        written = f"of version {data[7:8].decode('latin1')!r}" if data.startswith(_MAGIC[:-1]) else "not a custodian's"
        raise BadInputError(f"{where}: it is {written}, and this program reads version {VERSION}: {_MEND}")
    start = len(_MAGIC) + 4
    end = start + int.from_bytes(data[start - 4 : start], "big")
    header = canonical.decode(data[start:end])
    try:
        counts = {place: listed.pop("keys") for place, listed in header["sets"].items()}
        whole: Whole = _read(Whole, header)
        sets = {}
        for place, state in sorted(whole.sets.items()):
            first, end = end, end + counts[_name(place)] * _KEY
            entries = [data[at : at + _KEY] for at in range(first, min(end, len(data)), _KEY)]
            sets[place] = replace(state, keys={_KEY_NAME.unpack(entry[:-32]): entry[-32:] for entry in entries})
        whole = replace(whole, sets=sets)
        sound = len(data) == end and encode(whole) == data
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, struct.error):
        sound = False
    if not sound:
        raise BadInputError(f"{where}: it says that it is of version {VERSION}, and its fields are not: {_MEND}")
    return whole


def _written(value: Any) -> Any:
    """As JSON values: objects by the names of fields or by `_name`, lists, hex; of column keys their number."""
    match value:
        case State() | Ceremony() | Request() | Whole():
            fields = {name: _written(each) for name, each in vars(value).items() if name != "keys"}
            return fields | ({"keys": len(value.keys)} if isinstance(value, State) else {})
        case Mapping():
            return {_name(key): _written(each) for key, each in value.items()}
        case frozenset():
            return [_written(each) for each in sorted(value)]
        case tuple():
            return [_written(each) for each in value]
        case bytes():
            return value.hex()
    return value


def _name(key: Any) -> str:
    return ":".join(map(_name, key)) if isinstance(key, tuple) else str(_written(key))


def _read(kind: Any, value: Any) -> Any:
    """The inverse of `_written` for a value of this type; whatever else it takes is not written again as it was."""
    origin, parts = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        hints = _HINTS[kind]
        return kind(**{name: _read(hints[name], each) for name, each in value.items() if name != "v"})  # type: ignore[operator]
    if origin is Mapping:
        return {_key(parts[0], key): _read(parts[1], each) for key, each in value.items()}
    if origin is frozenset:
        return frozenset(_read(parts[0], each) for each in value)
    if origin is tuple:
        kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(_read(*each) for each in zip(kinds, value, strict=True))
    if kind is Line:
        return Line(*value)
    return bytes.fromhex(value) if kind is bytes else value


def _key(kind: Any, text: str) -> Any:
    if parts := get_args(kind):
        return tuple(_key(*each) for each in zip(parts, text.split(":"), strict=True))
    return bytes.fromhex(text) if kind is bytes else kind(text)


def key_name(pair: EventColumn, day: int, component: int) -> KeyName:
    """The name under which a column key of sealing day `day` is kept."""
    return (CLASSES[pair[0]], pair[1], day, component)


def event_column(name: KeyName) -> EventColumn:
    """The (class, event day) of a key."""
    return (CLASS_NAMES[name[0]], name[1])
