"""`python -m bench [seal] [forget] [custody]`: measure, print, and write bench/results.json and docs/bench.md."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import custody, results, works
from unheld_verify.errors import UnheldError

ROOT = Path(__file__).parents[1]
DATA, PAGE = ROOT / "bench" / "results.json", ROOT / "docs" / "bench.md"
GROUPS = ("seal", "forget", "custody")


def main() -> None:
    """Read the words, measure, write."""
    words = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    words.add_argument("groups", nargs="*", help=f"what to measure: {', '.join(GROUPS)} (all if none is named)")
    words.add_argument("--rows", type=int, default=5_000_000, help="records in the file that is sealed")
    words.add_argument("--parties", type=int, default=200_000, help="subscribers in the file that is sealed")
    words.add_argument("--people", type=int, default=1_000_000, help="subscribers whose day is pushed and closed")
    words.add_argument("--rounds", type=int, default=5, help="cold runs of each; the median is taken")
    given = words.parse_args()
    for group in given.groups:
        if group not in GROUPS:
            words.error(f"no such group: {group}; known are {', '.join(GROUPS)}")
    if given.rounds < 3:
        words.error("fewer than 3 rounds have no median worth telling")
    try:
        _measure(given.groups or list(GROUPS), given)
    except UnheldError as error:
        raise SystemExit(f"bench: {error}") from None


def _measure(groups: list[str], given: argparse.Namespace) -> None:
    scratch = ROOT / "bench" / "data"
    scratch.mkdir(exist_ok=True)
    for group in groups:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            found = list(_told(_works(group, Path(folder), given)))
        # after each group, so that a later failure loses nothing
        results.write(results.merged(results.read(DATA), found), DATA, PAGE)


def _works(group: str, folder: Path, given: argparse.Namespace) -> Iterator[results.Result]:
    if group == "seal":
        return works.seal(folder, given.rows, given.parties, given.rounds)
    if group == "custody":
        return custody.custody(folder, given.rows, given.parties, given.people, given.rounds)
    return works.forget(folder, given.rounds)


def _told(found: Iterator[results.Result]) -> Iterator[results.Result]:
    for result in found:
        beside = f"   {results.figure(result.ratio)} × of {result.peer}" if result.ratio is not None else ""
        print(f"{result.work:20} {results.figure(result.value)} {result.unit}{beside}", flush=True)
        yield result


if __name__ == "__main__":
    main()
