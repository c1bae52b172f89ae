"""Plans that lie in a folder: each that headquarters signed is applied, and moved with what became of it.

Headquarters' signature is the confirmation: nobody at the branch is asked.
"""

from __future__ import annotations

from pathlib import Path

from unheld_branch.store.store import Store
from unheld_branch.workflows import apply as applying
from unheld_branch.workflows.custodians import Custodians
from unheld_slots import durable
from unheld_verify import plan
from unheld_verify.errors import (
    BadInputError,
    NotAllowedError,
    PartialError,
    RolledBackError,
    StateError,
    StateUnknownError,
    VerificationError,
)

APPLIED, REFUSED = "applied", "refused"


def apply_file(store: Store, custodians: Custodians, path: Path) -> str:
    """Apply the plan in a file and move it to `applied/`, or to `refused/` beside a file with the reason; which it was.

    Raises PartialError when too few custodians answered yet: the plan stays where it is, and applies again.
    """
    try:
        found = plan.decode(path.read_bytes())
        found.verify(bytes.fromhex(store.policy.plan_key), store.policy.store_id)
        if found.digest not in store.catalog.applied:  # a crash may have come between the commit and the move
            applying.apply(store, custodians, found, found.digest)
    except (PartialError, RolledBackError, StateUnknownError):
        raise
    except (BadInputError, NotAllowedError, StateError, VerificationError) as error:
        _move(path, REFUSED)
        durable.write_file(path.parent / REFUSED / f"{path.name}.reason", f"{error}\n".encode())
        return REFUSED
    _move(path, APPLIED)
    return APPLIED


def _move(path: Path, folder: str) -> None:
    durable.make_folder(path.parent / folder)
    durable.write_file(path.parent / folder / path.name, path.read_bytes())
    durable.remove_file(path)
