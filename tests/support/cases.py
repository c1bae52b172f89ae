"""A deployment with something to prove, and case folders of it."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import ALICE, BOB
from tests.support.stores import TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.exit import casefolder, issuing
from unheld.exit.casefolder import Built, Wanted
from unheld.ledger import Ledger
from unheld_verify import receipt, statement, tiles
from unheld_verify.note import Key
from unheld_verify.receipt import Party

TODAY = "2026-07-02"


@dataclass(frozen=True)
class Case:
    """A deployment whose store is gone; `alice` and `bob` were named in a demand that was refused."""

    made: TestStore
    alice: Party
    bob: Party

    @property
    def deployment(self) -> Deployment:
        """The folders of it."""
        return self.made.deployment

    @property
    def key(self) -> Key:
        """The log's key."""
        return self.deployment.log_key()

    def receipt(self, path: Path, party: Party | None) -> Path:
        """Write the receipt of the demand's end."""
        log = tiles.open_log(str(self.deployment.log))
        opening = receipt.opening_of(party or self.alice, log, self.key)
        path.write_bytes(receipt.complete(opening, party, log, self.key))
        return path

    def build(self, out: Path, **wanted: object) -> Built:
        """A case folder of alice's, unless `wanted` says otherwise."""
        given = {"log": self.deployment.log, "key": self.key, "party": self.alice, "deployment": self.deployment}
        return casefolder.build(out, Wanted(**(given | wanted)), TODAY)  # type: ignore[arg-type]


def made_case(folder: Path, monkeypatch: pytest.MonkeyPatch, *, broken: bool = False) -> Case:
    """A store that was forgotten whole and is gone, a demand refused, a standstill, a paper; perhaps a breach."""
    made = made_store(folder)
    made.open_day(date(2026, 7, 1))
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))
    made.everything()
    policy, ledger = made.deployment.policy(), Ledger(made.deployment.ledger)
    tree = receipt.party_tree([f"tel:{ALICE}", f"tel:{BOB}"], policy.store_id.hex(), says="named")
    common = {"demand": "1a" * 16, "root": tree.root.hex(), "leaves": tree.leaves}
    said: list[tuple[str, dict[str, Any]]] = [
        ("demand-received", {**common, "authority": "Ministry of Roads", "asks": ["traffic"], "targets": 2}),
        ("demand-refused", {**common, "codes": ["DeFactoImpossibility"]}),
        ("standstill", {"group": "w-7f3a.example", "digest": "00" * 32, "begins": "2026-07-01", "ends": "2026-07-31"}),
    ]
    for kind, fields in said:
        ledger.post(statement.commit(statement.make(policy.origin, kind, "2026-07-01", **fields)))
    issuing.issue(made.deployment, issuing.draft(made.deployment, "buyer-record", {"buyer": "Example Holding"}))
    if broken:
        issuing.issue(made.deployment, issuing.draft(made.deployment, "manifest", {"receives": []}))
    made.publish()
    shutil.rmtree(made.root)
    return Case(made, *tree.parties)


def _link(folder: Path) -> None:
    (folder / "data/link").symlink_to("/etc/hostname")


def _folder_link(folder: Path) -> None:
    (folder / "data/letters").rename(folder.parent / "elsewhere")
    (folder / "data/letters").symlink_to(folder.parent / "elsewhere")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "data/pipe")


def _fetch(folder: Path) -> None:
    (folder / "fetch.txt").write_text("https://example.org/x 1 data/x\n")


def _other_version(folder: Path) -> None:
    (folder / "bagit.txt").write_text("BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n")


def _out_of_it(folder: Path) -> None:
    path = folder / "manifest-sha256.txt"
    path.write_text(path.read_text() + f"{'0' * 64}  data/../../../etc/hostname\n")


def _twice(folder: Path) -> None:
    path = folder / "manifest-sha256.txt"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")


def _no_oxum(folder: Path) -> None:
    path = folder / "bag-info.txt"
    path.write_text(re.sub("Payload-Oxum.*\n", "", path.read_text()))


def _deep(folder: Path) -> None:
    (folder / "data" / "/".join("abcdefghijkl")).mkdir(parents=True)


SPOILERS = (_link, _folder_link, _pipe, _fetch, _other_version, _twice, _no_oxum, _out_of_it, _deep)
"""What makes of a case folder something that is none."""
