"""A software token for tests: SoftHSM2 with a folder of its own, and what anybody else sees of its objects.

token = soft_token(tmp_path, monkeypatch)
slot = create_slot(token.uri("root"))
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from unheld_slots.pkcs11 import pin

PIN = "913 57;&?%=z"
_MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
# A program of its own that shares no code with the slots: every object as [class, label, id of a key or value in hex].
_LIST = """
import json, os, sys, pkcs11
from pkcs11 import Attribute as A, ObjectClass as C
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
with token.open(user_pin=os.environ["PIN"]) as session:
    print(json.dumps([[o[A.CLASS].name, o[A.LABEL], o[A.ID if o[A.CLASS] is C.SECRET_KEY else A.VALUE].hex()]
                      for o in session.get_objects()]))
"""
# Other hands in the token: code that is given `session`, `A`, `C` and the pkcs11 module.
_DO = """
import os, sys, pkcs11
from pkcs11 import Attribute as A, KeyType, ObjectClass as C
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
with token.open(rw=True, user_pin=os.environ["PIN"]) as session:
    exec(sys.argv[3])
"""


@dataclass(frozen=True)
class SoftToken:
    """One initialised token; `folder` is all of it, so taking the folder away takes the token out."""

    folder: Path
    pin_file: Path
    label: str

    def uri(self, name: str) -> str:
        """The URI of a slot in it."""
        return f"pkcs11:token={self.label};object={name}?module-path={_MODULE}&pin-source=file:{self.pin_file}"

    def objects(self) -> list[list[str]]:
        """[class, label, id or value] of every object, sorted, as another program lists them."""
        return sorted(json.loads(self._run(_LIST)))

    def keys(self, name: str) -> list[int]:
        """The generations of which a key of that slot is in the token."""
        return [int(id_[32:], 16) for kind, label, id_ in self.objects() if (kind, label) == ("SECRET_KEY", name)]

    def values(self, name: str) -> list[bytes]:
        """The data objects of that slot."""
        return [bytes.fromhex(value) for kind, label, value in self.objects() if (kind, label) == ("DATA", name)]

    def files(self) -> int:
        """How many object files SoftHSM has on the disk."""
        return len(list(self.folder.rglob("*.object"))) - len(list(self.folder.rglob("token.object")))

    def meddle(self, code: str) -> None:
        """Change objects behind the slot's back."""
        self._run(_DO, code)

    def take_out(self) -> None:
        """Remove the token."""
        self.folder.rename(self.folder.with_name("away"))
        self.folder.mkdir()

    def twin(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
        """A copy of the whole token under `tmp_path`, used from now on: a snapshot of SoftHSM opens like the token."""
        folder = Path(shutil.copytree(self.folder.parent, tmp_path / "hsm")) / "tokens"
        _use(folder, monkeypatch)
        return SoftToken(folder, folder.with_name("pin"), self.label)

    def put_back(self) -> None:
        """Put it in again, unless it is."""
        if (away := self.folder.with_name("away")).exists():
            shutil.rmtree(self.folder)
            away.rename(self.folder)

    def _run(self, program: str, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-I", "-c", program, str(_MODULE), self.label, *arguments],
            check=True, text=True, stdout=subprocess.PIPE, env={**os.environ, "PIN": PIN},
        ).stdout  # fmt: skip


def soft_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str = "unheld") -> SoftToken:
    """A new token under `tmp_path`. Without SoftHSM2 the test is skipped, and fails in CI."""
    if shutil.which("softhsm2-util") is None or not _MODULE.exists():
        if os.environ.get("CI"):
            pytest.fail("softhsm2 is missing: apt-get install softhsm2")
        pytest.skip("softhsm2 is missing: apt-get install softhsm2")
    folder = tmp_path / "hsm" / "tokens"
    folder.mkdir(parents=True)
    _use(folder, monkeypatch)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    pin_file = tmp_path / "hsm" / "pin"
    pin_file.write_text(PIN + "\n")
    pin_file.chmod(0o600)
    return SoftToken(folder, pin_file, label)


def _use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = folder.with_name("softhsm2.conf")
    conf.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(conf))
    monkeypatch.setattr(pin, "_given", {})  # as a process that starts: twins have one serial number
    monkeypatch.setattr(pin, "_refused", set())
