"""Custodians that say no: real desks, one of whose acts is refused for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from unheld_custodian import acts
from unheld_custodian.custodian import Custodian
from unheld_verify.custody import Ask
from unheld_verify.errors import StateError
from unheld_verify.signed import Document


@contextmanager
def refusing(act: str, *indexes: int) -> Iterator[None]:
    """In this block these custodians refuse this act."""
    real = acts._ACTS[act]

    def answer(custodian: Custodian, ask: Ask, digest: bytes, time: acts.Now) -> Document:
        if custodian.state.index in indexes:
            raise StateError("not today")
        return real(custodian, ask, digest, time)

    with mock.patch.dict(acts._ACTS, {act: answer}):
        yield
