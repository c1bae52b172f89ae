"""The command tree and its global options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from unheld.cli.output import settings
from unheld_branch.kernel import process

app = typer.Typer(
    name="unheld",
    help="Holds a phone network's registry and call records so that they can be forgotten, with proof. "
    "It protects people from being searched for; it has no search.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def group(name: str, text: str) -> typer.Typer:
    """A noun of the command tree."""
    made = typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(made)
    return made


@app.callback()
def root(
    store: Annotated[Path | None, typer.Option("--store", envvar="UNHELD_STORE", help="The store's folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Progress and errors as JSON lines on stderr.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
) -> None:
    """Remember the global options; hold no core file of a process that may hold keys."""
    process.harden(lock_memory=os.environ.get("UNHELD_LOCK_MEMORY") == "1")
    settings.store, settings.as_json, settings.log_json = store, as_json, log_json
    settings.no_input, settings.quiet = no_input, quiet
