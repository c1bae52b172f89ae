"""The soak's network: a deployment used through its commands, its custodians another process, everything measured.

Every command is a process of its own, as at an operator's; some are killed (SIGKILL) on the way and called again.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from bench.harness import WorkFailedError
from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.workflows import custody
from unheld_verify import columns

N, T = 3, 2
_FORKER = [sys.executable, "-m", "bench.forker"]
_DESKS = [sys.executable, "-m", "bench.desks"]
_ONE_WORD = ("init", "ingest", "status", "check", "doctor")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it printed on stdout."""

    code: int
    output: str
    error: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document it answered with."""
        found: dict[str, Any] = json.loads(self.output)
        return found


@dataclass
class Network:
    """A deployment at `folder/s` with a folder copy of its tree, and the second that everybody's clock shows.

    `peaks` and `seconds`: of each kind of command today, peak resident bytes and wall time; `killed`: how many died.
    `looks`: how often `check` looks at what a command left that was killed.
    """

    folder: Path
    rng: Random
    process: subprocess.Popen[str] | None = None
    forker: subprocess.Popen[str] | None = None
    killed: int = 0
    looks: float = 0
    peaks: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _usual: dict[str, float] = field(default_factory=dict)
    _port: int = 0

    @property
    def deployment(self) -> Deployment:
        """Store and everything beside it."""
        return Deployment(self.folder / "s")

    def at(self, when: date, seconds: int) -> None:
        """Set everybody's clock."""
        second = str(columns.day_of(when) * 86_400 + seconds)
        fresh = self.folder / "clock.new"
        fresh.write_text(second, "ascii")
        fresh.replace(self.folder / "clock")
        os.environ[CLOCK_VARIABLE] = second

    def begin(self) -> None:
        """Found a store of the format before the newest, and its set by the ceremony with custodians across HTTP."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.custodians_come()
        pinned = ["--custodians", str(N), "--threshold", str(T), "--copy", str(self.folder / "copy")]
        self._run("init", ["before", "--store", str(self.deployment.root), "init", "--remote", *pinned], (0,), kill=0)
        names = [word for at in range(N) for word in ("--name", f"custodian-{at}=http://127.0.0.1:{self._port}/{at}")]
        self.call("custody", "init", "--threshold", T, *names)
        while not custody.go(self.deployment).over:
            pass

    def custodians_come(self) -> None:
        """Start the custodians' process and wait until it answers."""
        words = [str(self.folder / "custodians"), str(N), str(self.folder / "clock"), str(self._port)]
        (self.folder / "custodians").mkdir(exist_ok=True)
        self.process = subprocess.Popen([*_DESKS, *words], stdout=subprocess.PIPE, text=True)
        if self.process.stdout is None or not self.process.stdout.readline():
            raise WorkFailedError("the custodians' process did not start")

    def custodians_go(self) -> None:
        """Kill the custodians' process, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def call(self, *words: object, wanted: Sequence[int] = (0,), kill: int = 0) -> Ended:
        """One command of headquarters. It is first begun and killed at a random moment, `kill` times."""
        command = ["unheld", "--store", str(self.deployment.root), "--no-input", *map(str, words)]
        name = " ".join(map(str, words[:1] if words[0] in _ONE_WORD else words[:2]))
        return self._run(name, command, wanted, kill)

    def branch(self, word: str, *words: object, wanted: Sequence[int] = (0,), kill: int = 0) -> Ended:
        """One step of the branch's own program."""
        command = ["unheld-branch", word, str(self.deployment.root), *map(str, words)]
        return self._run(f"branch {word}", command, wanted, kill)

    def _run(self, name: str, command: list[str], wanted: Sequence[int], kill: int) -> Ended:
        for _ in range(kill if name in self._usual else 0):
            self._once(name, command, self._usual[name] * self.rng.uniform(0.3, 0.98))
            if self.rng.random() < self.looks:
                self._look(name)
        ended = self._once(name, command)
        if ended.code not in wanted:
            said = f"{ended.output}\n{ended.error}".strip()
            raise WorkFailedError(f"{' '.join(command)}: exit code {ended.code}: {said[-2000:]}")
        return ended

    def _look(self, after: str) -> None:
        """What was cut off may have left files that no entry names, a publication its planned entries: nothing else."""
        told = self.call("check", "--json", wanted=(0, 3, 20)).document
        left = [one for one in told["findings"] if one["kind"] != "extra"]
        if others := [one for one in left if after != "log publish" or not one["words"].endswith("publish again")]:
            raise WorkFailedError(f"{after} was killed, and check finds {others[:8]}")

    def _once(self, name: str, command: list[str], until: float | None = None) -> Ended:
        out, err, forker = self.folder / "out.txt", self.folder / "err.txt", self._forker()
        asked = {"words": command, "env": dict(os.environ), "out": str(out), "err": str(err)}
        began = time.perf_counter()
        print(json.dumps(asked), file=forker.stdin, flush=True)
        pid = int(_line(forker))
        if until is not None:
            self._strike(pid, until)
        code, peak = json.loads(_line(forker))
        took = time.perf_counter() - began
        self.seconds[name] += took
        self.peaks[name] = max(self.peaks.get(name, 0), peak)
        self.killed += code == -signal.SIGKILL
        if until is None:
            self._usual[name] = took
        return Ended(code, out.read_text("utf-8"), err.read_text("utf-8"))

    @staticmethod
    def _strike(pid: int, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            time.sleep(0.002)
        with suppress(ProcessLookupError):  # it ended before
            os.kill(pid, signal.SIGKILL)

    def _forker(self) -> subprocess.Popen[str]:
        if self.forker is None:
            self.forker = subprocess.Popen(_FORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.forker

    def end(self) -> None:
        """End every process."""
        self.custodians_go()
        if self.forker is not None:
            self.forker.communicate()

    def custodians_bytes(self) -> int:
        """Resident bytes of the custodians' process now; 0 while they are away."""
        if self.process is None:
            return 0
        return int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]) * _PAGE

    def sizes(self) -> dict[str, int]:
        """Bytes on the disk, by what they are."""
        made = self.deployment
        return {
            "blocks": _bytes(made.root / "blocks"),
            "catalog": sum(_bytes(path) for path in made.root.glob("catalog.db*")),
            "copy": _bytes(self.folder / "copy"),
            "row commitments": _bytes(made.root / "rows"),
            "parked": _bytes(made.root / "parked"),
            "other files of the store": sum(
                _bytes(path)
                for path in made.root.iterdir()
                if path.name not in {"blocks", "rows", "parked"} and not path.name.startswith("catalog.db")
            ),
            "log": _bytes(made.log),
            "register": _bytes(made.register),
            "custodians": _bytes(self.folder / "custodians") // N,
        }


def _line(process: subprocess.Popen[str]) -> str:
    found = process.stdout.readline() if process.stdout is not None else ""
    if not found:
        raise WorkFailedError("the forking process ended")
    return found


def _bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
