"""casefolder: what a claimant hands to a court."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unheld.cli.app import app
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.proof_commands import LogKey, Place, claim_code, key_of
from unheld.cli.store_commands import deployment
from unheld_verify import receipt
from unheld_verify.errors import BadInputError, UsageError
from unheld_verify.receipt import Party


@command(app, "casefolder", Surface.ONE_PARTY)
def casefolder(
    out: Annotated[Path, typer.Option(help="The new folder to make.")],
    receipts: Annotated[
        list[Path] | None, typer.Option("--receipt", help="A receipt (.tlog-proof) of one person; repeat it.")
    ] = None,
    box: Annotated[Path | None, typer.Option(help="That person's box; its receipts are made from the log.")] = None,
    code: Annotated[str, typer.Option("--code", help="@FILE with the box's claim code; asks when absent.")] = "",
    papers: Annotated[list[Path] | None, typer.Option("--paper", help="A paper with its proofs; repeat it.")] = None,
    letters: Annotated[list[Path] | None, typer.Option("--letter", help="A letter; repeat it.")] = None,
    place: Place = "",
    log_key: LogKey = "",
) -> Answer:
    """Make a case folder (BagIt): log, proofs, papers, letters, and how to verify them. Needs no store any more."""
    from unheld.exit import casefolder as casefolders  # noqa: PLC0415
    from unheld.exit import issuing  # noqa: PLC0415

    if "://" in place:
        raise BadInputError("--log: a case folder holds the log itself: give its folder, not an address")
    wanted = casefolders.Wanted(
        Path(place) if place else deployment().log,
        key_of(log_key),
        tuple(receipts or ()),
        _party(box, code),
        tuple(papers or ()),
        tuple(letters or ()),
        deployment() if settings.store is not None else None,
    )
    built = casefolders.build(out, wanted, issuing.today())
    held = [(built.proofs, "proof"), (built.papers, "paper"), (built.letters, "letter")]
    counts = ", ".join(counted(len(items), word) for items, word in held)
    held = [(built.proofs, "proof"), (built.papers, "paper"), (built.letters, "letter")]
    counts = ", ".join(counted(len(items), word) for items, word in held)
    said = [
        f"{out}: {counts}, and the log of {counted(built.head.size, 'entry', 'entries')}",
        *(f"  FINDING: {found.words}" for found in built.broken),
        *(f"  look for numbers of others in it yourself, no program read it: {name}" for name in built.unread),
        *(f"  left out, the log does not tell of it yet: {name}" for name in built.waiting),
        f"  check it with unheld-verify --log-key KEY {out}, or as its HOW-TO-VERIFY.txt says",
    ]
    document = {
        "folder": str(out),
        "entries": built.head.size,
        "proofs": len(built.proofs),
        "papers": len(built.papers),
        "letters": len(built.letters),
        "unread": built.unread,
        "waiting": built.waiting,
        "broken_promises": len(built.broken),
    }
    return Answer(said, document)


def _party(box: Path | None, code: str) -> Party | None:
    if box is None:
        if code:
            raise UsageError("--code opens a box: give --box too")
        return None
    if not box.is_file():
        raise BadInputError(f"{box}: there is no such box")
    return receipt.open_box(receipt.parse_claim_code(claim_code(code)), box.read_bytes())
