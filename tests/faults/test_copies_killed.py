"""A copy's processes, the shipped ones behind real HTTP, are killed at any durable write of following or forgetting."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.calls import BOB, FIRST, Call, calls, held, trees
from tests.support.stores import TestStore, made_store
from unheld_branch.store.check import check
from unheld_branch.store.replica import Replica
from unheld_verify.errors import UnheldError

ROOT = Path(__file__).parents[2]
# Every third durable write: those between are the two sides of one rename, or alike.
PACE, MOST = 3, 40


@dataclass
class Served:
    """`unheld-branch copy serve FOLDER` as a process, at one port, however often it is started."""

    folder: Path
    port: int
    child: subprocess.Popen[str]

    @property
    def armed(self) -> Path:
        """A number in this file: so many durable writes from now it is killed."""
        return self.folder.with_name("armed")

    def again(self) -> None:
        """Kill all of it, and start it."""
        self.child.kill()
        self.child.communicate()
        self.child = _start(self.folder, self.port)[0]


def _start(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    words = ["run", folder.with_name("clock"), folder.with_name("armed"), "unheld_branch", "copy", "serve", folder]
    call = [sys.executable, "-m", "tests.support.processes", *map(str, words), "--listen", f"127.0.0.1:{port}"]
    child = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    found = re.search(r"http://\S+#([0-9a-f]{64})", child.stdout.readline())
    assert found is not None
    return child, found[1]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[TestStore, Served]]:
    """A store with a day open, and its copy as a process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "clock").write_text("1782864000")
    child, key = _start(tmp_path / "far", port)
    copy = Served(tmp_path / "far", port, child)
    made = made_store(tmp_path / "m", far={f"http://127.0.0.1:{port}": bytes.fromhex(key)})
    made.open_day(FIRST)
    yield made, copy
    copy.child.kill()
    copy.child.communicate()


def _in_step(made: TestStore, copy: Served) -> None:
    with made.opened() as store:
        assert [one.standing.generation for one in store.copies if one.standing] == [store.catalog.generation]
        assert check(store).findings == ()
        rows = {number: tree.rows for number, tree in store.root.trees.items()}
    replica = Replica("far", copy.folder)
    standing = replica.standing()
    replica.close()
    assert (dict(standing.rows), standing.erasing) == (rows, False)


def _kills(made: TestStore, copy: Served, prepare: Callable[[int], object], act: Callable[[int], object]) -> int:
    """Do an act again and again, the copy's worker killed one write later each time; how many kills there were.

    Every other time its service is killed, too; else it goes on with a new worker.
    """
    for killed, at in enumerate(range(1, MOST, PACE)):
        prepare(at)
        copy.armed.write_text(str(at))
        with suppress(UnheldError):
            act(at)
        over = copy.armed.exists()
        copy.armed.unlink(missing_ok=True)
        assert copy.child.poll() is None
        if killed % 2:
            copy.again()
        _in_step(made, copy)
        if over:
            return killed
    raise AssertionError(f"an act of more than {MOST} durable writes")


@pytest.mark.slow
def test_a_copy_killed_at_any_write_while_it_follows_has_everything_when_it_is_back(
    served: tuple[TestStore, Served],
) -> None:
    """The store goes on without it; no record is lost, and both hold the same."""
    made, copy = served
    taken: list[int] = []

    def ingest(at: int) -> None:
        taken.append(100 + at)
        made.ingest(calls(Call(BOB, second=100 + at), Call(f"+9995550{at:04}", second=1)))

    assert _kills(made, copy, lambda _: None, ingest) > 2
    assert held(made, "tel:" + BOB) == [(FIRST, second) for second in taken]


@pytest.mark.slow
def test_a_copy_killed_at_any_write_of_a_forgetting_resurrects_nobody(served: tuple[TestStore, Served]) -> None:
    """Back again both have forgotten, or neither has and it is done anew; who was not named stays."""
    made, copy = served
    made.ingest(calls(Call(BOB, second=5)))
    undone: list[int] = []

    def forget(at: int) -> None:
        made.forget(f"tel:+9995550{at:04}")

    def prepare(at: int) -> None:
        made.ingest(calls(Call(f"+9995550{at:04}", second=1)))
        undone.append(at)

    assert _kills(made, copy, prepare, forget) > 2
    for at in undone:
        if trees(made, f"tel:+9995550{at:04}"):
            forget(at)
    _in_step(made, copy)
    assert [trees(made, f"tel:+9995550{at:04}") for at in undone] == [set() for _ in undone]
    assert held(made, "tel:" + BOB) == [(FIRST, 5)]
