"""A copy that stays away: headquarters' signed decision that forgettings go on without it (`docs/spec/copy.md`).

    pending/N.release    the decision about copy N, until the journal has it

It holds from the moment on that the journal has it, and not before the copy was away for 72 hours by the store's own
record of it. A released copy that comes back follows first, and counts again when it has everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from unheld_branch.store.following import Copies
from unheld_branch.store.policy import Policy
from unheld_slots import durable
from unheld_verify import signed
from unheld_verify.errors import BadInputError, NotAllowedError, UnheldError
from unheld_verify.signed import Signed

KIND = "release"
WAIT_SECONDS = 72 * 3600
ENDING = ".release"
_FOLDER = "pending"


def number_of(said: Signed, policy: Policy) -> int:
    """The copy that a decision names. Raises VerificationError without headquarters' signature, BadInputError."""
    document = said.by(bytes.fromhex(policy.plan_key), "headquarters")
    number = document.get("copy")
    if set(document) != {"v", "kind", "store", "copy", "made"} or type(number) is not int:
        raise BadInputError("release: fields that this version does not write")
    if document["store"] != policy.store_id.hex() or not 1 <= number <= len(policy.copies):
        raise BadInputError("release: it is of another store, or of a copy that this one does not list")
    return number


def offer(folder: Path, data: bytes, policy: Policy) -> int:
    """Lay a decision before the store, whatever state that is in. Raises what `number_of` raises."""
    said = signed.decode(data, KIND)
    number = number_of(said, policy)
    durable.make_folder(folder / _FOLDER)
    durable.write_file(folder / _FOLDER / f"{number}{ENDING}", data)
    return number


def due(folder: Path, policy: Policy, copies: Copies, now: int) -> Iterator[tuple[int, str]]:
    """(number, digest of the decision) of copies that are away for so long that a decision about them holds.

    Decisions about a copy that is here again are dropped.
    """
    for one in copies:
        path = folder / _FOLDER / f"{one.number}{ENDING}"
        if not path.is_file():
            continue
        try:
            said = signed.decode(path.read_bytes(), KIND)
            valid = number_of(said, policy) == one.number
        except UnheldError as error:
            raise type(error)(f"{path}: {error}; remove it") from None
        if one.standing is not None:
            durable.remove_file(path)
        elif valid and now - one.since >= WAIT_SECONDS:
            yield one.number, said.digest.hex()


def check_due(copies: Copies, number: int, now: int) -> None:
    """Raise NotAllowedError where a decision about this copy would not hold yet, with the time that is missing."""
    one = next(one for one in copies if one.number == number)
    if one.standing is not None:
        raise NotAllowedError(f"copy {one.name} is here: there is nothing to decide")
    left = one.since + WAIT_SECONDS - now
    if left > 0:
        hours = -(-left // 3600)
        raise NotAllowedError(f"copy {one.name} may still come back: it can be released in {hours} hours")


def done(folder: Path, numbers: Iterable[int]) -> None:
    """The journal has them."""
    for number in numbers:
        durable.remove_file(folder / _FOLDER / f"{number}{ENDING}")
