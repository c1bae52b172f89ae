"""receipt page: the checker that a claimant gets as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unheld.cli import numbers
from unheld.cli.output import Answer, Surface, command
from unheld.cli.proof_commands import receipts
from unheld_slots import durable
from unheld_verify.errors import CannotVerifyError


@command(receipts, "page", Surface.FIGURES)
def page(
    out: Annotated[Path, typer.Option(help="Where to write the page (.html).")],
    log_key: Annotated[
        str, typer.Option("--log-key", help="The log's vkey, or @FILE, to put in; default: the reader types it.")
    ] = "",
) -> Answer:
    """Write the page that checks receipts and papers offline, in any browser from 2020 on: one file, no server."""
    from unheld.page import build  # noqa: PLC0415 - its templates load only where they are wanted

    given = numbers.read_text(Path(log_key[1:]), CannotVerifyError).strip() if log_key.startswith("@") else log_key
    made = build(given).encode()
    durable.write_file(out, made, 0o644)
    log = given.partition("+")[0]
    said = f"made for the log {log}" if log else "it asks its reader for the log's key"
    return Answer([f"page written to {out}: {said}"], {"page": str(out), "log": log, "bytes": len(made)})
