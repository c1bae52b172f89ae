"""Where a token's PIN comes from. A PIN that a token refused is never sent to it again by this process."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
from pathlib import Path

from unheld_slots.pkcs11.uri import TokenUri
from unheld_verify.errors import BadInputError, NotAllowedError, WrongKeyError

COMMAND_VARIABLE = "UNHELD_PIN_COMMAND"
_COMMAND_SECONDS = 120

# By the token's serial number. A command that opens two slots asks once, and a wrong PIN costs one try of a few.
_given: dict[str, str] = {}
_refused: set[tuple[str, str]] = set()


def pin_for(uri: TokenUri, serial: str) -> str:
    """The PIN from the URI's file, from UNHELD_PIN_COMMAND, or asked for. Raises before the token is tried in vain.

    Raises BadInputError (its source cannot be read), NotAllowedError (no source), WrongKeyError (refused before).
    """
    pin = _from_file(uri.pin_file) if uri.pin_file else _given.get(serial) or _asked(uri)
    if (serial, pin) in _refused:
        raise wrong(uri)
    if uri.pin_file is None:
        _given[serial] = pin
    return pin


def refuse(uri: TokenUri, serial: str, pin: str) -> WrongKeyError:
    """Note that the token refused this PIN; the error to raise."""
    _refused.add((serial, pin))
    _given.pop(serial, None)
    return wrong(uri)


def wrong(uri: TokenUri) -> WrongKeyError:
    """The error of a PIN that the token refused."""
    return WrongKeyError(
        f"{uri}: the PIN is wrong. It was tried once and is not tried again, since a token locks after a few: mend "
        f"{uri.pin_file or 'what was entered or what ' + COMMAND_VARIABLE + ' prints'}, then call again"
    )


def _from_file(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
        shared = path.stat().st_mode & 0o007
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: the PIN cannot be read there: {error}") from None
    if shared:
        raise BadInputError(f"{path}: everybody on this machine may open the PIN's file; chmod 600 {path}")
    return _one_line(text, str(path))


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
