"""Figures of any register: rows add up to their last row, and the log tells the same as the register."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.demands import DAY, filed, held
from unheld.demands import codes, figures, model, register, reporting
from unheld.demands.figures import Outcome
from unheld.demands.model import Act, Demand
from unheld.papers.html import html
from unheld_verify.statement import ASKS

NOON = DAY * 86_400 + 43_200


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    """A demand in any state, filed on any of four days, of authorities with any name, secret or not."""
    text = st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cn", "Nd")), min_size=1, max_size=20)
    kind = draw(st.sampled_from(model.TARGET_KINDS))
    facts = filed(
        authority=draw(text.filter(str.strip)),
        authority_kind=draw(st.sampled_from(model.AUTHORITY_KINDS)),
        asks=model.in_order(draw(st.sets(st.sampled_from(ASKS), min_size=1))),
        target_kind=kind,
        targets=draw(st.integers(0, 400)),
        basis=tuple(draw(st.lists(text, max_size=3))),
        court_order=draw(st.booleans()),
        emergency=draw(st.booleans()),
        secret_until=draw(st.sampled_from([-1, DAY - 1, DAY, DAY + 9])),
    )
    at = NOON - draw(st.integers(0, 3)) * 86_400
    demand = model.begin(draw(st.binary(min_size=16, max_size=16)), Act("received", at, "", {"filed": facts.to_json()}))
    if draw(st.booleans()) and demand.begins != demand.ends:
        fields = {"asks": list(demand.asks), "begins": demand.begins + 1, "ends": demand.ends}
        demand = model.apply(demand, Act("narrowed", at, "x", fields))
    match draw(st.sampled_from(["", "refused", "withdrawn"])):
        case "refused":
            refusal = draw(st.sets(st.sampled_from(sorted(codes.known())), min_size=1))
            act = Act("refused", at, "x", {"codes": sorted(refusal), "held": held().to_json()})
            demand = model.apply(demand, act)
        case "withdrawn":
            demand = model.apply(demand, Act("withdrawn", at, "x"))
    return demand


@given(st.lists(demands(), max_size=12))
def test_the_sums_agree(listed: list[Demand]) -> None:
    """In each table outcomes add up to demands; where rows cannot overlap they add up to the last row."""
    found = figures.from_register(listed, [], [], DAY)
    told = found.received - found.closed

    assert found.received == len(listed)
    for table in found.tables:
        columns = [sum(column) for column in zip(*(counts for _, counts in table.rows), strict=True)]
        assert table.overlaps or columns in ([], list(table.total))
        assert all(whole <= part for whole, part in zip(table.total, columns, strict=False))
        for counts in (*(counts for _, counts in table.rows), table.total):
            assert len(counts) == 2 or sum(counts[: len(Outcome)]) == counts[-2]
        assert table.total[-2] == (told if table.name != "code" else _refused(listed))


@given(st.lists(demands(), max_size=6))
def test_nothing_was_ever_complied_with(listed: list[Demand]) -> None:
    """No register gives a figure of demands complied with that is not 0."""
    found = figures.from_register(listed, [], [], DAY)

    for table in found.tables:
        place = table.measures.index("complied") if "complied" in table.measures else -1
        assert place == -1 or {counts[place] for _, counts in table.rows} <= {0}
    assert reporting.summary(found)["complied"] == 0


@given(st.lists(demands(), max_size=4))
def test_any_register_has_a_report(listed: list[Demand]) -> None:
    """Whatever authorities call themselves, the page, the CSV and the JSON are written."""
    found = figures.from_register(listed, [], [], DAY)

    assert html(reporting.document(found, "log.example")).encode()
    assert reporting.to_csv(found).encode()
    assert reporting.to_json(found, "log.example").encode()


def _refused(listed: list[Demand]) -> int:
    return sum(demand.state == "refused" and register.due(demand) <= DAY for demand in listed)
