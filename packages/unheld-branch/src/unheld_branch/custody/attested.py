"""What custodians attested, as the branch keeps it: `attestations/` in the store's folder (`docs/spec/custodian.md`).

    attestations/SET-INDEX-lapsed.json         the newest of each custodian
    attestations/SET-INDEX-opened.json         of the last day that it opened
    attestations/SET-INDEX-closed.json         of the last day that it closed
    attestations/SET-INDEX-erased-DIGEST.json  one for each list of columns, until all of them have lapsed
    attestations/seen.json                     the newest (generation, tag) that each custodian spoke of

It is testimony: who attests may lie, and says only what it holds itself. A column is attested gone once so many
attested that fewer than t are left, and the branch holds no key of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from unheld_slots import durable
from unheld_verify import canonical, columns, crypto, custody
from unheld_verify.checkpoint import is_decimal
from unheld_verify.columns import Attestation, EventColumn
from unheld_verify.errors import BadInputError, DiskError, StateError, UnheldError, VerificationError
from unheld_verify.roster import Roster

FOLDER = "attestations"
_SEEN = "seen.json"


@dataclass(frozen=True)
class Standing:
    """How far a column is gone: `open` at the branch, or closed; by set, who attested that its keys are gone there.

    `gone`: in every set that may have sealed into it fewer than t are left that did not attest, and the branch's own
    keys of it are dropped.
    """

    open: bool
    attested: Mapping[int, tuple[int, ...]]
    gone: bool

    def words(self, sets: Sequence[Roster]) -> str:
        """For a person."""
        if self.open:
            return "open: the branch holds its keys today"
        told = [f"{len(who)} of {_draft(sets, number).n} attested" for number, who in self.attested.items()]
        return f"{'attested gone' if self.gone else 'closed'} ({'; '.join(told)})"


class Attested:
    """The attestations in a store's folder, of its custodian sets. Each is verified again when it is read."""

    def __init__(self, store: Path, sets: Sequence[Roster]) -> None:
        self._folder = store / FOLDER
        self._sets = sets

    def keep(self, attested: Attestation) -> None:
        """Keep a verified attestation in the place of an older one. An older one than is kept is passed over."""
        said = canonical.decode(attested.statement)
        path = self._folder / _name(said)
        durable.make_folder(self._folder)
        if not path.is_file() or self._read(path)[1]["generation"] <= said["generation"]:
            durable.write_file(path, canonical.encode(custody.attestation_body(attested)))

    def tidy(self, today: int) -> None:
        """Drop what was attested of erasings whose columns have all lapsed by the calendar."""
        for path in self._folder.glob("*-erased-*.json"):
            _, said = self._read(path)
            lifetimes = _draft(self._sets, said["set"]).lifetimes
            if all(columns.due(cls, columns.day_number(day), lifetimes) <= today for cls, day in said["columns"]):
                durable.remove_file(path)

    def all(self) -> list[dict[str, Any]]:
        """Every statement that is kept, each verified with its custodian's key."""
        return [said for _, said in map(self._read, sorted(self._folder.glob("*-*.json")))]

    def standing(self, column: EventColumn, *, is_open: bool) -> Standing:
        """How far the keys of (class, event day) are gone."""
        said = self.all()
        sets = list(_sealing(self._sets, column))
        attested = {
            one.draft.set: tuple(
                sorted(
                    {item["custodian"] for item in said if item["set"] == one.draft.set and _covers(item, column, one)}
                )
            )
            for one in sets
        }
        enough = all(len(attested[one.draft.set]) > one.draft.n - one.draft.t for one in sets)
        return Standing(is_open, attested, enough and bool(sets) and not is_open)

    def seen(self, number: int) -> MutableMapping[int, tuple[int, str]]:
        """The newest (generation, tag) of each custodian of a set; what is put in is on the disk when this returns."""
        return _Seen(self._folder / _SEEN, number)

    def _read(self, path: Path) -> tuple[Attestation, dict[str, Any]]:
        try:
            attested = custody.attestation_of(canonical.decode(path.read_bytes()))
            said = canonical.decode(attested.statement)
            roster = next(one for one in self._sets if one.draft.set == said["set"])
            keys = dict(enumerate(roster.signs))  # a list would take -1 for its last
            return attested, attested.read(keys[said["custodian"]])
        except (UnheldError, LookupError, TypeError, StopIteration) as error:
            raise VerificationError(
                f"{path}: not what a custodian of this store signed ({error}); remove it, they attest again"
            ) from None


_SEEN_LOCK = Lock()
_MEND = (
    "put back its last good copy, or remove it: then generations are learned anew, and a custodian that was put back "
    "from a backup in the meantime is not noticed"
)


class OwnStateError(DiskError):
    """What is kept here of custodians cannot be read or written: none of them is to blame."""


class _Seen(MutableMapping[int, tuple[int, str]]):
    """One set's part of the file; several sets' clients write it from several threads."""

    def __init__(self, path: Path, number: int) -> None:
        self._path = path
        self._set = str(number)

    def _all(self) -> dict[str, dict[str, list[Any]]]:
        try:
            found = canonical.decode(self._path.read_bytes()) if self._path.is_file() else {}
            sound = all(
                is_decimal(number) and is_decimal(index) and [type(one) for one in stamp] == [int, str]
                for number, held in found.items()
                for index, stamp in held.items()
            )
        except (OSError, BadInputError, AttributeError, TypeError) as error:
            raise OwnStateError(f"{self._path}: cannot be read: {error}; {_MEND}") from None
        if not sound:
            raise OwnStateError(f"{self._path}: holds something else than generations; {_MEND}")
        return dict(found)

    def _own(self) -> dict[int, tuple[int, str]]:
        return {int(index): (generation, tag) for index, (generation, tag) in self._all().get(self._set, {}).items()}

    def __getitem__(self, index: int) -> tuple[int, str]:
        return self._own()[index]

    def __setitem__(self, index: int, stamp: tuple[int, str]) -> None:
        with _SEEN_LOCK:
            whole = self._all()
            own = whole.setdefault(self._set, {})
            if stamp[0] > own.get(str(index), [-1])[0]:
                own[str(index)] = list(stamp)
                self._write(whole)

    def _write(self, whole: Mapping[str, Any]) -> None:
        try:
            durable.make_folder(self._path.parent)
            durable.write_file(self._path, canonical.encode(whole))
        except StateError as error:
            raise OwnStateError(str(error)) from None

    def __delitem__(self, index: int) -> None:
        raise VerificationError("the highest generation that was seen of a custodian is never forgotten")

    def __iter__(self) -> Iterator[int]:
        return iter(self._own())

    def __len__(self) -> int:
        return len(self._own())


def _name(said: Mapping[str, Any]) -> str:
    place = f"{said['set']}-{said['custodian']}-{said['kind']}"
    listed = crypto.sha256(canonical.encode(said["columns"]))[:8].hex()
    return f"{place}-{listed}.json" if said["kind"] == "erased" else f"{place}.json"


def _covers(said: Mapping[str, Any], column: EventColumn, of: Roster) -> bool:
    """Whether a custodian says that it holds no key of this column and will make none: lapsed with all before it, or
    erased by name. After everything was erased it makes keys of later sealing days, for what comes late.
    """
    named = [(cls, columns.day_number(day)) for cls, day in said["columns"]]
    if said["kind"] == "lapsed":
        return any(cls == column[0] and day >= column[1] for cls, day in named)
    everything = named == columns.living(columns.day_number(said["day"]), of.draft.lifetimes)
    return said["kind"] == "erased" and column in named and not everything


def _sealing(sets: Sequence[Roster], column: EventColumn) -> Iterator[Roster]:
    """The sets that may have sealed into a column: between its event day and the last day it could come late."""
    ends = [one.draft.begins for one in sets[1:]] + [1 << 32]
    for one, end in zip(sets, ends, strict=True):
        last = column[1] + max(one.draft.late_days, 31 if column[0] == "identity" else 0)
        if one.draft.begins <= last and column[1] < end:
            yield one


def _draft(sets: Sequence[Roster], number: int) -> Any:
    return next(one.draft for one in sets if one.draft.set == number)
