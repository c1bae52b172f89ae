"""All custodians of a set on this machine, called as one.

For one machine that is everything, for tests and for a beginning: custodians in one place protect against nobody who
holds that place, and `status` says so through their slots' words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from unheld_custodian.custodian import Custodian, Status, Terms, local_genesis
from unheld_custodian.kept import NAME, Kept
from unheld_custodian.state import State, Whole
from unheld_slots import durable
from unheld_slots.places import slot_uri
from unheld_slots.sealed import SealedState
from unheld_slots.slot import Slot, create_slot, open_slot
from unheld_verify import columns, crypto
from unheld_verify.columns import Attestation, EventColumn, ParkPeriod, Push
from unheld_verify.errors import BadInputError, NoStoreError, PartialError, StateError, UnheldError

Answer = TypeVar("Answer")


class LocalCustodians:
    """The custodians that could be opened, and in `away` why each of the others could not (by index)."""

    def __init__(self, custodians: Mapping[int, Custodian], away: Mapping[int, str], t: int) -> None:
        self.custodians = dict(custodians)
        self.away = dict(away)
        self.t = t

    @classmethod
    def create(cls, folder: Path, slots: Path, terms: Terms) -> LocalCustodians:
        """Found `terms.n` custodians under `folder`, their slots under `slots` (keep it out of backups).

        `terms.index` is given by this call. Raises BadInputError, or StateError when one is there already.
        """
        chains = local_genesis(terms.n, terms.t)
        durable.make_folder(folder)
        durable.make_folder(slots)
        custodians = {
            index: _create(
                _folder(folder, index), create_slot(_slot(slots, index)), replace(terms, index=index), chains[index]
            )
            for index in range(terms.n)
        }
        return cls(custodians, {}, terms.t)

    @classmethod
    def open(cls, folder: Path, slots: Path) -> LocalCustodians:
        """Open those that can be opened. Raises NoStoreError when none can."""
        custodians: dict[int, Custodian] = {}
        away: dict[int, str] = {}
        for path in sorted(folder.glob("custodian-[0-9]")):
            index = int(path.name.removeprefix("custodian-"))
            try:
                custodians[index] = _open(path, open_slot(_slot(slots, index)))
            except UnheldError as error:
                away[index] = str(error)
        if not custodians:
            reasons = "; ".join(away.values()) or "no custodian was made there"
            raise NoStoreError(f"{folder}: no custodian opens: {reasons}")
        status = next(iter(custodians.values())).status()
        for index in range(status.n):
            if index not in custodians:
                away.setdefault(index, f"{_folder(folder, index)} is missing")
        return cls(custodians, away, status.t)

    def open_day(self, day: int, today: int) -> list[Push]:
        """The pushes of those that can open `day`. Raises StateError with every reason when fewer than t can."""
        pushes, refused = self._ask(lambda custodian: custodian.open_day(day, today))
        if len(pushes) < self.t:
            raise StateError(f"{len(pushes)} of {self.t} needed custodians open day {day}: {_reasons(refused)}")
        return list(pushes.values())

    def close_day(self, day: int, today: int) -> list[Attestation]:
        """Close `day` at all that are here. Raises PartialError after asking all, when one refused."""
        return self._all(lambda custodian: custodian.close_day(day, today))

    def lapse(self, today: int) -> list[Attestation]:
        """Lapse what is due at all that are here. Raises PartialError after asking all, when one refused."""
        return self._all(lambda custodian: custodian.lapse(today))

    def erase(self, pairs: Collection[EventColumn], today: int) -> list[Attestation]:
        """Erase columns at all that are here. Raises PartialError after asking all, when one refused."""
        return self._all(lambda custodian: custodian.erase(pairs, today))

    def erase_everything(self, today: int) -> list[Attestation]:
        """Erase everything at all that are here. Raises PartialError after asking all, when one refused."""
        return self._all(lambda custodian: custodian.erase_everything(today, today, crypto.random_bytes(32)))

    def park_publics(self, today: int) -> dict[int, dict[ParkPeriod, bytes]]:
        """Parking keys by custodian. Raises PartialError when one refused."""
        publics, refused = self._ask(lambda custodian: custodian.park_publics(today))
        if refused:
            raise PartialError(f"parking keys are missing: {_reasons(refused)}")
        return publics

    def open_parked(self, header: bytes) -> dict[int, dict[int, bytes]]:
        """The shares of a parked batch by custodian. With fewer than t, raises what the first one raised."""
        shares, refused = self._ask(lambda custodian: custodian.open_parked(header))
        if len(shares) < self.t:
            raise next(iter(refused.values()), StateError(f"only {len(shares)} of {self.t} needed custodians are here"))
        return shares

    def publics(self) -> dict[int, bytes]:
        """The Ed25519 keys their attestations are checked with, by custodian."""
        return {index: custodian.public for index, custodian in self.custodians.items()}

    def status(self) -> list[Status]:
        """Figures of all that are here."""
        return [custodian.status() for custodian in self.custodians.values()]

    def _all(self, call: Callable[[Custodian], Answer]) -> list[Answer]:
        answers, refused = self._ask(call)
        if refused:
            raise PartialError(f"{len(answers)} custodians did it, and these did not: {_reasons(refused)}")
        return list(answers.values())

    def _ask(self, call: Callable[[Custodian], Answer]) -> tuple[dict[int, Answer], dict[int, UnheldError]]:
        answers: dict[int, Answer] = {}
        refused: dict[int, UnheldError] = {}
        for index, custodian in self.custodians.items():
            try:
                answers[index] = call(custodian)
            except BadInputError:
                raise
            except UnheldError as error:
                refused[index] = error
        return answers, refused


def _create(folder: Path, slot: Slot, terms: Terms, chains: Mapping[int, bytes]) -> Custodian:
    state = State(
        store=terms.store, set=terms.set, index=terms.index, n=terms.n, t=terms.t,
        lifetimes=columns.check_lifetimes(terms.lifetimes), late_days=columns.check_late_days(terms.late_days),
        next_day=terms.first_day, sign=crypto.random_bytes(32), chains=dict(chains),
    )  # fmt: skip
    place = (terms.store, terms.set)
    return Custodian(Kept.create(folder, slot, Whole(f"custodian-{terms.index}", 0, {place: state})), place)


def _open(folder: Path, slot: Slot) -> Custodian:
    kept = Kept(SealedState(folder, NAME, slot))
    (place,) = kept.whole.sets
    return Custodian(kept, place)


def _folder(folder: Path, index: int) -> Path:
    return folder / f"custodian-{index}"


def _slot(slots: Path, index: int) -> str:
    return slot_uri(slots, f"custodian-{index}")


def _reasons(refused: Mapping[int, UnheldError]) -> str:
    return "; ".join(f"custodian {index}: {error}" for index, error in refused.items())
