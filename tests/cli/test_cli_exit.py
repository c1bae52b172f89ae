"""Leaving by the command line: what people read, what is refused, and the whole way with only the log left."""

from __future__ import annotations

import json
import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.commands import Box, Ended, in_process
from tests.support.journey import FIRST
from unheld.exit import objection
from unheld_verify import note, paper
from unheld_verify import plan as plans

SOME_KEY = note.format_key(note.Key("w-7f3a19", bytes(32)))
SPEC = '[tables.tariffs]\nfile = "t.csv"\ncolumns = { name = "tariff", text = "description" }\n'


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A store with an open day, and one tariff to hand over."""
    made = Box(tmp_path, FIRST)
    assert made("init", "--home", "MM", "--copy", tmp_path / "copy").code == 0
    assert made("day", "open").code == 0
    (tmp_path / "t.csv").write_text("name,text,owner\nNight,5 GB,Nobody At All\n")
    (tmp_path / "h.toml").write_text(SPEC)
    (tmp_path / "words.txt").write_text("You did not ask us.\n")
    return made


def _group(box: Box, name: str = "group.key") -> str:
    assert box("exit", "group", "key", "--out", box.folder / name).code == 0
    vkey = note.format_key(objection.decode_key((box.folder / name).read_text()).public)
    assert box("exit", "group", "add", vkey).code == 0
    return vkey


def _object(box: Box, name: str = "group.key") -> Ended:
    policy = json.loads((box.root / "genesis.json").read_text())
    told = ["--log-origin", policy["origin"], "--store", policy["store"], "--words", box.folder / "words.txt"]
    out = box.folder / f"{name}.note"
    made = in_process(
        ["exit", "objection", "--key", str(box.folder / name), *map(str, told), "--out", str(out)],
        UNHELD_CLOCK=box.clock,
    )
    assert made.code == 0, made
    return box("exit", "standstill", "--objection", out)


def _drop(box: Box) -> Ended:
    path = box.folder / f"drop-{len(list(box.folder.iterdir()))}.json"
    assert box("erase", "plan", "--everything", "--out", path).code == 0
    return box("exit", "drop", path, "--confirm", plans.decode(path.read_bytes()).digest[:8])


def test_the_inventory_outlives_the_store(box: Box) -> None:
    """What was listed is never called empty when the store's folder is gone, and it can still be corrected."""
    assert box("inventory", "add", "mediation", "--owner", "IT").code == 0
    shutil.rmtree(box.root)

    assert "1 of 2 known places" in box("inventory", "list").out
    assert "1 of 3 known places" in box("inventory", "add", "billing").out
    assert not box.root.exists()


def test_an_inventory_that_is_gone_is_unknown(box: Box) -> None:
    """Where no copy of the inventory is left, nobody is told that it is empty."""
    shutil.rmtree(box.root)

    _refused(box("inventory", "list"), 10, "UNKNOWN")
    _refused(box("inventory", "add", "billing"), 10, "UNKNOWN")


@pytest.mark.parametrize("words", [("status",), ("day", "open"), ("check",), ("doctor",)], ids=" ".join)
def test_a_store_that_is_gone_is_not_to_be_founded_again(box: Box, words: tuple[str, ...]) -> None:
    """Where only headquarters' folders are left, the message says what goes on, and not to found anew."""
    shutil.rmtree(box.root)

    ended = box(*words)
    _refused(ended, 10, "the store is gone", "casefolder")
    assert "unheld init" not in ended.err


def _refused(ended: Ended, code: int, *words: str) -> None:
    assert (ended.code, ended.out) == (code, ""), ended
    assert "mistake of unheld's own" not in ended.err
    for word in words:
        assert word in ended.err


def test_the_whole_way_and_only_the_log_is_left(box: Box) -> None:
    """Objection, pause, drop, the store's folders removed, certificate, handover after the pause: all papers verify."""
    folder, key = box.folder, json.loads((box.root / "genesis.json").read_text())["log_key"]
    _group(box)
    assert "begun: w-" in _object(box).out
    _refused(box("exit", "manifest", "--spec", folder / "h.toml", "--out", folder / "early"), 1, "until 2026-07-31")
    assert not (folder / "early").exists()
    dropped = _drop(box)
    assert "custodians who attest that they erased: 1 of 1, 1 open a day" in dropped.out
    for gone in ("s", "s.slots", "s.custodians", "s.custodian-slots", "copy", "copy.slots"):
        shutil.rmtree(folder / gone)
    _refused(box("exit", "drop"), 10, "the store is gone, there is nothing to drop")
    assert box("exit", "certificate", "--out", folder / "certificate").code == 0
    box.when += timedelta(days=30)
    assert "no standstill runs" in box("exit", "standstill").out
    assert box("exit", "manifest", "--spec", folder / "h.toml", "--out", folder / "handed").code == 0
    assert "waits for the log" in box("exit", "proofs", "--out", folder / "papers").out
    assert box("log", "publish").code == 0
    shutil.rmtree(folder / "papers")
    assert box("exit", "proofs", "--out", folder / "papers").code == 0

    found = [*(folder / "papers").iterdir(), folder / "certificate" / "certificate.json"]
    kinds = {paper.verify(path.read_bytes(), note.parse_key(key)).paper.kind for path in found}
    assert (len(found), kinds) == (3, {"manifest", "certificate"})


def test_the_private_key_is_for_its_owner_only(box: Box) -> None:
    """Mode 0600, and the answer shows the public half alone."""
    ended = box("exit", "group", "key", "--out", box.folder / "g.key", "--json")
    seed = objection.decode_key((box.folder / "g.key").read_text()).encode().strip().rpartition("+")[2]

    assert stat.S_IMODE((box.folder / "g.key").stat().st_mode) == 0o600
    assert seed not in ended.out
    assert objection.parse_group(ended.document["vkey"]).name.startswith("w-")


def test_a_drop_is_confirmed_at_the_terminal(box: Box) -> None:
    """What it would drop, what stays, and the inventory are shown before the question; a wrong answer is nothing."""
    code, shown = box.terminal("exit", "drop", answers=[("first 8 digits of the digest", "00000000\n")])

    assert code == 4
    for words in ("this would forget everyone", "what stays: the register", "this store is 1 of 1 known"):
        assert words in shown
    assert "nothing was changed" in shown
    assert box("status", "--json").document["open_day"] == str(FIRST)


@pytest.mark.parametrize("words", [["exit", "drop", "--confirm", "01234567"], ["exit", "drop"]], ids=" ".join)
def test_a_drop_needs_a_plan_or_a_person(words: list[str], box: Box) -> None:
    """No script forgets everyone by one word."""
    _refused(box("--no-input", *words), 2 if "--confirm" in words else 4)
    assert box("status", "--json").document["open_day"] == str(FIRST)


def test_a_wrong_digest_drops_nothing(box: Box) -> None:
    """Exit 4, and the log gets nothing either."""
    path = box.folder / "plan.json"
    assert box("erase", "plan", "--everything", "--out", path).code == 0
    before = box("status", "--json").document["generation"]

    _refused(box("exit", "drop", path, "--confirm", "00000000"), 4, "nothing was changed")
    assert box("status", "--json").document["generation"] == before


def test_a_certificate_is_refused_while_a_day_is_held(box: Box) -> None:
    """What is still held is named, with the mend."""
    _refused(box("exit", "certificate", "--out", box.folder / "c"), 1, f"sealing days: {FIRST}", "unheld exit drop")
    assert not (box.folder / "c").exists()


def test_one_stray_hands_over_nothing(box: Box) -> None:
    """The error names file, line, column and kind, and the folder is not even made."""
    (box.folder / "t.csv").write_text("name,text,owner\nNight,call 09 123 456 789,Nobody At All\n")
    ended = box("exit", "manifest", "--spec", box.folder / "h.toml", "--out", box.folder / "out")

    _refused(ended, 1, "t.csv: line 2: column 'text': 7 or more digits; nothing was handed over")
    assert "456" not in ended.err
    assert not (box.folder / "out").exists()


def test_a_broken_standstill_ends_with_20(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner who hands over all the same is told of by the command and by the log."""
    _group(box)
    _object(box)
    monkeypatch.setattr("unheld.exit.standstill.refuse_handover", lambda *_: None)
    assert box("exit", "manifest", "--spec", box.folder / "h.toml", "--out", box.folder / "out").code == 0

    ended = box("exit", "standstill")

    assert ended.code == 20
    assert "BROKEN: w-" in ended.out
    assert "1 standstill broken" in ended.err


REFUSED: dict[str, tuple[int, list[str], list[str]]] = {
    "out not empty": (2, ["manifest", "--spec", "@h.toml", "--out", "@s.log"], ["not empty"]),
    "spec missing": (1, ["manifest", "--spec", "@nowhere.toml", "--out", "@o"], ["nowhere.toml"]),
    "form missing": (2, ["buyer", "--out", "@o"], ["--form", "--blank"]),
    "form not there": (1, ["buyer", "--form", "@nowhere.toml", "--out", "@o"], ["nowhere.toml"]),
    "form and blank": (2, ["buyer", "--form", "@h.toml", "--blank", "--out", "@o"], ["one of the two"]),
    "blank nowhere": (2, ["certificate", "--blank", "--out", "@no/where/o"], ["no such folder"]),
    "no key": (1, ["group", "add", "hello"], ["verifier key"]),
    "a telling name": (1, ["group", "add", note.format_key(note.Key("SomeGroup", bytes(32)))], ["random name"]),
    "key over a file": (2, ["group", "key", "--out", "@h.toml"], ["is there already"]),
    "note missing": (1, ["standstill", "--objection", "@nowhere.note"], ["exit objection"]),
    "note that is none": (1, ["standstill", "--objection", "@h.toml"], ["exit group add"]),
    "plan missing": (1, ["drop", "@nowhere.json", "--confirm", "01234567"], ["erase plan --everything"]),
    "plan that is none": (1, ["drop", "@h.toml", "--confirm", "01234567"], ["h.toml: is no plan"]),
    "certificate's form missing": (1, ["certificate", "--form", "@nowhere.toml", "--out", "@o"], ["nowhere.toml"]),
    "proofs into something": (2, ["proofs", "--out", "@s.log"], ["not empty"]),
    "private key that is none": (
        1,
        ["objection", "--key", "@h.toml", "--log-origin", "o", "--store", "0" * 32, "--words", "@words.txt",
         "--out", "@n"],
        ["is no group's key"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_changes_nothing(case: str, box: Box) -> None:
    """One line that names the place and the mend; nothing is made and nothing stated."""
    code, words, said = REFUSED[case]
    before = sorted(path.name for path in box.folder.iterdir())
    stated = sorted(path.name for path in (box.folder / "s.register" / "statements").iterdir())

    _refused(box("exit", *(str(box.folder / word[1:]) if word[0] == "@" else word for word in words)), code, *said)

    assert sorted(path.name for path in box.folder.iterdir()) == before
    assert sorted(path.name for path in (box.folder / "s.register" / "statements").iterdir()) == stated


@pytest.mark.parametrize(
    "words",
    [["manifest", "--spec", "x", "--out", "o"], ["buyer", "--form", "x", "--out", "o"], ["standstill"], ["drop"],
     ["certificate", "--out", "o"], ["proofs", "--out", "o"], ["group", "add", SOME_KEY]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_without_any_deployment_it_is_exit_10(words: list[str], tmp_path: Path) -> None:
    """There is no store and no register at that place, and none is made."""
    _refused(Box(tmp_path)("exit", *words), 10)
    assert list(tmp_path.iterdir()) == []


def test_a_lost_register_is_named(box: Box) -> None:
    """Without its register headquarters issues no paper."""
    shutil.rmtree(box.folder / "s.register")

    _refused(box("exit", "proofs", "--out", box.folder / "o"), 10, "s.register", "backup")
