"""What a command loads before it begins: a machine that runs it each minute waits for that, and so do these tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import unheld.cli as program
from tests.support.commands import Box
from tests.support.journey import FIRST
from unheld.cli.app import app

HEAVY = {"pyarrow", "phonenumbers", "jinja2", "segno", "rich", "duckdb", "altair", "http.server"}
DATABASE = {"sqlalchemy", "numpy"}
LOADED = "import sys, runpy\ntry: runpy.run_module({module!r}, run_name='__main__')\nfinally: print(*sys.modules)"


def _loaded(module: str, *words: str | Path) -> set[str]:
    """The modules that a process has loaded once its command ended well."""
    script = LOADED.format(module=module)
    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(ended.stdout.splitlines()[-1].split())


def _made(command: Any) -> set[str]:
    """The modules whose functions a command or the commands below it are."""
    below = getattr(command, "commands", {}).values()
    return {name for one in below for name in _made(one)} or {command.callback.__module__.removeprefix("unheld.cli.")}


def test_a_status_loads_nothing_of_records_and_pages(tmp_path: Path) -> None:
    """`unheld status` of a store loads its database and keys; no Arrow, no templates, no numbering plans."""
    box = Box(tmp_path, FIRST)
    assert box("init", "--home", "MM").code == 0

    loaded = _loaded("unheld", *box.words("--quiet", "status"))

    assert loaded & HEAVY == set()
    assert loaded >= DATABASE  # else this test looks at the wrong process


@pytest.mark.parametrize("module", ["unheld", "unheld_branch"])
def test_a_version_loads_no_store(module: str) -> None:
    """`--version` answers before anything of a store, a database or records is loaded."""
    assert _loaded(module, "--version") & (HEAVY | DATABASE) == set()


def test_the_first_word_loads_all_of_its_commands() -> None:
    """Each noun of the whole command tree names exactly the modules that its commands are made in."""
    program.prepare([])
    tree: Any = get_command(app)
    found = {name: _made(command) for name, command in tree.commands.items()}

    assert found == {name: set(parts) for name, parts in program.PARTS.items()}


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["--json"], ["--store"], ["--store", "status"], ["--quiet", "nothing"]]
)
def test_words_that_name_no_command_load_all(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Help, and the error about an unknown word, know every command there is."""
    loaded: list[str] = []
    monkeypatch.setattr(program, "import_module", loaded.append)

    program.prepare(words)

    assert loaded == sorted({f"unheld.cli.{part}" for parts in program.PARTS.values() for part in parts})
