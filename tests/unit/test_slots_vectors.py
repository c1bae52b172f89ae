"""The published vectors of columns, slots and parked batches: made again to the byte, and read by the code."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from unheld_branch.store.parked import open_parked, read_header
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify.parked import open_box

VECTORS = Path(__file__).parents[2] / "vectors"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", ["columns", "slot", "parked"])
def test_the_vectors_are_what_the_code_writes(name: str) -> None:
    """A change of a byte format that forgets its vectors fails here."""
    made = runpy.run_path(str(VECTORS / f"make_{name}.py"))["build"]()
    assert json.loads(json.dumps(made)) == load(name)


def test_the_sealed_vector_opens(tmp_path: Path) -> None:
    """The slot file and the sealed state of the vectors open together: the older generation ends."""
    vector = load("slot")
    halves = (bytes.fromhex(vector["halves"][number]).ljust(4096, b"\0") for number in ("0", "1"))
    (tmp_path / "a.slot").write_bytes(b"".join(halves))
    (tmp_path / "custodian-7.sealed").write_bytes(bytes.fromhex(vector["sealed"]["file"]))
    state = SealedState(tmp_path, "custodian", FileSlot.open(tmp_path / "a.slot"))
    assert state.load().hex() == vector["sealed"]["state"]
    assert state.slot.live()[0].secret.hex() == vector["secrets"]["7"]


def test_the_parked_vector_opens_for_any_two(tmp_path: Path) -> None:
    """Two private keys of the vectors open its file."""
    vector = load("parked")
    (tmp_path / "p").write_bytes(bytes.fromhex(vector["file"]))
    header = read_header(tmp_path / "p")
    privates = [bytes.fromhex(private) for private in vector["privates"]]
    for chosen in ((0, 1), (0, 2), (1, 2)):
        shares = {index: open_box(privates[index], header, index) for index in chosen}
        assert b"".join(open_parked(tmp_path / "p", shares)).hex() == vector["plaintext"]
