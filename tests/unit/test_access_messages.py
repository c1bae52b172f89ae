"""Files of own access: what is written reads back, what nobody writes is refused, and buckets hide among others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld.access import buckets, card, messages
from unheld.access.messages import Bucket, HeldFile
from unheld_branch.store import blocks, files
from unheld_branch.store.blocks import Place
from unheld_verify import canonical, crypto, signed
from unheld_verify.columns import Column
from unheld_verify.errors import BadInputError, NotAllowedError, VerificationError

STORE, BATCH, NOW = bytes(16), bytes(range(16)), 1_783_000_000
COLUMN = Column("charge", 20_000, 20_001)
CARD = card.Card(bytes(32))
ids = st.binary(min_size=16, max_size=16)


def test_a_request_is_good_for_a_week() -> None:
    """An old request is refused at the counter, and so is one that somebody else signed, or of other fields."""
    _, public = crypto.park_keypair()
    asked = messages.request(CARD.seed, NOW, public)
    assert messages.requester(asked, NOW + 6 * 86_400) == CARD.public

    with pytest.raises(NotAllowedError, match="week"):
        messages.requester(asked, NOW + 8 * 86_400)
    with pytest.raises(VerificationError):
        messages.requester(signed.sign(asked.document, card.new().seed), NOW)
    for wrong in ({}, {"subscriber": 5, "at": NOW, "reply": ""}, {**asked.document, "at": "now"}):
        with pytest.raises(BadInputError):
            messages.requester(signed.sign({"v": 1, "kind": "access-request", **wrong}, CARD.seed), NOW)


@given(ids, st.integers(256, 1 << 24))
def test_a_bucket_contains_the_block_that_is_wanted(block_id: bytes, count: int) -> None:
    """Its prefix is the id's, and so few bits that 32 blocks are expected or more."""
    bucket = buckets.of(HeldFile(COLUMN, 1, BATCH, count), block_id)

    assert messages.masked(block_id, bucket.bits) == bucket.prefix
    assert 32 << bucket.bits <= count < 64 << bucket.bits
    assert messages.wanted_of(messages.wanted(STORE, (bucket,)), STORE) == (bucket,)


@given(ids, st.integers(0, 64), st.integers(0, 64))
def test_a_wider_bucket_contains_the_narrower(block_id: bytes, one: int, other: int) -> None:
    """Taking bits off keeps whatever was inside."""
    few, many = sorted((one, other))
    bucket = Bucket(COLUMN, BATCH, many, messages.masked(block_id, many))

    assert bucket.wider(few).prefix == messages.masked(block_id, few)


@pytest.fixture
def held(tmp_path: Path) -> tuple[Path, HeldFile, list[bytes]]:
    """A column file of 512 blocks whose ids crowd at one end."""
    made = sorted(crypto.random_bytes(16) for _ in range(400)) + sorted(
        b"\xff" + crypto.random_bytes(15) for _ in range(112)
    )
    place = Place(STORE, 1, COLUMN, BATCH)
    ordered = sorted(made)
    sealed = blocks.SealedBlocks(blocks.ids_array(ordered), [one * 6 for one in ordered], np.zeros(512, "V8"))
    files.write(tmp_path, place, sealed, None)
    return tmp_path, HeldFile(COLUMN, 1, BATCH, 512), ordered


def test_every_bucket_has_sixteen_blocks_and_the_right_ones(held: tuple[Path, HeldFile, list[bytes]]) -> None:
    """Each id is in the bucket asked for it, with 15 others at least; blocks and ids belong together."""
    root, file, listed = held
    for block_id in listed[::37]:
        asked = buckets.of(file, block_id)
        came = buckets.fill(root, STORE, 1, asked)
        assert came
        buckets.check(asked, came)
        assert block_id in came.ids
        assert len(came.ids) >= 16
        assert list(came.blocks) == [one * 6 for one in came.ids]
        assert list(came.ids) == [one for one in listed if messages.masked(one, came.bucket.bits) == came.bucket.prefix]


def test_a_narrow_bucket_is_widened(held: tuple[Path, HeldFile, list[bytes]]) -> None:
    """Whoever asks for one block gets sixteen, so that a tool that was changed learns the branch nothing either."""
    root, _, listed = held
    asked = Bucket(COLUMN, BATCH, 64, messages.masked(listed[0], 64))

    came = buckets.fill(root, STORE, 1, asked)

    assert came
    assert len(came.ids) >= 16
    assert messages.blocks_of(messages.blocks(STORE, (came,)), STORE) == (came,)


def test_a_file_that_is_not_there_has_no_bucket(tmp_path: Path) -> None:
    """It lapsed, or never was."""
    assert buckets.fill(tmp_path, STORE, 1, Bucket(COLUMN, BATCH, 0, bytes(8))) is None


@pytest.mark.parametrize(
    "bucket",
    [
        ["charge", "2024-10-04", "2024-10-05", "00" * 16, 3, "ff" * 8],
        ["charge", "2024-10-04", "2024-10-05", "00" * 16, 65, "00" * 8],
        ["charge", "2024-10-04", "2024-10-05", "00" * 16, True, "00" * 8],
        ["charge", "2024-10-04", "2024-10-05", "00" * 15, 0, "00" * 8],
        ["names", "2024-10-04", "2024-10-05", "00" * 16, 0, "00" * 8],
        ["charge", "yesterday", "2024-10-05", "00" * 16, 0, "00" * 8],
        ["charge", "2024-10-04", "00" * 16, 0, "00" * 8],
        "charge",
        [],
    ],
)
def test_a_bucket_that_nobody_writes_is_refused(bucket: object) -> None:
    """Other bits than it says, another length, another class, no day."""
    data = canonical.encode({"v": 1, "kind": "access-wanted", "store": STORE.hex(), "buckets": [bucket]})

    with pytest.raises(BadInputError):
        messages.wanted_of(data, STORE)


def test_a_request_for_another_store_is_refused() -> None:
    """A counter serves its own store's."""
    with pytest.raises(BadInputError, match="another store"):
        messages.wanted_of(messages.wanted(bytes([1] * 16), ()), STORE)
