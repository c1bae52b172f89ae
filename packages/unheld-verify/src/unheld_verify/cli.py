"""`unheld-verify`: checks receipts and logs offline and says in plain words what holds, and what is not proven.

Exit codes: 0 all verified, 20 something checked is FALSE, 21 something needed for a check is missing, 1 something
cannot be read, 2 the call's words are off. Of several the gravest counts, in the order 20, 21, 1.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unheld_verify import note, proof, receipt, tiles, words
from unheld_verify.errors import BadInputError, CannotVerifyError, UnheldError, UsageError
from unheld_verify.words import Step

_GRAVITY = (20, 21, 1, 0)
_OUTCOMES = {0: "VERIFIED", 1: "CANNOT BE READ", 20: "FAILED", 21: "CANNOT BE VERIFIED"}


@dataclass
class _Result:
    """What came of one file, gathered while it is checked."""

    place: str
    steps: list[Step] = field(default_factory=list)
    code: int = 0
    said: str = ""
    not_proven: tuple[str, ...] = words.NOT_PROVEN
    statement: dict[str, Any] | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    parser = _parser()
    call = parser.parse_args(argv)
    try:
        key = _read_key(call.log_key)
    except UsageError as error:
        parser.error(str(error))
    except CannotVerifyError as error:
        print(f"unheld-verify: {_plain(str(error))}", file=sys.stderr)
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
        description="Check receipts (.tlog-proof files) and whole logs (folders, or http(s) addresses).",
        epilog="Exit code: 0 verified, 20 verification FAILED, 21 cannot verify, 1 cannot read, 2 wrong call.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a receipt, a log's folder or a log's address")
    parser.add_argument(
        "--log-key",
        metavar="VKEY|@FILE",
        help="the log's public key NAME+ID+BASE64, or @ and a file that holds it; get it from someone you trust",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _read_key(given: str | None) -> note.Key | None:
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


def _check(place: str, key: note.Key | None) -> _Result:
    result = _Result(place)
    try:
        if key is None:
            raise CannotVerifyError(
                "no log key is given: pass --log-key with the key its operator published. A key found beside "
                "the file proves nothing"
            )
        if "://" in place or Path(place).is_dir():
            head = tiles.verify_log(tiles.open_log(place), key, result.steps.append)
            result.said = f"The log {head.origin} holds {head.size} entries, and they are what its key signed."
        else:
            verified = receipt.verify(_read(place), key, result.steps.append)
            result.said, result.not_proven = verified.says, verified.not_proven
            result.statement = verified.statement
    except UnheldError as error:
        result.code = error.exit_code if error.exit_code in _GRAVITY else 1
        result.said = str(error)
    return result


def _read(place: str) -> bytes:
    try:
        with Path(place).open("rb") as file:
            return file.read(proof.MAX_PROOF_BYTES + 1)
    except OSError as error:
        raise CannotVerifyError(f"{place} cannot be read: {error.strerror}") from None


def _as_json(result: _Result) -> dict[str, Any]:
    made: dict[str, Any] = {
        "file": result.place,
        "outcome": _OUTCOMES[result.code].lower(),
        "exit_code": result.code,
        "steps": [{"number": s.number, "name": s.name, "words": s.words} for s in result.steps],
        "words": result.said,
        "not_proven": list(result.not_proven),
    }
    return made if result.statement is None else made | {"statement": result.statement}


def _print(result: _Result) -> None:
    print(_plain(result.place))
    for done in result.steps:
        print(f"  ok {done.number} {done.name}: {_plain(done.words)}")
    said_before = bool(result.steps) and result.steps[-1].words == result.said
    print(f"  {_OUTCOMES[result.code]}" + ("" if said_before else f": {_plain(result.said)}"))
    if result.code:
        print("  Nothing in it is shown to be true.")
    for line in result.not_proven:
        print(f"  NOT proven: {line}")


def _plain(text: str) -> str:
    """`text` on one line: what a file holds must not write lines or colours of its own into the result."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


if __name__ == "__main__":
    sys.exit(main())
