"""Parked batches: any t custodians open one, fewer cannot, nothing altered opens, and after its lapse nobody does."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.support.stores import TestStore, made_store
from unheld_branch.store.parked import SEGMENT_BYTES, open_parked, read_header, write_parked
from unheld_verify import columns, crypto, custody
from unheld_verify.errors import BadInputError, SealedError, StateError, UnheldError, WrongKeyError
from unheld_verify.parked import ParkedHeader, open_box, seal_box

DAY = 20_640
STORE, BATCH = b"s" * 16, b"b" * 16
WEEK = columns.park_period("outage", DAY)
Shares = dict[int, dict[int, bytes]]


def park(
    path: Path, publics: list[bytes], t: int, pieces: Iterator[bytes] | list[bytes], store: bytes = STORE
) -> ParkedHeader:
    return write_parked(
        path, pieces, store=store, batch=BATCH, reason="outage", period=WEEK, set_number=1, t=t, publics=publics
    )


def parked_with_shares(path: Path, n: int, t: int, pieces: list[bytes]) -> Shares:
    pairs = [crypto.park_keypair() for _ in range(n)]
    header = park(path, [public for _, public in pairs], t, pieces)
    return {index: open_box(private, header, index) for index, (private, _) in enumerate(pairs)}


def content(path: Path, shares: Shares) -> bytes:
    return b"".join(open_parked(path, shares))


@pytest.mark.parametrize(("n", "t"), [(1, 1), (3, 2), (5, 3), (4, 4)])
def test_any_t_custodians_open_a_batch(tmp_path: Path, n: int, t: int) -> None:
    """Whichever t give their shares, the same records come out."""
    shares = parked_with_shares(tmp_path / "p", n, t, [b"one", b"two"])
    for chosen in combinations(shares, t):
        assert content(tmp_path / "p", {index: shares[index] for index in chosen}) == b"onetwo"


@pytest.mark.parametrize(("n", "t"), [(3, 2), (5, 3), (4, 4)])
def test_fewer_than_t_cannot(tmp_path: Path, n: int, t: int) -> None:
    """t-1 custodians lack a share, and the error says how many are needed."""
    shares = parked_with_shares(tmp_path / "p", n, t, [b"one"])
    for chosen in combinations(shares, t - 1):
        with pytest.raises(StateError, match=f"{t} of {n} are needed"):
            content(tmp_path / "p", {index: shares[index] for index in chosen})


@pytest.mark.parametrize("size", [0, 1, SEGMENT_BYTES, SEGMENT_BYTES + 1])
def test_every_length_comes_back(tmp_path: Path, size: int) -> None:
    """An empty batch, a full segment and one byte more survive."""
    shares = parked_with_shares(tmp_path / "p", 1, 1, [b"x" * size])
    assert content(tmp_path / "p", shares) == b"x" * size


def test_no_plaintext_stands_in_the_file(tmp_path: Path) -> None:
    """Nothing of a record can be read in a parked file."""
    parked_with_shares(tmp_path / "p", 2, 1, [b"tel:+9590000"])
    assert b"tel:" not in (tmp_path / "p").read_bytes()


def test_memory_is_bounded_by_segments(tmp_path: Path) -> None:
    """Sixteen segments' worth of small pieces never stand in memory together."""
    tracemalloc.start()
    try:
        park(tmp_path / "p", [crypto.park_keypair()[1]], 1, (bytes(64 * 1024) for _ in range(1024)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * SEGMENT_BYTES


def test_one_changed_byte_anywhere_is_refused(tmp_path: Path) -> None:
    """Header, boxes, lengths and segments are all bound: every altered file is refused by an error of ours."""
    shares = parked_with_shares(tmp_path / "p", 1, 1, [b"records of a day"])
    data = (tmp_path / "p").read_bytes()
    for position in [*range(0, len(data), 7), *range(len(data) - 40, len(data))]:
        altered = bytearray(data)
        altered[position] ^= 1
        (tmp_path / "q").write_bytes(bytes(altered))
        with pytest.raises(UnheldError):
            content(tmp_path / "q", shares)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    """A file that lost its end, at any place, also exactly between two segments, does not pass as whole."""
    shares = parked_with_shares(tmp_path / "p", 1, 1, [b"x" * (SEGMENT_BYTES + 10)])
    data = (tmp_path / "p").read_bytes()
    between = len(data) - (4 + 10 + 16)
    for size in (0, 8, 11, 500, between - 1, between, between + 2, between + 4, len(data) - 1):
        (tmp_path / "q").write_bytes(data[:size])
        with pytest.raises((BadInputError, WrongKeyError)):
            content(tmp_path / "q", shares)


def test_an_added_tail_is_refused(tmp_path: Path) -> None:
    """Bytes after the last segment are found."""
    shares = parked_with_shares(tmp_path / "p", 1, 1, [b"x"])
    with (tmp_path / "p").open("ab") as file:
        file.write(b"more")
    with pytest.raises(WrongKeyError, match="segment 0"):
        content(tmp_path / "p", shares)


def test_swapped_segments_are_refused(tmp_path: Path) -> None:
    """Segments open only in their own place."""
    shares = parked_with_shares(tmp_path / "p", 1, 1, [b"a" * SEGMENT_BYTES, b"b" * SEGMENT_BYTES, b"c"])
    data = (tmp_path / "p").read_bytes()
    size = 4 + SEGMENT_BYTES + 16
    start = len(data) - 2 * size - (4 + 1 + 16)
    swapped = (
        data[:start] + data[start + size : start + 2 * size] + data[start : start + size] + data[start + 2 * size :]
    )
    (tmp_path / "q").write_bytes(swapped)
    with pytest.raises(WrongKeyError, match="segment 0"):
        content(tmp_path / "q", shares)


def test_shares_that_differ_name_the_pair(tmp_path: Path) -> None:
    """Where no t custodians give true shares the error names two that differ."""
    shares = parked_with_shares(tmp_path / "p", 3, 2, [b"x"])
    for component in columns.held(3, 2, 2):
        shares[2][component] = b"!" * 32
    del shares[0]
    with pytest.raises(WrongKeyError, match=r"custodian 2 and custodian 3 .* component 0"):
        content(tmp_path / "p", shares)


def test_who_gives_wrong_shares_shuts_nothing(tmp_path: Path) -> None:
    """Of five, two that lie and three that do not: the three open the batch."""
    shares = parked_with_shares(tmp_path / "p", 5, 3, [b"x"])
    for liar in (0, 3):
        shares[liar] = dict.fromkeys(shares[liar], b"!" * 32)
    assert content(tmp_path / "p", shares) == b"x"


def test_a_box_of_another_custodian_or_batch_does_not_open() -> None:
    """A box is bound to its store, batch and place."""
    private, public = crypto.park_keypair()
    box = seal_box(public, (STORE, BATCH), 0, {0: b"x" * 32})
    header = ParkedHeader(STORE, BATCH, "outage", WEEK, 1, 2, 1, (box, box))
    assert open_box(private, header, 0) == {0: b"x" * 32}
    for moved, index in ((header, 1), (replace(header, batch=b"c" * 16), 0), (replace(header, store=b"c" * 16), 0)):
        with pytest.raises(WrongKeyError):
            open_box(private, moved, index)


def test_a_box_with_other_shares_than_its_own_is_refused() -> None:
    """A box that holds a component its custodian does not hold is not believed."""
    private, public = crypto.park_keypair()
    box = seal_box(public, (STORE, BATCH), 0, {0: b"x" * 32})
    with pytest.raises(WrongKeyError, match="other shares"):
        open_box(private, ParkedHeader(STORE, BATCH, "outage", WEEK, 1, 2, 2, (box, box)), 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'"t":1', b'"t":3'),
        (b'"n":1', b'"n":2'),
        (b'"reason":"outage"', b'"reason":"outages"'),
        (b'"set":1', b'"set":true'),
        (b'"batch":"62', b'"batch":"zz'),
        (b'"store":"73', b'"store":"'),
        (b'"boxes":["', b'"boxes":["*'),
        (b'{"batch"', b'{ "batch"'),
    ],
)
def test_a_header_of_another_form_is_refused(old: bytes, new: bytes) -> None:
    """Only the bytes this format writes are parsed."""
    data = ParkedHeader(STORE, BATCH, "outage", WEEK, 1, 1, 1, (b"box",)).encode()
    assert ParkedHeader.decode(data).encode() == data
    with pytest.raises(BadInputError):
        ParkedHeader.decode(data.replace(old, new))


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    made = made_store(tmp_path, n=3, t=2, first_day=columns.date_of(DAY))
    made.set_clock(columns.date_of(DAY))
    return made


def park_locally(path: Path, made: TestStore) -> bytes:
    """Park to the keys of the store's custodians; the header."""
    (one,) = made.custodians.clients
    publics = {
        index: custody.parking_of(parking, one.address(index), one.roster.signs[index])
        for index, parking in made.custodians.park_publics()[0].items()
    }
    keys = [publics[index]["outage", WEEK] for index in range(3)]
    return park(path, keys, 2, [b"outage"], made.deployment.policy().store_id).encode()


def test_custodians_open_what_was_parked_to_them(tmp_path: Path, made: TestStore) -> None:
    """The way there and back, through the custodians' own keys."""
    header = park_locally(tmp_path / "p", made)
    assert content(tmp_path / "p", made.custodians.open_parked(header)) == b"outage"


def test_a_lapsed_batch_is_opened_by_nobody(tmp_path: Path, made: TestStore) -> None:
    """Once the period's key is erased the error says so."""
    header = park_locally(tmp_path / "p", made)
    made.set_clock(columns.date_of(columns.park_due("outage", WEEK, 45)))
    with pytest.raises(SealedError, match="lapsed"):
        made.custodians.open_parked(header)


def test_a_batch_of_another_store_or_set_is_refused(tmp_path: Path, made: TestStore) -> None:
    """A custodian opens boxes of its own store only, and nobody is asked for those of a set that is none of theirs."""
    park_locally(tmp_path / "p", made)
    header = read_header(tmp_path / "p")
    with pytest.raises(BadInputError, match="another store"):
        made.custodians.open_parked(replace(header, store=b"o" * 16).encode())
    with pytest.raises(SealedError, match="set 2"):
        made.custodians.open_parked(replace(header, set=2).encode())
