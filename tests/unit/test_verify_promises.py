"""Promises: a handover while a standstill runs shows in the log, and nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unheld_branch.log.tiles import LogWriter
from unheld_verify import promises, statement, tiles
from unheld_verify.errors import VerificationError
from unheld_verify.promises import Promises

ORIGIN, SEED = "log.example/unheld", bytes(range(32))
PAUSE = {"group": "w-7f3a.example", "digest": "00" * 32, "begins": "2026-01-07", "ends": "2026-02-06"}


def _kept(folder: Path, *said: tuple[str, str, dict[str, Any]], opened: bool = True) -> Promises:
    openings = [statement.commit(statement.make(ORIGIN, kind, day, **fields)) for kind, day, fields in said]
    writer = LogWriter.create(folder, SEED, ORIGIN)
    writer.append(0, [opening.entry for opening in openings])
    for index, opening in enumerate(openings if opened else openings[:1]):
        writer.publish_opening(index, opening)
    log = tiles.open_log(str(folder))
    return promises.kept(log, tiles.verify_log(log, writer.key))


def _manifest(day: str, kind: str = "manifest") -> tuple[str, str, dict[str, Any]]:
    return ("paper", day, {"paper": kind, "digest": "01" * 32})


@pytest.mark.parametrize(("day", "count"), [("2026-01-06", 0), ("2026-01-07", 1), ("2026-02-05", 1), ("2026-02-06", 0)])
def test_manifest_breaks_a_promise_on_the_days_of_the_pause_alone(tmp_path: Path, day: str, count: int) -> None:
    """From the first day until before the end a handover is a breach, before and after it is none."""
    assert len(_kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest(day)).broken) == count


def test_breach_names_group_days_and_entries(tmp_path: Path) -> None:
    """Who reads of a breach can find both statements."""
    found = _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-20")).broken[0]

    assert (found.standstill, found.manifest) == (0, 1)
    for part in ("w-7f3a.example", "from 2026-01-07 until before 2026-02-06", "is dated 2026-01-20"):
        assert part in found.words


def test_manifest_that_was_dated_back_breaks_a_promise(tmp_path: Path) -> None:
    """A manifest that stands after the objection in the log, yet is dated before it, is no handover of before."""
    found = _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-05"))

    assert [item.day for item in found.broken] == ["2026-01-05"]


@pytest.mark.parametrize(("day", "count"), [("2026-01-06", 0), ("2026-01-07", 0), ("2026-01-08", 1), ("2026-02-06", 0)])
def test_manifest_before_the_objection_breaks_nothing_on_the_same_day(tmp_path: Path, day: str, count: int) -> None:
    """Nobody is accused of a handover in the morning when the objection came in the afternoon."""
    assert len(_kept(tmp_path / "log", _manifest(day), ("standstill", "2026-01-07", PAUSE)).broken) == count


@pytest.mark.parametrize("kind", ["buyer-record", "certificate"])
def test_other_papers_break_nothing(tmp_path: Path, kind: str) -> None:
    """A buyer record or a certificate is no handover."""
    found = _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-20", kind))

    assert found == Promises(1, (), 0)


def test_every_pause_that_a_manifest_falls_into_is_told(tmp_path: Path) -> None:
    """Two groups objected: both promises were broken."""
    other = PAUSE | {"group": "w-0001.example"}
    found = _kept(
        tmp_path / "log",
        ("standstill", "2026-01-06", PAUSE),
        ("standstill", "2026-01-06", other),
        _manifest("2026-01-20"),
    )

    assert [item.group for item in found.broken] == ["w-7f3a.example", "w-0001.example"]
    assert found.words.startswith("standstills published: 2; published handovers against one: 2; ")


def test_what_is_not_published_is_not_judged(tmp_path: Path) -> None:
    """A manifest whose statement is still closed shows no breach, and no word says that there was none."""
    found = _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-20"), opened=False)

    assert (found.broken, found.closed) == ((), 1)
    assert found.words.endswith("closed entries, of which nothing is said: 1")


def test_what_receipts_show_is_judged_though_its_opening_was_left_out(tmp_path: Path) -> None:
    """Whoever leaves an opening out of a copy of the log does not hide what receipts beside it state."""
    _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), opened=True)
    log, key = tiles.open_log(str(tmp_path / "log")), LogWriter(tmp_path / "log", SEED, ORIGIN).key
    made = statement.make(ORIGIN, "paper", "2026-01-20", paper="manifest", digest="01" * 32)

    found = promises.kept(log, tiles.verify_log(log, key), {5: made})

    assert [(item.standstill, item.manifest) for item in found.broken] == [(0, 5)]


def test_log_with_a_broken_promise_verifies(tmp_path: Path) -> None:
    """A breach makes a log no less authentic: whoever only checks the log goes on."""
    _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-20"))
    key = LogWriter(tmp_path / "log", SEED, ORIGIN).key
    log = tiles.open_log(str(tmp_path / "log"))

    head = tiles.verify_log(log, key)

    assert len(promises.broken(log, head)) == 1


def test_log_of_two_stores_is_false(tmp_path: Path) -> None:
    """An erasure does not name its store: in a log of two, it could be shown for the other."""
    founded = [
        ("genesis", "2026-01-01", {"store": one * 16, "genesis": "00" * 32, "policy": "x"}) for one in ("0a", "0b")
    ]

    with pytest.raises(VerificationError, match="two stores"):
        _kept(tmp_path / "log", *founded)
