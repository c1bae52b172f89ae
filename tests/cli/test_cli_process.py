"""The program as a process: on a terminal, under a lock, interrupted, piped; and what people read there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support import databases
from tests.support.commands import PROGRAM, Box
from tests.support.journey import FIRST, RECORDS, REGISTRY, Network, journey
from unheld.testing.synthetic import Operator
from unheld.workflows import running
from unheld_branch.kernel import locks
from unheld_verify import plan as plans

OPERATOR = Operator(seed=5, subscribers=60, days=2, first_day=FIRST)
NUMBER = OPERATOR.population.msisdn[1].as_py()
WIDTH = 80
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment whose first day is open and has its registry; the records lie beside it."""
    box = Box(tmp_path_factory.mktemp("founded"), FIRST, seconds=86_399)
    OPERATOR.write(box.folder / "delivered")
    assert box("init", "--home", "MM", "--totals", box.folder / "totals").code == 0
    assert box("day", "open").code == 0
    assert box("ingest", box.folder / "delivered" / "registry.csv", "--mapping", REGISTRY).code == 0
    return box.folder


@pytest.fixture
def box(founded: Path, tmp_path: Path) -> Box:
    """A deployment of one's own."""
    databases.copy(founded, tmp_path)
    return Box(tmp_path, FIRST, seconds=86_399)


def _records(box: Box) -> Path:
    return box.folder / "delivered" / f"cdr-{FIRST}.csv"


def test_a_party_is_forgotten_at_a_terminal_from_plan_to_receipt(box: Box) -> None:
    """The number and the claim code are asked for and never shown; the digest is asked for; the receipt verifies."""
    plan, proof = box.folder / "plan.json", box.folder / "mine.tlog-proof"

    code, shown = box.terminal("erase", "plan", "--party", "--out", plan, answers=[("(not shown)", f"{NUMBER}\n")])
    assert code == 0, shown
    assert NUMBER not in shown
    claim = re.search(r"kept nowhere: ([0-9a-f-]+)", shown)
    assert claim

    digest = plans.decode(plan.read_bytes()).digest
    code, shown = box.terminal("erase", "apply", plan, answers=[("first 8 digits", f"{digest[:8]}\n")])
    assert code == 0, shown
    assert "this would forget: party" in shown
    assert "key overwritten: " in shown

    assert box("log", "publish").code == 0
    code, shown = box.terminal(
        "receipt", "open", plan.with_suffix(".box"), "--out", proof, answers=[("claim code", f"{claim[1]}\n")]
    )
    assert code == 0, shown
    assert claim[1] not in shown
    assert "VERIFIED" in box("receipt", "check", proof).out


def test_a_wrong_digest_at_the_terminal_changes_nothing(box: Box) -> None:
    """Typing something else is exit 4."""
    plan = box.folder / "plan.json"
    assert box("erase", "plan", "--everything", "--out", plan).code == 0
    before = box("status").out

    code, shown = box.terminal("erase", "apply", plan, answers=[("first 8 digits", "yes please\n")])

    assert code == 4
    assert "nothing was changed" in shown
    assert box("status").out == before


def test_a_prompt_is_left_with_ctrl_c(box: Box) -> None:
    """Ctrl-C at a question is exit 130 and makes nothing."""
    plan = box.folder / "plan.json"

    code, shown = box.terminal("erase", "plan", "--party", "--out", plan, answers=[("(not shown)", "\x03")])

    assert code == 130
    assert "Traceback" not in shown
    assert not plan.exists()


def test_an_interrupt_leaves_the_store_as_it_was(box: Box) -> None:
    """Ctrl-C while records are sealed: exit 130, nothing of them is held, and the same call works afterwards."""
    before = box("status").out
    child = box.start("ingest", "-", "--mapping", RECORDS, stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(_records(box).read_text()[:1000])
    child.stdin.flush()
    _until_it_reads(child, box.root / "lock")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)

    assert (child.returncode, out) == (130, "")
    assert err.startswith("unheld: interrupted")
    assert _but_generation(box("status").out) == _but_generation(before)
    assert box("check").code == 0
    assert box("ingest", _records(box), "--mapping", RECORDS).code == 0


def _until_it_reads(child: subprocess.Popen[str], lock: Path) -> None:
    """Wait until a process holds the store's lock, and a moment more: then it waits for the rest of its input."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(OSError):
            if lock.resolve() in {path.resolve() for path in Path(f"/proc/{child.pid}/fd").iterdir()}:
                return time.sleep(1)
        time.sleep(0.05)
    raise TimeoutError(f"{child.args!r} did not begin to read")


def _but_generation(text: str) -> str:
    """The day's key for file digests is a commit of its own, made before the first file is read."""
    return re.sub(r"generation \d+", "", text)


def test_another_process_waits_outside(box: Box) -> None:
    """Two programs never work on one store: the second ends with exit 11 and says where the lock is."""
    with locks.locked(box.root / "lock", exclusive=True):
        ended = box.process("status")

    assert (ended.code, ended.out) == (11, "")
    assert str(box.root / "lock") in ended.err


def test_a_reader_that_leaves_early_is_no_failure(box: Box) -> None:
    """`unheld log verify | true` ends without a traceback, in the command's own exit code."""
    reading, writing = os.pipe()
    os.close(reading)
    child = subprocess.run(
        [PROGRAM, *box.words("status")], stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
        env={**os.environ, "UNHELD_CLOCK": box.clock},
    )  # fmt: skip
    os.close(writing)

    assert (child.returncode, child.stderr) == (0, "")


def test_run_once_keeps_the_day(box: Box) -> None:
    """One look at the clock closes yesterday, lapses, opens today and takes in the inbox; stdout is one document."""
    inbox = box.folder / "inbox"
    inbox.mkdir()
    box.when += timedelta(days=1)
    shutil.copy(box.folder / "delivered" / f"cdr-{box.when}.csv", inbox)

    ended = box.process("--json", "run", "--once", "--inbox", inbox, "--mapping", RECORDS)

    assert ended.code == 0, ended
    steps = [(step["words"], step["exit_code"]) for step in ended.document["steps"]]
    assert steps == [("day close", 0), ("lapse run", 0), ("day open", 0), ("ingest", 0)]
    assert [json.loads(line)["command"] for line in ended.err.splitlines()] == [words for words, _ in steps]


def test_run_once_says_when_a_step_failed(box: Box) -> None:
    """A step that failed is exit 3, by its name: cron sends the mail."""
    box.when += timedelta(days=1)

    def failing(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 13 if "close" in words else 0)

    with patch(f"{running.__name__}.subprocess.run", failing):
        ended = box("run", "--once")

    assert ended.code == 3
    assert ended.err == "unheld: day close: exit 13\n"


def test_run_is_left_with_ctrl_c(box: Box) -> None:
    """The service ends at an interrupt with exit 130."""
    child = box.start("run", "--every", "600")
    time.sleep(4)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)

    assert child.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["status"], ["doctor"], ["ingest"]], ids=" ".join)
def test_a_terminal_of_80_columns_is_enough(words: list[str], box: Box) -> None:
    """What people look at is short lines; only paths, keys and whole sentences are longer."""
    more = [str(_records(box)), "--mapping", str(RECORDS)] if words == ["ingest"] else []

    code, shown = box.terminal(*words, *more)

    lines = [ESCAPES.sub("", line).rstrip().split("\r")[-1] for line in shown.splitlines()]
    wide = [line for line in lines if len(line) > WIDTH and str(box.folder) not in line]
    assert code in {0, 2}
    assert "Traceback" not in shown
    assert [line for line in wide if not re.search(r"the inventory is empty|deliver|sinks:", line)] == []


def test_no_colour_where_none_is_wanted(box: Box) -> None:
    """NO_COLOR is honoured, and a pipe never gets escapes."""
    box.variables["NO_COLOR"] = "1"
    _, plain = box.terminal("erase", "apply", "nowhere.json")

    assert "31m" not in plain
    assert "\x1b" not in box("erase", "apply", "nowhere.json").err


def test_progress_is_json_lines_where_asked(box: Box) -> None:
    """--log-json makes every line of stderr a document; UNHELD_PROGRESS_FPS says how many."""
    box.variables["UNHELD_PROGRESS_FPS"] = "1e9"

    ended = box("--log-json", "ingest", _records(box), "--mapping", RECORDS)
    lines = [json.loads(line) for line in ended.err.splitlines()]

    assert lines
    assert {line["message_type"] for line in lines} == {"progress"}
    assert {"bytes", "total", "left", "operation", "schema_version"} <= set(lines[-1])
    assert lines[-1]["bytes"] <= lines[-1]["total"]


def test_no_time_is_left_where_nobody_knows_it(box: Box) -> None:
    """Standard input has no length: the lines tell the rate and promise no end."""
    box.variables["UNHELD_PROGRESS_FPS"] = "1e9"

    ended = box("ingest", "-", "--mapping", RECORDS, stdin=_records(box).read_bytes())

    assert ended.code == 0
    assert re.search(r"ingest: \d+ MiB, [\d.]+ MB/s$", ended.err, re.MULTILINE)
    assert "left" not in ended.err


def test_progress_is_seldom_by_itself(box: Box) -> None:
    """Without a terminal there is a line a minute, so a short call writes none."""
    assert box("ingest", _records(box), "--mapping", RECORDS).err == ""


def test_a_rate_of_progress_that_is_none_is_named(box: Box) -> None:
    """A mistyped variable is a usage error."""
    box.variables["UNHELD_PROGRESS_FPS"] = "often"

    ended = box("ingest", _records(box), "--mapping", RECORDS)

    assert (ended.code, ended.out) == (2, "")
    assert "UNHELD_PROGRESS_FPS" in ended.err


def test_completion_is_shown_for_the_shell(tmp_path: Path) -> None:
    """`unheld --show-completion` prints what a shell needs."""
    variables = {"SHELL": "/bin/bash", "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    child = subprocess.run(
        [PROGRAM, "--show-completion", "bash"], capture_output=True, text=True, check=False,
        env={**os.environ, **variables},
    )  # fmt: skip

    assert child.returncode == 0, child.stderr
    assert "_UNHELD_COMPLETE" in child.stdout


def test_quiet_says_nothing_but_errors(box: Box) -> None:
    """-q is for scripts that look at the exit code."""
    good, bad = box("-q", "status"), box("-q", "erase", "apply", "nowhere.json")

    assert (good.code, good.out, good.err) == (0, "", "")
    assert (bad.code, bad.out) == (1, "")
    assert bad.err


def test_a_file_name_that_is_no_text_is_told_too(box: Box) -> None:
    """Names of files are bytes; one that is no UTF-8 does not break the answer."""
    odd = Path(os.fsdecode(os.fsencode(box.folder) + b"/odd-\xff.csv"))
    odd.write_bytes(_records(box).read_bytes())

    ended = box("ingest", odd, "--mapping", RECORDS)

    assert ended.code == 0
    assert "records of 1 file sealed" in ended.out


# What is true of keys is said of keys. A message that told of data being gone would be a lie about the ciphertext.
LIES = re.compile(
    r"data (is|was|were|has been|have been|are) ?\w* ?(deleted|removed|erased|gone)|\bdeleted?\b|\bremoved\b", re.I
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What every command says to people."""
    told = journey(tmp_path_factory.mktemp("words") / "a", Network.of(OPERATOR))
    return {label: ended.out + ended.err for label, ended in told.items()}


def test_nothing_is_ever_said_to_be_deleted(said: dict[str, str]) -> None:
    """No message of any command says deleted or removed: what goes is a key."""
    assert {label: found[0] for label, text in said.items() if (found := LIES.search(text))} == {}


def test_a_plan_speaks_of_what_it_would_do(said: dict[str, str]) -> None:
    """Before the act every sentence says would, and that nothing was changed."""
    for label in ("erase plan", "erase plan place", "erase plan --everything"):
        assert said[label].startswith("this plan would forget: ")
        assert "nothing was changed" in said[label]
    assert "would lapse" in said["lapse show"]
    assert "key overwritten" not in said["lapse show"]


def test_the_words_of_a_plan(said: dict[str, str]) -> None:
    """The wording of a plan, word by word."""
    assert re.sub(r"/\S+/|[0-9a-f]{8,}|(-?[0-9a-f]{4}){8}", "…", said["erase plan"]) == (
        "this plan would forget: party\n"
        "  parties: 1\n"
        "  receipt box …plan.box; its claim code, shown once and kept nowhere: …\n"
        "  plan …plan.json, digest …\n"
        "nothing was changed; unheld erase apply …plan.json asks for the first 8 digits of the digest\n"
    )
    assert said["erase plan place"].splitlines()[0] == f"this plan would forget: class {FIRST} place"


def test_the_words_of_an_act(said: dict[str, str]) -> None:
    """The wording of the act, word by word: what went is a key, where, and what that does not bind.
    A number and its SIM are two rows."""
    text = next(text for label, text in said.items() if label == "erase apply")

    assert re.sub(r"\d+\.\d ms", "… ms", text) == (
        "key overwritten: 4 rows in 2 copies of the tree, … ms\n"
        "  erasable slot: file: does not survive a snapshot of this disk\n"
        "  this store is 1 of 2 known places holding such data, 1 not covered\n"
        "  this binds everybody who had not copied the row and the columns before\n"
        "  the log tells of it at its next cadence\n"
    )


def test_a_lapse_and_a_close_speak_of_keys(said: dict[str, str]) -> None:
    """What lapses and what a close drops are keys."""
    assert said["lapse run"].startswith("key overwritten: ")
    assert "keys overwritten at the branch" in said["day close"]


def test_words_of_the_source_say_no_lie_either() -> None:
    """No text in the packages that speak to people says that data was deleted or removed."""
    packages = Path(__file__).parents[2] / "packages"
    lies = re.compile(r"data (is|was|were|has been|have been) (deleted|removed|erased)", re.I)
    files = [path for name in ("unheld", "unheld-branch") for path in packages.glob(f"{name}/src/**/*.py")]

    assert [str(path) for path in files if lies.search(path.read_text("utf-8"))] == []
