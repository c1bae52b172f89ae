"""The command line as its users meet it: in this process where speed matters, as a process or on a terminal where it is
the process that is tested.

    made = Box(tmp_path)
    assert made("init").code == 0
    assert made("status", "--json").document["generation"] == 1
"""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support import databases
from unheld.assembly import CLOCK_VARIABLE
from unheld.cli import (  # noqa: F401
    access_commands,
    casefolder_command,
    copy_commands,
    custody_commands,
    demand_paper_commands,
    demand_register_commands,
    erase_commands,
    exit_commands,
    page_command,
    proof_commands,
    record_commands,
    store_commands,
    upgrade_commands,
)
from unheld.cli.app import call
from unheld_branch.kernel import process
from unheld_verify import columns

PROGRAM = Path(sys.executable).with_name("unheld")
NOON = 43_200


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The last line on stderr, which a program reads."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        return found


def in_process(words: Sequence[str], *, stdin: bytes = b"", **variables: str) -> Ended:
    """Run a command in this process. Only the hardening of the process is left out: it would be this test's."""
    out, err = io.StringIO(), io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, variables))
        stack.enter_context(patch.object(process, "harden"))
        stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = call(words)
    return Ended(code, out.getvalue(), err.getvalue())


@dataclass
class Box:
    """A place for one deployment (`folder/s`) and the second it lives in."""

    folder: Path
    when: date = date(2026, 7, 1)
    seconds: int = NOON
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The store's folder."""
        return self.folder / "s"

    @property
    def clock(self) -> str:
        """The value of the clock's variable."""
        return str(columns.day_of(self.when) * 86_400 + self.seconds)

    def __call__(self, *words: str | Path, stdin: bytes = b"") -> Ended:
        """Run a command on this store, in this process."""
        return in_process(self.words(*words), stdin=stdin, **{CLOCK_VARIABLE: self.clock, **self.variables})

    def words(self, *words: str | Path) -> list[str]:
        """The call's words. What founds a store founds it where this run of the tests has databases."""
        said = ["--store", str(self.root), *map(str, words)]
        founds = "init" in said and "custody" not in said and "--database" not in said
        return said + databases.words(1 + said.count("--copy")) if founds else said

    def start(self, *words: str | Path, **given: Any) -> subprocess.Popen[str]:
        """Start a command as a process of its own."""
        environment = {**os.environ, CLOCK_VARIABLE: self.clock, **self.variables, **given.pop("env", {})}
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **given}
        return subprocess.Popen([str(PROGRAM), *self.words(*words)], env=environment, text=True, **given)

    def process(self, *words: str | Path, **given: Any) -> Ended:
        """Run a command as a process of its own."""
        child = self.start(*words, **given)
        out, err = child.communicate(timeout=60)
        return Ended(child.returncode, out, err)

    def terminal(self, *words: str | Path, answers: Sequence[tuple[str, str]] = ()) -> tuple[int, str]:
        """Run a command on an 80-column terminal; each answer is typed once its question stands there.

        Returns (exit code, everything the terminal showed).
        """
        environment = {**os.environ, CLOCK_VARIABLE: self.clock, "TERM": "xterm", "COLUMNS": "80", **self.variables}
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [str(PROGRAM), *self.words(*words)], environment)  # noqa: S606 - the program under test
        shown, waiting, until = "", list(answers), time.monotonic() + 60
        while time.monotonic() < until:
            if waiting and waiting[0][0] in shown:
                time.sleep(0.2)  # a hidden question first throws away what was typed ahead of it
                os.write(terminal, waiting.pop(0)[1].encode())
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(terminal, 65_536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece.decode()
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), shown
