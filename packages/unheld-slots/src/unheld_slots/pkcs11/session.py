"""One call of a slot, one worker process: started, asked, ended. The process that calls never loads a module."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from unheld_slots.pkcs11 import pin
from unheld_slots.pkcs11.uri import TokenUri
from unheld_verify.errors import BadInputError, StateError

# How long one request may take. A network HSM that fails over answers within it.
SECONDS = 60
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
WORKER = (sys.executable, "-I", "-m", "unheld_slots.pkcs11.worker")


class TokenError(Exception):
    """A request failed: `kind` is PKCS#11's name for it, or one of the worker's, or Dead or Slow."""

    def __init__(self, kind: str, words: str = "") -> None:
        super().__init__(words)
        self.kind = kind


class Session:
    """A worker logged in to the token of `uri`. Use it as a context; `calls` is what the token calls itself."""

    def __init__(self, uri: TokenUri) -> None:
        if importlib.util.find_spec("pkcs11") is None:
            raise BadInputError(
                f"{uri}: needs python-pkcs11, which is not installed: pip install 'unheld-slots[pkcs11]'"
            )
        self._uri = uri
        self.calls: dict[str, Any] = {}

    def __enter__(self) -> Session:
        self._turn = _turn()
        ours, theirs = socket.socketpair()
        with theirs:
            # its own session: Ctrl-C here must not end it between two objects of one generation
            self._process = subprocess.Popen(
                WORKER,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(SECONDS)
        self._channel, self._stream = ours, ours.makefile("rw", encoding="utf-8", newline="\n")
        try:
            self._login()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, do: str, **values: Any) -> Any:
        """One request. Raises TokenError."""
        try:
            self._stream.write(json.dumps({"do": do, **values}) + "\n")
            self._stream.flush()
            line = self._stream.readline()
        except TimeoutError:
            self._process.kill()
            raise TokenError("Slow", f"no answer in {SECONDS} seconds; its process was ended") from None
        except OSError:
            line = ""
        if not line:
            raise TokenError("Dead", "the process that runs the module ended in the middle of a call")
        found = json.loads(line)
        if "fault" in found:
            raise TokenError(found["fault"], found["words"])
        return found["ok"]

    def _login(self) -> None:
        self.calls = self.ask("find", module=str(self._uri.module), token=self._uri.token)
        serial = self.calls["serial"]
        secret = pin.pin_for(self._uri, serial, self._turn)
        try:
            self.ask("login", pin=secret.text)
        except TokenError as fault:
            if fault.kind in {"PinIncorrect", "PinInvalid", "PinLenRange"}:
                raise pin.refuse(self._uri, serial, secret, self._turn) from None
            raise

    def _end(self) -> None:
        for item in (self._stream, self._channel):
            try:
                item.close()
            except OSError:  # the worker is gone with a request unread
                continue
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._turn)


def _turn() -> int:
    """Wait for this user's other processes to leave their tokens: SoftHSM fails now and then when two write at once.

    Gives the open file that says whose turn it is.
    """
    name = f"unheld-pkcs11-{os.getuid()}.lock"
    try:
        handle = os.open(Path(tempfile.gettempdir()) / name, _FLAGS, 0o600)
    except OSError as error:
        raise StateError(
            f"tokens are used in turn, by a file in the folder of temporary files, and it cannot be opened ({error}): "
            f"nothing was changed; make that folder writable, or remove another's {name} from it"
        ) from None
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle
