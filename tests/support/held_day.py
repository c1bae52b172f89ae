"""A process that serves and a process that works, as in production: only the worker ever holds the open day's keys.

    python -m tests.support.held_day FOLDER

Reads lines: `work` starts a worker that holds the open day and prints its process id, `rest` ends it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from unheld_branch.store.openday import OpenDaySlot


def hold(folder: Path) -> None:
    """Hold the open day until standard input ends."""
    held = OpenDaySlot(folder / "s", f"file:{folder / 's.slots' / 'open.slot'}").read()
    assert held is not None
    sealed_again = held.directory_key + held.keys.to_bytes()  # what an erasure of a column would seal
    print("held", len(sealed_again), flush=True)
    sys.stdin.read()


def serve(folder: Path) -> None:
    """Start and end a worker when told to."""
    worker: subprocess.Popen[str] | None = None
    for line in sys.stdin:
        if line.strip() == "work":
            command = [sys.executable, "-m", "tests.support.held_day", str(folder), "worker"]
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert worker.stdout is not None
            worker.stdout.readline()
            print(worker.pid, flush=True)
        elif worker is not None:
            worker.communicate()
            print("ended", flush=True)


if __name__ == "__main__":
    (hold if sys.argv[2:] else serve)(Path(sys.argv[1]))
