"""The store is lost, and a copy takes its place; the former store comes back and is turned away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, trees
from tests.support.copies import Far, far_store, patched
from tests.support.stores import TestStore, made_store
from unheld.assembly import Deployment
from unheld.plans import planning
from unheld.workflows import status
from unheld_branch.copies import promoting
from unheld_branch.store.check import check
from unheld_branch.workflows import apply
from unheld_verify import canonical
from unheld_verify.errors import NoStoreError, RolledBackError, StateError


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """A store with two copies, a day open, one party forgotten and one that stays."""
    made = made_store(tmp_path / "m", copies=2)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE), Call(BOB)))
    made.forget("tel:" + ALICE)
    return made


def lose(made: TestStore) -> Path:
    """The store's machine is gone; custodians and headquarters are where they were."""
    gone = made.folder / "gone"
    gone.mkdir()
    for part in ("s", "s.slots"):
        shutil.move(made.folder / part, gone / part)
    return gone


def instead(made: TestStore, name: str = "copy-1") -> TestStore:
    """The same deployment around a promoted copy."""
    for part in ("custodians", "custodian-slots", "hq", "register", "log"):
        shutil.copytree(made.folder / f"s.{part}", made.folder / f"{name}.{part}")
    return TestStore(made.folder, Deployment(made.folder / name), made.now)


def test_a_promoted_copy_goes_on_as_the_store(made: TestStore) -> None:
    """Who was forgotten stays so, who was not is there, the day opens again, and the other copy follows."""
    lose(made)
    done = promoting.promote(made.folder / "copy-1", made.clock)
    new = instead(made)
    new.open_day(FIRST)
    new.ingest(calls(Call(BOB, second=77)))

    assert done.unheard == ()
    assert trees(new, "tel:" + ALICE) == set()
    assert held(new, "tel:" + BOB) == [(FIRST, 77), (FIRST, 3600)]
    with new.opened() as store:
        assert [finding for finding in check(store).findings if finding.kind != "extra"] == []
        assert [one.standing is not None for one in store.copies] == [True]
        kinds = [canonical.decode(entry)["kind"] for _, entry, _ in store.vault.database.journal()]
        said = [canonical.decode(one.statement)["kind"] for one in store.vault.database.outbox() if one.statement]
    assert "promote" in kinds
    assert "copy-promoted" in said
    assert said.count("erase-parties") == 1


def test_the_former_store_is_turned_away(made: TestStore) -> None:
    """It comes back and hears of the promotion from the copy: it commits nothing more."""
    gone = lose(made)
    promoting.promote(made.folder / "copy-1", made.clock)
    for part in ("s", "s.slots"):
        shutil.move(gone / part, made.folder / part)

    with pytest.raises(RolledBackError, match="no longer the store"), made.opened():
        pass


def test_a_copy_is_not_promoted_while_the_store_is_there(made: TestStore) -> None:
    """Nothing changes, and the words say what to do."""
    with pytest.raises(StateError, match="the store is still there"):
        promoting.promote(made.folder / "copy-1", made.clock)

    made.forget("tel:" + BOB)
    assert trees(made, "tel:" + BOB) == set()


def test_the_copy_that_has_more_is_named(made: TestStore) -> None:
    """A copy that was away is not promoted while another one has newer generations."""
    away = made.folder / "away"
    (made.folder / "copy-1").rename(away)
    made.ingest(calls(Call(BOB, second=78)))
    away.rename(made.folder / "copy-1")
    lose(made)

    with pytest.raises(StateError, match=r"copy-2 has generation \d+, this one \d+: promote that one"):
        promoting.promote(made.folder / "copy-1", made.clock)


def test_promoting_twice_changes_nothing(made: TestStore) -> None:
    """The second time it says that it was done."""
    lose(made)
    promoting.promote(made.folder / "copy-1", made.clock)

    with pytest.raises(StateError, match="was promoted already"):
        promoting.promote(made.folder / "copy-1", made.clock)


def test_a_folder_without_a_copy_is_not_promoted(tmp_path: Path) -> None:
    """It says so."""
    with pytest.raises(NoStoreError):
        promoting.promote(tmp_path, made_store(tmp_path / "m").clock)


def test_a_far_copy_is_not_promoted_while_the_store_speaks(tmp_path: Path) -> None:
    """Two hours of silence come first."""
    far = far_store(tmp_path)
    with patched(far.wire):
        far.made.open_day(FIRST)
    far.wire.keeper.close()

    with pytest.raises(StateError, match="less than two hours ago"):
        promoting.promote(far.folder, far.made.clock)
    far.made.now += 7200
    assert promoting.promote(far.folder, far.made.clock).generation > 1
    _turned_away(far)


def _turned_away(far: Far) -> None:
    with patched(far.wire), pytest.raises(RolledBackError, match="no longer the store"), far.made.opened():
        pass


def test_headquarters_plans_at_a_copy(made: TestStore) -> None:
    """A plan made from a copy is carried out by the store; the copy's figures say what it is."""
    copy = Deployment(made.folder / "copy-1")
    seed = made.deployment.seed("plan")
    with copy.opened() as store:
        plan = planning.plan_parties(store, ["tel:" + BOB], seed).plan
    figures = status.status(copy)

    with made.opened() as store:
        apply.apply(store, made.custodians, plan, plan.digest[:8])
    assert trees(made, "tel:" + BOB) == set()
    assert figures["is_copy"]
    assert "  THIS IS A COPY: only its store writes to it" in status.lines(figures)


def test_nothing_is_written_to_a_copy(made: TestStore) -> None:
    """Every act that writes is refused with what to do."""
    with pytest.raises(StateError, match="this is a copy"), Deployment(made.folder / "copy-1").opened(write=True):
        pass
    with Deployment(made.folder / "copy-1").opened() as store, pytest.raises(StateError, match="this is a copy"):
        store.commit({"kind": "rows", "rows": ""})
