"""PKCS#11 URIs (RFC 7512), read strictly: a URI names one slot in one token, and never holds a PIN."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from unheld_verify.errors import BadInputError

# RFC 7512, section 2.3: what a value may hold unencoded, in the path and in the query.
_VALUE = r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=-]|%[0-9A-Fa-f]{2}"
_PATH = re.compile(rf"([a-z0-9-]+)=({_VALUE}|&)*)")
_QUERY = re.compile(rf"([a-z0-9-]+)=({_VALUE}|[/?|])*)")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,48}")
_TOKEN = ("token", "manufacturer", "model", "serial")
_FORM = "pkcs11:token=LABEL;object=NAME?module-path=/MODULE.so&pin-source=file:/PIN"


@dataclass(frozen=True)
class TokenUri:
    """One slot: `name` labels its objects, `token` says which token by what it calls itself, `module` is the driver."""

    name: str
    token: dict[str, str]
    module: Path
    pin_file: Path | None = None

    def __str__(self) -> str:
        which = ", ".join(f"{key} {value!r}" for key, value in self.token.items())
        return f"slot {self.name!r} in the token with {which}"


def parse(uri: str) -> TokenUri:
    """Read a URI. Raises BadInputError that names the attribute; no value that could be a PIN is repeated."""
    path, query = attributes(uri)
    if "pin-value" in query:
        raise BadInputError(
            "slot pkcs11:…: pin-value puts the PIN where lists of processes and shells' histories show it, so it is "
            "refused, and the PIN should be changed: write pin-source=file:/PATH or set UNHELD_PIN_COMMAND"
        )
    _only(path, ("object", *_TOKEN))
    _only(query, ("module-path", "pin-source"))
    token = {key: path[key] for key in _TOKEN if key in path}
    if not {"token", "serial"} & token.keys() or "object" not in path or "module-path" not in query:
        raise BadInputError(f"slot {uri!r}: say which token (token= or serial=), object= and module-path=: {_FORM}")
    if not _NAME.fullmatch(path["object"]):
        raise BadInputError(f"slot {uri!r}: an object's name is 1 to 48 of A-Z a-z 0-9 . _ -")
    module = Path(query["module-path"])
    if not module.is_absolute():
        raise BadInputError(f"slot {uri!r}: module-path must be absolute: the module's code runs here")
    return TokenUri(path["object"], token, module, _pin_file(query.get("pin-source")))


def attributes(uri: str) -> tuple[dict[str, str], dict[str, str]]:
    """The attributes of path and query by name, decoded, each at most once. `id`, which is no text, as Latin-1."""
    scheme, colon, rest = uri.partition(":")
    if scheme != "pkcs11" or not colon:
        raise BadInputError(f"a PKCS#11 URI begins with pkcs11: ({_FORM})")
    path, mark, query = rest.partition("?")
    return _split(path, ";", _PATH), _split(query, "&", _QUERY) if mark else {}


def _split(text: str, by: str, form: re.Pattern[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, part in enumerate(text.split(by) if text else [], 1):
        match = form.fullmatch(part)
        name = part.partition("=")[0]
        if match is None or name in found:
            why = "is not NAME=VALUE with special signs written as %XX" if match is None else f"repeats {name}"
            raise BadInputError(f"PKCS#11 URI: attribute {number} {why} ({_FORM})")
        raw = unquote_to_bytes(part[len(name) + 1 :])
        try:
            found[name] = raw.decode("latin-1" if name == "id" else "utf-8")
        except UnicodeDecodeError:
            raise BadInputError(f"PKCS#11 URI: {name} is not text in UTF-8") from None
    return found


def _only(given: dict[str, str], known: tuple[str, ...]) -> None:
    if unknown := sorted(given.keys() - set(known)):
        raise BadInputError(
            f"PKCS#11 URI: {', '.join(unknown)} is not used here, so it would choose nothing; leave it out ({_FORM})"
        )


def _pin_file(source: str | None) -> Path | None:
    if source is None:
        return None
    if source.startswith("|"):
        raise BadInputError("PKCS#11 URI: pin-source runs no program here; name one in UNHELD_PIN_COMMAND")
    path = Path(source.removeprefix("file:").removeprefix("//"))
    if not source.startswith("file:") or not path.is_absolute():
        raise BadInputError("PKCS#11 URI: write pin-source=file:/PATH, the file's full path")
    return path
