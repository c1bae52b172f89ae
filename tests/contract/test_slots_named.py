"""Where a slot lies: a file of its folder, or what `slots.toml` names, and stores founded on other places."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import in_process
from unheld_slots.places import name_slots, slot_uri
from unheld_slots.slot import check_new
from unheld_verify.errors import BadInputError, StateError


def test_a_slot_that_is_not_named_is_a_file(tmp_path: Path) -> None:
    """A folder with no `slots.toml` holds its slots itself."""
    assert slot_uri(tmp_path, "root") == f"file:{tmp_path}/root.slot"


def test_a_named_slot_is_where_its_name_says(tmp_path: Path) -> None:
    """What was written is read back, and other names stay files."""
    name_slots(tmp_path, {"root": "pkcs11:token=a%27b;object=r?module-path=/m.so"})
    assert slot_uri(tmp_path, "root") == "pkcs11:token=a%27b;object=r?module-path=/m.so"
    assert slot_uri(tmp_path, "open") == f"file:{tmp_path}/open.slot"


@pytest.mark.parametrize("uri", ["file:/it's", "file:/a\nb", "file:/a\x00"])
def test_a_uri_that_toml_would_not_give_back_is_refused(tmp_path: Path, uri: str) -> None:
    """Nothing is written that would be read as something else."""
    with pytest.raises(BadInputError, match="%XX"):
        name_slots(tmp_path, {"root": uri})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["root = 5", "root =", "\xff", "[root]\nuri = 'file:/a'"])
def test_a_broken_list_of_slots_is_told(tmp_path: Path, text: str) -> None:
    """A `slots.toml` that cannot be read never falls back to a file: that would look like a lost key."""
    (tmp_path / "slots.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInputError, match=r"slots\.toml"):
        slot_uri(tmp_path, "root")


def test_a_place_that_is_taken_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """`check_new` refuses what `create_slot` would, and makes nothing."""
    (tmp_path / "a.slot").write_bytes(b"x")
    with pytest.raises(StateError):
        check_new(f"file:{tmp_path / 'a.slot'}")
    check_new(f"file:{tmp_path / 'b.slot'}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.slot"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["nothing=file:{0}/x.slot"], "this store has root, open, custodian-0"),
        (["root"], "NAME=URI"),
        (["root=vault:x"], "scheme of file, pkcs11"),
        (["root=file:{0}/x.slot", "root=file:{0}/y.slot"], "each name once"),
        (["root=file:{0}/x.slot", "open=file:{0}/x.slot"], "a place of its own"),
        (["root=file:x.slot"], "full path"),
        (["root=file:{0}/missing/x.slot"], "its folder is not there"),
        (["root=pkcs11:token=a;object=r?module-path=/m.so&pin-value=1234"], "refused"),
        (["root=pkcs11:token=a;object=r?module-path=/missing.so"], "no PKCS#11 module"),
    ],
)
def test_a_bad_place_founds_nothing(tmp_path: Path, given: list[str], words: str) -> None:
    """A slot that cannot be made is told before the first folder is."""
    options = [part for item in given for part in ("--slot", item.format(tmp_path))]
    ended = in_process(["--store", str(tmp_path / "s"), "init", *options])
    assert ended.code != 0
    assert words in " ".join(ended.err.split())
    assert "1234" not in ended.err
    assert not list(tmp_path.iterdir())


def test_slots_may_lie_on_another_disk(tmp_path: Path) -> None:
    """Every slot of a deployment can be named, and the store works with them there."""
    (tmp_path / "key").mkdir()
    options = [
        part
        for name in ("root", "open", "copy-1", "custodian-0")
        for part in ("--slot", f"{name}=file:{tmp_path}/key/{name}.slot")
    ]
    made = ["--store", str(tmp_path / "s")]
    assert in_process([*made, "init", "--copy", str(tmp_path / "c"), *options]).code == 0
    assert in_process([*made, "day", "open"]).code == 0
    assert in_process([*made, "check"]).code == 0
    assert len(list((tmp_path / "key").glob("*.slot"))) == 4
    assert not list((tmp_path / "s.slots").glob("*.slot"))
