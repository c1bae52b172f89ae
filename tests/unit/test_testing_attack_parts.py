"""Parts of the attack: the shipped graph, what lies about, and what recorders must not miss."""

from __future__ import annotations

import base64
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.stores import TestStore
from unheld.testing import closure, disclosure, states
from unheld.testing.closure import Lock
from unheld.testing.evidence import Sealed
from unheld.testing.recorder import Copies
from unheld.testing.recording import Recording
from unheld.testing.tracing import Strace
from unheld_branch.keys.columns import DayKeys
from unheld_custodian.state import Whole, encode
from unheld_verify import crypto
from unheld_verify.errors import CannotVerifyError

SPEC = Path(__file__).parents[2] / "docs" / "spec" / "disclosure.toml"
PRELUDE = "import mmap, os, pathlib, shutil, sys; here = pathlib.Path(sys.argv[1]); "


def recorded(folder: Path, script: str) -> set[tuple[str, bytes]]:
    """(name, bytes) of every version that a script left."""
    if shutil.which("strace") is None:
        assert not os.environ.get("CI"), "strace is missing: .ci installs it"
        pytest.skip("strace is not installed: nothing can be recorded here")
    with Strace() as recorder:
        done = recorder.run([sys.executable, "-c", PRELUDE + script, str(folder)])
        assert done.returncode == 0, done.stderr
        return versions(recorder.recording(), folder)


def versions(recording: Recording, folder: Path) -> set[tuple[str, bytes]]:
    inside = [version for version in recording.versions if version.path.startswith(str(folder))]
    return {(Path(version.path).name, version.read()) for version in inside}


def test_the_shipped_graph_is_the_specs() -> None:
    """What is installed with the package is the spec's own file, byte for byte."""
    assert Path(disclosure.__file__).with_name("disclosure.toml").read_bytes() == SPEC.read_bytes()


def test_every_edge_of_the_graph_has_a_step() -> None:
    """No sealed kind and no rule is forgotten: each is walked, walked in bulk, or set aside by name."""
    names = {edge.name for edge in disclosure.load().edges}

    assert names == {*closure.STEPS, *closure.BULK, *closure.ASIDE}


def test_what_is_set_aside_opens_nothing_of_a_store() -> None:
    """What the attacker leaves out yields no secret that opens anything but a receipt's box."""
    edges = {edge.name: edge for edge in disclosure.load().edges}
    gained = {name for edge in closure.ASIDE for name in edges[edge].yields}
    opened = {edge.name for edge in edges.values() if gained & set(edge.needs)}

    assert opened == {"receipt-box"}


def test_a_lock_finds_what_a_key_opens_among_many() -> None:
    """One block of keystream finds the one object a key opens; other keys find nothing."""
    keys = [crypto.random_bytes(32) for _ in range(40)]
    sealed = [crypto.seal(key, b"\x01\0\0 row", b"aad") for key in keys]
    lock = Lock([Sealed("leaf-node", one[:12], one[12:], b"aad", b"\x01\0\0") for one in sealed])

    assert [plaintext for key in keys for _, plaintext in lock.opened(key)] == [b"\x01\0\0 row"] * 40
    assert lock.opened(crypto.random_bytes(32)) == []


@pytest.mark.parametrize(
    "written",
    [lambda key: key.hex(), lambda key: key.hex().upper(), lambda key: base64.b64encode(key).decode(), repr],
    ids=["hex", "HEX", "base64", "repr"],
)
def test_keys_written_as_text_are_found(written: object) -> None:
    """A log line betrays its keys however it spells them, in their order."""
    assert callable(written)
    keys = [crypto.random_bytes(32) for _ in range(20)]
    line = ", ".join(str(written(key)) for key in keys).encode()

    assert states.in_text(b"DEBUG (" + line + b")\n") == keys


def test_raw_keys_are_found_at_any_offset() -> None:
    """A key in a binary leftover is found wherever it begins."""
    key = crypto.random_bytes(32)

    assert key in states.in_bytes(b"\xff\x00\x01" + key + b"\x00")


def test_whole_states_are_found_inside_other_bytes() -> None:
    """Day keys that were dumped into something else are found whole."""
    keys = DayKeys(1, 20_000, {("charge", 20_000): (crypto.random_bytes(32), crypto.random_bytes(32))})
    data = keys.to_bytes()

    assert list(states.found(b"core" + data + b"dump")) == [data]
    assert states.parsed(data) == (b"", keys)
    assert list(states.found(data[:-1])) == []


def test_a_custodian_s_memory_is_found_in_other_bytes(two_of_three: TestStore) -> None:
    """With its column keys to the last byte, in the version that is written now."""
    held = two_of_three.state(0)
    data = encode(Whole("custodian-0", {b"": (1, 1, 0)}, sets={(held.store, held.set): held}))

    assert held.keys
    assert list(states.found(b"core" + data + b"dump")) == [data]
    assert list(states.found(data[:-1])) == []


def test_strace_sees_versions_that_are_gone(tmp_path: Path) -> None:
    """Overwritten, truncated, appended, renamed and removed bytes are all in the recording."""
    script = (
        "f = here / 'a'; f.write_bytes(b'first'); f.write_bytes(b'second'); f.open('ab').write(b' and more');"
        "f.rename(here / 'b'); (here / 'c').write_bytes(b'third'); (here / 'c').unlink();"
        "d = os.open(here / 'd', os.O_RDWR | os.O_CREAT); os.pwrite(d, b'xyz', 2); os.pwrite(d, b'Y', 3)"
    )

    assert recorded(tmp_path, script) == {
        ("a", b"first"), ("a", b"second and more"), ("b", b"second and more"), ("c", b"third"),
        ("d", b"\0\0xyz"), ("d", b"\0\0xYz"),
    }  # fmt: skip


def test_strace_follows_children(tmp_path: Path) -> None:
    """What a child process writes is recorded too."""
    script = "os.fork() or (here / 'child').write_bytes(b'born'); os.wait() if not (here / 'child').exists() else 0"

    assert ("child", b"born") in recorded(tmp_path, script)


def test_a_slot_overwritten_in_place_is_left_out(tmp_path: Path) -> None:
    """The one assumption: what stood in a slot before it was overwritten in place is not held against it."""
    script = (
        "d = os.open(here / 'x.slot', os.O_RDWR | os.O_CREAT); os.pwrite(d, b'old', 0); os.fsync(d);"
        "os.pwrite(d, b'new', 0); os.fsync(d)"
    )

    assert recorded(tmp_path, script) == set()


@pytest.mark.parametrize("way", ["f.unlink()", "f.rename(here / 'y')", "f.write_bytes(b'')", "os.truncate(f, 0)"])
def test_a_slot_that_is_replaced_is_not_left_out(way: str, tmp_path: Path) -> None:
    """Removing, renaming or truncating a slot overwrites nothing, so its bytes count as still there."""
    found = recorded(tmp_path, f"f = here / 'x.slot'; f.write_bytes(b'old'); {way}")

    assert ("x.slot", b"old") in found


@pytest.mark.parametrize(
    "way",
    [
        "shutil.copy(here / 'f', here / 'g')",
        "o = open(here / 'f', 'r+b'); m = mmap.mmap(o.fileno(), 0); m[0:1] = b'x'",
        "os.link(here / 'f', here / 'g')",
    ],
    ids=["sendfile", "mapping", "link"],
)
def test_writes_that_cannot_be_seen_stop_the_recording(way: str, tmp_path: Path) -> None:
    """A recording has no silent hole: where strace shows no bytes, it fails."""
    with pytest.raises(CannotVerifyError, match="wrote by"):
        recorded(tmp_path, f"(here / 'f').write_bytes(b'data'); {way}")


def test_copies_keep_what_was_there_each_night(tmp_path: Path) -> None:
    """A copy is made of every changed file, and of every file that is gone by the end."""
    file = tmp_path / "f"
    with Copies([tmp_path]) as recorder:
        file.write_bytes(b"first")
        recorder.take()
        file.write_bytes(b"second")
        recorder.take()
        file.unlink()

        assert versions(recorder.recording(), tmp_path) == {("f", b"first"), ("f", b"second")}


def test_copies_notice_a_slot_that_was_replaced(tmp_path: Path) -> None:
    """A slot whose file is another than before was not overwritten: what it held is kept; in place it is not."""
    slot = tmp_path / "x.slot"
    with Copies([tmp_path]) as recorder:
        slot.write_bytes(b"one")
        recorder.take()
        slot.write_bytes(b"two")
        recorder.take()
        slot.rename(tmp_path / "aside")
        slot.write_bytes(b"new")
        recording = recorder.recording()

    assert recording.slots == {str(slot): b"new"}
    assert {version.path for version in recording.versions} == {str(slot), str(tmp_path / "aside")}
