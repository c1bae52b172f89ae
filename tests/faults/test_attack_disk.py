"""Attacks through the disk and the clock: rights of files, damage, midnight, clocks that jump."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, DAY, FIRST, Call, calls, registry, snapshot
from tests.support.commands import Box, in_process
from tests.support.stores import made_store, mapping
from unheld.testing import textfile
from unheld.workflows import doctor
from unheld_branch.store import store as stores
from unheld_branch.workflows import day, ingest, park
from unheld_branch.workflows.sinks import Sinks, write_settings
from unheld_slots.slot import FileSlot
from unheld_verify import columns
from unheld_verify.errors import SealedError, StateError

SECOND = FIRST + timedelta(1)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A process that was started with no mask at all."""
    before = os.umask(0)
    yield
    os.umask(before)


@dataclass
class Ticking:
    """A clock that passes midnight while somebody works: each look is a second later."""

    seconds: int

    def now(self) -> int:
        """Unix seconds, UTC."""
        self.seconds += 1
        return self.seconds


def shared(*folders: Path) -> list[str]:
    """Files and folders below that others than the owner may read or write."""
    paths = [path for folder in folders for path in (folder, *sorted(folder.rglob("*")))]
    return [str(path) for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077]


@pytest.mark.usefixtures("open_umask")
def test_no_file_of_a_store_is_open_to_others(tmp_path: Path) -> None:
    """Whatever the mask, only the public log is public: database, blocks, slots, states, keys, plans and charge lines
    are their owner's."""
    made = made_store(tmp_path, n=2, t=2, copies=1)
    write_settings(made.root, Sinks(tmp_path / "totals", tmp_path / "charge"))
    made.open_day(FIRST)
    made.ingest(registry({"msisdn": ALICE, "holder": "H1"}), by="synthetic-registry")
    made.ingest(calls(Call(ALICE), Call(BOB)))
    made.park(calls(Call(ALICE, second=9)))
    made.forget("tel:" + BOB)
    made.close()
    made.publish()

    private = [folder for folder in made.deployment.folders() if folder != made.deployment.log]
    copies = [tmp_path / "copy-1", tmp_path / "copy-1.slots"]
    assert len(list((tmp_path / "charge").iterdir())) == 1
    assert shared(*private, *copies, tmp_path / "totals", tmp_path / "charge") == []


@pytest.mark.usefixtures("open_umask")
def test_plans_boxes_and_receipts_of_persons_are_their_owners(tmp_path: Path) -> None:
    """What a command writes for one person is readable to the one who called it."""
    box = Box(tmp_path)
    box("init")
    box("day", "open")
    file = textfile.write(calls(Call(ALICE)), tmp_path / "a.csv")
    rules = Path(__file__).parents[2] / "examples" / "mappings" / "synthetic.toml"
    assert box("ingest", file, "--mapping", rules).code == 0
    (tmp_path / "list.txt").write_text(ALICE + "\n")
    assert box("erase", "plan", "--file", tmp_path / "list.txt", "--out", tmp_path / "out.plan").code == 0

    assert shared(tmp_path / "out.plan", tmp_path / "out.box") == []


def test_doctor_sees_a_folder_that_others_may_write(tmp_path: Path) -> None:
    """Who may write into a folder may take its files away: store, custodians and headquarters are looked at as well."""
    made = made_store(tmp_path)
    made.deployment.custodians.chmod(0o770)
    found = [item for item in doctor.examine(made.deployment) if item.level == "failure"]

    assert [item.name for item in found] == ["permissions"]


@pytest.mark.parametrize("act", ["ingest", "park"])
def test_a_delivery_that_lasts_over_midnight_is_taken_in(tmp_path: Path, act: str) -> None:
    """The key of file digests is the one of the day that the work began on; the file is known on the day after."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    file = textfile.write(calls(Call(ALICE)), tmp_path / "a.csv")
    with stores.opened(made.deployment.places(), Ticking(columns.day_of(FIRST) * DAY + DAY - 4), write=True) as store:
        told = (ingest.ingest if act == "ingest" else park.park)(store, [file], mapping())

    assert told.records == 1
    assert made.ingest(file).known == [str(file)]


def test_a_damaged_slot_is_not_emptied(tmp_path: Path) -> None:
    """One flipped bit in the only live half opens nothing, and nothing is overwritten: put right, it opens again."""
    made = made_store(tmp_path)
    with made.opened() as store:
        before = store.root.generation
    path = made.deployment.slots / "root.slot"
    whole = path.read_bytes()
    at = next(place for place in (0, 4096) if any(whole[place : place + 4096])) + 70
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    damaged = path.read_bytes()

    with pytest.raises(SealedError, match="holds no key"), made.opened():
        pass

    assert path.read_bytes() == damaged
    path.write_bytes(whole)
    with made.opened() as store:
        assert store.root.generation == before


def test_a_torn_half_beside_a_live_one_is_emptied(tmp_path: Path) -> None:
    """What a cut-off overwriting left of a secret goes at the next open, as long as another generation lives."""
    slot = FileSlot.create(tmp_path / "a.slot")
    slot.prepare(1, b"1" * 32)
    slot.prepare(2, b"2" * 32)
    data = slot.path.read_bytes()
    slot.path.write_bytes(data[:4096] + bytes(16) + data[4112:])

    assert [live.generation for live in FileSlot.open(slot.path).live()] == [2]
    assert not any(slot.path.read_bytes()[4096:])


@pytest.mark.parametrize("place", ["/", "."])
def test_a_place_that_can_hold_no_store_is_told_as_that(place: str) -> None:
    """A store needs siblings; the root of the file system has none."""
    ended = in_process(["--store", place, "status"])

    assert (ended.code, "no store there" in ended.err) == (10, True)


@pytest.mark.parametrize("seconds", [10**18, -(10**6), 2**32 * 86_400])
def test_a_clock_beyond_the_calendar_is_refused(tmp_path: Path, seconds: int) -> None:
    """A clock before 1970 or after the year 2105 is no clock; nothing is opened, lapsed or written by it."""
    box = Box(tmp_path)
    box("init")
    kept = [tmp_path / f"s.{name}" for name in ("slots", "custodians", "custodian-slots", "log")]
    before = snapshot(*kept)
    for words in (["status"], ["lapse", "run"], ["day", "open"]):
        ended = in_process(box.words(*words), UNHELD_CLOCK=str(seconds))
        assert (ended.code, "clock" in ended.err.lower()) == (1, True)

    assert snapshot(*kept) == before


def test_a_clock_set_back_opens_no_day_again(tmp_path: Path) -> None:
    """Back by a day, a closed day stays closed; an earlier one was never to be: custodians' clocks do not go back."""
    made = made_store(tmp_path)
    made.open_day(SECOND)
    made.close()
    for when in (FIRST, SECOND):
        made.set_clock(when, 12 * 3600)  # in its last minutes the next day opens
        with (
            made.opened() as store,
            pytest.raises(StateError, match=r"was closed|is not open: today is 2026-07-02 here"),
        ):
            day.open_day(store, made.custodians)


def test_a_leap_day_opens_and_lapses_like_any(tmp_path: Path) -> None:
    """29 February 2028 is sealed, closed, and its places lapse seven days later."""
    leap = date(2028, 2, 29)
    made = made_store(tmp_path, first_day=leap)
    made.open_day(leap)
    made.ingest(calls(Call(ALICE, leap)))
    made.close()
    made.set_clock(date(2028, 3, 7), 0)

    assert made.lapse().columns == (("place", columns.day_of(leap)),)


@pytest.mark.parametrize("act", ["lapse", "close", "open", "park"])
def test_a_clock_that_jumps_by_years_destroys_nothing(tmp_path: Path, act: str) -> None:
    """A dead battery or a rolled-over week counter lapses no key and burns no chain; set right, work goes on."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE)))
    before = made.states()
    made.set_clock(FIRST + timedelta(1024 * 7))
    acts: dict[str, Callable[[], object]] = {
        "lapse": made.lapse,
        "close": made.close,
        "open": lambda: made.open_day(FIRST + timedelta(1024 * 7)),
        "park": lambda: made.park(calls(Call(BOB))),
    }
    with pytest.raises(StateError, match="7,168 days ahead of the last commit"):
        acts[act]()

    assert made.states() == before
    made.set_clock(FIRST)
    assert made.close().records == 1


def test_a_store_that_rested_for_years_is_worked_up_to_the_present(tmp_path: Path) -> None:
    """The error names the second to open a day at; after it the present is believed, and takes what is due."""
    made = made_store(tmp_path)
    made.open_day(FIRST)
    made.ingest(calls(Call(ALICE)))
    made.close()
    made.set_clock(FIRST + timedelta(500))
    with pytest.raises(StateError, match="UNHELD_CLOCK=") as refused:
        made.lapse()
    made.now = int(str(refused.value).partition("UNHELD_CLOCK=")[2].split()[0])
    with made.opened() as store:
        day.open_day(store, made.custodians)
    made.set_clock(FIRST + timedelta(500))

    assert made.close().records == 0
    assert len(made.lapse().columns) == 3


def test_charge_lines_are_a_place_that_nothing_covers(tmp_path: Path) -> None:
    """Whoever names a charge sink is told by every status that it holds such data too, until its emptying is proven."""
    box = Box(tmp_path)
    box("init", "--charge", tmp_path / "charge")

    assert box("status", "--json").document["inventory"]["not_covered"] == 1


def test_a_lock_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """A lock file that somebody made a link makes no file at the other end."""
    made = made_store(tmp_path)
    (made.root / "lock").unlink(missing_ok=True)
    (made.root / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match=r"lock: .* a link stands"), made.opened():
        pass

    assert not (tmp_path / "elsewhere").exists()
