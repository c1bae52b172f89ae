"""Doubles of the costly parts of cryptography, so that a simulated month takes milliseconds and one seed one history.

They keep what the protocol builds on as long as nobody in the simulation computes them on purpose: a signature fits one
key and one message, a box opens with one private key and one info. They hide nothing: they are no cryptography.
A test runs the same seeds with the real ones and compares the histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import ModuleType
from typing import TypeVar

from unheld_custodian import kept, state
from unheld_custodian.state import Whole
from unheld_verify import crypto, roster
from unheld_verify.errors import VerificationError, WrongKeyError
from unheld_verify.signed import Signed

Read = TypeVar("Read")

_TAG = 32
"""Also the bytes of a key that something is sealed to: a push carries 26 of them, and real ones have 1,216 bytes."""
_STANDS = b"simulated memory "
_HEAD = 1088 + 32 + crypto.TAG_BYTES
"""By how much a real box is longer than what is in it."""


@contextmanager
def drawn(random: Random) -> Iterator[None]:
    """Draw every random byte from `random`, so that a run can be repeated."""
    with _replaced({"random_bytes": random.randbytes}):
        yield


@contextmanager
def cheap() -> Iterator[None]:
    """Put the doubles in the place of signatures and boxes, write a memory once it is read, read a document once."""
    late = Late()
    once = {name: _once(getattr(roster, name)) for name in ("roster_of", "_deals")}
    memories: dict[str, object] = {"encode": late.encode, "decode": late.decode}
    with _replaced(_DOUBLES | {"PARK_PUBLIC_BYTES": _TAG}), _replaced(memories, kept), _replaced(once, roster):
        yield


@dataclass
class Late:
    """Memories by what stands for them on a simulated disk: each is written and parsed when it is first read.

    Of twenty that are written one is read, and writing is dear.
    """

    written: list[Whole] = field(default_factory=list, repr=False)
    read: dict[bytes, Whole] = field(default_factory=dict, repr=False)

    def encode(self, whole: Whole) -> bytes:
        """What stands for a memory."""
        self.written.append(whole)
        return _STANDS + (len(self.written) - 1).to_bytes(8, "big")

    def decode(self, data: bytes, *where: str) -> Whole:
        """The memory that it stands for, as it comes out of the real bytes. Raises BadInputError for other bytes."""
        if not data.startswith(_STANDS):
            return state.decode(data, *where)
        if data not in self.read:
            self.read[data] = state.decode(state.encode(self.written[int.from_bytes(data[len(_STANDS) :], "big")]))
        return self.read[data]


def _once(read: Callable[[Signed], Read]) -> Callable[[Signed], Read]:
    """What reads and checks a document, once for the same bytes; what it refuses it refuses every time."""
    found: dict[bytes, Read] = {}

    def reads(said: Signed) -> Read:
        data = said.encode()
        if data not in found:
            found[data] = read(said)
        return found[data]

    return reads


@contextmanager
def _replaced(others: Mapping[str, object], module: ModuleType = crypto) -> Iterator[None]:
    before = {name: getattr(module, name) for name in others}
    for name, other in others.items():
        setattr(module, name, other)
    try:
        yield
    finally:
        for name, one in before.items():
            setattr(module, name, one)


def _hash(*parts: bytes) -> bytes:
    return crypto.sha256(*parts)


def _sign_public(seed: bytes) -> bytes:
    return _hash(b"public", seed)


def _sign(seed: bytes, message: bytes) -> bytes:
    return _hash(_sign_public(seed), message) * 2


def _verify(public: bytes, signature: bytes, message: bytes) -> None:
    if signature != _hash(public, message) * 2:
        raise VerificationError("signature is wrong")


def _park_keypair() -> tuple[bytes, bytes]:
    private = crypto.random_bytes(96)
    return private, _park_public(private)


def _park_public(private: bytes) -> bytes:
    return _hash(b"receiver", private)


def _box_seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    return _hash(public, info, plaintext).ljust(_HEAD, b"\0") + plaintext


def _box_open(private: bytes, sealed: bytes, info: bytes) -> bytes:
    plaintext = sealed[_HEAD:]
    if sealed != _box_seal(_park_public(private), plaintext, info):
        raise WrongKeyError("box does not open: it was sealed to another key, or altered")
    return plaintext


_DOUBLES: dict[str, object] = {
    "sign_public": _sign_public,
    "sign": _sign,
    "verify": _verify,
    "park_keypair": _park_keypair,
    "park_public": _park_public,
    "box_seal": _box_seal,
    "box_open": _box_open,
}
