"""The card as one HTML page to print: QR code, the same in groups, and in plain words what it is for."""

from __future__ import annotations

import io

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unheld.access.card import Card

_ENVIRONMENT = Environment(
    loader=PackageLoader("unheld.access", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(card: Card) -> str:
    """The page, the same for the same card: offline, without script."""
    shown = {"qr": Markup(qr(card.text())), "lines": card.lines(), "public": card.public.hex()}  # noqa: S704 - our SVG
    return _ENVIRONMENT.get_template("card.html.j2").render(shown)


def qr(text: str) -> str:
    """A QR code as SVG, with a title for whoever listens to the page."""
    out = io.BytesIO()
    made = segno.make(text, error="m", micro=False)
    made.save(out, kind="svg", xmldecl=False, svgns=True, scale=5, border=4, title="The card's secret as a QR code")
    return out.getvalue().decode()
