"""The custodian sets of a store as its branch holds them: founded in a ceremony, pinned by headquarters' signature.

    sets/1.json  sets/2.json …      the founded set, as signed (`docs/spec/set.md`)

Nothing of them is secret. A set seals from its first day until the next one's; it holds keys for as long as what it
sealed has not lapsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unheld_branch.store.policy import Policy
from unheld_slots import durable
from unheld_verify import columns, roster, signed
from unheld_verify.errors import BadInputError, NotAllowedError, StateError, UnheldError
from unheld_verify.roster import Roster
from unheld_verify.signed import Signed

FOLDER = "sets"


def keep(folder: Path, founded: Signed, policy: Policy) -> Roster:
    """Take a founded set into a store. Repeating it changes nothing.

    Raises VerificationError without headquarters' signature and a quorum, NotAllowedError when it is another store's,
    or does not follow the sets that are there.
    """
    one = checked(founded, policy)
    held = read(folder, policy)
    _check_floor([*held, one], policy)
    same = next((other for other in held if other.draft.set == one.draft.set), None)
    if same is not None and same.digest != one.digest:
        raise NotAllowedError(f"custodian set {one.draft.set} is pinned here already, with other custodians")
    if same is None:
        if held and (one.draft.set <= held[-1].draft.set or one.draft.begins <= held[-1].draft.begins):
            raise NotAllowedError(f"custodian set {one.draft.set} does not follow set {held[-1].draft.set}")
        durable.make_folder(folder / FOLDER)
        durable.write_file(folder / FOLDER / f"{one.draft.set}.json", founded.encode())
    return one


def read(folder: Path, policy: Policy) -> list[Roster]:
    """Every set of a store, in order, each checked anew. Raises BadInputError or VerificationError naming the file."""
    found = []
    for path in (folder / FOLDER).glob("*.json"):
        try:
            found.append(checked(signed.decode(path.read_bytes(), "founded"), policy))
        except UnheldError as error:
            raise type(error)(f"{path}: {error}; put back the set that headquarters founded") from None
    found.sort(key=lambda one: one.draft.set)
    _check_floor(found, policy)
    return found


def floor(sets: Sequence[Roster], policy: Policy) -> int:
    """With how many custodians at least every set of a store must open: as genesis says, and as its first set did."""
    return max(policy.t, sets[0].draft.t if sets else 1)


def sealing(sets: Sequence[Roster], day: int) -> Roster:
    """The set that `day` is sealed under. Raises StateError before the first."""
    begun = [one for one in sets if one.draft.begins <= day]
    if not begun:
        raise StateError(f"no custodian set seals {columns.day_text(day)}: none is founded, or the first begins later")
    return begun[-1]


def holding(sets: Sequence[Roster], today: int) -> list[Roster]:
    """The sets that may hold a key on `today`: all but those whose last column has lapsed."""
    ends = [following.draft.begins for following in sets[1:]]
    longest = [max(one.draft.lifetimes.values()) for one in sets]
    lapsed = [end + days <= today for end, days in zip(ends, longest, strict=False)]
    return [one for one, gone in zip(sets, [*lapsed, False], strict=False) if not gone]


def _check_floor(sets: Sequence[Roster], policy: Policy) -> None:
    least = floor(sets, policy)
    for one in sets:
        if one.draft.t < least:
            raise NotAllowedError(
                f"custodian set {one.draft.set}: {one.draft.t} would open a closed day, and this store was founded "
                f"with {least}: a later set may need more of them, never fewer"
            )


def checked(founded: Signed, policy: Policy) -> Roster:
    """A founded set, held to headquarters' key and to genesis. Raises what `keep` raises; nothing is written."""
    one, _ = roster.founded_of(founded)
    draft = one.draft
    if (draft.store, draft.headquarters.hex()) != (policy.store_id, policy.plan_key):
        raise NotAllowedError(f"custodian set {draft.set}: it is of another store or another headquarters")
    if (dict(draft.lifetimes), draft.late_days) != (dict(policy.lifetimes), policy.late_days):
        raise BadInputError(f"custodian set {draft.set}: its lifetimes are not those that genesis pinned")
    return one
