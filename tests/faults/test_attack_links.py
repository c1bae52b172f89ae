"""Attacks that link without keys: two batches, two days, before and after an act, what the log tells of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.calls import ALICE, BOB, CAROL, FIRST, Call, calls, snapshot
from tests.support.stores import TestStore, made_store
from unheld_branch.workflows import delivery
from unheld_verify import canonical, columns

SECOND = FIRST + timedelta(1)


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store whose first day is open."""
    store = made_store(tmp_path)
    store.open_day(FIRST)
    return store


def ids(made: TestStore) -> list[bytes]:
    """The id of every block on the disk now."""
    files = sorted((made.root / "blocks").rglob("*.parquet"))
    return [id_ for file in files for id_ in pq.ParquetFile(file).read()["block_id"].to_pylist()]


def statements(made: TestStore, kind: str) -> list[dict[str, object]]:
    """All statements of a kind."""
    with made.opened(write=False) as store:
        texts = [canonical.decode(item.statement) for item in store.vault.database.outbox() if item.statement]
    return [text for text in texts if text["kind"] == kind]


def test_no_block_id_comes_twice(made: TestStore) -> None:
    """One party's blocks of two batches, two days, three classes and after the close have ids of their own."""
    made.ingest(calls(Call(ALICE)))
    made.ingest(calls(Call(ALICE, second=9)))
    seen = Counter(ids(made))
    made.close()
    seen += Counter(ids(made))
    made.open_day(SECOND)
    made.ingest(calls(Call(ALICE, SECOND), Call(ALICE, second=10)))
    seen += Counter(set(ids(made)) - set(seen))

    assert max(seen.values()) == 1


def test_forgetting_leaves_every_block_where_it_is(made: TestStore) -> None:
    """No ciphertext of one party is taken out: what two backups differ in would link its rows of all days."""
    made.ingest(calls(Call(ALICE), Call(BOB)))
    made.close()
    made.open_day(SECOND)
    made.ingest(calls(Call(ALICE, SECOND)))
    before = snapshot(made.root / "blocks", made.root / "rows")

    made.forget("tel:" + ALICE)

    assert snapshot(made.root / "blocks", made.root / "rows") == before


def test_the_log_tells_the_same_of_one_forgotten_and_of_sixteen(made: TestStore) -> None:
    """Statements of two acts differ in their root alone, whoever asked and whether he was known."""
    made.ingest(calls(Call(ALICE), Call(BOB), Call(CAROL)))
    made.forget("tel:" + ALICE)
    made.forget(*(f"tel:+9990000{number:04}" for number in range(14)), "tel:" + BOB, "tel:" + CAROL)
    first, second = (said | {"root": ""} for said in statements(made, "erase-parties"))

    assert first == second


def test_every_row_commitment_is_in_the_log(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a large delivery makes ahead of its records are committed to in public as well."""
    monkeypatch.setattr(delivery, "ROW_BYTES_HELD", 1)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    with made.opened(write=False) as store:
        entries = [canonical.decode(entry) for _, entry, _ in store.vault.database.journal()]
    made_roots = {entry["rows"] for entry in entries if entry.get("rows")}

    assert made_roots
    assert made_roots <= {said["rows"] for said in statements(made, "batch")}


def test_no_two_commits_share_a_sealed_node(made: TestStore) -> None:
    """Forgetting somebody rewrites the way to everybody on the same path: no node that named the party stays."""
    made.ingest(calls(Call(ALICE), Call(BOB)))
    with made.opened(write=False) as store:
        before = store.vault.database.node_ids()
    made.forget("tel:" + ALICE)
    with made.opened(write=False) as store:
        tree = store.root.trees[0]
        assert tree.root is not None
        assert tree.root.id not in before


def test_with_all_needed_one_erasure_is_enough(tmp_path: Path) -> None:
    """n = t = 3: every component has one holder, so a column that one custodian erased is gone for all."""
    made = made_store(tmp_path, n=3, t=3)
    made.open_day(FIRST)
    made.close()
    away = [made.deployment.custodians / f"custodian-{number}" for number in (1, 2)]
    for folder in away:
        folder.rename(folder.with_name(f"x-{folder.name}"))
    assert made.forget_day(FIRST, "charge").custodians == 1
    for folder in away:
        folder.with_name(f"x-{folder.name}").rename(folder)
    made.open_day(SECOND)
    with made.opened() as store:
        kept = store.day_slot.read()

    assert kept is not None
    assert ("charge", columns.day_of(FIRST)) not in kept.keys.keys
