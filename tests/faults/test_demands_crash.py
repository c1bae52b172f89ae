"""A crash at any durable step of any act on a demand: the next call finds the register whole, and repeating is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.calls import Crash
from tests.support.demands import PERSON, Registered, filed, register_of
from unheld.demands.model import Demand
from unheld.ledger import Ledger
from unheld.workflows.demand import Desk
from unheld_slots.durable import observed

ID = bytes(range(16))
LINES = (PERSON, "tel:+99922222222")
ASKS = ("location", "traffic")


def receive(desk: Desk) -> Demand:
    """File it, with a document."""
    return desk.receive(filed(asks=ASKS, targets=2), LINES, "words", b"a scan", "Anna", ID)


ACTS: dict[str, Callable[[Desk], Demand]] = {
    "received": receive,
    "checked": lambda desk: desk.check(desk.register.find(ID.hex())),
    "narrowed": lambda desk: desk.narrow(desk.register.find(ID.hex()), "Anna", asks=("location",)),
    "refused": lambda desk: desk.refuse(desk.register.find(ID.hex()), ("MultipleTargets",), "Anna"),
    "withdrawn": lambda desk: desk.withdraw(desk.register.find(ID.hex()), "Anna"),
}
# Steps of each act on this layout; a test below holds the list to be complete.
STEPS = {"received": 32, "checked": 6, "narrowed": 12, "refused": 12, "withdrawn": 12}
POINTS = [(kind, at) for kind, count in STEPS.items() for at in range(count)]


@contextmanager
def stopping(at: int) -> Iterator[list[str]]:
    """Durable steps by name; from number `at` on the machine stops."""
    met: list[str] = []

    def step(moment: str, path: Path) -> None:
        met.append(f"{moment} {path.name}")
        if len(met) > at:
            raise Crash

    with observed(step):
        yield met


def prepared(folder: Path, kind: str) -> Registered:
    """A register that is just before an act of this kind."""
    made = register_of(folder)
    if kind != "received":
        with made.desk() as desk:
            receive(desk)
    return made


def said(made: Registered) -> list[str]:
    """Kinds of the statements of demands in the ledger."""
    kept = Ledger(made.made.deployment.ledger).kept()
    return [str(item.opening.statement["kind"]) for item in kept]


@pytest.mark.parametrize("kind", ACTS)
def test_the_list_of_steps_is_complete(tmp_path: Path, kind: str) -> None:
    """Every durable step of an act is broken below."""
    made = prepared(tmp_path, kind)
    with made.desk() as desk, stopping(10_000) as met:
        ACTS[kind](desk)
    assert len(met) == STEPS[kind]


@pytest.mark.parametrize(("kind", "at"), POINTS)
def test_after_a_crash_the_act_is_whole_or_was_never(tmp_path: Path, kind: str, at: int) -> None:
    """The next writer finds the act with its statement or neither; repeating it gives exactly one of each."""
    made = prepared(tmp_path, kind)
    with pytest.raises(Crash), made.desk() as desk, stopping(at):
        ACTS[kind](desk)

    with made.desk() as desk:
        found = desk.register.demands()
        acts = [act.kind for demand in found for act in demand.acts]
        told = [item for item in acts if item != "checked"]
        assert said(made) == [f"demand-{item}" for item in told]
        done = ACTS[kind](desk)

    assert [act.kind for act in done.acts].count(kind) == 1
    assert said(made).count(f"demand-{kind}") == (kind != "checked")
    with made.desk(write=False) as desk:
        assert desk.register.demands() == [done]
        named = desk.register.named(done, made.made.deployment.escrow_private())
        assert [party.identity for party in named.parties] == list(LINES)


def test_a_filing_cut_short_leaves_nothing(tmp_path: Path) -> None:
    """A folder that got its boxes and no act goes with the next writer; a reader passes over it."""
    made = register_of(tmp_path)
    with pytest.raises(Crash), made.desk() as desk, stopping(22):
        receive(desk)
    folder = made.register / "demands" / ID.hex()
    assert (folder / "named.box").exists()

    with made.desk(write=False) as desk:
        assert desk.register.demands() == []
    with made.desk():
        assert not folder.exists()


def test_a_crash_while_settling_is_settled_by_the_next(tmp_path: Path) -> None:
    """The repair itself may be cut short at any step."""
    made = prepared(tmp_path, "refused")
    with pytest.raises(Crash), made.desk() as desk, stopping(6):
        ACTS["refused"](desk)
    assert said(made) == ["demand-received"]
    for at in range(3):
        with pytest.raises(Crash), stopping(at), made.desk():
            pass
    with made.desk():
        assert said(made) == ["demand-received", "demand-refused"]
