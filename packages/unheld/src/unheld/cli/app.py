"""The command tree and its global options."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from unheld.cli import output
from unheld.cli.output import settings
from unheld_branch.kernel import process
from unheld_verify.errors import UsageError

_GLOBAL = re.compile(r"option: (--store|--log-json|--no-input|--quiet|-q)\b")
_DIGITS = re.compile(r"\d(?:[ ./-]?\d){6,}")

_EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or failed, 2 wrong words (doctor: warnings only), 3 part was done, 4 a confirmation "
    "or a person is missing, 10 no store, 11 another process works on it, 12 wrong key or code, 13 no key is held "
    "(no day is open, lapsed, forgotten), 14 written by a later release, 20 checked and FALSE, 21 cannot be verified, "
    "130 interrupted."
)

app = typer.Typer(
    name=output.PROGRAM,
    help="Holds a phone network's registry and call records so that they can be forgotten, with proof. "
    "It protects people from being searched for; it has no search.",
    no_args_is_help=True,
    epilog=_EXIT_CODES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def group(name: str, text: str) -> typer.Typer:
    """A noun of the command tree."""
    made = typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(made)
    return made


def _version(wanted: bool) -> None:
    if wanted:
        print(f"{output.PROGRAM} {metadata.version(output.PROGRAM)}")
        raise typer.Exit


@app.callback()
def root(
    store: Annotated[Path | None, typer.Option("--store", envvar="UNHELD_STORE", help="The store's folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Progress and errors as JSON lines on stderr.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Remember the global options; hold no core file of a process that may hold keys."""
    process.harden(lock_memory=os.environ.get("UNHELD_LOCK_MEMORY") == "1")
    settings.store, settings.as_json, settings.log_json = store, as_json, log_json
    settings.no_input, settings.quiet = no_input, quiet


@cache
def _tree() -> Callable[..., int | None]:
    """All commands, put together once: it takes longer than most of them, and a process may call many."""
    return typer.main.get_command(app)


def call(words: Sequence[str]) -> int:
    """Run one command and give its exit code. Words that make no command end like every other error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be no text
    output.settings.as_json = output.settings.log_json = False
    values = [word.partition("=")[2] if word.startswith("--") else word for word in words]
    output.settings.unsaid = [value for value in values if _DIGITS.fullmatch(value.removeprefix("+"))]
    try:
        return int(_tree()(list(words), prog_name=output.PROGRAM, standalone_mode=False) or 0)
    except TyperException as error:
        return _off(words, error)


def _off(words: Sequence[str], error: TyperException) -> int:
    """Words that make no command: the help for a bare noun, else one error; digits of an argument are not repeated."""
    text, context = error.format_message(), getattr(error, "ctx", None)
    if text.startswith("Usage:"):
        print(text, file=sys.stderr)
        return error.exit_code
    said = _DIGITS.sub("…", text)
    if said != text:
        said = f"{said.rstrip('.')}. Numbers and codes are never arguments, a shell remembers those: give a file, or "
        said += "type it when asked"
    settings.log_json = bool({"--json", "--log-json"} & set(words))
    path = output.PROGRAM if context is None else context.command_path
    if _GLOBAL.search(text):
        said = f"{said.rstrip('.')}. Global options stand before the command"
    output.fail(path.removeprefix(output.PROGRAM).strip(), UsageError(f"{said.rstrip('.')}; see {path} --help"))
    return error.exit_code
