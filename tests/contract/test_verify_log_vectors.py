"""Vectors of others: RFC 6962 proofs, signed notes, a whole tessera log, a witness's transcript."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unheld_verify import checkpoint, merkle, note, tiles
from unheld_verify.errors import BadInputError, VerificationError

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "tlog"

if not DATA.is_dir() and not os.environ.get("CI"):
    pytest.skip("test vectors of transparency logs are not on this machine", allow_module_level=True)


def _load(name: str) -> Any:
    loaded = json.loads((DATA / name).read_text())
    assert loaded
    return loaded


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _name(case: dict[str, Any]) -> str:
    return str(case.get("file") or case["name"])


INCLUSION = _load("rfc6962_inclusion_proofs.json")
CONSISTENCY = _load("rfc6962_consistency_proofs.json")
NOTES = _load("signed_notes.json")
TRANSCRIPT = _load("witness_add_checkpoint_transcript.json")


def _check_inclusion(case: dict[str, Any]) -> None:
    path = [_bytes(part) for part in case["proof"] or []]
    merkle.verify_inclusion(case["leafIdx"], case["treeSize"], _bytes(case["leafHash"]), path, _bytes(case["root"]))


def _check_consistency(case: dict[str, Any]) -> None:
    path = [_bytes(part) for part in case["proof"] or []]
    merkle.verify_consistency(case["size1"], case["size2"], _bytes(case["root1"]), _bytes(case["root2"]), path)


def _refused(check: Callable[[], None]) -> bool:
    try:
        check()
    except (VerificationError, BadInputError):
        return True
    return False


@pytest.mark.parametrize("case", INCLUSION, ids=_name)
def test_inclusion_proof_comes_out_as_the_vector_says(case: dict[str, Any]) -> None:
    """Right inclusion proofs are accepted, wrong ones are not, also where root and leaf are both empty."""
    assert _refused(lambda: _check_inclusion(case)) == case["wantErr"]


@pytest.mark.parametrize("case", CONSISTENCY, ids=_name)
def test_consistency_proof_comes_out_as_the_vector_says(case: dict[str, Any]) -> None:
    """Right consistency proofs are accepted, wrong ones are not."""
    assert _refused(lambda: _check_consistency(case)) == case["wantErr"]


@pytest.mark.parametrize("case", [c for c in NOTES if c["want"] == "ok"], ids=_name)
def test_good_note_verifies_and_reads_back(case: dict[str, Any]) -> None:
    """A good note is written back to the same bytes, and exactly the known keys' signatures count."""
    data = _bytes(case["note_b64"])

    parsed = note.parse(data)
    verified = note.verify(parsed, [note.parse_key(key) for key in case["vkeys"]])

    assert note.encode(parsed) == data
    assert [signature.name for signature in verified] == case["verified"]
    assert [s.name for s in parsed.signatures if s not in verified] == case["unverified"]


@pytest.mark.parametrize("case", [c for c in NOTES if c["want"] != "ok"], ids=_name)
def test_bad_note_is_refused(case: dict[str, Any]) -> None:
    """A note without a known key, with an ambiguous key, too many signatures or a wrong one is refused."""
    with pytest.raises((VerificationError, BadInputError)):
        note.verify(note.parse(_bytes(case["note_b64"])), [note.parse_key(key) for key in case["vkeys"]])


@pytest.mark.parametrize("size", range(16))
def test_tessera_log_verifies_at_every_size(size: int, tmp_path: Path) -> None:
    """Another implementation's log verifies whole, at each of its checkpoints, without the wider partial tiles."""
    folder = tmp_path / "log"
    shutil.copytree(DATA / "tessera_log", folder)
    folder.chmod(0o755)
    (folder / "checkpoint").unlink()
    shutil.copy(DATA / "tessera_log" / f"checkpoint.{size}", folder / "checkpoint")
    key = note.parse_key((DATA / "tessera_log" / "PUBKEY").read_text().strip())

    head = tiles.verify_log(tiles.open_log(str(folder)), key)

    assert head.size == size


@pytest.mark.parametrize("old", range(1, 16))
def test_tessera_log_is_consistent(old: int) -> None:
    """Each of the other implementation's checkpoints is shown to be continued by the last."""
    folder = DATA / "tessera_log"
    key = note.parse_key((folder / "PUBKEY").read_text().strip())
    log = tiles.open_log(str(folder))
    first = checkpoint.verify((folder / f"checkpoint.{old}").read_bytes(), key)
    last = checkpoint.verify(log.checkpoint(), key)

    path = merkle.prove_consistency(old, last.size, log.subtree(last.size))

    merkle.verify_consistency(old, last.size, first.root, last.root, path)
    assert log.root(old) == first.root


def _witness(step: int, old_root: bytes) -> None:
    """What a witness checks of a request, as far as it is about notes, checkpoints and consistency."""
    head, _, signed = TRANSCRIPT["steps"][step]["body"].partition("\n\n")
    old, *path = head.split("\n")
    key = note.Key(TRANSCRIPT["log_origin"], bytes.fromhex(TRANSCRIPT["log_ed25519_pubkey_hex"]))
    shown = checkpoint.verify(signed.encode(), key)
    size = int(old.removeprefix("old "))
    if size:
        merkle.verify_consistency(size, shown.size, old_root, shown.root, [_bytes(part) for part in path])


@pytest.mark.parametrize("step", range(5))
def test_witness_answers_as_the_transcript_says(step: int) -> None:
    """A wrong signature, another log's checkpoint and a wrong proof are refused, the first request is not."""
    refused = _refused(lambda: _witness(step, bytes.fromhex("2a" + "00" * 31)))

    assert refused == (TRANSCRIPT["steps"][step]["status"] != 200)


def test_right_consistency_proof_of_the_transcript_holds() -> None:
    """The proof whose request failed only for its signature does lead from the first root to the new one."""
    head, _, signed = TRANSCRIPT["steps"][1]["body"].partition("\n\n")
    lines = signed.split("\n")
    path = [_bytes(part) for part in head.split("\n")[1:]]

    merkle.verify_consistency(1, 3, bytes.fromhex("2a" + "00" * 31), _bytes(lines[2]), path)

    assert lines[1] == "3"
