"""Custodians that lie: real desks, whose answer to one act is another one than it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

from unheld_custodian import acts
from unheld_custodian.custodian import Custodian
from unheld_verify import canonical, columns, crypto, custody
from unheld_verify.columns import Attestation, EventColumn
from unheld_verify.custody import Ask
from unheld_verify.signed import Document

Lie = Callable[[Custodian, Document], Document]


@contextmanager
def bending(act: str, lie: Lie, *indexes: int) -> Iterator[None]:
    """In this block these custodians answer this act with what `lie` makes of the true answer."""
    real = acts._ACTS[act]

    def answer(custodian: Custodian, ask: Ask, digest: bytes, time: acts.Now) -> Document:
        said = real(custodian, ask, digest, time)
        return lie(custodian, said) if custodian.state.index in indexes else said

    with mock.patch.dict(acts._ACTS, {act: answer}):
        yield


def attested_anew(custodian: Custodian, attested: Attestation, **fields: object) -> Attestation:
    """The attestation with other fields, signed by the custodian; a field that is None is left out."""
    said = canonical.decode(attested.statement) | fields
    statement = canonical.encode({name: value for name, value in said.items() if value is not None})
    return Attestation(statement, crypto.sign(custodian.state.sign, columns.ATTEST_LABEL + statement))


def without(*classes: str) -> Lie:
    """A push without the columns of these classes, with testimony that fits it."""

    def lie(custodian: Custodian, said: Document) -> Document:
        push = custody.push_of(said)
        keys = {pair: held for pair, held in push.keys.items() if pair[0] not in classes}
        listed = [[cls, columns.day_text(day)] for cls, day in columns.in_order(keys)]
        testimony = attested_anew(custodian, push.testimony, columns=listed)
        return custody.push_body(replace(push, keys=keys, checks=columns.checks(keys), testimony=testimony))

    return lie


def wrong(*pairs: EventColumn) -> Lie:
    """A push with other keys of these columns, all of them where none is named."""

    def lie(custodian: Custodian, said: Document) -> Document:
        push = custody.push_of(said)
        chosen = set(pairs or push.keys)
        keys = {
            pair: {number: bytes(32) if pair in chosen else key for number, key in held.items()}
            for pair, held in push.keys.items()
        }
        return custody.push_body(replace(push, keys=keys, checks=columns.checks(keys)))

    return lie
