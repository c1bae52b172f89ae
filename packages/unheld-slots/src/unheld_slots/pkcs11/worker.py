"""The process that talks to a token: the only one that loads a PKCS#11 module, in one thread, for one call of a slot.

A module is foreign code: it may crash, hang, print or start threads, and SoftHSM fails with two. Here it can end
nothing but this process. Requests and answers are lines of JSON on the socket that is standard input; bytes are hex.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, SlotFlag, TokenFlag
from pkcs11.exceptions import NoSuchKey, PinLocked, PKCS11Error
from pkcs11.mechanisms import GCMParams

_APPLICATION = "unheld"
# What makes a key one that only this token ever held, and that no copy of can be had.
_SOUND = {
    Attribute.SENSITIVE: True,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
}
# Not modifiable, so that a copy inside the token has the same label and id, and is found as one of two.
_TEMPLATE = {
    Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.ENCRYPT: True, Attribute.DECRYPT: True,
    Attribute.WRAP: False, Attribute.UNWRAP: False, Attribute.SIGN: False, Attribute.VERIFY: False,
    Attribute.DERIVE: False, Attribute.MODIFIABLE: False, Attribute.PRIVATE: True,
}  # fmt: skip


class RequestError(Exception):
    """A request that cannot be served, with a word for the caller: Module, Absent, Several, LastTry, StillOpens."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


class Worker:
    """One token, found once and then logged in to."""

    def __init__(self) -> None:
        self._token: Any = None
        self._session: Any = None

    def find(self, module: str, token: dict[str, str]) -> dict[str, Any]:
        """Load the module and choose the token that calls itself as `token` says."""
        try:
            library = pkcs11.lib(module)
        except (RuntimeError, OSError) as error:
            raise RequestError("Module", f"{error or type(error).__name__}") from None
        present = list(_tokens(library))
        fitting = [item for item in present if all(_calls(item)[key] == value for key, value in token.items())]
        if len(fitting) != 1:
            labels = ", ".join(sorted(repr(name) for item in present if (name := _calls(item)["token"]))) or "none"
            raise RequestError("Several" if fitting else "Absent", f"tokens present: {labels}")
        self._token = fitting[0]
        offered = self._token.slot.get_mechanisms()
        return {
            **_calls(self._token),
            "hardware": bool(self._token.slot.flags & SlotFlag.HW_SLOT),
            "able": {Mechanism.AES_GCM, Mechanism.AES_KEY_GEN} <= set(offered),
        }

    def login(self, pin: str) -> None:
        """Log in, unless a wrong PIN would now lock the token."""
        if self._token.flags & TokenFlag.USER_PIN_LOCKED:
            raise PinLocked
        if self._token.flags & TokenFlag.USER_PIN_FINAL_TRY:
            raise RequestError("LastTry", "one try is left")
        self._session = self._token.open(rw=True, user_pin=pin)

    def look(self, label: str) -> dict[str, Any]:
        """The keys and data objects of this label: ids, whether each key is sound, values."""
        keys = [{"id": key[Attribute.ID].hex(), "sound": _is_sound(key)} for key in self._find("SECRET_KEY", label)]
        return {"keys": keys, "data": [item[Attribute.VALUE].hex() for item in self._find("DATA", label)]}

    def generate(self, label: str, id: str) -> None:  # noqa: A002 - PKCS#11 calls it so
        """Make a key inside the token that never leaves it."""
        self._session.generate_key(
            KeyType.AES, 256, label=label, id=bytes.fromhex(id), store=True, template=dict(_TEMPLATE)
        )

    def seal(self, label: str, id: str, nonce: str, aad: str, data: str) -> str:  # noqa: A002
        """AES-256-GCM inside the token."""
        return bytes(self._key(label, id).encrypt(bytes.fromhex(data), **_gcm(nonce, aad))).hex()

    def unseal(self, label: str, id: str, nonce: str, aad: str, data: str) -> str:  # noqa: A002
        """The inverse of `seal`."""
        return bytes(self._key(label, id).decrypt(bytes.fromhex(data), **_gcm(nonce, aad))).hex()

    def store(self, label: str, value: str) -> None:
        """Keep a value beside the keys."""
        self._session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: True,
                Attribute.MODIFIABLE: False,
                Attribute.LABEL: label,
                Attribute.APPLICATION: _APPLICATION,
                Attribute.VALUE: bytes.fromhex(value),
            }
        )

    def destroy_key(self, label: str, id: str) -> None:  # noqa: A002
        """Destroy a key, then try it: neither its handle nor a search may give it again."""
        key = self._key(label, id)
        key.destroy()
        try:
            key.encrypt(bytes(32), **_gcm("00" * 12, ""))
        except PKCS11Error:
            pass
        else:
            raise RequestError("StillOpens", "the module answers with a key that it said is destroyed")
        if any(found[Attribute.ID].hex() == id for found in self._find("SECRET_KEY", label)):
            raise RequestError("StillOpens", "the module still lists a key that it said is destroyed")

    def destroy_data(self, label: str, value: str) -> None:
        """Remove a value."""
        for item in list(self._find("DATA", label)):
            if item[Attribute.VALUE].hex() == value:
                item.destroy()

    def _find(self, cls: str, label: str) -> Iterator[Any]:
        return iter(list(self._session.get_objects({Attribute.CLASS: ObjectClass[cls], Attribute.LABEL: label})))

    def _key(self, label: str, id: str) -> Any:  # noqa: A002
        for key in self._find("SECRET_KEY", label):
            if key[Attribute.ID].hex() == id:
                return key
        raise NoSuchKey


def _tokens(library: Any) -> Iterator[Any]:
    for slot in library.get_slots(token_present=True):
        try:
            yield slot.get_token()
        except PKCS11Error:  # somebody's card in another reader that this module does not know
            continue


def _calls(token: Any) -> dict[str, str]:
    """What a token calls itself, by the attributes of RFC 7512."""
    serial = token.serial
    return {
        "token": token.label,
        "manufacturer": token.manufacturer_id,
        "model": token.model,
        "serial": (serial.decode("utf-8", "replace") if isinstance(serial, bytes) else serial).strip("\0 "),
    }


def _is_sound(key: Any) -> bool:
    try:
        return bool(
            key.key_type == KeyType.AES
            and key[Attribute.VALUE_LEN] == 32
            and all(key[name] == value for name, value in _SOUND.items())
        )
    except PKCS11Error:  # a token that does not say so does not promise it
        return False


def _gcm(nonce: str, aad: str) -> dict[str, Any]:
    params = GCMParams(bytes.fromhex(nonce), bytes.fromhex(aad), 128)
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": params}


def answer(worker: Worker, line: str) -> dict[str, Any]:
    """Serve one request; every failure becomes an answer with its name."""
    request = json.loads(line)
    try:
        call: Callable[..., Any] = getattr(worker, request.pop("do"))
        return {"ok": call(**request)}
    except RequestError as error:
        return {"fault": error.kind, "words": str(error)}
    except Exception as error:  # whatever a module makes the binding raise: the caller is told its name
        return {"fault": type(error).__name__, "words": str(error)}


def main() -> None:
    """Serve until the owner hangs up."""
    with socket.socket(fileno=0) as channel, channel.makefile("rw", encoding="utf-8", newline="\n") as stream:
        worker = Worker()
        for line in stream:
            stream.write(json.dumps(answer(worker, line)) + "\n")
            stream.flush()


if __name__ == "__main__":
    main()
