"""A service whose secrets are in a child process, which ends once it destroyed any; then the next one begins.

What Python freed stays in a process's memory: nothing less than its end lets go of a secret.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NoReturn

from unheld_verify.errors import UnheldError

AGAIN = 75
"""Exit code of a child that destroyed a secret: begin another."""
_STOPS = (signal.SIGTERM, signal.SIGINT)
Work = Callable[[Any, Connection], int]
"""What a child does: given what the one before sent (None for the first) and the line to its parent; its exit code.

The line has an end to read when the parent was killed: then end, too. What is sent there is for the next.
"""


def run(work: Work) -> int:
    """Let one child after another work, until one does not end with AGAIN, or SIGTERM or SIGINT came; the exit code.

    This process reads no secret. Who connects to a socket of both waits for a moment between two children. Raises the
    UnheldError that a child raised.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be a copy of the secrets
    children: list[int] = []
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)
        for pid in children:
            os.kill(pid, number)

    before = {number: signal.signal(number, stop) for number in _STOPS}
    code, handed = AGAIN, None
    try:
        while code == AGAIN and not stopping:
            code, handed = _child(partial(work, handed), children, stopping)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopping and code in (AGAIN, *(-number for number in _STOPS)):
        return 0
    if code < 0:  # who killed it meant this service
        os.kill(os.getpid(), -code)
    return code


def _child(work: Callable[[Connection], int], children: list[int], stopping: list[int]) -> tuple[int, Any]:
    """(exit code of `work` in a fork, what it sent). Raises what it raised."""
    here, there = Pipe()
    pid = os.fork()
    if not pid:
        here.close()
        _end(work, there)
    there.close()
    sent = None
    with here:
        children.append(pid)
        if stopping:
            os.kill(pid, stopping[0])
        status = os.waitpid(pid, 0)[1]
        children.clear()
        if here.poll():
            with suppress(EOFError):
                sent = here.recv()
    if isinstance(sent, UnheldError):
        raise sent
    return os.waitstatus_to_exitcode(status), sent


def _end(work: Callable[[Connection], int], line: Connection) -> NoReturn:
    """A child's whole life: nothing of its parent's clean-up runs in it."""
    code = 1
    try:
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)
        code = work(line)
    except UnheldError as error:
        line.send(error)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
