"""Folio secrets: one hash of two secrets, bound to one column."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from hypothesis import given
from hypothesis import strategies as st

from unheld_branch.keys import folios
from unheld_verify import crypto
from unheld_verify.columns import Column

COLUMN = Column("contact", 20_600, 20_635)
KEYS = [bytes([number]) * 32 for number in range(5)]
VALUES = [bytes([100 + number]) * 16 for number in range(5)]


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16), st.binary(max_size=40))
def test_the_kdf_is_the_library_s(first: bytes, second: bytes, info: bytes) -> None:
    """The one-step KDF gives what `ConcatKDFHash` with SHA-512 gives, byte for byte."""
    library = ConcatKDFHash(hashes.SHA512(), 64, info).derive(first + second)

    assert crypto.one_step_kdf(first, second, info) == library


def test_many_folios_are_derived_as_one_by_one() -> None:
    """The secrets of n parties are those of each."""
    together = folios.derive(b"".join(KEYS), b"".join(VALUES), 3, COLUMN)

    assert len(together) == 5
    assert together.okm == b"".join(
        folios.derive(key, value, 3, COLUMN).okm for key, value in zip(KEYS, VALUES, strict=True)
    )


def test_parts_of_the_secrets_stand_where_the_page_says() -> None:
    """Block key, id key and alias are the bytes 0..32, 32..48 and 48..56."""
    secrets = folios.derive(b"".join(KEYS), b"".join(VALUES), 3, COLUMN)
    okm = secrets.okm[64:128]

    assert secrets.block_key(1) == okm[:32]
    assert secrets.block_id(1, b"b" * 16) == hashlib.blake2b(b"b" * 16, digest_size=16, key=okm[32:48]).digest()
    assert np.ascontiguousarray(secrets.aliases()).tobytes()[8:16] == okm[48:56]


def test_info_has_28_bytes_and_names_the_column() -> None:
    """The fixed input after the two secrets is the page's."""
    assert folios.info(3, COLUMN) == (
        b"unheld/v1/folio" + bytes([2, 0, 0, 0, 3]) + (20_600).to_bytes(4, "big") + (20_635).to_bytes(4, "big")
    )
    assert len(folios.info(3, COLUMN)) == 28


@pytest.mark.parametrize(
    "other",
    [(KEYS[1], VALUES[0], 3, COLUMN), (KEYS[0], VALUES[1], 3, COLUMN), (KEYS[0], VALUES[0], 4, COLUMN)]
    + [
        (KEYS[0], VALUES[0], 3, Column(cls, event_day, sealing_day))
        for cls, event_day, sealing_day in (
            ("charge", 20_600, 20_635), ("contact", 20_601, 20_635), ("contact", 20_600, 20_636),
        )
    ],
)  # fmt: skip
def test_anything_else_gives_other_secrets(other: tuple[bytes, bytes, int, Column]) -> None:
    """Another party key, column function, set, class, event day or sealing day shares no part of the secrets."""
    here, there = folios.derive(KEYS[0], VALUES[0], 3, COLUMN).okm, folios.derive(*other).okm

    assert not any(here[start : start + 8] == there[start : start + 8] for start in range(0, 64, 8))


def test_block_ids_of_two_batches_do_not_link() -> None:
    """A folio's blocks of two batches have ids that share nothing."""
    secrets = folios.derive(KEYS[0], VALUES[0], 3, COLUMN)

    assert secrets.block_id(0, b"a" * 16) != secrets.block_id(0, b"b" * 16)


def test_secrets_can_be_picked() -> None:
    """Folios at places, in that order, repeats allowed."""
    secrets = folios.derive(b"".join(KEYS), b"".join(VALUES), 3, COLUMN)
    picked = secrets.at(np.array([4, 0, 4]))

    assert [picked.block_key(number) for number in range(3)] == [secrets.block_key(place) for place in (4, 0, 4)]


def test_handles_need_the_party_key_and_the_day() -> None:
    """A handle is the same in every class of a sealing day, and another one in another store or on another day."""
    keys = b"".join(KEYS)
    here = folios.handles(keys, b"s" * 16, 20_635).tobytes()
    data = b"unheld/v1/handle" + b"s" * 16 + (20_635).to_bytes(4, "big")

    assert here[8:16] == hashlib.blake2b(data, digest_size=16, key=KEYS[1]).digest()[:8]
    assert (
        len({here, folios.handles(keys, b"t" * 16, 20_635).tobytes(), folios.handles(keys, b"s" * 16, 1).tobytes()})
        == 3
    )
    assert len(folios.handles(b"", b"s" * 16, 1)) == 0
