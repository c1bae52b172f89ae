"""Stray identifiers: what in a text could name or trace a person. It answers with a kind, never with a value.

The scanner leans to the safe side: a tariff called after a date is refused, and whoever hands over mends the text.
Myanmar's identity numbers have many spellings, in Latin and Burmese script, typed as Unicode or as Zawgyi (which keeps
the digits' places but not the letters'), and some letters look like digits: wa like zero, ra like seven.
"""

from __future__ import annotations

import re
import unicodedata

_RUN_MOST = 6
_SEPARATORS = r"[ \-./()_,:+]*"
_RUN = re.compile(rf"\d(?:{_SEPARATORS}\d){{{_RUN_MOST},}}")
_MAIL = re.compile(r"[^\s@]\s*@\s*[^\s@]")
_SIX = r"\d(?:[ \-]?\d){5}(?!\d)"
_NRC = re.compile(
    # region/township(type)number with any letters between; a type in brackets before six digits, with no region too
    rf"(?:(?<!\d)(?:1[0-4]|[1-9]|ရ)\s*[/\\|⁄∕]\s*[^\d]{{2,60}}?{_SIX})|(?:\(\s*[^()\d]{{1,20}}\s*\)\s*{_SIX})"
    # region and six letters without a stroke, and a type that is written out
    rf"|(?:(?<!\d)(?:1[0-4]|[1-9])[\s.\-]*[a-z]{{3,12}}[\s.\-]*(?:naing|[neptysc])[\s.\-]*{_SIX})",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<!\d)(?:[01]?\d|2[0-3])\s*[:.]\s*[0-5]\d(?!\d)|(?<!\d)(?:1[0-2]|[1-9])\s*[ap]\.?m\b", re.IGNORECASE
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    rf"(?<!\d)(?:19|20)\d\d\s*[-/.]\s*\d\d?\b|\d\d?\s*[-/.]\s*\d\d?\s*[-/.]\s*(?:\d\d){{1,2}}(?!\d)"
    rf"|\b(?:{_MONTHS})[a-z]*\b|(?<!\d)(?:19|20)\d\d(?!\d)",
    re.IGNORECASE,
)
# Signs that cannot be seen, and could stand between the digits of a number.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_BURMESE_DIGITS = re.compile("[\u1040-\u1049\u101d\u101b]*[\u1040-\u1049][\u1040-\u1049\u101d\u101b]*")
_ALIKE = str.maketrans({"\u101d": "0", "\u101b": "7"})


def stray(text: str) -> str:
    """What kind of identifier stands in a text, in words; empty if none was found."""
    plain = normal(text)
    if _MAIL.search(plain):
        return "an e-mail address"
    if _DATE.search(plain) and _TIME.search(_DATE.sub(" ", plain)):
        return "a date with a time"
    if identity_card(plain):
        return "an identity card's number (NRC)"
    runs = [re.sub(r"\D", "", found) for found in _RUN.findall(plain)]
    if any(is_imei(run) for run in runs):
        return "a device's number (IMEI)"
    return f"{_RUN_MOST + 1} or more digits" if runs else ""


def identity_card(text: str) -> bool:
    """Whether an identity card's number stands in a text."""
    return _NRC.search(normal(text)) is not None


def normal(text: str) -> str:
    """The text with every script's digits as 0-9, without signs that cannot be seen; look-alikes in numbers undone."""
    shown = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    shown = _BURMESE_DIGITS.sub(lambda found: found[0].translate(_ALIKE), shown)
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in shown)


def is_imei(digits: str) -> bool:
    """Whether 15 digits end in their check digit, or 16 are a device's number with its software version."""
    return len(digits) == 16 or (len(digits) == 15 and luhn(digits))


def luhn(digits: str) -> bool:
    """Whether the last of the digits is the check digit of the others (ISO/IEC 7812-1)."""
    values = [int(sign) for sign in reversed(digits)]
    doubled = [value * 2 - 9 * (value > 4) for value in values[1::2]]
    return (sum(values[::2]) + sum(doubled)) % 10 == 0
