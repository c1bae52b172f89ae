"""`python -m fuzz [TARGET…] [--seconds N] [--runs N]`: feed every reader of bytes, or these, what atheris makes up.

A target is a reader of `tests/support/readers.py`; its corpus is `fuzz/corpus/TARGET/`. What breaks one lies in
`fuzz/found/` afterwards: `python -m fuzz TARGET --file FOUND` shows how. Once it is mended it goes into the corpus.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import atheris

_PACKAGES = ["unheld", "unheld_branch", "unheld_custodian", "unheld_slots", "unheld_verify"]
with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=_PACKAGES):  # it names every module
    from tests.support.readers import READERS

from fuzz.kept import CORPUS, examples  # noqa: E402 - after what is instrumented
from tests.support.reader import stand  # noqa: E402

FOUND = Path(__file__).parent / "found"
_FAILED = 70
_LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1")


@dataclass(frozen=True)
class _Run:
    """A target that is being fuzzed in a child process."""

    target: str
    process: int
    said: Path


def main() -> int:
    """Read the words, fuzz, and say what came of it. Returns the exit code."""
    words = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.split("\n")[0])
    words.add_argument("targets", nargs="*", metavar="TARGET", help="readers (all if none is named)")
    words.add_argument("--seconds", type=int, default=20, help="how long each is fuzzed")
    words.add_argument("--runs", type=int, default=-1, help="how many inputs at most (-1: any number)")
    words.add_argument("--jobs", type=int, default=2, help="how many at once")
    words.add_argument("--file", type=Path, help="run one reader on one file, and show what it raises")
    given = words.parse_args()
    if unknown := sorted(set(given.targets) - set(READERS)):
        words.error(f"no such target: {unknown[0]}; known are {', '.join(READERS)}")
    if given.file is not None:
        [target] = given.targets
        print("accepted" if stand(READERS[target], given.file.read_bytes()) else "refused")
        return 0
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        broken = [run.target for run, sound in _runs(given.targets or list(READERS), given, Path(scratch)) if not sound]
    print(f"{len(broken)} failed{': ' + ', '.join(broken) if broken else ''}")
    return 1 if broken else 0


def _runs(targets: Sequence[str], given: argparse.Namespace, scratch: Path) -> Iterator[tuple[_Run, bool]]:
    """Every target with whether it stood, a few at once."""
    waiting, running = list(reversed(targets)), dict[int, _Run]()
    while waiting or running:
        while waiting and len(running) < given.jobs:
            run = _begun(waiting.pop(), given, scratch)
            running[run.process] = run
        process, status = os.wait()
        run = running.pop(process)
        yield run, _told(run, status)


def _begun(target: str, given: argparse.Namespace, scratch: Path) -> _Run:
    """Fork: importing and instrumenting everything takes longer than a short run."""
    new, said = scratch / target, scratch / f"{target}.txt"
    new.mkdir()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        with said.open("wb") as out:
            os.dup2(out.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            _fuzz(target, given, new)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(_FAILED)  # the scratch folder is the parent's to remove
    return _Run(target, process, said)


def _fuzz(target: str, given: argparse.Namespace, new: Path) -> None:
    """Never returns: libFuzzer ends the process."""
    reader = READERS[target]
    for number, data in enumerate(examples(target)):
        (new / f"example-{number}").write_bytes(data)
    bounds = (f"-max_total_time={given.seconds}", f"-runs={given.runs}")
    options = [*_LIMITS, *bounds, f"-artifact_prefix={FOUND}/{target}-"]
    folders = [str(new), *([str(CORPUS / target)] if (CORPUS / target).is_dir() else [])]
    atheris.Setup([sys.argv[0], *options, *folders], lambda data: stand(reader, data) and None)
    atheris.Fuzz()


def _told(run: _Run, status: int) -> bool:
    said = run.said.read_text("utf-8", "replace")
    tried = re.search(r"stat::number_of_executed_units: *(\d+)", said)
    sound = status == 0
    print(f"{'ok' if sound else 'BROKEN':6} {run.target:20} {tried[1] if tried else '?':>9} tried", flush=True)
    if not sound:
        print(said[-3000:], flush=True)
    return sound


if __name__ == "__main__":
    sys.exit(main())
