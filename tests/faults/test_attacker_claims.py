"""The claims of the security page, measured: who holds what, and which folios open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.stores import TestStore, made_store
from unheld.plans import planning
from unheld.testing import disclosure
from unheld.testing.attacker import Attacker, Folio, Loot
from unheld.testing.disclosure import Graph
from unheld.testing.planted import Planted, planted
from unheld.testing.recorder import Copies
from unheld.testing.recording import Recording
from unheld.testing.synthetic import Operator
from unheld_verify import columns
from unheld_verify.columns import Column
from unheld_verify.errors import NotAllowedError

OPERATOR = Operator(seed=5, subscribers=40, days=2)
FIRST, SECOND = OPERATOR.sealing_days
TRUTH = planted(OPERATOR, OPERATOR.sealing_days, columns.LIFETIME_DEFAULTS)
WHO = f"tel:{OPERATOR.day(FIRST)['msisdn'].drop_null()[0].as_py()}"
PLACE_GONE = SECOND + timedelta(days=columns.LIFETIME_DEFAULTS["place"])
THREE_OF_FIVE = [f"*/s.custodian-slots/custodian-{number}.slot" for number in range(5)]


@dataclass(frozen=True)
class Life:
    """Recordings of one store at the moments of its life."""

    moments: dict[str, Recording] = field(default_factory=dict)

    def attack(self, moment: str, *without: str) -> Loot:
        return Attacker(self.moments[moment].without_slots(*without), OPERATOR).closure()


def live(made: TestStore, recorder: Copies, life: Life) -> None:
    """Two days with a parked batch, then forgettings from the smallest to the largest."""

    def moment(name: str) -> None:
        life.moments[name] = recorder.recording()

    made.open_day(FIRST)
    made.park(OPERATOR.day(FIRST).slice(0, 15))
    made.ingest(OPERATOR.day(FIRST))
    moment("open")
    made.close()
    made.open_day(SECOND)
    made.ingest(OPERATOR.day(SECOND))
    made.close()
    moment("closed")
    with made.opened(write=False) as store:
        plan = planning.plan_parties(store, [WHO], made.deployment.seed("plan")).plan
    (made.folder / "plan.json").write_bytes(plan.encode())
    moment("planned")
    made.forget(WHO)
    moment("one forgotten")
    made.forget_day(FIRST, "charge")
    moment("class forgotten")
    made.set_clock(PLACE_GONE, 0)
    made.lapse()
    moment("place lapsed")
    made.everything()
    moment("everything forgotten")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    made = made_store(tmp_path_factory.mktemp("life"), n=5, t=3, copies=1)
    found = Life()
    with Copies([made.folder]) as recorder:
        live(made, recorder, found)
        yield found


def opened(loot: Loot, aimed: Planted) -> tuple[int, int]:
    figures = loot.figures(aimed)
    return figures.opened, figures.folios_tried


def all_of(aimed: Planted) -> tuple[int, int]:
    count = sum(map(len, aimed.folios.values()))
    assert count > 0
    return count, count


def none_of(aimed: Planted) -> tuple[int, int]:
    return 0, all_of(aimed)[1]


def folios(aimed: Planted) -> set[Folio]:
    return {
        Folio(party, column.cls, column.event_day, column.sealing_day)
        for column, parties in aimed.folios.items()
        for party in parties
    }


def test_everything_opens_before_any_forgetting(life: Life) -> None:
    """The positive control: while nothing is forgotten, the attacker opens each folio that was delivered, no other."""
    assert life.attack("closed").opened_folios() == folios(TRUTH)


def test_one_forgotten_is_gone(life: Life) -> None:
    """Claim 1: after the forgetting none of the party's folios opens, and everybody else's do."""
    loot = life.attack("one forgotten")

    assert opened(loot, TRUTH.of([WHO])) == none_of(TRUTH.of([WHO]))
    assert opened(loot, TRUTH.but([WHO])) == all_of(TRUTH.but([WHO]))


def test_a_forgotten_class_of_a_day_is_gone(life: Life) -> None:
    """Claim 2, erasing: no folio of the class and event day opens, whatever day it was sealed on; the rest do."""
    rest = TRUTH.but([WHO])
    aimed = rest.where(classes=["charge"], event_days=[columns.day_of(FIRST)])
    loot = life.attack("class forgotten")

    assert opened(loot, aimed) == none_of(aimed)
    assert opened(loot, rest)[0] == all_of(rest)[0] - all_of(aimed)[0]


def test_a_lapsed_class_is_gone(life: Life) -> None:
    """Claim 2, lapse: after its lifetime no folio of the class opens; longer-lived ones of the same days do."""
    rest = TRUTH.but([WHO])
    living = rest.where(classes=["charge"], event_days=[columns.day_of(SECOND)])
    loot = life.attack("place lapsed")

    assert opened(loot, rest.where(classes=["place"])) == none_of(rest.where(classes=["place"]))
    assert opened(loot, living) == all_of(living)


def test_nothing_opens_after_everything_was_forgotten(life: Life) -> None:
    """With all that was ever written and all that is left, nobody's row and no folio opens."""
    loot = life.attack("everything forgotten")

    assert loot.opened_folios() == set()
    assert "party-key" not in loot.counts


def test_a_closed_branch_reads_nothing(life: Life) -> None:
    """Claim 3: whoever takes the branch, its copy and headquarters after the close reads nobody's records."""
    loot = life.attack("closed", *THREE_OF_FIVE)

    assert (loot.counts["party-key"] > 0, loot.opened_folios()) == (True, set())


def test_an_open_branch_reads_its_day(life: Life) -> None:
    """What is not claimed is measured too: an open branch reads all that was sealed today, without a custodian."""
    today = planted(OPERATOR, [FIRST], columns.LIFETIME_DEFAULTS)

    assert life.attack("open", *THREE_OF_FIVE).opened_folios() == folios(today)


@pytest.mark.parametrize(("held", "promised"), [(2, False), (3, True)])
def test_the_threshold_is_sharp(life: Life, held: int, promised: bool) -> None:
    """Two of three-of-five custodians open nothing, three open everything."""
    loot = life.attack("closed", *THREE_OF_FIVE[held:])

    assert loot.opened_folios() == (folios(TRUTH) if promised else set())


@pytest.mark.parametrize(("held", "batches"), [(2, 0), (3, 1)])
def test_a_parked_batch_takes_t_custodians(life: Life, held: int, batches: int) -> None:
    """Claim 4: the branch with t-1 custodians does not open what it parked; t open it."""
    assert life.attack("closed", *THREE_OF_FIVE[held:]).counts.get("parked records", 0) == batches


def test_a_plan_opens_for_the_root_until_one_is_applied(life: Life) -> None:
    """A plan that waits names its party to whoever holds the root node, and to nobody once a plan was applied."""
    rows = life.attack("closed").counts["tags"]

    assert life.attack("planned").counts["tags"] == rows
    assert life.attack("one forgotten").counts["tags"] == rows - 1


def test_a_planted_folio_reads_what_was_delivered(life: Life) -> None:
    """Opening is reading: the folio's records are of the seconds that the delivery says, and of no others."""
    table = OPERATOR.day(FIRST).to_pylist()
    when = [row["datetime"] for row in table if row["msisdn"] == WHO.removeprefix("tel:")]
    day = columns.day_of(FIRST)
    seconds = {time.hour * 3600 + time.minute * 60 + time.second for time in when if time.date() == FIRST}
    folio = Folio(WHO, "charge", day, day)

    assert life.attack("closed").reads(folio, seconds)
    assert not life.attack("closed").reads(folio, {*seconds, 86_399})
    assert not life.attack("one forgotten").reads(folio, seconds)


def test_a_sample_answers_for_its_own(life: Life) -> None:
    """`among` tries the folios of the parties given, and those alone."""
    loot = Attacker(life.moments["closed"], OPERATOR, among=[WHO]).closure()

    assert loot.opened_folios() == folios(TRUTH.of([WHO]))


def test_the_attacker_walks_the_graph_he_is_given(life: Life) -> None:
    """Each edge of the data carries weight: without it, what it leads to stays shut."""
    graph = disclosure.load()
    for name in ("root-node", "leaf-node", "custodian-state", "all components of a column", "folio", "block"):
        fewer = Graph(graph.kept, tuple(edge for edge in graph.edges if edge.name != name))

        assert Attacker(life.moments["closed"], OPERATOR, graph=fewer).closure().opened_folios() == set(), name


def test_a_chain_reaches_later_days(tmp_path: Path) -> None:
    """Custodians read once, before a day is opened, open that day from recorded bytes: chains go forward."""
    made = made_store(tmp_path)
    with Copies([tmp_path]) as recorder:
        early = recorder.recording().slots
        made.open_day(FIRST)
        made.ingest(OPERATOR.day(FIRST))
        made.close()
        late = recorder.recording()
        custodian = {path: data for path, data in early.items() if "custodian" in path}
        both = Recording(late.words, late.versions, late.nodes, late.roots, late.journal, {**late.slots, **custodian})
        loot = Attacker(both, OPERATOR).closure()

    assert loot.counts["day-key"] >= 1
    assert Column("charge", columns.day_of(FIRST), columns.day_of(FIRST)) in loot.tried.opened


def test_another_operators_store_is_refused(life: Life) -> None:
    """The attacker is no search tool: where a row is of nobody he was given, he says nothing but no."""
    with pytest.raises(NotAllowedError, match="made-up networks only"):
        Attacker(life.moments["closed"], Operator(seed=6, subscribers=40, days=2)).closure()


def test_one_stranger_is_enough_to_refuse(tmp_path: Path) -> None:
    """A store of the operator's people and one other is refused as a whole."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    made.ingest(OPERATOR.day(FIRST))
    table = OPERATOR.day(FIRST).slice(0, 1)
    stranger = pa.array(["+99912345678"])
    made.ingest(table.set_column(table.column_names.index("msisdn"), "msisdn", stranger))

    with Copies([tmp_path]) as recorder, pytest.raises(NotAllowedError, match="rows of this store are not"):
        Attacker(recorder.recording(), OPERATOR).closure()
