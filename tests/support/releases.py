"""A store of one release, kept for later ones to open: `python -m tests.support.releases` makes that of this release.

    tests/data/releases/VERSION/store.tar.xz    the store and everything beside it, slots and keys too: all is made up
    tests/data/releases/VERSION/manifest.json   what opens in it, and what must not

What happens in it is fixed; its keys are drawn anew each time. A release that changes a format makes its own and never
touches those of earlier ones.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support import calls as records
from tests.support.calls import ALICE, BOB, CAROL, Call
from tests.support.commands import Box, Ended
from tests.support.enrolling import line, take
from tests.support.journey import BUYER
from tests.support.stores import TestStore
from unheld.access import card
from unheld.assembly import Deployment
from unheld_branch.store import files
from unheld_verify import columns
from unheld_verify import plan as plans

PLACE = Path(__file__).parents[1] / "data" / "releases"
FIRST, SECOND, THIRD = (date(2026, 7, 1) + timedelta(days=number) for number in range(3))
DAVE, ERIN = "+99944444444", "+99955555555"
MAPPING = Path(__file__).parents[2] / "examples" / "mappings" / "synthetic.toml"
HELD = {
    ALICE: {"charge": 5, "contact": 5, "place": 2},
    BOB: {"charge": 2, "contact": 2, "place": 1},
    CAROL: {},
    DAVE: {},
}
"""How many records of each class open for whom, the open day's among them. DAVE's are parked, CAROL was forgotten, and
so were the places of the first day."""


@dataclass(frozen=True)
class Kept:
    """A store of a release, unpacked: a test may do with it what it likes."""

    version: str
    manifest: dict[str, Any]
    made: TestStore

    @property
    def box(self) -> Box:
        """The command line on it, a moment after its last act."""
        return Box(self.made.folder, THIRD, seconds=80_000)


def versions() -> list[str]:
    """The releases of which a store is kept. Never none: then nothing would be tested."""
    found = sorted(path.name for path in PLACE.iterdir() if (path / "manifest.json").is_file())
    assert found, f"{PLACE}: no store of any release"
    return found


def unpacked(version: str, folder: Path) -> Kept:
    """The store of a release in a folder of its own."""
    with tarfile.open(PLACE / version / "store.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    manifest = json.loads((PLACE / version / "manifest.json").read_text("utf-8"))
    return Kept(version, manifest, TestStore(folder, Deployment(folder / "s"), manifest["now"]))


@contextmanager
def _small() -> Iterator[None]:
    """Little padding: 10,000 random blocks a delivery do not go into a repository. No reader counts them."""
    with patch.object(files, "LEAST_BLOCKS_A_BATCH", 12), patch.object(files, "_LEAST_BLOCKS", 4):
        yield


class _Life:
    """Three days of a network of four people."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.box = folder, Box(folder, FIRST, seconds=80_000)
        self.made = TestStore(folder, Deployment(folder / "s"), columns.day_of(FIRST) * 86_400 + 80_000)

    def call(self, *words: str | Path) -> Ended:
        """A command that ends well."""
        ended = self.box(*words)
        assert ended.code == 0, (words, ended)
        return ended

    def day(self, when: date) -> None:
        """Go on to a day, and open it."""
        self.box.when = when
        self.made.set_clock(when, 80_000)
        self.call("day", "open")

    def take_in(self, *given: Call) -> None:
        """Deliver calls."""
        self.made.ingest(records.calls(*given))

    def live(self) -> None:
        """All of it."""
        pinned = ("--late-days", "3", "--home", "MM", "--origin", "store.example/unheld")
        self.call("init", "--custodians", "3", "--threshold", "2", *pinned)
        self.call("inventory", "add", "mediation", "--owner", "network operations", "--holds", "CDRs")
        self._first()
        self._second()
        self._third()

    def _first(self) -> None:
        self.day(FIRST)
        given = card.new()
        (self.folder / "card.txt").write_text(given.text())
        take(self.made, line(given.public), line(holder="H2", number=BOB), line(holder="H3", number=CAROL))
        self.take_in(Call(ALICE), Call(ALICE, second=7200, to=CAROL), Call(BOB, to=ALICE), Call(CAROL, to=ALICE))
        self.take_in(Call(ALICE, second=9000))
        self.call("day", "close")

    def _second(self) -> None:
        self.day(SECOND)
        self.take_in(Call(ALICE, SECOND), Call(BOB, SECOND, to=CAROL), Call(CAROL, SECOND), Call(CAROL, FIRST, 50))
        self._demand()
        self._forget()
        self.call("day", "close")

    def _third(self) -> None:
        self.box.when = THIRD
        self.made.set_clock(THIRD, 80_000)
        self.made.park(records.calls(Call(DAVE, THIRD)))
        self.day(THIRD)
        self.take_in(Call(ALICE, THIRD))
        self._paper()
        self.call("log", "publish")
        self.call("log", "prove", "--kind", "close", "--out", self.folder / "close.tlog-proof")
        self.call("exit", "proofs", "--out", self.folder / "papers")

    def _demand(self) -> None:
        listed = self.folder / "lines.txt"
        listed.write_text(f"{ALICE}\n{BOB}\n")
        named = ("--authority", "Ministry", "--authority-kind", "ministry", "--asks", "location")
        window = ("--begins", str(FIRST), "--ends", str(SECOND), "--basis", "MM-31-2013-77", "--by", "Anna")
        self.call("demand", "receive", *named, *window, "--targets", listed)
        [demand] = (self.made.deployment.register / "demands").iterdir()
        self.call("demand", "check", demand.name)
        self.call("demand", "refuse", demand.name, "--code", "MultipleTargets", "--by", "Anna")
        listed.unlink()

    def _forget(self) -> None:
        number, plan = self.folder / "carol.txt", self.folder / "carol.plan"
        number.write_text(CAROL)
        planned = self.call("erase", "plan", "--file", number, "--out", plan, "--json").document
        self.call("erase", "apply", plan, "--confirm", planned["digest"])
        self.call("log", "publish")
        code, proof = self.folder / "code.txt", self.folder / "carol.tlog-proof"
        code.write_text(planned["claim_code"])
        self.call("receipt", "open", plan.with_suffix(".box"), "--code", f"@{code}", "--out", proof)
        places = self.folder / "places.plan"
        self.call("erase", "plan", "--day", str(FIRST), "--class", "place", "--out", places)
        self.call("erase", "apply", places, "--confirm", plans.decode(places.read_bytes()).digest)
        number.unlink()

    def _paper(self) -> None:
        form = self.folder / "buyer.toml"
        form.write_text(BUYER)
        self.call("exit", "buyer", "--form", form, "--out", self.folder / "buyer")


def make(place: Path) -> None:
    """Live three days and pack them."""
    place.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch, _small():
        folder = Path(scratch)
        life = _Life(folder)
        life.live()
        manifest = {
            "version": place.name,
            "now": life.made.now,
            "held": HELD,
            "parked": 1,
            "forgotten": [CAROL],
            "erased": [["place", str(FIRST)]],
            "closed": [str(FIRST), str(SECOND)],
            "open": str(THIRD),
        }
        with tarfile.open(place / "store.tar.xz", "w:xz", preset=9) as packed:
            for path in sorted(folder.rglob("*")):
                packed.add(path, path.relative_to(folder), recursive=False, filter=_nobodys)
        (place / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    make(PLACE / metadata.version("unheld"))
