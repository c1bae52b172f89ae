"""The key disclosure graph is data: complete, closed, and it says what the security page claims."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

SPEC = Path(__file__).parents[2] / "docs" / "spec"
GRAPH: dict[str, Any] = tomllib.loads((SPEC / "disclosure.toml").read_text(encoding="utf-8"))
KINDS = ("secret", "sealed", "rule", "commitment", "fact")
SLOTS = {"root-slot-secret", "open-slot-secret", "custodian-slot-secret"}


def names(kind: str) -> list[str]:
    return [entry["name"] for entry in GRAPH[kind]]


def edges(custodians: str) -> list[tuple[list[str], list[str]]]:
    rules = [(e["needs"], e["yields"]) for e in GRAPH["rule"] if custodians == "t" or e.get("holders") != "t"]
    return rules + [(e["opened_by"], e["yields"]) for e in GRAPH["sealed"]]


def reachable(start: set[str], custodians: str = "t") -> set[str]:
    """Everything an attacker computes from `start`, with `t` custodians or with `fewer`."""
    held = set(start)
    while True:
        more = {name for needs, yields in edges(custodians) if held.issuperset(needs) for name in yields}
        if more <= held:
            return held
        held |= more


def test_names_are_unique() -> None:
    """A name of the graph means one node."""
    nodes = names("secret") + names("sealed") + names("fact")
    assert len(nodes) == len(set(nodes))


@pytest.mark.parametrize("kind", KINDS)
def test_entries_name_a_page(kind: str) -> None:
    """Every entry of the graph points at the page that fixes its bytes."""
    assert [e["name"] for e in GRAPH[kind] if not (SPEC / f"{e['page']}.md").is_file()] == []


def test_ends_of_edges_exist() -> None:
    """No edge starts or ends at a node that is not listed."""
    listed = set(names("secret") + names("fact"))
    used = {name for needs, yields in edges("t") for name in (*needs, *yields)}
    used |= {name for entry in GRAPH["commitment"] for name in entry["key"]}
    assert used - listed == set()


def test_everything_is_reachable_while_alive() -> None:
    """A secret that nothing leads to and nobody holds would be a hole in the graph."""
    roots = {e["name"] for e in GRAPH["secret"] if set(e["kept"]) & {"slot", "person", "headquarters", "process"}}
    assert set(names("secret") + names("fact")) - reachable(roots) == set()


def test_slots_open_every_sealed_kind_but_the_receipt_box() -> None:
    """Of what is at rest, only the receipt box stays closed to somebody who holds every slot."""
    held = reachable(SLOTS)
    rest = [e for e in GRAPH["sealed"] if e["place"] != "line"]
    assert [e["name"] for e in rest if not held.issuperset(e["opened_by"])] == ["receipt-box"]


def test_recorded_lines_stay_closed_to_who_takes_every_slot_later() -> None:
    """Letters, answers and values go to keys that only a process ever held; boxes of a ceremony to one in a state."""
    held = reachable(SLOTS)
    line = [e for e in GRAPH["sealed"] if e["place"] == "line"]
    assert [e["name"] for e in line if not held.issuperset(e["opened_by"])] == ["letter", "answer", "values-box"]


def test_no_rows_no_records() -> None:
    """Without the root slot, all custodians and the open branch read no record and no party."""
    held = reachable(SLOTS - {"root-slot-secret"})
    assert held & {"party-key", "label", "folio-secrets", "block-key", "records", "tags"} == set()


def test_too_few_custodians_no_records() -> None:
    """With the whole tree and fewer than t custodians, no closed folio and no parked batch opens."""
    held = reachable({"root-slot-secret", "custodian-slot-secret"}, custodians="fewer")
    assert held & {"column-key-set", "block-key", "records", "batch-key", "parked records"} == set()


def test_an_open_branch_reads_its_day() -> None:
    """The graph hides nothing: the root slot and the open slot together read the open day."""
    assert "records" in reachable({"root-slot-secret", "open-slot-secret"})


def test_sealed_kinds_stand_in_the_page() -> None:
    """Each spec page that seals something has its row in the page's table."""
    table = (SPEC / "disclosure.md").read_text(encoding="utf-8")
    assert [e["page"] for e in GRAPH["sealed"] if f"]({e['page']}.md)" not in table] == []


def test_ends_are_explained() -> None:
    """Every `ends` word of the data has its line in the page."""
    table = (SPEC / "disclosure.md").read_text(encoding="utf-8")
    assert [e["name"] for e in GRAPH["secret"] if f"| `{e['ends']}` |" not in table] == []


def test_the_attacker_walks_the_same_data() -> None:
    """The graph that the attacker is given is the page's own, byte for byte."""
    held = resources.files("unheld.testing").joinpath("disclosure.toml").read_bytes()
    assert held == (SPEC / "disclosure.toml").read_bytes()
