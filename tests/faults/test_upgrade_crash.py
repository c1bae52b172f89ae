"""An upgrade that is cut short at every durable step: the store is of the old format or the new, and opens."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import calls as records
from tests.support import releases
from tests.support.calls import Crash, crash_points, snapshot, steps
from tests.support.ceremony import plan_of
from tests.support.releases import HELD, Kept
from tests.support.stores import TestStore
from unheld.assembly import CLOCK_VARIABLE
from unheld.workflows import upgrade as upgrading
from unheld_branch.store import mark
from unheld_branch.store.check import check
from unheld_branch.workflows import upgrade as branch
from unheld_verify import canonical, crypto, upgrade
from unheld_verify.errors import BadInputError, NewerError, NotAllowedError, StateError, UnheldError, VerificationError
from unheld_verify.upgrade import Part, UpgradePlan

BEFORE = "0.1.0"
STEPS = 12
"""At least so many: register's mark, store's mark, slot, commit, old key."""


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A store of format 1."""
    return releases.unpacked(BEFORE, tmp_path)


def _plan(made: TestStore) -> UpgradePlan:
    with made.opened(write=False) as store:
        found = upgrading.plan(made.deployment, store).plan
    assert found is not None
    return found


def _apply(made: TestStore, plan: UpgradePlan) -> list[branch.Upgraded]:
    with made.opened() as store:
        return upgrading.apply(made.deployment, store, plan, plan.digest[:8])


def _formats(made: TestStore) -> tuple[int, int]:
    with made.opened() as store:
        return mark.read(made.deployment.register, mark.REGISTER), store.catalog.format


def test_a_crash_at_every_step_leaves_the_old_format_or_the_new(tmp_path: Path) -> None:
    """It opens, everything that must opens, and the same plan again brings it to the end, once."""
    plan = _plan(releases.unpacked(BEFORE, tmp_path / "plan").made)
    counted = releases.unpacked(BEFORE, tmp_path / "counted").made
    met = crash_points(lambda: _apply(counted, plan))
    assert len(met) >= STEPS

    seen = set()
    for at in range(len(met)):
        made = releases.unpacked(BEFORE, tmp_path / str(at)).made
        with steps(at), pytest.raises(Crash):
            _apply(made, plan)
        seen.add(_formats(made))
        _apply(made, plan)
        with made.opened() as store:
            assert check(store).findings == ()
            upgrades = [entry for _, entry, _ in store.vault.database.journal() if b'"kind":"upgrade"' in entry]
        assert (_formats(made), len(upgrades)) == ((2, 2), 1)
    assert seen == {(1, 1), (2, 1), (2, 2)}


def test_what_opened_before_opens_after_a_crash(kept: Kept) -> None:
    """Between the two marks and the commit, records are read as before."""
    made, plan = kept.made, _plan(kept.made)
    with steps(len(crash_points(lambda: None)) + 6), pytest.raises(Crash):
        _apply(made, plan)

    for name, held in HELD.items():
        assert len(records.held(made, f"tel:{name}")) == held.get("charge", 0)


def test_the_log_tells_of_an_upgrade_once(kept: Kept) -> None:
    """One statement names both formats and the plan, however often the plan is applied."""
    made, plan = kept.made, _plan(kept.made)
    first, again = _apply(made, plan), _apply(made, plan)
    made.publish()
    openings = [canonical.decode(path.read_bytes()) for path in (made.deployment.log / "openings").iterdir()]
    said = [one["statement"] for one in openings if one["statement"]["kind"] == "upgrade"]

    assert [one.again for one in first] == [False, False]
    assert [one.again for one in again] == [True, True]
    assert [(one["from"], one["to"], one["digest"]) for one in said] == [(1, 2, plan.digest)]


@contextmanager
def _unchanged(made: TestStore) -> Iterator[None]:
    with made.opened():  # which may finish what waits
        pass
    before = snapshot(made.folder)
    yield
    assert snapshot(made.folder) == before


def _of_another_store(plan: UpgradePlan, made: TestStore) -> UpgradePlan:
    return replace(plan, store_id=bytes(16)).signed(made.deployment.seed("plan"))


def _by_somebody_else(plan: UpgradePlan, _: TestStore) -> UpgradePlan:
    return plan.signed(crypto.random_bytes(32))


def _unsigned(plan: UpgradePlan, _: TestStore) -> UpgradePlan:
    return replace(plan, signature=bytes(64))


@pytest.mark.parametrize(
    ("bend", "error"),
    [
        (_of_another_store, NotAllowedError),
        (_by_somebody_else, VerificationError),
        (_unsigned, VerificationError),
    ],
)
def test_a_plan_that_headquarters_did_not_make_for_this_store_changes_nothing(
    kept: Kept, bend: object, error: type[UnheldError]
) -> None:
    """Another store's, somebody else's, nobody's."""
    plan = bend(_plan(kept.made), kept.made)  # type: ignore[operator]

    with _unchanged(kept.made), pytest.raises(error):
        _apply(kept.made, plan)


def test_another_digest_confirms_nothing(kept: Kept) -> None:
    """Typed digits that are not the plan's, or too few of them."""
    plan = _plan(kept.made)

    for typed in ("00000000", plan.digest[:7], ""):
        with _unchanged(kept.made), kept.made.opened() as store, pytest.raises(NotAllowedError):
            upgrading.apply(kept.made.deployment, store, plan, typed)


def test_a_plan_that_begins_elsewhere_is_refused(tmp_path: Path) -> None:
    """A store that is past both ends of a plan is not brought back."""
    made = releases.unpacked("0.2.0", tmp_path).made
    plan = UpgradePlan(made.deployment.policy().store_id, "2026-07-03", "0.2.0", (Part("store", 1, 2),))
    with made.opened() as store:
        store.catalog.format = 3
        with pytest.raises(StateError, match="leads from 1 to 2"):
            branch.check(store, plan.signed(made.deployment.seed("plan")), plan.digest)


def _document(**fields: object) -> bytes:
    plain = UpgradePlan(bytes(16), "2026-07-03", "0.2.0", (Part("store", 1, 2),), signature=bytes(64))
    return canonical.encode(canonical.decode(plain.encode()) | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"parts": []}, {"parts": [["store", 2, 2]]}, {"parts": [["store", 2, 1]]}, {"parts": [["branch", 1, 2]]},
        {"parts": [["store", 1, 2], ["register", 1, 2]]}, {"parts": [["store", 1, 2], ["store", 1, 2]]},
        {"parts": [["store", 1]]}, {"parts": [["store", True, 2]]}, {"parts": "store"}, {"kind": "erase"},
        {"made": "2026-02-30"}, {"store": "00"}, {"store": "AB" * 16}, {"signature": "%"}, {"more": 1}, {"release": 2},
    ],
)  # fmt: skip
def test_what_is_no_upgrade_plan_is_refused(fields: dict[str, object]) -> None:
    """Fields, parts, orders and spellings that this release does not write."""
    with pytest.raises(BadInputError) as caught:
        upgrade.decode(_document(**fields))
    assert not isinstance(caught.value, NewerError)


def test_a_plan_to_a_later_format_says_which_release_is_missing() -> None:
    """It was made by a later release, and nothing is wrong with it."""
    with pytest.raises(NewerError, match="a store of version 7; unheld"):
        upgrade.decode(_document(parts=[["store", 1, 7]]))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"7", b'"x"', base64.b64decode(plan_of("day"))])
def test_other_bytes_are_no_upgrade_plan(data: bytes) -> None:
    """Erasure plans among them."""
    with pytest.raises(BadInputError):
        upgrade.decode(data)


def test_a_plan_is_written_again_as_it_was(kept: Kept) -> None:
    """Parse and encode give the same bytes."""
    data = _plan(kept.made).encode()

    assert upgrade.decode(data).encode() == data


def test_the_branch_applies_its_part_alone(kept: Kept, tmp_path: Path) -> None:
    """The store's part at the branch, the register's at headquarters, by one plan and in either order."""
    plan, path = _plan(kept.made), tmp_path / "upgrade.plan"
    path.write_bytes(plan.encode())
    words = [str(kept.made.root), str(path), "--confirm", plan.digest[:8]]
    command = [sys.executable, "-m", "unheld_branch", "upgrade", *words]
    ended = subprocess.run(command, env={**os.environ, CLOCK_VARIABLE: kept.box.clock}, check=False)
    assert (ended.returncode, _formats(kept.made)) == (0, (1, 2))

    assert kept.box("upgrade", "apply", path, "--confirm", plan.digest).code == 0
    assert _formats(kept.made) == (2, 2)


@pytest.mark.parametrize(
    ("words", "code"),
    [(("plan", "--out", "no/such/folder/x"), 2), (("apply", "no.plan"), 1), (("apply", "genesis"), 1)],
)
def test_commands_say_what_is_wrong_with_their_files(kept: Kept, words: tuple[str, ...], code: int) -> None:
    """A folder that is not there, a plan that is not there, a file that is none."""
    given = [str(kept.made.root / "genesis.json") if word == "genesis" else word for word in words]
    ended = kept.box("upgrade", *given)

    assert ended.code == code
    assert ended.err.startswith("unheld: ")


def test_a_plan_is_not_written_over(kept: Kept, tmp_path: Path) -> None:
    """Somebody may be about to apply what lies there."""
    (tmp_path / "x.plan").write_bytes(b"mine")

    assert kept.box("upgrade", "plan", "--out", tmp_path / "x.plan").code == 2
    assert (tmp_path / "x.plan").read_bytes() == b"mine"
