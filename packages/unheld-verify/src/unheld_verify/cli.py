"""`unheld-verify`: checks receipts, papers, logs and case folders offline and says in plain words what holds, and what
is not proven.

Exit codes: 0 all verified, 20 something checked is FALSE, 21 something needed for a check is missing, 1 something
cannot be read, 2 the call's words are off. Of several the gravest counts, in the order 20, 21, 1. A log that shows a
broken promise is authentic, and ends with 20 too; in a case folder it is a finding, for the folder holds.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from unheld_verify import bag, note, paper, promises, receipt, tiles, words
from unheld_verify.errors import BadInputError, CannotVerifyError, UnheldError, UsageError
from unheld_verify.note import Key
from unheld_verify.promises import Broken
from unheld_verify.words import Step, one_line

_GRAVITY = (20, 21, 1, 0)
_OUTCOMES = {0: "VERIFIED", 1: "CANNOT BE READ", 20: "FAILED", 21: "CANNOT BE VERIFIED"}
_BROKEN = "VERIFIED, AND A PROMISE WAS BROKEN"


@dataclass
class _Result:
    """What came of one file, gathered while it is checked."""

    place: str
    steps: list[Step] = field(default_factory=list)
    code: int = 0
    said: str = ""
    not_proven: tuple[str, ...] = words.NOT_PROVEN
    statement: dict[str, Any] | None = None
    broken: tuple[Broken, ...] = ()
    inside: dict[str, str] = field(default_factory=dict)
    """What each proof and paper of a case folder says, by its path there."""

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        return _BROKEN if self.broken else _OUTCOMES[self.code]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    parser = _parser()
    call = parser.parse_args(argv)
    try:
        key = _read_key(call.log_key)
    except UsageError as error:
        parser.error(str(error))
    except CannotVerifyError as error:
        print(f"unheld-verify: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    results = [_check(place, key) for place in call.files]
    if call.json:
        print(json.dumps({"v": 1, "results": [_as_json(result) for result in results]}, indent=2))
    else:
        for result in results:
            _print(result)
    return min((result.code for result in results), key=_GRAVITY.index)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unheld-verify",
        description="Check receipts (.tlog-proof), papers (.json), case folders and whole logs (folders or addresses).",
        epilog="Exit code: 0 verified, 20 verification FAILED or a log shows a broken promise, 21 cannot verify, "
        "1 cannot read, 2 wrong call.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a receipt, a paper, a case folder, a log or its URL")
    parser.add_argument(
        "--log-key",
        metavar="VKEY|@FILE",
        help="the log's public key NAME+ID+BASE64, or @ and a file that holds it; get it from someone you trust",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--version", action="version", version=f"%(prog)s {metadata.version('unheld-verify')}")
    return parser


def _read_key(given: str | None) -> Key | None:
    if given is None:
        return None
    if given.startswith("@"):
        try:
            given = Path(given[1:]).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise CannotVerifyError(f"--log-key: {given[1:]} cannot be read: {error}") from None
    try:
        return note.parse_key(given)
    except BadInputError as error:
        raise UsageError(f"--log-key: {error}") from None


def _check(place: str, key: Key | None) -> _Result:
    result = _Result(place)
    try:
        if key is None:
            raise CannotVerifyError(
                "no log key is given: pass --log-key with the key its operator published. A key found beside "
                "the file proves nothing"
            )
        _check_as(place, key, result)
    except UnheldError as error:
        result.code = error.exit_code if error.exit_code in _GRAVITY else 1
        result.said = str(error)
    return result


def _check_as(place: str, key: Key, result: _Result) -> None:
    """Check a place as what it is: case folder, log, paper or receipt."""
    if "://" in place:
        _check_log(place, key, result)
    elif Path(place).is_dir():
        (_check_folder if bag.is_case_folder(Path(place)) else _check_log)(place, key, result)
    elif paper.is_paper(data := _read(place)):
        checked = paper.verify(data, key, result.steps.append)
        result.said, result.not_proven = checked.says, checked.not_proven
    else:
        verified = receipt.verify(data, key, result.steps.append)
        result.said, result.not_proven = verified.says, verified.not_proven
        result.statement = verified.statement


def _check_log(place: str, key: Key, result: _Result) -> None:
    log = tiles.open_log(place)
    head = tiles.verify_log(log, key, result.steps.append)
    result.said = f"The log {head.origin} holds {head.size} entries, and they are what its key signed."
    result.not_proven = (promises.CLOSED, *words.NOT_PROVEN)
    if log.source.names("openings") is None:
        result.steps.append(Step(6, "promises", "not checked: published openings cannot be listed over HTTP"))
        return
    found = promises.kept(log, head)
    result.steps.append(Step(6, "promises", found.words))
    result.broken, result.code = found.broken, 20 if found.broken else 0


def _check_folder(place: str, key: Key, result: _Result) -> None:
    found = bag.verify(Path(place), key, result.steps.append)
    result.said, result.not_proven, result.broken = found.says, found.not_proven, found.promises.broken
    result.inside = {path: item.says for path, item in found.receipts.items()}
    result.inside |= {path: item.says for path, item in found.papers.items()}


def _read(place: str) -> bytes:
    try:
        with Path(place).open("rb") as file:
            return file.read(paper.MAX_PAPER_BYTES + 1)
    except OSError as error:
        raise CannotVerifyError(f"{place} cannot be read: {error.strerror}") from None


def _as_json(result: _Result) -> dict[str, Any]:
    made: dict[str, Any] = {
        "file": result.place,
        "outcome": result.outcome.lower(),
        "exit_code": result.code,
        "steps": [{"number": s.number, "name": s.name, "words": s.words} for s in result.steps],
        "words": result.said,
        "not_proven": list(result.not_proven),
        "broken_promises": [asdict(item) | {"words": item.words} for item in result.broken],
    }
    if result.inside:
        made["inside"] = result.inside
    return made if result.statement is None else made | {"statement": result.statement}


def _print(result: _Result) -> None:
    print(one_line(result.place))
    for done in result.steps:
        print(f"  ok {done.number} {done.name}: {one_line(done.words)}")
    for path, said in result.inside.items():
        print(f"  {one_line(path)}: {one_line(said)}")
    said_before = bool(result.steps) and result.steps[-1].words == result.said
    print(f"  {result.outcome}" + ("" if said_before else f": {one_line(result.said)}"))
    for found in result.broken:
        print(f"  FINDING: {one_line(found.words)}")
    if result.code and not result.broken:
        print("  Nothing in it is shown to be true.")
    for line in result.not_proven:
        print(f"  NOT proven: {line}")


if __name__ == "__main__":
    sys.exit(main())
