"""One suite for every slot backend: the comment of `Slot`, as promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tokens import soft_token
from unheld.testing.simdisk import Disk, MemorySlot
from unheld_slots import slot as slots
from unheld_slots.slot import Slot, create_slot, open_slot, renew_slot
from unheld_verify.errors import InternalError, StateError

SECRETS = [bytes([number]) * 32 for number in range(1, 6)]


@pytest.fixture(params=["file", "pkcs11", "memory", "mirror"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "memory":
        return in_memory(monkeypatch)
    if request.param == "pkcs11":
        return soft_token(tmp_path, monkeypatch).uri("root")
    if request.param == "mirror":
        return f"mirror:file:{tmp_path / 'root.slot'},file:{tmp_path / 'other.slot'}"
    return f"file:{tmp_path / 'root.slot'}"


def in_memory(monkeypatch: pytest.MonkeyPatch) -> str:
    """The simulator's slot under a scheme of its own."""
    disk: list[Disk] = []

    def check(_uri: str) -> None:
        if disk:
            raise StateError("there is one already")

    def create(uri: str) -> Slot:
        check(uri)
        disk.append(Disk())
        return MemorySlot(disk[0])

    def renew(_uri: str) -> Slot:
        disk[0] = Disk()
        return MemorySlot(disk[0])

    backend = slots._Backend(check, create, lambda _uri: MemorySlot(disk[0]), renew)
    monkeypatch.setitem(slots._BACKENDS, "memory", backend)
    return "memory:simulated"


@pytest.fixture
def slot(uri: str) -> Slot:
    return create_slot(uri)


def generations(slot: Slot) -> list[int]:
    return [live.generation for live in slot.live()]


def test_a_new_slot_holds_nothing(slot: Slot) -> None:
    """A slot that was only created has no live generation."""
    assert slot.live() == []


def test_creating_over_a_slot_is_refused_and_changes_nothing(uri: str, slot: Slot) -> None:
    """A slot is never replaced by another."""
    slot.prepare(1, SECRETS[0])
    with pytest.raises(StateError):
        create_slot(uri)
    assert open_slot(uri).live()[0].secret == SECRETS[0]


def test_a_renewed_slot_is_empty_and_begins_again(uri: str, slot: Slot) -> None:
    """What it held before is not there any more."""
    slot.prepare(7, SECRETS[0])

    renewed = renew_slot(uri)

    assert renewed.live() == []
    renewed.prepare(1, SECRETS[1])
    assert [live.secret for live in open_slot(uri).live()] == [SECRETS[1]]


def test_what_was_prepared_is_there_after_reopening(uri: str, slot: Slot) -> None:
    """Secret and binding of a generation survive, padded to 64 bytes."""
    slot.prepare(1, SECRETS[0], b"bound")
    (live,) = open_slot(uri).live()
    assert (live.generation, live.secret, live.binding) == (1, SECRETS[0], b"bound".ljust(64, b"\0"))


def test_the_slot_id_stays(uri: str, slot: Slot) -> None:
    """The id is the same after replacing a generation and reopening."""
    slot.prepare(1, SECRETS[0])
    slot.prepare(2, SECRETS[1])
    slot.destroy(1)
    assert open_slot(uri).slot_id == slot.slot_id


def test_two_generations_live_while_one_replaces_the_other(slot: Slot) -> None:
    """The older comes first."""
    slot.prepare(7, SECRETS[0])
    slot.prepare(8, SECRETS[1])
    assert generations(slot) == [7, 8]


def test_a_third_generation_is_refused(slot: Slot) -> None:
    """With two live, nothing can be prepared and nothing changes."""
    slot.prepare(1, SECRETS[0])
    slot.prepare(2, SECRETS[1])
    with pytest.raises(StateError):
        slot.prepare(3, SECRETS[2])
    assert [live.secret for live in slot.live()] == SECRETS[:2]


@pytest.mark.parametrize("generation", [1, 2, 4, 5])
def test_only_the_next_generation_can_follow(slot: Slot, generation: int) -> None:
    """A generation that does not follow the live one by one is refused."""
    slot.prepare(2, SECRETS[0])
    with pytest.raises(StateError):
        slot.prepare(generation, SECRETS[1])
    assert generations(slot) == [2]


def test_the_last_generation_cannot_be_destroyed(slot: Slot) -> None:
    """No slip forgets everything: the only live generation stays."""
    slot.prepare(1, SECRETS[0])
    with pytest.raises(StateError):
        slot.destroy(1)
    assert generations(slot) == [1]


def test_a_generation_that_is_not_live_cannot_be_destroyed(slot: Slot) -> None:
    """Destroying what is not there is a mistake that is told, and changes nothing."""
    slot.prepare(1, SECRETS[0])
    slot.prepare(2, SECRETS[1])
    with pytest.raises(StateError):
        slot.destroy(3)
    assert generations(slot) == [1, 2]


@pytest.mark.parametrize("gone", [1, 2])
def test_either_of_two_generations_can_be_destroyed(slot: Slot, gone: int) -> None:
    """After destroy the other one lives alone."""
    slot.prepare(1, SECRETS[0])
    slot.prepare(2, SECRETS[1])
    slot.destroy(gone)
    assert generations(slot) == [3 - gone]


def test_a_wiped_slot_holds_nothing_and_can_begin_again(slot: Slot) -> None:
    """Wipe ends all generations, and a new one may be prepared."""
    slot.prepare(1, SECRETS[0])
    slot.prepare(2, SECRETS[1])
    slot.wipe()
    assert slot.live() == []
    slot.prepare(9, SECRETS[2])
    assert generations(slot) == [9]


@pytest.mark.parametrize(
    ("secret", "binding", "generation"), [(b"x", b"", 1), (bytes(32), bytes(65), 1), (bytes(32), b"", 0)]
)
def test_a_call_that_does_not_fit_is_our_mistake(slot: Slot, secret: bytes, binding: bytes, generation: int) -> None:
    """Wrong widths and generation 0 are refused before anything is written."""
    with pytest.raises(InternalError):
        slot.prepare(generation, secret, binding)
    assert slot.live() == []


def test_secrets_do_not_show_when_printed(slot: Slot) -> None:
    """A Live object in a log or a trace does not carry its secret."""
    slot.prepare(1, b"S" * 32)
    assert "SSSS" not in repr(slot.live()[0])


def test_the_class_of_a_slot_is_said_in_words(uri: str, slot: Slot) -> None:
    """The words begin with the class, so that a receipt can print them."""
    begins = {
        "file": "file: does not survive",
        "memory": "simulated",
        "mirror": "file: does not survive a snapshot of this disk, nor one of its mirror's",
        "pkcs11": "token: key destroyed in libsofthsm2.so (SoftHSM",
    }
    assert slot.words().startswith(begins[uri.partition(":")[0]])
