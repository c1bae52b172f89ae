"""Doubles of the costly parts of cryptography, so that a simulated month takes milliseconds and one seed one history.

They keep what the protocol builds on as long as nobody in the simulation computes them on purpose: a signature fits one
key and one message, a box opens with one private key and one info. They hide nothing: they are no cryptography.
A test runs the same seeds with the real ones and compares the histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random

from unheld_verify import crypto
from unheld_verify.errors import VerificationError, WrongKeyError

_TAG = 32
_HEAD = 1088 + 32 + crypto.TAG_BYTES
"""By how much a real box is longer than what is in it."""


@contextmanager
def drawn(random: Random) -> Iterator[None]:
    """Draw every random byte from `random`, so that a run can be repeated."""
    with _replaced({"random_bytes": random.randbytes}):
        yield


@contextmanager
def cheap() -> Iterator[None]:
    """Put the doubles in the place of signatures and boxes."""
    with _replaced(_DOUBLES):
        yield


@contextmanager
def _replaced(functions: Mapping[str, Callable[..., object]]) -> Iterator[None]:
    before = {name: getattr(crypto, name) for name in functions}
    for name, function in functions.items():
        setattr(crypto, name, function)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(crypto, name, function)


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
    return (_hash(b"receiver", private) * (crypto.PARK_PUBLIC_BYTES // _TAG + 1))[: crypto.PARK_PUBLIC_BYTES]


def _box_seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    return _hash(public, info, plaintext).ljust(_HEAD, b"\0") + plaintext


def _box_open(private: bytes, sealed: bytes, info: bytes) -> bytes:
    plaintext = sealed[_HEAD:]
    if sealed != _box_seal(_park_public(private), plaintext, info):
        raise WrongKeyError("box does not open: it was sealed to another key, or altered")
    return plaintext


_DOUBLES: dict[str, Callable[..., object]] = {
    "sign_public": _sign_public,
    "sign": _sign,
    "verify": _verify,
    "park_keypair": _park_keypair,
    "park_public": _park_public,
    "box_seal": _box_seal,
    "box_open": _box_open,
}
