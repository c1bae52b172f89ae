"""Stray identifiers are found wherever they stand and however they are written; clean values pass."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unheld.stray import luhn, stray

BURMESE = dict(zip(string.digits, "၀၁၂၃၄၅၆၇၈၉", strict=True))
ALIKE = BURMESE | {"0": "ဝ", "7": "ရ"}
KINDS = {
    "",
    "an e-mail address",
    "a date with a time",
    "an identity card's number (NRC)",
    "a device's number (IMEI)",
    "7 or more digits",
}
TOWNSHIPS = ("OUKAMA", "OKM", "ဥကမ", "ဉကမ", "mayana")
TYPES = ("(N)", "(NAING)", "(Naing)", "(C)", "(E)", "(နိုင်)", "(ႏိုင္)", "(ဧည့်)", "(ပြု)")
# Words that hold no digit and no sign that joins numbers.
WORDS = st.text(st.sampled_from("abcdefgh သမီးစု éß"), min_size=0, max_size=20)
SEPARATORS = st.sampled_from(["", " ", "-", ".", "/", "\u200b", " - "])


def _in_script(digits: str, script: dict[str, str]) -> str:
    return "".join(script.get(sign, sign) for sign in digits)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Seven to sixteen digits in some script, with separators between them."""
    digits = draw(st.text(st.sampled_from(string.digits), min_size=7, max_size=16))
    zero = draw(st.sampled_from("0၀႐٠०０"))
    return draw(SEPARATORS).join(chr(ord(zero) + int(sign)) for sign in digits)


@st.composite
def identity_cards(draw: st.DrawFn) -> str:
    """An NRC number in Latin or Burmese letters and digits, with look-alike letters for zero and seven."""
    script = draw(st.sampled_from([{}, BURMESE, ALIKE]))
    region = str(draw(st.integers(1, 14)))
    digits = draw(st.text(st.sampled_from(string.digits), min_size=6, max_size=6))
    if script is ALIKE:  # a look-alike is one beside a digit; nobody can tell letters alone from a word
        digits = "1" + digits[1:]
        region = region.replace("7", "8")
    township, kind = draw(st.sampled_from(TOWNSHIPS)), draw(st.sampled_from(TYPES))
    space = draw(st.sampled_from(["", " ", "\u200b"]))
    return f"{_in_script(region, script)}/{space}{township}{space}{kind}{space}{_in_script(digits, script)}"


@given(WORDS, numbers(), WORDS)
def test_a_long_number_is_found_in_any_script(before: str, number: str, after: str) -> None:
    """Seven digits and more are found, with separators between them and in words around them."""
    assert stray(f"{before} {number} {after}")


@given(WORDS, identity_cards(), WORDS)
@example("", "၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆", "")
@example("", "၁၂/ဥကမ(ႏိုင္)၁၂၃၄၅၆", "")
@example("x", "9/MaYaNa(N)123456", "y")
@example("", "ရ/ဥကမ(နိုင်)၁၂၃ဝ၅၆", "")
def test_an_identity_cards_number_is_found(before: str, card: str, after: str) -> None:
    """Latin or Burmese, Unicode or Zawgyi, with wa for zero and ra for seven."""
    assert stray(f"{before} {card} {after}") == "an identity card's number (NRC)"


@given(WORDS, st.from_regex(r"[a-z0-9.]{1,8}@[a-z]{1,8}\.[a-z]{2,3}", fullmatch=True), WORDS)
def test_an_address_for_mail_is_found(before: str, mail: str, after: str) -> None:
    """Whatever stands around it."""
    assert stray(f"{before} {mail} {after}") == "an e-mail address"


@given(st.text(st.sampled_from(string.digits), min_size=14, max_size=14), SEPARATORS)
def test_a_devices_number_is_named(body: str, separator: str) -> None:
    """15 digits with a check digit are told apart from other long numbers."""
    check = next(sign for sign in string.digits if luhn(body + sign))
    assert stray(separator.join(body + check)) == "a device's number (IMEI)"


@given(st.datetimes(), st.sampled_from(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y, %H:%M", "%d %b %Y %H:%M"]))
def test_a_moment_is_found(when: object, style: str) -> None:
    """A date with a time tells when somebody did something."""
    assert stray(f"{when:{style}}")


@given(WORDS, st.integers(0, 999_999), WORDS)
def test_clean_words_pass(before: str, number: int, after: str) -> None:
    """Words with a number of up to six digits are no stray."""
    assert stray(f"{before} {number} {after}") == ""


@pytest.mark.parametrize(
    "text",
    [
        "Night 22:00 to 06:00",
        "5 GB for 30 days",
        "Yangon-East",
        "ရန်ကုန် ၅",
        "LTE1800",
        "Tower 12/3",
        "4G",
        "A (North) 12",
    ],
)
def test_what_tariffs_and_sites_are_called_passes(text: str) -> None:
    """The scanner leaves a network's own words alone."""
    assert stray(text) == ""


@pytest.mark.parametrize(
    "text",
    ["12-OUKAMA(N)123456", "12 OUKAMA (N) 123 456", "12OUKAMANAING123456", "(N)123456", "၁၂/ဥကမနိုင်၁၂၃၄၅၆"],
)
def test_cards_numbers_in_careless_spellings_are_found(text: str) -> None:
    """Without stroke, brackets or region."""
    assert stray(text) == "an identity card's number (NRC)"


@given(st.text(max_size=40))
def test_every_text_has_an_answer(text: str) -> None:
    """Nothing that stands in a cell makes the scanner fail, and no answer repeats it: there is a closed list."""
    assert stray(text) in KINDS
