"""Copies of the store, as headquarters decides about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, settings
from unheld.cli.store_commands import deployment
from unheld.workflows import copies
from unheld_slots import durable
from unheld_verify.errors import NotAllowedError, UsageError

copy = group("copy", "Copies of the store: who is waited for.")


@command(copy, "release", Surface.FIGURES)
def release(
    name: Annotated[str, typer.Argument(help="The copy, as `unheld status` names it.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the decision for the branch's folder of plans, and change nothing here.")
    ] = None,
    confirm: Annotated[str, typer.Option(help="First 8 or more digits of the decision's digest, for scripts.")] = "",
) -> Answer:
    """Decide that forgettings go on without a copy that was away for 72 hours. The public log tells of it."""
    where = deployment()
    said = copies.decision(where, name)
    digest = said.digest.hex()
    if out is not None:
        if out.exists() or out.suffix != copies.ENDING:
            raise UsageError(f"{out}: name a new file that ends in {copies.ENDING}")
        durable.write_file(out, said.encode())
        return Answer(
            [f"decision {out}, digest {digest}; lay it into the branch's folder of plans"], {"digest": digest}
        )
    typed = confirm or settings.ask(f"forgettings would go on without {name}; type the first 8 digits of {digest}")
    if len(typed.strip()) < 8 or not digest.startswith(typed.strip()):
        raise NotAllowedError("these are not the first 8 digits of the digest; nothing was changed")
    copies.release(where, said)
    return Answer([f"released: {name}. It counts again when it is back and has everything"], {"digest": digest})
