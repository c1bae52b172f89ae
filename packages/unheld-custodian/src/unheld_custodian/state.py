"""What a custodian remembers, and its bytes (`docs/spec/custodian.md`). Secrets stay out of every printed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from unheld_verify import canonical
from unheld_verify.columns import CLASS_NAMES, CLASSES, EventColumn, ParkPeriod
from unheld_verify.errors import BadInputError

_MAGIC = b"UNHCUST2"
_CHAIN = 2 + 32
_KEY = 1 + 4 + 4 + 2 + 32
_STONE = 16 + 4
_COUNTS = (("chains", _CHAIN), ("keys", _KEY), ("tombstones", _STONE))

KeyName = tuple[int, int, int, int]
"""(class number, event day, sealing day, component), in the order of the file."""
Place = tuple[bytes, int]
"""(store, set)."""


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
    log_key: str = ""
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
    """The whole memory of a custodian. `latest`: the latest second seen. `frozen`: since when and why, by its person.

    `confirmed`: the second at which somebody last confirmed the date, and how many it is known to have run since.

    `journal`: its last acts; no label, no identity.
    """

    name: str
    latest: int
    sets: Mapping[Place, State] = field(default_factory=dict)
    ceremonies: Mapping[Place, Ceremony] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    journal: tuple[Line, ...] = ()
    frozen: tuple[int, str] = (0, "")
    confirmed: tuple[int, int] = (0, 0)


def encode(whole: Whole) -> bytes:
    """The plaintext of the sealed state."""
    binary = b"".join(piece for _, state in sorted(whole.sets.items()) for piece in _binary(state))
    header = canonical.encode(
        {
            "v": 2,
            "name": whole.name,
            "latest": whole.latest,
            "sets": [_set_header(state) for _, state in sorted(whole.sets.items())],
            "ceremonies": [[*_place(place), _written(one)] for place, one in sorted(whole.ceremonies.items())],
            "requests": [_written(request) for request in whole.requests],
            "journal": [list(entry) for entry in whole.journal],
            "frozen": list(whole.frozen),
            "confirmed": list(whole.confirmed),
            "binary": len(binary),
        }
    )
    return _MAGIC + len(header).to_bytes(4, "big") + header + binary


def decode(data: bytes) -> Whole:
    """Parse what `encode` made. Raises BadInputError for any other bytes."""
    if data[: len(_MAGIC)] != _MAGIC:
        raise BadInputError("custodian state: not of a version known here")
    start = len(_MAGIC) + 4
    end = start + int.from_bytes(data[start - 4 : start], "big")
    header = canonical.decode(data[start:end])
    try:
        whole = _whole(header, data[end:])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadInputError(f"custodian state: {error!r}") from None
    if len(data) != end + header["binary"] or encode(whole) != data:
        raise BadInputError("custodian state: it differs from what its header says")
    return whole


def _whole(header: Mapping[str, Any], binary: bytes) -> Whole:
    sets: dict[Place, State] = {}
    for listed in header["sets"]:
        state, used = _state(listed, binary)
        sets[state.store, state.set], binary = state, binary[used:]
    return Whole(
        name=header["name"],
        latest=header["latest"],
        sets=sets,
        ceremonies={(bytes.fromhex(store), number): _ceremony(one) for store, number, one in header["ceremonies"]},
        requests=tuple(Request(**_tuples(listed, "words", "members", "answered")) for listed in header["requests"]),
        journal=tuple(Line(at, words) for at, words in header["journal"]),
        frozen=(header["frozen"][0], header["frozen"][1]),
        confirmed=(header["confirmed"][0], header["confirmed"][1]),
    )


_HEX = ("store", "sign", "branch", "headquarters", "founded", "month_key")
_OWN_FORM = {"erased", "park", "issues", "used", "asked", "emptied", "unparked", "entombed", *dict(_COUNTS)}


def _set_header(state: State) -> dict[str, Any]:
    plain = {name: value for name, value in vars(state).items() if name not in _OWN_FORM}
    return plain | {name: plain[name].hex() for name in _HEX} | {
        "lifetimes": dict(state.lifetimes),
        "erased": sorted([cls, day] for cls, day in state.erased),
        "park": [[reason, period, key.hex()] for (reason, period), key in sorted(state.park.items())],
        "issues": [[day, [ask.hex() for ask in asks]] for day, asks in sorted(state.issues.items())],
        "used": [[digest.hex(), ask.hex(), expires] for digest, (ask, expires) in sorted(state.used.items())],
        "asked": {label.hex(): count for label, count in state.asked.items()},
        "emptied": {digest.hex(): day for digest, day in state.emptied.items()},
        "entombed": [[digest.hex(), *counted] for digest, counted in sorted(state.entombed.items())],
        "unparked": [
            [batch.hex(), period, first, [ask.hex() for ask in asks]]
            for batch, (period, first, asks) in sorted(state.unparked.items())
        ],
        "counts": [len(getattr(state, name)) for name, _ in _COUNTS],
    }  # fmt: skip


def _binary(state: State) -> Iterator[bytes]:
    yield from (number.to_bytes(2, "big") + chain for number, chain in sorted(state.chains.items()))
    yield from (_key_name(name) + key for name, key in sorted(state.keys.items()))
    yield from (stone + day.to_bytes(4, "big") for stone, day in sorted(state.tombstones.items()))


def _state(header: dict[str, Any], binary: bytes) -> tuple[State, int]:
    at, parts = 0, []
    for count, (_, width) in zip(header.pop("counts"), _COUNTS, strict=True):
        parts.append([binary[start : start + width] for start in range(at, at + count * width, width)])
        at += count * width
    chains, keys, stones = parts
    number = int.from_bytes
    state = State(
        **_tuples(header, "open_days", "day_asked")
        | {name: bytes.fromhex(header[name]) for name in _HEX}
        | {
            "erased": frozenset((cls, day) for cls, day in header["erased"]),
            "park": {(reason, period): bytes.fromhex(key) for reason, period, key in header["park"]},
            "issues": {day: tuple(map(bytes.fromhex, asks)) for day, asks in header["issues"]},
            "used": {bytes.fromhex(digest): (bytes.fromhex(ask), expires) for digest, ask, expires in header["used"]},
            "asked": {bytes.fromhex(label): count for label, count in header["asked"].items()},
            "emptied": {bytes.fromhex(digest): day for digest, day in header["emptied"].items()},
            "entombed": {bytes.fromhex(digest): (taken, until) for digest, taken, until in header["entombed"]},
            "unparked": {
                bytes.fromhex(batch): (period, first, tuple(map(bytes.fromhex, asks)))
                for batch, period, first, asks in header["unparked"]
            },
            "chains": {number(entry[:2], "big"): entry[2:] for entry in chains},
            "keys": {
                (entry[0], number(entry[1:5], "big"), number(entry[5:9], "big"), number(entry[9:11], "big")): entry[11:]
                for entry in keys
            },
            "tombstones": {entry[:16]: number(entry[16:], "big") for entry in stones},
        }
    )
    return state, at


def _ceremony(header: dict[str, Any]) -> Ceremony:
    return Ceremony(
        index=header["index"],
        received=header["received"],
        drawn={int(component): bytes.fromhex(seed) for component, seed in header["drawn"].items()},
        said={bytes.fromhex(digest): bytes.fromhex(answer) for digest, answer in header["said"].items()},
        **{name: bytes.fromhex(header[name]) for name in ("draft", "sign", "transport", "roster", "transcript")},
    )


def _written(value: object) -> Any:
    match value:
        case Ceremony() | Request():
            return {name: _written(each) for name, each in vars(value).items()}
        case dict():
            return {key.hex() if isinstance(key, bytes) else str(key): _written(each) for key, each in value.items()}
        case bytes():
            return value.hex()
    return value


def _place(place: Place) -> tuple[str, int]:
    return place[0].hex(), place[1]


def _tuples(header: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return dict(header) | {name: tuple(header[name]) for name in names}


def _key_name(name: KeyName) -> bytes:
    cls, event_day, day, component = name
    return bytes([cls]) + event_day.to_bytes(4, "big") + day.to_bytes(4, "big") + component.to_bytes(2, "big")


def key_name(pair: EventColumn, day: int, component: int) -> KeyName:
    """The name under which a column key of sealing day `day` is kept."""
    return (CLASSES[pair[0]], pair[1], day, component)


def event_column(name: KeyName) -> EventColumn:
    """The (class, event day) of a key."""
    return (CLASS_NAMES[name[0]], name[1])
