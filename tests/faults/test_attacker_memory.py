"""Memory of living processes: keys of an open day are found while they are held, and nowhere once the day is over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from tests.support.stores import TestStore, made_store
from unheld.testing import memory
from unheld.testing.attacker import Attacker, Loot
from unheld.testing.memory import Dump
from unheld.testing.recorder import Copies
from unheld.testing.synthetic import Operator
from unheld_verify import crypto
from unheld_verify.errors import NotAllowedError

REPOSITORY = Path(__file__).parents[2]
OPERATOR = Operator(seed=5, subscribers=40, days=1)
TODAY: date = OPERATOR.first_day
# the branch's root slot alone: neither the open day's slot nor the custodians'
SEIZED_LESS = ("*/open.slot", "*/s.custodian-slots/*")

pytestmark = pytest.mark.skipif(
    not (os.environ.get("CI") or Path("/proc/self/mem").exists()), reason="memory is read through /proc"
)


@dataclass
class Server:
    """The serving process, and through it the worker."""

    process: subprocess.Popen[str]

    def say(self, word: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    store = made_store(tmp_path, n=3, t=2)
    store.open_day(TODAY)
    store.ingest(OPERATOR.day(TODAY))
    return store


@pytest.fixture
def server(made: TestStore) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.support.held_day", str(made.folder)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield Server(process)
        process.communicate()


def keys_of(made: TestStore) -> list[bytes]:
    """A few of the open day's keys, as a caller knows them."""
    with made.opened(write=False) as store:
        held = store.day_slot.read()
    assert held is not None
    return [key for keys in list(held.keys.keys.values())[:5] for key in keys]


def attack(made: TestStore, *dumps: Dump) -> Loot:
    with Copies([made.folder]) as recorder:
        return Attacker(recorder.recording().without_slots(*SEIZED_LESS).with_memory(*dumps), OPERATOR).closure()


def test_known_keys_are_found_only_while_they_are_held(made: TestStore, server: Server) -> None:
    """While a worker holds the day its keys stand in its memory; after it ended, no living process has one."""
    keys = keys_of(made)
    worker = int(server.say("work"))

    assert memory.count(worker, keys) == len(keys)
    server.say("rest")
    assert memory.count(server.process.pid, keys) == 0


def test_memory_of_a_worker_opens_the_day(made: TestStore, server: Server) -> None:
    """An attacker who reads the worker's memory opens the open day, without its slot and without a custodian."""
    shut = attack(made)
    loot = attack(made, memory.dump(int(server.say("work"))))

    assert shut.opened_folios() == set()
    assert len(loot.opened_folios()) > 0


def test_after_the_close_no_living_process_opens_the_day(made: TestStore, server: Server) -> None:
    """After the close and the worker's end, the memory of what still lives opens nothing."""
    server.say("work")
    server.say("rest")
    made.close()

    assert attack(made, memory.dump(server.process.pid)).opened_folios() == set()


def test_candidates_hold_every_key_in_memory() -> None:
    """The scan for unknown keys misses none: 32 random bytes held by this process are among its candidates."""
    keys = {crypto.random_bytes(32) for _ in range(50)}

    assert keys <= set(memory.dump(os.getpid()).keys)


def test_a_process_that_is_gone_is_refused() -> None:
    """A process id of nobody gives an error that names it."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    with pytest.raises(NotAllowedError, match=f"process {gone.pid}"):
        memory.dump(gone.pid)
