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
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from unheld_verify.errors import NotAllowedError, UnheldError, UsageError

SCHEMA_VERSION = 1


class Surface(Enum):
    """The two kinds of output there are. A property test holds every command to the kind it declares."""

    FIGURES = "a figure of the whole"
    ONE_PARTY = "one party's facts under one grant"


@dataclass(frozen=True)
class Answer:
    """What a command has to say: lines for people, a document for programs, an exit code."""

    lines: list[str]
    document: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0


@dataclass
class Settings:
    """Global options of one call."""

    store: Path | None = None
    as_json: bool = False
    log_json: bool = False
    no_input: bool = False
    quiet: bool = False

    def store_path(self) -> Path:
        """The store named by --store or UNHELD_STORE. Raises UsageError: there is no silent default."""
        if self.store is None:
            raise UsageError("no store named: give --store PATH or set UNHELD_STORE")
        return self.store

    def ask(self, question: str, *, hidden: bool = False) -> str:
        """Ask the person at the terminal. Raises NotAllowedError where nobody may be asked."""
        if self.no_input or not sys.stdin.isatty():
            raise NotAllowedError(f"{question}: nobody to ask (--no-input, or no terminal); see --help for the option")
        return str(typer.prompt(question, hide_input=hidden, err=True))


settings = Settings()
SURFACES: dict[str, Surface] = {}
Command = Callable[..., Answer]

_JSON = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]


def command(group: typer.Typer, name: str, surface: Surface) -> Callable[[Command], Command]:
    """Register a function as a command: adds --json, prints its answer, turns errors into exit codes."""

    def register(function: Command) -> Command:
        key = f"{group.info.name} {name}" if isinstance(group.info.name, str) else name
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
    except UnheldError as error:
        _fail(key, error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: what was committed stays, the rest was not started", file=sys.stderr)
        return 130
    if settings.as_json:
        document = {"schema_version": SCHEMA_VERSION, "command": key, "exit_code": answer.exit_code, **answer.document}
        print(json.dumps(document, indent=None, sort_keys=True))
    elif not settings.quiet:
        for line in answer.lines:
            print(line)
    return answer.exit_code


def _fail(key: str, error: UnheldError) -> None:
    kind = type(error).__name__.removesuffix("Error")
    if settings.as_json or settings.log_json:
        line = {
            "message_type": "exit_error",
            "command": key,
            "code": error.exit_code,
            "kind": kind,
            "message": str(error),
        }
        print(json.dumps({"schema_version": SCHEMA_VERSION, **line}, sort_keys=True), file=sys.stderr)
    else:
        Console(stderr=True, highlight=False, soft_wrap=True, no_color="NO_COLOR" in os.environ).print(
            f"[bold red]unheld:[/] {_escaped(str(error))}"
        )


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
