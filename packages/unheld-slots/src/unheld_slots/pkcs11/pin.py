"""Where a token's PIN comes from. A PIN that a token refused is never sent to it again by this process.

Nor by another one while the PIN's file stays as it is: services start again by themselves, and the branch's takes a
process for every step, so that a slip in that file would lock a token within minutes. What is remembered, in the file
of the turn that a session holds, is which state of which file was refused by which token, and nothing of the PIN.
"""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from unheld_slots.pkcs11.uri import TokenUri
from unheld_verify import crypto
from unheld_verify.errors import BadInputError, NotAllowedError, WrongKeyError

COMMAND_VARIABLE = "UNHELD_PIN_COMMAND"
_COMMAND_SECONDS = 120
_MARK = 32

# By the token's serial number. A command that opens two slots asks once, and a wrong PIN costs one try of a few.
_given: dict[str, str] = {}
_refused: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Pin:
    """A PIN. `mark` names the state of the file it stands in and the token it is for, and nothing of it; or nothing."""

    text: str = field(repr=False)
    mark: bytes = b""


def pin_for(uri: TokenUri, serial: str, turn: int) -> Pin:
    """The PIN from the URI's file, from UNHELD_PIN_COMMAND, or asked for. Raises before the token is tried in vain.

    `turn` is the open file in which refused files are noted, held by this process alone. Raises BadInputError (its
    source cannot be read), NotAllowedError (no source), WrongKeyError (refused before).
    """
    found = _from_file(uri.pin_file, serial) if uri.pin_file else Pin(_given.get(serial) or _asked(uri))
    if (serial, found.text) in _refused or found.mark in _marks(turn):
        raise wrong(uri)
    if uri.pin_file is None:
        _given[serial] = found.text
    return found


def refuse(uri: TokenUri, serial: str, refused: Pin, turn: int) -> WrongKeyError:
    """Note that the token refused this PIN; the error to raise."""
    _refused.add((serial, refused.text))
    _given.pop(serial, None)
    os.pwrite(turn, refused.mark, os.fstat(turn).st_size)
    return wrong(uri)


def wrong(uri: TokenUri) -> WrongKeyError:
    """The error of a PIN that the token refused."""
    mend = f"write it anew into {uri.pin_file}" if uri.pin_file else f"mend what was entered or {COMMAND_VARIABLE}"
    return WrongKeyError(
        f"{uri}: the PIN is wrong. It was tried once and is not tried again, since a token locks after a few: {mend}, "
        "then try again"
    )


def _marks(turn: int) -> set[bytes]:
    data = os.pread(turn, os.fstat(turn).st_size, 0)
    return {data[start : start + _MARK] for start in range(0, len(data), _MARK)}


def _from_file(path: Path, serial: str) -> Pin:
    try:
        with path.open(encoding="utf-8") as file:
            text, at = file.read(), os.fstat(file.fileno())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{path}: the PIN cannot be read there: {error}; put it there, for this user alone"
        ) from None
    if at.st_mode & 0o007:
        raise BadInputError(f"{path}: everybody on this machine may open the PIN's file; chmod 600 {path}")
    state = f"{serial} {path} {at.st_ino} {at.st_size} {at.st_mtime_ns}"
    return Pin(_one_line(text, str(path)), crypto.sha256(state.encode()))


def _asked(uri: TokenUri) -> str:
    command = os.environ.get(COMMAND_VARIABLE)
    if command:
        return _from_command(command)
    if not sys.stdin.isatty():
        raise NotAllowedError(
            f"{uri}: needs its PIN: add pin-source=file:/PATH to the slot's URI, set {COMMAND_VARIABLE}, or call from "
            "a terminal"
        )
    return _one_line(getpass.getpass(f"PIN of the token of {uri.name}: "), "the PIN")


def _from_command(command: str) -> str:
    try:
        ran = subprocess.run(
            shlex.split(command), stdout=subprocess.PIPE, text=True, check=True, timeout=_COMMAND_SECONDS
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise BadInputError(f"{COMMAND_VARIABLE}: printed no PIN ({type(error).__name__}): run it by hand") from None
    return _one_line(ran.stdout, COMMAND_VARIABLE)


def _one_line(text: str, source: str) -> str:
    pin = text.removesuffix("\n").removesuffix("\r")
    if not pin or "\n" in pin or "\0" in pin:
        raise BadInputError(f"{source}: give the PIN alone, in one line")
    return pin
