"""A copy's keys are in a process of their own, which ends before what it destroyed is acknowledged.

    service  lines; carries sealed bytes; keeps a seed that signs and opens nothing
    nursery  forks workers, and waits for their end; forked from the service before anybody asked anything
    worker   a keeper: doors, letters, rows, root keys. One at a time

What Python freed stays in a process's memory, so nothing less than its end lets go of a key.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NoReturn

from unheld_branch.copies import letters
from unheld_branch.copies.keeper import DOOR_SECONDS, Keeper
from unheld_branch.kernel import process
from unheld_verify import custody
from unheld_verify.errors import InternalError

_BEGIN, _END = b"b", b"e"
_PATIENCE, _LOOK = 5.0, 0.002
"""Seconds that a worker may take to end when nothing is asked of it any more; then it is killed."""


class Desk:
    """A keeper's place taken by workers: `handle` as a keeper's own, by one thread.

    Make it before this process has threads, or a key of anybody's.
    """

    def __init__(self, keeper: Keeper) -> None:
        self.key = keeper.key
        self._worker: Connection | None = None
        self._nursery, there = socket.socketpair()
        self._pid = process.fork()
        if not self._pid:
            self._nursery.close()
            _nurse(there, keeper)
        there.close()

    def handle(self, data: bytes) -> bytes:
        """Answer one message. After the last of an exchange the worker has ended before this returns."""
        try:
            return self._asked(data)
        except (EOFError, OSError):
            self._let_go()
            return custody.refused("the process that was at it ended: knock again")

    def look(self) -> None:
        """See that workers can be had. Raises InternalError: start the service anew."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = 0
        if not self._pid:
            raise InternalError("the process that begins a copy's workers was ended; start the service again")

    def close(self) -> None:
        """End the worker, and the nursery."""
        self._let_go()
        self._nursery.close()
        if self._pid:
            os.waitpid(self._pid, 0)
            self._pid = 0

    def _asked(self, data: bytes) -> bytes:
        if self._worker is not None and self._worker.poll():  # it says something unasked: that it is gone
            self._let_go()
        if self._worker is None:
            self._worker = self._begun()
        self._worker.send_bytes(data)
        if not self._worker.poll(DOOR_SECONDS):
            raise TimeoutError
        said = self._worker.recv_bytes()
        if said[0]:
            self._let_go()
        return said[1:]

    def _begun(self) -> Connection:
        here, there = Pipe()
        with there:
            socket.send_fds(self._nursery, [_BEGIN], [there.fileno()])
        self._nursery.recv(1)
        return here

    def _let_go(self) -> None:
        """See the worker's end: by then its memory is nobody's."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
            try:
                self._nursery.sendall(_END)
                self._nursery.recv(1)
            except OSError:  # `look` will tell
                return


def _nurse(line: socket.socket, keeper: Keeper) -> NoReturn:
    """Fork a worker when told, and see it end, until the service is gone."""
    pid = 0
    locked = process.memory_is_locked()
    try:
        for number in (signal.SIGTERM, signal.SIGINT):  # the service ends first, and with it the line
            signal.signal(number, signal.SIG_IGN)
        while True:
            word, files, _, _ = socket.recv_fds(line, 1, 1)
            _see_end(pid)
            pid = 0
            if not word:
                break
            if word == _BEGIN:
                with Connection(files[0]) as end:
                    pid = process.fork()
                    if not pid:
                        line.close()
                        _work(end, keeper, locked)
            line.sendall(word)
    finally:
        os._exit(0)


def _work(line: Connection, keeper: Keeper, locked: bool) -> NoReturn:
    """A worker's whole life: one exchange that does something, or until nobody wants anything for as long as doors are.

    A fork does not inherit locked memory.
    """
    try:
        process.harden(lock_memory=locked)
        while line.poll(DOOR_SECONDS):
            said = keeper.handle(line.recv_bytes(letters.BYTES_MOST))
            line.send_bytes(bytes([keeper.over]) + said)
            if keeper.over:
                break
        keeper.close()
    except (EOFError, OSError):  # the service is gone: what was not stored is thrown away with this process
        pass
    finally:
        os._exit(0)


def _see_end(pid: int) -> None:
    until = time.monotonic() + _PATIENCE
    while pid and not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(_LOOK)
