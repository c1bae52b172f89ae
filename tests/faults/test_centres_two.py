"""Two data centres of one network take in the same files: each keeps its own parties' records, both forget."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, Call, calls, facts, held, many, names, registry, trees
from tests.support.stores import TestStore, made_store
from unheld.workflows import centres
from unheld_branch.store.centres import Centre
from unheld_branch.store.check import check
from unheld_branch.workflows import sinks
from unheld_branch.workflows.ingest import ELSEWHERE
from unheld_branch.workflows.sinks import Sinks
from unheld_verify import canonical
from unheld_verify.errors import BadInputError, UsageError

NETWORK, SECOND = b"\x01" * 16, b"\x02" * 16
FILE = (Call(ALICE, second=1, to=BOB), Call(BOB, second=2, to=ALICE), Call(CAROL, second=3, to=ALICE))


@dataclass
class Two:
    """Both stores. ALICE's records are of the second, BOB's and CAROL's of the first."""

    first: TestStore
    second: TestStore

    @property
    def both(self) -> tuple[TestStore, TestStore]:
        return self.first, self.second


@pytest.fixture
def two(tmp_path: Path) -> Two:
    """Both have a day open and took in one file."""
    found = Two(
        made_store(tmp_path / "1", store_id=NETWORK, centre=Centre(1, 2, NETWORK)),
        made_store(tmp_path / "2", store_id=SECOND, centre=Centre(2, 2, NETWORK)),
    )
    for one in found.both:
        one.open_day(FIRST)
        one.ingest(calls(*FILE))
    return found


def test_each_record_is_in_one_of_them(two: Two) -> None:
    """What one does not keep the other does, and each says how many it left."""
    assert [held(two.first, f"tel:{name}") for name in (ALICE, BOB, CAROL)] == [[], [(FIRST, 2)], [(FIRST, 3)]]
    assert [held(two.second, f"tel:{name}") for name in (ALICE, BOB, CAROL)] == [[(FIRST, 1)], [], []]
    for one, kept, left in ((two.first, 2, 1), (two.second, 1, 2)):
        with one.opened() as store:
            entry = next(canonical.decode(data) for _, data, _ in store.vault.database.journal() if b'"batch"' in data)
            assert [item.kind for item in check(store).findings] == []
        assert (entry["records"], entry["counts"]) == (kept, {ELSEWHERE: left})


def test_a_party_forgotten_at_both_is_gone_from_both(two: Two) -> None:
    """Her own records, and her name in records that the other one keeps."""
    before = names(two.first, "tel:" + BOB, "tel:" + ALICE)
    for one in two.both:
        one.forget("tel:" + ALICE)

    assert before == 1
    assert [trees(one, "tel:" + ALICE) for one in two.both] == [set(), set()]
    assert held(two.second, "tel:" + ALICE) == []
    assert held(two.first, "tel:" + BOB) == [(FIRST, 2)]
    assert names(two.first, "tel:" + BOB, "tel:" + ALICE) == 0


def test_one_that_is_away_stops_nothing_and_takes_in_later(two: Two) -> None:
    """The other goes on, closes, forgets; when it is back it takes the same file and keeps its own."""
    later = calls(Call(ALICE, second=50), Call(BOB, second=51))
    two.first.ingest(later)
    two.first.forget("tel:" + CAROL)
    two.first.close()

    two.second.ingest(later)
    assert held(two.first, "tel:" + BOB) == [(FIRST, 2), (FIRST, 51)]
    assert held(two.second, "tel:" + ALICE) == [(FIRST, 1), (FIRST, 50)]


def test_what_is_parked_is_only_what_is_kept(two: Two) -> None:
    """In an outage, too, each writes its own parties' records alone."""
    later = calls(*(Call(ALICE, second=60 + at) for at in range(3)), Call(BOB, second=70))
    reports = [one.park(later) for one in two.both]
    for one, report in zip(two.both, reports, strict=True):
        one.unpark(report.batches[0])

    assert [report.records for report in reports] == [1, 3]
    assert held(two.first, "tel:" + BOB) == [(FIRST, 2), (FIRST, 70)]
    assert [second for _, second in held(two.second, "tel:" + ALICE)] == [1, 60, 61, 62]


def test_totals_of_both_add_up(two: Two) -> None:
    """A figure for accounts between operators counts each record once, and so does a charge line."""
    later = calls(Call(ALICE, second=81), Call(BOB, second=82), Call(CAROL, second=83))
    for one in two.both:
        sinks.write_settings(one.root, Sinks(one.root / "totals", one.folder / "charge"))
        one.ingest(later)
    counted = [path for one in two.both for path in (one.root / "totals").glob("*.json")]
    lines = [
        len(path.read_text().splitlines()) - 1 for one in two.both for path in (one.folder / "charge").glob("*.csv")
    ]

    assert [row["events"] for path in counted for row in json.loads(path.read_bytes())["totals"]] == [2, 1]
    assert lines == [2, 1]


def test_a_registry_is_whole_in_both(two: Two) -> None:
    """Who holds a number is needed wherever a record names it."""
    for one in two.both:
        one.ingest(
            registry({"msisdn": ALICE, "holder": "h1"}, {"msisdn": BOB, "holder": "h2"}), by="synthetic-registry"
        )

    assert [len(facts(one, f"tel:{name}")) for one in two.both for name in (ALICE, BOB)] == [1, 1, 1, 1]


def test_a_file_of_the_other_ones_parties_alone_is_taken_in_once(two: Two) -> None:
    """Nothing of it is kept, and it is known when it comes again."""
    table = calls(*many(5, ALICE, first=100))
    reports = [two.first.ingest(table), two.first.ingest(table)]

    assert [report.records for report in reports] == [0, 0]
    assert [len(report.known) for report in reports] == [0, 1]


def test_stores_that_are_not_one_network_are_not_taken_together(two: Two, tmp_path: Path) -> None:
    """The same centre twice, one missing, one of another network, one that is none."""
    alone = made_store(tmp_path / "3")
    other = made_store(tmp_path / "4", store_id=SECOND, centre=Centre(2, 2, b"\x09" * 16))
    found = centres.together([two.second.deployment, two.first.deployment])

    assert found == [two.first.deployment, two.second.deployment]
    with pytest.raises(BadInputError, match="is data centre 1, as"):
        centres.together([two.first.deployment, two.first.deployment])
    with pytest.raises(UsageError, match="data centre 2 of 2 is missing"):
        centres.together([two.first.deployment])
    with pytest.raises(BadInputError, match="not data centres of one network"):
        centres.together([two.first.deployment, other.deployment])
    with pytest.raises(BadInputError, match="no data centre of several"):
        centres.together([two.first.deployment, alone.deployment])
