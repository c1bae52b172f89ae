"""The store is lost, and a copy takes its place; the former store comes back and is turned away."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, trees
from tests.support.copies import Far, far_store, patched
from tests.support.stores import TestStore, made_store
from unheld.assembly import Deployment
from unheld.plans import planning
from unheld.workflows import checking, copies, status
from unheld_branch.copies import promoting
from unheld_branch.store.check import check
from unheld_branch.workflows import apply
from unheld_verify import canonical, tiles
from unheld_verify.errors import AwayError, NoStoreError, PromotedError, RolledBackError, StateError


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
        assert check(store).findings == ()
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


def _kinds(new: TestStore) -> Counter[str]:
    log = tiles.open_log(str(new.deployment.log))
    size = tiles.verify_log(log, new.deployment.log_key()).size
    return Counter(log.opening(index).statement["kind"] for index in log.opened(size))


def test_what_was_published_is_not_published_again(made: TestStore) -> None:
    """The copy heard nothing of the last publication, and finds its statements in the log; `check` finds nothing."""
    made.publish()
    before = _kinds(made)
    lose(made)
    promoting.promote(made.folder / "copy-1", made.clock)
    new = instead(made)
    new.publish()

    assert before["erase-parties"] == 1
    assert _kinds(new) - before == Counter({"copy-promoted": 1})
    assert checking.check_all(new.deployment).findings == ()


def test_a_store_of_many_publications_is_promoted_without_a_doubt(made: TestStore) -> None:
    """A copy knows the last statements alone; that it lacks dummies of before is no sign that it was put back."""
    for _ in range(4):
        made.publish()
    made.ingest(calls(Call(BOB, second=90)))
    lose(made)
    promoting.promote(made.folder / "copy-1", made.clock)
    new = instead(made)
    new.publish()

    assert checking.check_all(new.deployment).findings == ()


def _came_back(made: TestStore) -> TestStore:
    """The former store, at a place where no copy answers, beside the log as the promoted copy has published it."""
    made.publish()
    gone = lose(made)
    promoting.promote(made.folder / "copy-1", made.clock)
    new = instead(made)
    new.publish()
    for part in ("copy-1", "copy-2"):
        (made.folder / part).rename(made.folder / f"{part}-elsewhere")
    for part in ("s", "s.slots"):
        shutil.move(gone / part, made.folder / part)
    shutil.rmtree(made.deployment.log)
    shutil.copytree(new.deployment.log, made.deployment.log)
    return made


def test_the_former_store_learns_of_it_from_the_log(made: TestStore) -> None:
    """Where no copy answers it publishes nothing, forgets nobody, and releases no copy that is the store."""
    former = _came_back(made)
    before = _kinds(former)

    with pytest.raises(PromotedError, match=r"copy .*copy-1 was promoted on 2026-07-01: this is no longer the store"):
        former.publish()
    with pytest.raises(AwayError, match="is away"):
        former.forget("tel:" + BOB)
    with pytest.raises(PromotedError, match="no longer the store"):
        copies.decision(former.deployment, str(made.folder / "copy-1"))
    assert _kinds(former) == before
    found = [item for item in checking.check_all(former.deployment).findings if item.kind == "rolled back"]
    assert any("was promoted" in item.words for item in found)


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
