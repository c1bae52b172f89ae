"""`unheld demo`: what it claims is computed, and a network of another seed keeps the same promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("unheld")


def demo(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    call = [str(COMMAND), "demo", "--out", str(out), "--subscribers", "300", "--days", "3", *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_attacker_opens_all_before_and_nothing_after(tmp_path: Path, seed: str) -> None:
    """In every network the attack succeeds on what is held and fails on what was forgotten."""
    done = demo(tmp_path / "demo", "--seed", seed, "--json")

    assert done.returncode == 0, done.stderr
    attempts = json.loads(done.stdout)["attacker"]
    assert {attempt["must_fail"] for attempt in attempts} == {True, False}
    assert all(attempt["folios_tried"] > 0 for attempt in attempts)
    assert all(attempt["opened"] == (0 if attempt["must_fail"] else attempt["folios_tried"]) for attempt in attempts)


def test_the_receipt_of_the_demo_verifies_with_the_verifier(tmp_path: Path) -> None:
    """What the forgotten party holds afterwards is checked by `unheld-verify` against the log's key alone."""
    demo(tmp_path / "demo")
    genesis = json.loads((tmp_path / "demo" / "run" / "store" / "genesis.json").read_text())

    verifier = str(COMMAND.with_name("unheld-verify"))
    call = [verifier, str(tmp_path / "demo" / "receipt.tlog-proof"), "--log-key", genesis["log_key"]]
    checked = subprocess.run(call, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "VERIFIED" in checked.stdout


def test_only_a_demo_of_before_is_replaced(tmp_path: Path) -> None:
    """A folder that no demo made is never emptied."""
    (tmp_path / "mine.txt").write_text("mine")

    done = demo(tmp_path)

    assert done.returncode == 1
    assert "not an earlier demo's" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_second_demo_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """`make demo` can be run again."""
    assert demo(tmp_path / "demo").returncode == 0
    assert demo(tmp_path / "demo").returncode == 0

    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
