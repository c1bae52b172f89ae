"""A token that is taken out, full, locked, meddled with, or whose module hangs, at every step: nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.tokens import PIN, SoftToken, soft_token
from unheld_slots import durable
from unheld_slots.pkcs11 import pin, session
from unheld_slots.pkcs11.session import Session, TokenError
from unheld_slots.sealed import SealedState
from unheld_slots.slot import Slot, create_slot, open_slot
from unheld_verify.errors import (
    BadInputError,
    NoStoreError,
    NotAllowedError,
    StateError,
    StateUnknownError,
    WrongKeyError,
)

SECRETS = [bytes([number]) * 32 for number in range(1, 4)]
NAME = "root"
# Code for other hands in the token.
KEY = "next(session.get_objects({A.CLASS: C.SECRET_KEY}))"
NEXT = f"i = {KEY}[A.ID][:23] + bytes([2])"


class Crash(BaseException):
    """The power went."""


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> dict[int, SoftToken]:
    """Tokens with a slot of one and of two generations; tests work on copies."""
    with pytest.MonkeyPatch.context() as patched:
        one = soft_token(tmp_path_factory.mktemp("one"), patched)
        slot = create_slot(one.uri(NAME))
        slot.prepare(1, SECRETS[0], b"bound")
        two = one.twin(tmp_path_factory.mktemp("two"), patched)
        slot.prepare(2, SECRETS[1])
    return {1: one, 2: two}


@pytest.fixture
def token(tokens: dict[int, SoftToken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """Generation 1 is live."""
    return tokens[1].twin(tmp_path, monkeypatch)


@pytest.fixture
def two(tokens: dict[int, SoftToken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """Generations 1 and 2 are live."""
    return tokens[2].twin(tmp_path, monkeypatch)


@pytest.fixture
def slot(token: SoftToken) -> Slot:
    return open_slot(token.uri(NAME))


@pytest.fixture
def begun(tokens: dict[int, SoftToken], call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """The token that a call begins with."""
    return tokens[1 if call == "prepare" else 2].twin(tmp_path, monkeypatch)


def generations(token: SoftToken) -> list[int]:
    return [live.generation for live in open_slot(token.uri(NAME)).live()]


def at_step(number: int, act: Callable[[], object]) -> Callable[[str, Path], None]:
    """Do `act` at the `number`-th moment: even numbers before a step in the token, odd ones after it."""
    seen = iter(range(1000))

    def observer(_action: str, _path: Path) -> None:
        if next(seen) == number:
            act()

    return observer


def crash() -> None:
    raise Crash


def held(token: SoftToken) -> list[int]:
    """As `generations`; none where the slot is gone."""
    try:
        return generations(token)
    except NoStoreError:
        return []


def make(call: str, token: SoftToken) -> Callable[[], None]:
    slot = open_slot(token.uri(NAME))
    if call == "wipe":
        return slot.wipe
    return partial(slot.prepare, 2, SECRETS[1]) if call == "prepare" else partial(slot.destroy, 1)


# What may be live while a call goes on, and how many moments before and after its steps there are.
ALLOWED = {"prepare": [[1], [1, 2]], "destroy": [[1, 2], [2]], "wipe": [[1, 2], [2], []]}
STEPS = [("prepare", 4), ("destroy", 4), ("wipe", 8)]
MOMENTS = [(call, number) for call, count in STEPS for number in range(count)]


@pytest.mark.parametrize(("call", "count"), STEPS)
def test_every_step_in_the_token_is_seen(begun: SoftToken, call: str, count: int) -> None:
    """The tests below break every moment there is."""
    seen: list[str] = []
    with durable.observed(lambda action, _path: seen.append(action)):
        make(call, begun)()
    assert len(seen) == count


@pytest.mark.parametrize(("call", "number"), MOMENTS)
def test_a_crash_at_any_step_leaves_before_or_after(begun: SoftToken, call: str, number: int) -> None:
    """Each generation is wholly there or wholly gone, the slot opens, and no half of one stays in the token."""
    act = make(call, begun)
    with pytest.raises(Crash), durable.observed(at_step(number, crash)):
        act()
    found = held(begun)
    assert found in ALLOWED[call]
    assert not found or begun.files() == 2 * len(found)


@pytest.mark.parametrize(("call", "number"), MOMENTS)
def test_a_token_taken_out_at_any_step_loses_nothing(begun: SoftToken, call: str, number: int) -> None:
    """The call fails as this project's errors do, and with the token back the slot is as before or after."""
    act = make(call, begun)
    with suppress(StateError, WrongKeyError), durable.observed(at_step(number, begun.take_out)):
        act()
    begun.put_back()
    assert held(begun) in ALLOWED[call]


def test_a_token_that_is_out_is_told_as_erasing(two: SoftToken) -> None:
    """An old key that cannot be destroyed leaves the owner erasing, and nothing changed."""
    slot = open_slot(two.uri(NAME))
    two.take_out()
    with pytest.raises(StateError, match="erasing: the old key still lives"):
        slot.destroy(1)
    with pytest.raises(StateError, match="put the right token in"):
        slot.live()
    two.put_back()
    assert generations(two) == [1, 2]


def test_a_state_is_replaced_across_a_removal(tmp_path: Path, token: SoftToken) -> None:
    """A state whose old key could not be destroyed opens as the new one, and the old key dies at the next open."""
    (tmp_path / "state").mkdir()
    state = SealedState(tmp_path / "state", "thing", create_slot(token.uri("other")))
    state.create(b"old")
    with pytest.raises(StateError, match="erasing"), durable.observed(at_step(10, token.take_out)):
        state.replace(b"new")
    token.put_back()
    assert token.keys("other") == [1, 2]
    assert SealedState(tmp_path / "state", "thing", open_slot(token.uri("other"))).load() == b"new"
    assert token.keys("other") == [2]


def test_a_destroyed_key_is_gone_for_another_program(two: SoftToken) -> None:
    """Another program lists the new key alone, and the folder of the software token has one object less a kind."""
    assert (two.keys(NAME), two.files()) == ([1, 2], 4)
    open_slot(two.uri(NAME)).destroy(1)
    assert (two.keys(NAME), two.files()) == ([2], 2)


def test_the_secret_is_in_the_token_only_sealed(token: SoftToken) -> None:
    """Whoever reads the data object without the key has no secret."""
    (value,) = token.values(NAME)
    assert value.startswith(b"UNHTOKN1")
    assert SECRETS[0][:8] not in value


def test_the_key_cannot_be_read_by_who_has_the_pin(token: SoftToken) -> None:
    """The token refuses to give the key's bytes out."""
    with pytest.raises(subprocess.CalledProcessError):
        token.meddle(f"{KEY}[A.VALUE]")


def test_a_data_object_without_its_key_opens_nothing(token: SoftToken) -> None:
    """With the key destroyed the rest of the token is of no use."""
    token.meddle(f"{KEY}.destroy()")
    assert open_slot(token.uri(NAME)).live() == []


MEDDLED = {
    "a copied key": (f"{KEY}.copy({{}})", "two objects of generation 1"),
    "an extractable key": (f"{NEXT}; made({{A.EXTRACTABLE: True, A.SENSITIVE: False}})", "can leave the token"),
    "an imported key": (f"{NEXT}; put({{**KEY, A.SENSITIVE: True, A.EXTRACTABLE: False}})", "brought into it"),
    "somebody's key": ("i = b'mine'; made({})", "a new name"),
    "somebody's data": ("put({A.CLASS: C.DATA, A.VALUE: b'x'})", "a new name"),
    "another slot's key": ("i = bytes(24); made({})", "two slots"),
}


@pytest.mark.parametrize("case", MEDDLED)
def test_objects_that_were_put_in_are_refused(token: SoftToken, slot: Slot, case: str) -> None:
    """A slot whose keys could have copies, or are not its own, is refused whole, and nothing in it is removed."""
    code, words = MEDDLED[case]
    token.meddle(
        "made = lambda more: session.generate_key(KeyType.AES, 256, label='root', id=i, store=True, template=more)\n"
        "put = lambda more: session.create_object({A.TOKEN: True, A.LABEL: 'root', **more})\n"
        f"{code.replace('**KEY', 'A.CLASS: C.SECRET_KEY, A.KEY_TYPE: KeyType.AES, A.VALUE: bytes(32), A.ID: i')}"
    )
    before = token.objects()
    for call in (slot.live, slot.wipe, partial(slot.prepare, 2, SECRETS[1]), partial(open_slot, token.uri(NAME))):
        with pytest.raises(BadInputError, match=words):
            call()
    assert token.objects() == before


def test_an_altered_data_object_is_told(token: SoftToken, slot: Slot) -> None:
    """A data object that the key does not open is no generation that was never there."""
    (value,) = token.values(NAME)
    token.meddle(
        "next(session.get_objects({A.CLASS: C.DATA})).destroy()\n"
        f"session.create_object({{A.CLASS: C.DATA, A.TOKEN: True, A.LABEL: 'root', A.VALUE: {value[:-1] + b'x'!r}}})"
    )
    with pytest.raises(WrongKeyError, match="altered"):
        slot.live()


def test_a_slot_that_is_not_there_is_told(token: SoftToken) -> None:
    """An object name that the token does not know is named with the token's serial number."""
    with pytest.raises(NoStoreError, match=r"'elsewhere'.*serial number"):
        open_slot(token.uri("elsewhere"))


@pytest.mark.parametrize("step", ["generate", "store"])
def test_a_full_token_is_told_before_anything_changed(
    token: SoftToken, slot: Slot, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """No room for a new generation leaves the old one, and with room it can be prepared."""
    asked = Session.ask

    def full(self: Session, do: str, **values: Any) -> Any:
        if do == step:
            raise TokenError("DeviceMemory")
        return asked(self, do, **values)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "ask", full)
        with pytest.raises(StateError, match=r"full.*nothing was changed"):
            slot.prepare(2, SECRETS[1])
    assert [live.generation for live in slot.live()] == [1]
    slot.prepare(2, SECRETS[1])
    assert generations(token) == [1, 2]
    assert token.files() == 4


def test_a_wrong_pin_is_tried_once(token: SoftToken, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PIN that was refused is not sent again, whatever is called; the right one then opens."""
    tried: list[str] = []
    asked = Session.ask

    def count(self: Session, do: str, **values: Any) -> Any:
        tried.append(do)
        return asked(self, do, **values)

    monkeypatch.setattr(Session, "ask", count)
    token.pin_file.write_text("0000\n")
    for call in (slot.live, partial(open_slot, token.uri(NAME)), partial(slot.prepare, 2, SECRETS[1])):
        with pytest.raises(WrongKeyError, match=r"PIN is wrong.*once") as error:
            call()
        assert "0000" not in str(error.value)
    assert tried.count("login") == 1
    token.pin_file.write_text(PIN)
    assert [live.generation for live in slot.live()] == [1]


def test_another_process_does_not_try_a_refused_pin_again(
    token: SoftToken, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that starts again and again with a wrong PIN in its file costs one try, until the file is written."""
    tried: list[str] = []
    asked = Session.ask

    def count(self: Session, do: str, **values: Any) -> Any:
        tried.append(do)
        return asked(self, do, **values)

    monkeypatch.setattr(Session, "ask", count)
    token.pin_file.write_text("0000\n")
    for _ in range(2):
        monkeypatch.setattr(pin, "_refused", set())  # as a process that starts
        with pytest.raises(WrongKeyError, match=f"write it anew into {token.pin_file}"):
            open_slot(token.uri(NAME))
    assert tried.count("login") == 1
    token.pin_file.write_text(f"{PIN}\n")
    assert [live.generation for live in slot.live()] == [1]


def test_a_turn_that_cannot_be_had_is_told(slot: Slot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a folder for temporary files the error names it, and the token is not touched."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StateError, match=r"folder of temporary files.*none/unheld-pkcs11.*nothing was changed"):
        slot.live()


@pytest.mark.parametrize(("text", "mode"), [("", 0o600), ("a\nb\n", 0o600), (PIN, 0o644), (None, 0)])
def test_a_pin_file_that_does_not_do_is_told(token: SoftToken, slot: Slot, text: str | None, mode: int) -> None:
    """An empty, longer, public or missing file is named, and the token is not tried."""
    token.pin_file.unlink()
    if text is not None:
        token.pin_file.write_text(text)
        token.pin_file.chmod(mode)
    with pytest.raises(BadInputError, match=str(token.pin_file)):
        slot.live()


def without_file(token: SoftToken) -> str:
    return token.uri("fresh").partition("&pin-source")[0]


def test_a_pin_may_come_from_a_program(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """UNHELD_PIN_COMMAND is run once for all calls of a process."""
    log = token.pin_file.with_name("log")
    program = token.pin_file.with_name("program")
    program.write_text(f"echo called >> {log}; cat {token.pin_file}\n")
    monkeypatch.setenv(pin.COMMAND_VARIABLE, f"sh '{program}'")
    slot = create_slot(without_file(token))
    slot.prepare(1, SECRETS[0])
    assert slot.live()[0].secret == SECRETS[0]
    assert log.read_text() == "called\n"


def test_a_pin_is_asked_for_once_on_a_terminal(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sits at a terminal is asked hidden, once for two slots of one token."""
    asked: list[str] = []

    def typed(words: str) -> str:
        asked.append(words)
        return PIN

    monkeypatch.delenv(pin.COMMAND_VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", typed)
    for name in ("fresh", "other"):
        create_slot(without_file(token).replace("object=fresh", f"object={name}"))
    assert asked == ["PIN of the token of fresh: "]


@pytest.mark.parametrize("command", ["false", "/no/such/program", "printf ''", "'"])
def test_a_program_that_prints_no_pin_is_told(token: SoftToken, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """The variable is named."""
    monkeypatch.setenv(pin.COMMAND_VARIABLE, command)
    with pytest.raises(BadInputError, match=pin.COMMAND_VARIABLE):
        create_slot(without_file(token))


def test_a_pin_is_not_asked_for_where_nobody_sits(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a source and a terminal the error names the three ways."""
    monkeypatch.delenv(pin.COMMAND_VARIABLE, raising=False)
    with Path(os.devnull).open() as nobody, monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", nobody)
        with pytest.raises(NotAllowedError, match=r"pin-source=.*UNHELD_PIN_COMMAND.*terminal"):
            create_slot(without_file(token))


def test_no_argument_of_a_process_holds_the_pin(token: SoftToken, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every user of the machine sees of the worker names no PIN and no token."""
    seen: list[str] = []
    asked = Session.ask

    def look(self: Session, do: str, **values: Any) -> Any:
        seen.append(Path(f"/proc/{self._process.pid}/cmdline").read_text())
        seen.append(Path(f"/proc/{self._process.pid}/environ").read_text(errors="replace"))
        return asked(self, do, **values)

    monkeypatch.setattr(Session, "ask", look)
    assert slot.live()
    assert seen
    assert not [text for text in seen if PIN in text]


@pytest.mark.parametrize("module", ["/no/such/module.so", "/etc/passwd", "/usr/bin/env"])
def test_a_module_that_is_none_is_told(token: SoftToken, module: str) -> None:
    """A wrong module-path is bad input, and what it loads can end only the worker."""
    uri = f"pkcs11:token={token.label};object=r?module-path={module}&pin-source=file:{token.pin_file}"
    with pytest.raises(BadInputError, match="module-path"):
        open_slot(uri)


def test_a_token_that_is_not_there_is_told_with_those_that_are(token: SoftToken) -> None:
    """A wrong label names the labels present."""
    with pytest.raises(BadInputError, match=r"no such token is there.*'unheld'"):
        open_slot(token.uri(NAME).replace("token=unheld", "token=other"))


def test_a_module_that_hangs_is_ended(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call waits a limited time, the process is ended, and the next call works."""
    with monkeypatch.context() as patched:
        patched.setattr(session, "WORKER", (sys.executable, "-I", "-c", "import time; time.sleep(60)"))
        patched.setattr(session, "SECONDS", 0.2)
        with pytest.raises(StateError, match=r"no answer in 0\.2 seconds"):
            slot.live()
    assert slot.live()


@pytest.mark.parametrize(("call", "step"), [("prepare", "store"), ("destroy", "destroy_key")])
def test_a_module_that_crashes_leaves_it_unknown(
    begun: SoftToken, monkeypatch: pytest.MonkeyPatch, call: str, step: str
) -> None:
    """A worker killed in the middle of a change is told as unknown, and the next open reads what became of it."""
    act, asked = make(call, begun), Session.ask

    def kill(self: Session, do: str, **values: Any) -> Any:
        if do == step:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
        return asked(self, do, **values)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "ask", kill)
        with pytest.raises(StateUnknownError, match="the process that runs the module ended"):
            act()
    assert generations(begun) in ALLOWED[call]


def test_a_token_that_only_says_it_destroyed_a_key_is_found_out(
    two: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a destruction another process looks: a key that is still there is never reported as destroyed."""
    slot, asked = open_slot(two.uri(NAME)), Session.ask
    monkeypatch.setattr(
        Session, "ask", lambda self, do, **values: None if do == "destroy_key" else asked(self, do, **values)
    )
    with pytest.raises(StateUnknownError, match=r"erasing.*do not trust"):
        slot.destroy(1)
    assert generations(two) == [1, 2]


def test_a_missing_extra_is_named(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without python-pkcs11 the slots work but for tokens, and the error says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BadInputError, match=r"unheld-slots\[pkcs11\]"):
        open_slot(token.uri(NAME))


def test_slots_load_no_module_and_no_binding() -> None:
    """Importing the slots imports neither python-pkcs11 nor the worker: only its own process does."""
    program = "import sys, unheld_slots.slot, unheld_slots.sealed; print([n for n in sys.modules if 'pkcs11' in n])"
    found = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, text=True, stdout=subprocess.PIPE
    ).stdout  # fmt: skip
    assert "worker" not in found
    assert "'pkcs11'" not in found


def test_two_processes_use_one_token_at_once(token: SoftToken) -> None:
    """Two processes, each with a slot of its own in one token, replace their keys without disturbing each other."""
    program = (
        "import sys\nfrom unheld_slots.slot import create_slot\nslot = create_slot(sys.argv[1])\n"
        "slot.prepare(1, bytes(32))\n"
        "for number in range(1, 3):\n    slot.prepare(number + 1, bytes(32))\n    slot.destroy(number)\n"
        "print([live.generation for live in slot.live()])"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, token.uri(name)], text=True, stdout=subprocess.PIPE)
        for name in ("a", "b")
    ]
    assert [process.communicate(timeout=60)[0] for process in running] == ["[3]\n", "[3]\n"]
    assert (token.keys("a"), token.keys("b")) == ([3], [3])


def test_a_software_token_is_named_as_one(token: SoftToken, slot: Slot) -> None:
    """Nobody takes SoftHSM for hardware: its class says that its files survive a snapshot."""
    assert slot.words().startswith("token: key destroyed in libsofthsm2.so (SoftHSM project, SoftHSM v2, ")
    assert slot.words().endswith("a software token: its files survive a snapshot of this disk")
    assert open_slot(token.uri(NAME)).words() == slot.words()
