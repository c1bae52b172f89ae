"""Promises about what the receipt page takes from others."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from unheld import page

VENDOR = Path(page.__file__).parent / "vendor"
# Of the files that the lock's packages gave. To take newer ones in: change package.json, `npm install`,
# `npm run build` in a copy of the folder, copy the results back and read the difference.
DIGESTS = {
    "noble.js": "e17a5e9c1db58daa578ad04600e52c32cd67306dbcaeb1526ef715c601da4d00",
    "padauk.woff2": "fad9c7944d8a0de053e8f8683e0d710b97e428bea7c9bf9397f2b167e1f2acf9",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_vendored_files_are_unchanged(name: str) -> None:
    """A vendored file changes only together with its digest here."""
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == DIGESTS[name]


def test_lock_names_digests() -> None:
    """The lock names every package by version and SHA-512."""
    packages = json.loads((VENDOR / "package-lock.json").read_text("utf-8"))["packages"]
    assert [name for name, found in packages.items() if name and not found["integrity"].startswith("sha512-")] == []


@pytest.mark.long
def test_vendored_files_are_what_npm_gives(tmp_path: Path) -> None:
    """Built anew from the packages of the lock, the vendored files come out byte by byte."""
    npm = shutil.which("npm")
    assert npm is not None, "this test builds with npm: apt-get install npm"
    for name in ("package.json", "package-lock.json", "entry.js"):
        shutil.copy(VENDOR / name, tmp_path)
    install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    subprocess.run([npm, "run", "build"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert {name: (tmp_path / name).read_bytes() for name in DIGESTS} == {
        name: (VENDOR / name).read_bytes() for name in DIGESTS
    }
    noble = tmp_path / "node_modules" / "@noble"
    for name in ("ed25519", "hashes"):
        assert (noble / name / "LICENSE").read_bytes() == (VENDOR / f"LICENSE-noble-{name}").read_bytes()
