"""Promises of `deploy/`: the files name commands that exist, and close what they say they close."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from unheld_custodian.__main__ import _parser
from unheld_verify.errors import WrongKeyError

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))


def unit(path: Path) -> configparser.ConfigParser:
    """A unit file; keys that stand twice keep their last value."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parsed.optionxform = str  # type: ignore[assignment,method-assign] # systemd's keys have capitals
    parsed.read_string(path.read_text("utf-8"))
    return parsed


def scripts() -> set[str]:
    """Every command that a package installs."""
    projects = (tomllib.loads(path.read_text("utf-8")) for path in ROOT.glob("packages/*/pyproject.toml"))
    return {name for project in projects for name in project["project"].get("scripts", {})}


def instruction(name: str) -> list[str]:
    """The values of an instruction of the container file, in order."""
    text = (DEPLOY / "Containerfile").read_text("utf-8").replace("\\\n", "")
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def test_there_is_a_unit_for_each_service() -> None:
    """Custodian, branch and copy run as services."""
    assert [path.stem for path in UNITS] == ["unheld-branch", "unheld-copy", "unheld-custodian"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_a_command_that_is_installed(path: Path) -> None:
    """What a unit starts is a script of its package, under the folder that the guide installs to."""
    words = shlex.split(unit(path)["Service"]["ExecStart"])
    program = "unheld-branch" if path.stem == "unheld-copy" else path.stem

    assert words[0] == f"/opt/unheld/bin/{program}"
    assert program in scripts()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_closes_what_a_secret_could_leave_by(path: Path) -> None:
    """No swap, no core file, no other user, no other folder, no new privileges."""
    service = unit(path)["Service"]

    assert service["User"] == path.stem
    assert (service["MemorySwapMax"], service["LimitCORE"]) == ("0", "0")
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    assert (service["PrivateTmp"], service["CapabilityBoundingSet"]) == ("yes", "")
    assert (service["StateDirectory"], service["StateDirectoryMode"]) == (path.stem, "0700")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_service_with_a_wrong_pin_is_not_started_again(path: Path) -> None:
    """Each start would cost one of the few tries that a token gives."""
    assert unit(path)["Service"]["RestartPreventExitStatus"] == str(WrongKeyError.exit_code)


def test_the_branchs_unit_lets_it_tell_one_boot_from_another() -> None:
    """Without /proc/sys a clock that is set back at a reboot would keep the day's keys for longer."""
    assert "ProcSubset" not in unit(DEPLOY / "unheld-branch.service")["Service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_reads_a_unit_without_a_word(path: Path, tmp_path: Path) -> None:
    """No key is unknown to systemd, and no value."""
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("CI"), "systemd is missing: apt-get install systemd"
        pytest.skip("systemd is not installed here: its own check of the unit files cannot run")
    here = tmp_path / path.name
    here.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", path.read_text("utf-8")))
    told = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)

    assert (told.returncode, [line for line in told.stderr.splitlines() if path.name in line]) == (0, [])


def test_the_custodians_unit_is_called_as_the_command_is() -> None:
    """The words after the command are ones that it takes, and its folder lies in the unit's own."""
    call = _parser().parse_args(shlex.split(unit(DEPLOY / "unheld-custodian.service")["Service"]["ExecStart"])[1:])

    assert call.folder.parent == Path("/var/lib/unheld-custodian")
    assert call.page.startswith("127.0.0.1:")


def test_the_container_is_called_as_the_command_is() -> None:
    """Entry point and words make one call that the command takes, by a user that is not root."""
    entry, words = json.loads(instruction("ENTRYPOINT")[-1]), json.loads(instruction("CMD")[-1])
    call = _parser().parse_args(words)

    assert entry == ["/opt/unheld/bin/unheld-custodian"]
    assert str(call.folder.parent) in json.loads(instruction("VOLUME")[-1])
    assert int(instruction("USER")[-1].split(":")[0]) > 0


def test_the_container_takes_nothing_else_of_the_folder_it_is_built_in() -> None:
    """A store or a slot that lies in the checkout gets into no layer of an image."""
    taken = [words for words in instruction("COPY") if not words.startswith("--from=")]

    assert taken == ["pyproject.toml uv.lock /source/", "packages /source/packages"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("packages/*/pyproject.toml")), ids=lambda path: path.parent.name)
def test_installing_again_installs_what_is_there(path: Path) -> None:
    """Without its sources among the cache's keys uv would take a program for the same that was built before."""
    keys = tomllib.loads(path.read_text("utf-8"))["tool"]["uv"]["cache-keys"]

    assert [key["file"] for key in keys] == ["pyproject.toml", "src/**/*"]


def test_the_guide_names_commands_that_exist() -> None:
    """Every `unheld-custodian` call in the guide is one that the command takes."""
    text = (DEPLOY / "README.md").read_text("utf-8")
    calls = re.findall(r"unheld-custodian ((?:serve|page|status|freeze)\b[^\n`]*?)(?:   .*)?$", text, re.MULTILINE)

    assert len(calls) >= 5
    for call in calls:
        assert _parser().parse_args(shlex.split(call)).folder
