"""The published vectors, read by the reader's edition; made again to the byte by the code; and named by their pages."""

from __future__ import annotations

import ast
import json
import runpy
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import unheld_proofs as proofs
import unheld_reader as reader

from tests.support import second_formats as second

ROOT = Path(__file__).parents[2]
VECTORS, SPEC = ROOT / "vectors", ROOT / "docs" / "spec"
EDITION = ROOT / "docs" / "reader" / "unheld_reader.py"
PROOFS = EDITION.with_name("unheld_proofs.py")
ALL = {path.stem: json.loads(path.read_text()) for path in sorted(VECTORS.glob("*.json"))}
raw = bytes.fromhex


@pytest.mark.parametrize("name", ["folio", "block", "plan", "upgrade", "journal"])
def test_vectors_are_what_the_code_writes(name: str) -> None:
    """A change of a byte format that forgets its vectors fails here."""
    made = runpy.run_path(str(VECTORS / f"make_{name}.py"))["build"]()
    assert json.loads(json.dumps(made)) == ALL[name]


@pytest.mark.parametrize("name", ALL)
def test_a_page_names_the_vectors(name: str) -> None:
    """Who reads a page finds the vectors of its format, and who finds vectors finds what makes them."""
    pages = [page.name for page in SPEC.glob("*.md") if f"vectors/{name}.json" in page.read_text(encoding="utf-8")]
    assert pages != []
    assert (VECTORS / f"make_{name}.py").is_file()


@pytest.mark.parametrize("path", [EDITION, PROOFS, Path(second.__file__)], ids=lambda path: path.stem)
def test_the_second_implementation_stands_alone(path: Path) -> None:
    """The editions import the standard library, cryptography and (for stores) pyarrow; what tests add, the editions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    allowed = {EDITION: {"cryptography", "pyarrow"}, PROOFS: {"cryptography"}}
    assert foreign <= allowed.get(path, {"cryptography", "pyarrow", "unheld_reader", "unheld_proofs"})


@pytest.mark.parametrize(("path", "most"), [(EDITION, 320), (PROOFS, 220)], ids=["stores", "proofs"])
def test_each_edition_is_one_file_to_be_read(path: Path, most: int) -> None:
    """The reader's edition is one file for stores and one for proofs, each short enough to be read at a sitting."""
    assert {item.name for item in EDITION.parent.glob("*.py")} == {EDITION.name, PROOFS.name}
    assert len([line for line in path.read_text(encoding="utf-8").splitlines() if line]) <= most


def test_folios_follow_from_two_secrets() -> None:
    """Block key, alias and block id of every class."""
    vector = ALL["folio"]
    for said in vector["folios"]:
        made = reader.folio(raw(vector["party_key"]), raw(vector["value"]), reader.where(vector["set"], _column(said)))
        found = (made.block_key.hex(), made.alias.hex(), made.block_id(raw(vector["batch"])).hex())
        assert found == (said["block_key"], said["alias"], said["block_id"])


def test_the_handle_follows_from_the_party_key() -> None:
    """A party has one handle a sealing day."""
    vector = ALL["folio"]
    said = vector["handle"]
    assert second.handle(raw(vector["party_key"]), raw(said["store"]), said["e"]).hex() == said["handle"]


def test_blocks_open_to_their_plaintexts() -> None:
    """A sealed block of every class opens under its folio, in its place, and is one that a writer makes."""
    vector = ALL["block"]
    for said in vector["blocks"]:
        place = reader.where(vector["set"], (said["class"], vector["d"], vector["e"]))
        made = reader.folio(raw(vector["party_key"]), raw(vector["value"]), place)
        plain = reader.open_block(raw(said["sealed"]), made, raw(vector["store"]), place, raw(vector["batch"]))
        second.check_block(plain, said["class"])
        assert (plain.hex(), made.block_id(raw(vector["batch"])).hex()) == (said["plaintext"], said["block_id"])


def test_blocks_say_what_went_in() -> None:
    """Numbers with their signs, texts, digits with leading zeros, aliases, null and facts are read as written."""
    for said in ALL["block"]["blocks"]:
        found: Any = reader.records(raw(said["plaintext"]), said["class"])
        if said["class"] != "identity":
            names = {number: reader.FIELDS[int(number)] for number in said["says"]}
            found = {number: [_plain(record[name]) for record in found] for number, name in names.items()}
        assert found == said["says"]


def _plain(value: reader.Value) -> int | str:
    return "null" if value is None else value.hex() if isinstance(value, bytes) else value


def test_block_vectors_have_every_kind_of_field() -> None:
    """The vectors have each kind of field both constant and varying, and a block with no varying field."""
    met = set()
    for said in ALL["block"]["blocks"][:-1]:
        constant, varying, *fields = raw(said["plaintext"])[1:]
        kinds = ["usbd"[coded >> 6] for coded in fields[1 : 2 * (constant + varying) : 2]]
        met |= {(kind, at < constant) for at, kind in enumerate(kinds)} | {("none varies", varying == 0)}
    assert met >= {(kind, constant) for kind in "usbd" for constant in (True, False)} | {("none varies", True)}


CHARGE = raw(ALL["block"]["blocks"][0]["plaintext"])
HEAD = 3 + 2 * (CHARGE[1] + CHARGE[2])


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, HEAD, HEAD + 3, -1])
def test_a_changed_plaintext_is_refused(at: int) -> None:
    """Another format, number of fields, field, kind, number of rows, or dirty padding, is no writer's block."""
    plain = bytearray(CHARGE)
    plain[at] ^= 0x41
    with pytest.raises(reader.FormatError):
        second.check_block(bytes(plain), "charge")


@pytest.mark.parametrize("at", [0, 1, 2, 3, HEAD])
def test_the_edition_refuses_what_it_cannot_read(at: int) -> None:
    """Another format, number of fields, field or number of rows is met by the reader's edition itself."""
    plain = bytearray(CHARGE)
    plain[at] ^= 0x41
    with pytest.raises(reader.FormatError):
        reader.records(bytes(plain), "charge")


@pytest.mark.parametrize(
    ("fields", "body", "flaw"),
    [
        ("0101 15c1", "01 02", "1 and digits"),
        ("0101 15c1", "01 01", "1 and digits"),
        ("0101 15c8", "01 8ac7230489e80000", "18 digits"),
        ("1581 0101", "31 01", "fields ascend"),
        ("0101 1501", "01 01", "another kind"),
        ("0101 1e81", "01 31", "not known in this class"),
        ("0101 15c9", "01 00000000000000000b", "width"),
        ("1581", "31", "every block has times"),
    ],
)
def test_rows_that_no_writer_makes_are_refused(fields: str, body: str, flaw: str) -> None:
    """Digits that are not, a field twice, out of order, of another kind or class, too wide, or no time at all."""
    head = raw(fields)
    plain = bytes((1, 0, len(head) // 2)) + head + (1).to_bytes(4) + raw(body)
    with pytest.raises(reader.FormatError, match=flaw):
        second.check_block(plain.ljust(64, b"\0"), "contact")


def test_a_field_stands_once() -> None:
    """A field that is both constant and varying is no writer's."""
    with pytest.raises(reader.FormatError, match="no field stands twice"):
        second.check_block(raw("010101 0101 0101 00000001 0101").ljust(64, b"\0"), "place")


def test_a_block_has_a_row() -> None:
    """A block of no rows is no writer's."""
    with pytest.raises(reader.FormatError, match="rows have times"):
        second.check_block(raw("010100 0101 00000000 01").ljust(64, b"\0"), "place")


def test_padded_sizes_are_the_ones_of_the_page() -> None:
    """Padmé, at least 64."""
    assert {length: second.padme(int(length)) for length in ALL["block"]["padded"]} == ALL["block"]["padded"]


def test_handles_open_with_the_directory_key() -> None:
    """Handles beside a file of an open batch."""
    vector = ALL["block"]
    said = vector["handles"]
    place = reader.where(vector["set"], (said["class"], vector["d"], vector["e"]))
    keys = raw(said["directory_key"]), raw(vector["store"])
    assert b"".join(second.handles(raw(said["sealed"]), *keys, place, raw(vector["batch"]))).hex() == said["handles"]


def test_plans_are_signed_and_name_their_targets() -> None:
    """A plan of every act has headquarters' signature; its targets open under the plan key."""
    vector = ALL["plan"]
    targets = [(said["tree"], raw(said["tag"]), raw(said["label"])) for said in vector["targets"]]
    for said in vector["plans"]:
        plan = reader.parsed(said["file"].encode())
        assert second.plan_digest(plan, raw(vector["headquarters"])).hex() == said["digest"]
        found = second.plan_targets(plan, raw(vector["plan_key"]))
        assert found == (targets if plan["act"] == "parties" else [])


def test_a_plan_of_another_hand_is_refused() -> None:
    """A plan that anything was changed in is nobody's."""
    vector = ALL["plan"]
    plan = reader.parsed(vector["plans"][0]["file"].encode()) | {"leaves": 32}
    with pytest.raises(reader.FormatError, match="another key's"):
        second.plan_digest(plan, raw(vector["headquarters"]))


def test_upgrade_plans_are_signed_and_go_up() -> None:
    """An upgrade plan has headquarters' signature under its own label, and parts that go to later formats."""
    vector = ALL["upgrade"]
    for said in vector["plans"]:
        plan = reader.parsed(said["file"].encode())
        assert second.upgrade_digest(plan, raw(vector["headquarters"])).hex() == said["digest"]
        with pytest.raises(reader.FormatError):
            second.plan_digest(plan, raw(vector["headquarters"]))


def test_a_plan_key_steps() -> None:
    """The next plan key follows, and opens no plan of before."""
    vector = ALL["plan"]
    after = second.next_plan_key(raw(vector["plan_key"]))
    assert after.hex() == vector["next_plan_key"]
    with pytest.raises(reader.Gone):
        second.plan_targets(reader.parsed(vector["plans"][0]["file"].encode()), after)


def test_the_journal_is_a_chain_and_folds() -> None:
    """Every head follows, and the files left are those of the fold."""
    vector = ALL["journal"]
    heads = reader.journal_heads(vector["genesis"].encode(), [entry.encode() for entry in vector["entries"]])
    assert [head.hex() for head in heads] == vector["heads"]
    assert sorted(reader.live_files(json.loads(entry) for entry in vector["entries"])) == vector["files"]


def test_columns_follow_from_their_chains() -> None:
    """Components, steps of a chain, column keys, the column function."""
    vector = ALL["columns"]
    for said in vector["components"]:
        assert [list(subset) for subset in second.components(said["n"], said["t"])] == said["subsets"]
    first, _, third = (raw(link) for link in vector["chain"])
    for said in vector["column_keys"]:
        args = said["class"], said["d"], vector["day"]
        assert second.column_key(first, 0, *args).hex() == said["key"]
        assert second.column_key(first, 2, *args) == second.column_key(third, 0, *args)
    keys = [raw(key) for key in vector["function"]["keys"]]
    labels = reader.pieces(raw(vector["function"]["labels"]), 16)
    values = b"".join(reader.column_value(keys, label) for label in labels)
    assert values.hex() == vector["function"]["values"]


def test_a_slot_opens_its_state(tmp_path: Path) -> None:
    """Both live generations are read, and the sealed state opens under its own."""
    vector = ALL["slot"]
    data = b"".join(raw(half).ljust(4096, b"\0") for half in (vector["halves"]["0"], vector["halves"]["1"]))
    live = {number: (raw(vector["slot_id"]), raw(secret), raw(vector["binding"]))
            for number, secret in vector["secrets"].items()}  # fmt: skip
    assert {str(number): half for number, half in reader.slot(data).items()} == live
    said, slot = vector["sealed"], tmp_path / "vector.slot"
    slot.write_bytes(data)
    (tmp_path / f"{said['name']}-{said['generation']}.sealed").write_bytes(raw(said["file"]))
    assert reader.state(tmp_path, said["name"], slot).hex() == said["state"]


@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (1, 2)])
def test_a_parked_batch_opens_for_any_two(chosen: tuple[int, int]) -> None:
    """Two of three custodians open the file."""
    vector = ALL["parked"]
    found = second.parked(raw(vector["file"]))
    held: dict[int, bytes] = {}
    for index in chosen:
        private = raw(vector["privates"][index])
        held |= second.shares(found, index, private[:64], private[64:])
    assert second.unpark(found, held).hex() == vector["plaintext"]


def test_tags_of_the_tree() -> None:
    """Tags of present and earlier holders."""
    for said in ALL["tree"]["tags"]:
        assert reader.tag(raw(said["tag_key"]), said["identity"], said["ended"]).hex() == said["tag"]


def test_nodes_of_the_tree_open() -> None:
    """A leaf and an inner node open, hold what their plaintext says, and are nodes that a writer makes."""
    for said in ALL["tree"]["nodes"]:
        aad = b"unheld/v1/node" + raw(said["store"]) + raw(said["id"])
        plain = reader.unseal(raw(said["key"]), bytes(12) + raw(said["sealed"]), aad)
        assert plain.hex() == said["plaintext"]
        assert len(second.leaf(plain) if plain[0] == 1 else second.inner(plain)) > 0


def test_a_leaf_has_its_rows() -> None:
    """The lookup of a tag comes to the leaf of the vectors, and both readings of it have the same rows."""
    said = ALL["tree"]["nodes"][0]
    nodes = {raw(said["id"]): raw(said["sealed"])}
    tree = {"node": said["id"], "key": said["key"]}
    (plain,) = reader.leaves(nodes, raw(said["store"]), tree, b"\xff" * 16)
    assert [row.tag for row in reader.leaf(plain)] == list(second.leaf(plain))


def test_the_root_node_opens(tmp_path: Path) -> None:
    """The root node holds what the vectors say, and its plan key steps as they say."""
    said = ALL["tree"]["root"]
    generation, sealed = said["plain"]["generation"], raw(said["sealed"])
    genesis, entries = proofs.jcs({"store": said["store"]}), [b"{}"] * generation
    heads = reader.journal_heads(genesis, entries)
    rows = list(zip(range(1, generation + 1), entries, heads[1:], strict=True))
    path = _catalog(tmp_path, rows, generation, sealed)
    live = {generation: (bytes(16), raw(said["secret"]), reader.sha(sealed) + heads[-1])}
    found = reader.catalog(path, genesis, live)
    assert found.root == said["plain"]
    assert second.next_plan_key(raw(found.root["plan_key"])).hex() == said["next_plan_key"]


def _catalog(folder: Path, rows: list[tuple[int, bytes, bytes]], generation: int, root: bytes) -> Path:
    path = folder / "catalog.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE journal (generation, entry, head)")
        connection.execute("CREATE TABLE root (generation, body)")
        connection.execute("CREATE TABLE node (id, body)")
        connection.executemany("INSERT INTO journal VALUES (?, ?, ?)", rows)
        connection.execute("INSERT INTO root VALUES (?, ?)", (generation, root))
    return path


def test_rows_are_committed_to() -> None:
    """Commitments of rows, and the tree over them."""
    said = ALL["tree"]["commitments"]
    for row in said["rows"]:
        made = second.commitment(raw(row["key"]), raw(row["label"]), row["identity"], row["since"])
        assert made.hex() == row["commitment"]
        assert row["commitment"] in said["leaves"]
    assert proofs.tree_root([raw(leaf) for leaf in said["leaves"]]).hex() == said["root"]


def test_the_log_is_signed_over_its_entries() -> None:
    """The checkpoint has the log's signature over the tree of its entries."""
    vector = ALL["log"]
    found = proofs.checkpoint(vector["checkpoint"], vector["vkey"])
    entries = [raw(entry) for entry in vector["entries"]]
    assert found == (vector["origin"], len(entries), proofs.tree_root(entries))


@pytest.mark.parametrize("said", ALL["log"]["receipts"], ids=lambda said: said["kind"])
def test_receipts_hold(said: dict[str, Any]) -> None:
    """A receipt of every kind is in the log."""
    assert proofs.receipt(said["receipt"], ALL["log"]["vkey"])["statement"]["kind"] == said["kind"]


@pytest.mark.parametrize("said", ALL["log"]["bad_receipts"], ids=lambda said: said["flaw"])
def test_bad_receipts_do_not(said: dict[str, Any]) -> None:
    """Every flaw is refused."""
    with pytest.raises(proofs.FalseProof):
        proofs.receipt(said["receipt"], ALL["log"]["vkey"])


@pytest.mark.parametrize("said", ALL["paper"]["papers"], ids=lambda said: said["kind"])
def test_papers_hold(said: dict[str, Any]) -> None:
    """A paper of every kind is headquarters', and named in the log."""
    assert proofs.paper(said["paper"].encode(), ALL["paper"]["vkey"])["kind"] == said["kind"]


@pytest.mark.parametrize("said", ALL["paper"]["bad_papers"], ids=lambda said: said["flaw"])
def test_bad_papers_do_not(said: dict[str, Any]) -> None:
    """Every flaw of a paper is refused."""
    with pytest.raises(ValueError):  # noqa: PT011 - a date that does not exist is no other error
        proofs.paper(said["paper"].encode(), ALL["paper"]["vkey"])


def test_a_box_opens_with_its_claim_code() -> None:
    """A person's part is in the box, and leads to the root of a receipt's statement."""
    box, receipts = ALL["log"]["box"], ALL["log"]["receipts"]
    party = second.open_box(raw(box["box"]), box["claim_code"])
    texts = [said["receipt"] for said in receipts if said["kind"] == "erase-parties"]
    stated = proofs.receipt(texts[0], ALL["log"]["vkey"])["statement"]
    assert party["identity"] == box["identity"]
    assert proofs.party_root(party, stated["leaves"]).hex() == stated["root"]


def _column(said: dict[str, Any]) -> reader.Column:
    return said["class"], said["d"], said["e"]
