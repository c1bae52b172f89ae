"""One country's numbering plan over whole columns, by the phone number library's own patterns.

Only readings that the library could not take otherwise are answered here; a property test compares the two.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberDesc

_TYPES = (
    "mobile",
    "fixed_line",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)


def simple(plan: PhoneMetadata) -> bool:
    """Whether the country code belongs to this one region: no other plan has a say."""
    return len(COUNTRY_CODE_TO_REGION_CODE.get(plan.country_code or 0, ())) == 1


def plain_trunk(plan: PhoneMetadata) -> bool:
    """Whether a national number starts with a plain 0 that no country code and no call prefix can be mistaken for."""
    return plan.national_prefix == plan.national_prefix_for_parsing == "0" and plan.international_prefix == "00"


def has_short_numbers(plan: PhoneMetadata, digits: int) -> bool:
    """Whether people there have numbers of so few digits that they look like short codes."""
    return plan.mobile is not None and min(plan.mobile.possible_length, default=digits + 1) in range(digits + 1)


def matches(national: pa.StringArray, plan: PhoneMetadata, *, valid: bool) -> pa.BooleanArray:
    """Which are significant national numbers: of a known type if `valid`, else of the plan's general shape.

    What starts with 0 or with a trunk prefix could be read twice and is left out.
    """
    shaped = pc.and_(_described(national, plan.general_desc), pc.invert(pc.starts_with(national, "0")))
    if plan.national_prefix_for_parsing:
        twice = pc.match_substring_regex(national, f"^(?:{plan.national_prefix_for_parsing})")
        shaped = pc.and_not(shaped, twice)
    if not valid:
        return shaped
    typed = pa.repeat(False, len(national))
    for name in _TYPES:
        typed = pc.or_(typed, _described(national, getattr(plan, name)))
    return pc.and_(shaped, typed)


def _described(national: pa.StringArray, desc: PhoneNumberDesc | None) -> pa.BooleanArray:
    if desc is None or not desc.national_number_pattern:
        return pa.repeat(False, len(national))
    matched = pc.match_substring_regex(national, f"^(?:{desc.national_number_pattern})$")
    if not desc.possible_length:
        return matched
    lengths = pa.array(desc.possible_length, pa.int32())
    return pc.and_(matched, pc.is_in(pc.utf8_length(national), value_set=lengths))
