"""Branch, headquarters and custodians as real processes, each host in a network namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path

from tests.support import processes
from tests.support.namespaces import MIDDLE, Network, network
from tests.support.stores import MAPPINGS
from unheld.assembly import Deployment
from unheld.testing import memory
from unheld.testing.memory import Dump
from unheld_branch.custody import addresses

ROOT = Path(__file__).parents[2]
BRANCH, OFFICER = "branch", "officer"
_FIRST_PORT = 9000


@dataclass
class Far:
    """A deployment at `folder/s`, and custodians c0, c1 … each at `folder/cN` in its own namespace."""

    folder: Path
    net: Network
    n: int
    second: int
    served: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """The branch's store."""
        return self.folder / "s"

    @property
    def lines(self) -> Path:
        """Where the forwarder writes down every byte."""
        return self.folder / "lines"

    @property
    def branch_folders(self) -> tuple[Path, ...]:
        """All disks of branch and headquarters."""
        return Deployment(self.store).folders()

    def disks(self, index: int) -> tuple[Path, ...]:
        """A custodian's disk and slot."""
        return self.folder / f"c{index}", self.folder / f"c{index}.slot"

    def memory(self, index: int) -> Dump:
        """A custodian's living memory: that of its service and of the process that holds its secrets."""
        each = [memory.dump(pid) for pid in memory.family(self.served[index].pid)]
        return Dump(*(tuple(chain.from_iterable(parts)) for parts in zip(*map(astuple, each), strict=True)))

    def at(self, second: int) -> None:
        """Set the clock of every host."""
        self.second = second
        fresh = self.folder / "clock.new"
        fresh.write_text(str(second))
        fresh.replace(self.folder / "clock")

    def arm(self, host: str, writes: int) -> None:
        """Kill the next process of a host before so many durable writes from now."""
        self._armed(host).write_text(str(writes))

    def disarm(self, host: str) -> bool:
        """Whether nobody was killed: the step had fewer writes."""
        left = self._armed(host).exists()
        self._armed(host).unlink(missing_ok=True)
        return left

    def start(self, index: int) -> None:
        """Serve a custodian; anew if it was killed."""
        if index in self.served:
            self.stop(index)
        words = ("--listen", "0.0.0.0:8440", "--page", "127.0.0.1:8441")
        given = ("--name", f"Custodian {index}") if index not in self.links else ()
        command = self._program(
            f"c{index}", "unheld_custodian", "serve", str(self.folder / f"c{index}"), *words, *given
        )
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(), cwd=ROOT
        )
        assert process.stdout
        said = process.stdout.readline() + process.stdout.readline()
        assert "for others" in said, said + process.communicate()[0]
        self.served[index] = process
        if "as bookmarked" not in said:
            self.links[index] = processes.bookmark(said)

    def stop(self, index: int) -> int:
        """End a custodian's process if it lives; how it ended."""
        process = self.served.pop(index)
        process.terminate()
        process.communicate()
        return process.returncode

    def approve(self) -> None:
        """Every person says yes on their own pages."""
        own = [sys.executable, "-m", "tests.support.processes", "person"]
        persons = {
            index: _begin(self.net.inside(f"c{index}", [*own, self.links[index]])) for index in sorted(self.served)
        }
        for index, person in persons.items():
            cookie, _ = person.communicate()
            assert person.returncode == 0
            self.links[index] = f"{self.links[index].partition('#')[0]}#{cookie.strip()}"

    def branch(self, step: str, *words: str) -> int:
        """A step of the branch in its namespace; its exit code. What it complained of stands on stderr."""
        done = _run(self._program(BRANCH, "unheld_branch", step, str(self.store), *words))
        print(step, done.returncode, done.stderr, file=sys.stderr)
        return done.returncode

    def officer(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of headquarters in its namespace."""
        return _run(self._program(OFFICER, "unheld", "--store", str(self.store), "--no-input", *words))

    def take_in(self, source: Path) -> int:
        """Seal a file of records."""
        return self.branch("ingest", str(source), "--mapping", str(MAPPINGS / "synthetic.toml"))

    def found(self, t: int, lifetimes: Sequence[str]) -> None:
        """Headquarters proposes a set; the branch learns where its custodians are."""
        options = [word for one in lifetimes for word in ("--lifetime", one)]
        sized = ("--custodians", str(self.n), "--threshold", str(t))
        made = self.officer("init", "--remote", *sized, *options)
        assert made.returncode == 0, made.stderr
        names = [word for one in self.urls(OFFICER).items() for word in ("--name", "=".join(one))]
        proposed = self.officer("custody", "init", "--threshold", str(t), *names)
        assert proposed.returncode == 0, proposed.stderr
        addresses.write(self.store.with_name(f"s.{addresses.FILE}"), {1: self.urls(BRANCH)})

    def go(self) -> int:
        """One call of headquarters to go on with the ceremony; its exit code."""
        return self.officer("custody", "go").returncode

    def go_on(self) -> None:
        """Until the set is founded."""
        for _ in range(8):
            if self.go() == 0:
                return
            self.approve()
        raise AssertionError(self.officer("custody", "go").stdout)

    def urls(self, host: str) -> dict[str, str]:
        """Where custodians are for a host: the forwarder's ports."""
        return {
            f"Custodian {index}": f"http://{self.net.middle(host)}:{_FIRST_PORT + index}/v1" for index in range(self.n)
        }

    def killed(self, host: str, writes: int, step: Callable[[], int]) -> tuple[bool, bool]:
        """Do a step in which a host's process is killed before so many writes; a custodian starts anew.

        Whether it died, and whether the step succeeded all the same.
        """
        self.arm(host, writes)
        code = step()
        died = not self.disarm(host)
        if died and host.startswith("c"):
            self.start(int(host[1:]))
        return died, code == 0

    def cut(self, host: str, step: Callable[[], int]) -> int:
        """Do a step while a host's cable is pulled; the step's exit code."""
        self.net.cut(host)
        try:
            return step()
        finally:
            self.net.mend(host)

    def rob(self, *days: date) -> int:
        """With the branch's keys, in its namespace: how many of these days the custodians give."""
        own = [sys.executable, "-m", "tests.support.processes", "rob", str(self.store), str(self.folder / "clock")]
        done = _run(self.net.inside(BRANCH, [*own, *map(str, days)]))
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def forward(self) -> subprocess.Popen[str]:
        """The forwarder in the middle."""
        self.lines.mkdir()
        places = [f"{_FIRST_PORT + index}={self.net.address(f'c{index}')}:8440" for index in range(self.n)]
        command = [sys.executable, "-m", "tests.support.processes", "forward", str(self.lines), *places]
        process = subprocess.Popen(
            self.net.inside(MIDDLE, command), stdout=subprocess.PIPE, text=True, env=_environment(), cwd=ROOT
        )
        assert process.stdout
        assert process.stdout.readline() == "forwarding\n"
        return process

    def _armed(self, host: str) -> Path:
        return self.folder / f"{host}.armed"

    def _program(self, host: str, module: str, *words: str) -> list[str]:
        own = [sys.executable, "-m", "tests.support.processes", "run"]
        return self.net.inside(host, [*own, str(self.folder / "clock"), str(self._armed(host)), module, *words])


@contextmanager
def far(folder: Path, n: int, second: int) -> Iterator[Far]:
    """Hosts laid out, custodians serving, nothing founded yet."""
    with network([BRANCH, OFFICER, *(f"c{index}" for index in range(n))]) as net, ExitStack() as held:
        made = Far(folder, net, n, second)
        made.at(second)
        middle = held.enter_context(made.forward())
        held.callback(middle.kill)
        held.callback(lambda: [made.stop(index) for index in list(made.served)])
        for index in range(n):
            made.start(index)
        yield made


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(), cwd=ROOT)


def _begin(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment(), cwd=ROOT)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
