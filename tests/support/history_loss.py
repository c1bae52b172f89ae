"""The loss of a store, in histories: its machine is gone, and its copy goes on as the store."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.support.calls import Crash, steps
from tests.support.history_life import Act, Deed
from tests.support.history_plans import Forgetting
from tests.support.stores import TestStore
from unheld.assembly import Deployment
from unheld_branch.copies import promoting
from unheld_branch.store.database import Database
from unheld_verify import canonical
from unheld_verify.errors import StateError

_BESIDE = ("custodians", "custodian-slots", "hq", "register", "log")


class Losing(Forgetting):
    """Acts around a store that is lost for good."""

    @property
    def has_copy(self) -> bool:
        """Whether a copy follows the store, here or away."""
        return bool(self.made.deployment.places().copies) and not self.promoted

    def _promote(self, act: Act) -> Deed:
        """The machine of the store burns down on a day without an open day; two hours later its copy is the store.

        What is cut off is the promotion, which is then done again.
        """
        if not self.has_copy or self.copy_away or self.begun or self.model.open_day is not None:
            return Deed(lambda: None)
        return Deed(lambda: self._lost(act.crashes), ["promote"])

    def _lost(self, crashes: Sequence[int]) -> None:
        with self.made.opened():  # what the copy lacks is brought to it
            pass
        deployment, copy = self.made.deployment, Path(self.made.deployment.places().copies[0])
        shutil.rmtree(self.made.root)
        for slot in deployment.slots.glob("*.slot"):
            slot.write_bytes(bytes(slot.stat().st_size))
        self.made.now += promoting.QUIET_SECONDS
        self._promoted(copy, crashes)
        for part in _BESIDE:
            stays = self.made.root.with_name(f"{self.made.root.name}.{part}")
            copy.with_name(f"{copy.name}.{part}").symlink_to(stays)  # slots that were moved would lie about twice
        self.made = TestStore(self.made.folder, Deployment(copy), self.made.now)
        self.promoted, self.backups = True, []

    def _promoted(self, copy: Path, crashes: Sequence[int]) -> None:
        for at in crashes:
            if _is_promoted(copy):
                break
            try:
                with steps(at):
                    promoting.promote(copy, self.made.clock)
            except Crash:
                self.recorder.take()
            else:
                return
        done = pytest.raises(StateError, match="promoted already") if _is_promoted(copy) else nullcontext()
        with done:
            promoting.promote(copy, self.made.clock)


def _is_promoted(copy: Path) -> bool:
    """Whether the promotion was cut off after its commit."""
    database = Database.open(copy)
    try:
        return any(canonical.decode(entry)["kind"] == "promote" for _, entry, _ in database.journal())
    finally:
        database.disconnect()
