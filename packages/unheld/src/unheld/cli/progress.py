"""Progress on stderr: a bar on a terminal, one line a minute elsewhere, JSON lines with --log-json."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unheld.cli.output import settings
from unheld_verify.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from unheld_branch.records.codecs import sources

_SLOW, _FAST = 1 / 60, 10.0


@contextmanager
def shown(what: str) -> Iterator[sources.Progress | None]:
    """A callback (bytes done, bytes in all or None) for as long as the block runs."""
    if settings.quiet:
        yield None
    elif sys.stderr.isatty() and not settings.log_json:
        with _bar() as bar:
            task = bar.add_task(what, total=None)

            def move(done: int, total: int | None) -> None:
                bar.update(task, completed=done, total=total)

            yield move
    else:
        yield _Lines(what)


def _bar() -> Progress:
    from rich import progress  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn())
    times = (progress.TransferSpeedColumn(), progress.TimeRemainingColumn())
    return progress.Progress(*columns, *times, console=Console(stderr=True), refresh_per_second=_rate(_FAST))


def _rate(default: float) -> float:
    try:
        return float(os.environ.get("UNHELD_PROGRESS_FPS", default))
    except ValueError:
        raise UsageError("UNHELD_PROGRESS_FPS must be a number of lines a second") from None


class _Lines:
    """One line now and then."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = self._last = time.monotonic()
        self._gap = 1 / max(_rate(_SLOW), 1e-9)

    def __call__(self, done: int, total: int | None = None) -> None:
        now = time.monotonic()
        if now - self._last < self._gap:
            return
        self._last = now
        rate = done / max(now - self._start, 1e-9)
        left = round((total - done) / rate) if total and rate else 0
        ahead = f", {left} s left" if total else ""
        if settings.log_json:
            line = {
                "message_type": "progress",
                "operation": self._what,
                "bytes": done,
                "total": total or 0,
                "left": left,
            }
            print(json.dumps({"schema_version": 1, **line}), file=sys.stderr)
        else:
            print(f"{self._what}: {done >> 20:,} MiB, {rate / 1e6:.1f} MB/s{ahead}", file=sys.stderr)
