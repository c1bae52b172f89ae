"""The wheel of unheld-verify alone: what a court installs needs nothing else of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases import made_case

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "vectors" / "log.json").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of unheld-verify, built from the tree."""
    out = tmp_path_factory.mktemp("wheel")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None and not os.environ.get("CI"):
        pytest.skip("uv is not on this machine, and the wheel is built with it")
    assert uv is not None
    built = subprocess.run(
        [uv, "build", "--wheel", "--out-dir", str(out), str(ROOT / "packages" / "unheld-verify")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return next(out.glob("*.whl"))


@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "packages").iterdir()) if path.is_dir()])
def test_every_package_carries_licence_and_readme(name: str) -> None:
    """What is installed says under which licence, the repository's, and what it is."""
    folder = ROOT / "packages" / name
    metadata = (folder / "pyproject.toml").read_text()

    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    assert 'license-files = ["LICENSE"]\nreadme = "README.md"\n' in metadata


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a fresh environment that holds the wheel, and of this one only what is not ours."""
    place = tmp_path_factory.mktemp("court")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    site = next((place / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in ("cryptography", "cffi", "_cffi_backend*", "pycparser"):
        for found in Path(sysconfig.get_path("platlib")).glob(name):
            (site / found.name).symlink_to(found)
    return place / "bin" / "python"


def _run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(python), *words], capture_output=True, text=True, check=False, env=env, cwd=python.parent
    )


def test_wheel_needs_cryptography_only(wheel: Path) -> None:
    """The wheel's metadata names one dependency and one command."""
    with zipfile.ZipFile(wheel) as archive:
        folder = next(name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
        commands = archive.read(f"{folder}/entry_points.txt").decode()
        assert archive.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()

    assert [need.split(">")[0] for need in metadata.get_all("Requires-Dist", [])] == ["cryptography"]
    assert "unheld-verify = unheld_verify.cli:main" in commands
    assert str(metadata.get_payload()).startswith("# unheld-verify\n")
    assert metadata.get_all("License-File") == ["LICENSE"]


def test_nothing_else_of_ours_is_importable_beside_it(alone: Path) -> None:
    """In the fresh environment no other package of unheld can be imported."""
    code = (
        "import importlib.util as u; print([n for n in "
        "('unheld', 'unheld_slots', 'unheld_branch', 'unheld_custodian', 'numpy') if u.find_spec(n)])"
    )

    assert _run(alone, "-c", code).stdout == "[]\n"


def test_every_module_of_the_wheel_imports_alone(alone: Path) -> None:
    """Each module loads with nothing but the standard library and cryptography."""
    code = (
        "import importlib, pkgutil, sys, unheld_verify as p\n"
        "names = [m.name for m in pkgutil.iter_modules(p.__path__)]\n"
        "[importlib.import_module('unheld_verify.' + name) for name in names]\n"
        "known = set(sys.stdlib_module_names) | {'unheld_verify', 'cryptography', 'cffi', '_cffi_backend'}\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} - known - {'__main__'}), len(names) > 8)"
    )

    done = _run(alone, "-c", code)

    assert done.stdout.strip().endswith("True"), done.stderr
    assert "unheld" not in done.stdout


def test_receipts_verify_with_the_wheel_alone(alone: Path, tmp_path: Path) -> None:
    """The command checks a good and a false receipt with nothing else of ours installed."""
    (tmp_path / "good").write_text(VECTORS["receipts"][0]["receipt"])
    (tmp_path / "false").write_text(VECTORS["bad_receipts"][0]["receipt"])
    command = ("-m", "unheld_verify.cli", "--log-key", VECTORS["vkey"])

    assert _run(alone, *command, str(tmp_path / "good")).returncode == 0
    assert _run(alone, *command, str(tmp_path / "false")).returncode == 20


def test_papers_and_case_folders_verify_with_the_wheel_alone(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paper, a case folder and the log in it are checked with nothing else of ours installed."""
    papers = json.loads((ROOT / "vectors" / "paper.json").read_text())
    (tmp_path / "paper.json").write_text(papers["papers"][1]["paper"])
    case = made_case(tmp_path / "s", monkeypatch)
    case.build(tmp_path / "case")
    key = case.deployment.policy().log_key

    paper = _run(alone, "-m", "unheld_verify.cli", "--log-key", papers["vkey"], str(tmp_path / "paper.json"))
    folder = _run(alone, "-m", "unheld_verify.cli", "--log-key", key, str(tmp_path / "case"))
    log = _run(alone, "-m", "unheld_verify.cli", "--log-key", key, str(tmp_path / "case" / "data" / "log"))

    assert (paper.returncode, folder.returncode, log.returncode) == (0, 0, 0), folder.stdout
    assert "ok 8 meaning: The case folder is whole" in folder.stdout
    assert "ok 6 promises: standstills published: 1; " in log.stdout


def test_wheel_says_its_version(alone: Path) -> None:
    """A report can name the version that checked."""
    assert _run(alone, "-m", "unheld_verify.cli", "--version").stdout == "unheld-verify 0.2.0\n"
