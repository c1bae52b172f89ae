"""The wheels of a branch, installed alone: nothing in them can plan, refuse, release, approve or open a closed day."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("unheld-verify", "unheld-slots", "unheld-branch")
FORBIDDEN = {
    "approve", "approved", "decide", "decision", "disclose", "evaluation", "plan", "query", "refuse", "refusing",
    "release", "released", "reopen", "search",
}  # fmt: skip
KNOWN = {
    "unheld_branch.keys.parties.root: step_plan_key": "ends every plan that was made before",
    "unheld_branch.store.journal: _copy_released": "reads that headquarters waits for a copy no longer",
    "unheld_branch.log.outbox: _plan": "which entry of the log a statement becomes",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of what is installed at a branch, built from the tree."""
    out = tmp_path_factory.mktemp("wheels")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None and not os.environ.get("CI"):
        pytest.skip("uv is not on this machine, and the wheels are built with it")
    assert uv is not None
    for name in OURS:
        built = subprocess.run(
            [uv, "build", "--wheel", "--out-dir", str(out), str(ROOT / "packages" / name)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert built.returncode == 0, built.stderr
    return sorted(out.glob("*.whl"))


@pytest.fixture(scope="module")
def alone(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a fresh environment that holds the wheels, and of this one only what is not ours."""
    place = tmp_path_factory.mktemp("branch")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    site = next((place / "lib").glob("python*/site-packages"))
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    for found in Path(sysconfig.get_path("platlib")).iterdir():
        if "unheld" not in found.name and not (site / found.name).exists():
            (site / found.name).symlink_to(found)
    return place / "bin" / "python"


def _run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(python), *words], capture_output=True, text=True, check=False, env=env, cwd=python.parent
    )


def _source(wheels: list[Path]) -> dict[str, ast.Module]:
    wheel = next(path for path in wheels if path.name.startswith("unheld_branch"))
    with zipfile.ZipFile(wheel) as archive:
        return {
            name.removesuffix(".py").replace("/", "."): ast.parse(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".py")
        }


def test_a_branch_needs_neither_headquarters_nor_a_custodian(wheels: list[Path]) -> None:
    """No wheel of a branch names either as something that it needs."""
    needs = set()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            name = next(item for item in archive.namelist() if item.endswith(".dist-info/METADATA"))
            needs |= set(Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", []))

    ours = {need.split(";")[0].strip() for need in needs if need.startswith("unheld")}
    assert ours == {"unheld-verify", "unheld-slots"}


def test_every_module_imports_and_nothing_of_headquarters_is_there(alone: Path) -> None:
    """With the three wheels alone each module loads, and neither headquarters nor a custodian can be imported."""
    code = (
        "import importlib, importlib.util as u, json, pkgutil, unheld_branch as p\n"
        "names = [m.name for m in pkgutil.walk_packages(p.__path__, 'unheld_branch.')]\n"
        "[importlib.import_module(name) for name in names]\n"
        "print(json.dumps([len(names), [n for n in ('unheld', 'unheld_custodian') if u.find_spec(n)]]))"
    )

    done = _run(alone, "-c", code)

    assert done.returncode == 0, done.stderr
    count, others = json.loads(done.stdout)
    assert count > 60
    assert others == []


def test_no_name_in_a_branch_is_of_a_decision(wheels: list[Path]) -> None:
    """No module, class or function at a module's top says plan, refuse, release, approve, search or the like."""
    found = set()
    for module, tree in _source(wheels).items():
        named = [module, *(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))]
        for name in named:
            words = set(name.rpartition(".")[2].strip("_").lower().split("_"))
            if words & FORBIDDEN:
                found.add(f"{module}: {name}")

    assert found == set(KNOWN)


def test_nothing_in_a_branch_signs_a_plan_or_speaks_as_headquarters(wheels: list[Path]) -> None:
    """No call makes a plan or signs one, and no ask is made in headquarters' name or for an evaluation."""
    found = set()
    for module, tree in _source(wheels).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                found |= {f"{module}: {called}"} if called in {"Plan", "signed", "next_link", "day_key"} else set()
            if isinstance(node, ast.Name | ast.Attribute | ast.alias):
                name = getattr(node, "id", getattr(node, "attr", getattr(node, "name", "")))
                found |= {f"{module}: {name}"} if name == "HEADQUARTERS" else set()
            if isinstance(node, ast.Constant) and node.value in {"beat", "evaluate", "grant", "thaw", "retire"}:
                found.add(f"{module}: {node.value}")

    assert found == set()


def test_the_words_of_the_command_are_the_steps_of_a_day(alone: Path) -> None:
    """`unheld-branch --help` runs, and every word of it is known here."""
    done = _run(alone, "-m", "unheld_branch", "--help")

    assert done.returncode == 0, done.stderr
    words = done.stdout.partition("{")[2].partition("}")[0].split(",")
    assert words == [
        "run",
        "open",
        "close",
        "lapse",
        "ingest",
        "park",
        "unpark",
        "apply",
        "upgrade",
        "take-over",
        "copy",
    ]
