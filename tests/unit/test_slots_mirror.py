"""A mirrored slot in two files: what each crash between its two writes leaves, and what no crash leaves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, FIRST, Call, calls
from tests.support.commands import Box
from tests.support.stores import TestStore, made_store
from unheld.workflows import doctor, mirrors
from unheld_slots.contract import Live
from unheld_slots.durable import observed
from unheld_slots.mirror import MirrorSlot
from unheld_slots.places import name_slots, slot_uri
from unheld_slots.slot import FileSlot, create_slot, mirrored, open_slot
from unheld_verify import columns
from unheld_verify.errors import (
    BadInputError,
    NoStoreError,
    PartialError,
    RolledBackError,
    StateError,
    StateUnknownError,
    UnheldError,
)

SECRETS = {number: bytes([number]) * 32 for number in range(1, 6)}
SPEC = Path(__file__).parents[2] / "docs" / "spec" / "slot.md"


class Crash(BaseException):
    """The power went."""


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"mirror:file:{tmp_path / 'a.slot'},file:{tmp_path / 'b.slot'}"


def made(uri: str, *generations: int) -> MirrorSlot:
    create_slot(uri)
    slot = mirrored(uri)
    assert slot is not None
    for generation in generations:
        slot.prepare(generation, SECRETS[generation])
    return slot


def numbers(lives: list[Live]) -> list[int]:
    return [live.generation for live in lives]


def sides(uri: str) -> list[list[int]]:
    """What each file holds."""
    return [numbers(FileSlot.open(Path(side.partition(":")[2])).live()) for side in uri[7:].split(",")]


def cut(at: int, call: Callable[[], object]) -> None:
    """Crash at one of the moments around the two writes of a call: 0 before the first, 3 after the second."""
    seen = iter(range(9))

    def observer(_action: str, _path: Path) -> None:
        if next(seen) == at:
            raise Crash

    with pytest.raises(Crash), observed(observer):
        call()


CALLS: dict[str, tuple[tuple[int, ...], Callable[[MirrorSlot], None]]] = {
    "prepare(2)": ((1,), lambda slot: slot.prepare(2, SECRETS[2])),
    "destroy(1)": ((1, 2), lambda slot: slot.destroy(1)),
    "destroy(2)": ((1, 2), lambda slot: slot.destroy(2)),
}
BETWEEN = {
    "prepare(2)": ([[1, 2], [1]], [1, 2]),
    "destroy(1)": ([[2], [1, 2]], [2]),
    "destroy(2)": ([[1, 2], [1]], [1, 2]),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_crash_between_the_two_writes_is_finished_or_undone(uri: str, call: str) -> None:
    """Before the first write nothing happened, after the second all; between them is the table of the page."""
    before, act = CALLS[call]
    for at in range(4):
        for path in uri[7:].replace("file:", "").split(","):
            Path(path).unlink(missing_ok=True)
        slot = made(uri, *before)
        cut(at, lambda slot=slot: act(slot))  # type: ignore[misc]
        left = sides(uri)
        if at in {1, 2}:
            assert (left, numbers(open_slot(uri).live())) == BETWEEN[call]
        opened = numbers(open_slot(uri).live())
        assert sides(uri) == [opened, opened]
        assert SECRETS[opened[0]] in {live.secret for live in open_slot(uri).live()}


def test_the_page_s_table_is_what_happens() -> None:
    """Each row of the page's table of crashes between the two writes is the one tested above."""
    rows = re.findall(r"^\| `(\w+\(\d\))` \| ([\d, ]*) \| ([\d, ]*) \| ([\d, ]*) \|", SPEC.read_text("utf-8"), re.M)
    found = {name: ([_listed(first), _listed(second)], _listed(live)) for name, first, second, live in rows}

    assert found == BETWEEN


def _listed(text: str) -> list[int]:
    return [int(number) for number in text.split(", ")]


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_torn_half_is_healed_from_the_other_side(uri: str, tmp_path: Path, side: str, half: int) -> None:
    """Bytes that a crash left in the middle of a half are no generation; the one that both had stays."""
    slot = made(uri, 1)
    slot.prepare(2, SECRETS[2])
    path = tmp_path / f"{side}.slot"
    data = bytearray(path.read_bytes())
    data[half * 4096 + 100 : (half + 1) * 4096] = bytes(3996)
    path.write_bytes(bytes(data))
    torn, left = (2 if half == 0 else 1), (1 if half == 0 else 2)

    with_loss = [[left], [1, 2]] if side == "a" else [[1, 2], [left]]
    assert sides(uri) == with_loss
    if (side, torn) in {("b", 2), ("a", 1)}:
        assert left in numbers(open_slot(uri).live())
        assert sides(uri)[0] == sides(uri)[1]
    else:
        with pytest.raises(RolledBackError, match="no crash leaves"):
            open_slot(uri)


def test_a_side_put_back_from_a_backup_is_refused_and_a_person_overwrites_it(uri: str, tmp_path: Path) -> None:
    """A generation that was destroyed is never shown, whichever side somebody restores; mending ends it there too."""
    for name in ("a", "b"):
        (tmp_path / "a.slot").unlink(missing_ok=True)
        (tmp_path / "b.slot").unlink(missing_ok=True)
        slot = made(uri, 1)
        shutil.copy(tmp_path / f"{name}.slot", tmp_path / "kept")
        slot.prepare(2, SECRETS[2])
        slot.destroy(1)
        shutil.copy(tmp_path / "kept", tmp_path / f"{name}.slot")

        with pytest.raises(RolledBackError, match=r"put back from a backup.*--mend-slots"):
            open_slot(uri)
        with pytest.raises(RolledBackError):
            slot.live()
        assert sorted(sides(uri)) == [[1], [2]]
        again = mirrored(uri)
        assert again is not None
        assert "overwritten" in again.mend()
        assert sides(uri) == [[2], [2]]
        assert SECRETS[1] not in (tmp_path / f"{name}.slot").read_bytes()


def test_two_secrets_of_one_generation_are_left_to_a_person(uri: str, tmp_path: Path) -> None:
    """Nothing says which is right, so nothing is overwritten."""
    slot = made(uri, 1)
    slot.prepare(2, SECRETS[2])
    shutil.copy(tmp_path / "b.slot", tmp_path / "kept")
    slot.destroy(2)
    slot.prepare(2, SECRETS[3])
    shutil.copy(tmp_path / "kept", tmp_path / "b.slot")

    with pytest.raises(RolledBackError):
        open_slot(uri)
    with pytest.raises(StateError, match="two secrets of one generation"):
        slot.mend()
    assert sides(uri) == [[1, 2], [1, 2]]


@pytest.mark.parametrize("name", ["a", "b"])
def test_with_one_side_away_it_reads_and_takes_no_change(uri: str, tmp_path: Path, name: str) -> None:
    """The loss of a device is no loss; what would be written on one side only is refused, and its words say so."""
    slot = made(uri, 1, 2)
    path = tmp_path / f"{name}.slot"
    path.rename(tmp_path / "away")

    assert numbers(open_slot(uri).live()) == [1, 2]
    acts: list[Callable[[], None]] = [lambda: slot.destroy(1), lambda: slot.prepare(3, SECRETS[3]), slot.wipe]
    for act in acts:
        with pytest.raises(StateError, match=rf"{name}\.slot.*Put it back, or name one place in slots\.toml"):
            act()
    assert f"the mirror file:{path} is away and may hold an older key" in open_slot(uri).words()
    (tmp_path / "away").rename(path)
    slot.destroy(1)
    assert sides(uri) == [[2], [2]]


def test_a_side_that_is_lost_is_made_anew_by_a_person(uri: str, tmp_path: Path) -> None:
    """A new device gets what the other holds, with the same id."""
    slot = made(uri, 1)
    (tmp_path / "b.slot").unlink()

    assert "b.slot: generations [] overwritten" in slot.mend()

    assert sides(uri) == [[1], [1]]
    assert FileSlot.open(tmp_path / "b.slot").slot_id == FileSlot.open(tmp_path / "a.slot").slot_id


def test_an_emptied_side_is_not_filled_by_itself(uri: str, tmp_path: Path) -> None:
    """A slot that was wiped and whose one side was put back looks like this: its key must not spread."""
    slot = made(uri, 1)
    shutil.copy(tmp_path / "a.slot", tmp_path / "kept")
    slot.wipe()
    shutil.copy(tmp_path / "kept", tmp_path / "a.slot")

    with pytest.raises(RolledBackError):
        open_slot(uri)
    assert sides(uri) == [[1], []]


def test_a_failure_of_the_second_write_is_no_failure_of_the_act(uri: str, tmp_path: Path) -> None:
    """Once one side is written the outcome is unknown until it is opened again."""
    slot = made(uri, 1)

    def fail(moment: str, path: Path) -> None:
        if moment == "before overwrite" and path.name == "b.slot":
            (tmp_path / "b.slot").rename(tmp_path / "away")
            raise OSError(5, "Input/output error")

    with observed(fail), pytest.raises(StateUnknownError, match=r"(opening|open) it again"):
        slot.prepare(2, SECRETS[2])

    (tmp_path / "away").rename(tmp_path / "b.slot")
    assert numbers(open_slot(uri).live()) == [1, 2]


def test_two_slots_are_not_one_and_its_mirror(uri: str, tmp_path: Path) -> None:
    """Files of two owners named together are refused, and nothing is written."""
    for name in ("a", "b"):
        FileSlot.create(tmp_path / f"{name}.slot").prepare(1, SECRETS[1])
    before = [(tmp_path / f"{name}.slot").read_bytes() for name in ("a", "b")]

    with pytest.raises(BadInputError, match="two slots"):
        open_slot(uri)
    assert [(tmp_path / f"{name}.slot").read_bytes() for name in ("a", "b")] == before


def test_with_both_sides_away_it_says_so_of_both(uri: str, tmp_path: Path) -> None:
    """The error names both places."""
    with pytest.raises(NoStoreError, match=r"a\.slot.*b\.slot"):
        open_slot(uri)


@pytest.mark.parametrize(
    "text", ["mirror:file:/a", "mirror:file:/a,file:/a", "mirror:file:/a,file:/b,file:/c", "mirror:mirror:x:/a,file:/b"]
)
def test_a_mirror_of_other_than_two_places_is_refused(text: str) -> None:
    """One place, the same twice, three, or a mirror in a mirror."""
    with pytest.raises(BadInputError, match="mirror:URI,URI"):
        create_slot(text)


def test_slots_toml_names_two_places_as_a_list_or_a_uri(tmp_path: Path) -> None:
    """What init writes and what a person may write are the same slot."""
    name_slots(tmp_path, {"root": "mirror:file:/a/r.slot,file:/b/r.slot"})
    written = slot_uri(tmp_path, "root")
    (tmp_path / "slots.toml").write_text('root = ["file:/a/r.slot", "file:/b/r.slot"]\n')

    assert slot_uri(tmp_path, "root") == written == "mirror:file:/a/r.slot,file:/b/r.slot"
    (tmp_path / "slots.toml").write_text('root = ["file:/a/r.slot"]\n')
    with pytest.raises(BadInputError, match="a list of two"):
        slot_uri(tmp_path, "root")


@pytest.fixture
def store(tmp_path: Path) -> TestStore:
    """A store whose root slot has a mirror, with one party's record in an open day."""
    for name in ("disk1", "disk2"):
        (tmp_path / name).mkdir()
    uri = f"mirror:file:{tmp_path / 'disk1' / 'root.slot'},file:{tmp_path / 'disk2' / 'root.slot'}"
    found = made_store(tmp_path / "m", slots={"root": uri})
    found.open_day(FIRST)
    found.ingest(calls(Call(ALICE)))
    return found


def test_a_store_lives_on_when_either_device_is_lost(store: TestStore, tmp_path: Path) -> None:
    """What it held opens; nothing commits until a person made the lost side anew."""
    for name in ("disk1", "disk2"):
        path = tmp_path / name / "root.slot"
        path.unlink()
        with store.opened() as opened:
            assert opened.root.trees[0].rows == 1
        with pytest.raises(StateError, match=f"{name}/root"):
            store.forget("tel:" + ALICE)
        found = [item for item in doctor.examine(store.deployment) if item.name == "slots' mirror"]
        assert any(item.level == "failure" and f"{name}/root.slot is away" in item.words for item in found)
        assert len(mirrors.mend(store.deployment)) == 1

    assert store.forget("tel:" + ALICE).rows == 1


def test_a_device_put_back_opens_nothing_forgotten(store: TestStore, tmp_path: Path) -> None:
    """After a forgetting one device's backup closes the store until a person looked, and then ends on both."""
    shutil.copy(tmp_path / "disk2" / "root.slot", tmp_path / "kept")
    store.forget("tel:" + ALICE)
    shutil.copy(tmp_path / "kept", tmp_path / "disk2" / "root.slot")

    with pytest.raises(RolledBackError, match="put back from a backup"), store.opened():
        pass
    box = Box(store.folder, FIRST, 86_399)
    assert box("doctor").code == 20
    told = box("doctor", "--mend-slots")
    assert "disk2/root.slot: generations" in told.out
    assert "both sides are on one device" in told.out
    with store.opened() as opened:
        assert opened.root.trees[0].rows == 0


def test_a_store_with_a_mirror_says_so_wherever_it_names_its_slot(store: TestStore) -> None:
    """Words of the class, and doctor finds both sides alike."""
    with store.opened() as opened:
        assert opened.slot_words() == "file: does not survive a snapshot of this disk, nor one of its mirror's"
    found = {item.level for item in doctor.examine(store.deployment) if item.name == "slots' mirror"}
    assert found == {"ok", "warning"}


PLACES = ("disk1", "disk2")


def mirrored_store(tmp_path: Path, name: str, copies: int = 0) -> TestStore:
    """A store of which one slot has a mirror, with one party's record in an open day."""
    for disk in PLACES:
        (tmp_path / disk).mkdir()
    uri = f"mirror:file:{tmp_path / 'disk1' / 'x.slot'},file:{tmp_path / 'disk2' / 'x.slot'}"
    found = made_store(tmp_path / "m", slots={name: uri}, copies=copies)
    found.open_day(FIRST)
    found.ingest(calls(Call(ALICE)))
    return found


def one_lost_other_put_back(tmp_path: Path, sealed: Path, kept: Path) -> None:
    """The first device is lost; the second, and the sealed file, are those of a backup."""
    (tmp_path / "disk1" / "x.slot").unlink()
    shutil.copy(kept / "x.slot", tmp_path / "disk2" / "x.slot")
    for path in sealed.parent.glob(sealed.name):
        path.unlink()
    for path in kept.glob(sealed.name):
        shutil.copy(path, sealed.parent)


def backed_up(tmp_path: Path, sealed: Path) -> Path:
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in (tmp_path / "disk2" / "x.slot", *sealed.parent.glob(sealed.name)):
        shutil.copy(path, kept)
    return kept


def test_an_open_day_that_was_put_back_opens_no_column_erased_since(tmp_path: Path) -> None:
    """One device lost, the other and the sealed file put back: keys that ended by the journal end again."""
    store = mirrored_store(tmp_path, "open")
    sealed = store.root / "open-*.sealed"
    kept = backed_up(tmp_path, sealed)
    store.forget_day(FIRST, "place")
    one_lost_other_put_back(tmp_path, sealed, kept)

    with store.opened() as opened, pytest.raises(StateError, match="Put it back, or name one place"):
        opened.open_day()
    told = [item for item in doctor.examine(store.deployment) if item.name == "open day"]
    assert any(item.level == "failure" and "Put it back" in item.words for item in told)
    mirrors.mend(store.deployment)
    with store.opened() as opened:
        day, held = opened.open_day(), opened.day_slot.read()

    assert day is not None
    assert held is not None
    assert ("place", columns.day_of(FIRST)) not in held.keys.keys
    assert ("charge", columns.day_of(FIRST)) in held.keys.keys
    assert store.close().records == 1


def test_the_open_day_of_yesterday_put_back_is_asked_for_again(tmp_path: Path) -> None:
    """Slot and sealed file of a day that is over: nothing is served from them, and the day's keys come anew."""
    store = mirrored_store(tmp_path, "open")
    sealed = store.root / "open-*.sealed"
    kept = backed_up(tmp_path, sealed)
    store.close()
    store.open_day(FIRST + timedelta(1))
    one_lost_other_put_back(tmp_path, sealed, kept)
    mirrors.mend(store.deployment)

    with store.opened() as opened:
        assert opened.open_day() is None
    store.open_day(FIRST + timedelta(1))

    with store.opened() as opened:
        day = opened.open_day()
    assert day is not None
    assert day.day == columns.day_of(FIRST) + 1
    assert store.ingest(calls(Call(ALICE, FIRST + timedelta(1)))).records == 1


def test_a_custodian_that_was_put_back_is_known_for_it(tmp_path: Path) -> None:
    """One device lost, the other and its sealed memory put back: whoever it answered before finds it rolled back."""
    store = mirrored_store(tmp_path, "custodian-0")
    sealed = store.deployment.custodians / "custodian-0" / "custodian-*.sealed"
    kept = backed_up(tmp_path, sealed)
    store.forget_day(FIRST, "place")
    one_lost_other_put_back(tmp_path, sealed, kept)
    mirrors.mend(store.deployment)

    with pytest.raises(PartialError):
        store.close()
    with pytest.raises(UnheldError, match="put back from a backup: it serves this set no more"):
        store.open_day(FIRST + timedelta(1))


def test_a_copy_s_mirrored_slot_is_looked_at_and_mended_too(tmp_path: Path) -> None:
    """A side of a copy's slot that was put back closes that copy until a person mended it; then it follows again."""
    store = mirrored_store(tmp_path, "copy-1", copies=1)
    shutil.copy(tmp_path / "disk2" / "x.slot", tmp_path / "kept")
    store.forget("tel:" + ALICE)
    shutil.copy(tmp_path / "kept", tmp_path / "disk2" / "x.slot")

    with pytest.raises(RolledBackError, match=r"disk2/x\.slot.*put back from a backup"), store.opened():
        pass
    assert [done for done in mirrors.mend(store.deployment) if "disk2/x.slot" in done]

    with store.opened() as opened:
        assert [one.name for one in opened.copies.here] == [str(tmp_path / "m" / "copy-1")]
