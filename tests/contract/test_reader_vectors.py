"""The published vectors, read by the reader's edition; made again to the byte by the code; and named by their pages."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import unheld_formats as formats
import unheld_outside as outside

ROOT = Path(__file__).parents[2]
VECTORS, SPEC, EDITION = ROOT / "vectors", ROOT / "docs" / "spec", ROOT / "docs" / "reader"
OWN = {path.stem for path in EDITION.glob("*.py")}
ALL = {path.stem: json.loads(path.read_text()) for path in sorted(VECTORS.glob("*.json"))}
raw = bytes.fromhex


@pytest.mark.parametrize("name", ["folio", "block", "plan", "journal"])
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


@pytest.mark.parametrize("path", sorted(EDITION.glob("*.py")), ids=lambda path: path.stem)
def test_the_edition_stands_alone(path: Path) -> None:
    """The reader's edition imports the standard library, cryptography, pyarrow and itself, so no code of ours."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) - OWN
    assert foreign <= {"cryptography", "pyarrow"}


def test_folios_follow_from_two_secrets() -> None:
    """Block key, alias and block id of every class."""
    vector = ALL["folio"]
    for said in vector["folios"]:
        made = formats.folio(raw(vector["party_key"]), raw(vector["value"]), vector["set"], _column(said))
        found = (made.block_key.hex(), made.alias.hex(), made.block_id(raw(vector["batch"])).hex())
        assert found == (said["block_key"], said["alias"], said["block_id"])


def test_the_handle_follows_from_the_party_key() -> None:
    """A party has one handle a sealing day."""
    vector = ALL["folio"]
    said = vector["handle"]
    assert formats.handle(raw(vector["party_key"]), raw(said["store"]), said["e"]).hex() == said["handle"]


def test_blocks_open_to_their_plaintexts() -> None:
    """A sealed block of every class opens under its folio, in its place."""
    vector = ALL["block"]
    for said in vector["blocks"]:
        column = (said["class"], vector["d"], vector["e"])
        made = formats.folio(raw(vector["party_key"]), raw(vector["value"]), vector["set"], column)
        ids = raw(vector["batch"]) + made.block_id(raw(vector["batch"]))
        place = formats.where(vector["set"], column)
        plain = formats.open_block(raw(said["sealed"]), made.block_key, raw(vector["store"]), place, ids)
        assert plain.hex() == said["plaintext"]


def test_blocks_say_what_went_in() -> None:
    """Numbers with their signs, texts, aliases, null and facts are read as they were written."""
    for said in ALL["block"]["blocks"]:
        found: Any = formats.records(raw(said["plaintext"]), said["class"])
        if said["class"] != "identity":
            names = {number: formats.FIELDS[int(number)][0] for number in said["says"]}
            found = {number: [_plain(record[name]) for record in found] for number, name in names.items()}
        assert found == said["says"]


def _plain(value: formats.Value) -> int | str:
    return "null" if value is None else value.hex() if isinstance(value, bytes) else value


@pytest.mark.parametrize("at", [0, 1, 2, 3, 12, -1])
def test_a_changed_plaintext_is_refused(at: int) -> None:
    """Another format, number of fields, field, width or number of rows, or dirty padding, is no block."""
    plain = bytearray(raw(ALL["block"]["blocks"][1]["plaintext"]))
    plain[at] ^= 0x41
    with pytest.raises(formats.FormatError):
        formats.records(bytes(plain), "contact")


def test_padded_sizes_are_the_ones_of_the_page() -> None:
    """Padmé, at least 64."""
    assert {length: formats.padme(int(length)) for length in ALL["block"]["padded"]} == ALL["block"]["padded"]


def test_handles_open_with_the_directory_key() -> None:
    """Handles beside a file of an open batch."""
    vector = ALL["block"]
    said = vector["handles"]
    place = formats.where(vector["set"], (said["class"], vector["d"], vector["e"]))
    keys = raw(said["directory_key"]), raw(vector["store"])
    assert b"".join(formats.handles(raw(said["sealed"]), *keys, place, raw(vector["batch"]))).hex() == said["handles"]


def test_plans_are_signed_and_name_their_targets() -> None:
    """A plan of every act has headquarters' signature; its targets open under the plan key."""
    vector = ALL["plan"]
    targets = [(said["tree"], raw(said["tag"]), raw(said["label"])) for said in vector["targets"]]
    for said in vector["plans"]:
        plan = formats.parsed(said["file"].encode())
        assert outside.plan_digest(plan, raw(vector["headquarters"])).hex() == said["digest"]
        found = outside.plan_targets(plan, raw(vector["plan_key"]))
        assert found == (targets if plan["act"] == "parties" else [])


def test_a_plan_of_another_hand_is_refused() -> None:
    """A plan that anything was changed in is nobody's."""
    vector = ALL["plan"]
    plan = formats.parsed(vector["plans"][0]["file"].encode()) | {"leaves": 32}
    with pytest.raises(formats.FormatError, match="another key's"):
        outside.plan_digest(plan, raw(vector["headquarters"]))


def test_a_plan_key_steps() -> None:
    """The next plan key follows, and opens no plan of before."""
    vector = ALL["plan"]
    after = outside.next_plan_key(raw(vector["plan_key"]))
    assert after.hex() == vector["next_plan_key"]
    with pytest.raises(formats.Gone):
        outside.plan_targets(formats.parsed(vector["plans"][0]["file"].encode()), after)


def test_the_journal_is_a_chain_and_folds() -> None:
    """Every head follows, and the files left are those of the fold."""
    vector = ALL["journal"]
    heads = formats.journal_heads(vector["genesis"].encode(), [entry.encode() for entry in vector["entries"]])
    assert [head.hex() for head in heads] == vector["heads"]
    assert sorted(formats.live_files(json.loads(entry) for entry in vector["entries"])) == vector["files"]


def test_columns_follow_from_their_chains() -> None:
    """Components, steps of a chain, column keys, the column function."""
    vector = ALL["columns"]
    for said in vector["components"]:
        assert [list(subset) for subset in formats.components(said["n"], said["t"])] == said["subsets"]
    first, _, third = (raw(link) for link in vector["chain"])
    for said in vector["column_keys"]:
        args = said["class"], said["d"], vector["day"]
        assert formats.column_key(first, 0, *args).hex() == said["key"]
        assert formats.column_key(first, 2, *args) == formats.column_key(third, 0, *args)
    keys = [raw(key) for key in vector["function"]["keys"]]
    labels = formats.pieces(raw(vector["function"]["labels"]), 16)
    values = b"".join(formats.column_value(keys, label) for label in labels)
    assert values.hex() == vector["function"]["values"]


def test_a_slot_opens_its_state() -> None:
    """Both live generations are read, and the sealed state opens under the newer."""
    vector = ALL["slot"]
    data = b"".join(raw(half).ljust(4096, b"\0") for half in (vector["halves"]["0"], vector["halves"]["1"]))
    live = formats.slot(data)
    assert {str(half.number): half.secret.hex() for half in live} == vector["secrets"]
    said = vector["sealed"]
    files = {f"{said['name']}-{said['generation']}.sealed": raw(said["file"])}
    assert formats.sealed_state(files, said["name"], live).hex() == said["state"]


@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (1, 2)])
def test_a_parked_batch_opens_for_any_two(chosen: tuple[int, int]) -> None:
    """Two of three custodians open the file."""
    vector = ALL["parked"]
    found = outside.parked(raw(vector["file"]))
    held: dict[int, bytes] = {}
    for index in chosen:
        private = raw(vector["privates"][index])
        held |= outside.shares(found, index, private[:64], private[64:])
    assert outside.unpark(found, held).hex() == vector["plaintext"]


def test_tags_of_the_tree() -> None:
    """Tags of present and earlier holders."""
    for said in ALL["tree"]["tags"]:
        assert formats.tag(raw(said["tag_key"]), said["identity"], said["ended"]).hex() == said["tag"]


def test_nodes_of_the_tree_open() -> None:
    """A leaf and an inner node open and hold what their plaintext says."""
    for said in ALL["tree"]["nodes"]:
        aad = b"unheld/v1/node" + raw(said["store"]) + raw(said["id"])
        plain = formats.unseal(raw(said["key"]), raw(said["sealed"]), aad, bytes(12))
        assert plain.hex() == said["plaintext"]
        assert len(formats.leaf(plain) if plain[0] == 1 else formats.inner(plain)) > 0


def test_the_root_node_opens() -> None:
    """The root node holds what the vectors say, and its plan key steps as they say."""
    said = ALL["tree"]["root"]
    plain = said["plain"]
    found = formats.root_node(raw(said["sealed"]), raw(said["secret"]), raw(said["store"]), plain["generation"])
    assert found == plain
    assert outside.next_plan_key(raw(found["plan_key"])).hex() == said["next_plan_key"]


def test_rows_are_committed_to() -> None:
    """Commitments of rows, and the tree over them."""
    said = ALL["tree"]["commitments"]
    for row in said["rows"]:
        made = formats.Row(b"", raw(row["key"]), raw(row["label"]), row["since"], 0, ())
        assert formats.commitment(made, row["identity"]).hex() == row["commitment"]
        assert row["commitment"] in said["leaves"]
    assert outside.tree_root([raw(leaf) for leaf in said["leaves"]]).hex() == said["root"]


def test_the_log_is_signed_over_its_entries() -> None:
    """The checkpoint has the log's signature over the tree of its entries."""
    vector = ALL["log"]
    found = outside.checkpoint(vector["checkpoint"], vector["vkey"])
    entries = [raw(entry) for entry in vector["entries"]]
    assert found == (vector["origin"], len(entries), outside.tree_root(entries))


@pytest.mark.parametrize("said", ALL["log"]["receipts"], ids=lambda said: said["kind"])
def test_receipts_hold(said: dict[str, Any]) -> None:
    """A receipt of every kind is in the log."""
    assert outside.receipt(said["receipt"], ALL["log"]["vkey"])["kind"] == said["kind"]


@pytest.mark.parametrize("said", ALL["log"]["bad_receipts"], ids=lambda said: said["flaw"])
def test_bad_receipts_do_not(said: dict[str, Any]) -> None:
    """Every flaw is refused."""
    with pytest.raises(formats.FormatError):
        outside.receipt(said["receipt"], ALL["log"]["vkey"])


def test_a_box_opens_with_its_claim_code() -> None:
    """A person's part is in the box, and leads to the root of a receipt's statement."""
    box, receipts = ALL["log"]["box"], ALL["log"]["receipts"]
    party = outside.open_box(raw(box["box"]), box["claim_code"])
    texts = [said["receipt"] for said in receipts if said["kind"] == "erase-parties"]
    stated = outside.receipt(texts[0], ALL["log"]["vkey"])
    assert party["identity"] == box["identity"]
    assert outside.party_root(party, stated["leaves"]).hex() == stated["root"]


def _column(said: dict[str, Any]) -> formats.Column:
    return said["class"], said["d"], said["e"]
