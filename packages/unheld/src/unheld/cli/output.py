"""What every command shares: global options, one way to answer, one way to fail.

A command returns an `Answer`. People get its lines, programs its document (`--json`). Errors become one line on stderr
and the exit code of their class. Every command declares its *surface* (design rule: there is no third kind).
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from unheld_verify.errors import BadInputError, InternalError, NotAllowedError, UnheldError, UsageError

SCHEMA_VERSION = 1
PROGRAM = "unheld"


class Surface(Enum):
    """The two kinds of output there are. A property test holds every command to the kind it declares."""

    FIGURES = "a figure of the whole"
    ONE_PARTY = "one party's facts under one grant"


@dataclass(frozen=True)
class Answer:
    """What a command has to say: lines for people, a document for programs, an exit code and why it is not 0."""

    lines: list[str]
    document: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    problems: Sequence[str] = ()


@dataclass
class Settings:
    """Global options of one call."""

    store: Path | None = None
    as_json: bool = False
    log_json: bool = False
    no_input: bool = False
    quiet: bool = False
    unsaid: Sequence[str] = ()
    """Words of the call that look like a number of somebody: no error repeats them."""

    def store_path(self) -> Path:
        """The store named by --store or UNHELD_STORE. Raises UsageError: there is no silent default."""
        if self.store is None:
            raise UsageError("no store named: give --store PATH or set UNHELD_STORE")
        return self.store

    def ask(self, question: str, *, hidden: bool = False) -> str:
        """Ask the person at the terminal. Raises NotAllowedError where nobody may be asked."""
        if self.no_input or not sys.stdin.isatty():
            raise NotAllowedError(f"{question}: nobody to ask (--no-input, or no terminal); see --help for the option")
        try:
            return str(typer.prompt(question, hide_input=hidden, err=True))
        except typer.Abort:
            raise KeyboardInterrupt from None


settings = Settings()
SURFACES: dict[str, Surface] = {}
Command = Callable[..., Answer]

_JSON = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]


def command(group: typer.Typer, name: str, surface: Surface) -> Callable[[Command], Command]:
    """Register a function as a command: adds --json, prints its answer, turns errors into exit codes."""

    def register(function: Command) -> Command:
        key = name if group.info.name == PROGRAM else f"{group.info.name} {name}"
        SURFACES[key] = surface

        @functools.wraps(function)
        def run(*args: Any, as_json: bool = False, **kwargs: Any) -> None:
            settings.as_json = settings.as_json or as_json
            raise typer.Exit(_answer(key, lambda: function(*args, **kwargs)))

        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
        extra = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_JSON)
        run.__signature__ = inspect.Signature([*parameters, extra])  # type: ignore[attr-defined]
        run.__annotations__ = {item.name: item.annotation for item in [*parameters, extra]}
        group.command(name)(run)
        return function

    return register


def _answer(key: str, call: Callable[[], Answer]) -> int:
    try:
        answer = call()
    except KeyboardInterrupt:
        fail(key, _InterruptedError("interrupted: what was committed stays, the rest was not started"))
        return _InterruptedError.exit_code
    except Exception as error:  # the door: whatever it is ends in one line and an exit code
        known = _known(error)
        fail(key, known)
        return known.exit_code
    try:
        _tell(key, answer)
    except BrokenPipeError:  # the reader went away; what was done is done
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return answer.exit_code


class _InterruptedError(UnheldError):
    """Somebody pressed Ctrl-C."""

    exit_code = 130


def _tell(key: str, answer: Answer) -> None:
    if settings.as_json:
        document = {"schema_version": SCHEMA_VERSION, "command": key, "exit_code": answer.exit_code, **answer.document}
        print(json.dumps(document, indent=None, sort_keys=True))
    elif not settings.quiet:
        for line in answer.lines:
            print(line)
    sys.stdout.flush()
    if answer.exit_code:
        _explain(key, answer.exit_code, answer.problems)


def _known(error: Exception) -> UnheldError:
    """An error of ours for any error. A library's own message may repeat a value of a file, so it is not shown."""
    if isinstance(error, UnheldError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return BadInputError(f"{error.filename or 'a file'}: {error.strerror}; mend the path, its rights or the disk")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name} line {frame.lineno}"
    return InternalError(f"a mistake of unheld's own: {type(error).__name__} in {place}; please report this line")


def fail(key: str, error: UnheldError) -> None:
    """Say on stderr what went wrong."""
    text = str(error)
    for word in settings.unsaid:
        text = text.replace(word, "…")
    _explain(key, error.exit_code, [text], type(error).__name__.strip("_").removesuffix("Error"))


def _explain(key: str, code: int, problems: Sequence[str], kind: str = "Answer") -> None:
    """One line a problem for people, or one JSON line."""
    if settings.as_json or settings.log_json:
        line = {
            "message_type": "exit_error",
            "command": key,
            "code": code,
            "kind": kind,
            "message": "; ".join(problems),
        }
        print(json.dumps({"schema_version": SCHEMA_VERSION, **line}, sort_keys=True), file=sys.stderr)
        return
    from rich.console import Console  # noqa: PLC0415 - most calls have no problem to tell
    from rich.markup import escape  # noqa: PLC0415

    console = Console(stderr=True, highlight=False, soft_wrap=True, no_color="NO_COLOR" in os.environ)
    for text in problems:
        console.print(f"[bold red]unheld:[/] {escape(text)}")


def counted(count: int, word: str, many: str = "") -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {word if count == 1 else many or word + 's'}"
