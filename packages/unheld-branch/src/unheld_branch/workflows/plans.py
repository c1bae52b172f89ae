"""Plans that lie in a folder: each that headquarters signed is applied, and moved with what became of it.

Headquarters' signature is the confirmation: nobody at the branch is asked. A plan that is refused is noted in the
store, where headquarters sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unheld_branch.store import pending, refusals, releases, targets
from unheld_branch.store.refusals import Refusal
from unheld_branch.store.store import Store
from unheld_branch.store.targets import Targets
from unheld_branch.workflows import apply as applying
from unheld_branch.workflows.custodians import Custodians
from unheld_slots import durable
from unheld_verify import columns, plan
from unheld_verify.errors import (
    AwayError,
    BadInputError,
    DiskError,
    NotAllowedError,
    PartialError,
    RolledBackError,
    SealedError,
    StateError,
    StateUnknownError,
    VerificationError,
)
from unheld_verify.plan import Plan

APPLIED, REFUSED, WAITS = "applied", "refused", "waits"
_ENDINGS = {".plan", ".json", releases.ENDING}  # what is still being written into the folder has another ending
_NO = (BadInputError, NotAllowedError, StateError, VerificationError)
_NAMING = {"party", "parties"}
_ORDER = (*sorted(_NAMING), "day", "class", "everything")
"""Those that name parties come first: the others go on after a crash, and these open for nobody then."""


@dataclass(frozen=True)
class Outcome:
    """What became of the plan in a file: applied, refused, or waiting for custodians, copies or keys; and why."""

    path: Path
    became: str
    why: str = ""


@dataclass(frozen=True)
class _Held:
    """A file's plan with whose rows it drops, or why it is refused."""

    path: Path
    plan: Plan | None
    targets: Targets | None
    no: Exception | None


def waiting(folder: Path | None) -> list[Path]:
    """The files of a folder that are plans by their names."""
    return [path for path in sorted(folder.iterdir()) if path.suffix in _ENDINGS] if folder is not None else []


def apply_files(store: Store, custodians: Custodians, paths: Iterable[Path]) -> list[Outcome]:
    """Apply plans and move each to `applied/`, or to `refused/` beside a file with the reason.

    Whose rows each drops is opened before the first is applied, which ends the key that all are sealed under: plans
    that lie there together do not end one another. One that too few custodians answered stays where it is.
    """
    held = sorted((_read(store, path) for path in paths), key=_order)
    _begin(store, held)
    return [_carried_out(store, custodians, one) for one in held]


def _read(store: Store, path: Path) -> _Held:
    found = None
    try:
        read = plan.decode(path.read_bytes())
        read.verify(bytes.fromhex(store.policy.plan_key), store.policy.store_id)
        found = read
        return _Held(path, found, _targets(store, found), None)
    except _NO as error:
        return _Held(path, found, None, error)


def _begin(store: Store, held: Sequence[_Held]) -> None:
    """Note the plans for columns as begun before another plan ends their key: a crash between costs none of them."""
    if len(held) > 1:
        for one in (one for one in held if one.no is None):
            if one.plan is not None and one.plan.act not in _NAMING and one.plan.digest not in store.catalog.applied:
                pending.keep(store.folder, one.plan)


def _targets(store: Store, found: Plan) -> Targets | None:
    """Whose rows it drops; nothing to open where it was applied, or has begun and waits for custodians since."""
    if found.digest in store.catalog.applied or pending.has(store.folder, found):
        return Targets({})
    return targets.opened(found, store.root.plan_key)


def _order(one: _Held) -> tuple[int, str, str]:
    if one.plan is None:
        return len(_ORDER), "", one.path.name
    return _ORDER.index(one.plan.act), one.plan.made, one.path.name


def _carried_out(store: Store, custodians: Custodians, one: _Held) -> Outcome:
    try:
        if one.no is not None:
            raise one.no
        if one.plan is not None and one.plan.digest not in store.catalog.applied:  # a crash may have come before a move
            applying.apply(store, custodians, one.plan, one.plan.digest, one.targets)
    except (DiskError, RolledBackError, StateUnknownError):
        raise
    except (AwayError, PartialError, SealedError) as error:
        return Outcome(one.path, WAITS, str(error))
    except _NO as error:
        return _refused(store, one, str(error))
    if one.plan is not None:
        refusals.forget(store.folder, one.plan.digest)
    _move(one.path, APPLIED)
    return Outcome(one.path, APPLIED)


def _refused(store: Store, one: _Held, why: str) -> Outcome:
    digest, act = (one.plan.digest, one.plan.act) if one.plan is not None else ("", "")
    refusals.note(store.folder, Refusal(columns.day_text(store.today()), digest, act, why))
    _move(one.path, REFUSED)
    durable.write_file(one.path.parent / REFUSED / f"{one.path.name}.reason", f"{why}\n".encode())
    return Outcome(one.path, REFUSED, why)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when all were applied, 3 when some were or wait, else 1."""
    became = {one.became for one in outcomes}
    return 0 if became <= {APPLIED} else 1 if became == {REFUSED} else 3


def _move(path: Path, folder: str) -> None:
    durable.make_folder(path.parent / folder)
    durable.write_file(path.parent / folder / path.name, path.read_bytes())
    durable.remove_file(path)
