"""Take over a founded set of custodians: keep it, note it in the journal, tell the log. The branch makes none."""

from __future__ import annotations

from unheld_branch.store import seeds, sets
from unheld_branch.store.store import Store
from unheld_verify import columns, crypto, roster
from unheld_verify.errors import NotAllowedError
from unheld_verify.roster import Draft, Roster
from unheld_verify.signed import Signed


def take_over(store: Store, founded: Signed) -> Roster:
    """Seal under this set from its first day on. Repeating it changes nothing, and it is told once.

    Raises VerificationError without headquarters' signature and a quorum, NotAllowedError when it is another store's,
    does not follow the sets that are here, is another one than the journal noted, comes when its first day was sealed
    under another, or was founded with another branch's key. BadInputError when this branch's cannot be read.
    """
    wanted = sets.checked(founded, store.policy).draft
    _check_branch(store, wanted)
    _check_begins(store, wanted)
    one = sets.keep(store.folder, founded, store.policy)
    draft, digest = one.draft, roster.transcript_digest(founded).hex()
    noted = store.catalog.sets.get(draft.set)
    if noted not in {None, digest}:
        raise NotAllowedError(f"custodian set {draft.set}: the journal has another transcript of it")
    if noted is None:
        _, confirmed = roster.founded_of(founded)
        said = store.opening(
            "custodians",
            set=draft.set,
            digest=digest,
            n=draft.n,
            t=draft.t,
            begins=columns.day_text(draft.begins),
            custodians=list(confirmed),
        )
        store.commit({"kind": "custodians", "set": draft.set, "transcript": digest}, say=[said])
    return one


def _check_begins(store: Store, draft: Draft) -> None:
    """A day that was sealed under another set would be asked of this one: its keys are not those it was sealed with."""
    newest = max(store.catalog.days, default=-1)
    if draft.begins <= newest and all(one.draft.set != draft.set for one in store.sets()):
        begins, sealed = columns.day_text(draft.begins), columns.day_text(newest)
        raise NotAllowedError(
            f"custodian set {draft.set} begins on {begins} and was founded too late: {sealed} has other keys already; "
            "nothing was changed: let headquarters found another with `unheld custody rotate --begins` a later day"
        )


def _check_branch(store: Store, draft: Draft) -> None:
    """Custodians of this set answer to the key in its draft: another one than ours would open its days elsewhere."""
    path = store.places.slots / seeds.BRANCH
    if crypto.sign_public(seeds.read(path, seeds.BRANCH_MEND)) != draft.branch:
        raise NotAllowedError(
            f"custodian set {draft.set}: its draft names another branch's key than {path}; put back the key that "
            "headquarters drafted it with, or let headquarters found a set with this one"
        )
