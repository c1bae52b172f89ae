"""Cold processes, timed one beside the other.

A machine like a shared virtual one drifts by 25-40 % within minutes, so works are interleaved round by round, every run
is a fresh process, and the figure is the median.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import IO

from unheld_verify.errors import UnheldError


class WorkFailedError(UnheldError):
    """A timed command did not succeed, so its time means nothing."""


@dataclass(frozen=True)
class Run:
    """One finished process: wall-clock seconds, peak resident bytes of its largest process, what it printed."""

    seconds: float
    peak: int
    output: str


def run(command: Sequence[str]) -> Run:
    """Run a command to its end. Raises WorkFailedError with what it wrote on stderr if it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)  # wait4 has taken it; Popen cannot ask again
        printed, complaint = (_text(stream) for stream in (out, err))
    if child.returncode != 0:
        raise WorkFailedError(f"{' '.join(command)}: exit code {child.returncode}: {complaint.strip()[-2000:]}")
    return Run(seconds, usage.ru_maxrss * 1024, printed)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


def interleaved(works: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Every work once a round; every second round in reverse, so that neither always follows the other."""
    found: dict[str, list[Run]] = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works)[:: -1 if number % 2 else 1]:
            found[name].append(works[name]())
    return found


def middle(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    """The median of one figure of some runs."""
    return median(of(each) for each in runs)
