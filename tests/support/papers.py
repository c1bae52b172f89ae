"""Papers for tests: one with every block, and one whose every text is hostile."""

from __future__ import annotations

import datetime

from unheld.papers.document import Bullets, Document, Facts, Heading, Notice, Paragraph, Table

DAY = datetime.date(2026, 11, 23)
BURMESE = "ဆက်သွယ်ရေးနှင့် အချက်အလက်နည်းပညာဝန်ကြီးဌာန"
MARKUP = "<script>document.title='taken'</script><img src=https://attacker.example/x onerror=alert(1)>"
HOSTILE = f"{MARKUP} {{{{ 7 * 7 }}}} {{nb}} \x07\x1b[31m\u202egnp.exe\u2028\ud800 {'W' * 400} {BURMESE}"


def every_block(text: str = "The words of a paper.", rows: int = 3, name: str = "Ministry") -> Document:
    """A paper with every kind of block."""
    return Document(
        title=f"A paper {name}",
        subtitle="What it is",
        language="en",
        day=DAY,
        blocks=(
            Notice("A statement", text),
            Notice("A limit", text, "warning"),
            Heading("A heading"),
            Paragraph(text),
            Heading("A lower one", 3),
            Facts((("Name", name), ("Long value", "ab" * 32), ("Nothing", ""))),
            Bullets(("one", text)),
            Table(
                "A table",
                ("Name", "Count", "Words"),
                tuple((f"{name} {number}", f"{number * 1009:,}", text) for number in range(rows)),
                frozenset({1}),
            ),
        ),
        footer=f"The footer of {name}",
    )
