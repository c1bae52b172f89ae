"""What a paper says, apart from how it looks: a short list of blocks that HTML and PDF both can write.

Texts are plain text, never markup. Whatever the writers find in them is shown as text (`printable`), so a name that
somebody typed cannot change the paper around it.
"""

from __future__ import annotations

import datetime
import unicodedata
from dataclasses import dataclass
from typing import Literal

from unheld_verify.errors import InternalError

# Scripts that are written without spaces need their invisible marks: joiners and places where a line may break.
_KEPT = frozenset("\u200b\u200c\u200d")
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True)
class Heading:
    """A heading of the second or third level; the document's title is the first."""

    text: str
    level: Literal[2, 3] = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Names and their values, one pair a line."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Rows under named columns. The first column names its row; `numbers` are the columns of figures."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise InternalError(f"table {self.caption!r}: a row has another number of cells than there are columns")


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Notice:
    """What must not be missed: a title and a sentence. A `warning` tells of a limit or of a failure."""

    title: str
    text: str
    tone: Literal["statement", "warning"] = "statement"


Block = Heading | Paragraph | Facts | Table | Bullets | Notice


@dataclass(frozen=True)
class Document:
    """A paper. `day` is the day it speaks of: the writers take no time from the clock.

    `language` is a BCP 47 tag. `footer` stands once at the end of the page, and under each page of a PDF.
    """

    title: str
    subtitle: str
    language: str
    day: datetime.date
    blocks: tuple[Block, ...]
    footer: str


def printable(text: str) -> str:
    """The text as it may be printed, in one line.

    Control characters, marks that turn the direction of writing, halves of characters and unassigned ones become
    spaces: none of them can be seen, and each could make a paper look other than it is.
    """
    shown = (" " if unicodedata.category(sign) in _NOT_SHOWN and sign not in _KEPT else sign for sign in text)
    return " ".join("".join(shown).split())
