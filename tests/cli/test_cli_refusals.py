"""Bad input, as a user gives it: each ends in one line on stderr that names the place and the mend, in the exit code of
its kind, with stdout empty and the store as it was.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.commands import Box, Ended, in_process
from tests.support.journey import FIRST, RECORDS, REGISTRY
from unheld.testing.synthetic import Operator
from unheld_branch.kernel import locks
from unheld_verify import plan as plans

OPERATOR = Operator(seed=5, subscribers=60, days=2, first_day=FIRST)
NUMBER = OPERATOR.population.msisdn[0].as_py()


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's files: registry.csv, cells.csv, cdr-….csv."""
    folder = tmp_path_factory.mktemp("delivered")
    OPERATOR.write(folder)
    return folder


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory, delivered: Path) -> Path:
    """A folder with a deployment whose first day is open and holds records; a plan, a box, a receipt."""
    box = Box(tmp_path_factory.mktemp("founded"), FIRST, seconds=86_399)
    folder = box.folder
    (folder / "number.txt").write_text(NUMBER)
    assert box("init", "--home", "MM", "--totals", folder / "totals").code == 0
    assert box("day", "open").code == 0
    assert box("ingest", delivered / "registry.csv", "--mapping", REGISTRY).code == 0
    assert box("ingest", delivered / f"cdr-{FIRST}.csv", "--mapping", RECORDS).code == 0
    planned = box("--json", "erase", "plan", "--file", folder / "number.txt", "--out", folder / "plan.json")
    (folder / "code.txt").write_text(planned.document["claim_code"])
    assert box("log", "publish").code == 0
    assert box("log", "prove", "--kind", "open", "--out", folder / "open.tlog-proof").code == 0
    return folder


@pytest.fixture
def box(founded: Path, tmp_path: Path) -> Box:
    """A deployment of one's own."""
    databases.copy(founded, tmp_path)
    return Box(tmp_path, FIRST, seconds=86_399)


def _held(folder: Path) -> Iterator[tuple[str, str]]:
    """Everything a deployment is, but for SQLite's own bookkeeping and the lock."""
    for path in sorted(folder.glob("s*/**/*")):
        if path.is_file() and not path.name.startswith("catalog.db") and path.name != "lock":
            yield str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()


def _state(box: Box) -> tuple[object, ...]:
    said = replace(box, when=FIRST, variables={})("status", "--json")
    return said.out, tuple(_held(box.folder))


def _refused(ended: Ended, code: int, *words: str) -> None:
    assert (ended.code, ended.out) == (code, ""), ended
    assert ended.err.startswith("unheld: ")
    assert "mistake of unheld's own" not in ended.err
    for word in words:
        assert word in ended.err


# What stands in a list of words is a file of the deployment's folder when it begins with "@".
REFUSALS: dict[str, tuple[int, list[str], list[str]]] = {
    "mapping missing": (1, ["ingest", "@cdr", "--mapping", "nowhere.toml"], ["nowhere.toml", "unheld map"]),
    "mapping is a folder": (1, ["ingest", "@cdr", "--mapping", "@s"], ["cannot be read"]),
    "mapping garbage": (1, ["ingest", "@cdr", "--mapping", "@cdr"], ["not TOML"]),
    "mapping of another file": (1, ["ingest", "@registry", "--mapping", "RECORDS"], ["registry.csv", "mend"]),
    "source missing": (1, ["ingest", "nowhere.csv", "--mapping", "RECORDS"], ["nowhere.csv", "mend the path"]),
    "glob of nothing": (1, ["ingest", "nowhere-*.csv", "--mapping", "RECORDS"], ["nowhere-*.csv"]),
    "replaces unknown": (1, ["ingest", "@cdr", "--mapping", "RECORDS", "--replaces", "ff"], ["ff"]),
    "owner nobody asks for": (4, ["--no-input", "ingest", "@cdr", "--mapping", "BANDICOOT", "--owner"], ["nobody"]),
    "park a registry": (1, ["park", "add", "@registry", "--mapping", "REGISTRY"], ["registry"]),
    "park open unknown": (1, ["park", "open", "ff"], ["ff", "unheld park list"]),
    "map missing": (1, ["map", "nowhere.csv"], ["nowhere.csv"]),
    "map a folder": (2, ["map", "@s"], ["is a folder"]),
    "map a country that is none": (1, ["map", "@cdr", "--home", "ZZ"], ["ZZ", "MM"]),
    "map a zone that is none": (1, ["map", "@cdr", "--zone", "Mars/Base"], ["Mars/Base", "Asia/Yangon"]),
    "map over a file": (2, ["map", "@cdr", "--out", "@plan.json"], ["is there already"]),
    "canary of none": (2, ["canary", "check"], ["0 canaries"]),
    "canary zero": (2, ["canary", "check", "--number", "0"], ["--number"]),
    "inventory date": (1, ["inventory", "add", "x", "--checked", "soon"], ["soon", "YYYY-MM-DD"]),
    "inventory without a name": (2, ["inventory", "add", " "], ["needs a name"]),
    "check more than all": (2, ["check", "--read-data", "101"], ["--read-data"]),
    "plan nothing": (2, ["erase", "plan", "--out", "@new.json"], ["exactly one"]),
    "plan two things": (2, ["erase", "plan", "--out", "@new.json", "--party", "--everything"], ["exactly one"]),
    "plan a class of no day": (2, ["erase", "plan", "--out", "@new.json", "--everything", "--class", "place"], ["day"]),
    "plan a party nobody names": (4, ["erase", "plan", "--out", "@new.json", "--party"], ["nobody to ask"]),
    "plan a day that is none": (1, ["erase", "plan", "--out", "@new.json", "--day", "31.12."], ["YYYY-MM-DD"]),
    "plan the future": (1, ["erase", "plan", "--out", "@new.json", "--day", "2027-01-01"], ["has not begun"]),
    "plan a class that is none": (
        2, ["erase", "plan", "--out", "@new.json", "--day", str(FIRST), "--class", "places"], ["charge, contact, place"]
    ),
    "plan a missing file": (1, ["erase", "plan", "--out", "@new.json", "--file", "nowhere.txt"], ["nowhere.txt"]),
    "plan a file of something else": (1, ["erase", "plan", "--out", "@new.json", "--file", "@registry"], ["line 1"]),
    "plan over a file": (2, ["erase", "plan", "--out", "@plan.json", "--everything"], ["is there already"]),
    "plan into no folder": (2, ["erase", "plan", "--out", "@no/new.json", "--everything"], ["no such folder"]),
    "plan quietly": (2, ["-q", "erase", "plan", "--out", "@new.json", "--file", "@number.txt"], ["claim code"]),
    "apply missing": (1, ["erase", "apply", "nowhere.json"], ["nowhere.json", "unheld erase plan"]),
    "apply garbage": (1, ["erase", "apply", "@cdr"], ["is no plan"]),
    "apply unconfirmed": (4, ["erase", "apply", "@plan.json", "--confirm", "00000000"], ["nothing was changed"]),
    "apply confirmed too shortly": (4, ["erase", "apply", "@plan.json", "--confirm", "0"], ["first 8"]),
    "apply with nobody there": (4, ["erase", "apply", "@plan.json"], ["nobody to ask"]),
    "log missing": (21, ["log", "verify", "nowhere"], ["nowhere"]),
    "log head missing": (21, ["log", "head", "--log", "nowhere"], ["nowhere"]),
    "log unreachable": (21, ["log", "verify", "http://127.0.0.1:9/log"], ["127.0.0.1:9"]),
    "log key missing": (21, ["log", "verify", "--log-key", "@@nokey"], ["nokey"]),
    "log key garbage": (1, ["log", "verify", "--log-key", "garbage"], ["verifier key"]),
    "prove nothing": (2, ["log", "prove", "--out", "@p"], ["--index", "--kind"]),
    "prove two things": (2, ["log", "prove", "--out", "@p", "--index", "0", "--kind", "open"], ["--index", "--kind"]),
    "prove a kind that is none": (21, ["log", "prove", "--out", "@p", "--kind", "nothing"], ["nothing"]),
    "prove an entry that is none": (21, ["log", "prove", "--out", "@p", "--index", "999"], ["999"]),
    "receipt missing": (1, ["receipt", "check", "nowhere.tlog-proof"], ["nowhere.tlog-proof"]),
    "receipt garbage": (1, ["receipt", "check", "@cdr"], ["proof file"]),
    "box missing": (1, ["receipt", "open", "nowhere.box", "--out", "@p"], ["nowhere.box"]),
    "box garbage": (12, ["receipt", "open", "@number.txt", "--code", "@@code.txt", "--out", "@p"], ["box"]),
    "claim code as an argument": (2, ["receipt", "open", "@plan.box", "--code", "1234", "--out", "@p"], ["never"]),
    "claim code missing": (1, ["receipt", "open", "@plan.box", "--code", "@@no", "--out", "@p"], ["cannot be read"]),
    "claim code garbage": (1, ["receipt", "open", "@plan.box", "--code", "@@number.txt", "--out", "@p"], ["code"]),
    "claim code nobody types": (4, ["receipt", "open", "@plan.box", "--out", "@p"], ["nobody to ask"]),
    "box of a plan not applied": (21, ["receipt", "open", "@plan.box", "--code", "@@code.txt", "--out", "@p"], ["log"]),
    "inbox without mapping": (2, ["run", "--once", "--inbox", "@s"], ["--inbox and --mapping"]),
    "mapping without inbox": (2, ["run", "--once", "--mapping", "RECORDS"], ["--inbox and --mapping"]),
    "inbox missing": (1, ["run", "--once", "--inbox", "nowhere", "--mapping", "RECORDS"], ["nowhere"]),
    "inbox with a bad mapping": (1, ["run", "--once", "--inbox", "@s", "--mapping", "@cdr"], ["not TOML"]),
    "init where a store is": (1, ["init"], ["not empty", "nothing was changed"]),
}  # fmt: skip


def _meant(word: str, box: Box, delivered: Path) -> str:
    named = {"RECORDS": RECORDS, "REGISTRY": REGISTRY, "BANDICOOT": RECORDS.with_name("bandicoot.toml")}
    named |= {"@cdr": delivered / f"cdr-{FIRST}.csv", "@registry": delivered / "registry.csv"}
    if word in named:
        return str(named[word])
    if word.startswith("@@"):
        return f"@{box.folder / word[2:]}"
    return str(box.folder / word[1:]) if word.startswith("@") else word


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_changes_nothing(case: str, box: Box, delivered: Path) -> None:
    """Each bad input ends in its exit code and a line that names the place and repeats no value of any file; stdout is
    empty, the store as it was."""
    code, words, said = REFUSALS[case]
    before, files = _state(box), sorted(path.name for path in box.folder.iterdir())

    ended = box(*(_meant(word, box, delivered) for word in words))

    _refused(ended, code, *said)
    assert [mark for mark in OPERATOR.planted() if mark in ended.err] == []
    assert (_state(box), sorted(path.name for path in box.folder.iterdir())) == (before, files)


POLICIES: dict[str, tuple[int, list[str], str]] = {
    "t above n": (1, ["--custodians", "2", "--threshold", "3"], "3 of 2"),
    "too many custodians": (2, ["--custodians", "10"], "--custodians"),
    "place too long": (1, ["--lifetime", "place=31"], "choose 1 to 30"),
    "charge too long": (1, ["--lifetime", "charge=401"], "choose 1 to 400"),
    "contact too long": (1, ["--lifetime", "contact=181"], "choose 1 to 180"),
    "no days": (1, ["--lifetime", "place=0"], "choose 1 to 30"),
    "class that is none": (1, ["--lifetime", "cell=1"], "charge, contact, place, identity"),
    "lifetime without days": (1, ["--lifetime", "place"], "CLASS=DAYS"),
    "late for ever": (1, ["--late-days", "91"], "late_days"),
    "late before": (1, ["--late-days", "-1"], "late_days"),
    "coarsening that is none": (1, ["--coarsen", "blur"], "prefix:N"),
    "country that is none": (1, ["--home", "Myanmar"], "MM"),
    "origin no key is named after": (1, ["--origin", "a b"], "name"),
    "copy into something": (1, ["--copy", "FULL"], "not empty"),
    "the same copy twice": (1, ["--copy", "k", "--copy", "k"], "folder of its own"),
    "copy in the store": (1, ["--copy", "s"], "folder of its own"),
    "canaries missing": (1, ["--canaries", "nowhere.txt"], "nowhere.txt"),
    "totals into a file": (1, ["--totals", "FULL/file"], "is no folder"),
}


@pytest.mark.parametrize("case", POLICIES)
def test_a_policy_out_of_bounds_founds_nothing(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No store begins, and no part of one is left behind."""
    code, words, said = POLICIES[case]
    monkeypatch.chdir(tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("x")

    _refused(Box(tmp_path)("init", *(word.replace("FULL", str(full)) for word in words)), code, said)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize("beside", ["s", "s.slots", "s.custodians", "s.custodian-slots", "s.hq", "s.log"])
def test_a_store_begins_in_empty_folders_only(beside: str, tmp_path: Path) -> None:
    """What lies at a place of the deployment may be another store's, so nothing is made there."""
    (tmp_path / beside).mkdir()
    (tmp_path / beside / "file").write_text("x")

    _refused(Box(tmp_path)("init"), 1, f"{beside}: not empty")
    assert [path.name for path in tmp_path.iterdir()] == [beside]


# What asks for a store, as it must be called.
NEEDS_STORE = [
    ["status"], ["check"], ["doctor"], ["day", "open"], ["day", "close"], ["lapse", "show"], ["lapse", "run"],
    ["park", "list"], ["park", "open", "ff"], ["canary", "check"], ["inventory", "list"], ["inventory", "add", "x"],
    ["log", "head"], ["log", "publish"], ["log", "verify"], ["run", "--once"],
    ["ingest", "-", "--mapping", str(RECORDS)],
    ["park", "add", "-", "--mapping", str(RECORDS)], ["erase", "plan", "--everything", "--out", "p"],
]  # fmt: skip


@pytest.mark.parametrize("words", NEEDS_STORE, ids=" ".join)
def test_there_is_no_silent_default_store(words: list[str]) -> None:
    """Without --store and UNHELD_STORE nothing is guessed."""
    ended = in_process(words, UNHELD_STORE="")

    assert ended.code in {2, 21}
    assert ended.out == ""
    assert "--store" in ended.err


@pytest.mark.parametrize("words", NEEDS_STORE, ids=" ".join)
def test_a_store_that_is_not_there_is_exit_10(words: list[str], tmp_path: Path) -> None:
    """Exit 10 says: no store at that place."""
    _refused(Box(tmp_path)(*words), 10, "unheld init")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["status"], ["check"], ["day", "close"], ["lapse", "run"]], ids=" ".join)
def test_a_locked_store_is_exit_11(words: list[str], box: Box) -> None:
    """Exit 11 says: somebody else works on it; wait."""
    with locks.locked(box.root / "lock", exclusive=True):
        _refused(box(*words), 11, "another process")


def test_a_day_that_is_not_open_is_exit_13(tmp_path: Path, delivered: Path) -> None:
    """Exit 13 says: no key for this is held here."""
    box = Box(tmp_path, FIRST, seconds=86_399)
    assert box("init").code == 0

    _refused(box("ingest", delivered / "registry.csv", "--mapping", REGISTRY), 13, "unheld day open", "unheld park add")


@pytest.mark.parametrize("clock", ["soon", "", "1e9", "12:00"])
def test_a_clock_that_is_none_is_named(clock: str, box: Box) -> None:
    """A mistyped clock never becomes a date."""
    box.variables["UNHELD_CLOCK"] = clock

    _refused(box("status"), 1, "UNHELD_CLOCK")


def test_a_plan_of_another_store_is_not_applied(box: Box, tmp_path: Path) -> None:
    """A plan names its store."""
    other = Box(tmp_path / "other", FIRST)
    assert other("init").code == 0
    assert other("erase", "plan", "--everything", "--out", tmp_path / "theirs.json").code == 0
    digest = plans.decode((tmp_path / "theirs.json").read_bytes()).digest
    before = _state(box)

    _refused(box("erase", "apply", tmp_path / "theirs.json", "--confirm", digest), 4, "not for")
    assert _state(box) == before


def test_a_plan_is_applied_once(box: Box) -> None:
    """A plan dies with the root it was made under."""
    path = box.folder / "plan.json"
    digest = plans.decode(path.read_bytes()).digest
    assert box("erase", "apply", path, "--confirm", digest).code == 0

    _refused(box("erase", "apply", path, "--confirm", digest), 1, "make a new one")


def test_an_altered_plan_is_not_applied(box: Box) -> None:
    """What headquarters signed is what is applied: exit 20."""
    path = box.folder / "day.json"
    assert box("erase", "plan", "--day", str(FIRST), "--out", path).code == 0
    path.write_bytes(path.read_bytes().replace(str(FIRST).encode(), str(FIRST - timedelta(days=1)).encode(), 1))
    digest = plans.decode(path.read_bytes()).digest
    before = _state(box)

    _refused(box("erase", "apply", path, "--confirm", digest), 20)
    assert _state(box) == before


def test_an_altered_receipt_is_false(box: Box) -> None:
    """Exit 20 says: checked, and it is false; 21 would say that it cannot be checked."""
    path = box.folder / "open.tlog-proof"
    text = path.read_text()
    at = text.index("index ") + len("index ")
    path.write_text(f"{text[:at]}{int(text[at]) ^ 1}{text[at + 1 :]}")

    _refused(box("receipt", "check", path), 20, "step")


def test_another_logs_key_proves_it_false(box: Box, tmp_path: Path) -> None:
    """A receipt under another key is no receipt."""
    other = Box(tmp_path / "other", FIRST)
    key = other("init", "--json").document["policy"]["log_key"]

    ended = box("receipt", "check", box.folder / "open.tlog-proof", "--log-key", key)

    assert (ended.code, ended.out) == (20, "")
    assert "VERIFIED" not in ended.err


def test_a_receipt_needs_a_key_from_somewhere(box: Box) -> None:
    """Exit 21 says: something for the check is missing."""
    ended = in_process(["receipt", "check", str(box.folder / "open.tlog-proof")], UNHELD_STORE="")

    _refused(ended, 21, "--log-key")


def test_a_receipt_is_checked_with_the_key_alone(box: Box) -> None:
    """No store is needed to check a receipt: outsiders have none."""
    key = box.folder / "key.txt"
    key.write_text(Box(box.folder, FIRST)("--json", "log", "head").document["origin"])
    vkey = next(line for line in box("init").err.splitlines())
    assert "not empty" in vkey
    policy = (box.root / "genesis.json").read_text()
    key.write_text(policy.split('"log_key":"')[1].split('"')[0])

    ended = in_process(
        ["receipt", "check", str(box.folder / "open.tlog-proof"), "--log-key", f"@{key}"], UNHELD_STORE=""
    )

    assert ended.code == 0
    assert "VERIFIED" in ended.out


def test_a_false_log_is_exit_20(box: Box) -> None:
    """A log whose entries were changed is false, and a check of the store says so too."""
    [entries] = (path for path in (box.folder / "s.log").glob("tile/entries/**/*") if path.is_file())
    data = bytearray(entries.read_bytes())
    data[-1] ^= 1
    entries.write_bytes(data)

    _refused(box("log", "verify"), 20, "step")
    assert box("check").code == 20


def test_a_log_that_lost_a_file_cannot_be_verified(box: Box) -> None:
    """Missing is not false: exit 21."""
    [entries] = (path for path in (box.folder / "s.log").glob("tile/entries/**/*") if path.is_file())
    entries.unlink()

    _refused(box("log", "verify"), 21)


def test_an_altered_column_file_is_exit_20(box: Box) -> None:
    """`check` says once which file, repairs nothing, and answers on stdout."""
    path = next(box.root.glob("blocks/**/*.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    ended = box("check")

    assert ended.code == 20
    assert ended.out.count(str(path.relative_to(box.root))) == 1
    assert ended.err == "unheld: 1 finding\n"


def test_one_bad_file_among_good_ones_is_exit_3(box: Box, delivered: Path) -> None:
    """What could be taken in was, what could not is listed on stderr."""
    box.when = FIRST + timedelta(days=1)
    assert box("day", "close").code == 0
    assert box("day", "open").code == 0
    bad = box.folder / "bad.csv"
    bad.write_text("not,the,file\n1,2,3\n")

    ended = box("ingest", bad, delivered / f"cdr-{box.when}.csv", "--mapping", RECORDS)

    assert ended.code == 3
    assert "records of 1 file sealed" in ended.out
    assert ended.err.startswith(f"unheld: refused: {bad}: line 1")


def test_only_bad_files_are_exit_1(box: Box) -> None:
    """Nothing was taken in: that is a failure, and stdout is empty."""
    for name in ("bad.csv", "worse.csv"):
        (box.folder / name).write_text("not,the,file\n1,2,3\n")

    _refused(
        box("ingest", box.folder / "bad.csv", box.folder / "worse.csv", "--mapping", RECORDS), 1, "bad.csv", "worse.csv"
    )


def test_a_row_too_long_is_told_by_its_line(box: Box, delivered: Path) -> None:
    """A refused file says which line and why, and repeats nothing of it."""
    lines = (delivered / f"cdr-{FIRST}.csv").read_text().splitlines()
    path = box.folder / "ragged.csv"
    path.write_text("\n".join([lines[0], lines[1], f"{lines[2]},one,more"]) + "\n")

    ended = box("ingest", path, "--mapping", RECORDS)

    _refused(ended, 1, "line 3: 16 cells instead of 14", "mend")


def test_a_garbled_inventory_is_named(box: Box) -> None:
    """Somebody edited the inventory: it is not guessed at."""
    (box.root / "inventory.json").write_text("{not json")

    _refused(box("status"), 1, "inventory.json", "mend it")


def test_what_is_not_said_of_a_place_stays(box: Box) -> None:
    """Looking again at a listed system corrects what is named and forgets nothing else of it."""
    box("inventory", "add", "billing", "--owner", "IT", "--retention", "90 days", "--covered")

    assert box("inventory", "add", "billing", "--owner", "Audit").code == 0
    place = box("inventory", "list", "--json").document["places"][0]

    assert (place["owner"], place["retention"], place["holds"], place["covered"]) == (
        "Audit",
        "90 days",
        "unknown",
        True,
    )


def test_a_copy_that_is_away_is_named(tmp_path: Path) -> None:
    """A copy of the tree whose disk is not there is said to be away; nobody is told to found one in its place."""
    box = Box(tmp_path)
    assert box("init", "--home", "MM", "--copy", tmp_path / "copy").code == 0
    (tmp_path / "copy").rename(tmp_path / "unmounted")

    ended = box("status")

    assert (ended.code, ended.err) == (0, "")
    assert f"{tmp_path / 'copy'}: away since 2026-07-01" in ended.out
    assert "recoverable copies: 1" in ended.out
    assert "init" not in ended.out


def test_a_file_refused_by_the_parked_lane_is_told_once(box: Box) -> None:
    """What was refused stands on stderr and nowhere else."""
    path = box.folder / "empty.csv"
    path.touch()

    ended = box("park", "add", path, "--mapping", RECORDS)

    assert ended.code == 1
    assert (ended.out, ended.err.count("unheld: refused:")) == ("0 records parked; nobody here can read them\n", 1)


def test_a_garbled_settings_file_is_named(box: Box) -> None:
    """Somebody edited unheld.toml: the line is named."""
    (box.root / "unheld.toml").write_text("[sinks\n")

    _refused(box("status"), 1, "unheld.toml")


def test_a_missing_slot_folder_is_told_before_anything_else(box: Box) -> None:
    """Without its slots a store opens nothing, and the message says which file is missing."""
    shutil.rmtree(box.folder / "s.slots")

    ended = box("status")

    assert (ended.code != 0, ended.out) == (True, "")
    assert "s.slots" in ended.err
    assert "mistake of unheld's own" not in ended.err


def test_custodians_away_show_in_status(box: Box) -> None:
    """A store without its custodians still says what it holds, and who is away."""
    shutil.rmtree(box.folder / "s.custodians")

    ended = box("status", "--json")

    assert ended.code == 0
    assert ended.document["custodians"]["reached"] == 0


def test_doctor_names_a_missing_folder_of_custodian_slots(box: Box) -> None:
    """Doctor examines what is there and fails on what is not."""
    shutil.rmtree(box.folder / "s.custodian-slots")

    ended = box("doctor")

    assert (ended.code, "s.custodian-slots is not there" in ended.out) == (1, True)


@pytest.mark.sqlite  # it garbles the file
def test_a_garbled_database_ends_in_one_line(box: Box) -> None:
    """A damaged catalog is no traceback, and nothing of it is shown."""
    for path in box.root.glob("catalog.db*"):
        path.write_bytes(b"garbage" * 1000)

    ended = box("status")

    assert (ended.code != 0, ended.out, len(ended.err.splitlines())) == (True, "", 1)
