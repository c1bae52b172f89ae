"""The story of 2021 for many seeds, and with mistakes built in: the left finds, the right has nothing, faults show."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.story import tiny
from unheld.demo.measures import Measure, Story
from unheld.demo.sealed_network import SealedNetwork
from unheld.testing import recorder
from unheld.workflows import leave
from unheld.workflows.leave import Dropped
from unheld_branch.workflows.apply import Applied
from unheld_slots.slot import FileSlot
from unheld_verify.errors import StateError

SEEDS = [
    1,
    *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 4)),
    *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 16)),
]
ZERO = {
    (1, "in the country: people tied to a name and an identity paper"),
    (1, "in the country: days of people's lives, readable"),
    (1, "anywhere: of one person who was forgotten"),
    (2, "people given away"),
    (2, "days of their lives given away"),
    (2, "a missing person: what the branch alone can give"),
    (3, "readable at noon: days that are over"),
    (3, "readable at noon: people tied to a name and an identity paper"),
    (4, "records of calls that the buyer reads"),
    (4, "days of people's lives that the buyer reads"),
    (4, "people tied to a name and an identity paper"),
    (4, "a large tree: rows that a backup opens after the drop"),
}


def red(story: Story) -> set[tuple[int, str]]:
    return {(measure.scene, measure.measure) for measure in story.broken}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_left_finds_and_the_right_has_nothing(tmp_path: Path, seed: int) -> None:
    """In every network each row that must be zero is so on the right, and is found on the left by the same code."""
    story = tiny(tmp_path / "demo", seed)
    zero = [measure for measure in story.measures if measure.must_be_zero]

    assert story.kept
    assert {(measure.scene, measure.measure) for measure in zero} == ZERO
    assert all(isinstance(row.left, int) and row.left > 0 and row.right == 0 for row in zero)


def row(story: Story, scene: int, begins: str) -> Measure:
    (found,) = (one for one in story.measures if one.scene == scene and one.measure.startswith(begins))
    return found


@pytest.mark.slow
def test_what_is_not_protected_is_shown(tmp_path: Path) -> None:
    """The right's figures are not all zero: until it lapses the past opens for all custodians, and today for root."""
    story = tiny(tmp_path / "demo", 20)

    everywhere = row(story, 1, "anywhere, all three custodians seized")
    today = row(story, 3, "readable at noon: today")

    assert isinstance(everywhere.right, int)
    assert everywhere.right > 0
    assert today.right == today.left != 0


def test_a_source_left_lying_turns_red(tmp_path: Path) -> None:
    """Where the plain source files stay after sealing, nothing is gained, and the demo says so."""
    with patch.object(SealedNetwork, "drain", lambda _: None):
        story = tiny(tmp_path / "demo", 21)

    assert red(story) >= ZERO - {(4, "a large tree: rows that a backup opens after the drop")}


@pytest.mark.slow
def test_custodians_in_the_country_turn_red(tmp_path: Path) -> None:
    """Where the custodians stand beside the branch, its past is readable there."""
    inside = vars(SealedNetwork)["country"].fget
    with patch.object(SealedNetwork, "country", property(lambda self: (*inside(self), *self.abroad))):
        story = tiny(tmp_path / "demo", 22)

    assert {scene for scene, _ in red(story)} == {1, 2, 3}
    assert (1, "in the country: days of people's lives, readable") in red(story)


@pytest.mark.slow
def test_a_backup_with_the_slots_turns_red(tmp_path: Path) -> None:
    """Where backups hold the slots too, the buyer reads what was forgotten."""
    with patch.object(recorder, "SLOT_SUFFIX", ".nothing-is-called-so"):
        story = tiny(tmp_path / "demo", 23)

    assert red(story) >= {
        (1, "anywhere: of one person who was forgotten"),
        (4, "records of calls that the buyer reads"),
        (4, "days of people's lives that the buyer reads"),
        (4, "people tied to a name and an identity paper"),
    }


def old_half_kept(slot: FileSlot, generation: int) -> None:
    """Mark the old half of a slot as free and leave the secret in it."""
    with slot.path.open("r+b") as file:
        file.seek(generation % 2 * 4096)
        file.write(bytes(8))


def test_a_key_that_is_not_overwritten_turns_red(tmp_path: Path) -> None:
    """Where destroying a key only says that it is destroyed, the forgetting is found out."""
    with patch.object(FileSlot, "destroy", old_half_kept):
        story = tiny(tmp_path / "demo", 24)

    assert (1, "anywhere: of one person who was forgotten") in red(story)


@pytest.mark.slow
def test_a_drop_that_is_not_applied_gets_no_certificate(tmp_path: Path) -> None:
    """Where the drop only says that it was done, the demo ends there: there is no certificate to show."""
    done = Dropped(Applied("everything", 60, 0, 3, 1.0), "file", 2, 8)

    with patch.object(leave, "drop", lambda *_: done), pytest.raises(StateError, match="held"):
        tiny(tmp_path / "demo", 25)
