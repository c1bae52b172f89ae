"""Bulk reading of numbers gives what the phone number library gives, one by one."""

from __future__ import annotations

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unheld_branch.records import identities as room
from unheld_branch.records.identities import NumberRule

REGIONS = ("MM", "DE", "BD", "FR", "IT", "US", "RU", "BR", "TH", "SE")
DIGITS = st.text("0123456789", min_size=7, max_size=16)


def _rules() -> st.SearchStrategy[NumberRule]:
    return st.builds(
        NumberRule,
        home=st.sampled_from(REGIONS),
        bare=st.sampled_from(room.BARE),
        accept=st.sampled_from(room.ACCEPT),
        call_prefix=st.sampled_from([None, "", "00"]),
    )


def _prefixed(rule: NumberRule) -> st.SearchStrategy[str]:
    assert rule.metadata is not None
    code = str(rule.metadata.country_code)
    fronts = st.sampled_from(
        ["", "+", "0", "00", code, f"+{code}", f"00{code}", f"0{code}", f"+{code}0", "+999", "999"]
    )
    return st.builds(lambda front, digits: front + digits, fronts, DIGITS)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_bulk_equals_the_library(data: st.DataObject) -> None:
    """Whatever the bulk path answers, the library would have answered."""
    rule = data.draw(_rules())
    texts = data.draw(st.lists(_prefixed(rule), min_size=1, max_size=20, unique=True))

    bulk = room._in_bulk(pa.array(texts), rule).to_pylist()

    pairs = zip(texts, bulk, strict=True)
    assert [(text, found) for text, found in pairs if found not in {None, room.number(text, rule)}] == []


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_example_numbers_of_every_country_are_read(region: str) -> None:
    """Each country's example number is one party in international and in national spelling."""
    mobile = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number = mobile or phonenumbers.example_number(region)
    assert number is not None
    written = [
        phonenumbers.format_number(number, form)
        for form in (phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.NATIONAL)
    ]
    digits = len(written[0]) - 1

    found = {room.identities(pa.array([text]), "number", NumberRule(region))[0][0].as_py() for text in written}

    assert found == {f"tel:{written[0]}"} or digits < 8


@given(st.text("0123456789", min_size=14, max_size=14))
@example("49015420323751")
def test_every_imei_body_round_trips(body: str) -> None:
    """The check digit that is added is accepted again, and no other digit but the spare 0 is."""
    whole = room.imeis(pa.array([body]))[0][0].as_py()
    if set(body) == {"0"}:
        assert whole is None
        return
    again = [room.imeis(pa.array([body + digit]))[0][0].as_py() for digit in "0123456789"]

    assert {digit for digit, found in zip("0123456789", again, strict=True) if found} == {"0", whole[-1]}


@given(st.text(max_size=20))
def test_no_text_breaks_the_room(text: str) -> None:
    """Any text becomes a well-formed identity or a fault, never both, never neither."""
    texts = pa.array([text.strip() or None], pa.string())
    found, faults = room.identities(texts, "number", NumberRule("MM"))

    assert (found[0].as_py() is None) == (bool(faults[0]) or texts[0].as_py() is None)


@given(st.text(max_size=30))
def test_no_identity_hides_seven_digits(text: str) -> None:
    """What is not a number carries no long run of digits."""
    found = room.identities(pa.array([text]), "number", NumberRule("MM"))[0][0].as_py()
    digits = sum(sign.isdigit() for sign in found or "")

    assert found is None or found.startswith("tel:+") or digits < 7 or not _run(found)


def _run(text: str) -> bool:
    longest = run = 0
    for sign in text:
        run = run + 1 if sign.isdigit() else 0
        longest = max(longest, run)
    return longest >= 7
