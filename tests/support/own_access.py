"""A small network for own access: real custodians' desks, a branch that seals with what they push, a subscriber's card.

The branch is a folder of column files and no store, so that a test may bend each part by itself.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.support.ceremony import NOON, SEEDS, STORE, World, draft
from unheld.access import buckets, card, messages
from unheld.access.card import Card
from unheld.access.folder import GRANT, WANTED, Folder, Wish
from unheld.access.messages import HeldFile, Slip
from unheld.access.values import Read, State
from unheld.workflows import access
from unheld_branch.custody.client import Client
from unheld_branch.keys.columns import merge_pushes
from unheld_branch.store.openday import OpenDay
from unheld_branch.store.sealing import Events, PartyKeys, Sealer
from unheld_verify import columns, crypto, custody, grant, signed
from unheld_verify.custody import HEADQUARTERS
from unheld_verify.errors import AwayError
from unheld_verify.signed import Signed

SALT = bytes(range(16))
OTHERS = 40


class Kept(World):
    """Desks that remember how their set was founded."""

    founded: Signed

    def to_all(self, said: Signed) -> list[Signed]:
        """As before; a founded set is kept."""
        if said.kind == "founded":
            self.founded = said
        return super().to_all(said)


@dataclass
class Lines:
    """A transport to desks; those in `cut` do not answer."""

    world: World
    cut: set[int] = field(default_factory=set)

    def call(self, index: int, data: bytes) -> bytes:
        """To the desk and back."""
        if index in self.cut:
            raise AwayError("the line is cut")
        return self.world.desks[index].handle(data)


@dataclass
class Network:
    """Custodians, column files, and the party that has the card; `party` is its key, `now` the second it is."""

    folder: Path
    world: Kept
    lines: Lines
    card: Card
    party: bytes
    files: list[HeldFile] = field(default_factory=list)
    since: int = 0

    @property
    def now(self) -> int:
        """By the custodians' clocks."""
        return self.world.clocks[0].second

    @property
    def own(self) -> Folder:
        """The subscriber's folder."""
        return Folder(self.folder / "own")

    def copied(self, folder: Path) -> Network:
        """The same network in another folder: custodians read their disks, and nothing here is changed by a test."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        world = copy.copy(self.world)
        world.folder, world.seen = folder, dict(self.world.seen)
        world.clocks = [copy.copy(clock) for clock in self.world.clocks]
        world.desks = list(self.world.desks)
        for index in range(len(world.desks)):
            world.reopen(index)
        return Network(folder, world, Lines(world), self.card, self.party, list(self.files), self.since)

    def client(self) -> Client:
        """Headquarters' line."""
        assert self.world.roster
        return Client(self.world.roster, self.lines, SEEDS[HEADQUARTERS], HEADQUARTERS, lambda: self.now)

    def seal_day(self, day: int, *seconds: int, of: Sequence[bytes] = (), label: bytes = b"") -> None:
        """Open a day at the desks, seal calls of the card's party at `seconds`, and of others, and close the day."""
        self.world.at(day * 86_400 + 43_200)
        assert self.world.roster
        terms = self.world.roster.draft
        body = {"day": columns.day_text(day)}
        pushes = [custody.push_of(self.world.ask(index, "open", body)) for index in range(terms.n)]
        keys = merge_pushes(pushes, terms.n, terms.t)
        sealer = Sealer(self.folder, STORE, OpenDay(keys, bytes(32)))
        _, made, _ = sealer.seal(self._events(day, seconds, label))
        self.files += [HeldFile(file.column, keys.set, file.batch_id, file.blocks) for file in made]
        for index in range(terms.n):
            self.world.ask(index, "close", body)

    def _events(self, day: int, seconds: Sequence[int], label: bytes) -> Events:
        own = label or grant.label(self.card.public, SALT)
        party_keys = self.party + crypto.random_bytes(32 * OTHERS)
        labels = own + crypto.random_bytes(16 * OTHERS)
        parties = PartyKeys(
            np.frombuffer(party_keys, np.uint8).reshape(-1, 32), np.frombuffer(labels, np.uint8).reshape(-1, 16)
        )
        owner = np.array([0] * len(seconds) + list(range(1, OTHERS + 1)))
        when = np.array([*seconds, *range(OTHERS)]) + day * 86_400
        table = pa.table({
            "event_type": pa.array([1] * len(owner), pa.uint8()), "duration": pa.array([60] * len(owner), pa.uint32()),
            "counterpart": pa.array(["x"] * len(owner), pa.string()).dictionary_encode(),
            "location_id": pa.array(["=c1"] * len(owner), pa.string()),
        })  # fmt: skip
        return Events(table, when, owner, np.full(len(owner), OTHERS), parties, parties)

    def slip(self, said: Signed, **changed: object) -> bytes:
        """What the counter gives for a request, without asking whose it is."""
        fields = {
            "store": STORE, "salt": SALT, "party_key": self.party, "since": self.since, "ended": 0,
            "today": self.now // 86_400, "founded": (self.world.founded,), "files": tuple(self.files), "gone": (),
        }  # fmt: skip
        return messages.seal_slip(Slip(**{**fields, **changed}), said)  # type: ignore[arg-type]

    def asked(self, **wish: object) -> Signed:
        """A grant, after request and slip."""
        if not (self.own.path / GRANT).exists():
            self.own.take_slip(self.slip(self.own.begin(self.card, self.now)))
        self.own.ask(self.card, Wish(**wish), self.now)  # type: ignore[arg-type]
        return signed.decode((self.own.path / GRANT).read_bytes(), "grant")

    def answered(self, said: Signed, *, everybody: bool = False) -> access.Answered:
        """Headquarters' answers."""
        return access.answer([self.client()], said, everybody=everybody)

    def fetched(self) -> bytes:
        """Blocks for the request that `check` left in the folder."""
        wanted = messages.wanted_of((self.own.path / WANTED).read_bytes(), STORE)
        number = self.files[0].set
        filled = [buckets.fill(self.folder, STORE, number, one) for one in wanted]
        return messages.blocks(STORE, tuple(one for one in filled if one is not None))


def network(folder: Path, n: int = 3, t: int = 2) -> Network:
    """Custodians founded in a ceremony, nothing sealed yet."""
    world = Kept.of(folder, n)
    assert isinstance(world, Kept)
    world.found(draft(n, t))
    world.at(NOON)
    return Network(folder, world, Lines(world), card.new(), crypto.random_bytes(32))


def bent(answers: bytes, said: Signed, network: Network, index: int, bend: Callable[[int, bytes], bytes]) -> bytes:
    """Answers in which custodian `index` signed other values: `bend` takes component and value.

    It takes the test's own copy of the answer key to read what the custodian sealed.
    """
    private = (network.own.path / "answer.key").read_bytes()
    desk = network.world.desks[index]
    seed = next(state.sign for state in desk._kept.whole.sets.values())
    values, silent = messages.answers_of(answers, said)
    roster_ = network.world.roster
    assert roster_
    place = (roster_.draft.set, index)
    given = grant.open_values(values[place], said, place, roster_.signs[index], private)
    changed = {
        column: {component: bend(component, value) for component, value in held.items()}
        for column, held in given.items()
    }
    return messages.answers(said, {**values, place: grant.sealed_values(said, place, changed, seed)}, silent)


Filled = Callable[[int, int], Network]
"""Networks of n custodians of whom t open a day."""
CALLS = {"charge", "contact", "place"}


def states(read: Read) -> set[State]:
    """What is known of the columns."""
    return {joined.state for joined in read.columns.values()}


def times(found: Mapping[str, list[dict[str, Any]]], cls: str = "charge") -> list[str]:
    """When the records of a class happened."""
    return [str(record["time"])[:19] for record in found.get(cls, [])]


OWN = ["2026-07-08T00:00:10", "2026-07-08T00:00:20"]
