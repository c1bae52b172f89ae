"""What a branch does when files of its own are lost or damaged: it says so, blames nobody, parks, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.branches import Branch, apply, close_day, dropped, open_day, written
from tests.support.calls import ALICE, BOB, Call
from tests.support.ceremony import DAY
from tests.support.stores import mapping
from unheld_branch.custody.attested import Attested, OwnStateError
from unheld_branch.kernel.clock import CLOCK_VARIABLE
from unheld_branch.kernel.uptime import Uptime
from unheld_branch.store import daylength
from unheld_branch.store.check import check
from unheld_branch.store.openday import OpenDaySlot
from unheld_branch.store.parkkeys import _FILE as PARKING
from unheld_branch.workflows import ingest, lapse, park, plans
from unheld_branch.workflows.service import Service, Step
from unheld_slots.places import name_slots
from unheld_verify.errors import (
    NoStoreError,
    SealedError,
    StateError,
)


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    """A branch of three custodians, two of whom act; noon of its first day, nothing open."""
    return Branch.made(tmp_path)


def test_a_note_of_the_opening_that_cannot_be_read_keeps_no_day_open_longer(tmp_path: Path) -> None:
    """Then the machine's uptime counts alone, which is longer."""
    daylength.note(tmp_path, DAY, Uptime("a", 100))
    (tmp_path / "opened.json").write_bytes(b"{")

    assert daylength.over(tmp_path, DAY, DAY * 86_400, Uptime("a", 25 * 3600 + 1))
    assert not daylength.over(tmp_path, DAY, DAY * 86_400, Uptime("a", 25 * 3600))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"1":{"0":7}}', b'{"1":{"0":[7,7]}}', b'{"1":[]}', b'{"x":{"0":[7,"a"]}}']
)
def test_a_memory_of_generations_that_cannot_be_read_is_named_with_the_mend(tmp_path: Path, data: bytes) -> None:
    """Whatever is in the file, reading and writing say so, and it stays as it is."""
    path = tmp_path / "attestations" / "seen.json"
    path.parent.mkdir()
    path.write_bytes(data)
    seen = Attested(tmp_path, []).seen(1)

    with pytest.raises(OwnStateError, match=r"seen\.json.*put back its last good copy"):
        seen.get(0)
    with pytest.raises(OwnStateError, match=r"seen\.json"):
        seen[0] = (9, "00")
    assert path.read_bytes() == data


def test_what_the_branch_itself_damaged_blames_no_custodian(branch: Branch) -> None:
    """Its own file is named, whoever would have answered."""
    path = branch.places.root / "attestations" / "seen.json"
    path.parent.mkdir()
    path.write_bytes(b"{")

    with pytest.raises(OwnStateError, match=r"seen\.json") as told:
        open_day(branch)

    assert "Custodian" not in str(told.value)


def test_parking_keys_that_cannot_be_read_are_named(branch: Branch) -> None:
    """The file and the mend are told, and nothing is parked."""
    (branch.places.root / PARKING).write_bytes(b"{}")

    with branch.opened() as (store, _), pytest.raises(StateError, match=r"parking-keys\.json.*remove the file"):
        park.park(store, [written(branch, "a", Call(ALICE))], mapping())


HOW = ["slot lost", "slot damaged", "slot wiped", "state lost", "state damaged"]


def lose(folder: Path, slot: Path, how: str) -> None:
    """Damage what holds today's keys."""
    (state,) = folder.glob("open-*.sealed")
    if how == "slot lost":
        slot.unlink()
    if how == "slot damaged":
        slot.write_bytes(b"?" * 100)
    if how == "slot wiped":
        slot.write_bytes(bytes(8192))
    if how == "state lost":
        state.unlink()
    if how == "state damaged":
        state.write_bytes(state.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("how", HOW)
def test_a_slot_of_the_day_that_is_lost_is_renewed(tmp_path: Path, how: str) -> None:
    """Whatever is wrong with it, reading says so with the mend, and a new one holds no day."""
    held = OpenDaySlot.create(tmp_path, f"file:{tmp_path}/open.slot")
    lose(tmp_path, tmp_path / "open.slot", how)
    with pytest.raises(SealedError, match="put back the open day's slot"):
        held.read()

    held.renew()

    assert held.read() is None
    assert OpenDaySlot(tmp_path, f"file:{tmp_path}/open.slot").read() is None


@pytest.mark.parametrize("how", ["slot damaged", "state lost"])
def test_a_day_whose_keys_are_lost_is_parked_out_and_the_next_one_goes_on(branch: Branch, how: str) -> None:
    """No custodian is asked while they are, the error says what to do, and no delivery of before is lost."""
    open_day(branch)
    with branch.opened() as (store, _):
        assert ingest.ingest(store, [written(branch, "a", Call(ALICE))], mapping()).records == 1
    lose(branch.places.root, branch.places.slots / "open.slot", how)
    branch.cut = {0, 1, 2}
    for step in (open_day, close_day, lambda one: sealed(one, "b")):
        with pytest.raises(SealedError, match=r"cannot be read here: (.|\n)*mend: put back the open day's slot"):
            step(branch)
    branch.cut = set()
    with branch.opened() as (store, custodians):
        lapse.lapse(store, custodians)
        assert park.park(store, [written(branch, "b", Call(BOB))], mapping()).records == 1

    branch.at(DAY, 23.95)
    closed = close_day(branch)
    assert open_day(branch).day == DAY + 1

    assert (closed.batches, closed.records, closed.files) == (1, 1, 2)
    branch.at(DAY + 1)
    with branch.opened() as (store, custodians):
        assert check(store).findings == ()
        assert not list(branch.places.root.rglob("*.handles"))
        (waiting,) = store.catalog.waiting()
        assert park.unpark(store, custodians, waiting.batch.hex()).records == 1


def sealed(branch: Branch, name: str) -> int:
    with branch.opened() as (store, _):
        return ingest.ingest(store, [written(branch, name, Call(BOB))], mapping()).records


def test_keys_that_are_put_back_go_on_as_they_were(branch: Branch) -> None:
    """A slot that was away for an hour is no reason to give up its day."""
    open_day(branch)
    slot = branch.places.slots / "open.slot"
    slot.rename(slot.with_name("away"))
    with pytest.raises(SealedError):
        sealed(branch, "a")
    slot.with_name("away").rename(slot)

    assert sealed(branch, "a") == 1
    assert close_day(branch).records == 1


def test_a_day_lost_by_a_folder_that_is_not_mounted_makes_no_slot_elsewhere(branch: Branch) -> None:
    """A new slot is laid out where the old one was, or nowhere: the error says so, and nobody was asked."""
    open_day(branch)
    branch.at(DAY, 23.95)
    close_day(branch)
    name_slots(branch.places.slots, {"open": f"file:{branch.folder}/disk/open.slot"})
    branch.cut = {0, 1, 2}

    with pytest.raises(NoStoreError, match="make it, or mount the disk"):
        open_day(branch)


def test_everything_is_forgotten_though_today_s_keys_cannot_be_read(branch: Branch) -> None:
    """What is left of them ends with a new slot."""
    open_day(branch)
    sealed_ = branch.forget(DAY).sealed
    lose(branch.places.root, branch.places.slots / "open.slot", "state lost")

    assert apply(branch, dropped(branch, branch.plan("everything", sealed=sealed_))) == plans.APPLIED
    with branch.opened() as (store, _):
        assert store.day_slot.read() is None


@pytest.mark.parametrize(("code", "steps"), [(0, ["lapse", "ingest"]), (13, ["lapse", "ingest", "park"])])
def test_what_cannot_be_sealed_for_want_of_today_s_keys_is_parked(
    branch: Branch, monkeypatch: pytest.MonkeyPatch, code: int, steps: list[str]
) -> None:
    """The service asks nobody again: where sealing says that its keys are not here, the inbox is parked."""
    open_day(branch)
    monkeypatch.setenv(CLOCK_VARIABLE, str(branch.clock.seconds))
    (branch.folder / "inbox").mkdir()
    written(branch, "inbox/a", Call(ALICE))

    def call(step: str, *_: str) -> Step:
        return Step(step, code if step == "ingest" else 0)

    service = Service(branch.places.root, call, branch.folder / "inbox", branch.folder / "m.toml")

    assert [step.words for step in service.look()] == steps
