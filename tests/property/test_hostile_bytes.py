"""Every reader stands whatever it is fed: it refuses in words of ours, or it would write the very same bytes."""

from __future__ import annotations

import contextlib
import io
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.hostile import mutated, wild
from tests.support.reader import Reader, stand
from tests.support.readers import READERS

QUICK = [reader for reader in READERS.values() if not reader.slow]
SLOW = [reader for reader in READERS.values() if reader.slow]
CALM = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def _named(reader: Reader) -> str:
    return reader.name


def _stand(reader: Reader, data: bytes) -> bool:
    with contextlib.redirect_stdout(io.StringIO()):
        return stand(reader, data)


@pytest.mark.parametrize("reader", READERS.values(), ids=_named)
def test_good_bytes_are_read(reader: Reader) -> None:
    """The bytes that the next tests spoil are good ones, of every reader."""
    examples = reader.examples()

    assert examples
    assert all(_stand(reader, data) for data in examples)


@pytest.mark.parametrize("reader", READERS.values(), ids=_named)
def test_known_tricks_are_stood(reader: Reader) -> None:
    """Nothing, zeros, nesting without end, huge numbers, other line ends and signs that nobody sees break no reader."""
    examples = reader.examples()

    assert [_stand(reader, data) for data in wild(min(examples, key=len))] != []


@pytest.mark.parametrize("reader", QUICK, ids=_named)
@settings(CALM, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_spoilt_bytes_are_refused_or_written_again(reader: Reader, random: Random) -> None:
    """Flipped, cut, spliced, repeated, renumbered or re-valued: refused, or read as one thing only."""
    examples = reader.examples()
    data = mutated(random.choice(examples), examples, random)

    assert _stand(reader, data) in (True, False)


@pytest.mark.parametrize("reader", SLOW, ids=_named)
@settings(CALM, max_examples=6)
@given(st.integers(0, 2**32))
def test_spoilt_files_and_sealed_bytes_are_stood(reader: Reader, seed: int) -> None:
    """The same, of those that open files or boxes first."""
    examples, random = reader.examples(), Random(seed)
    data = mutated(random.choice(examples), examples, random)

    assert _stand(reader, data) in (True, False)


@pytest.mark.parametrize("reader", QUICK, ids=_named)
@settings(CALM, max_examples=15)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_written_again(reader: Reader, data: bytes) -> None:
    """Bytes that are nothing of ours break no reader."""
    assert _stand(reader, data) in (True, False)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS.values(), ids=_named)
def test_many_spoilt_bytes_are_stood(reader: Reader) -> None:
    """Two hundred spoilt files a reader, the same ones every time."""
    examples, random = reader.examples(), Random(reader.name)

    for _ in range(200):
        assert _stand(reader, mutated(random.choice(examples), examples, random)) in (True, False)
