"""A slot in a PKCS#11 token: a key that never leaves it seals each generation's secret (`docs/spec/slot.md`).

What a generation needs lies in the token: the key, and a data object with the secret and its binding sealed under it.
A generation lives as long as both are there, so making one ends with the data object and destroying one begins with
the key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unheld_slots import durable
from unheld_slots.contract import BINDING_BYTES, ID_BYTES, SECRET_BYTES, Live, check_fits, check_follows
from unheld_slots.pkcs11 import uri as uris
from unheld_slots.pkcs11.session import Session, TokenError
from unheld_slots.pkcs11.uri import TokenUri
from unheld_verify import crypto, formats
from unheld_verify.errors import (
    BadInputError,
    NoStoreError,
    StateError,
    StateUnknownError,
    UnheldError,
    WrongKeyError,
)

_MAGIC = b"UNHTOKN1"
_KEY_ID = ID_BYTES + 8
_HEAD = len(_MAGIC) + _KEY_ID
_NONCE = 12
_VALUE = _HEAD + _NONCE + SECRET_BYTES + BINDING_BYTES + 16
_FULL = {"DeviceMemory"}
_PIN = {"PinLocked": "is locked", "PinExpired": "has expired", "LastTry": "has one try left, which is left to a person"}
_NOT_WRITTEN = {
    "DeviceMemory", "TokenWriteProtected", "MechanismInvalid", "TemplateInconsistent", "TemplateIncomplete",
    "AttributeTypeInvalid", "AttributeValueInvalid", "FunctionNotSupported", "SessionReadOnly",
}  # fmt: skip


@dataclass(frozen=True)
class _Held:
    """The objects of a slot: keys by id, and data objects by the id that each begins with."""

    keys: tuple[bytes, ...]
    values: dict[bytes, bytes]

    @property
    def whole(self) -> list[bytes]:
        """The ids of live generations, the older first."""
        return sorted(id_ for id_ in self.keys if id_ in self.values)

    @property
    def remains(self) -> list[bytes]:
        """The ids of which a crash left one half: neither opens anything."""
        return sorted(set(self.keys) ^ self.values.keys())

    def slot_id(self) -> bytes:
        """The id of the slot that these objects belong to; a new one where nothing is."""
        return next((id_[:ID_BYTES] for id_ in (*self.keys, *self.values)), crypto.random_bytes(ID_BYTES))


class TokenSlot:
    """A slot in a token. It honours the contract of `Slot`; each call is a process of its own that ends with it."""

    def __init__(self, uri: TokenUri, slot_id: bytes, words: str) -> None:
        self.slot_id = slot_id
        self._uri = uri
        self._words = words

    @classmethod
    def check(cls, text: str) -> None:
        """See that a new slot can be made there. Raises BadInputError, StateError, WrongKeyError."""
        cls.create(text)

    @classmethod
    def create(cls, text: str) -> TokenSlot:
        """An empty slot: nothing is written before its first generation. Raises StateError where one is already."""
        uri = uris.parse(text)
        with _explained(uri, BadInputError), Session(uri) as session:
            held = _look(session, uri)
            if held.keys or held.values:
                raise StateError(f"{uri}: there are objects of that name already; give a new name, none is replaced")
            return cls(uri, held.slot_id(), _words(uri, session.calls))

    @classmethod
    def open(cls, text: str) -> TokenSlot:
        """Open a slot and remove what a crash left of a generation, if another is whole.

        Raises NoStoreError (no object of that name), BadInputError (no such token or module; objects that do not fit
        together; a key that could have copies), WrongKeyError (PIN).
        """
        uri = uris.parse(text)
        with _explained(uri, BadInputError), Session(uri) as session:
            held = _look(session, uri)
            if not held.keys and not held.values:
                raise NoStoreError(
                    f"{uri}: the token holds nothing of that name: it was wiped, never filled, or this is another "
                    f"token (it has the serial number {session.calls['serial']})"
                )
            slot = cls(uri, held.slot_id(), _words(uri, session.calls))
            if held.whole:
                slot._drop(session, held, held.remains)
            return slot

    def live(self) -> list[Live]:
        """The generations whose key and data object are in the token now, the older first."""
        with self._session("it cannot be read", StateError) as session:
            return self._live(session, self._held(session))

    def prepare(self, generation: int, secret: bytes, binding: bytes = b"") -> None:
        """Make a key for a new generation and seal its secret under it. A full token refuses here, harmlessly."""
        check_fits(generation, secret, binding)
        with self._session("no generation was added", StateError) as session:
            held = self._held(session)
            check_follows(self._uri, generation, [_generation(id_) for id_ in held.whole])
            self._drop(session, held, held.remains)
            live = Live(generation, secret, binding.ljust(BINDING_BYTES, b"\0"))
            self._add(session, self.slot_id + generation.to_bytes(8, "big"), live)

    def destroy(self, generation: int) -> None:
        """Destroy the key of one of two generations, and let another process see that it is gone."""
        id_ = self.slot_id + generation.to_bytes(8, "big")
        with self._session("erasing: the old key still lives", StateError) as session:
            held = self._held(session)
            if len(held.whole) != 2 or id_ not in held.whole:
                numbers = [_generation(item) for item in held.whole]
                raise StateError(
                    f"{self._uri}: generation {generation} may only be destroyed while another lives ({numbers})"
                )
            self._drop_key(session, id_)
        with self._session("erasing: the key is destroyed, its sealed bytes are not removed", StateError) as session:
            held = self._held(session)
            if id_ in held.keys:
                raise StateUnknownError(
                    f"{self._uri}: erasing: the token shows a key that it said is destroyed; do not trust this token"
                )
            self._drop(session, held, [id_])

    def wipe(self) -> None:
        """Destroy every key, then every data object."""
        with self._session("erasing: some keys may live; wipe again", StateError) as session:
            held = self._held(session)
            for id_ in sorted(held.keys):
                self._drop_key(session, id_)
            self._drop(session, _Held((), held.values), sorted(held.values))

    def words(self) -> str:
        """How far an erasure at this place holds, in plain words, printed wherever one is reported."""
        return self._words

    def _add(self, session: Session, id_: bytes, live: Live) -> None:
        name = self._uri.name
        with self._step("token-generate"):
            session.ask("generate", label=name, id=id_.hex())
        head = _MAGIC + id_
        nonce = crypto.random_bytes(_NONCE)
        sealed = session.ask("seal", data=(live.secret + live.binding).hex(), **self._under(head, nonce))
        value = head + nonce + bytes.fromhex(sealed)
        with self._unknown("the new generation may live"), self._step("token-store"):
            session.ask("store", label=name, value=value.hex())
        if live not in self._live(session, self._held(session)):
            raise StateUnknownError(f"{self._uri}: the token did not give back what it was given: use another token")

    def _drop(self, session: Session, held: _Held, ids: list[bytes]) -> None:
        for id_ in ids:
            if id_ in held.keys:
                self._drop_key(session, id_)
            if id_ in held.values:
                with self._step("token-remove"):
                    session.ask("destroy_data", label=self._uri.name, value=held.values[id_].hex())

    def _drop_key(self, session: Session, id_: bytes) -> None:
        with self._unknown("erasing: the old key may still live"), self._step("token-destroy"):
            session.ask("destroy_key", label=self._uri.name, id=id_.hex())

    def _live(self, session: Session, held: _Held) -> list[Live]:
        found = [self._opened(session, id_, held.values[id_]) for id_ in held.whole]
        numbers = [live.generation for live in found]
        if len(numbers) > 2 or (len(numbers) == 2 and numbers[1] - numbers[0] != 1):
            raise BadInputError(f"{self._uri}: generations {numbers} do not follow; objects were put in or taken out")
        return found

    def _opened(self, session: Session, id_: bytes, value: bytes) -> Live:
        nonce, sealed = value[_HEAD : _HEAD + _NONCE], value[_HEAD + _NONCE :]
        try:
            plain = bytes.fromhex(session.ask("unseal", data=sealed.hex(), **self._under(value[:_HEAD], nonce)))
        except TokenError as fault:
            # SoftHSM calls a false tag a general error
            if fault.kind not in {"EncryptedDataInvalid", "GeneralError", "SignatureInvalid"}:
                raise
            raise WrongKeyError(
                f"{self._uri}: the key does not open its data object: that was altered, or the token failed just now"
            ) from None
        return Live(_generation(id_), plain[:SECRET_BYTES], plain[SECRET_BYTES:])

    def _under(self, head: bytes, nonce: bytes) -> dict[str, str]:
        name = self._uri.name
        return {
            "label": name, "id": head[len(_MAGIC) :].hex(), "nonce": nonce.hex(), "aad": (head + name.encode()).hex(),
        }  # fmt: skip

    def _held(self, session: Session) -> _Held:
        held = _look(session, self._uri)
        if (held.keys or held.values) and held.slot_id() != self.slot_id:
            raise BadInputError(f"{self._uri}: its objects are of another slot now; put the right token back")
        return held

    @contextmanager
    def _session(self, outcome: str, kind: type[UnheldError]) -> Iterator[Session]:
        with _explained(self._uri, kind, outcome), Session(self._uri) as session:
            yield session

    @contextmanager
    def _unknown(self, outcome: str) -> Iterator[None]:
        """Around a request after which it is not known whether the token did it, unless it says that it did not."""
        with _explained(self._uri, StateUnknownError, f"{outcome}; the next open reads the token and finishes"):
            yield

    def _step(self, action: str) -> Any:
        return durable.step(action, Path(f"pkcs11:{self._uri.name}"))


def _look(session: Session, uri: TokenUri) -> _Held:
    """The slot's objects, refused as a whole when they are not what this module makes."""
    found = session.ask("look", label=uri.name)
    keys = tuple(bytes.fromhex(key["id"]) for key in found["keys"])
    values = [bytes.fromhex(value) for value in found["data"]]
    for value in values:
        formats.check_magic("token", value, str(uri))
    if any(len(id_) != _KEY_ID for id_ in keys) or any(len(v) != _VALUE or v[:8] != _MAGIC for v in values):
        raise BadInputError(f"{uri}: other objects have that name; give the slot a new name")
    ids = [value[8:_HEAD] for value in values]
    if twice := [id_ for kind in (keys, ids) for id_, count in Counter(kind).items() if count > 1]:
        raise BadInputError(
            f"{uri}: two objects of generation {_generation(twice[0])}: one was copied or put in, and destroying one "
            "would leave the other; nothing was changed"
        )
    if len({id_[:ID_BYTES] for id_ in (*keys, *ids)}) > 1:
        raise BadInputError(f"{uri}: objects of two slots have that name; nothing was changed")
    if not all(key["sound"] for key in found["keys"]):
        raise BadInputError(
            f"{uri}: a key of that name can leave the token or was brought into it, so copies may exist and "
            "destroying it would forget nothing; use another copy of the tree, or found a new store"
        )
    return _Held(keys, dict(zip(ids, values, strict=True)))


@contextmanager
def _explained(uri: TokenUri, kind: type[UnheldError], outcome: str = "nothing was changed") -> Iterator[None]:
    """A fault as an error that says what became of the slot."""
    try:
        yield
    except TokenError as fault:
        raise _error(uri, fault, kind, outcome) from None


def _error(uri: TokenUri, fault: TokenError, kind: type[UnheldError], outcome: str) -> UnheldError:
    said = f"{fault.kind}: {fault}" if str(fault) else fault.kind
    if fault.kind in _PIN:
        return WrongKeyError(f"{uri}: the PIN {_PIN[fault.kind]}; mend that with the token's own tool; {outcome}")
    if fault.kind == "Module":
        return kind(f"{uri}: {uri.module} is no PKCS#11 module that loads here ({fault}); give the right module-path")
    if fault.kind in {"Absent", "Several"}:
        which = "no such token is there" if fault.kind == "Absent" else "several tokens fit: add serial= to the URI"
        return kind(f"{uri}: {which} ({fault}); {outcome}; put the right token in and try again")
    if fault.kind in _FULL:
        return StateError(f"{uri}: the token is full; make room in it, then try again; nothing was changed")
    if issubclass(kind, StateUnknownError) and fault.kind in _NOT_WRITTEN:
        return StateError(f"{uri}: the token refused ({said}); nothing was changed")
    mend = "see that it is in and has room, then try again"
    return (kind if issubclass(kind, StateError) else StateError)(
        f"{uri}: the token failed ({said}); {outcome}; {mend}"
    )


def _words(uri: TokenUri, calls: dict[str, Any]) -> str:
    if not calls["able"]:
        raise BadInputError(f"{uri}: this token makes no AES keys or offers no AES-GCM; use another token")
    make, model, serial = (_plain(calls[key]) for key in ("manufacturer", "model", "serial"))
    words = f"token: key destroyed in {_plain(uri.module.name)} ({make}, {model}, {serial})"
    if "softhsm" in (make + model).lower():
        return f"{words}; a software token: its files survive a snapshot of this disk"
    return words if calls["hardware"] else f"{words}; it does not call itself hardware"


def _plain(text: str) -> str:
    """What a token calls itself, fit to print: printable ASCII, no signs that end a clause."""
    return (
        "".join(sign if sign.isascii() and sign.isprintable() and sign not in "(),;" else "?" for sign in text) or "?"
    )


def _generation(id_: bytes) -> int:
    return int.from_bytes(id_[ID_BYTES:], "big")
