"""A demand by itself: every reachable state and act, and what may be filed in clear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.demands import DAY, filed, held
from unheld.demands import model
from unheld.demands.model import ACTS, OPEN, STATES, TABLE, Act, Demand, Finding
from unheld_verify.errors import BadInputError, StateError

FINDING = Finding("generic", "one-line", "MultipleTargets", "refuse", "words")


def act(kind: str, **fields: Any) -> Act:
    """An act of a kind, as small as it can be."""
    least: dict[str, dict[str, Any]] = {
        "received": {"filed": filed().to_json(), "document": ""},
        "checked": {"findings": []},
        "narrowed": {"asks": ["location"], "begins": DAY - 4, "ends": DAY - 3},
        "refused": {"codes": ["RealTime"], "held": held().to_json()},
        "withdrawn": {},
    }
    return Act(kind, DAY * 86_400, "Anna", {**least[kind], **fields})


def reached() -> Iterator[tuple[str, Demand]]:
    """Every state that any acts lead to, with one demand in it."""
    waiting, seen = [model.begin(bytes(16), act("received"))], dict[str, Demand]()
    while waiting:
        demand = waiting.pop()
        if demand.state in seen:
            continue
        seen[demand.state] = demand
        for kind in ACTS:
            for fields in ({}, {"findings": [FINDING.to_json()]}) if kind == "checked" else ({},):
                if (demand.state, kind) in TABLE:
                    waiting.append(model.apply(demand, act(kind, **fields)))
    yield from seen.items()


REACHED = dict(reached())


def test_every_state_is_reached_and_there_is_no_other() -> None:
    """The acts lead to five states; none of them is an answer."""
    assert set(REACHED) == set(STATES) == {"received", "checked", "waiting", "refused", "withdrawn"}
    assert {state for to in TABLE.values() for state in to} == set(STATES)


@pytest.mark.parametrize("kind", ACTS)
@pytest.mark.parametrize("state", STATES)
def test_every_act_in_every_state_follows_the_table_or_says_what_is_allowed(state: str, kind: str) -> None:
    """An act leads where the table says, and any other is refused with the acts that are allowed."""
    if (state, kind) in TABLE:
        assert model.apply(REACHED[state], act(kind)).state in TABLE[state, kind]
        return
    with pytest.raises(StateError, match=f"the demand is {state}: it cannot be {kind}") as told:
        model.apply(REACHED[state], act(kind))
    can = [name for name in ACTS if (state, name) in TABLE]
    assert all(name in str(told.value) for name in can) if can else "nothing can be done" in str(told.value)


@pytest.mark.parametrize("kind", ACTS[1:])
def test_only_what_was_received_begins(kind: str) -> None:
    """No chain begins with another act."""
    with pytest.raises(StateError, match="there is no demand yet"):
        model.begin(bytes(16), act(kind))


@pytest.mark.parametrize("state", OPEN)
def test_findings_decide_between_checked_and_waiting(state: str) -> None:
    """With a finding a demand is checked, without one it waits; a later check takes the place of an earlier one."""
    found = model.apply(REACHED[state], act("checked", findings=[FINDING.to_json()]))
    again = model.apply(found, act("checked"))

    assert (found.state, found.findings) == ("checked", (FINDING,))
    assert (again.state, again.findings) == ("waiting", ())


def test_a_narrowed_demand_is_checked_anew() -> None:
    """What was found of the whole says nothing of what is left."""
    found = model.apply(REACHED["received"], act("checked", findings=[FINDING.to_json()]))
    less = model.apply(found, act("narrowed"))

    assert (less.state, less.findings, less.begins, less.narrowed) == ("received", (), DAY - 4, True)
    assert less.filed == found.filed


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"asks": ["location", "traffic"]}, "traffic is more"),
        ({"begins": DAY - 6}, "begins"),
        ({"begins": -1}, "begins"),
        ({"ends": DAY - 2}, "ends"),
        ({"ends": -1}, "ends"),
        ({"begins": DAY - 3, "ends": DAY - 4}, "ends before it begins"),
        ({"begins": DAY - 5}, "whole demand"),
        ({"asks": []}, "asks"),
    ],
)
def test_narrowing_is_only_ever_to_less(fields: dict[str, Any], word: str) -> None:
    """More asks, more days, an open end, or nothing left out are refused."""
    with pytest.raises(BadInputError, match=word):
        model.apply(REACHED["received"], act("narrowed", **fields))


def test_a_refusal_keeps_why_and_who() -> None:
    """Codes, the person and the state of the store stay with the demand."""
    done = REACHED["refused"]
    assert (done.codes, done.decided_by, done.held, done.final) == (("RealTime",), "Anna", held(), True)
    assert done.decided_at == DAY * 86_400
    assert REACHED["waiting"].decided_at == -1


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"authority": " "}, "authority"),
        ({"authority": "+95 9 770 000 001"}, "authority: nine digits"),
        ({"issuer": "0977-000-00-01"}, "issuer: nine digits"),
        ({"purpose": "၀၉၇၇၀၀၀၀၀၀၁ ကို"}, "purpose: nine digits"),
        ({"reference": "12/OUKAMA(N)123456"}, "reference: nine digits"),
        ({"reference": "၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆"}, "reference"),
        ({"purpose": "09_770_000_001"}, "purpose: nine digits"),
        ({"purpose": "09  770,  000, 001"}, "purpose: nine digits"),
        ({"purpose": "09\u200b770\u200b000001"}, "purpose: nine digits"),
        ({"purpose": "⁰⁹⁷⁷⁰⁰⁰⁰⁰⁰¹"}, "purpose: nine digits"),
        ({"purpose": "ဝ၉၇၇ဝဝဝဝဝ၁"}, "purpose: nine digits"),
        ({"purpose": "09–770–000–001"}, "purpose: nine digits"),
        ({"reference": "12/OUKAMA N 123456"}, "reference: nine digits"),
        ({"reference": "12／OUKAMA(N)123456"}, "reference: nine digits"),
        ({"reference": "၁၂/ဥကမ နိုင် ၁၂၃၄၅၆"}, "reference: nine digits"),
        ({"reference": "a\u2028b"}, "one line"),
        ({"basis": ("a", "356938035643809")}, "basis: nine digits"),
        ({"reference": "a\nb"}, "one line"),
        ({"purpose": "x" * 501}, "at most 500"),
        ({"authority_kind": "army"}, "authority_kind: choose"),
        ({"target_kind": "people"}, "target_kind: choose"),
        ({"asks": ()}, "asks: name at least one"),
        ({"asks": ("traffic", "location")}, "ascending"),
        ({"asks": ("everything",)}, "asks: choose"),
        ({"targets": -1}, "targets"),
        ({"targets": 10_001}, "several demands"),
        ({"begins": DAY, "ends": DAY - 1}, "ends before it begins"),
        ({"dated": -2}, "dated"),
        ({"dated": 60_000}, "dated: give a day"),
        ({"received": -1}, "received"),
        ({"secret_until": DAY, "secret_without_end": True}, "give one of the two"),
    ],
)
def test_what_cannot_be_filed_is_named(given: dict[str, Any], word: str) -> None:
    """A false field, and whatever looks like somebody in a text kept in clear, is refused by its name."""
    with pytest.raises(BadInputError, match=word) as told:
        filed(**given)
    assert "000001" not in str(told.value)


def test_ordinary_references_are_taken() -> None:
    """Dates, short numbers and strokes are no numbers of somebody."""
    assert filed(reference="12345/6789", purpose="2021-02-01, 2021-02-02").reference == "12345/6789"
    assert filed(reference="77/2021/15", purpose="since 2021-02-01, case 123456").reference == "77/2021/15"


def test_the_forms_on_disk_read_back() -> None:
    """What an act holds of facts, findings and holdings is read as it was written."""
    assert model.read_filed(filed().to_json()) == filed()
    assert model.read_finding(FINDING.to_json()) == FINDING
    assert model.read_held(held().to_json()) == held()


@pytest.mark.parametrize("change", [{"more": 1}, {"torture": None}])
def test_a_foreign_field_is_refused(change: dict[str, Any]) -> None:
    """A form with a field too much or too few is no form."""
    value = {**filed().to_json(), **change}
    if value.get("torture") is None:
        del value["torture"]
    with pytest.raises(BadInputError, match="too much or missing"):
        model.read_filed(value)
