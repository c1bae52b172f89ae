"""The journal: the catalog is its fold and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.calls import ALICE, BOB, FIRST, Call, calls
from tests.support.stores import TestStore, made_store, mapping
from unheld_branch.store import journal
from unheld_branch.store.policy import Policy, from_document
from unheld_branch.workflows import ingest
from unheld_verify import canonical, columns, crypto
from unheld_verify.errors import BadInputError, NewerError, VerificationError

POLICY = Policy(
    b"s" * 16, "log.example/unheld", 1_782_864_000, 1, 3, 2, columns.LIFETIME_DEFAULTS, 45, "none", "MM", (), (),
    "key", "00" * 32,
)  # fmt: skip
DAY = "2026-07-01"
BATCH, PARKED = "b1" * 16, "a1" * 16


def file(cls: str, batch: str = BATCH, event_day: str = DAY) -> dict[str, Any]:
    """A column file as an entry names it."""
    path = f"blocks/{cls}/{event_day}/{DAY}/{batch}.parquet"
    return {"path": path, "class": cls, "event_day": event_day, "blocks": 256, "bytes": 1, "sha256": "00" * 32}


def batch(**changed: Any) -> dict[str, Any]:
    """An entry of kind batch."""
    entry = {
        "kind": "batch", "batch": BATCH, "day": DAY, "records": 5, "files": [file("charge"), file("place")],
        "digests": ["d1"], "rows": "", "counts": {"odd": 2}, "replaces": "", "unparks": "", "parked": [],
    }  # fmt: skip
    return entry | changed


def parked(**changed: Any) -> dict[str, Any]:
    """An entry of kind parked."""
    entry = {
        "kind": "parked", "batch": PARKED, "reason": "outage", "period": 2947, "path": f"parked/{PARKED}.parked",
        "sha256": "00" * 32, "records": 9, "digests": ["d2"],
    }  # fmt: skip
    return entry | changed


OPEN = {"kind": "open", "day": DAY, "set": 1, "checks": {"0": "ab"}}
CLOSE = {"kind": "close", "day": DAY, "batch": "cc" * 16, "files": [file("charge", "cc" * 16)], "merged": [BATCH]}
GENESIS = {"kind": "genesis", "policy": POLICY.document()}
Chain = list[tuple[int, bytes, bytes]]


def chained(*entries: Mapping[str, Any]) -> Chain:
    """Rows of a database: entries with their heads."""
    rows: Chain = []
    head = journal.first_head(POLICY)
    for number, entry in enumerate((GENESIS, *entries), 1):
        data = canonical.encode({"v": 1, "at": 1_782_864_000, **entry})
        head = journal.next_head(head, data)
        rows.append((number, data, head))
    return rows


def fold(*entries: Mapping[str, Any]) -> journal.Catalog:
    """The catalog of these entries after genesis."""
    return journal.fold(POLICY, chained(*entries))


def test_heads_are_those_of_the_page() -> None:
    """The first head binds the genesis document, each next one its entry and all before."""
    (_, data, head), *_ = chained()
    first = crypto.sha256(b"unheld/v1/journal" + crypto.sha256(canonical.encode(POLICY.document())))

    assert head == crypto.sha256(b"\x01" + first + crypto.sha256(data))


def test_a_batch_waits_for_the_close() -> None:
    """An open day has batches with files, digests and counts; a close leaves merged files alone."""
    catalog = fold(OPEN, batch())
    assert catalog.open_day is not None
    assert [item.id.hex() for item in catalog.open_batches()] == [BATCH]
    assert [item.path for item in catalog.live_files()] == [item["path"] for item in (file("charge"), file("place"))]
    assert (catalog.counts, list(catalog.known_digests())) == ({"odd": 2}, ["d1"])

    catalog = fold(OPEN, batch(), CLOSE)
    assert catalog.open_day is None
    assert [item.path for item in catalog.live_files()] == [file("charge", "cc" * 16)["path"]]


def test_a_replaced_batch_is_gone_with_its_digests() -> None:
    """Its files leave, and the file it came from may be taken in again."""
    catalog = fold(OPEN, batch(), batch(batch="b2" * 16, files=[], digests=[], replaces=BATCH))

    assert catalog.live_files() == []
    assert catalog.known_digests() == {}


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        ({"act": "day", "event_day": DAY}, {"charge", "contact", "place"}),
        ({"act": "class", "event_day": DAY, "class": "place"}, {"place"}),
        ({"act": "class", "event_day": DAY, "class": "identity"}, {"identity"}),
        ({"act": "day", "event_day": "2026-06-30"}, set()),
        ({"act": "everything"}, {"charge", "contact", "place", "identity"}),
        ({"act": "party", "root": "00" * 32, "leaves": 16}, set()),
    ],
)
def test_an_erasing_takes_the_files_of_its_columns(entry: dict[str, Any], gone: set[str]) -> None:
    """A day takes its records and leaves the month's registry; a class takes itself; parties take no file."""
    files = [file(cls) for cls in columns.CLASSES]

    catalog = fold(OPEN, batch(files=files), {"kind": "erase", **entry})

    assert {item.column.cls for item in catalog.live_files()} == set(columns.CLASSES) - gone
    assert catalog.erasures == 1


def test_a_lapse_takes_columns_and_parked_batches() -> None:
    """What lapsed is gone from the catalog, open or closed."""
    lapse = {"kind": "lapse", "columns": [["place", DAY]], "trees": [], "parked": [PARKED]}

    catalog = fold(OPEN, batch(), parked(), lapse)

    assert {item.column.cls for item in catalog.live_files()} == {"charge"}
    assert catalog.waiting() == []


def test_a_parked_batch_waits_until_it_is_opened() -> None:
    """It waits, its digest is known, and a batch that unparks it ends its wait."""
    assert [item.batch.hex() for item in fold(parked()).waiting()] == [PARKED]

    catalog = fold(parked(), OPEN, batch(unparks=PARKED))
    assert catalog.waiting() == []
    assert set(catalog.known_digests()) == {"d1", "d2"}


def test_quarantine_of_a_batch_is_a_parked_batch() -> None:
    """Bad rows of a delivery wait in the parked lane."""
    catalog = fold(OPEN, batch(parked=[parked(reason="quarantine", digests=[])]))

    assert [item.reason for item in catalog.waiting()] == ["quarantine"]


def test_everything_forgets_days_batches_and_parked_batches() -> None:
    """After everything nothing is live, open or waiting, and the days are known as days that were."""
    catalog = fold(OPEN, batch(), parked(), {"kind": "erase", "act": "everything"})

    assert (catalog.live_files(), catalog.open_day, catalog.waiting()) == ([], None, [])
    assert list(catalog.days) == [columns.day_number(DAY)]


def test_generations_with_rows_are_known() -> None:
    """Which files of row commitments belong is read off the journal."""
    catalog = fold(OPEN, {"kind": "rows", "rows": "ab"}, batch(), batch(batch="b2" * 16, rows="cd"))

    assert catalog.row_files == {3, 5}


@given(st.data())
def test_an_altered_entry_is_named(data: st.DataObject) -> None:
    """A byte changed anywhere in the chain, entry or head, is refused with the entry's number."""
    rows = chained(OPEN, batch(), CLOSE)
    at = data.draw(st.integers(0, len(rows) - 1))
    number, entry, head = rows[at]
    part = bytearray(data.draw(st.sampled_from([entry, head])))
    place = data.draw(st.integers(0, len(part) - 1))
    part[place] ^= data.draw(st.integers(1, 255))
    rows[at] = (number, bytes(part), head) if len(part) == len(entry) else (number, entry, bytes(part))

    with pytest.raises(VerificationError, match=f"entry {number} was altered"):
        journal.fold(POLICY, rows)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_entry_is_named(missing: int) -> None:
    """A gap anywhere before the end is refused."""
    rows = chained(OPEN, batch(), CLOSE)

    with pytest.raises(VerificationError, match=f"entry {missing + 1} is missing"):
        journal.fold(POLICY, rows[:missing] + rows[missing + 1 :])


@pytest.mark.parametrize("entry", [{"kind": "rewind"}, {"kind": "open", "v": 2, "day": DAY, "set": 1, "checks": {}}])
def test_an_unknown_kind_or_version_is_refused(entry: dict[str, Any]) -> None:
    """What a later release wrote is not guessed at."""
    with pytest.raises(NewerError, match=r"generation 2: a journal entry .*; unheld .* reads version 1"):
        fold(entry)


def test_a_journal_of_another_policy_is_refused() -> None:
    """A journal cannot be put beside another genesis document."""
    other = from_document(POLICY.document() | {"late_days": 44})

    with pytest.raises(VerificationError):
        journal.fold(other, chained(OPEN))


def test_a_genesis_with_another_policy_inside_is_refused() -> None:
    """The first entry names the very policy that the chain is bound to."""
    data = canonical.encode({"v": 1, "at": 0, "kind": "genesis", "policy": POLICY.document() | {"late_days": 44}})
    rows = [(1, data, journal.next_head(journal.first_head(POLICY), data))]

    with pytest.raises(VerificationError, match="another policy"):
        journal.fold(POLICY, rows)


@pytest.mark.parametrize(
    "change",
    [
        {"release": "always"},
        {"more": 1},
        {"lifetimes": {}},
        {"lifetimes": columns.LIFETIME_DEFAULTS | {"place": 31}},
        {"late_days": 91},
        {"store": "xy"},
        {"custodians": 3},
    ],
)
def test_a_genesis_document_out_of_bounds_is_refused(change: dict[str, Any]) -> None:
    """No document opens the release, stretches a lifetime, or says what this version does not write."""
    with pytest.raises(BadInputError):
        from_document(POLICY.document() | change)


def test_a_policy_reads_back() -> None:
    """A genesis document gives the policy it was written from."""
    assert from_document(POLICY.document()) == POLICY


@pytest.fixture
def lived(tmp_path: Path) -> tuple[TestStore, list[journal.Catalog]]:
    """A store that lived through every workflow, with the live catalog after each."""
    made = made_store(tmp_path, n=2, t=2)
    live: list[journal.Catalog] = []

    def then(act: Any) -> Any:
        done = act()
        with made.opened() as store:
            live.append(store.catalog)
        return done

    then(lambda: made.open_day(FIRST))
    first = then(lambda: made.ingest(calls(Call(ALICE), Call(BOB)))).deliveries[0].batch
    then(lambda: made.ingest(calls(Call(ALICE, second=1)), options=ingest.Options(replaces=first)))
    waiting = then(lambda: made.park(calls(Call(BOB, second=2)))).batches[0]
    then(lambda: made.unpark(waiting))
    then(lambda: made.park(calls(Call(BOB, second=3))))
    then(lambda: made.forget("tel:" + ALICE))
    then(lambda: made.forget_day(FIRST, "place"))
    then(made.close)
    made.set_clock(columns.date_of(columns.day_of(FIRST) + 31))
    then(made.lapse)
    then(made.everything)
    return made, live


def test_a_replayed_journal_is_the_live_catalog_after_every_workflow(
    lived: tuple[TestStore, list[journal.Catalog]],
) -> None:
    """What each workflow left in memory is what a fold of the journal up to there gives."""
    made, live = lived
    with made.opened() as store:
        rows = store.vault.database.journal()

    for catalog in live:
        assert journal.fold(store.policy, rows[: catalog.generation]) == catalog
    assert len({catalog.generation for catalog in live}) == len(live)


def test_the_catalog_in_memory_follows_its_own_commits(tmp_path: Path) -> None:
    """Within one opening the catalog after a commit equals the one that the next opening folds."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    with made.opened() as store:
        ingest.ingest(store, made._files((calls(Call(ALICE)),)), mapping())
        here = store.catalog
    with made.opened() as store:
        assert store.catalog == here
