"""What the branch asks of custodians. Headquarters' assembly says who they are: local ones now, remote ones later."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from unheld_branch.store.policy import Policy
from unheld_verify import canonical
from unheld_verify.columns import Attestation, EventColumn, ParkPeriod, Push
from unheld_verify.errors import PartialError


class Custodians(Protocol):
    """The custodians of a set, called as one. They never learn an identity.

    - `open_day`: pushes of those that can, at least t, or StateError with every reason; again until closed.
    - `close_day`, `lapse`, `erase`, `erase_everything`: all that are here; PartialError when one refused.
    - `park_publics`: public parking keys ahead of time, by custodian.
    - `open_parked`: shares of a parked batch by custodian and component; SealedError once its period lapsed.
    """

    def open_day(self, day: int, today: int) -> list[Push]: ...  # noqa: D102
    def close_day(self, day: int, today: int) -> list[Attestation]: ...  # noqa: D102
    def lapse(self, today: int) -> list[Attestation]: ...  # noqa: D102
    def erase(self, pairs: Collection[EventColumn], today: int) -> list[Attestation]: ...  # noqa: D102
    def erase_everything(self, today: int) -> list[Attestation]: ...  # noqa: D102
    def park_publics(self, today: int) -> dict[int, dict[ParkPeriod, bytes]]: ...  # noqa: D102
    def open_parked(self, header: bytes) -> dict[int, dict[int, bytes]]: ...  # noqa: D102


def numbers(attested: Sequence[Attestation]) -> list[int]:
    """Who testified: numbers of custodians, ascending."""
    return sorted(canonical.decode(item.statement)["custodian"] for item in attested)


def enough(policy: Policy, attested: Sequence[Attestation], mend: str) -> None:
    """Raise PartialError, with the `mend`, while t custodians are left that did not testify to an erasing."""
    needed = policy.n - policy.t + 1
    if len(attested) < needed:
        raise PartialError(
            f"{len(attested)} of {needed} needed custodians erased their keys, the others are away: {mend}"
        )
