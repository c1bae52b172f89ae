"""A ceremony of any size: one seed for all holders of a component, no byte altered unseen, every lying dealer named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import second_custody as second
from tests.support.founding import HEADQUARTERS, Founding, resigned
from unheld_verify import columns, crypto, note, roster, signed, spoken
from unheld_verify.errors import BadInputError, UnheldError, VerificationError
from unheld_verify.signed import Signed

FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9)).filter(lambda size: size[1] <= size[0])
SMALL = Founding(4, 2)
SCRIPT = SMALL.transcript()
FOUNDED = SMALL.founded(SCRIPT)


@FEW
@given(sizes)
def test_every_holder_of_a_component_has_the_same_chain(size: tuple[int, int]) -> None:
    """All holders get one chain a component, nobody gets another's, and no two components share one."""
    made = Founding(*size)
    script = made.transcript()

    held = [made.receive(script, index) for index in range(made.n)]

    assert [list(chains) for chains in held] == [columns.held(*size, index) for index in range(made.n)]
    all_of: dict[int, set[bytes]] = {}
    for chains in held:
        for number, chain in chains.items():
            all_of.setdefault(number, set()).add(chain)
    assert all(len(chains) == 1 for chains in all_of.values())
    assert len(set.union(*all_of.values())) == len(columns.components(*size))


@settings(FEW, max_examples=5)
@given(st.sampled_from([(1, 1), (2, 2), (3, 2), (5, 1), (5, 5), (5, 3)]))
def test_a_second_implementation_reads_every_size(size: tuple[int, int]) -> None:
    """Words, digests and chains of a founded set come out the same from code written from the page."""
    made = Founding(*size)
    script = made.transcript()
    found = second.founded(second.parsed(made.founded(script).encode()))

    assert found.words == " ".join(spoken.words(roster.spoken_digest(script)))
    for index in range(made.n):
        theirs = second.chains(found, index, made.own[index], made.transports[index][0])
        assert theirs == made.receive(script, index)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_byte_is_altered_unseen(data: Any) -> None:
    """One other byte anywhere in a founded set, signatures and boxes included, is refused."""
    whole = FOUNDED.encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))

    with pytest.raises(UnheldError):
        roster.founded_of(signed.decode(whole[:at] + bytes([byte]) + whole[at + 1 :], "founded"))


def _altered(said: Signed, data: Any) -> Signed:
    name = data.draw(st.sampled_from(sorted(set(said.document) - {"v", "kind"})))
    value = said.document[name]
    if isinstance(value, str):
        at = data.draw(st.integers(0, len(value) - 1))
        other = data.draw(st.sampled_from("0123456789abcdef").filter(lambda sign: sign != value[at]))
        return Signed({**said.document, name: value[:at] + other + value[at + 1 :]}, said.signature)
    if isinstance(value, int):
        return Signed({**said.document, name: value + 1}, said.signature)
    return Signed({**said.document, name: [*value, 1]}, said.signature)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 3), st.booleans())
def test_headquarters_that_alters_a_custodians_document_is_seen(data: Any, index: int, dealt: bool) -> None:
    """A join or deal that headquarters altered, and listed under its signature, is refused by its custodian's name."""
    name = "deals" if dealt else "joins"
    whole = SCRIPT if dealt else SMALL.roster
    listed = [signed.from_json(one) for one in whole.document[name]]
    listed[index] = _altered(listed[index], data)
    spoilt = resigned(whole, HEADQUARTERS, **{name: [one.as_json() for one in listed]})

    with pytest.raises((VerificationError, BadInputError), match=f"custodian {index + 1}"):
        (roster.transcript_of if dealt else roster.roster_of)(spoilt)


@FEW
@given(sizes.filter(lambda size: size[1] < size[0]), st.data())
def test_a_lying_dealer_is_named_by_its_victim(size: tuple[int, int], data: Any) -> None:
    """A dealer that gives one holder another seed, or one that does not open, is named by that holder and no other."""
    made = Founding(*size)
    dealer = data.draw(st.integers(0, made.t - 1))
    boxes = [dict(box) for box in made.deals[dealer].document["boxes"]]
    box = data.draw(st.sampled_from(boxes))
    box["box"] = note.base64_text(_lie(made, box, data.draw(st.sampled_from(["other seed", "noise", "other place"]))))
    made.deals[dealer] = resigned(made.deals[dealer], made.seeds[dealer], boxes=boxes)
    script = made.transcript()

    with pytest.raises(VerificationError, match=f"component {box['component']} from custodian {dealer + 1} "):
        made.receive(script, box["to"])
    for index in set(range(made.n)) - {box["to"]}:
        assert made.receive(script, index)


def _lie(made: Founding, box: dict[str, Any], how: str) -> bytes:
    place = box["component"].to_bytes(2, "big") + bytes([box["to"]])
    public = made.transports[box["to"]][1]
    if how == "noise":
        return crypto.random_bytes(1168)
    if how == "other seed":
        return crypto.box_seal(public, b"x" * 32, b"unheld/v1/deal" + made.found.digest + place)
    seed = made.own[0].get(box["component"], b"y" * 32)
    return crypto.box_seal(public, seed, b"unheld/v1/deal" + bytes(32) + place)
