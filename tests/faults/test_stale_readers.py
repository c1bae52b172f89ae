"""Whoever read a store before a forgetting: with what is still in its hands or memory it opens nothing forgotten."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support.acts import secrets
from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, trees
from tests.support.ceremony import plan_of
from tests.support.served import founded
from tests.support.stores import TestStore, made_store
from unheld.testing import memory
from unheld_branch.keys.parties import root as root_nodes
from unheld_branch.store.copying import slots_of
from unheld_custodian.kept import NAME
from unheld_custodian.state import decode
from unheld_custodian.state import secrets as secrets_of
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify import columns
from unheld_verify.errors import NotAllowedError, UnheldError

MEMORY = pytest.mark.skipif(
    not (os.environ.get("CI") or Path("/proc/self/mem").exists()), reason="memory is read through /proc"
)
COPY = "far"


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    made = made_store(tmp_path / "m")
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    return made


def party_key(made: TestStore, identity: str) -> bytes:
    """The key in a party's row, which an attacker looks for."""
    with made.opened() as store:
        found = store.parties().find([identity], [202607, 0]).rows
    return bytes(found.keys[0])


@pytest.mark.sqlite
def test_a_snapshot_of_the_database_taken_before_opens_under_no_key_that_lives(made: TestStore) -> None:
    """A connection in a transaction from before sees the old root node for as long as it likes, and as ciphertext."""
    with closing(sqlite3.connect(made.root / "catalog.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        generation, sealed = connection.execute("SELECT generation, body FROM root").fetchone()
        made.forget("tel:" + ALICE)
        assert connection.execute("SELECT body FROM root").fetchone() == (sealed,)
        for secret in secrets(made.folder).values():
            with pytest.raises(UnheldError):
                root_nodes.unseal(sealed, secret, made.deployment.policy().store_id, generation)
    assert trees(made, "tel:" + ALICE) == set()
    assert held(made, "tel:" + BOB) == [(FIRST, 3600)]


@MEMORY
def test_the_memory_of_a_custodian_holds_nothing_erased(tmp_path: Path) -> None:
    """It serves for months: what it held of a column is nowhere in its processes a moment after the erasure."""
    with founded(tmp_path) as (world, running):
        world.ask(0, "open", {"day": columns.day_text(world.today)})
        before = component(tmp_path)
        until_held(running.process.pid, before, [0, len(before)])

        world.ask(0, "erase", {"plan": plan_of("day", world.today, made=world.today)})
        over = before - component(tmp_path)
        assert len(over) > 3
        until_held(running.process.pid, over, [0, 0])
        assert world.ask(0, "open", {"day": columns.day_text(world.today)})["index"] == 0


def until_held(pid: int, secrets_: Collection[bytes], wanted: list[int]) -> None:
    """Wait until a process, and the one that descends from it, hold so many of these secrets."""
    until, held_ = time.monotonic() + 20, list[int]()
    while held_ != wanted:
        assert time.monotonic() < until, held_
        time.sleep(0.1)
        with suppress(NotAllowedError):  # one ended while it was looked at
            held_ = [memory.count(one, secrets_) for one in memory.family(pid)]


def component(folder: Path) -> frozenset[bytes]:
    """What a custodian's disk and slot open."""
    sealed = SealedState(folder / "c0", NAME, FileSlot.open(folder / "0.slot"))
    return secrets_of(decode(sealed.load()))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, bytes]]:
    """A copy's service as a process of its own: it, its address and its key."""
    command = [sys.executable, "-m", "unheld_branch", "copy", "serve", str(tmp_path / COPY), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"(http://[^#]+)#([0-9a-f]+)", process.stdout.readline())
        assert found
        yield process, found[1], bytes.fromhex(found[2])
        process.terminate()
        process.communicate()


@MEMORY
@pytest.mark.slow
def test_the_memory_of_a_copy_s_service_holds_nothing_forgotten(
    tmp_path: Path, serving: tuple[subprocess.Popen[str], str, bytes]
) -> None:
    """It goes on after a forgetting that it acknowledged: neither the old root key nor the row is in its memory."""
    process, address, key = serving
    made = made_store(tmp_path / "m", far={address: key})
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    row, before = party_key(made, "tel:" + ALICE), secrets(slots_of(tmp_path / COPY))
    with made.opened():
        assert max(memory.count(one, list(before.values())) for one in memory.family(process.pid)) > 0
    assert len(memory.family(process.pid)) == 2

    made.forget("tel:" + ALICE)

    over = [secret for which, secret in before.items() if which not in secrets(slots_of(tmp_path / COPY))]
    assert len(over) == 1
    assert [memory.count(one, [*over, row]) for one in memory.family(process.pid)] == [0, 0]
