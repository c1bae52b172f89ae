"""Custody broken on purpose: each way of getting it wrong in earnest turns the seizure red, through its own edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.abroad import Abroad, Robber, made_abroad, robber
from unheld.testing import disclosure
from unheld.testing.attacker import Attacker, Loot
from unheld.testing.disclosure import Graph
from unheld.testing.memory import Dump
from unheld.testing.planted import RECORD_CLASSES, planted
from unheld.testing.recording import Recording
from unheld.testing.synthetic import Operator
from unheld_branch.custody import client
from unheld_custodian import ceremony, moves
from unheld_verify import columns, crypto, grant, note
from unheld_verify.custody import HEADQUARTERS
from unheld_verify.grant import Grant

N, T = 4, 2
OPERATOR = Operator(seed=17, subscribers=10, days=2)
LIFETIMES = {"charge": 4, "contact": 3, "place": 2, "identity": 62}
EVERYTHING = sum(map(len, planted(OPERATOR, OPERATOR.sealing_days, LIFETIMES).folios.values()))


def attacked(recording: Recording, graph: Graph | None = None) -> Loot:
    return Attacker(recording, OPERATOR, graph=graph).closure()


def opened(recording: Recording, *without: str) -> int:
    """Folios that open, when the attacker does not know of some edges."""
    graph = disclosure.load()
    fewer = Graph(graph.kept, tuple(edge for edge in graph.edges if edge.name not in without))
    return len(attacked(recording, fewer).opened_folios())


@contextmanager
def lapsed(folder: Path) -> Iterator[Robber]:
    """Two days of a store, and then as many as anything lives."""
    made = made_abroad(folder, N, T, lifetimes=LIFETIMES)
    with robber(made) as found:
        for when in OPERATOR.sealing_days:
            made.live(OPERATOR, when, lambda _: found.take())
        made.pass_days(max(LIFETIMES[cls] for cls in RECORD_CLASSES) + 1)
        yield found


def instead(module: Any, name: str, function: Callable[..., Any]) -> Any:
    """`name` of what a module knows as crypto or columns is another function, for this module alone."""
    room = "crypto" if hasattr(crypto, name) else "columns"
    own = SimpleNamespace(**{**vars(getattr(module, room)), name: function})
    return patch.object(module, room, own)


def written(path: Path, function: Callable[..., Any], secret: Callable[[Any], bytes]) -> Callable[..., Any]:
    """The same function, whose secret goes to a file."""

    def call(*given: Any) -> Any:
        made = function(*given)
        with path.open("a") as log:
            print(secret(made).hex(), file=log)
        return made

    return call


def test_the_sound_life_opens_nothing_after_its_lapse(tmp_path: Path) -> None:
    """What the broken ones are measured against: branch, line and all custodians, and no folio opens."""
    with lapsed(tmp_path) as found:
        assert opened(found.moment("lapsed").with_custodians(range(N))) == 0


def test_pushes_to_a_long_lived_key_are_caught(tmp_path: Path) -> None:
    """A branch that has answers sealed to one key on its disk gives every day ever to whoever recorded the line."""
    pair = crypto.park_keypair()
    with instead(client, "park_keypair", lambda: pair), lapsed(tmp_path) as found:
        (found.made.deployment.slots / "branch.box").write_text(pair[0].hex())
        alone = found.moment("lapsed").branch

        assert (opened(alone), opened(alone, "answer")) == (EVERYTHING, 0)


@pytest.mark.slow
def test_reply_keys_left_in_memory_are_caught(tmp_path: Path) -> None:
    """One-time keys that stay in a process of the branch open what was recorded; without the line they open nothing."""
    left: list[bytes] = []

    def kept() -> tuple[bytes, bytes]:
        pair = crypto.park_keypair()
        left.append(pair[0])
        return pair

    with instead(client, "park_keypair", kept), lapsed(tmp_path) as found:
        alone = found.moment("lapsed").branch.with_memory(Dump((), (), tuple(left)))

        assert (opened(alone), opened(replace(alone, lines=()))) == (EVERYTHING, 0)


@pytest.mark.slow
def test_custodians_that_keep_day_keys_are_caught(tmp_path: Path) -> None:
    """Day keys that custodians write down outlive every lapse."""
    log = tmp_path / "day.keys"
    with instead(moves, "day_key", written(log, columns.day_key, bytes)), lapsed(tmp_path) as found:
        (found.made.desk_folder(0) / "day.keys").write_bytes(log.read_bytes())
        all_of_them = found.moment("lapsed").with_custodians(range(N))

        assert (opened(all_of_them), opened(all_of_them, "column key from day key")) == (EVERYTHING, 0)


def test_custodians_that_let_nothing_lapse_are_caught(tmp_path: Path) -> None:
    """Custodians whose calendar stands still give t of them everything, after everything should be gone."""
    with patch.object(moves, "_is_due", lambda *_: False), lapsed(tmp_path) as found:
        moment = found.moment("lapsed")

        assert [opened(moment.with_custodians(range(held))) for held in (T - 1, T)] == [0, EVERYTHING]


@pytest.mark.slow
def test_ceremony_keys_that_are_kept_are_caught(tmp_path: Path) -> None:
    """Transport keys that outlive the founding open the deals that lie at the branch for ever: every day of the set."""
    log = tmp_path / "transport.keys"
    pairs = written(log, crypto.park_keypair, lambda pair: bytes(pair[0]))
    with instead(ceremony, "park_keypair", pairs), lapsed(tmp_path) as found:
        (found.made.desk_folder(0) / "transport.keys").write_bytes(log.read_bytes())
        all_of_them = found.moment("lapsed").with_custodians(range(N))

        assert opened(all_of_them) == EVERYTHING
        assert [opened(all_of_them, edge) for edge in ("deal-box", "chain from seed")] == [0, 0]


@pytest.mark.slow
def test_seeds_that_are_kept_are_caught(tmp_path: Path) -> None:
    """Seeds that dealers write down are known by their commitments, and are every day of the set."""
    log = tmp_path / "seeds"
    with instead(ceremony, "random_bytes", written(log, crypto.random_bytes, bytes)), lapsed(tmp_path) as found:
        (found.made.desk_folder(0) / "seeds").write_bytes(log.read_bytes())

        assert opened(found.moment("lapsed").with_custodians(range(N))) == EVERYTHING


def answered(made: Abroad) -> tuple[bytes, int]:
    """Ask all for the values of a grant as headquarters does; its answer key, and how many columns it names."""
    private, public = crypto.park_keypair()
    event = columns.day_of(OPERATOR.sealing_days[0])
    store = made.deployment.policy().store_id
    wanted = Grant(
        store, crypto.sign_public(b"s" * 32), bytes(16), (("charge", event),), made.now, made.now + 600,
        crypto.random_bytes(16), public,
    )  # fmt: skip
    said = wanted.signed(b"s" * 32)
    officer = made.client(HEADQUARTERS)
    for index in range(N):
        body = officer.ask(index, "evaluate", {"grant": said.as_json()})
        grant.open_values(
            note.base64_bytes(body["values"], "values"), said, (1, index), officer.roster.signs[index], private
        )
    return private, 1


@pytest.mark.parametrize("keeps", [(True, True), (True, False), (False, True)])
def test_values_open_with_the_grants_own_key_alone(tmp_path: Path, keeps: tuple[bool, bool]) -> None:
    """Headquarters that keeps its reply keys carries values that it cannot read; with the answer key they open."""
    left: list[bytes] = []

    def kept() -> tuple[bytes, bytes]:
        pair = crypto.park_keypair()
        left.append(pair[0])
        return pair

    made = made_abroad(tmp_path, N, T, lifetimes=LIFETIMES)
    made.live(OPERATOR, OPERATOR.sealing_days[0], lambda _: None)
    with instead(client, "park_keypair", kept):
        answer_key, count = answered(made)
    held = (*left,) * keeps[0] + (answer_key,) * keeps[1]
    with robber(made) as found:
        counts = attacked(found.moment("answered").branch.with_memory(Dump((), (), held))).counts

    assert counts.get("column-value", 0) == (count if all(keeps) else 0)
