"""One suite for every way to a copy: a folder here, letters to its keeper, and a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.copies import Wire, keeper
from unheld_branch.copies import letters, serving
from unheld_branch.copies.letters import Ask
from unheld_branch.copies.remote import FarCopy
from unheld_branch.custody.http import HttpTransport
from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.store import copying, journal
from unheld_branch.store.copying import Copy, Making, Part, Step
from unheld_branch.store.policy import Policy
from unheld_branch.store.replica import Replica
from unheld_branch.store.vault import first_root
from unheld_verify import canonical, columns, crypto, note
from unheld_verify.errors import AwayError, BadInputError, RolledBackError, StateError, UnheldError, VerificationError

SEED = bytes([7]) * 32


def _policy() -> Policy:
    log = note.format_key(note.Key("store.example/copy", crypto.sign_public(bytes(32))))
    return Policy(
        bytes(16), "store.example/copy", 0, 1, 1, 1, columns.LIFETIME_DEFAULTS, 45, "none", "MM", ("far",), (), log,
        crypto.sign_public(bytes(32)).hex(),
    )  # fmt: skip


POLICY = _policy()
GENESIS = canonical.encode({"v": 1, "at": 0, "kind": "genesis", "policy": POLICY.document()})
HEAD = journal.next_head(journal.first_head(POLICY), GENESIS)
FIRST = first_root()
MAKING = Making("far", canonical.encode(POLICY.document()), FIRST, GENESIS, HEAD, SEED)
KEY = FIRST.trees[0].tag_key


def _rows(count: int, salt: int = 0) -> Rows:
    drawn = np.frombuffer(crypto.random_bytes(64 * count), np.uint8).reshape(count, 64)
    tags = drawn[:, :16].copy()
    tags[:, 15] = salt
    return rows_.make(tags, drawn[:, 16:48].copy(), drawn[:, 48:].copy(), np.zeros(count, np.uint32)).sort()


def _step(generation: int, head: bytes = HEAD) -> Step:
    entry = canonical.encode({"v": 1, "at": generation, "kind": "rows", "rows": ""})
    return Step(generation, entry, journal.next_head(head, entry), bytes([9]) * 32, {}, {0: KEY})


def _part(rows: Rows, deletes: Rows | None = None) -> Part:
    return Part(0, KEY, rows, (deletes or rows_.empty()).tags)


@pytest.fixture(params=["folder", "letters", "socket"])
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Copy]:
    """A copy that was made, reached each way."""
    with ExitStack() as held:
        found = _reached(request.param, tmp_path / "far", held)
        found.make(MAKING)
        held.callback(found.close)
        yield found


def _reached(way: str, folder: Path, held: ExitStack) -> Copy:
    if way == "folder":
        return Replica("far", folder)
    one = keeper(folder)
    if way == "letters":
        return FarCopy("far", one.key, lambda: SEED, Wire(one))
    server = serving.listening("127.0.0.1:0", one)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    held.callback(server.server_close)
    held.callback(server.shutdown)
    url = f"http://127.0.0.1:{server.server_port}{letters.PATH}"
    return FarCopy("far", one.key, lambda: SEED, HttpTransport([url]))


def _same(copy: Copy, rows: Rows) -> bool:
    key = bytes(32)
    return copy.sums(0, 4, key, KEY) == copying.sums([rows], 4, key)


def test_a_new_copy_has_the_first_generation(copy: Copy) -> None:
    """It stands where the store began, with nobody in it."""
    standing = copy.standing()

    assert (standing.generation, standing.head, standing.erasing) == (1, HEAD, False)
    assert dict(standing.rows) == {0: 0}


def test_rows_and_a_step_are_there_and_the_older_key_dies_last(copy: Copy) -> None:
    """After the step both keys live, after finishing one; the rows are those that were sent."""
    rows = _rows(2000)

    copy.rows(_part(rows))
    stepped = copy.step(_step(2))
    ended = copy.finish(2)

    assert (stepped.erasing, ended.erasing, ended.generation) == (True, False, 2)
    assert dict(ended.rows) == {0: 2000}
    assert _same(copy, rows)


def test_rows_that_are_dropped_are_gone(copy: Copy) -> None:
    """A part names tags to drop."""
    rows = _rows(10)
    copy.rows(_part(rows))
    copy.step(_step(2))
    copy.finish(2)

    copy.rows(_part(rows_.empty(), rows.part(0, 4)))
    copy.step(_step(3, _step(2).head))
    copy.finish(3)

    assert _same(copy, rows.part(4, 10))


def test_a_bucket_ends_up_with_exactly_what_was_sent(copy: Copy) -> None:
    """Rows of a named bucket that were not sent again are dropped, those of others stay."""
    old, new = _rows(300), _rows(5, salt=1)
    copy.rows(_part(old))
    copy.step(_step(2))
    copy.finish(2)
    inside = np.isin(copying.buckets_of(new.tags, 4), (3, 7))
    stays = ~np.isin(copying.buckets_of(old.tags, 4), (3, 7))

    copy.rows(replace(_part(new.take(inside)), bits=4, buckets=(3, 7)))
    copy.step(_step(3, _step(2).head))

    assert _same(copy, rows_.join([old.take(stays), new.take(inside)]).sort())


def test_rows_without_a_step_are_thrown_away(copy: Copy) -> None:
    """Asking where it is drops what was on its way."""
    copy.rows(_part(_rows(5)))
    copy.standing()

    copy.step(_step(2))

    assert dict(copy.finish(2).rows) == {0: 0}


@pytest.mark.parametrize("step", [_step(1), _step(3), _step(2, bytes(32))])
def test_a_step_that_does_not_follow_is_refused(copy: Copy, step: Step) -> None:
    """A replayed, skipped or foreign generation changes nothing."""
    with pytest.raises(RolledBackError):
        copy.step(step)

    assert copy.standing().generation == 1


def test_finishing_twice_changes_nothing(copy: Copy) -> None:
    """An acknowledgement that was lost is asked for again."""
    copy.step(_step(2))
    copy.finish(2)

    assert copy.finish(2).erasing is False


def test_a_file_comes_in_pieces_and_is_checked(copy: Copy) -> None:
    """It is there whole, or not."""
    data = crypto.random_bytes(1000)
    digest = crypto.sha256(data).hex()
    assert copy.missing({"sets/1.json": digest}, ["blocks/a.parquet"]) == ["sets/1.json", "blocks/a.parquet"]

    copy.file("sets/1.json", 0, data[:400], "")
    copy.file("sets/1.json", 400, data[400:], digest)
    with pytest.raises((VerificationError, AwayError)):
        copy.file("blocks/a.parquet", 0, data, "00" * 32)

    assert copy.missing({"sets/1.json": digest}, ["blocks/a.parquet"]) == ["blocks/a.parquet"]


@pytest.mark.parametrize("path", ["../out", "/etc/x", "copy.json", "catalog.db", "a/../b", "open-1.sealed", ""])
def test_a_file_goes_nowhere_else(copy: Copy, path: str) -> None:
    """No path leads out of the folder, or to what is the copy's own."""
    with pytest.raises(BadInputError):
        copy.file(path, 0, b"x", crypto.sha256(b"x").hex())


def test_a_copy_is_made_once(copy: Copy) -> None:
    """Nobody lays another store over it."""
    with pytest.raises((StateError, AwayError)):
        copy.make(MAKING)


def _far(tmp_path: Path) -> tuple[FarCopy, Wire]:
    wire = Wire(keeper(tmp_path / "far"))
    found = FarCopy("far", wire.keeper.key, lambda: SEED, wire)
    found.make(MAKING)
    found.close()
    return found, wire


def test_a_letter_counts_once(tmp_path: Path) -> None:
    """Brought again, in its exchange or after it, it is refused and changes nothing."""
    found, wire = _far(tmp_path)
    found.step(_step(2))
    sent = wire.seen[0::2]

    answers = [wire.keeper.handle(data) for data in sent if data != letters.knock()]

    assert all(b'"refused"' in one for one in answers)
    assert found.finish(2).generation == 2


def test_another_branch_writes_nothing(tmp_path: Path) -> None:
    """Only the branch that the copy was made for is answered."""
    _, wire = _far(tmp_path)
    stranger = FarCopy("far", wire.keeper.key, lambda: bytes(32), wire)

    with pytest.raises(AwayError, match="signature is wrong"):
        stranger.standing()


def test_another_copy_is_not_taken_for_it(tmp_path: Path) -> None:
    """What answers without the pinned key is told nothing."""
    found, _ = _far(tmp_path)
    other = Wire(keeper(tmp_path / "other"))
    found._transport = other

    with pytest.raises(AwayError, match="not the copy that was pinned"):
        found.standing()


def test_letters_for_nobody_are_refused(tmp_path: Path) -> None:
    """Whatever comes in is answered, and changes nothing."""
    _, wire = _far(tmp_path)

    for data in (b"", b"{}", letters.MAGIC, letters.MAGIC + bytes(40), crypto.random_bytes(500)):
        assert b'"refused"' in wire.keeper.handle(data)


def test_recorded_letters_open_for_nobody_who_takes_every_signing_key(tmp_path: Path) -> None:
    """A month's traffic and all long-lived keys open no letter; the exchange's own key, while it lives, does."""
    found, wire = _far(tmp_path)
    rows, lives, head = _rows(50), dict[bytes, bytes](), HEAD
    for generation in range(2, 32):
        found.rows(_part(rows if generation == 2 else rows_.empty()))
        lives |= {name: door.private for name, door in wire.keeper._doors.items()}
        found.step(_step(generation, head))
        head = found.finish(generation).head
        found.close()
    sent = [data for data in wire.seen[0::2] if data[:8] == letters.MAGIC]
    signing = [SEED, wire.keeper._seed]

    assert not wire.keeper._doors
    assert not any(_opens(data, seed * 3, wire.keeper.key) for data in sent for seed in signing)
    assert not any(rows.keys[0].tobytes() in data for data in wire.seen)
    assert any(
        _opens(data, lives[letters.door_of(data)], wire.keeper.key) for data in sent if letters.door_of(data) in lives
    )


def _opens(data: bytes, private: bytes, copy: bytes) -> bool:
    public = crypto.park_public(private)
    line = letters.Line(copy, public)
    try:
        letters.open_letter(data, line, private)
    except UnheldError:
        return False
    return True


def test_an_ask_of_an_unknown_act_is_refused(tmp_path: Path) -> None:
    """An act that this version does not know is an error, not a guess."""
    found, _ = _far(tmp_path)

    with pytest.raises(AwayError, match="refused"):
        found._ask(Ask("search"))
