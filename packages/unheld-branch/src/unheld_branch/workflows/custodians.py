"""What the branch asks of custodians. Who they are is assembled elsewhere: on this machine, or across a line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from unheld_verify import canonical
from unheld_verify.columns import Push
from unheld_verify.custody import Heard
from unheld_verify.errors import PartialError, UnheldError
from unheld_verify.plan import Plan
from unheld_verify.signed import Signed


class Custodians(Protocol):
    """The custodians of a store, called as one; of the set that seals a day, or of every set that holds keys.

    They keep clocks of their own and never learn an identity.

    - `open_day`: pushes of those that can, at least t, or StateError with every reason; again until closed.
    - `close_day`, `lapse`, `erase`, `erase_everything`: all that answer; lists have an item a set.
    - `park_publics`: signed parking keys ahead of time, by custodian; and by custodian, why one refused them.
    - `open_parked`: shares of a parked batch by custodian and component; SealedError once its period lapsed.
    - `tombstone`: names hashes of labels that a plan forgot; of them, those that every custodian holds now.
    """

    def open_day(self, day: int) -> list[Push]: ...  # noqa: D102
    def close_day(self, day: int) -> Heard: ...  # noqa: D102
    def lapse(self) -> list[Heard]: ...  # noqa: D102
    def erase(self, plan: Plan) -> list[Heard]: ...  # noqa: D102
    def erase_everything(self, plan: Plan) -> list[Heard]: ...  # noqa: D102
    def park_publics(self) -> tuple[dict[int, Signed], dict[int, UnheldError]]: ...  # noqa: D102
    def open_parked(self, header: bytes) -> dict[int, dict[int, bytes]]: ...  # noqa: D102
    def tombstone(self, plan: Plan, hashes: Collection[bytes]) -> set[bytes]: ...  # noqa: D102


def numbers(heard: Sequence[Heard]) -> list[int]:
    """Who testified, of the newest set: numbers of custodians, ascending."""
    return sorted(canonical.decode(item.statement)["custodian"] for item in heard[-1].attested)


def enough(heard: Sequence[Heard], mend: str) -> None:
    """Raise PartialError, with the `mend`, while t custodians of a set are left that did not testify to an erasing."""
    for one in heard:
        if len(one.attested) < one.needed:
            raise PartialError(
                f"{len(one.attested)} of {one.needed} needed custodians of set {one.set} erased their keys, the others "
                f"are away or refused: {mend}"
            )


def everybody(heard: Sequence[Heard]) -> bool:
    """Whether every custodian of every set testified: nobody has to be asked again."""
    return not any(one.refused or one.away for one in heard)
