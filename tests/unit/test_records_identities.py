"""Every spelling of one number is one identity; what is no identity is a fault."""

from __future__ import annotations

import pyarrow as pa
import pytest

from unheld_branch.records.faults import Fault
from unheld_branch.records.identities import NumberRule, identities, imeis, imsis
from unheld_verify.errors import BadInputError

MYANMAR = NumberRule("MM")
GERMANY = NumberRule("DE")


def one(text: str, rule: NumberRule = MYANMAR, scheme: str = "number") -> tuple[str | None, Fault]:
    found, faults = identities(pa.array([text]), scheme, rule)
    return found[0].as_py(), Fault(int(faults[0]))


@pytest.mark.parametrize(
    "text",
    [
        "+959777123456",
        "+95 9 777 123 456",
        "+95 (9) 777-123-456",
        "00959777123456",
        "0095 9777123456",
        "09777123456",
        "(09) 777 123456",
        "9777123456",
        "959777123456",
        "#31#09777123456",
        "*31#+959777123456",
        "tel:+959777123456",
        "+95(0)9777123456",
        "09.777.123.456",
        "၀၉၇၇၇၁၂၃၄၅၆",
        "\uff0b959777123456",
        "09\u00a0777\u00a0123456",
    ],
)
def test_one_number_has_one_identity(text: str) -> None:
    """Prefixes, separators, suppression codes, brackets and scripts do not make another party."""
    assert one(text) == ("tel:+959777123456", Fault.NONE)


@pytest.mark.parametrize("text", ["1234567890123456", "+95123", "0999999999999", "+4900", "9777123456777", "+1 555"])
def test_digits_that_are_no_number_are_a_fault(text: str) -> None:
    """Seven or more digits that the numbering plan does not know never become a party."""
    assert one(text) == (None, Fault.NUMBER)


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("1333", "short:1333"),
        ("911", "short:911"),
        ("123456", "short:123456"),
        ("KBZ Bank", "alpha:KBZ BANK"),
        ("mpt", "alpha:MPT"),
        ("A", "alpha:A"),
        ("*124#", "alpha:*124#"),
        ("Wave4U-2026", "alpha:WAVE4U-2026"),
    ],
)
def test_short_and_alphanumeric_senders(text: str, identity: str) -> None:
    """Short codes and sender names have their own schemes; names are upper case."""
    assert one(text) == (identity, Fault.NONE)


@pytest.mark.parametrize("text", ["TWELVELETTER", "call0977712345", "CALL 0977-712-345", "ÄRZTE", "-", "…", "a\tb"])
def test_what_is_no_sender_name_is_a_fault(text: str) -> None:
    """Long, foreign and number-bearing names are refused."""
    assert one(text) == (None, Fault.NAME)


def test_test_numbers_of_country_999_are_accepted() -> None:
    """Country code 999 is nobody's and stands for invented people."""
    assert one("+99912345678") == ("tel:+99912345678", Fault.NONE)


@pytest.mark.parametrize("text", ["+9991234", "+9991234567890123"])
def test_test_numbers_have_8_to_15_digits(text: str) -> None:
    """A test number obeys the length of E.164 too."""
    assert one(text) == (None, Fault.NUMBER)


def test_bare_digits_can_be_international() -> None:
    """Where the mapping says so, digits without a plus start with a country code."""
    rule = NumberRule("MM", bare="international")

    assert one("491721234567", rule) == ("tel:+491721234567", Fault.NONE)


def test_bare_international_digits_may_carry_a_call_prefix() -> None:
    """00 in front of a country code is a plus."""
    assert one("00491721234567", NumberRule(bare="international")) == ("tel:+491721234567", Fault.NONE)


def test_national_numbers_need_a_home_country() -> None:
    """Without a home country a national number cannot be read, and is not guessed."""
    assert one("09777123456", NumberRule()) == (None, Fault.NUMBER)


def test_an_unknown_home_country_is_refused() -> None:
    """The home country is a region that the numbering plan knows."""
    with pytest.raises(BadInputError, match=r"\[numbers\] home"):
        NumberRule("XX")


def test_possible_numbers_are_accepted_only_where_asked_for() -> None:
    """A range that the plan does not know passes by its length alone, if the mapping says so."""
    assert one("+49(0)1272051171", GERMANY) == (None, Fault.NUMBER)
    assert one("+49(0)1272051171", NumberRule("DE", accept="possible")) == ("tel:+491272051171", Fault.NONE)


def test_italian_numbers_keep_their_zero() -> None:
    """(0) after +39 is part of the number."""
    assert one("+39 (0)6 6982 1234") == ("tel:+390669821234", Fault.NONE)


def test_subscription_numbers_keep_every_zero() -> None:
    """An operator's own ids are taken as they stand."""
    assert one("00185980061", scheme="sub") == ("sub:00185980061", Fault.NONE)


def test_a_prefix_named_in_the_mapping_comes_off() -> None:
    """Porting and other prefixes are taken off before anything is read."""
    rule = NumberRule(strip=("+88", "+8"))

    assert one("+8800185980061", rule, "sub") == ("sub:00185980061", Fault.NONE)


@pytest.mark.parametrize("text", ["a b", "x" * 33, "nr/1", "+1"])
def test_what_is_no_subscription_number_is_a_fault(text: str) -> None:
    """Subscription numbers have 1 to 32 plain characters."""
    assert one(text, scheme="sub") == (None, Fault.SUBSCRIPTION)


def test_imsi_needs_a_plausible_country() -> None:
    """14 or 15 digits, with a mobile country code that exists; others are faults, null stays null."""
    found, faults = imsis(pa.array(["414010123456789", "00101123456789", "123456789012345", "41401", None]))

    assert found.to_pylist() == ["414010123456789", "00101123456789", None, None, None]
    assert faults.tolist() == [0, 0, Fault.IMSI, Fault.IMSI, 0]


def test_imsi_scheme_names_the_party() -> None:
    """A column of IMSIs can be the owner."""
    assert one("414010123456789", scheme="imsi") == ("imsi:414010123456789", Fault.NONE)


@pytest.mark.parametrize("text", ["490154203237518", "490154203237510", "49015420323751", "4901542032375181"])
def test_one_device_has_one_imei(text: str) -> None:
    """14 digits, a check digit, a spare 0 and a software version are spellings of one device."""
    found, faults = imeis(pa.array([text]))

    assert (found.to_pylist(), faults.tolist()) == (["490154203237518"], [0])


def test_imei_of_zeros_is_none() -> None:
    """Networks write zeros where they know no device."""
    found, faults = imeis(pa.array(["000000000000000"]))

    assert (found.to_pylist(), faults.tolist()) == ([None], [0])


@pytest.mark.parametrize("text", ["490154203237511", "4901542032375", "49015420323751811", "49015420323751x"])
def test_imei_with_a_wrong_check_digit_or_length_is_a_fault(text: str) -> None:
    """Fifteen digits that are no device may be a number of somebody."""
    found, faults = imeis(pa.array([text]))

    assert (found.to_pylist(), faults.tolist()) == ([None], [Fault.IMEI])


@pytest.mark.parametrize("scheme", ["number", "imsi", "sub"])
def test_nothing_stays_nothing(scheme: str) -> None:
    """An empty column has no identities and no faults, and null is no fault."""
    found, faults = identities(pa.array([None], pa.string()), scheme, MYANMAR)
    empty, none = identities(pa.array([], pa.string()), scheme, MYANMAR)

    assert (found.to_pylist(), faults.tolist(), len(empty), len(none)) == ([None], [0], 0, 0)
