"""A paper as PDF: A4, the same bytes for the same document and fonts.

The library tags pictures only, so a listener is better served by the HTML page; the PDF has its title, language and
an outline of headings.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from functools import singledispatchmethod

from fpdf import FPDF, XPos, YPos
from fpdf.enums import MethodReturnValue, TableBordersLayout
from fpdf.fonts import FontFace
from fpdf.prefs import ViewerPreferences

from unheld.papers import fonts
from unheld.papers.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Table,
    printable,
)

_MARGIN, _BOTTOM = 20.0, 24.0  # mm
_BODY, _SMALL, _TITLE = 10.5, 9.0, 19.0  # points
_HEADINGS = {2: 13.5, 3: 11.5}
_INK, _SOFT, _LINE, _WASH = (36, 49, 58), (82, 98, 109), (198, 208, 214), (241, 245, 246)
_TONES = {"statement": (11, 93, 75), "warning": (140, 29, 24)}
_PADDING = 1.2  # mm, above and below a cell
_GAP = 4.0  # mm, right of a cell
_TOGETHER = 36.0  # mm that a heading, a caption or a notice needs below it, to stand with what it belongs to
_CELL_LINES = 30  # a cell with more goes on in a row of its own: a row stands on one page
_PAGES = "\x1f" * 4  # stands for the number of pages; `printable` leaves none in a text
# Burmese has no spaces between words: a line may break before a consonant, unless it is stacked or closes a syllable.
_SYLLABLE = re.compile("(?<=[\u1000-\u109f])(?<!\u1039)(?=[\u1000-\u102a\u103f](?!\u103a|\u1039))")

Row = Sequence[str]


def pdf(document: Document) -> bytes:
    """The paper's PDF file. Raises BadInputError naming a character that no font on this machine has."""
    sheet = _Sheet(_breaking(document.footer))
    try:
        page = _Page(sheet, document)
        for block in document.blocks:
            page.write(block)
        return bytes(sheet.output())
    finally:
        fonts.close(sheet)


class _Sheet(FPDF):
    """A page with the paper's footer under it."""

    def __init__(self, footer: str) -> None:
        super().__init__(format="A4")
        self.words = footer
        self.family = fonts.CORE

    def footer(self) -> None:
        """Under each page: what the paper is, and which page of how many."""
        self.set_font(self.family, "", _SMALL)
        self.set_text_color(*_SOFT)
        self.set_draw_color(*_LINE)
        self.line(_MARGIN, self.h - _BOTTOM + 4, self.w - _MARGIN, self.h - _BOTTOM + 4)
        self.set_y(-_BOTTOM + 6)
        words = self.lines(self.words, self.epw - 32)
        shown = words if len(words) <= 3 else [*words[:2], words[2][:-1] + "..."]
        for line in shown:
            self.cell(self.epw - 32, 4, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(-_BOTTOM + 6)
        self.cell(0, 4, f"Page {self.page_no()} of {_PAGES}", align="R")

    def lines(self, text: str, width: float) -> list[str]:
        """The lines that a text would fill in this width, in the font that is set."""
        wanted = MethodReturnValue.LINES
        found = self.multi_cell(width, 5, text, align="L", padding=0, dry_run=True, output=wanted)
        return [str(line) for line in found] if isinstance(found, list) else []


class _Page:
    """Writes blocks one below the other."""

    def __init__(self, sheet: _Sheet, document: Document) -> None:
        self._out = out = sheet
        out.family = fonts.choose(out, map(_breaking, _texts(document)))
        out.alias_nb_pages(_PAGES)
        out.set_margin(_MARGIN)
        out.c_margin = 0
        out.set_auto_page_break(True, _BOTTOM)
        out.set_title(printable(document.title))
        out.set_subject(printable(document.subtitle))
        out.set_lang(document.language)
        out.set_creation_date(datetime.datetime.combine(document.day, datetime.time(), datetime.UTC))
        out.viewer_preferences = ViewerPreferences(display_doc_title=True)
        out.add_page()
        self._text(document.title, _TITLE, bold=True)
        self._text(document.subtitle, _BODY, colour=_SOFT)
        out.set_draw_color(*_INK)
        out.set_line_width(0.6)
        out.line(_MARGIN, out.y + 1, out.w - _MARGIN, out.y + 1)
        out.set_line_width(0.2)
        out.ln(6)

    @singledispatchmethod
    def write(self, block: Block) -> None:
        """Write one block and the space after it."""
        raise TypeError(f"no way to write a {type(block).__name__}")

    @write.register
    def _(self, block: Heading) -> None:
        out, size = self._out, _HEADINGS[block.level]
        if out.will_page_break(_TOGETHER):
            out.add_page()
        out.ln(2.5)
        out.start_section(printable(block.text), block.level - 2, strict=False)
        self._text(block.text, size, bold=True)
        out.ln(1)

    @write.register
    def _(self, block: Paragraph) -> None:
        self._text(block.text)
        self._out.ln(2.5)

    @write.register
    def _(self, block: Facts) -> None:
        if block.pairs:
            self._table((), block.pairs, frozenset())

    @write.register
    def _(self, block: Table) -> None:
        if self._out.will_page_break(_TOGETHER):
            self._out.add_page()
        self._text(block.caption, _SMALL, colour=_SOFT)
        self._table(block.columns, block.rows, block.numbers)

    @write.register
    def _(self, block: Bullets) -> None:
        out = self._out
        for item in block.items:
            if out.will_page_break(6):
                out.add_page()
            out.set_fill_color(*_SOFT)
            out.ellipse(_MARGIN + 1.2, out.y + 1.9, 1.1, 1.1, style="F")
            out.set_left_margin(_MARGIN + 5)
            self._text(item)
            out.set_left_margin(_MARGIN)
            out.set_x(_MARGIN)
            out.ln(1)
        out.ln(1.5)

    @write.register
    def _(self, block: Notice) -> None:
        out, tone = self._out, _TONES[block.tone]
        if out.will_page_break(_TOGETHER):
            out.add_page()
        out.set_fill_color(*_WASH)
        out.set_draw_color(*tone)
        out.set_line_width(1.2)
        self._text(block.title, bold=True, colour=tone, boxed=True)
        self._text(block.text, boxed=True)
        out.set_line_width(0.2)
        out.ln(3.5)

    def _text(
        self,
        text: str,
        size: float = _BODY,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = _INK,
        boxed: bool = False,
    ) -> None:
        out = self._out
        out.set_font(out.family, "B" if bold else "", size)
        out.set_text_color(*colour)
        box = {"border": "L", "fill": True, "padding": (1.2, 4, 1.2, 4)} if boxed else {}
        out.multi_cell(0, size * 0.5, _breaking(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT, **box)  # type: ignore[arg-type]

    def _table(self, columns: Row, rows: Sequence[Row], numbers: frozenset[int]) -> None:
        """A table whose heading returns on each page. Without columns, the first cell of a row is its name."""
        out = self._out
        out.set_font(out.family, "B", _BODY)
        out.set_text_color(*_INK)
        out.set_draw_color(*_LINE)
        out.set_fill_color(255)
        shown = [[_breaking(cell) for cell in row] for row in ([columns, *rows] if columns else rows)]
        widths = _widths(shown, out.get_string_width, out.epw - 0.1)
        name = FontFace(emphasis="BOLD" if columns else "", color=_INK if columns else _SOFT)
        with out.table(
            col_widths=widths,
            width=sum(widths),
            align="LEFT",
            text_align=tuple("RIGHT" if number in numbers else "LEFT" for number in range(len(widths))),
            v_align="TOP",
            line_height=_BODY * 0.48,
            padding=(_PADDING, _GAP, _PADDING, 0),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            first_row_as_headings=bool(columns),
            num_heading_rows=1 if columns else 0,
            headings_style=FontFace(emphasis="BOLD", color=_SOFT),
        ) as table:
            out.set_font(out.family, "", _BODY)
            for cells in shown:
                for part in self._parts(cells, widths):
                    row = table.row()
                    for number, cell in enumerate(part):
                        row.cell(cell, style=name if not number and (cells is not shown[0] or not columns) else None)
        out.ln(4)

    def _parts(self, cells: Row, widths: Sequence[float]) -> Iterator[Row]:
        """The row in pieces that fit on a page each."""
        lines = [self._lines(cell, width) for cell, width in zip(cells, widths, strict=True)]
        for start in range(0, max(1, *map(len, lines)), _CELL_LINES):
            yield [" ".join(column[start : start + _CELL_LINES]) for column in lines]

    def _lines(self, text: str, width: float) -> list[str]:
        if len(text) <= _CELL_LINES:  # a line holds one character at least: no need to measure
            return [text]
        found = self._out.lines(text, width - _GAP)
        return found if len(found) > _CELL_LINES else [text]


def _widths(rows: Sequence[Row], measure: Callable[[str], float], whole: float) -> list[float]:
    """Widths of columns in mm: as wide as their text, or, where that is too wide for the page, an equal share of it."""
    columns = list(zip(*rows, strict=True))
    wish = [max(measure(cell) for cell in column) + _GAP + 0.5 for column in columns]
    widths, left = [0.0] * len(wish), whole
    for place, number in enumerate(sorted(range(len(wish)), key=wish.__getitem__)):
        widths[number] = min(wish[number], left / (len(wish) - place))
        left -= widths[number]
    return widths


def _breaking(text: str) -> str:
    """The printable text, with marks where a line of Burmese may break."""
    return _SYLLABLE.sub("\u200b", printable(text))


def _texts(document: Document) -> Iterator[str]:
    yield from (document.title, document.subtitle, document.footer)
    for block in document.blocks:
        yield from _texts_of(block)


def _texts_of(block: Block) -> Iterator[str]:
    match block:
        case Heading() | Paragraph():
            yield block.text
        case Notice():
            yield from (block.title, block.text)
        case Bullets():
            yield from block.items
        case Facts():
            yield from (text for pair in block.pairs for text in pair)
        case Table():
            yield from (block.caption, *block.columns, *(cell for row in block.rows for cell in row))
