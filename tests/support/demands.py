"""Demands for tests: one against which no rule speaks, and ways to spoil it.

made = register_of(tmp_path)
with made.desk() as desk:
    demand = desk.receive(filed(), ["tel:+99911111111"])
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.stores import TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE
from unheld.demands.model import Filed, Held, Span
from unheld.workflows import demand as journeys
from unheld.workflows.demand import Desk
from unheld_verify import columns

TODAY = date(2026, 7, 10)
DAY = columns.day_of(TODAY)
PERSON = "tel:+99911111111"


def day(text: str) -> int:
    """A day number."""
    return columns.day_number(text)


def filed(**given: Any) -> Filed:
    """A demand against which no rule speaks where its data is held: one line, three days, a court, a law of old."""
    facts: dict[str, Any] = {
        "authority": "District Court", "authority_kind": "court", "asks": ("location",), "target_kind": "line",
        "targets": 1, "received": DAY, "issuer": "A Registrar", "issuer_title": "Registrar", "reference": "M/7",
        "basis": ("MM-31-2013-77",), "purpose": "a missing child", "dated": DAY - 1, "begins": DAY - 5,
        "ends": DAY - 3, "court_order": True,
    }  # fmt: skip
    return Filed(**{**facts, **given})


def held(state: str = "closed", **given: Any) -> Held:
    """Holdings of one span in one state."""
    facts: dict[str, Any] = {
        "day": DAY, "spans": (Span("place", state, DAY - 5, DAY - 3),), "t": 2, "n": 3, "slot": "file: words",
        "release": "never", "genesis": "00" * 32,
    }  # fmt: skip
    return Held(**{**facts, **given})


@dataclass
class Registered:
    """A deployment whose clock stands at noon of TODAY."""

    made: TestStore

    @contextmanager
    def desk(self, *, write: bool = True) -> Iterator[Desk]:
        """The desk, opened anew from disk."""
        with self.clock(), journeys.desk(self.made.deployment, write=write) as desk:
            yield desk

    @contextmanager
    def clock(self) -> Iterator[None]:
        """The deployment's clock for calls that read it themselves."""
        with patch.dict(os.environ, {CLOCK_VARIABLE: str(self.made.now)}):
            yield

    @property
    def register(self) -> Path:
        """The register's folder."""
        return self.made.deployment.register


def register_of(tmp_path: Path, **policy: Any) -> Registered:
    """An empty deployment."""
    made = made_store(tmp_path, n=3, t=2, **policy)
    made.set_clock(TODAY, 43_200)
    return Registered(made)
