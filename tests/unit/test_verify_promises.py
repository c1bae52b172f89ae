"""Promises: a handover while a standstill runs shows in the log, and nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unheld_branch.log.tiles import LogWriter
from unheld_verify import promises, statement, tiles
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
    for part in ("w-7f3a.example", "from 2026-01-07 until before 2026-02-06", "made on 2026-01-20"):
        assert part in found.words


@pytest.mark.parametrize("kind", ["buyer-record", "certificate"])
def test_other_papers_break_nothing(tmp_path: Path, kind: str) -> None:
    """A buyer record or a certificate is no handover."""
    found = _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-20", kind))

    assert found == Promises(1, ())


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
    assert found.words == "standstills published: 2; handovers made while one ran: 2"


def test_what_is_not_published_is_not_judged(tmp_path: Path) -> None:
    """A manifest whose statement is still closed shows no breach."""
    found = _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-20"), opened=False)

    assert found.broken == ()


def test_log_with_a_broken_promise_verifies(tmp_path: Path) -> None:
    """A breach makes a log no less authentic: whoever only checks the log goes on."""
    _kept(tmp_path / "log", ("standstill", "2026-01-06", PAUSE), _manifest("2026-01-20"))
    key = LogWriter(tmp_path / "log", SEED, ORIGIN).key
    log = tiles.open_log(str(tmp_path / "log"))

    head = tiles.verify_log(log, key)

    assert len(promises.broken(log, head)) == 1
