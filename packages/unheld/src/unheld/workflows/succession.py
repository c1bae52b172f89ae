"""Whether the public log tells of a copy that took this store's place (`docs/copies.md`)."""

from __future__ import annotations

from collections.abc import Collection

from unheld_branch.store.policy import Policy
from unheld_verify import statement
from unheld_verify.errors import PromotedError, VerificationError
from unheld_verify.tiles import Log


def successors(log: Log, size: int, origin: str, begin: int = 0) -> dict[int, str]:
    """The copies that were promoted, with the day, by the log's statements from entry `begin` on.

    Raises VerificationError for an opening that does not open its entry, or is of another log than `origin`.
    """
    found = {}
    for index in log.opened(size):
        if index < begin:
            continue
        opening = log.opening(index)
        if opening.statement["kind"] != "copy-promoted":
            continue
        if opening.entry != log.entry(index, size):
            raise VerificationError(f"openings: {index} does not open its entry")
        statement.verify(opening, origin)
        found[opening.statement["copy"]] = opening.statement["day"]
    return found


def check(found: dict[int, str], known: Collection[int], policy: Policy) -> None:
    """Raise PromotedError where a copy was promoted of which this store's journal knows nothing."""
    for number in sorted(set(found) - set(known)):
        raise PromotedError(words(number, found[number], policy))


def words(number: int, day: str, policy: Policy) -> str:
    """That a copy is the store now."""
    name = policy.copies[number - 1] if number <= len(policy.copies) else str(number)
    return (
        f"the log says that copy {name} was promoted on {day}: this is no longer the store. Stop its service, write "
        "and publish nothing more here; what came in since goes into the new store from the delivered files"
    )
