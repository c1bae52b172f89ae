"""Rules of demands: each condition, dates, triggers, what narrows, and packs that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.demands import DAY, PERSON, day, filed, held, register_of
from unheld.demands import codes, model, rules
from unheld.demands.conditions import CONDITIONS
from unheld.demands.model import Act, Demand, Filed, Finding, Held
from unheld_verify.errors import BadInputError

SHIPPED = rules.rulebook(rules.shipped_packs())
PACK = """
id = "own"
title = "t"
note = "n"
country = ""

[[law]]
id = "L1"
title = "Law 1"
text = "x"
source = "s"
in_force = [{ from = 2000-01-01, to = 2019-12-31 }, { from = 2022-05-01 }]

[[trigger]]
id = "T1"
text = "an event"
source = "s"
date = 2022-05-01

[[rule]]
id = "r1"
text = "One."
source = "s"
valid_from = 2000-01-01
valid_to = 2030-01-01
code = "MultipleTargets"
effect = "refuse"
when = { targets_over = 1 }
"""
_RULE = PACK[PACK.index("[[rule]]") :]


def demand_of(facts: Filed) -> Demand:
    """A demand of these facts, just received."""
    return model.begin(bytes(16), Act("received", 0, "", {"filed": facts.to_json()}))


def found(holdings: Held | None = None, book: rules.Rulebook = SHIPPED, **given: Any) -> list[Finding]:
    """What rules say of a demand."""
    return list(book.check(demand_of(filed(**given)), holdings or held()))


def book_of(text: str) -> rules.Rulebook:
    """The packs of one text."""
    return rules.rulebook([rules.parse(text.encode(), "own.toml")])


def at(dated: int) -> dict[str, Any]:
    """A demand that is dated on a day, came on that day, and asks for three days before."""
    return {"dated": dated, "received": dated, "begins": dated - 4, "ends": dated - 2}


def test_a_demand_that_is_as_it_should_be_meets_no_rule() -> None:
    """One line, three days, a court's order on an old law, and data that is there: nothing is found."""
    assert found() == []


@pytest.mark.parametrize(
    ("rule", "code", "given"),
    [
        ("in-writing", "Incomplete", {"written": False}),
        ("signed", "Incomplete", {"signed": False}),
        ("complete", "Incomplete", {"issuer": ""}),
        ("complete", "Incomplete", {"reference": " "}),
        ("complete", "Incomplete", {"basis": ()}),
        ("complete", "Incomplete", {"dated": -1}),
        ("complete", "Incomplete", {"begins": -1}),
        ("purpose", "InsufficientInformation", {"purpose": ""}),
        ("court", "NoIndependentAuthorisation", {"court_order": False}),
        ("no-soldiers", "InvalidIssuingAuthority", {"authority_kind": "military"}),
        ("basis-known", "InsufficientInformation", {"basis": ("MM-31-2013-77", "an order of the day")}),
        ("basis-in-force", "BasisNotInForce", {"basis": ("MM-5-2017-8",)}),
        ("basis-after-trigger", "BasisNotInForce", {"basis": ("MM-SAC-7-2021-27",)}),
        ("one-line", "MultipleTargets", {"targets": 2}),
        ("some-line", "Untargeted", {"targets": 0}),
        ("no-area", "AreaOrTowerDump", {"target_kind": "area"}),
        ("no-contacts", "ContactChaining", {"target_kind": "contacts"}),
        ("no-reverse-lookup", "IdentityReverseLookup", {"target_kind": "document"}),
        ("no-reverse-lookup", "IdentityReverseLookup", {"target_kind": "device"}),
        ("no-reverse-lookup", "IdentityReverseLookup", {"target_kind": "name"}),
        ("week", "WindowTooLong", {"begins": DAY - 10}),
        ("past-only", "RealTime", {"ends": DAY}),
        ("past-when-made", "RealTime", {"dated": DAY - 4}),
        ("dated-first", "ManifestErrors", {"dated": DAY + 1}),
        ("not-dated-back", "InsufficientInformation", {"dated": day("2021-01-31")}),
        ("past-only", "RealTime", {"ends": DAY - 1}),
        ("no-interception", "RealTime", {"asks": ("location", "realtime")}),
        ("secrecy-ends", "SecrecyWithoutEnd", {"secret_without_end": True}),
        ("no-threat", "DuressSuspected", {"duress": True}),
        ("no-torture", "TortureTaint", {"torture": True}),
    ],
)
def test_each_rule_finds_what_it_is_for(rule: str, code: str, given: dict[str, Any]) -> None:
    """One false fact is found by its rule, with its code, as a refusal."""
    listed = {(item.rule, item.code, item.effect) for item in found(**given)}
    assert (rule, code, "refuse") in listed


@pytest.mark.parametrize("given", [{"ends": DAY - 2}, {"secret_until": DAY + 90}, {"emergency": True}])
def test_what_is_just_inside_is_not_found(given: dict[str, Any]) -> None:
    """A window that ended a day before, secrecy with an end and an emergency break no rule of completeness."""
    assert {item.code for item in found(**given)} <= {"WindowTooLong"}


def test_who_holds_a_line_now_needs_no_window() -> None:
    """A demand for the registry alone is complete without days."""
    assert found(asks=("registry",), begins=-1, ends=-1) == []


@pytest.mark.parametrize("state", ["lapsed", "erased", "never-sealed", "never-held", "no-store"])
def test_what_is_gone_is_found_as_not_held(state: str) -> None:
    """Where nothing of what is asked exists any more, the rule says so."""
    assert [item.code for item in found(held(state))] == ["DataNotHeld"]


@pytest.mark.parametrize("holdings", [held("open"), held("closed"), held("due"), held("lapsed", parked=1)])
def test_what_is_there_is_never_called_not_held(holdings: Held) -> None:
    """Sealed, overdue or parked data exists, and no finding says that it does not."""
    assert found(holdings) == []


def test_a_long_window_is_narrowed_to_its_last_days() -> None:
    """The finding says to which days, and asks stay as they are."""
    [one] = found(begins=DAY - 7)
    assert (one.effect, one.begins, one.ends, one.asks) == ("narrow", DAY - 5, DAY - 3, ("location",))


def test_content_is_narrowed_away_and_alone_is_refused() -> None:
    """What is left without content is told; where nothing is left, the rule refuses."""
    [some] = found(asks=("content", "location"))
    [alone] = found(asks=("content",))
    assert (some.effect, some.asks) == ("narrow", ("location",))
    assert (alone.effect, alone.asks, alone.code) == ("refuse", (), "ServiceNotCovered")


@pytest.mark.parametrize(
    ("dated", "rules_found"),
    [("2021-02-12", {"court", "mm-privacy-8d"}), ("2021-02-13", {"court"}), ("2017-03-07", {"court"})],
)
def test_a_dated_rule_is_asked_by_the_date_of_the_order(dated: str, rules_found: set[str]) -> None:
    """Section 8(d) stands until the day before its suspension."""
    assert {item.rule for item in found(court_order=False, **at(day(dated)))} == rules_found


@pytest.mark.parametrize(("dated", "across"), [("2021-01-31", True), ("2021-02-12", True), ("2021-02-13", False)])
def test_an_order_that_is_dated_before_a_trigger_and_comes_after_it_never_passes(dated: str, across: bool) -> None:
    """To date an order back to a law of before is the simplest way around a rule that is asked by that date."""
    given = at(day(dated)) | {"received": day("2021-06-28")}
    listed = {item.rule: item.words for item in found(court_order=True, **given)}
    assert ("not-dated-back" in listed) == across
    assert not across or dated in listed["not-dated-back"]


def test_without_a_date_the_receipt_counts_and_the_finding_says_so() -> None:
    """An undated order is judged by the day it came."""
    early: dict[str, Any] = {
        "dated": -1,
        "received": day("2021-02-10"),
        "begins": day("2021-02-06"),
        "ends": day("2021-02-08"),
    }
    assert "mm-privacy-8d" in {item.rule for item in found(court_order=False, **early)}
    late = next(item for item in found(dated=-1, basis=("MM-5-2017-8",)) if item.rule == "basis-in-force")
    assert "2026-07-10 (received; the order has no date)" in late.words


@pytest.mark.parametrize(
    ("dated", "code"),
    [("2010-01-01", ""), ("2020-06-01", "BasisNotInForce"), ("2022-05-01", "BasisNotInForce")],
)
def test_a_law_is_judged_by_the_period_in_which_it_was_in_force(dated: str, code: str) -> None:
    """In force before: passes; between its periods: not in force; made again on the day of a trigger: not by itself."""
    generic = next(pack for pack in rules.shipped_packs() if pack.id == rules.GENERIC)
    book = rules.rulebook([generic, rules.parse(PACK.encode(), "own.toml")])
    listed = {item.code for item in found(book=book, basis=("L1",), **at(day(dated)))}
    assert listed == ({code} if code else set())


def test_a_basis_newer_than_a_trigger_never_passes_by_itself() -> None:
    """However clean the demand is otherwise, with a court's order or an emergency, the trigger is found."""
    cases: list[dict[str, Any]] = [{}, {"emergency": True}, {"authority_kind": "prosecutor"}, {"asks": ("registry",)}]
    for given in cases:
        listed = found(basis=("MM-31-2013-77", "MM-SAC-7-2021-27"), **given)
        assert [item.rule for item in listed] == ["basis-after-trigger"]


def test_every_condition_is_used_by_a_shipped_rule() -> None:
    """The closed list has no condition that no pack uses."""
    assert {rule.condition for pack in SHIPPED.packs for rule in pack.rules} == set(CONDITIONS)


def test_there_are_twenty_three_codes_with_a_text_each() -> None:
    """Ten of the e-Evidence form and thirteen of ours, each with what stands in a letter."""
    known = codes.known()
    assert len(known) == 23
    assert [code.origin for code in known.values()].count("e-Evidence Form 3") == 10
    assert all(code.title and len(code.text) > 80 and "\n" not in code.text for code in known.values())


def test_the_example_says_that_no_lawyer_reviewed_it() -> None:
    """Every shipped pack says so, and every law and rule names a source."""
    for pack in SHIPPED.packs:
        assert "lawyer has reviewed" in pack.note
        sources = [law.source for law in pack.laws] + [rule.source for rule in pack.rules]
        assert all([*sources, *(trigger.source for trigger in pack.triggers)])


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('id = "own"', "id = ", "own.toml: not TOML"),
        ('note = "n"', 'note = "n"\nmore = 1', "own.toml: more is not known here"),
        ('title = "t"\n', "", "own.toml: title is missing"),
        ('title = "t"', "title = 3", "title: write it as text"),
        ('code = "MultipleTargets"', 'code = "TooMany"', "rule r1: code 'TooMany' is not known"),
        ('effect = "refuse"', 'effect = "allow"', "rule r1: effect 'allow'"),
        ('effect = "refuse"', 'effect = "narrow"', "rule r1: only .* can narrow"),
        ("valid_to = 2030-01-01", "valid_to = 1999-01-01", "rule r1: valid_to is before valid_from"),
        ("valid_from = 2000-01-01", 'valid_from = "2000-01-01"', "rule r1: valid_from: write a date"),
        ("valid_from = 2000-01-01", "valid_from = 2000-01-01T00:00:00", "rule r1: valid_from: write a date"),
        ("valid_from = 2000-01-01", "valid_from = 1950-01-01", "from 1970 on"),
        ("valid_to = 2030-01-01", "until = 2030-01-01", "rule r1: until is not known"),
        ("{ targets_over = 1 }", "{ targets_over = -1 }", "targets_over takes a number"),
        ("{ targets_over = 1 }", '{ targets_over = "1" }', "targets_over takes a number"),
        ("{ targets_over = 1 }", "{ more_than = 1 }", "exactly one condition"),
        ("{ targets_over = 1 }", "{ targets_over = 1, oral = true }", "exactly one condition"),
        ("{ targets_over = 1 }", "{ oral = false }", "oral takes true"),
        ("{ targets_over = 1 }", '{ asks = ["all"] }', "asks takes a list of"),
        ("{ targets_over = 1 }", "{ asks = [] }", "asks takes a list of"),
        ("{ targets_over = 1 }", "1", "exactly one condition"),
        (_RULE, _RULE + _RULE, "own.toml: rule r1 is there twice"),
        ("[[rule]]", "[rule]", "under its own"),
        ("to = 2019-12-31", "to = 2022-05-01", "law L1: in_force: its periods cross"),
        (", to = 2019-12-31", "", "law L1: in_force: its periods cross"),
        ("to = 2019-12-31", "to = 1999-12-31", "law L1: to is before from"),
        ("in_force = [", "in_force = [1, ", "law L1: in_force: write"),
        ("date = 2022-05-01", "date = 2022", "trigger T1: date: write a date"),
        ('source = "s"\ndate', "date", "trigger T1: source is missing"),
    ],
)
def test_a_bad_pack_is_refused_by_file_rule_and_mend(old: str, new: str, word: str) -> None:
    """Nothing is skipped: the first mistake is named with its file and rule."""
    assert old in PACK
    with pytest.raises(BadInputError, match=word) as told:
        book_of(PACK.replace(old, new, 1))
    assert str(told.value).startswith("own.toml")


def test_two_packs_may_not_have_one_id() -> None:
    """A law or rule of a shipped pack cannot be dated anew by another file."""
    for text in (
        PACK.replace('"L1"', '"MM-31-2013-77"'),
        PACK.replace('"r1"', '"court"'),
        PACK.replace("own", "generic"),
    ):
        with pytest.raises(BadInputError, match="is there twice"):
            rules.rulebook([*rules.shipped_packs(), rules.parse(text.encode(), "own.toml")])


def test_a_deployment_has_the_generic_pack_its_countrys_and_its_own(tmp_path: Path) -> None:
    """Home MM brings the example on Myanmar; a file in the register's `rules` is added; another home has neither."""
    made = register_of(tmp_path / "mm")
    (made.register / "rules").mkdir()
    (made.register / "rules" / "own.toml").write_text(PACK)
    other = register_of(tmp_path / "no", home="")

    assert [pack.id for pack in rules.load(made.made.deployment).packs] == ["generic", "myanmar", "own"]
    assert [pack.id for pack in rules.load(other.made.deployment).packs] == ["generic"]


def test_the_packs_of_a_check_stand_in_its_act(tmp_path: Path) -> None:
    """The digest of every pack's bytes is recorded, and by which date it was asked."""
    made = register_of(tmp_path)
    with made.desk() as desk:
        done = desk.check(desk.receive(filed(), [PERSON]))
        fields = done.acts[-1].fields

    assert fields["packs"] == {pack.id: pack.sha256 for pack in SHIPPED.packs}
    assert (fields["on"], fields["on_is"]) == ("2026-07-09", "order")
