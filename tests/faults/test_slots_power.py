"""The power goes after a write was cut short, or its sync failed: nothing is believed stored that the disk has not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.acts import ACTS, secrets
from tests.support.calls import Crash
from tests.support.platter import Platter
from tests.support.stores import Saved, TestStore, made_store
from unheld_branch.store.check import check
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify.errors import StateError, UnheldError

KINDS = ("dies", "fails")


def state_in(folder: Path) -> SealedState:
    return SealedState(folder, "thing", FileSlot.open(folder / "a.slot"))


def begun(folder: Path) -> SealedState:
    folder.mkdir()
    state = SealedState(folder, "thing", FileSlot.create(folder / "a.slot"))
    state.create(b"first")
    state.replace(b"old")
    return state


def syncs_of_a_replacement(folder: Path) -> int:
    state = begun(folder)
    with Platter(folder) as platter:
        state.replace(b"new")
        return platter.syncs


@pytest.mark.parametrize(
    ("kind", "same"),
    [("fails", True), ("fails", False), ("dies", False)],
    ids=["fails, same process", "fails, next process", "dies, next process"],
)
def test_what_is_read_after_a_failure_outlives_a_power_cut(tmp_path: Path, kind: str, same: bool) -> None:
    """Whoever goes on after a replacement that was broken at any sync reads what is there after the power went, too."""
    for at in range(1, syncs_of_a_replacement(tmp_path / "whole") + 1):
        folder = tmp_path / str(at)
        state = begun(folder)
        with Platter(folder) as platter:
            platter.fault = (at, kind)
            with pytest.raises((Crash, UnheldError)):
                state.replace(b"new")
            platter.fault = None
            went_on = state if same else state_in(folder)
            read, lives = went_on.load(), [live.secret for live in went_on.slot.live()]
            platter.cut()

            assert state_in(folder).load() == read, at
            assert [live.secret for live in state_in(folder).slot.live()] == lives, at


def test_a_key_that_was_called_destroyed_is_not_on_the_disk(tmp_path: Path) -> None:
    """A destruction whose sync failed, or never came, is done again before the slot says that the key is gone."""
    for kind in KINDS:
        folder = tmp_path / kind
        state = begun(folder)
        secret = state.slot.live()[0].secret
        with Platter(folder) as platter:
            state.slot.prepare(3, bytes(32))
            platter.fault = (platter.syncs + 1, kind)
            with pytest.raises((Crash, UnheldError)):
                state.slot.destroy(2)
            platter.fault = None
            said = [live.secret for live in FileSlot.open(folder / "a.slot").live()]
            platter.cut()

        held = (folder / "a.slot").read_bytes()
        assert (secret in said) == (secret in held)


def _broken(made: TestStore, name: str, at: int, kind: str) -> None:
    """Break an act at a sync, do it again, cut the power, and do it again."""
    before = secrets(made.folder)
    with Platter(made.folder) as platter:
        platter.fault = (at, kind)
        with suppress(Crash, UnheldError):
            ACTS[name].act(made)
        platter.fault = None
        with suppress(StateError):
            ACTS[name].act(made)
        ended = {which for which in before if which not in secrets(made.folder)}
        platter.cut()
    assert not ended & secrets(made.folder).keys(), "a key that was destroyed is back"
    with suppress(StateError):
        ACTS[name].act(made)
    with made.opened(write=True) as store:
        assert check(store).findings == ()


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "share"),
    [("close", 2), *(pytest.param(name, 4, marks=pytest.mark.slow) for name in ACTS if name != "custodian set")],
)
def test_an_act_whose_syncs_fail_is_whole_after_a_power_cut(tmp_path: Path, name: str, kind: str, share: int) -> None:
    """Repeated on what the system shows, and the power gone after it: nothing lost, no key back, the act done."""
    act = ACTS[name]
    made = made_store(tmp_path / "m")
    act.before(made)
    saved = Saved(made)
    with Platter(made.folder) as platter:
        act.act(made)
        count = platter.syncs
    assert count >= 2
    for at in range(1, count + 1, max(1, count // share)):
        made = saved.again()
        _broken(made, name, at, kind)
        act.after(made)
