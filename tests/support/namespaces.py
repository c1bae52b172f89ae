"""A small network of Linux network namespaces: each host its own, and one in the middle that all lines go through.

    with network(["branch", "officer", "c0", "c1"]) as net:
        net.run("branch", [...])
        net.cut("c0")

Hosts see the middle alone: what goes from one to another goes through a forwarder there (`tests.support.processes`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import pytest

MIDDLE = "middle"
_NUMBERS = count()


@dataclass(frozen=True)
class Network:
    """Namespaces by host; `prefix` tells this network's from others'."""

    prefix: str
    hosts: tuple[str, ...]

    def inside(self, host: str, command: Sequence[str]) -> list[str]:
        """The command, run in a host's namespace."""
        return ["ip", "netns", "exec", self.name(host), *command]

    def address(self, host: str) -> str:
        """Where a host is, as the middle sees it."""
        return f"10.77.{self.hosts.index(host)}.2"

    def middle(self, host: str) -> str:
        """Where the middle is, as a host sees it."""
        return f"10.77.{self.hosts.index(host)}.1"

    def cut(self, host: str) -> None:
        """Pull a host's cable."""
        _ip("-n", self.name(MIDDLE), "link", "set", f"to{self.hosts.index(host)}", "down")

    def mend(self, host: str) -> None:
        """Put it back."""
        _ip("-n", self.name(MIDDLE), "link", "set", f"to{self.hosts.index(host)}", "up")

    def name(self, host: str) -> str:
        """A host's namespace."""
        return f"{self.prefix}-{host}"

    def lay(self) -> None:
        """Make namespaces and cables."""
        for host in (MIDDLE, *self.hosts):
            _ip("netns", "add", self.name(host))
            _ip("-n", self.name(host), "link", "set", "lo", "up")
        for number, host in enumerate(self.hosts):
            end = f"to{number}"
            cable = ("link", "add", end, "netns", self.name(MIDDLE), "type", "veth")
            _ip(*cable, "peer", "name", "line", "netns", self.name(host))
            for place, device, address in ((MIDDLE, end, self.middle(host)), (host, "line", self.address(host))):
                _ip("-n", self.name(place), "addr", "add", f"{address}/30", "dev", device)
                _ip("-n", self.name(place), "link", "set", device, "up")

    def clear(self) -> None:
        """Take away what is there of it."""
        for host in (MIDDLE, *self.hosts):
            subprocess.run(["ip", "netns", "del", self.name(host)], capture_output=True, check=False)


@contextmanager
def network(hosts: Sequence[str]) -> Iterator[Network]:
    """A network of these hosts, gone at the end. Where there can be none the test is skipped; in CI it fails."""
    # a number each: tests run in any order, and a module's network lives on beside that of one of its tests
    made = Network(f"unheld{os.getpid()}n{next(_NUMBERS)}", tuple(hosts))
    try:
        if why := _missing():
            assert not os.environ.get("CI"), why
            pytest.skip(why)
        made.lay()
        yield made
    finally:
        made.clear()


def _missing() -> str:
    if shutil.which("ip") is None:
        return "ip (iproute2) is not installed: no network namespaces can be made"
    if os.geteuid() != 0:
        return "network namespaces are made by the superuser alone: run these tests as root"
    tried = f"unheld{os.getpid()}-try"
    done = subprocess.run(["ip", "netns", "add", tried], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", tried], capture_output=True, check=False)
    return f"network namespaces cannot be made here: {done.stderr.strip()}" if done.returncode else ""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
