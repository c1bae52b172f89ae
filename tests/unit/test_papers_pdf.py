"""A paper as PDF, read back with another program's eyes (poppler)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpdf import FPDF

from tests.support.papers import BURMESE, DAY, HOSTILE, every_block
from unheld.papers import fonts
from unheld.papers.document import Block, Document, Heading, Paragraph, Table
from unheld.papers.pdf import pdf
from unheld_verify.errors import BadInputError


def _poppler(program: str, data: bytes, *options: str) -> str:
    try:
        ran = subprocess.run(
            [program, *options, "-", *(["-"] if program == "pdftotext" else [])],
            input=data,
            capture_output=True,
            check=True,
            timeout=60,
        )
    except FileNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{program} is not installed: apt-get install poppler-utils")
    return ran.stdout.decode()


def _words(data: bytes) -> str:
    return re.sub(r"\s+", " ", _poppler("pdftotext", data, "-layout"))


def _letters(data: bytes) -> str:
    """All text without spaces: a long word may be broken over lines."""
    return re.sub(r"\s+", "", _poppler("pdftotext", data, "-raw"))


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fonts, "_FOLDERS", ())
    fonts._find.cache_clear()
    yield
    fonts._find.cache_clear()


def test_every_block_is_written() -> None:
    """Each text of each kind of block stands in the file."""
    text = _words(pdf(every_block()))

    for words in ("A paper Ministry", "A statement", "A limit", "A heading", "A lower one", "Long value", "A table"):
        assert words in text
    assert text.count("The words of a paper.") == 7
    assert "ab" * 32 in text
    assert "1,009" in text
    assert "The footer of Ministry Page 1 of 1" in text


def test_the_same_document_gives_the_same_bytes() -> None:
    """The file's dates and ids come from the document, in a core font and in fonts of the machine."""
    assert pdf(every_block()) == pdf(every_block())
    assert pdf(every_block(name=BURMESE)) == pdf(every_block(name=BURMESE))


def test_metadata_is_the_documents() -> None:
    """Title, subject, date and language are those of the document, and the date is not that of the clock."""
    data = pdf(every_block())
    told = _poppler("pdfinfo", data, "-isodates")

    assert re.search(r"Title: +A paper Ministry\n", told)
    assert re.search(r"Subject: +What it is\n", told)
    assert f"{DAY.isoformat()}T00:00:00" in told
    assert b"/Lang (en)" in data


def test_papers_in_latin_letters_need_no_font(no_fonts: None) -> None:
    """On a machine without any font a paper in Latin letters is written."""
    assert "Ministère" in _words(pdf(every_block(name="Ministère")))


def test_a_character_without_a_font_is_named_with_the_mend(no_fonts: None) -> None:
    """The error says which character of which script has no font, what to install, and that the page stands."""
    with pytest.raises(BadInputError, match=r"U\+1000 .*script Myanmar.*fonts-sil-padauk.*HTML"):
        pdf(every_block(name="က"))


def test_a_character_that_no_usual_font_has_is_refused() -> None:
    """A paper is never printed with a box where a letter should be."""
    with pytest.raises(BadInputError, match="U\\+13000"):
        pdf(every_block(name="\U00013000"))


def test_burmese_is_written() -> None:
    """A name in Burmese stands in the file, letter by letter as it was given."""
    letters = set(BURMESE) - {" "}

    assert letters <= set(_letters(pdf(every_block(name=BURMESE))))


def test_burmese_breaks_between_syllables() -> None:
    """A line of Burmese does not break inside a syllable or a stack."""
    from unheld.papers.pdf import _breaking

    assert _breaking("မြန်မာနိုင်ငံ").split("\u200b") == ["မြန်", "မာ", "နိုင်", "ငံ"]
    assert _breaking("ဗုဒ္ဓ") == "ဗုဒ္ဓ"


def test_a_table_of_300_rows_goes_on_over_pages_with_its_heading() -> None:
    """Every row of a long table is there, and each page of it repeats the heading."""
    text = _poppler("pdftotext", pdf(every_block(rows=300)), "-layout")
    pages = text.strip("\f").split("\f")

    assert re.findall(r"^Ministry (\d+) ", text, re.MULTILINE) == [str(number) for number in range(300)]
    assert all(re.search(r"Name +Count +Words", page) for page in pages[1:])
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1]


def test_no_word_of_a_cell_higher_than_a_page_is_cut_off() -> None:
    """A cell that fills pages is there to its last word, in one part after the other."""
    words = " ".join(f"w{number}" for number in range(4_000))
    table = Table("Long", ("Name", "Words"), (("only", words),))
    text = _letters(pdf(Document("Long", "", "en", DAY, (table,), "foot")))

    assert re.findall(r"w(\d+)", text.replace("Words", "")) == [str(number) for number in range(4_000)]


def test_long_words_stay_inside_the_page() -> None:
    """A word wider than the page is broken, and every letter of it is there."""
    blocks = (
        Heading("H" * 90),
        Paragraph("W" * 900),
        Table("T", ("a", "b", "c"), (("X" * 300, "Y" * 300, "Z" * 300),)),
    )
    boxes = _poppler("pdftotext", data := pdf(Document("D" * 90, "", "en", DAY, blocks, "F" * 400)), "-bbox")
    letters = _letters(data)

    assert max(float(x) for x in re.findall(r'xMax="([0-9.]+)"', boxes)) <= 595.28 - 56
    assert [letters.count(sign) for sign in "HWXYZ"] == [90, 900, 300, 300, 300]


def test_hostile_text_is_shown_as_text() -> None:
    """Markup, controls and the sign for the number of pages are shown or dropped, and change nothing else."""
    text = _letters(pdf(every_block(HOSTILE, name="{nb}")))

    assert "<script>document.title='taken'</script>" in text
    assert "{nb}" in text


def test_a_heading_does_not_stand_alone_at_the_foot_of_a_page() -> None:
    """A heading moves to the next page with what it belongs to."""
    filler = tuple(Paragraph("Words. " * 40) for _ in range(9))
    for extra in range(12):
        blocks: tuple[Block, ...] = (
            *filler,
            *(Paragraph("x") for _ in range(extra)),
            Heading("The heading"),
            Paragraph("What follows."),
        )
        pages = _poppler("pdftotext", pdf(Document("T", "", "en", DAY, blocks, "foot")), "-layout").split("\f")
        assert [("The heading" in page) == ("What follows." in page) for page in pages].count(False) == 0


def test_a_family_without_its_bold_face_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A font of which only the regular face is here writes bold text too."""
    found = fonts._find
    monkeypatch.setattr(fonts, "_find", lambda name: None if "Bold" in name else found(name))

    assert set(BURMESE) - {" "} <= set(_letters(pdf(every_block(name=BURMESE))))


def test_fonts_are_asked_only_for_what_latin_1_lacks() -> None:
    """A paper in Latin letters takes a PDF's own font, even where others are here."""
    plain, quoted = FPDF(), FPDF()
    families = fonts.choose(plain, ["Größe"]), fonts.choose(quoted, ["“"])
    fonts.close(quoted)

    assert families == ("helvetica", "dejavusans")


def test_a_font_file_lies_in_a_known_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A font is found in a folder below a known one, and nowhere else."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "DejaVuSans.ttf").touch()
    monkeypatch.setattr(fonts, "_FOLDERS", (tmp_path / "absent", tmp_path))
    fonts._find.cache_clear()
    found = fonts._find("DejaVuSans.ttf"), fonts._find("Padauk-Regular.ttf")
    fonts._find.cache_clear()

    assert found == (tmp_path / "deep" / "DejaVuSans.ttf", None)
