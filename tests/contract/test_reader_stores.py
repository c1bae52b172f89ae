"""The reader's edition opens real stores: what it finds by the pages alone is what was delivered, and nothing more."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import unheld_proofs as proofs
import unheld_reader as reader
from unheld_reader import Folio, OpenedStore

from tests.support import second_formats as second
from tests.support.stores import TestStore, made_store
from tests.support.traffic import Column, Records, delivered, identity, registered
from unheld.plans import planning
from unheld.testing.synthetic import Operator
from unheld_branch.workflows import ingest

FIRST, SECOND, LATER = date(2026, 7, 1), date(2026, 7, 2), date(2026, 7, 8)
OPERATOR = Operator(11, 40, 2, FIRST)
REGISTRY = OPERATOR.registry()
NUMBERS = [identity(number) for number in REGISTRY["msisdn"].to_pylist()]
SIM_CARDS = dict(zip(NUMBERS, ("imsi:" + imsi for imsi in REGISTRY["imsi"].to_pylist()), strict=True))
FORGOTTEN = NUMBERS[3]
ROOT = Path(__file__).parents[2]
Found = dict[str, list[Folio]]
IN_CLEAR = (
    "genesis.json", "format.json", "catalog.db*", "parking-keys.json", "lock", "opened.json", "sets/*.json",
    "attestations/*.json",
)  # fmt: skip
raw = bytes.fromhex


def opened(made: TestStore, custodians: Iterable[int]) -> OpenedStore:
    """The store as the reader's edition opens it, with these custodians."""
    folder, slots = made.deployment.custodians, made.deployment.custodian_slots
    names = [f"custodian-{index}" for index in custodians]
    return reader.open_store(
        made.root, made.deployment.slots, {folder / name: slots / f"{name}.slot" for name in names}
    )


def everybody(*days: date) -> set[str]:
    """All identities of the operator that a day brings."""
    found = delivered(OPERATOR, days)
    met = {
        record["counterpart"]
        for columns in found.values()
        for records in columns.values()
        for record in records
        if "counterpart" in record
    }
    return {*NUMBERS, *SIM_CARDS.values(), *found, *met}


def read(store: OpenedStore) -> Found:
    """The folios of everybody."""
    return {name: list(store.folios(name)) for name in everybody(FIRST, SECOND)}


@dataclass(frozen=True)
class Life:
    """A store's life as the reader saw it, stage by stage."""

    made: TestStore
    t: int
    stores: dict[str, OpenedStore]
    folios: dict[str, Found]
    parked: bytes
    plan: bytes


@pytest.fixture(scope="module", params=[(1, 1), (3, 2), (5, 3)], ids=lambda terms: f"{terms[1]} of {terms[0]}")
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Life:
    n, t = request.param
    made = made_store(tmp_path_factory.mktemp("life"), n, t)
    stores: dict[str, OpenedStore] = {}
    folios: dict[str, Found] = {}

    def look(stage: str, custodians: Iterable[int] = range(n - t, n)) -> None:
        stores[stage] = opened(made, custodians)
        folios[stage] = read(stores[stage])

    made.open_day(FIRST)
    made.ingest(REGISTRY, by="synthetic-registry")
    made.ingest(OPERATOR.day(FIRST))
    look("open", ())
    made.close()
    look("closed")
    made.set_clock(SECOND)
    batch = made.park(OPERATOR.day(SECOND)).batches[0]
    path = next(entry["path"] for entry in opened(made, ()).catalog.entries if entry.get("batch") == batch)
    parked = unparked(made, path, range(t))
    with pytest.raises(reader.Gone):
        unparked(made, path, range(t - 1))
    made.open_day(SECOND)
    made.unpark(batch)
    made.close()
    look("unparked")
    plan = planned(made)
    made.publish()
    made.forget(FORGOTTEN)
    look("forgotten")
    made.set_clock(LATER)
    made.lapse()
    look("lapsed")
    return Life(made, t, stores, folios, parked, plan)


def unparked(made: TestStore, path: str, custodians: Iterable[int]) -> bytes:
    """The plaintext of a parked batch, by the park keys of these custodians."""
    found, held = second.parked((made.root / path).read_bytes()), dict[int, bytes]()
    for header in (custodian(made, index) for index in custodians):
        key = raw(header["park"]["{reason}:{period}".format(**found.header)])
        held |= second.shares(found, header["index"], key[:64], key[64:])
    return second.unpark(found, held)


def custodian(made: TestStore, index: int) -> dict[str, Any]:
    """The header of a custodian's state."""
    name, slots = f"custodian-{index}", made.deployment.custodian_slots
    return second.custodian(reader.state(made.deployment.custodians / name, "custodian", slots / f"{name}.slot"))


def planned(made: TestStore) -> bytes:
    with made.opened() as store:
        return planning.plan_parties(store, [FORGOTTEN], made.deployment.seed("plan")).plan.encode()


def expected(store: OpenedStore, *days: date) -> dict[str, Records]:
    """What was delivered, counterparts by the alias that the counterpart's own keys give."""
    made = delivered(OPERATOR, days)
    for columns in made.values():
        for column, records in columns.items():
            for record in records:
                if "counterpart" in record:
                    record["counterpart"] = alias(store, record["counterpart"], column)
    for name, facts in registered(REGISTRY, FIRST).items():
        made.setdefault(name, {}).update(facts)
    made |= {SIM_CARDS[name]: made[name] for name in NUMBERS}
    return {name: made.get(name, {}) for name in everybody(FIRST, SECOND)}


def alias(store: OpenedStore, name: str, column: Column) -> bytes:
    rows = store.rows(name)
    return store.secrets(rows.get(0) or rows[reader.month_tree(column[2])], column).alias


def said(found: Found) -> dict[str, Records]:
    """Records by party and column, one block a column, null left out."""
    for folios in found.values():
        assert len(folios) == len({folio.column for folio in folios})
    return {name: {folio.column: [_there(record) for record in folio.records] for folio in folios}
            for name, folios in found.items()}  # fmt: skip


def _there(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def test_an_open_day_opens_with_the_slots_of_the_branch(life: Life) -> None:
    """While a day is open, each party's records and facts are what was delivered, and no custodian is needed."""
    assert said(life.folios["open"]) == expected(life.stores["open"], FIRST)


def test_a_closed_day_opens_with_t_custodians(life: Life) -> None:
    """After the close, each party's folios are what was delivered, one block a column."""
    assert said(life.folios["closed"]) == expected(life.stores["closed"], FIRST)


def test_a_closed_day_is_shut_with_fewer_custodians(life: Life) -> None:
    """With t-1 custodians nothing opens, though rows are found."""
    store = opened(life.made, range(life.t - 1))
    assert (bool(store.rows(NUMBERS[0])), list(store.folios(NUMBERS[0]))) == (True, [])


def test_a_parked_batch_opens_with_t_custodians(life: Life) -> None:
    """A parked batch holds every record of its file."""
    table = pa.ipc.open_stream(life.parked).read_all()
    assert table["datetime"].to_pylist() == OPERATOR.day(SECOND)["datetime"].cast(pa.int64()).to_pylist()


def test_an_unparked_batch_opens_like_any_other(life: Life) -> None:
    """Records that were parked are found where they would have been sealed at once."""
    assert said(life.folios["unparked"]) == expected(life.stores["unparked"], FIRST, SECOND)


def test_of_a_forgotten_party_nothing_opens(life: Life) -> None:
    """After a forgetting neither number nor SIM card has a row, so no folio."""
    store = life.stores["forgotten"]
    names = (FORGOTTEN, SIM_CARDS[FORGOTTEN])
    assert [(store.rows(name), life.folios["forgotten"][name]) for name in names] == [({}, []), ({}, [])]


def test_others_are_untouched_by_a_forgetting(life: Life) -> None:
    """After a forgetting everybody else's folios are the same, to the byte."""
    gone: Found = {FORGOTTEN: [], SIM_CARDS[FORGOTTEN]: []}
    assert life.folios["forgotten"] == life.folios["unparked"] | gone


def test_a_lapsed_column_opens_for_nobody(life: Life) -> None:
    """Once a column lapsed, all custodians together cannot make its folios, not even for whom the keys are there."""
    store = opened(life.made, range(life.made.deployment.policy().n))
    column = ("place", reader.day("2026-07-01"), reader.day("2026-07-01"))
    with pytest.raises(reader.Gone):
        store.secrets(store.rows(NUMBERS[0])[0], column)


def test_a_lapse_ends_what_is_due_and_nothing_else(life: Life) -> None:
    """After a lapse, places of the first day and before are gone; the rest is the same, to the byte."""
    first = reader.day("2026-07-01")
    kept = {
        name: [folio for folio in folios if folio.column[0] != "place" or folio.column[1] > first]
        for name, folios in life.folios["forgotten"].items()
    }
    assert life.folios["lapsed"] == kept


def test_rows_were_committed_to(life: Life) -> None:
    """Every party's row is in the leaves of one commit, and their tree's root stands in the journal."""
    store = life.stores["open"]
    roots = {number: entry["rows"] for number, entry in enumerate(store.catalog.entries, 1) if entry.get("rows")}
    leaves = {number: reader.pieces((life.made.root / "rows" / f"{number}.bin").read_bytes(), 32) for number in roots}
    assert {number: proofs.tree_root(made).hex() for number, made in leaves.items()} == roots
    own = [
        second.commitment(row.key, row.label, name, told(store, number, row).since)
        for name in everybody(FIRST)
        for number, row in store.rows(name).items()
    ]
    assert len(own) > 40
    assert not set(own) - {item for made in leaves.values() for item in made}


def told(store: OpenedStore, number: int, row: reader.Row) -> second.LeafRow:
    """What a row says besides its keys; its leaf is one that a writer makes."""
    (leaf,) = reader.leaves(store.catalog.nodes, store.store, store.catalog.root["trees"][str(number)], row.tag)
    return second.leaf(leaf)[row.tag]


def test_a_plan_names_the_rows_it_drops(life: Life) -> None:
    """A plan holds headquarters' signature, and its target is the party's row; the SIM card's row is linked to it."""
    store, plan = life.stores["unparked"], reader.parsed(life.plan)
    second.plan_digest(plan, bytes.fromhex(store.genesis["plan_key"]))
    targets = second.plan_targets(plan, bytes.fromhex(store.catalog.root["plan_key"]))
    row, card = (store.rows(name)[0] for name in (FORGOTTEN, SIM_CARDS[FORGOTTEN]))
    assert targets == [(0, row.tag, row.label)]
    assert (2, card.tag + bytes(16)) in told(store, 0, row).extras


def test_an_applied_plan_opens_no_more(life: Life) -> None:
    """Once a plan was applied, the plan key has stepped and the plan's targets are noise."""
    before, after = (bytes.fromhex(life.stores[stage].catalog.root["plan_key"]) for stage in ("unparked", "forgotten"))
    assert second.next_plan_key(before) == after
    with pytest.raises(reader.Gone):
        second.plan_targets(reader.parsed(life.plan), after)


def test_the_log_is_the_tree_over_what_was_stated(life: Life) -> None:
    """The log's signed root is that of the outbox's entries, each statement one that a page knows."""
    store = life.stores["forgotten"]
    note = (life.made.deployment.log / "checkpoint").read_text(encoding="utf-8")
    signed = proofs.checkpoint(note, store.genesis["log_key"])
    placed = {line.place: line for line in second.outbox(life.made.root / "catalog.db") if line.place is not None}
    lines = [(line.r, reader.parsed(line.statement) if line.statement else None) for _, line in sorted(placed.items())]
    for _, said in lines:
        if said:
            proofs.statement(said, signed.origin)
    entries = [proofs.entry(r, said) if said else r for r, said in lines]
    assert (len(entries), proofs.tree_root(entries)) == (signed.size, signed.root)


def test_a_close_states_the_journal_head_before_it(life: Life) -> None:
    """A logged close names a generation and that generation's journal head, so a rolled-back part is met."""
    store = life.stores["forgotten"]
    lines = second.outbox(life.made.root / "catalog.db")
    texts = [reader.parsed(line.statement) for line in lines if line.statement]
    closes = [text for text in texts if text["kind"] == "close"]
    heads = [store.catalog.heads[text["generation"]].hex() for text in closes]
    assert ([text["head"] for text in closes], len(closes)) == (heads, 2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> TestStore:
    made = made_store(tmp_path_factory.mktemp("small"))
    made.open_day(FIRST)
    made.ingest(REGISTRY, by="synthetic-registry")
    return made


def copied(made: TestStore, place: Path) -> TestStore:
    """The same deployment elsewhere, to be spoilt."""
    shutil.copytree(made.folder, place / "copied")
    return TestStore(place / "copied", type(made.deployment)(place / "copied" / "s"), made.now)


@pytest.mark.parametrize("stage", ["open", "closed"])
def test_files_in_pieces_become_the_same_folios(tmp_path: Path, stage: str) -> None:
    """A day that comes in three files of several chunks each says the same, open and closed."""
    made, table = made_store(tmp_path), OPERATOR.day(FIRST)
    made.open_day(FIRST)
    made.ingest(REGISTRY, by="synthetic-registry")
    third = table.num_rows // 3
    for start, length in ((0, third), (third, third), (2 * third, table.num_rows)):
        made.ingest(table.slice(start, length), options=ingest.Options(chunk_rows=20))
    if stage == "closed":
        made.close()
    store = opened(made, (0,))
    assert said({name: together(store.folios(name)) for name in everybody(FIRST, SECOND)}) == expected(store, FIRST)


def together(folios: Iterable[Folio]) -> list[Folio]:
    """One folio a column: the records of its blocks by time, then in order of arrival."""
    columns: dict[Column, Folio] = {}
    for folio in folios:
        earlier = columns[folio.column].records if folio.column in columns else []
        records = (
            sorted(earlier + folio.records, key=lambda record: int(str(record["time"]))) if earlier else folio.records
        )
        columns[folio.column] = folio._replace(records=records)
    return list(columns.values())


@pytest.mark.parametrize("stage", ["open", "closed"])
def test_blocks_are_those_that_a_writer_makes(small: TestStore, tmp_path: Path, stage: str) -> None:
    """Files and the blocks in them are as the page says and in no other way: sorted, padded, in its kinds."""
    made = copied(small, tmp_path)
    made.ingest(OPERATOR.day(FIRST))
    if stage == "closed":
        made.close()
    store = opened(made, (0,))
    for path in store.files:
        second.check_file((made.root / path).read_bytes())
    found = [plaintext(store, folio) for name in everybody(FIRST) for folio in store.folios(name)]
    for plain, cls in found:
        second.check_block(plain, cls)
    assert {cls for _, cls in found} == {"charge", "contact", "place", "identity"}


def plaintext(store: OpenedStore, folio: Folio) -> tuple[bytes, str]:
    """The opened block of a folio, and its class."""
    cls, *days = folio.column
    d, e = (date.fromordinal(reader.EPOCH.toordinal() + number) for number in days)
    sealed = store.blocks(f"blocks/{cls}/{d}/{e}/{folio.batch.hex()}.parquet")[folio.secrets.block_id(folio.batch)]
    place = reader.where(store.genesis["custodians"]["set"], folio.column)
    return reader.open_block(sealed, folio.secrets, store.store, place, folio.batch), cls


def test_handles_of_an_open_day_are_the_parties(small: TestStore, tmp_path: Path) -> None:
    """Beside each file of an open batch every block has its party's handle, in whatever class, and no dummy has it."""
    made = copied(small, tmp_path)
    made.ingest(OPERATOR.day(FIRST))
    store, found = opened(made, ()), dict[str, set[bytes]]()
    key = second.directory_key(reader.state(made.root, "open", made.deployment.slots / "open.slot"))
    for path, file in store.files.items():
        column = (file["class"], reader.day(file["event_day"]), reader.day(Path(path).parts[-2]))
        place = reader.where(store.genesis["custodians"]["set"], column)
        sealed = (made.root / path).with_suffix(".handles").read_bytes()
        listed = second.handles(sealed, key, store.store, place, raw(Path(path).stem))
        assert len(listed) == len(store.blocks(path))
        for block_id, handle in zip(store.blocks(path), listed, strict=True):
            found.setdefault(handle.hex(), set()).add(block_id)
    for name in NUMBERS:
        own = second.handle(store.rows(name)[0].key, store.store, reader.day("2026-07-01"))
        assert found[own.hex()] == {folio.secrets.block_id(folio.batch) for folio in store.folios(name)}


def test_the_disclosure_data_knows_every_file(small: TestStore, tmp_path: Path) -> None:
    """Each path of the key disclosure graph is met in a store, and a store has no other file but those in clear."""
    made = copied(small, tmp_path)
    made.ingest(OPERATOR.day(FIRST))
    made.park(OPERATOR.day(SECOND))
    graph = tomllib.loads((ROOT / "docs" / "spec" / "disclosure.toml").read_text(encoding="utf-8"))
    listed = {item["path"] for item in graph["sealed"] + graph["commitment"] if item["place"] == "file"}
    there = {path for glob in listed for path in made.root.glob(glob)}
    clear = {path for glob in IN_CLEAR for path in made.root.glob(glob)}
    assert [glob for glob in listed if not list(made.root.glob(glob))] == []
    assert {path for path in made.root.rglob("*") if path.is_file()} - there - clear == set()


def test_a_rolled_back_database_is_refused(small: TestStore, tmp_path: Path) -> None:
    """An older database beside a newer slot does not open."""
    made = copied(small, tmp_path)
    older = {path: path.read_bytes() for path in made.root.glob("catalog.db*")}
    made.ingest(OPERATOR.day(FIRST))
    for path in made.root.glob("catalog.db*"):
        path.unlink()
    for path, data in older.items():
        path.write_bytes(data)
    with pytest.raises(reader.FormatError, match="does not hold generation"):
        opened(made, ())


def test_an_older_slot_is_refused(small: TestStore, tmp_path: Path) -> None:
    """A root slot that was put back does not open the newer database."""
    made = copied(small, tmp_path)
    slot = made.deployment.slots / "root.slot"
    older = slot.read_bytes()
    made.ingest(OPERATOR.day(FIRST))
    slot.write_bytes(older)
    with pytest.raises(reader.FormatError, match="does not hold generation"):
        opened(made, ())


def test_a_changed_file_of_blocks_is_refused(small: TestStore, tmp_path: Path) -> None:
    """One flipped bit in a file of blocks is met before anything is read from it."""
    made = copied(small, tmp_path)
    path = next(made.root.glob("blocks/**/*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(reader.FormatError, match="the file is another one"):
        list(opened(made, ()).folios(NUMBERS[0]))


def test_a_copy_holds_the_same_parties(tmp_path: Path) -> None:
    """A copy of the party tree is read by the same pages: its journal is the store's, its rows are as many."""
    made = made_store(tmp_path, copies=1)
    made.open_day(FIRST)
    made.ingest(REGISTRY, by="synthetic-registry")
    store = opened(made, ())
    live = reader.slot((tmp_path / "copy-1.slots" / "root.slot").read_bytes())
    found = reader.catalog(tmp_path / "copy-1" / "catalog.db", (made.root / "genesis.json").read_bytes(), live)
    assert found.heads == store.catalog.heads
    assert parties(store._replace(catalog=found)) == parties(store) == len(NUMBERS)
    assert found.root["trees"]["0"]["key"] != store.catalog.root["trees"]["0"]["key"]


def parties(store: OpenedStore) -> int:
    """The number of subscribers; every leaf is one that a writer makes, and rows ascend through all of them."""
    tree = store.catalog.root["trees"]["0"]
    plain = reader.leaves(store.catalog.nodes, store.store, tree)
    tags = [tag for data in plain for tag in second.leaf(data)]
    assert (tags, len(tags)) == (sorted(set(tags)), tree["rows"])
    return dict(reader.figures(store))["parties"]


def test_open_party_gives_one_party(small: TestStore) -> None:
    """The public entry opens the folios of the identity it is given."""
    folios = reader.open_party(small.root, small.deployment.slots, {}, NUMBERS[0])
    assert said({NUMBERS[0]: folios})[NUMBERS[0]] == registered(REGISTRY, FIRST)[NUMBERS[0]]


def test_after_everything_was_forgotten_nobody_has_a_row(small: TestStore, tmp_path: Path) -> None:
    """A store whose everything was forgotten has no party, no file and no key."""
    made = copied(small, tmp_path)
    made.everything()
    store = opened(made, (0,))
    assert (store.files, store.keys) == ({}, [{}, {}])
    assert [store.rows(name) for name in NUMBERS] == [{}] * len(NUMBERS)


def test_the_command_prints_figures_of_the_whole(small: TestStore) -> None:
    """The command line tells generation and counts, and no identity."""
    command = [sys.executable, str(ROOT / "docs" / "reader" / "unheld_reader.py"), str(small.root)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = dict(line.split() for line in text.splitlines())
    assert list(figures) == ["generation", "parties", "columns", "files", "blocks"]
    assert (figures["parties"], figures["columns"], figures["files"]) == ("40", "1", "1")
