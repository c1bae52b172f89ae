"""`unheld-verify` as a court runs it: exit codes, plain words, and no word too much."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from unheld_branch.log.tiles import LogWriter
from unheld_verify import cli, crypto, note, receipt, statement

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "log.json").read_text())
KEY: str = VECTORS["vkey"]
OTHER_KEY = note.format_key(note.Key("log.example/unheld", crypto.sign_public(bytes(32))))
GOOD: str = next(made["receipt"] for made in VECTORS["receipts"] if "tel:" in made["says"])


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unheld_verify.cli", *words]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def _write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of the vectors as a folder."""
    writer = LogWriter.create(tmp_path / "log", bytes.fromhex(VECTORS["seed"]), VECTORS["origin"])
    writer.append(0, [bytes.fromhex(entry) for entry in VECTORS["entries"]])
    return tmp_path / "log"


def test_good_receipt_exits_0_with_its_steps_and_what_is_not_proven(tmp_path: Path) -> None:
    """A good receipt prints one line a step, what it says, and what it does not prove."""
    done = _run(_write(tmp_path, "a.tlog-proof", GOOD), "--log-key", KEY)

    assert (done.returncode, done.stderr) == (0, "")
    for number, name in enumerate(["form", "checkpoint", "opening", "entry", "inclusion", "party", "meaning"], 1):
        assert f"\n  ok {number} {name}: " in done.stdout
    assert "ok 7 meaning: The owner of log.example/unheld stated for 2026-01-06: " in done.stdout
    assert "\n  VERIFIED\n" in done.stdout
    assert "keys of this store only. It says nothing of copies elsewhere" in done.stdout
    assert "testimony" in done.stdout
    assert "Rollback by the owner is not detectable without witnesses" in done.stdout


def test_whole_log_exits_0(log: Path) -> None:
    """A good log prints its five steps."""
    done = _run(str(log), "--log-key", KEY)

    assert done.returncode == 0
    assert "ok 5 openings" in done.stdout
    assert "holds 288 entries" in done.stdout
    assert "Rollback by the owner is not detectable without witnesses" in done.stdout


def test_a_log_over_http_says_that_openings_cannot_be_listed(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log at an address verifies, and no promise is called kept of openings that nobody could list."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(log))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = cli.main([f"http://127.0.0.1:{server.server_port}", "--log-key", KEY])
        server.shutdown()

    assert code == 0
    assert "ok 6 promises: not checked: published openings cannot be listed over HTTP" in capsys.readouterr().out


def test_key_may_come_from_a_file(tmp_path: Path) -> None:
    """The log's key is read from a file given with @."""
    done = _run(_write(tmp_path, "a", GOOD), "--log-key", "@" + _write(tmp_path, "key", KEY + "\n"))

    assert done.returncode == 0


@pytest.mark.parametrize("bad", VECTORS["bad_receipts"], ids=lambda bad: bad["flaw"])
def test_bad_receipt_exits_20_or_21(tmp_path: Path, bad: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A receipt with one flaw exits as the vectors say, names the step, and shows nothing to be true."""
    code = cli.main([_write(tmp_path, "a", bad["receipt"]), "--log-key", KEY])

    out = capsys.readouterr().out
    assert code == bad["exit_code"]
    assert f"{'FAILED' if code == 20 else 'CANNOT BE VERIFIED'}: step {bad['step']}, " in out
    assert "Nothing in it is shown to be true" in out
    assert "\n  VERIFIED" not in out


def test_failure_exits_20_from_the_command(tmp_path: Path) -> None:
    """A false receipt makes the command itself exit 20."""
    assert _run(_write(tmp_path, "a", GOOD), "--log-key", OTHER_KEY).returncode == 20


def test_altered_log_exits_20(log: Path) -> None:
    """A log with an altered tile is false, and the tile is named."""
    tile = log / "tile/0/000"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])

    done = _run(str(log), "--log-key", KEY)

    assert done.returncode == 20
    assert "FAILED: step 2, entries: tile/0/000" in done.stdout


def test_missing_key_exits_21(tmp_path: Path) -> None:
    """Without the log's key nothing is true or false, and the mend is named."""
    done = _run(_write(tmp_path, "a", GOOD))

    assert done.returncode == 21
    assert "CANNOT BE VERIFIED: no log key is given: pass --log-key" in done.stdout


def test_missing_key_file_exits_21(tmp_path: Path) -> None:
    """A key file that is not there is a missing key."""
    done = _run(_write(tmp_path, "a", GOOD), "--log-key", f"@{tmp_path}/none")

    assert done.returncode == 21
    assert "cannot be read" in done.stderr


def test_missing_receipt_or_log_exits_21(tmp_path: Path) -> None:
    """A path where nothing is cannot be verified."""
    done = _run(str(tmp_path / "none"), "--log-key", KEY)

    assert done.returncode == 21
    assert "CANNOT BE VERIFIED" in done.stdout


def test_folder_that_is_no_log_exits_21(tmp_path: Path) -> None:
    """A folder without a checkpoint cannot be verified."""
    assert _run(str(tmp_path), "--log-key", KEY).returncode == 21


@pytest.mark.parametrize("text", ["", "hello\n", GOOD[:200], GOOD.replace("index 4", "index 04")])
def test_unreadable_receipt_exits_1(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no receipt exits 1 with the reason."""
    assert cli.main([_write(tmp_path, "a", text), "--log-key", KEY]) == 1
    assert "CANNOT BE READ: step 1, form: " in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--log-key", KEY], ["a", "--nothing"], ["a", "--log-key", "nonsense"]])
def test_wrong_call_exits_2(words: list[str]) -> None:
    """A call whose words are off exits 2 and prints nothing as a result."""
    done = _run(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: unheld-verify" in done.stderr


@pytest.mark.parametrize(
    ("names", "code"),
    [(["good", "false"], 20), (["none", "false", "bad"], 20), (["bad", "none", "good"], 21), (["good", "bad"], 1)],
)
def test_gravest_of_several_counts(tmp_path: Path, names: list[str], code: int) -> None:
    """Of several files the gravest outcome is the exit code: false, then not verifiable, then unreadable."""
    _write(tmp_path, "good", GOOD)
    _write(tmp_path, "bad", "hello")
    _write(tmp_path, "false", next(b["receipt"] for b in VECTORS["bad_receipts"] if b["exit_code"] == 20))

    assert cli.main([*(str(tmp_path / name) for name in names), "--log-key", KEY]) == code


def test_json_holds_steps_words_and_what_is_not_proven(tmp_path: Path) -> None:
    """With --json a program reads the same outcome, one object a file."""
    done = _run(_write(tmp_path, "a", GOOD), _write(tmp_path, "b", "hello"), "--log-key", KEY, "--json")

    good, bad = json.loads(done.stdout)["results"]
    assert done.returncode == 1
    assert (good["outcome"], good["exit_code"], len(good["steps"])) == ("verified", 0, 7)
    assert good["statement"]["kind"] == "erase-parties"
    assert any("Rollback" in line for line in good["not_proven"])
    assert (bad["outcome"], bad["exit_code"], bad["steps"]) == ("cannot be read", 1, [])
    assert "statement" not in bad


def test_receipt_cannot_write_lines_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newlines, colours and right-to-left marks in a statement are shown as escapes, so no line is forged."""
    seed, origin = bytes.fromhex(VECTORS["seed"]), VECTORS["origin"]
    slots = "token\n  ok 7 meaning: everything was destroyed\x1b[2K\u202e"
    opening = statement.commit(statement.make(origin, "erase-everything", "2026-01-06", slots=slots, copies=1))
    writer = LogWriter.create(tmp_path / "log", seed, origin)
    writer.append(0, [opening.entry])
    shown = writer.prove(0)
    data = receipt.encode(opening, None, shown.index, shown.path, shown.checkpoint)

    assert cli.main([_write(tmp_path, "a", data.decode()), "--log-key", KEY]) == 0

    out = capsys.readouterr().out
    assert out.count("\n  ok 7 meaning") == 1
    assert not {"\x1b", "\u202e"} & set(out)


def test_words_are_printed_on_a_terminal_without_unicode(tmp_path: Path) -> None:
    """A terminal that knows ASCII only gets every word, and escapes for the rest."""
    made = _run(_write(tmp_path, "é", GOOD), "--log-key", KEY, PYTHONIOENCODING="ascii")

    assert made.returncode == 0
    assert "\\xe9" in made.stdout


PAPERS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "paper.json").read_text())


@pytest.mark.parametrize("made", PAPERS["papers"], ids=lambda made: made["kind"])
def test_good_paper_exits_0_with_its_steps(
    tmp_path: Path, made: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A paper is known as one by its content, prints its seven steps, and whose word it is."""
    assert cli.main([_write(tmp_path, "any.name", made["paper"]), "--log-key", PAPERS["vkey"]]) == 0

    out = capsys.readouterr().out
    assert f"ok 7 meaning: {made['says']}" in out
    assert "NOT proven: It does not prove that what the paper says is true" in out


@pytest.mark.parametrize("bad", PAPERS["bad_papers"], ids=lambda bad: bad["flaw"])
def test_bad_paper_exits_as_the_vectors_say(
    tmp_path: Path, bad: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A paper with one flaw names the step, and shows nothing to be true."""
    assert cli.main([_write(tmp_path, "a", bad["paper"]), "--log-key", PAPERS["vkey"]]) == bad["exit_code"]

    out = capsys.readouterr().out
    assert f": step {bad['step']}, " in out
    assert "Nothing in it is shown to be true" in out


def _log_with_a_breach(folder: Path) -> str:
    """A log whose standstill was broken; its key."""
    writer = LogWriter.create(folder, bytes(32), "log.example/unheld")
    pause = {"group": "w-7f3a.example", "digest": "00" * 32, "begins": "2026-01-07", "ends": "2026-02-06"}
    said = [("standstill", "2026-01-06", pause), ("paper", "2026-01-20", {"paper": "manifest", "digest": "01" * 32})]
    openings = [statement.commit(statement.make("log.example/unheld", kind, day, **more)) for kind, day, more in said]
    writer.append(0, [opening.entry for opening in openings])
    for index, opening in enumerate(openings):
        writer.publish_opening(index, opening)
    return note.format_key(writer.key)


def test_broken_promise_exits_20_and_the_log_is_authentic(tmp_path: Path) -> None:
    """A log that shows a handover within a standstill says so plainly, and does not say that nothing in it is true."""
    key = _log_with_a_breach(tmp_path / "log")

    done = _run(str(tmp_path / "log"), "--log-key", key)

    assert done.returncode == 20
    assert "ok 6 promises: standstills published: 1; published handovers against one: 1" in done.stdout
    assert "\n  VERIFIED, AND A PROMISE WAS BROKEN: The log log.example/unheld holds 2 entries" in done.stdout
    assert "FINDING: A promise was broken: w-7f3a.example objected" in done.stdout
    assert "Nothing in it is shown to be true" not in done.stdout


def test_json_tells_a_broken_promise(tmp_path: Path) -> None:
    """A program finds group, days and entries of a breach."""
    key = _log_with_a_breach(tmp_path / "log")

    result = json.loads(_run(str(tmp_path / "log"), "--log-key", key, "--json").stdout)["results"][0]

    assert (result["outcome"], result["exit_code"]) == ("verified, and a promise was broken", 20)
    found = result["broken_promises"][0]
    assert (found["standstill"], found["manifest"], found["day"]) == (0, 1, "2026-01-20")


def test_folder_that_says_it_is_a_bag_is_checked_as_a_case_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with bagit.txt is a case folder, and a broken one is not taken for a log."""
    _write(tmp_path, "bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")

    assert cli.main([str(tmp_path), "--log-key", KEY]) == 21
    assert "step 1, form: bag-info.txt is missing" in capsys.readouterr().out


def test_version_is_told() -> None:
    """--version names program and version."""
    assert _run("--version").stdout.startswith("unheld-verify 0.")
