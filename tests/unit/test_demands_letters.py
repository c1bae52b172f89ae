"""The letter on a demand: what it says of each code, of the store's real state, and what it never says."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.demands import DAY, PERSON, filed, held, register_of
from unheld.demands import codes, letters, model
from unheld.demands.model import Act, Demand, Finding, Held, Span
from unheld.demands.rules import Rulebook, rulebook, shipped_packs
from unheld.papers.document import Bullets, Document, Facts, Heading, Notice, Paragraph, Table
from unheld.papers.html import html
from unheld.papers.pdf import pdf
from unheld_branch.store.policy import Policy
from unheld_verify import columns
from unheld_verify.errors import BadInputError, StateError

RULES = rulebook(shipped_packs())
TOLD = [id_ for id_, code in codes.known().items() if not code.quiet]
NOON = DAY * 86_400 + 43_200
FOUND = Finding("generic", "one-line", "MultipleTargets", "refuse", "A demand names one line. It names 3, more than 1.")
_OF_THE_FUTURE = ("we will", "you will", "shall", "must", "prosecut", "consequence")
LESS = Finding(
    "generic", "three-days", "WindowTooLong", "narrow", "What is necessary fits into three days.", ("location",), 1, 3
)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return register_of(tmp_path).made.deployment.policy()


def acted(*acts: tuple[str, dict[str, Any]], **facts: Any) -> Demand:
    """A demand after acts, all by the same officer at noon."""
    demand = model.begin(bytes(16), Act("received", NOON, "A Clerk", {"filed": filed(**facts).to_json()}))
    for kind, fields in acts:
        demand = model.apply(demand, Act(kind, NOON, "An Officer", fields))
    return demand


def checked(*findings: Finding) -> tuple[str, dict[str, Any]]:
    return "checked", {"findings": [finding.to_json() for finding in findings]}


def refused(*refusal: str, state: Held | None = None) -> tuple[str, dict[str, Any]]:
    return "refused", {"codes": sorted(refusal), "held": (state or held()).to_json()}


def said(document: Document) -> str:
    """Every text of a letter, a line each."""
    return "\n".join(_texts(document))


def _texts(document: Document) -> Iterable[str]:
    yield from (document.title, document.subtitle, document.footer)
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                yield block.text
            case Notice():
                yield from (block.title, block.text)
            case Bullets():
                yield from block.items
            case Facts():
                yield from (f"{name}: {value}" for name, value in block.pairs)
            case Table():
                yield from (block.caption, *(" | ".join(row) for row in (block.columns, *block.rows)))


def test_a_refusal_is_addressed_to_the_authority_with_its_own_reference(policy: Policy) -> None:
    """The authority, its reference, its date, the law by its title, and our reference stand at the head."""
    text = said(letters.letter(acted(refused("MultipleTargets")), policy, RULES))

    for line in (
        "Refusal of your demand",
        "To: District Court",
        "For the attention of: A Registrar, Registrar",
        "Your reference: M/7",
        "Your demand is dated: 2026-07-09",
        f"Our reference: {'00' * 16}",
        "It rests on: Telecommunications Law 31/2013, section 77",
        "It concerns: the line you name",
        "For the days: 2026-07-05 to 2026-07-07",
    ):
        assert line in text


@pytest.mark.parametrize("code", TOLD)
def test_each_code_is_given_with_its_legal_text(code: str, policy: Policy) -> None:
    """A refusal by any code gives its title, its id and its text as the pack has them, in HTML and PDF."""
    document = letters.letter(acted(refused(code)), policy, RULES)
    known = codes.known()[code]
    blocks = list(document.blocks)
    at = blocks.index(Heading(f"1. {known.title} ({code})", 3))

    assert blocks[at + 1] == Paragraph(known.text)
    assert document.language == "en"
    assert known.title in unescape(html(document))
    assert pdf(document).startswith(b"%PDF-")


def test_the_rule_that_found_it_is_given_with_its_source(policy: Policy) -> None:
    """Under a code stand the words of the rules that found it, and where each rule comes from."""
    text = said(letters.letter(acted(checked(FOUND), refused("MultipleTargets")), policy, RULES))
    source = next(rule.source for pack in RULES.packs for rule in pack.rules if rule.id == "one-line")

    assert f"It names 3, more than 1. (Rule one-line of generic; source: {source}.)" in text


def test_a_code_that_no_rule_found_is_the_officers_judgement(policy: Policy) -> None:
    """A letter never claims a rule that found nothing."""
    text = said(letters.letter(acted(checked(FOUND), refused("ManifestErrors")), policy, RULES))

    assert "Decided by the officer's own judgement" in text
    assert "one-line" not in text


def test_a_rule_that_is_not_here_any_more_is_still_named(policy: Policy) -> None:
    """A pack taken away since the check changes no finding: the letter sends the reader to that pack."""
    text = said(letters.letter(acted(checked(FOUND), refused("MultipleTargets")), policy, Rulebook(())))

    assert "(Rule one-line of generic; source: see that pack.)" in text
    assert "It rests on: MM-31-2013-77" in text


def test_impossibility_is_told_from_the_state_noted_with_the_refusal(policy: Policy) -> None:
    """Days that lapsed with their date, days that are sealed with t of n, release shut, and the pinned digest."""
    spans = (
        Span("place", "lapsed", DAY - 40, DAY - 11, DAY - 4),
        Span("place", "closed", DAY - 10, DAY - 2),
        Span("place", "open", DAY - 1, DAY - 1),
        Span("content", "never-held", DAY - 40, DAY - 1),
    )
    state = held(spans=spans, t=3, n=5, genesis="5e" * 32)
    document = letters.letter(acted(refused("DeFactoImpossibility", state=state)), policy, RULES)
    text = said(document)
    [table] = [block for block in document.blocks if isinstance(block, Table)]

    assert table.rows[0] == (
        "the radio cell",
        "2026-05-31",
        "2026-06-29",
        "30",
        "its keys ended by the calendar, day by day, the last on 2026-07-06",
    )
    assert [row[3] for row in table.rows] == ["30", "9", "1", "40"]
    assert "30 days, counted by kind, are lapsed" in text
    assert "9 days, counted by kind, are sealed: the keys are split among 5 custodians, of whom 3 together" in text
    assert "1 day of one kind is open" in text
    assert "Release of records: never." in text
    assert "5e" * 32 in text


def test_a_demand_refused_after_the_store_is_gone_says_so(policy: Policy) -> None:
    """Where there is no store any more the letter says that, and speaks of no memory of its keys."""
    state = held(spans=(Span("place", "no-store", DAY - 5, DAY - 3),), slot="there is no store here any more")
    text = said(letters.letter(acted(refused("DeFactoImpossibility", state=state)), policy, RULES))

    assert "there is no store here any more" in text
    assert "Nothing of what the demand asks for is left in this store." in text
    assert "of this class" not in text


def test_the_store_is_not_described_for_other_codes(policy: Policy) -> None:
    """An authority whose demand fails by law learns nothing of the store."""
    text = said(letters.letter(acted(refused("MultipleTargets", "Untargeted")), policy, RULES))

    assert "The state of the store" not in text
    assert "custodians" not in text


def test_what_accuses_the_authority_is_not_told_to_it(policy: Policy) -> None:
    """A letter keeps still about threat and torture: it could be read against people there."""
    text = said(letters.letter(acted(refused("DuressSuspected", "MultipleTargets", "TortureTaint")), policy, RULES))

    assert "MultipleTargets" in text
    assert "threat" not in text.lower()
    assert "tortur" not in text.lower()


def test_there_is_no_letter_of_accusations_alone(policy: Policy) -> None:
    """Refused by such codes alone, a demand gets no letter, and the officer is told why."""
    with pytest.raises(StateError, match="accuse its authority"):
        letters.letter(acted(refused("TortureTaint")), policy, RULES)


def test_a_narrowed_demand_is_told_what_of_it_is_refused(policy: Policy) -> None:
    """Demanded, refused and left stand side by side, with the code that narrowed it; the rest is not promised."""
    facts: dict[str, Any] = {"asks": ("location", "traffic"), "begins": DAY - 30, "ends": DAY - 1}
    acts = (checked(LESS, FOUND), ("narrowed", {"asks": ["location"], "begins": DAY - 3, "ends": DAY - 1}))
    document = letters.letter(acted(*acts, **facts), policy, RULES)
    [table] = [block for block in document.blocks if isinstance(block, Table)]

    assert document.title == "Refusal of a part of your demand"
    assert table.rows[1] == ("Refused", letters.ASKS_WORDS["traffic"], "all but those below")
    assert table.rows[2] == ("Not refused so far", letters.ASKS_WORDS["location"], "2026-07-07 to 2026-07-09")
    assert "(WindowTooLong)" in said(document)
    assert "(MultipleTargets)" not in said(document)
    assert "does not say that it is granted" in said(document)


def test_a_demand_narrowed_and_then_refused_gets_the_letter_of_a_refusal(policy: Policy) -> None:
    """The last decision counts, and the letter says that it was narrowed before."""
    acts = (("narrowed", {"asks": ["location"], "begins": DAY - 4, "ends": DAY - 4}), refused("ConflictOfLaw"))
    document = letters.letter(acted(*acts), policy, RULES)

    assert document.title == "Refusal of your demand"
    assert "It had been narrowed before" in said(document)


@pytest.mark.parametrize(
    ("targets", "kind", "words"),
    [
        (1, "line", "the line you name"),
        (212, "line", "the 212 lines you name"),
        (2, "contacts", "the contacts of the 2 lines you name"),
        (0, "area", "the areas you name"),
        (2_000, "line", "the 2,000 lines you name"),
        (1, "name", "the name you give"),
    ],
)
def test_what_a_demand_names_is_only_counted(targets: int, kind: str, words: str, policy: Policy) -> None:
    """Of the targets a letter knows how many there are and of what kind."""
    text = said(letters.letter(acted(refused("Untargeted"), targets=targets, target_kind=kind), policy, RULES))

    assert f"It concerns: {words}\n" in text


def test_nobody_who_works_here_is_named(policy: Policy) -> None:
    """Neither who filed nor who refused stands in a letter, unless the officer signs it."""
    demand = acted(refused("MultipleTargets"))
    plain, signed = (said(letters.letter(demand, policy, RULES, name)) for name in ("", "R. Hansen"))

    assert "A Clerk" not in plain + signed
    assert "An Officer" not in plain + signed
    assert "Signed" not in plain
    assert "Signed: R. Hansen" in signed


def test_what_was_named_stands_in_no_letter(tmp_path: Path) -> None:
    """A demand filed with a number and a note leaves neither in its letter."""
    registered = register_of(tmp_path)
    with registered.desk() as desk:
        made = desk.receive(filed(), (PERSON,), note="the words of the note")
        done = desk.refuse(desk.check(made), ["DeFactoImpossibility"], "An Officer")
        page = html(letters.letter(done, registered.made.deployment.policy(), desk.rules))

    assert PERSON.removeprefix("tel:") not in page
    assert "the words of the note" not in page


def test_it_neither_promises_nor_threatens(policy: Policy) -> None:
    """No letter says what will be done, or what will happen to anybody."""
    for code in TOLD:
        document = letters.letter(acted(refused(code)), policy, RULES)
        own = said(document).replace(codes.known()[code].text, "").lower()
        assert [word for word in _OF_THE_FUTURE if word in own] == []


def test_it_is_dated_on_the_day_of_the_decision(policy: Policy) -> None:
    """The same demand gives the same letter on any later day."""
    document = letters.letter(acted(refused("MultipleTargets")), policy, RULES)

    assert document.day == columns.date_of(DAY) == datetime.date(2026, 7, 10)


@pytest.mark.parametrize(
    "acts",
    [
        (),
        (checked(),),
        (checked(FOUND),),
        (("withdrawn", {}),),
        (("narrowed", {"asks": ["location"], "begins": DAY - 4, "ends": DAY - 4}), ("withdrawn", {})),
    ],
)
def test_there_is_no_letter_where_nothing_is_refused(
    acts: tuple[tuple[str, dict[str, Any]], ...], policy: Policy
) -> None:
    """A demand that is open, or that the authority took back, has no letter."""
    with pytest.raises(StateError, match="nothing of it is refused"):
        letters.letter(acted(*acts), policy, RULES)


def test_a_code_without_a_text_is_refused(policy: Policy) -> None:
    """A refusal by a code that this program does not know gets no letter without its legal text."""
    with pytest.raises(BadInputError, match=r"NoSuchCode.*codes\.toml"):
        letters.letter(acted(refused("NoSuchCode")), policy, RULES)


def test_hostile_names_stay_text(policy: Policy) -> None:
    """An authority whose name is markup, Burmese or a page long gets a letter in both forms."""
    document = letters.letter(
        acted(refused("MultipleTargets"), authority="<b>ဝန်ကြီးဌာန</b> " + "W" * 400, reference="=1+1"), policy, RULES
    )

    assert "&lt;b&gt;ဝန်ကြီးဌာန" in html(document)
    assert pdf(document).startswith(b"%PDF-")
