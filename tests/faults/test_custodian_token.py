"""A custodian whose secret is in a token that is taken out, full or locked: it says so, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.ceremony import DAY, World
from tests.support.tokens import PIN, SoftToken, soft_token
from unheld_custodian.desk import Desk
from unheld_custodian.kept import Kept
from unheld_slots import durable
from unheld_slots.pkcs11.session import Session, TokenError
from unheld_slots.slot import create_slot, open_slot
from unheld_verify import columns
from unheld_verify.errors import BadInputError, StateError, UnheldError, WrongKeyError

TODAY = {"day": columns.day_text(DAY)}
NAME = "custodian"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, SoftToken]:
    """A founded custodian in a token; tests copy both."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("origin")
        token, made = soft_token(folder, patched), World.of(folder, 1).found()
        made.tick(0)
        # founded in a file, which takes no time, and laid down once in the token
        memory = replace(made.desks[0]._kept.whole, tags=b"")
        Kept.create(folder / "c", create_slot(token.uri(NAME)), memory)
        return made, token


@pytest.fixture
def both(
    origin: tuple[World, SoftToken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[World, SoftToken, Callable[[], None]]:
    """The custodian, its token, and what starts it again."""
    made, token = origin
    shutil.copytree(made.folder / "c", tmp_path / "c")
    twin = token.twin(tmp_path, monkeypatch)
    world = World(tmp_path, [], made.clocks, made.roster, made.transcript)

    def start() -> None:
        world.desks = [Desk.open(tmp_path / "c", open_slot(twin.uri(NAME)), made.clocks[0])]

    start()
    return world, twin, start


def when(action: str, act: Callable[[], None]) -> Callable[[str, Path], None]:
    """Do `act` at the first such moment."""
    waiting = [action]

    def observer(moment: str, _path: Path) -> None:
        if [moment] == waiting:
            waiting.clear()
            act()

    return observer


def goes_on(world: World, token: SoftToken) -> None:
    """It hands out the day, and the token has the key of one generation."""
    assert world.ask(0, "open", TODAY)["day"] == TODAY["day"]
    assert len(token.keys(NAME)) == len(token.values(NAME)) == 1


@pytest.mark.parametrize("moment", ["after token-generate", "before token-destroy"])
def test_a_token_taken_out_while_a_day_is_handed_out(
    both: tuple[World, SoftToken, Callable[[], None]], moment: str
) -> None:
    """Nothing leaves, the line is told no place, the person is told which token; put back, the same ask is answered."""
    world, token, _ = both
    with durable.observed(when(moment, token.take_out)), pytest.raises(StateError, match="the person there sees why"):
        world.ask(0, "open", TODAY)
    with pytest.raises(UnheldError, match=rf"slot '{NAME}' in the token with token 'unheld': no such token is there"):
        world.desks[0].overview()
    token.put_back()

    goes_on(world, token)


def test_a_full_token_hands_nothing_out(
    both: tuple[World, SoftToken, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is told to make room; then the same is done."""
    world, token, _ = both
    asked = Session.ask

    def full(self: Session, do: str, **values: Any) -> Any:
        if do == "generate":
            raise TokenError("DeviceMemory")
        return asked(self, do, **values)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "ask", full)
        with pytest.raises(StateError, match="the token is full; make room in it, then try again"):
            world.desks[0].freeze()

    goes_on(world, token)


def test_a_token_that_is_not_in_or_a_wrong_pin_at_the_start(
    both: tuple[World, SoftToken, Callable[[], None]],
) -> None:
    """Each names its place and mend, and once mended the custodian is the one it was."""
    world, token, start = both
    before = world.ask(0, "status")
    token.take_out()
    with pytest.raises(BadInputError, match=r"no such token is there.*put the right token in"):
        start()
    token.put_back()
    token.pin_file.write_text("0000\n")
    with pytest.raises(WrongKeyError, match=f"write it anew into {token.pin_file}"):
        start()
    token.pin_file.write_text(f"{PIN}\n")
    start()

    assert world.ask(0, "status") == before
