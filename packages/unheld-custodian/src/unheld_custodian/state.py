"""What a custodian remembers, and its bytes (`docs/spec/custodian.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import canonical
from unheld_verify.columns import CLASS_NAMES, CLASSES, EventColumn, ParkPeriod
from unheld_verify.errors import BadInputError

_MAGIC = b"UNHCUST1"
_CHAIN = 2 + 32
_KEY = 1 + 4 + 4 + 2 + 32

KeyName = tuple[int, int, int, int]
"""(class number, event day, sealing day, component), in the order of the file."""


@dataclass(frozen=True)
class State:
    """Everything a custodian holds. Secrets stay out of its printed form."""

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


def encode(state: State) -> bytes:
    """The plaintext of the sealed state."""
    header = canonical.encode(
        {
            "v": 1,
            "store": state.store.hex(),
            "set": state.set,
            "index": state.index,
            "n": state.n,
            "t": state.t,
            "next_day": state.next_day,
            "lifetimes": dict(state.lifetimes),
            "late_days": state.late_days,
            "open": sorted(state.open_days),
            "erased": sorted([cls, day] for cls, day in state.erased),
            "park": [
                {"reason": reason, "period": period, "mlkem": private[:64].hex(), "x25519": private[64:].hex()}
                for (reason, period), private in sorted(state.park.items())
            ],
            "sign": state.sign.hex(),
            "chains": len(state.chains),
            "keys": len(state.keys),
        }
    )
    chains = (number.to_bytes(2, "big") + chain for number, chain in sorted(state.chains.items()))
    keys = (_key_name(name) + key for name, key in sorted(state.keys.items()))
    return b"".join([_MAGIC, len(header).to_bytes(4, "big"), header, *chains, *keys])


def decode(data: bytes) -> State:
    """Parse what `encode` made. Raises BadInputError for any other bytes."""
    if data[: len(_MAGIC)] != _MAGIC:
        raise BadInputError("custodian state: not of a version known here")
    start = len(_MAGIC) + 4
    end = start + int.from_bytes(data[start - 4 : start], "big")
    header = canonical.decode(data[start:end])
    split = end + header["chains"] * _CHAIN
    if len(data) != split + header["keys"] * _KEY:
        raise BadInputError("custodian state: its length differs from what its header says")
    return _state(header, _chains(data[end:split]), _keys(data[split:]))


def _state(header: Mapping[str, Any], chains: dict[int, bytes], keys: dict[KeyName, bytes]) -> State:
    return State(
        store=bytes.fromhex(header["store"]),
        set=header["set"],
        index=header["index"],
        n=header["n"],
        t=header["t"],
        lifetimes=header["lifetimes"],
        late_days=header["late_days"],
        next_day=header["next_day"],
        sign=bytes.fromhex(header["sign"]),
        chains=chains,
        keys=keys,
        open_days=tuple(header["open"]),
        erased=frozenset((cls, day) for cls, day in header["erased"]),
        park={
            (entry["reason"], entry["period"]): bytes.fromhex(entry["mlkem"] + entry["x25519"])
            for entry in header["park"]
        },
    )


def _chains(data: bytes) -> dict[int, bytes]:
    entries = (data[at : at + _CHAIN] for at in range(0, len(data), _CHAIN))
    return {int.from_bytes(entry[:2], "big"): entry[2:] for entry in entries}


def _keys(data: bytes) -> dict[KeyName, bytes]:
    entries = (data[at : at + _KEY] for at in range(0, len(data), _KEY))
    number = int.from_bytes
    return {
        (entry[0], number(entry[1:5], "big"), number(entry[5:9], "big"), number(entry[9:11], "big")): entry[11:]
        for entry in entries
    }


def _key_name(name: KeyName) -> bytes:
    cls, event_day, day, component = name
    return bytes([cls]) + event_day.to_bytes(4, "big") + day.to_bytes(4, "big") + component.to_bytes(2, "big")


def key_name(pair: EventColumn, day: int, component: int) -> KeyName:
    """The name under which a column key of sealing day `day` is kept."""
    return (CLASSES[pair[0]], pair[1], day, component)


def event_column(name: KeyName) -> EventColumn:
    """The (class, event day) of a key."""
    return (CLASS_NAMES[name[0]], name[1])
