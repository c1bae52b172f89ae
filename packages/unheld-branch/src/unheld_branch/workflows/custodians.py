"""What the branch asks of custodians. Headquarters' assembly says who they are: local ones now, remote ones later."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from unheld_verify.columns import Attestation, EventColumn, ParkPeriod, Push


class Custodians(Protocol):
    """The custodians of a set, called as one. They never learn an identity.

    - `open_day`: pushes of those that can, at least t, or StateError with every reason; again until closed.
    - `close_day`, `lapse`, `erase`, `erase_everything`: all that are here; PartialError when one refused.
    - `park_publics`: public parking keys ahead of time, by custodian.
    - `open_parked`: shares of a parked batch by custodian and component; SealedError once its period lapsed.
    """

    def open_day(self, day: int, today: int) -> list[Push]: ...  # noqa: D102
    def close_day(self, day: int) -> list[Attestation]: ...  # noqa: D102
    def lapse(self, today: int) -> list[Attestation]: ...  # noqa: D102
    def erase(self, pairs: Collection[EventColumn], today: int) -> list[Attestation]: ...  # noqa: D102
    def erase_everything(self, today: int) -> list[Attestation]: ...  # noqa: D102
    def park_publics(self, today: int) -> dict[int, dict[ParkPeriod, bytes]]: ...  # noqa: D102
    def open_parked(self, header: bytes) -> dict[int, dict[int, bytes]]: ...  # noqa: D102
