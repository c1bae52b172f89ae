"""The plain words of a verification: its steps, what each kind of statement says, and what nothing here proves."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError


@dataclass(frozen=True)
class Step:
    """A finished step of a verification: its number in the specification, its name, what was found."""

    number: int
    name: str
    words: str


Teller = Callable[[Step], None]


def silent(_step: Step) -> None:
    """Tell nobody."""


@contextmanager
def step(number: int, name: str) -> Iterator[None]:
    """Name the step in whatever its check raises."""
    try:
        yield
    except (BadInputError, CannotVerifyError, VerificationError) as error:
        raise type(error)(f"step {number}, {name}: {error}") from None


NOT_PROVEN: tuple[str, ...] = (
    "This speaks of the keys of this store only. It says nothing of copies elsewhere.",
    "What a custodian says of its keys is testimony, not proof.",
    "Rollback by the owner is not detectable without witnesses: the owner could show others another log.",
    "A log proves that its owner made a statement and cannot take it back, not that the statement is true.",
    "The day is the owner's word, and an act that was never logged does not show.",
)

_SAYS: dict[str, str] = {
    "genesis": "store {store} was founded under the policy {policy}; SHA-256 of its genesis document is {genesis}",
    "open": "sealing day {sealing_day} was opened with custodian set {set}",
    "batch": "at most {records_at_most} records were sealed on sealing day {sealing_day}",
    "close": "sealing day {sealing_day} was closed at generation {generation}, with at most {records_at_most} records",
    "erase-parties": "the keys of at most {leaves} parties were destroyed, in {copies} copy or copies ({slots})",
    "erase-day": "the column keys of {event_day} were erased; custodians who attest it: {custodians} ({slots})",
    "erase-class": "the {class} keys of {event_day} were erased; custodians who attest it: {custodians} ({slots})",
    "erase-everything": "the keys of every party were destroyed, in {copies} copy or copies ({slots})",
    "lapse": "the column keys of {columns} lapsed; custodians who attest it: {custodians}",
    "parked": "in period {period} at most {records_at_most} records were parked that nobody at the branch can read",
    "demand-received": "demand {demand} of {authority} was received; it asks for {asks}, lines named: {targets}",
    "demand-narrowed": "demand {demand} was narrowed to {asks}, or to fewer days; the rest of it was refused",
    "demand-refused": "demand {demand} was refused: {codes}",
    "demand-withdrawn": "demand {demand} was withdrawn by the authority; nothing was handed over on it",
    "claim-answered": "one person, or who speaks for them, was told whether any demand named their line",
    "access-answered": "custodians answered one card that asked for its own records",
    "copy-released": "copy {copy} of the key tree was away for days; headquarters waits for it no longer: {copies} of "
    "{listed} trees forget from generation {generation} on",
    "copy-returned": "copy {copy} of the key tree came back and has everything since generation {generation}: {copies} "
    "of {listed} trees forget",
    "copy-promoted": "copy {copy} of the key tree is the store from generation {generation} on: {copies} of {listed} "
    "trees forget",
    "paper": "a {paper} was made; its digest is {digest}",
    "group": "{key} may object to a handover",
    "standstill": "{group} objected ({digest}): no handover from {begins} until before {ends}",
    "custodians": "set {set} of {n} custodians, of whom {t} open a closed day, acts for sealing days from {begins} on; "
    "custodians who confirmed its transcript: {custodians}; the transcript's digest is {digest}",
    "upgrade": "the store went from format {from} to format {to} by the plan with digest {digest}",
}

_NOT_SAID: dict[str, str] = {
    "genesis": "It does not prove that the policy is kept.",
    "open": "It does not prove who could read the day while it was open.",
    "batch": "It does not prove which records were sealed, or that all that came were.",
    "close": "It does not prove that nobody copied the day's keys while it was open.",
    "erase-parties": "It does not bind anyone who copied a party's row before and also holds column keys.",
    "erase-day": "It does not prove that fewer custodians than can open a day together kept its keys.",
    "erase-class": "It does not prove that fewer custodians than can open a day together kept its keys.",
    "erase-everything": "It does not bind anyone who copied rows before and also holds column keys, and covers nothing "
    "that was sealed after it.",
    "lapse": "It does not prove that fewer custodians than can open a day together kept its keys.",
    "parked": "It does not prove that the lines were not read or copied before they were parked.",
    "demand-received": "It does not prove that every demand was filed, or that nothing was handed over by other ways.",
    "demand-narrowed": "It does not prove that the rest was not handed over by other ways.",
    "demand-refused": "It does not prove that nothing was handed over by other ways, before or after.",
    "demand-withdrawn": "It does not prove that nothing was handed over by other ways, before or after.",
    "claim-answered": "It does not say whose line, nor what the answer was.",
    "access-answered": "It does not say whose card, nor which days, nor that the card was in its owner's hand.",
    "copy-released": "It does not prove that the copy is gone: until it comes back, it holds the rows of whoever was "
    "forgotten since.",
    "copy-returned": "It does not prove that nobody copied its rows while it was away.",
    "copy-promoted": "It does not prove that the former store is gone, nor that nothing came to it alone.",
    "paper": "It does not prove that what the paper says is true, only that it is the one that was made.",
    "group": "It does not say who holds the key.",
    "standstill": "It does not prove that nothing was handed over by other ways.",
    "custodians": "It does not prove that the custodians are separate organisations, nor that none of them keeps a "
    "copy of its seeds.",
    "upgrade": "It does not prove that no copy of the store in its earlier format is left.",
}


def says(statement: dict[str, Any]) -> str:
    """What a verified statement says, as one sentence without its full stop."""
    return _SAYS[statement["kind"]].format(**{name: _shown(value) for name, value in statement.items()})


def not_proven(*kinds: str) -> tuple[str, ...]:
    """What statements of these kinds do not prove, the most particular first."""
    return (*dict.fromkeys(_NOT_SAID[kind] for kind in kinds), *NOT_PROVEN)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return (
            ", ".join(" of ".join(map(_shown, item)) if isinstance(item, list) else _shown(item) for item in value)
            or "none"
        )
    if isinstance(value, dict):
        return "; ".join(f"{name} {_shown(item)}" for name, item in sorted(value.items()))
    return str(value)


def one_line(text: str) -> str:
    """`text` on one line: what a file holds must not write lines or colours of its own into a result."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def name_of(text: str, most: int, what: str) -> str:
    """A name in its one spelling, NFC: two that look the same are the same. `what` says whose name it is.

    Raises BadInputError where it is empty, longer than `most`, has space at an end, or signs that nobody sees: those
    turn the direction of what stands after them, and let one name pass for another.
    """
    name = unicodedata.normalize("NFC", text)
    if not 0 < len(name) <= most or not name.isprintable() or name != name.strip():
        raise BadInputError(
            f"{what}: {ascii(text)[: 2 * most]}: write 1 to {most} signs that can be seen, without space at the ends"
        )
    return name
