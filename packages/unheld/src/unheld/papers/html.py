"""A paper as one HTML file: offline, without script, for a small screen and for print."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from unheld.papers.document import Document, printable


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


_ENVIRONMENT = Environment(
    loader=PackageLoader("unheld.papers", "."),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(document: Document) -> str:
    """The text of the paper's HTML file, the same for the same document."""
    blocks = [(type(block).__name__.lower(), block) for block in document.blocks]
    return _ENVIRONMENT.get_template("paper.html.j2").render(document=document, blocks=blocks)
