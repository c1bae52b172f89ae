"""Headquarters making sets of custodians in a simulation: the real ceremony on a disk that fails, persons, rotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unheld.custody.ceremony import Ceremony, Step, place
from unheld.testing.simdisk import Crash, Disk
from unheld.testing.simulator_nodes import Machine
from unheld_slots import durable
from unheld_verify import crypto
from unheld_verify.custody import Transport
from unheld_verify.errors import StateError, StateUnknownError
from unheld_verify.roster import Draft
from unheld_verify.signed import Signed


@dataclass
class Officer:
    """Headquarters: each call is another process over its disk. `refusing`: custodians whose persons say no."""

    transport: Transport
    machines: Mapping[int, Machine]
    seed: bytes = field(repr=False)
    disk: Disk = field(default_factory=Disk)
    refusing: set[int] = field(default_factory=set)
    draft: Draft | None = None

    @property
    def ceremony(self) -> Ceremony:
        """The ceremony that goes on."""
        assert self.draft is not None
        return Ceremony(place(self._folder, self.draft.set), crypto.sign_public(self.seed))

    @property
    def founded(self) -> Signed | None:
        """The set, once a quorum confirmed it."""
        return self.ceremony.founded

    def propose(self, draft: Draft) -> None:
        """Begin to make a set."""
        durable.make_folders(self._folder)
        Ceremony.begin(place(self._folder, draft.set), draft, self.seed)
        self.draft = draft

    def go(self) -> Step | None:
        """As far as the answers lead; None where the power went or the disk said no. Raises VerificationError."""
        try:
            return self.ceremony.go(self.transport, self.seed)
        except (Crash, StateError, StateUnknownError):
            return None

    def hear(self, *indices: int) -> None:
        """Each of these persons hears the four words of headquarters, and approves if they see the same."""
        words = self.ceremony.standing().words
        for index in indices or self.machines:
            self.machines[index].approve(words, refuses=index in self.refusing)

    @property
    def _folder(self) -> Path:
        return self.disk.folder("custody")
