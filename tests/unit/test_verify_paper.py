"""Papers and the openings of a party: what is no paper, what is too much, and which statement a person is given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unheld_branch.log.tiles import LogWriter
from unheld_verify import canonical, note, paper, receipt, statement, tiles
from unheld_verify.errors import BadInputError, CannotVerifyError
from unheld_verify.paper import Paper
from unheld_verify.statement import Opening

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "paper.json").read_text())
KEY = note.parse_key(VECTORS["vkey"])
GOOD = VECTORS["papers"][0]["paper"].encode()
ORIGIN, STORE, SEED = "log.example/unheld", "0a" * 16, bytes(range(32))


@pytest.mark.parametrize(
    "changed",
    [
        {"log": ""},
        {"log": 7},
        {"store": "0A" * 16},
        {"day": "2026-1-6"},
        {"salt": bytes(31)},
        {"proofs": (b"",) * 4097},
    ],
)
def test_nobody_makes_a_paper_that_nobody_reads(changed: dict[str, Any]) -> None:
    """A paper that would not be read back is refused when it is made."""
    made = Paper("manifest", ORIGIN, STORE, "2026-01-06", {}, bytes(32))

    with pytest.raises(BadInputError, match=next(iter(changed))):
        replace(made, **changed)


def test_paper_of_an_unknown_kind_needs_a_newer_program() -> None:
    """A kind of a later version is neither false nor made here."""
    with pytest.raises(CannotVerifyError, match="newer program"):
        paper.make("will", ORIGIN, STORE, "2026-01-06", {})


def test_too_large_a_paper_is_neither_written_nor_read() -> None:
    """A body beyond the bound is refused by its writer, and a larger file by its reader before it is parsed."""
    made = paper.make("manifest", ORIGIN, STORE, "2026-01-06", {"a": "x" * paper.MAX_PAPER_BYTES}).signed(SEED)

    with pytest.raises(BadInputError, match="at most 4000000 bytes"):
        made.encode()
    with pytest.raises(BadInputError, match="at most 4000000 bytes"):
        paper.decode(b" " * (paper.MAX_PAPER_BYTES + 1))


def test_two_papers_of_one_body_have_unlike_digests() -> None:
    """The salt keeps anyone from finding in the log's digest what a paper says."""
    first, second = (paper.make("manifest", ORIGIN, STORE, "2026-01-06", {}).signed(SEED) for _ in range(2))

    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (GOOD, True),
        (b"  {}", True),
        (b"\xef\xbb\xbf{", True),
        (b"c2sp.org/tlog-proof@v1", False),
        (b"", False),
        (b"[", False),
    ],
)
def test_paper_is_told_from_a_receipt_by_its_first_sign(data: bytes, is_one: bool) -> None:
    """A file that is JSON is checked as a paper even when it was edited, and nothing else is."""
    assert paper.is_paper(data) is is_one


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"v":1}', b"{" * 5000, b'{"v":1e9}', b'{"v":null}'])
def test_other_json_is_no_paper(data: bytes) -> None:
    """JSON that is no paper is refused with its reason."""
    with pytest.raises(BadInputError):
        paper.decode(data)


class _Demand:
    """A log that tells of a demand in three statements, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.tree = receipt.party_tree(["tel:+9599990001", "tel:+9599990002"], STORE, says="named")
        common = {"demand": "1a" * 16, "root": self.tree.root.hex(), "leaves": self.tree.leaves}
        said: dict[str, dict[str, Any]] = {
            "demand-received": {"authority": "Ministry", "asks": ["registry"], "targets": 2},
            "demand-narrowed": {"asks": ["registry"]},
            "demand-refused": {"codes": ["NoCourtOrder"]},
        }
        made = [statement.make(ORIGIN, kind, "2026-01-06", **common, **more) for kind, more in said.items()]
        self.openings = [statement.commit(item) for item in made]
        self.folder, self.writer = folder, LogWriter.create(folder, SEED, ORIGIN)
        self.writer.append(0, [opening.entry for opening in self.openings])
        self.log = tiles.open_log(str(folder))

    def publish(self, *indexes: int) -> None:
        for index in indexes:
            self.writer.publish_opening(index, self.openings[index])

    def kinds(self) -> list[str]:
        found = receipt.openings_of(self.tree.parties[0], self.log, self.writer.key)
        return [opening.statement["kind"] for opening in found]


def test_party_of_a_demand_gets_every_statement_of_it_in_order(tmp_path: Path) -> None:
    """Who was named gets all that the log tells of the demand, and where one is wanted, how it ended."""
    demand = _Demand(tmp_path / "log")
    demand.publish(0, 1, 2)

    assert demand.kinds() == ["demand-received", "demand-narrowed", "demand-refused"]
    last = receipt.opening_of(demand.tree.parties[1], demand.log, demand.writer.key)
    assert last.statement["kind"] == "demand-refused"


def test_statement_that_is_not_due_is_not_given(tmp_path: Path) -> None:
    """An opening that headquarters has not published is nobody's yet."""
    demand = _Demand(tmp_path / "log")
    demand.publish(0)

    assert demand.kinds() == ["demand-received"]


def test_receipt_of_a_demand_is_completed_and_verified(tmp_path: Path) -> None:
    """From tree, log and opening a receipt comes out that says the line was named and the demand refused."""
    demand = _Demand(tmp_path / "log")
    demand.publish(0, 1, 2)
    party = demand.tree.parties[1]

    made = receipt.complete(
        receipt.opening_of(party, demand.log, demand.writer.key), party, demand.log, demand.writer.key
    )

    says = receipt.verify(made, demand.writer.key).says
    assert "was refused: NoCourtOrder" in says
    assert says.endswith("tel:+9599990002 in store " + STORE + " is a line that this demand named.")


def test_stranger_gets_nothing(tmp_path: Path) -> None:
    """A party of another tree is in no statement."""
    demand = _Demand(tmp_path / "log")
    demand.publish(0, 1, 2)
    other = receipt.party_tree(["tel:+9599990001"], STORE, says="named").parties[0]

    with pytest.raises(CannotVerifyError, match="yet"):
        receipt.openings_of(other, demand.log, demand.writer.key)


@pytest.mark.parametrize("spoilt", [b"{}", b"nothing", b'{"r":"00","statement":{"kind":"demand-received","root":5}}'])
def test_spoilt_opening_keeps_nobody_from_the_others(tmp_path: Path, spoilt: bytes) -> None:
    """A file that opens nothing is passed over, whatever is in it."""
    demand = _Demand(tmp_path / "log")
    demand.publish(0, 1, 2)
    (tmp_path / "log" / "openings" / "0.json").write_bytes(spoilt)

    assert demand.kinds() == ["demand-narrowed", "demand-refused"]


def test_opening_that_opens_another_entry_is_passed_over(tmp_path: Path) -> None:
    """A statement about this party that the log never committed to is not taken for the log's."""
    demand = _Demand(tmp_path / "log")
    demand.publish(0)
    forged = Opening(demand.openings[2].statement, bytes(32))
    (tmp_path / "log" / "openings" / "1.json").write_bytes(canonical.encode(forged.to_json()))

    assert demand.kinds() == ["demand-received"]
