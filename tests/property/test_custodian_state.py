"""A custodian's memory and its bytes: each gives the other exactly, and nothing else is taken for one."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unheld_custodian.state import Ceremony, Line, Request, State, Whole, decode, encode
from unheld_verify import columns
from unheld_verify.errors import BadInputError

hashes, ids, keys = st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16), st.binary(max_size=96)
numbers = st.integers(0, 2**32 - 1)
small = st.integers(0, 2**16 - 1)
text = st.text(max_size=20)
pairs = st.tuples(st.sampled_from(sorted(columns.CLASSES)), numbers)
names = st.tuples(st.integers(1, 4), numbers, numbers, small)


def few(key: st.SearchStrategy, value: st.SearchStrategy) -> st.SearchStrategy:
    """A small mapping."""
    return st.dictionaries(key, value, max_size=3)


states = st.builds(
    State, store=ids, set=numbers, index=small, n=small, t=small,
    lifetimes=few(st.sampled_from(sorted(columns.CLASSES)), small), late_days=small, next_day=numbers, sign=hashes,
    chains=few(small, hashes), keys=few(names, hashes), open_days=st.lists(numbers, max_size=3).map(tuple),
    erased=st.frozensets(pairs, max_size=3), park=few(st.tuples(st.sampled_from(columns.PARK_REASONS), numbers), keys),
    begins=numbers, branch=hashes, headquarters=hashes, freeze_days=small, founded=hashes,
    issues=few(numbers, st.lists(hashes, max_size=3).map(tuple)), tombstones=few(ids, numbers),
    used=few(hashes, st.tuples(hashes, numbers)), month=small, month_key=hashes, asked=few(ids, small),
    day_asked=st.tuples(numbers, small), emptied=few(hashes, numbers), beat_day=numbers, hq_at=numbers,
    frozen_at=numbers, retired=numbers, rolled_back=st.booleans(),
    entombed=few(hashes, st.tuples(numbers, numbers)),
    unparked=few(ids, st.tuples(numbers, numbers, st.lists(hashes, max_size=3).map(tuple))),
)  # fmt: skip
ceremonies = st.builds(
    Ceremony, draft=keys, index=small, received=numbers, sign=hashes, transport=keys, roster=keys, transcript=keys,
    drawn=few(small, hashes), said=few(hashes, keys),
)  # fmt: skip
words = st.lists(text, max_size=4).map(tuple)
requests = st.builds(
    Request, id=text, kind=text, store=text, set=numbers, who=text, sentence=text, words=words, received=numbers,
    members=words, decision=text, answered=words,
)  # fmt: skip
wholes = st.builds(
    Whole, name=text, times=few(hashes, st.tuples(numbers, numbers, numbers)),
    sets=st.lists(states, max_size=3).map(lambda held: {(one.store, one.set): one for one in held}),
    ceremonies=few(st.tuples(ids, numbers), ceremonies), requests=st.lists(requests, max_size=3).map(tuple),
    journal=st.lists(st.builds(Line, numbers, text), max_size=3).map(tuple), frozen=st.tuples(numbers, text),
    tags=keys,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(wholes)
def test_a_memory_comes_back_as_it_was(whole: Whole) -> None:
    """Every field of every part, and the same bytes again."""
    data = encode(whole)
    assert decode(data) == whole
    assert encode(decode(data)) == data


@settings(max_examples=150, deadline=None)
@given(wholes, st.data())
def test_other_bytes_are_no_memory(whole: Whole, data: st.DataObject) -> None:
    """Cut, longer, or with a byte of its frame altered: refused as bad input, never half read."""
    right = encode(whole)
    at = data.draw(st.integers(0, len(right) - 1))
    for wrong in (right[:at], right + b"\0", b"UNHCUST1" + right[8:], right[:8] + b"\xff\xff\xff\xff" + right[12:]):
        with pytest.raises(BadInputError):
            decode(wrong)


def test_no_secret_is_in_a_printed_form() -> None:
    """A traceback or a log line with a state in it gives no key away."""
    secrets = [bytes([number]) * 32 for number in range(65, 71)]
    sign, chain, key, month, transport, seed = secrets
    state = State(bytes(16), 1, 0, 1, 1, {}, 0, 0, sign, {0: chain}, {(1, 1, 1, 0): key}, month_key=month)
    state = replace(state, park={("outage", 1): transport})
    ceremony = Ceremony(b"", 0, 0, seed, transport, drawn={0: chain}, said={b"": key})
    printed = repr(Whole("x", {}, {(bytes(16), 1): state}, {(bytes(16), 2): ceremony}))
    assert not [secret for secret in secrets if repr(secret)[2:-1] in printed]
    assert {field.name for field in fields(State) if not field.repr} == {"sign", "chains", "keys", "park", "month_key"}
