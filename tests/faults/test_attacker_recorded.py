"""Real runs under strace: what every byte ever written opens, in the sound store and in stores broken on purpose."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.attacked_run import FAULTS, OPERATOR, sealing_days
from unheld.testing import textfile
from unheld.testing.attacker import Attacker, Loot
from unheld.testing.planted import Planted, planted
from unheld.testing.recording import Recording
from unheld.testing.tracing import Strace
from unheld_verify import columns

REPOSITORY = Path(__file__).parents[2]
FORGETTING = ("old-root-kept", "slot-renamed", "slot-deleted", "split-keeps-key")


@dataclass(frozen=True)
class Run:
    """What was recorded of one run, and who was forgotten in it."""

    recording: Recording
    forgotten: str
    truth: Planted

    def loot(self) -> Loot:
        return Attacker(self.recording, OPERATOR).closure()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    OPERATOR.write(folder)
    textfile.write(OPERATOR.day(OPERATOR.first_day).slice(0, 20), folder / "few.csv")
    return folder


@contextmanager
def recording() -> Iterator[Strace]:
    if shutil.which("strace") is None:
        assert not os.environ.get("CI"), "strace is missing: .ci installs it"
        pytest.skip("strace is not installed: nothing can be recorded here")
    with Strace() as recorder:
        yield recorder


@contextmanager
def recorded(folder: Path, sources: Path, fault: str) -> Iterator[Run]:
    with recording() as recorder:
        command = [sys.executable, "-m", "tests.support.attacked_run", str(folder), str(sources), fault]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
        done = recorder.run(command, environment)
        assert done.returncode == 0, done.stderr
        truth = planted(OPERATOR, sealing_days(fault), columns.LIFETIME_DEFAULTS)
        yield Run(recorder.recording(), done.stdout.strip(), truth)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Iterator[Run]:
    with recorded(tmp_path_factory.mktemp("run"), sources, "none") as run:
        yield run


def test_one_forgotten_party_is_gone_and_the_rest_opens(sound: Run) -> None:
    """With every byte ever written and every key left, the forgotten party's folios stay shut; all others open."""
    loot = sound.loot()

    gone, rest = loot.figures(sound.truth.of([sound.forgotten])), loot.figures(sound.truth.but([sound.forgotten]))
    assert (gone.folios_tried > 0, gone.opened) == (True, 0)
    assert rest.opened == rest.folios_tried > 0


def test_every_generation_was_recorded(sound: Run) -> None:
    """The recorder misses no commit: it holds a root node of every generation, of the store and of its copy."""
    generations = sorted(generation for generation, _ in sound.recording.roots)

    last = generations[-1]
    assert generations == sorted([*range(1, last + 1)] * 2)


def test_no_planted_identity_ever_reached_the_disk(sound: Run) -> None:
    """From registry and records to parking, publishing and forgetting, no number or name was written in clear."""
    assert sound.recording.betrayals(OPERATOR) == 0


def test_planted_identities_are_found_where_they_are(tmp_path: Path, sources: Path) -> None:
    """The search that finds nothing in a store finds the identities in the files that were taken in."""
    with recording() as recorder:
        script = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())"
        for number, source in enumerate([*sorted(sources.glob("cdr-*.csv")), sources / "registry.csv"]):
            recorder.run([sys.executable, "-c", script, str(source), str(tmp_path / f"{number}")])

        assert recorder.recording().betrayals(OPERATOR) == 3


def test_a_seized_branch_reads_no_closed_day(sound: Run) -> None:
    """Without the custodians' slots, nothing of a closed day opens, though the root of today is held."""
    loot = Attacker(sound.recording.without_slots("*/s.custodian-slots/*"), OPERATOR).closure()

    assert loot.counts["party-key"] > 0
    assert loot.figures(sound.truth).opened == 0


@pytest.mark.parametrize(
    "fault", [FORGETTING[0], *(pytest.param(fault, marks=pytest.mark.slow) for fault in FORGETTING[1:])]
)
def test_a_forgetting_that_is_none_is_caught(fault: str, tmp_path: Path, sources: Path) -> None:
    """A slot that keeps, renames or deletes, and a node key that outlives a split: the forgotten party opens."""
    with recorded(tmp_path, sources, fault) as run:
        figures = run.loot().figures(run.truth.of([run.forgotten]))

        assert figures.opened == figures.folios_tried > 0


def test_components_in_a_log_are_caught(tmp_path: Path, sources: Path) -> None:
    """Where a debug log printed the open day's keys, a branch seized without custodians reads closed days."""
    with recorded(tmp_path, sources, "components-logged") as run:
        seized = run.recording.without_slots("*/s.custodian-slots/*", "*/open.slot")
        figures = Attacker(seized, OPERATOR).closure().figures(run.truth.but([run.forgotten]))

        assert figures.opened == figures.folios_tried > 0


def test_a_plaintext_spill_is_caught(tmp_path: Path, sources: Path) -> None:
    """A file of records that was written and removed again is found among what the disk ever held."""
    with recorded(tmp_path, sources, "spilled") as run:
        assert run.recording.betrayals(OPERATOR) > 0


def test_every_fault_is_tested() -> None:
    """No fault of the run is left out here."""
    assert set(FAULTS) == {"none", *FORGETTING, "components-logged", "spilled"}
