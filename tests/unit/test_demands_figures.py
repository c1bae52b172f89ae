"""Transparency figures against a register and a log that were counted by hand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.demands import DAY, TODAY, Registered, filed, register_of
from unheld.demands import figures, register, reporting
from unheld.demands.figures import Counted, Figures, Outcome, Period
from unheld.ledger import Ledger
from unheld.papers.document import Bullets, Document, Notice, Paragraph, Table
from unheld.papers.html import html
from unheld.workflows import demand as journeys
from unheld.workflows import running
from unheld_verify import columns, crypto, note, statement, tiles
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError
from unheld_verify.tiles import Log

MINISTRY: dict[str, Any] = {
    "authority": "Ministry", "authority_kind": "ministry", "basis": ("MM-31-2013-77",), "court_order": False,
}  # fmt: skip
HUNDREDS = tuple(f"tel:+9991112{number:04}" for number in range(300))


def publish(registered: Registered) -> None:
    """Publish what waits."""
    with registered.clock(), registered.made.opened() as store:
        running.publish(registered.made.deployment, store)


def by_hand(registered: Registered) -> None:
    """Six demands: three of a ministry (two refused, one waiting), one narrowed, one withdrawn, one secret."""
    with registered.desk() as desk:
        one = desk.receive(filed(**MINISTRY, asks=("location", "traffic"), targets=300), HUNDREDS)
        two = desk.receive(filed(**MINISTRY, asks=("realtime",), emergency=True), HUNDREDS[:1])
        desk.receive(filed(**MINISTRY, asks=("registry",)), HUNDREDS[:1])
        four = desk.receive(filed(asks=("content", "location"), begins=DAY - 9, ends=DAY - 1), HUNDREDS[1:2])
        five = desk.receive(filed(target_kind="area", targets=2, basis=()), note="two squares")
        six = desk.receive(filed(**MINISTRY | {"authority": "Secret Police"}, secret_until=DAY + 30), HUNDREDS[2:3])
        desk.refuse(one, ["MultipleTargets", "NoIndependentAuthorisation"], "An Officer")
        desk.refuse(two, ["RealTime"], "An Officer")
        desk.narrow(four, "An Officer", ("location",))
        desk.withdraw(five, "An Officer")
        desk.refuse(six, ["SecrecyWithoutEnd"], "An Officer")
    with registered.clock():
        where = registered.made.deployment
        private = where.escrow_private()
        own = statement.make(where.policy().origin, "access-answered", columns.day_text(DAY))
        for _ in range(2):
            Ledger(where.ledger).post(statement.commit(own))
        journeys.answer_claim(where, HUNDREDS[0], "a claimant", private, registered.register / "o")


@pytest.fixture
def counted(tmp_path: Path) -> Registered:
    registered = register_of(tmp_path)
    by_hand(registered)
    publish(registered)
    return registered


def of_register(registered: Registered, today: int = DAY, first: int = -1, last: int = -1) -> Figures:
    """Headquarters' figures."""
    where = registered.made.deployment
    with register.opened(where) as opened:
        demands, kept = opened.demands(), Ledger(where.ledger).kept()
    published = figures.published_in(tiles.open_log(str(where.log)), where.log_key())
    return figures.from_register(demands, kept, published, today, first, last)


def of_log(registered: Registered, today: int = DAY) -> Figures:
    """An outsider's figures."""
    where = registered.made.deployment
    return figures.from_log(tiles.open_log(str(where.log)), where.log_key(), today)


def table(found: Figures, name: str) -> Counted:
    """A table by its name."""
    [one] = [item for item in found.tables if item.name == name]
    return one


def test_outcomes_are_counted_refusals_first(counted: Registered) -> None:
    """Two refused (301 lines), one narrowed, one waiting, one withdrawn; the secret one is apart."""
    found = of_register(counted)

    assert (found.received, found.closed) == (6, 1)
    assert table(found, "outcome").rows == (
        (Outcome.REFUSED, (2, 301)),
        (Outcome.NARROWED, (1, 1)),
        (Outcome.COMPLIED, (0, 0)),
        (Outcome.WAITING, (1, 1)),
        (Outcome.WITHDRAWN, (1, 0)),
    )
    assert table(found, "outcome").total == (5, 303)


def test_refusals_are_counted_by_code(counted: Registered) -> None:
    """A demand refused by two codes stands under both, and once in the last row."""
    codes = table(of_register(counted), "code")

    assert codes.overlaps
    assert dict(codes.rows) == {
        "MultipleTargets": (1, 300),
        "NoIndependentAuthorisation": (1, 300),
        "RealTime": (1, 1),
    }
    assert codes.total == (2, 301)


def test_demands_are_counted_by_authority(counted: Registered) -> None:
    """Refused, narrowed, complied, waiting, withdrawn, all, lines; most demands first."""
    assert table(of_register(counted), "authority").rows == (
        ("Ministry", (2, 0, 0, 1, 0, 3, 302)),
        ("District Court", (0, 1, 0, 0, 1, 2, 1)),
    )


@pytest.mark.parametrize(
    ("name", "demands"),
    [
        ("category", {"registry": 1, "traffic": 1, "location": 3, "content": 1, "realtime": 1}),
        ("stored", {"stored": 4, "as it happens": 1, "both": 0}),
        ("content", {"content": 0, "other facts": 3, "both": 1, "as it happens alone": 1}),
        ("kind", {"court": 2, "ministry": 3, "police": 0}),
        ("basis", {"MM-31-2013-77": 4, "none named": 1}),
        ("process", {"court order": 2, "emergency, without one": 1, "other, without a court order": 2}),
        ("secrecy", {"none": 5, "until a date that has come": 0, "without end": 0}),
    ],
)
def test_demands_are_counted_by_everything_else(name: str, demands: dict[str, int], counted: Registered) -> None:
    """Category, stored or not, content or not, kind of authority, law, process, secrecy."""
    found = {row: counts[5] for row, counts in table(of_register(counted), name).rows}

    assert {row: found[row] for row in demands} == demands


def test_the_log_alone_gives_the_same_tables(counted: Registered) -> None:
    """What an outsider counts from the log is what headquarters tells, but for what only the register knows."""
    ours, theirs = of_register(counted), of_log(counted)

    assert theirs.tables == ours.tables[: len(theirs.tables)]
    assert [item.name for item in theirs.tables] == ["outcome", "code", "authority", "category", "stored", "content"]
    assert [item.published for item in theirs.statements] == [item.published for item in ours.statements]


def test_register_and_log_are_compared(counted: Registered) -> None:
    """Six demands were received and one is hidden by secrecy; so is its refusal; a claim and two cards answered."""
    found = {item.kind: (item.made, item.published, item.secret, item.next) for item in of_register(counted).statements}

    assert found == {
        "demand-refused": (3, 2, 1, 0),
        "demand-narrowed": (1, 1, 0, 0),
        "demand-withdrawn": (1, 1, 0, 0),
        "demand-received": (6, 5, 1, 0),
        "claim-answered": (1, 1, 0, 0),
        "access-answered": (2, 2, 0, 0),
    }


def test_own_access_is_counted_with_its_source(counted: Registered) -> None:
    """Page, CSV and JSON tell how often closed days were opened to a card; an outsider counts the same from the log."""
    ours, theirs = of_register(counted), of_log(counted)

    assert any("2 times in this period. Source: headquarters' statements" in one for one in bullets(document(ours)))
    assert any("2 times in this period. Source: headquarters' statements" in one for one in bullets(document(theirs)))
    assert "statements,access-answered,published,2" in reporting.to_csv(theirs)


def test_before_its_publication_a_statement_waits(tmp_path: Path) -> None:
    """What was decided since the last publication is counted as waiting for the next."""
    registered = register_of(tmp_path)
    with registered.desk() as desk:
        desk.receive(filed(), HUNDREDS[:1])
    found = of_register(registered)
    [received] = [item for item in found.statements if item.kind == "demand-received"]

    assert (received.made, received.published, received.secret, received.next) == (1, 0, 0, 1)
    assert "1 of 1 statements wait for the next publication of the log." in bullets(document(found))


def test_what_is_secret_is_told_by_nothing_but_a_count(counted: Registered) -> None:
    """Neither the authority nor anything else of a secret demand stands in page, CSV or JSON."""
    found = of_register(counted)
    texts = (html(document(found)), reporting.to_csv(found), reporting.to_json(found, "log"))

    assert "1 more demand under secrecy" in texts[0]
    assert not [text for text in texts if "Secret Police" in text or "SecrecyWithoutEnd" in text]


def test_when_secrecy_ends_the_demand_is_told(counted: Registered) -> None:
    """From the day after its last secret day a demand stands in every table, and in the log."""
    counted.made.set_clock(TODAY + timedelta(days=31), 43_200)
    publish(counted)
    found = of_register(counted, DAY + 31)

    assert found.closed == 0
    assert dict(table(found, "authority").rows)["Secret Police"] == (1, 0, 0, 0, 0, 1, 1)
    assert dict(table(found, "secrecy").rows)["until a date that has come"][5] == 1
    assert of_log(counted, DAY + 31).tables == found.tables[:6]


def test_a_period_has_the_demands_filed_in_it(tmp_path: Path) -> None:
    """Both ends belong to it, and what was filed before or after does not."""
    registered = register_of(tmp_path)
    for days in range(4):
        registered.made.set_clock(TODAY + timedelta(days=days), 43_200)
        with registered.desk() as desk:
            desk.receive(filed(reference=f"{days}"), HUNDREDS[:1])
    publish(registered)

    asked = ((DAY + 1, DAY + 2), (-1, -1), (DAY + 3, -1), (-1, DAY))
    assert [of_register(registered, DAY + 3, *days).received for days in asked] == [2, 4, 1, 1]


def test_a_period_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    """Crossed days are an error and no empty report."""
    with pytest.raises(BadInputError, match="ends before it begins"):
        of_register(register_of(tmp_path), DAY, DAY, DAY - 1)


def test_an_empty_register_has_a_report(tmp_path: Path) -> None:
    """No demand at all is told as such, on the page and in the files."""
    found = of_register(register_of(tmp_path))

    assert found.period == Period(DAY, DAY)
    assert found.received == 0
    assert reporting.headline(found) == "0 of 0 demands refused, 0 complied with"
    assert "Refusals by code: none." in html(document(found))


def test_the_figures_work_without_the_store(counted: Registered) -> None:
    """When the store's folder is gone, register and log tell the same as before."""
    before = of_register(counted)
    counted.made.root.rename(counted.made.root.with_name("gone"))

    assert of_register(counted) == before


def test_an_altered_log_gives_no_figures(counted: Registered) -> None:
    """An opening that does not open its entry is false, and nothing is counted from it."""
    where = counted.made.deployment
    path = min((where.log / "openings").iterdir())
    altered = path.read_bytes().replace(b'"day":"2026-', b'"day":"2025-')
    path.write_bytes(altered)

    with pytest.raises(VerificationError):
        of_log(counted)


def test_a_log_that_lists_nothing_is_read_entry_by_entry(counted: Registered) -> None:
    """Over the web no folder can be listed; the same openings are found."""
    where = counted.made.deployment
    log, names = tiles.open_log(str(where.log)), Log.opened
    with patch.object(Log, "opened", lambda self, size: list(range(size))):
        unlisted = figures.published_in(log, where.log_key())

    assert unlisted == figures.published_in(log, where.log_key())
    assert Log.opened is names


def test_another_logs_key_gives_no_figures(counted: Registered) -> None:
    """The log is checked with the key that was given before anything of it is counted."""
    other = note.Key(counted.made.deployment.log_key().name, crypto.sign_public(b"o" * 32))
    log = tiles.open_log(str(counted.made.deployment.log))

    with pytest.raises((VerificationError, CannotVerifyError)):
        figures.from_log(log, other, DAY)


def document(found: Figures) -> Document:
    """The report's page."""
    return reporting.document(found, "store.example/unheld", "MM", {"MM-31-2013-77": "Telecommunications Law"})


def bullets(paper: Document) -> list[str]:
    """All items of lists."""
    return [item for block in paper.blocks if isinstance(block, Bullets) for item in block.items]


def tables(paper: Document) -> Iterable[Table]:
    """All tables of a page."""
    return (block for block in paper.blocks if isinstance(block, Table))


def test_the_page_begins_with_refusals(counted: Registered) -> None:
    """The first block is the count of refusals, the first table what became of demands, refusals on top."""
    paper = document(of_register(counted))
    first = next(iter(tables(paper)))

    assert paper.blocks[0] == Notice(
        "2 of 5 demands refused, 0 complied with; 1 more under secrecy",
        "Nothing was handed over on any of them here: this system has no function that releases records.",
    )
    assert first.rows[0][:2] == ("refused", "2")


def test_the_page_answers_eleven_questions_and_names_its_sources(counted: Registered) -> None:
    """Each of the eleven has a place on the page; what was not to be had in the original is said."""
    for found in (of_register(counted), of_log(counted)):
        paper = document(found)
        [eleven] = [item for item in tables(paper) if "P11" in item.caption]
        assert [row[0].split(".")[0] for row in eleven.rows] == [str(number) for number in range(1, 12)]
        assert all(row[1] for row in eleven.rows)
        assert any(
            isinstance(block, Paragraph) and "Not to be had in the original" in block.text for block in paper.blocks
        )


def test_laws_are_named_by_their_titles(counted: Registered) -> None:
    """A reader finds the title of a law where the register has its id."""
    rows = [row[0] for item in tables(document(of_register(counted))) for row in item.rows]

    assert "Telecommunications Law" in rows
    assert "MM-31-2013-77" not in rows


def test_a_log_that_tells_less_than_it_should_is_noticed(counted: Registered) -> None:
    """A statement that was neither secret nor waiting, and that the log does not tell, is said in a plain line."""
    where = counted.made.deployment
    with register.opened(where) as opened:
        demands, kept = opened.demands(), Ledger(where.ledger).kept()
    published = figures.published_in(tiles.open_log(str(where.log)), where.log_key())
    more = figures.from_register(demands, kept[:-1], published, DAY)

    assert any("one of the two is not whole" in line for line in bullets(document(more)))


def test_the_csv_has_a_line_for_each_count(counted: Registered) -> None:
    """Every count of every table can be read back from the CSV."""
    found = of_register(counted)
    lines = list(csv.DictReader(io.StringIO(reporting.to_csv(found))))
    read = {(line["table"], line["row"], line["measure"]): int(line["count"]) for line in lines}

    assert read["authority", "Ministry", "refused"] == 2
    assert read["report", "all", "under secrecy"] == 1
    assert read["statements", "demand-received", "published"] == 5
    assert len(read) == len(lines)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@x"])
def test_no_name_is_a_formula_in_the_csv(name: str, tmp_path: Path) -> None:
    """An authority whose name a spreadsheet would compute stands there as text."""
    registered = register_of(tmp_path)
    with registered.desk() as desk:
        desk.receive(filed(authority=name), HUNDREDS[:1])
    rows = {
        row[1] for row in csv.reader(io.StringIO(reporting.to_csv(of_register(registered)))) if row[0] == "authority"
    }

    assert rows == {f"'{name}"}


def test_the_json_has_the_same_counts(counted: Registered) -> None:
    """The JSON document has the summary, the period and every table."""
    found = of_register(counted)
    read = json.loads(reporting.to_json(found, "store.example/unheld"))

    assert {name: read[name] for name in ("v", "source", "from", "to", "made", "refused", "complied", "demands")} == {
        "v": 1, "source": "register", "from": str(TODAY), "to": str(TODAY), "made": str(date(2026, 7, 10)),
        "refused": 2, "complied": 0, "demands": 6,
    }  # fmt: skip
    [authority] = [item for item in read["tables"] if item["name"] == "authority"]
    assert authority["rows"][0] == {
        "name": "Ministry", "refused": 2, "narrowed": 0, "complied": 0, "waiting": 1, "withdrawn": 0, "demands": 3,
        "lines named": 302,
    }  # fmt: skip
