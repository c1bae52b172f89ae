"""A copy on another machine that is cut off at any message of any act: nothing is lost, nothing comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, trees
from tests.support.copies import Far, far_store, patched
from unheld.plans import planning
from unheld_branch.store.check import check
from unheld_branch.store.replica import Replica
from unheld_branch.workflows import apply
from unheld_verify.errors import AwayError, UnheldError


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    """A store with a day open and two parties; its copy is far."""
    far = far_store(tmp_path)
    with patched(far.wire):
        far.made.open_day(FIRST)
        far.made.ingest(calls(Call(ALICE), Call(BOB)))
        yield far


def in_step(far: Far) -> None:
    """The copy has the store's rows and files, one key, and the same journal."""
    with far.made.opened() as store:
        assert [one.standing.generation for one in store.copies if one.standing] == [store.catalog.generation]
        assert [finding for finding in check(store).findings if finding.kind != "extra"] == []
        counts = {number: tree.rows for number, tree in store.root.trees.items()}
        named = sorted(store.folder.rglob("*.parquet"))
    replica = Replica("far", far.folder)
    standing = replica.standing()
    assert (dict(standing.rows), standing.erasing) == (counts, False)
    assert len(list(far.folder.rglob("*.parquet"))) == len(named)
    replica.close()


def test_a_far_copy_has_what_the_store_has(far: Far) -> None:
    """Rows, journal and ciphertext are there after each commit."""
    in_step(far)


def test_a_copy_that_is_away_lets_the_network_go_on(far: Far) -> None:
    """Records are taken in and days closed while a copy is away; it follows when it is back."""
    far.wire.down = True
    far.made.ingest(calls(Call("+99955500001", second=40)))
    far.made.close()
    far.wire.down = False

    in_step(far)
    assert held(far.made, "tel:" + ALICE) == [(FIRST, 3600)]


def test_a_forgetting_is_not_begun_while_a_copy_is_away(far: Far) -> None:
    """It says which copy is away, since when; nothing changes, and it goes through once the copy is back."""
    far.wire.down = True
    with far.made.opened() as store:
        before = store.catalog.generation
        plan = planning.plan_parties(store, ["tel:" + ALICE], far.made.deployment.seed("plan")).plan
        with pytest.raises(AwayError, match=r"copy http://copy.example:8450 is away since 2026-07-01"):
            apply.apply(store, far.made.custodians, plan, plan.digest[:8])
        assert store.catalog.generation == before
    far.wire.down = False

    with far.made.opened() as store:
        apply.apply(store, far.made.custodians, plan, plan.digest[:8])
    in_step(far)
    assert trees(far.made, "tel:" + ALICE) == set()


def _forget(far: Far) -> None:
    far.made.forget("tel:" + ALICE)


def _ingest(far: Far) -> None:
    far.made.ingest(calls(Call("+99955500001", second=40)))


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("act", [_forget, _ingest])
def test_a_line_cut_at_any_message_leaves_the_old_state_or_the_new(tmp_path: Path, act: object, moment: str) -> None:
    """At each message the line breaks and the copy's process dies; both are opened again and are in step."""
    for at in range(4, 40, 3):
        far = far_store(tmp_path / str(at))
        with patched(far.wire):
            far.made.open_day(FIRST)
            far.made.ingest(calls(Call(ALICE), Call(BOB)))
            far.wire.count, far.wire.cut = 0, (at, moment)
            with suppress(UnheldError):
                act(far)  # type: ignore[operator]
            over = not far.wire.down
            far.again()
            in_step(far)
            assert trees(far.made, "tel:" + BOB) == {0}
            assert held(far.made, "tel:" + BOB) == [(FIRST, 3600)]
            if act is _forget and trees(far.made, "tel:" + ALICE):
                _forget(far)
                in_step(far)
        if over:
            break
