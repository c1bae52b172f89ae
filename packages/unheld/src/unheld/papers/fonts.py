"""Fonts of this machine for what a PDF's own fonts cannot write. None is shipped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fpdf import FPDF
from fpdf.fonts import TTFFont
from fpdf.unicode_script import get_unicode_script

from unheld_verify.errors import BadInputError

CORE = "helvetica"
_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path.home() / "Library/Fonts",
)
_MEND = (
    "install a font that has it (on Debian fonts-dejavu-core for most scripts, fonts-sil-padauk for Burmese); "
    "the HTML page of the same paper needs none"
)


@dataclass(frozen=True)
class Face:
    """A font family and the names of its files, regular and bold."""

    family: str
    regular: str
    bold: str


FACES = (
    Face("dejavusans", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    Face("padauk", "Padauk-Regular.ttf", "Padauk-Bold.ttf"),
    Face("notosansmyanmar", "NotoSansMyanmar-Regular.ttf", "NotoSansMyanmar-Bold.ttf"),
)


def choose(pdf: FPDF, texts: Iterable[str]) -> str:
    """The family in which `pdf` writes these texts, with fallbacks set for what it lacks.

    A PDF's own font where it has every character, so that most papers need no font of the machine. Raises
    BadInputError naming the first character that no font here has.
    """
    signs = sorted(set("".join(texts)), key=lambda sign: (sign.isascii(), sign))
    if all(ord(sign) < 256 for sign in signs):
        return CORE
    families = [face.family for face in FACES if _add(pdf, face)]
    known = {code for family in families for code in pdf.fonts[family].cmap}  # type: ignore[union-attr]
    for sign in signs:
        if ord(sign) not in known and sign not in "\u200b\u200c\u200d":
            raise BadInputError(f"no font on this machine has {_named(sign)}: {_MEND}")
    if "padauk" in families and "notosansmyanmar" in families:
        families.remove("notosansmyanmar")
    pdf.set_fallback_fonts(families[1:], exact_match=False)
    pdf.set_text_shaping(True)
    return families[0]


def close(pdf: FPDF) -> None:
    """Close the files of the fonts that `pdf` reads from."""
    for font in pdf.fonts.values():
        if isinstance(font, TTFFont):
            font.close()


def _add(pdf: FPDF, face: Face) -> bool:
    regular = _find(face.regular)
    if regular is not None:
        pdf.add_font(face.family, "", regular)
        pdf.add_font(face.family, "B", _find(face.bold) or regular)
    return regular is not None


@cache
def _find(name: str) -> Path | None:
    return next((path for folder in _FOLDERS if folder.is_dir() for path in sorted(folder.rglob(name))), None)


def _named(sign: str) -> str:
    script = get_unicode_script(sign).name.replace("_", " ").title()
    return f"the character U+{ord(sign):04X} ({unicodedata.name(sign, 'unnamed').lower()}, script {script})"
