"""Release a copy that stays away: headquarters decides, the store takes it down, the log tells of it."""

from __future__ import annotations

from unheld import assembly
from unheld.assembly import Deployment
from unheld.workflows import succession
from unheld_branch.store import releases
from unheld_branch.store.releases import ENDING
from unheld_verify import columns, signed, tiles
from unheld_verify.errors import BadInputError, NotAllowedError, PromotedError
from unheld_verify.signed import Signed

__all__ = ["ENDING", "decision", "release"]


def decision(deployment: Deployment, name: str) -> Signed:
    """The signed decision about a copy.

    Raises BadInputError for a name that genesis does not list, PromotedError where the log says that it is the store.
    """
    policy = deployment.policy()
    if name not in policy.copies:
        raise BadInputError(f"{name}: genesis lists no such copy; it lists {', '.join(policy.copies) or 'none'}")
    number = policy.copies.index(name) + 1
    log = tiles.open_log(str(deployment.log))
    promoted = succession.successors(log, tiles.verify_log(log, deployment.log_key()).size, policy.origin)
    if number in promoted:
        raise PromotedError(succession.words(number, promoted[number], policy))
    today = columns.day_text(assembly.clock().now() // 86_400)
    named = {"v": 1, "kind": releases.KIND, "store": policy.store_id.hex(), "copy": number}
    return signed.sign(named | {"made": today}, deployment.seed("plan"))


def release(deployment: Deployment, said: Signed) -> None:
    """Carry it out. Raises NotAllowedError while the copy may still come back; then nothing is changed."""
    number = releases.offer(deployment.root, said.encode(), deployment.policy())
    try:
        with deployment.opened(write=True) as store:
            if number not in store.catalog.released:
                releases.check_due(store.copies, number, store.clock.now())
    except NotAllowedError:
        releases.done(deployment.root, [number])
        raise
