"""The file of an erasure plan: one spelling, signed, and nothing in it in clear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unheld_branch.store import targets
from unheld_verify import canonical, crypto
from unheld_verify import plan as plans
from unheld_verify.errors import BadInputError, NotAllowedError, StateError, VerificationError
from unheld_verify.plan import Plan


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0), flip=st.integers(1, 255))
def test_no_byte_of_a_plan_can_be_changed(plan_bytes: tuple[Plan, bytes], at: int, flip: int) -> None:
    """A plan file with any byte changed is refused: it does not parse, is of another store, or is not signed."""
    plan, public = plan_bytes
    data = bytearray(plan.encode())
    data[at % len(data)] ^= flip

    with pytest.raises((BadInputError, NotAllowedError, VerificationError)):
        plans.decode(bytes(data)).verify(public, plan.store_id)


@pytest.fixture(scope="module")
def plan_bytes() -> tuple[Plan, bytes]:
    """A signed plan and the key it is checked with."""
    seed = crypto.random_bytes(32)
    sealed = targets.seal_targets(targets.Targets({}), crypto.random_bytes(32), b"s" * 16)
    plan = Plan(b"s" * 16, "party", "2026-07-01", {"parties": 1, "rows": 1}, sealed=sealed, root=b"r" * 32, leaves=16)
    return plan.signed(seed), crypto.sign_public(seed)


@pytest.mark.parametrize(
    "change",
    [
        {"act": "nothing"}, {"act": ["day"]}, {"counts": 5}, {"counts": [["rows"]]}, {"store": 5}, {"v": 2},
        {"sealed": "?"}, {"signature": None}, {"event_day": "2026-07-01"}, {"class": "place"}, {"more": 1},
        {"root": "xy"}, {"leaves": "16"}, {"made": "now"}, {"made": 5}, {"counts": {"rows": "1"}},
        {"kind": "pardon"}, {"act": "class", "event_day": "2026-07-01"}, {"act": "day", "event_day": "1 July"},
    ],
)  # fmt: skip
def test_a_plan_of_another_form_is_refused(plan_bytes: tuple[Plan, bytes], change: dict[str, Any]) -> None:
    """Fields that are missing, added, or of another kind make no plan, and never another error."""
    fields = canonical.decode(plan_bytes[0].encode()) | change
    fields = {name: value for name, value in fields.items() if value is not None}

    with pytest.raises(BadInputError, match=r"plan|date"):
        plans.decode(canonical.encode(fields))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_plan_or_refused(data: bytes) -> None:
    """Arbitrary bytes never bring the reader of plans down."""
    with pytest.raises(BadInputError):
        plans.decode(data)


@given(st.dictionaries(st.integers(0, 300_000), st.lists(st.binary(min_size=32, max_size=32), max_size=20), max_size=3))
def test_targets_read_back(given_targets: dict[int, list[bytes]]) -> None:
    """Trees, tags and labels come out of a plan as they went in, padding does not."""
    trees_ = {
        number: (
            np.frombuffer(b"".join(item[:16] for item in items), np.uint8).reshape(-1, 16),
            np.frombuffer(b"".join(item[16:] for item in items), np.uint8).reshape(-1, 16),
        )
        for number, items in given_targets.items()
    }
    data = targets.Targets(trees_).encode()
    found = targets.decode_targets(data).trees

    count = len(data) // 36
    assert count >= 16
    assert count & (count - 1) == 0
    joined = {
        number: [tag.tobytes() + label.tobytes() for tag, label in zip(tags, labels, strict=True)]
        for number, (tags, labels) in found.items()
    }
    real = {number: [item for item in items if any(item)] for number, items in given_targets.items()}
    assert joined == {number: items for number, items in real.items() if items}


def test_a_plan_reads_back(plan_bytes: tuple[Plan, bytes]) -> None:
    """A plan file gives the plan it was written from, and its signature holds."""
    plan, public = plan_bytes

    assert plans.decode(plan.encode()) == plan
    plan.verify(public, plan.store_id)


def test_targets_open_under_their_plan_key_alone() -> None:
    """Another key, or the entries of another store, open nothing, and the words say what to do."""
    key, store = crypto.random_bytes(32), b"s" * 16
    plan = Plan(store, "day", "2026-07-01", {}, 20_635, sealed=targets.seal_targets(targets.Targets({}), key, store))

    assert dict(targets.opened(plan, key).trees) == {}
    for wrong in (targets.seal_targets(targets.Targets({}), key, b"t" * 16), plan.sealed[:-1]):
        with pytest.raises(StateError, match="make a new one"):
            targets.opened(Plan(store, "day", "2026-07-01", {}, 20_635, sealed=wrong), key)


@pytest.mark.parametrize(
    ("act", "cls", "gone"),
    [
        ("day", "", {"charge", "contact", "place"}),
        ("class", "identity", {"identity"}),
        ("party", "", set()),
        ("everything", "", set()),
    ],
)
def test_columns_of_an_act(act: str, cls: str, gone: set[str]) -> None:
    """A day drops its records' columns, a class itself, and the other acts name none."""
    plan = Plan(b"s" * 16, act, "2026-07-01", {}, 20_635, cls)

    assert plan.columns == [(name, 20_635) for name in ("charge", "contact", "place", "identity") if name in gone]
