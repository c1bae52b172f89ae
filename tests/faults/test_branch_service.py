"""The branch's service as real processes: custodians over HTTP, a day by the clock, and memory after the close."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.branches import Branch, open_day
from tests.support.calls import ALICE, Call, calls
from tests.support.ceremony import DAY, SEEDS
from tests.support.stores import MAPPINGS
from unheld.testing import memory, textfile
from unheld_branch import __main__ as program
from unheld_branch.custody import addresses
from unheld_branch.kernel import process
from unheld_branch.kernel.clock import CLOCK_VARIABLE
from unheld_branch.store import seeds
from unheld_branch.workflows import day
from unheld_branch.workflows.service import Service, Step
from unheld_verify import columns, custody
from unheld_verify.errors import LockedError, UnheldError

ROOT = Path(__file__).parents[2]
MAPPING = MAPPINGS / "synthetic.toml"


class _Post(BaseHTTPRequestHandler):
    """POST /INDEX: bytes to the desk of that index."""

    def do_POST(self) -> None:
        branch: Branch = self.server.branch  # type: ignore[attr-defined]
        data = self.rfile.read(int(self.headers["Content-Length"]))
        answer = branch.call(int(self.path.strip("/")), data)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def branch(tmp_path: Path) -> Iterator[Branch]:
    """A branch whose custodians listen on a port of this machine."""
    with listening(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    """One for calls that change nothing."""
    with listening(tmp_path_factory.mktemp("untouched")) as made:
        yield made


@contextmanager
def listening(folder: Path) -> Iterator[Branch]:
    made = Branch.made(folder)
    (made.places.slots / seeds.BRANCH).write_text(SEEDS[custody.BRANCH].hex())
    server = HTTPServer(("127.0.0.1", 0), _Post)
    server.branch = made  # type: ignore[attr-defined]
    named = {f"Custodian {index}": f"http://127.0.0.1:{server.server_port}/{index}" for index in range(3)}
    addresses.write(made.places.root.with_name(f"s.{addresses.FILE}"), {1: named})
    for name in ("inbox", "plans"):
        (made.folder / name).mkdir()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def command(branch: Branch, step: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "unheld_branch", step, str(branch.places.root), *words]


def environment(branch: Branch) -> dict[str, str]:
    return {**os.environ, "UNHELD_CLOCK": str(branch.clock.seconds)}


def run(branch: Branch, step: str, *words: str) -> subprocess.CompletedProcess[str]:
    """One call at the branch's time."""
    return subprocess.run(
        command(branch, step, *words), capture_output=True, text=True, check=False, env=environment(branch), cwd=ROOT
    )


def look(branch: Branch) -> list[str]:
    """One look of the service: its steps and their exit codes."""
    folder = branch.folder
    words = ("--inbox", str(folder / "inbox"), "--mapping", str(MAPPING), "--plans", str(folder / "plans"))
    done = run(branch, "run", "--once", *words)
    return [line for line in done.stdout.splitlines() if ": exit " in line]


def look_here(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The same with each step in this process: what a program starts with is not what is tested a second time."""

    def call(step: str, *words: str) -> Step:
        given = program._parser().parse_args([step, str(branch.places.root), *words])
        try:
            return Step(step, program._step(given)[1])
        except UnheldError as error:
            return Step(step, error.exit_code)

    monkeypatch.setenv(CLOCK_VARIABLE, str(branch.clock.seconds))
    folder = branch.folder
    service = Service(branch.places.root, call, folder / "inbox", MAPPING, folder / "plans")
    return [f"{step.words}: exit {step.exit_code}" for step in service.look()]


def test_the_service_keeps_a_day_by_itself(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens and takes in, parks what comes while the line is cut, closes at 23:55 and tells so again, opens
    tomorrow, unparks, and applies headquarters' plan."""
    inbox = branch.folder / "inbox"
    textfile.write(calls(Call(ALICE, columns.date_of(DAY), 60)), inbox / "a.csv")
    assert look(branch) == ["lapse: exit 0", "open: exit 0", "ingest: exit 0"]

    branch.at(DAY, 23.95)
    branch.cut = {0, 1, 2}
    (inbox / "a.csv").unlink()
    textfile.write(calls(Call(ALICE, columns.date_of(DAY), 70)), inbox / "b.csv")
    assert look_here(branch, monkeypatch) == ["close: exit 0", "lapse: exit 0", "open: exit 1", "park: exit 0"]

    branch.at(DAY, 23.97)
    branch.cut = set()
    (inbox / "b.csv").unlink()
    plan = branch.forget(DAY - 2)
    (branch.folder / "plans" / "p.plan").write_bytes(plan.encode())
    (branch.folder / "plans" / "q.plan.part").write_bytes(plan.encode()[:9])
    done = look_here(branch, monkeypatch)

    assert done[:4] == ["close: exit 0", "lapse: exit 0", "apply: exit 0", "open: exit 0"]
    assert sorted(path.name for path in (branch.folder / "plans").iterdir()) == ["applied", "q.plan.part"]
    assert done[4:] == ["unpark: exit 0"]
    with branch.opened() as (store, _):
        assert store.catalog.open_day is not None
        assert store.catalog.open_day.number == DAY + 1
        assert sum(batch.records for batch in store.catalog.batches.values()) == 2
        assert plan.digest in store.catalog.applied


def test_a_step_without_custodians_says_who_is_away(branch: Branch) -> None:
    """Exit code and reasons of each, and nothing changed."""
    branch.cut = {0, 1}

    done = run(branch, "open")

    assert done.returncode == 1
    assert "1 of 2 needed custodians" in done.stderr
    assert "Custodian 0: " in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["open", "nowhere"], 10, "no store there"),
        (["run", "STORE", "--inbox", "nowhere"], 2, "belong together"),
        (["run", "STORE", "--plans", "nowhere"], 1, "no such folder"),
        (["unpark", "STORE", "00"], 1, "no parked batch"),
        (["take-over", "STORE", "STORE/genesis.json"], 1, "signed document"),
        (["close", "STORE"], 1, "no day is open"),
    ],
    ids=["no store", "inbox alone", "no folder", "no batch", "no set", "no day"],
)
def test_a_wrong_call_is_refused_with_its_exit_code(
    untouched: Branch,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    """The place and the mend are named."""
    monkeypatch.setattr(process, "harden", lambda **_: None)  # it would be this process
    monkeypatch.setenv(CLOCK_VARIABLE, str(untouched.clock.seconds))

    with pytest.raises(SystemExit) as ended:
        program.main([word.replace("STORE", str(untouched.places.root)) for word in words])

    told = capsys.readouterr().err
    assert ended.value.code == code, told
    assert said in told


@pytest.mark.skipif(
    not (os.environ.get("CI") or (Path("/proc/self/mem").exists() and os.geteuid() == 0)),
    reason="memory is read through /proc, and that of a step by the superuser only",
)
def test_after_the_close_no_process_of_the_service_holds_a_key(branch: Branch) -> None:
    """A step that works has the day's keys in its memory; the service that started others never has, nor after."""
    open_day(branch)
    with branch.opened() as (store, _):
        held = store.day_slot.read()
    assert held is not None
    keys = [key for keys in list(held.keys.keys.values())[:5] for key in keys]
    words = ("--plans", str(branch.folder / "plans"), "--every", "600")
    service = subprocess.Popen(command(branch, "run", *words), env=environment(branch), cwd=ROOT)
    step = subprocess.Popen(
        command(branch, "ingest", "-", "--mapping", str(MAPPING)), stdin=subprocess.PIPE, env=environment(branch),
        cwd=ROOT,
    )  # fmt: skip
    try:
        _until(lambda: memory.count(step.pid, keys) == len(keys))
        assert memory.count(service.pid, keys) == 0
        step.communicate(textfile_bytes(branch))
        _until(lambda: _closed(branch))

        assert memory.count(service.pid, keys) == 0
        assert step.poll() is not None
    finally:
        service.kill()
        step.kill()
        service.wait()
        step.wait()


def textfile_bytes(branch: Branch) -> bytes:
    path = textfile.write(calls(Call(ALICE, columns.date_of(DAY), 60)), branch.folder / "x.csv")
    return path.read_bytes()


def _closed(branch: Branch) -> bool:
    """Close the day, unless the service's own round is at work on the store just now."""
    try:
        with branch.opened() as (store, custodians):
            day.close_day(store, custodians)
    except LockedError:
        return False
    return True


def _until(holds: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(1)  # each look reads all of a process's memory
