"""What the packages import, where import-linter has no word for it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / "packages"
ALLOWED = {
    "unheld-verify": {"cryptography", "unheld_verify"},
    "unheld-slots": {"unheld_slots", "unheld_verify", "pkcs11"},  # pkcs11: an extra, for its worker alone
    # a small web server, and templates, for lines and the person's page
    "unheld-custodian": {"unheld_custodian", "unheld_slots", "unheld_verify", "jinja2", "starlette", "uvicorn"},
}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_what_a_court_or_a_custodian_installs_is_small(package: str) -> None:
    """Verifier, slots and custodian need the standard library and what is named here, nothing else."""
    found = {name for path in PACKAGES.glob(f"{package}/src/**/*.py") for name in _imported(path)}

    assert found - sys.stdlib_module_names - ALLOWED[package] == set()
