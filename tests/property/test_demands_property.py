"""Properties of demands: narrowing never widens, no chain is altered unseen, and a claimant learns of one line only."""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.demands import DAY, PERSON, Registered, filed, register_of
from unheld.demands import model
from unheld.demands.model import Act, Demand
from unheld.workflows import demand as journeys
from unheld_verify.errors import BadInputError
from unheld_verify.statement import ASKS

days = st.one_of(st.just(-1), st.integers(DAY - 9, DAY))
some_asks = st.sets(st.sampled_from(ASKS)).map(model.in_order)


def _set(demand: Demand) -> set[tuple[str, int]]:
    """Every (ask, day) that a demand is for, in a world of thirty days around; an unknown side is without an end."""
    begins = DAY - 15 if demand.begins == -1 else demand.begins
    ends = DAY + 15 if demand.ends == -1 else demand.ends
    return {(ask, day) for ask in demand.asks for day in range(begins, ends + 1)}


@given(
    st.sets(st.sampled_from(ASKS), min_size=1).map(model.in_order),
    days,
    days,
    st.lists(st.tuples(some_asks, days, days)),
)
def test_narrowing_never_widens(
    asks: tuple[str, ...], begins: int, ends: int, steps: list[tuple[tuple[str, ...], int, int]]
) -> None:
    """Whatever is tried in whatever order, each narrowing that is taken leaves strictly less, and nothing new."""
    if -1 < ends < begins:
        begins, ends = ends, begins
    facts = filed(asks=asks, begins=begins, ends=ends).to_json()
    demand = model.begin(bytes(16), Act("received", 0, "", {"filed": facts}))
    for to, first, last in steps:
        before = demand
        with suppress(BadInputError):
            act = Act("narrowed", 0, "A", {"asks": list(to), "begins": first, "ends": last})
            demand = model.apply(demand, act)
            assert _set(demand) < _set(before)


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registered, list[Path]]:
    """A register with one demand of four acts that is refused."""
    made = register_of(tmp_path_factory.mktemp("chained"))
    with made.desk() as desk:
        demand = desk.receive(filed(asks=("location", "traffic")), [PERSON])
        desk.check(demand)
        desk.narrow(demand, "Anna", asks=("location",))
        desk.refuse(demand, ("RealTime",), "Anna")
    return made, sorted((made.register / "demands" / demand.name).glob("*.json"))


@given(data=st.data())
def test_no_act_before_the_last_is_altered_unseen(chained: tuple[Registered, list[Path]], data: st.DataObject) -> None:
    """Any byte of any act that another follows, changed to any other, is found."""
    made, paths = chained
    path = data.draw(st.sampled_from(paths[:-1]))
    whole = path.read_bytes()
    at, flip = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    try:
        with pytest.raises(BadInputError, match="put back"), made.desk(write=False):
            pass
    finally:
        path.write_bytes(whole)


@settings(max_examples=6)
@given(st.integers(0, 9_000), st.integers(1, 4), st.sampled_from([PERSON, "tel:+99933333333"]))
def test_a_claimant_is_told_the_same_whoever_the_others_are(first: int, count: int, asked: str) -> None:
    """With every other line of the register replaced, what a claimant is told and handed out has the same form."""
    told = []
    for base in (0, 10_000 + first):
        with tempfile.TemporaryDirectory() as folder:
            told.append(_claim(Path(folder), [f"tel:+9992{base + number:07}" for number in range(count)], asked))
    assert told[0] == told[1]
    assert bool(told[0][1]) == (asked == PERSON)


def _claim(folder: Path, others: list[str], asked: str) -> tuple[str, dict[str, int]]:
    made = register_of(folder)
    with made.desk() as desk:
        desk.refuse(desk.receive(filed(targets=1 + len(others)), [PERSON, *others]), ("MultipleTargets",), "Anna")
        desk.check(desk.receive(filed(targets=len(others)), others))
    made.made.publish()
    deployment = made.made.deployment
    with made.clock():
        found = journeys.answer_claim(deployment, asked, "words", deployment.escrow_private(), folder / "out")
    named = [
        (item.demand.state, item.demand.codes, [path.name for path in item.receipts], item.waiting) for item in found
    ]
    assert not any(other[5:].encode() in path.read_bytes() for other in others for path in (folder / "out").iterdir())
    files = {
        re.sub("^[0-9a-f]{8}", "ID", path.name): len(path.read_bytes()) // 200 for path in (folder / "out").iterdir()
    }
    return re.sub("[0-9a-f]{8}", "ID", str(named)), files
