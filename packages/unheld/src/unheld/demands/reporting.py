"""The transparency report: the same figures as a page, a CSV and a JSON file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from unheld.demands import codes
from unheld.demands.figures import LOG, Counted, Figures, Outcome, Statements
from unheld.demands.letters import ASKS_WORDS
from unheld.demands.model import UNKNOWN
from unheld.papers.document import Block, Bullets, Document, Facts, Heading, Notice, Paragraph, Table, printable
from unheld_verify import columns

YEAR = 366
_OUTCOME_WORDS = {
    "refused": "refused",
    "narrowed": "narrowed: a part refused, the rest open",
    "complied": "complied with",
    "waiting": "open, or its end is not told yet; nothing handed over",
    "withdrawn": "withdrawn by the authority",
}
_STATEMENT_WORDS = {
    "demand-refused": "a demand was refused",
    "demand-narrowed": "a demand was narrowed",
    "demand-withdrawn": "a demand was withdrawn",
    "demand-received": "a demand was received",
    "claim-answered": "a claim was answered",
    "access-answered": "custodians answered a card that asked for its own records",
}
_NO_TITLES: Mapping[str, str] = {}
_OVERLAP = "One demand may stand in several rows; the last row counts each once."
_SHEET_FORMULA = ("=", "+", "-", "@")


def document(figures: Figures, origin: str, home: str = "", titles: Mapping[str, str] = _NO_TITLES) -> Document:
    """The report as a paper. `origin` names the log, `home` the store's country, `titles` laws by their ids."""
    first, last = _days(figures)
    words = "headquarters' register and the public log" if figures.source != LOG else "the public log alone"
    return Document(
        "What authorities demanded, and what became of it",
        f"Transparency report of the store at {origin}, {first} to {last}",
        "en",
        columns.date_of(figures.today),
        (
            *_summary(figures),
            *_counts(figures, titles),
            *_beside_the_log(figures),
            *_questions(figures, home),
            *_reading(figures),
        ),
        f"Made on {columns.day_text(figures.today)} from {words}. It names nobody.",
    )


def headline(figures: Figures) -> str:
    """The report in one line, refusals first."""
    told = figures.received - figures.closed
    secret = f"; {figures.closed:,} more under secrecy" if figures.closed else ""
    return f"{_outcome(figures, Outcome.REFUSED):,} of {told:,} {_demands(told)} refused, 0 complied with{secret}"


def summary(figures: Figures) -> dict[str, int]:
    """The report in four counts."""
    refused = _outcome(figures, Outcome.REFUSED)
    return {"refused": refused, "complied": 0, "demands": figures.received, "under_secrecy": figures.closed}


def to_json(figures: Figures, origin: str) -> str:
    """The figures as a JSON document; keys stay, new ones may come."""
    first, last = _days(figures)
    value: dict[str, Any] = {
        "v": 1,
        "log": origin,
        "source": figures.source,
        "from": first,
        "to": last,
        "made": columns.day_text(figures.today),
        **summary(figures),
        "tables": [_table_json(table) for table in figures.tables],
        "statements": [_statement_json(item) for item in figures.statements],
    }
    return json.dumps(value, indent=1) + "\n"


def to_csv(figures: Figures) -> str:
    """The figures as lines `table,row,measure,count`, without a row that sums others.

    A text that a spreadsheet would take for a formula has an apostrophe before it: names are what authorities wrote.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("table", "row", "measure", "count"))
    writer.writerow(("report", "all", "demands", figures.received))
    writer.writerow(("report", "all", "under secrecy", figures.closed))
    for table in figures.tables:
        for row, counts in table.rows:
            for measure, count in zip(table.measures, counts, strict=True):
                writer.writerow((table.name, _cell(row), measure, count))
    for item in figures.statements:
        for measure, count in _statement_json(item).items():
            if measure != "kind":
                writer.writerow(("statements", item.kind, measure, count))
    return out.getvalue()


def _summary(figures: Figures) -> Iterator[Block]:
    yield Notice(
        headline(figures),
        "Nothing was handed over on any of them here: this system has no function that releases records.",
    )
    if figures.closed:
        yield Paragraph(
            f"{figures.closed:,} more {_demands(figures.closed)} under secrecy that the law or the order "
            "demands, or held back for a year so that nobody is endangered: counted here, in no table, and published "
            "when that ends."
        )
    yield Facts(
        (
            ("Period", " to ".join(_days(figures))),
            ("State of", columns.day_text(figures.today)),
            ("Demands", f"{figures.received:,}"),
            ("Lines named in demands that may be told", f"{_table(figures, 'outcome').total[1]:,}"),
            ("Lines of which anything was handed over", "0"),
        )
    )


def _counts(figures: Figures, titles: Mapping[str, str]) -> Iterator[Block]:
    yield Heading("Refusals first")
    for name in ("outcome", "code"):
        yield from _shown(_table(figures, name), {})
    yield Heading("By authority, by what was asked for, by law")
    for table in figures.tables:
        if table.name not in {"outcome", "code"}:
            yield from _shown(table, titles if table.name == "basis" else {})


def _shown(table: Counted, titles: Mapping[str, str]) -> Iterator[Block]:
    if not table.rows:
        yield Paragraph(f"{table.words}: none.")
        return
    rows = [
        (titles.get(row) or _row_words(table.name, row), *(f"{count:,}" for count in counts))
        for row, counts in table.rows
    ]
    rows.append(("All", *(f"{count:,}" for count in table.total)))
    caption = f"{table.words}. {_OVERLAP}" if table.overlaps else f"{table.words}."
    names = (table.name.capitalize(), *(measure.capitalize() for measure in table.measures))
    yield Table(caption, names, tuple(rows), frozenset(range(1, len(names))))


def _beside_the_log(figures: Figures) -> Iterator[Block]:
    yield Heading("Beside the public log")
    if figures.source == LOG:
        rows = tuple((_STATEMENT_WORDS[item.kind], f"{item.published:,}") for item in figures.statements)
        yield Table("Statements of the period that the log tells.", ("Statement", "In the log"), rows, frozenset({1}))
        yield Paragraph(
            "What is still closed looks like every other closed entry, so nobody can count it from the log."
        )
        return
    yield Table(
        "Statements of the period, in the register and in the log.",
        ("Statement", "Made", "In the log", "Under secrecy", "Next publication"),
        tuple(
            (_STATEMENT_WORDS[item.kind], *map("{:,}".format, (item.made, item.published, item.secret, item.next)))
            for item in figures.statements
        ),
        frozenset({1, 2, 3, 4}),
    )
    yield Bullets(tuple(_differences(figures)))


def _differences(figures: Figures) -> Iterator[str]:
    made, published, secret, later = (
        sum(getattr(item, name) for item in figures.statements) for name in ("made", "published", "secret", "next")
    )
    if made == published:
        yield "Register and log tell the same."
    if secret:
        yield f"{secret:,} of {made:,} statements are in no published opening yet, because secrecy lasts until a date."
    if later:
        yield f"{later:,} of {made:,} statements wait for the next publication of the log."
    if made != published + secret + later:
        yield (
            f"The log tells {published:,} statements where the register accounts for {made - secret - later:,}: one of "
            "the two is not whole. Compare the register with its last good copy."
        )


def _questions(figures: Figures, home: str) -> Iterator[Block]:
    """What is to be told of demands, in our words and numbering (see figures.py for the sources)."""
    country = f"the store's country is {home}" if home else "the store's country is not noted"
    register = figures.source != LOG
    only = "in the register's report only"
    period = figures.period.days
    late = "" if period <= YEAR else " This report covers more than a year."
    yield Heading("The eleven things a report should tell")
    yield Table(
        "After the indicator P11 of Ranking Digital Rights, in words and numbering of our own.",
        ("What", "Where it is told"),
        (
            ("1. Demands by country", f"By authority; an authority's name says whose it is, {country}"),
            ("2. Stored facts, or as it happens", "Stored, or as it happens"),
            ("3. Lines affected", "Lines named, in each table; lines of which anything was handed over: 0"),
            ("4. Content, or other facts", "Content, or other facts"),
            ("5. Legal basis and process", "By legal basis, by legal process" if register else only),
            ("6. Court orders", "By legal process" if register else only),
            ("7. Demands of private parties", "Among authorities of the kind `other`" if register else only),
            ("8. What was complied with, by category", "By what was asked for; the column is 0 throughout"),
            ("9. What may not be told", "Demands under secrecy, counted; by secrecy demanded" if register else only),
            ("10. At least once a year", f"The period has {period:,} {'day' if period == 1 else 'days'}.{late}"),
            ("11. As structured data", "report.csv and report.json beside this page"),
        ),
    )


_READING = (
    "Every figure is exact. They count orders of authorities and not people, so a small number shows nobody.",
    "A demand belongs to the period in which it was filed; what became of it is as of the day of this report.",
    "A demand that names no line (an area, a name, a device) counts 0 lines.",
    "A log proves that its owner stated a thing and cannot take it back, not that every demand was filed.",
    "Nothing here proves that nothing was handed over by other ways.",
)


def _reading(figures: Figures) -> tuple[Block, ...]:
    notice = (
        "Notice to those who were named is given to whoever asks, and to nobody unasked: a message on a seized phone "
        f"endangers its owner. Claims answered in this period: {_stated(figures, 'claim-answered'):,}."
    )
    access = (
        "Closed days were opened to nobody but subscribers, to each their own, with their card and custodians: "
        f"{_stated(figures, 'access-answered'):,} times in this period. Source: headquarters' statements of the kind "
        "access-answered. Each says that a card asked, and not that its owner was free; each custodian keeps its own "
        "count of a day."
    )
    return (
        Heading("How to read this"),
        Bullets((*_READING, notice, access)),
        Heading("Sources of the questions", 3),
        Paragraph(
            "Read: the indicator P11a of Ranking Digital Rights on demands for user information, in a stored copy of "
            "its page. Not to be had in the original: the list of 2017 to 2019 with its eleventh element on private "
            "parties, taken from a copy in The Digital Standard; and New America's template for such reports, of which "
            "only the notice and the summary were read. No sentence is copied."
        ),
    )


def _stated(figures: Figures, kind: str) -> int:
    """How many statements of a kind were made, or where only the log was asked, how many it tells."""
    found = next(item for item in figures.statements if item.kind == kind)
    return found.published if found.made == UNKNOWN else found.made


def _row_words(table: str, row: str) -> str:
    if table == "code":
        known = codes.known().get(row)
        return f"{row}: {known.title}" if known else row
    return {"outcome": _OUTCOME_WORDS, "category": ASKS_WORDS}.get(table, {}).get(row, row)


def _table(figures: Figures, name: str) -> Counted:
    return next(table for table in figures.tables if table.name == name)


def _outcome(figures: Figures, outcome: Outcome) -> int:
    return dict(_table(figures, "outcome").rows)[outcome][0]


def _demands(count: int) -> str:
    return "demand" if count == 1 else "demands"


def _days(figures: Figures) -> tuple[str, str]:
    return columns.day_text(figures.period.first), columns.day_text(figures.period.last)


def _table_json(table: Counted) -> dict[str, Any]:
    rows = [{"name": row, **dict(zip(table.measures, counts, strict=True))} for row, counts in table.rows]
    return {"name": table.name, "overlaps": table.overlaps, "rows": rows}


def _statement_json(item: Statements) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": item.kind, "published": item.published}
    return found if item.made == UNKNOWN else found | {"made": item.made, "secret": item.secret, "next": item.next}


def _cell(text: str) -> str:
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_SHEET_FORMULA) else shown
