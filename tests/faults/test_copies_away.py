"""A copy on another machine that is cut off at any message of any act: nothing is lost, nothing comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls, held, trees
from tests.support.copies import FAR, Far, far_store, patched
from unheld.assembly import CLOCK_VARIABLE
from unheld.plans import planning
from unheld.workflows import copies
from unheld_branch.keys.parties.newcomers import Newcomers
from unheld_branch.store import releases
from unheld_branch.store.check import check
from unheld_branch.store.copying import Part
from unheld_branch.store.replica import Replica
from unheld_branch.workflows import apply
from unheld_verify import canonical, signed
from unheld_verify.errors import AwayError, NotAllowedError, StateUnknownError, UnheldError, VerificationError
from unheld_verify.plan import Plan

pytestmark = pytest.mark.spread


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
        assert check(store).findings == ()
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


def test_check_finds_rows_that_a_far_copy_has_otherwise(far: Far) -> None:
    """They are compared by digest: rows that never arrived are found, though generation and journal agree."""
    take = Replica.rows

    def lost(copy: Replica, part: Part) -> None:
        take(copy, replace(part, upserts=part.upserts.part(0, 0)))

    with patch.object(Replica, "rows", lost):
        far.made.ingest(calls(Call("+99955500001", second=40)))
    with far.made.opened() as store:
        found = check(store).findings

    assert [(item.kind, item.place) for item in found] == [("altered", FAR)]
    assert "other rows" in found[0].words


def test_check_says_when_a_far_copy_goes_away_meanwhile(far: Far) -> None:
    """Then nothing is known of its rows, and nothing is said to be well."""
    with far.made.opened() as store:
        far.wire.down = True
        found = check(store).findings

    assert [(item.kind, item.place) for item in found] == [("missing", FAR)]


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


def _plan(far: Far) -> Plan:
    with far.made.opened() as store:
        return planning.plan_parties(store, ["tel:" + ALICE], far.made.deployment.seed("plan")).plan


def _apply(far: Far, plan: Plan) -> None:
    with far.made.opened() as store:
        apply.apply(store, far.made.custodians, plan, plan.digest[:8])


def _decide(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLOCK_VARIABLE, str(far.made.now))
    copies.release(far.made.deployment, copies.decision(far.made.deployment, FAR))


def _later(far: Far, hours: int) -> None:
    far.made.now += hours * 3600


def _said(far: Far) -> dict[str, Any]:
    """The last statement that waits for the log."""
    with far.made.opened(write=False) as store:
        return dict(canonical.decode(store.vault.database.outbox()[-1].statement))


def test_a_copy_is_not_released_before_its_time(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headquarters' decision does not hold before the copy was away for 72 hours, and leaves nothing behind."""
    far.wire.down = True
    far.made.lapse()
    _later(far, 71)

    with pytest.raises(NotAllowedError, match="it can be released in 1 hours"):
        _decide(far, monkeypatch)
    _later(far, 2)

    with pytest.raises(AwayError):
        _apply(far, _plan(far))


def test_after_a_decision_forgetting_goes_on_and_the_log_counts_without_the_copy(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A released copy is told of in the log, and no statement counts it; back again it forgets first, then counts."""
    far.wire.down = True
    far.made.lapse()
    _later(far, 73)
    _decide(far, monkeypatch)
    released = _said(far)
    _apply(far, _plan(far))
    erased = _said(far)
    far.again()
    with far.made.opened():
        pass
    returned = _said(far)

    assert (released["kind"], released["copies"], released["listed"]) == ("copy-released", 1, 2)
    assert (erased["kind"], erased["copies"]) == ("erase-parties", 1)
    assert (returned["kind"], returned["copies"]) == ("copy-returned", 2)
    in_step(far)
    assert trees(far.made, "tel:" + ALICE) == set()


def test_a_decision_ends_a_forgetting_that_a_copy_left_half_done(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store waits, erasing, for the copy that went away in between; released, it ends, and the log counts one."""
    plan = _plan(far)
    with far.made.opened() as store:
        far.wire.count, far.wire.cut = 0, (4, "before")
        with pytest.raises(StateUnknownError, match="is erasing until"):
            apply.apply(store, far.made.custodians, plan, plan.digest[:8])
    with pytest.raises(AwayError, match="unheld copy release"), far.made.opened():
        pass
    _later(far, 73)
    _decide(far, monkeypatch)

    with far.made.opened(write=False) as store:
        said = [canonical.decode(one.statement) for one in store.vault.database.outbox()]
    assert [(one["kind"], one["copies"]) for one in said[-2:]] == [("erase-parties", 1), ("copy-released", 1)]
    far.again()
    in_step(far)
    assert trees(far.made, "tel:" + ALICE) == set()


def test_nobody_but_headquarters_releases_a_copy(far: Far) -> None:
    """A decision with another signature is refused."""
    policy = far.made.deployment.policy()
    named = {"v": 1, "kind": releases.KIND, "store": policy.store_id.hex(), "copy": 1, "made": "2026-07-01"}

    with pytest.raises(VerificationError, match="signature is wrong"):
        releases.offer(far.made.root, signed.sign(named, bytes(32)).encode(), policy)


def test_a_copy_that_was_away_for_fifty_commits_gets_only_what_changed(far: Far) -> None:
    """It follows with the buckets that differ and one step for each generation; no row goes over the line twice."""
    far.wire.down = True
    for number in range(50):
        with far.made.opened() as store:
            parties, _ = store.parties().add(0, Newcomers([f"tel:+9995551{number:04}"]))
            store.commit({"kind": "rows", "rows": ""}, parties=parties)
    far.wire.down, before = False, sum(map(len, far.wire.seen))

    in_step(far)

    assert sum(map(len, far.wire.seen)) - before < 2_000_000
