"""The handover manifest: what a buyer receives, column by column, and in words what not."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from unheld.exit.allowed import NOT_HANDED_OVER
from unheld.exit.issuing import capital
from unheld.exit.tables import Table, facts
from unheld.papers.document import Block, Bullets, Document, Facts, Heading, Notice, Paragraph
from unheld.papers.document import Table as Grid
from unheld_verify.paper import Body, Paper

TITLE = "What is handed over, and what is not"
_RECEIVED = (
    "Received: the files listed above, each with the SHA-256 given.",
    "Received: no history of calls, no places, no contacts.",
    "Received: no identity documents, no names of holders, no devices.",
)


def body(tables: Sequence[Table], buyer: str, standstills: Sequence[str], inventory: str) -> Body:
    """What a manifest says. `standstills` are the objections of the past, in words."""
    return {
        "title": TITLE,
        "buyer": buyer or "not given",
        "tables": facts(tables),
        "not_handed_over": list(NOT_HANDED_OVER),
        "standstills": list(standstills),
        "inventory": inventory,
        "received": list(_RECEIVED),
    }


def document(paper: Paper) -> Document:
    """A manifest for people, with lines for both sides to sign."""
    said = paper.body
    blocks: list[Block] = [
        Facts(
            (
                ("Buyer", said["buyer"]),
                ("Made on", paper.day),
                ("Store", paper.store),
                ("Public log", paper.log),
                ("Digest of this paper", paper.digest.hex()),
            )
        ),
        Notice("No person's past is in it", "Of each line the buyer receives what a network needs to go on working."),
        Heading("What is handed over"),
    ]
    for table in said["tables"]:
        blocks += _table(table)
    blocks += [
        Heading("What is not handed over"),
        Bullets(tuple(said["not_handed_over"])),
        Heading("Other places"),
        Notice("Known places", f"{capital(said['inventory'])}.", "warning"),
        Paragraph("This paper speaks of the files above. It does not prove that nothing else was handed over."),
        Paragraph(
            "A program read every value. It finds numbers, mail addresses and moments; it cannot know a name among a "
            "network's own words, as of sites and tariffs: read those files before you sign."
        ),
        Heading("Objections"),
        Bullets(tuple(said["standstills"]) or ("No group has objected.",)),
        *_signing(said["received"]),
    ]
    day = datetime.date.fromisoformat(paper.day)
    footer = "The log vouches for who made this paper and when, not for what it says."
    return Document(said["title"], f"Handover manifest of {paper.day}", "en", day, tuple(blocks), footer)


def _table(table: dict[str, Any]) -> list[Block]:
    rows = tuple((column["name"], column["form"]) for column in table["columns"])
    stayed = ", ".join(table["stayed"]) or "none"
    return [
        Heading(table["table"], 3),
        Facts((("File", table["file"]), ("Rows", f"{table['rows']:,}"), ("SHA-256", table["sha256"]))),
        Grid(f"Columns of {table['file']}", ("column", "every value is"), rows),
        Facts((("Columns of the source that stayed", stayed),)),
    ]


def _signing(received: Sequence[str]) -> list[Block]:
    line = "_" * 26
    rows = tuple((what, line, line) for what in ("Name", "Position", "Place and date", "Signature"))
    return [
        Heading("To be signed"),
        Bullets(tuple(received)),
        Grid("Both sides", ("what", "for the seller", "for the buyer"), rows),
    ]
