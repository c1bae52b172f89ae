"""Identities (`docs/spec/node.md`): every spelling of one number becomes one string, or the row is bad.

A string of seven or more digits that does not become a valid identity never becomes a party: it is refused, else
forgetting `tel:+…` would miss it. All functions work on the *distinct* values of a column.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from phonenumbers import NumberParseException, PhoneMetadata

from unheld_branch.records import numberplan
from unheld_branch.records.faults import Fault, Faults, none
from unheld_verify.errors import BadInputError

BARE = ("national", "international")
ACCEPT = ("valid", "possible")
SCHEMES = ("number", "imsi", "sub")

FREE_NUMBER = r"\p{Nd}(?:[ \-./()]*\p{Nd}){6,}"
"""Seven or more digits of any script, also with separators between them (an RE2 pattern)."""

_CLIR = r"^(?:tel:|[*#]31#)"
_BRACKET_ZERO = r"^(\+(?:[1-24-9]\d{0,2}|3[0-8]\d?))[ ]*\(0\)"  # Italy (+39) keeps its zero
_SEPARATORS = r"[ \x{00A0}\x{202F}\-./()]"
_DIGITS = r"^\+?[0-9]+$"
_E164 = r"^tel:\+[0-9]{8,15}$"
_TEST = r"^\+999[0-9]{5,12}$"
_GSM_NAME = r"^[A-Z0-9 @$_!\"#%&'()*+,\-./:;<=>?]{1,11}$"
_NAME_SIGN = r"[A-Z*#]"
_MCC = r"(?:[2-7]\d\d|901|999|001)"
_SHORT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How a source writes phone numbers.

    `home`: region (ISO 3166) whose national numbers they are. `bare`: what digits with neither `+` nor the call prefix
    are. `accept`: `valid` = the numbering plan knows the range, `possible` = its length fits. `call_prefix`: digits
    dialled before a country code, "" for none, None for what the plan of `home` says.
    `strip`: prefixes taken off first.
    """

    home: str | None = None
    bare: str = "national"
    accept: str = "valid"
    call_prefix: str | None = None
    strip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.home is not None and self.home not in phonenumbers.SUPPORTED_REGIONS:
            raise BadInputError(f"[numbers] home: no country {self.home!r}: take two capital letters, as in MM or DE")
        if self.bare == "national" and self.call_prefix == "" and self.home is None:
            raise BadInputError("[numbers] call_prefix needs home: national numbers of which country?")

    @property
    def metadata(self) -> PhoneMetadata | None:
        """The library's plan of the home country."""
        return None if self.home is None else PhoneMetadata.metadata_for_region(self.home, None)


def number(text: str, rule: NumberRule) -> str | None:
    """`tel:+…` of one cleaned value (digits, perhaps `+` in front), or None: what the library says, nothing more."""
    text = _international(text, rule)
    if re.fullmatch(_TEST, text):
        return f"tel:{text}"
    try:
        parsed = phonenumbers.parse(text, rule.home)
    except NumberParseException:
        return None
    known = phonenumbers.is_valid_number if rule.accept == "valid" else _possible
    if not known(parsed):
        return None
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return f"tel:{written}" if re.match(_E164, f"tel:{written}") else None


def _possible(parsed: phonenumbers.PhoneNumber) -> bool:
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)


def _international(text: str, rule: NumberRule) -> str:
    """Put a `+` where the rule says that digits are international, so that the library need not guess."""
    if text.startswith("+"):
        return text
    if rule.bare == "international":
        return "+" + text.removeprefix(rule.call_prefix if rule.call_prefix is not None else "00")
    if rule.call_prefix == "" and (plan := rule.metadata) is not None:
        return f"+{plan.country_code}{text.removeprefix(plan.national_prefix or '')}"
    if rule.call_prefix and text.startswith(rule.call_prefix):
        return "+" + text.removeprefix(rule.call_prefix)
    return text


def identities(values: pa.StringArray, scheme: str, rule: NumberRule) -> tuple[pa.StringArray, Faults]:
    """Identity of each value, null where it is null or at fault; values are distinct and trimmed."""
    if scheme == "imsi":
        return _patterned(values, "imsi:", rf"^{_MCC}\d{{11,12}}$", Fault.IMSI)
    stripped = _strip(values, rule.strip)
    if scheme == "sub":
        return _patterned(stripped, "sub:", r"^[A-Za-z0-9._-]{1,32}$", Fault.SUBSCRIPTION)
    return _callers(stripped, rule)


def imsis(values: pa.StringArray) -> tuple[pa.StringArray, Faults]:
    """IMSIs as they stand: 14 or 15 digits with a plausible mobile country code."""
    return _patterned(values, "", rf"^{_MCC}\d{{11,12}}$", Fault.IMSI)


def imeis(values: pa.StringArray) -> tuple[pa.StringArray, Faults]:
    """IMEIs as 14 digits and their check digit: one device, one spelling.

    Networks also write 14 digits, the check digit as 0 (3GPP TS 23.003), or 16 with a software version. All zeros
    mean no device. A 15th digit that is neither 0 nor right is a fault.
    """
    values = pc.if_else(pc.match_substring_regex(values, r"^0+$"), None, values)
    sound = _filled(pc.match_substring_regex(values, r"^[0-9]{14,16}$"))
    bodies = pc.utf8_slice_codeunits(pc.if_else(pa.array(sound), values, "0" * 14), 0, 14).fill_null("0" * 14)
    check = _luhn(bodies)
    last = pc.utf8_slice_codeunits(values, 14, 15)
    exempt = _filled(pc.or_(pc.not_equal(pc.utf8_length(values), 15), pc.equal(last, "0")))
    sound &= exempt | _filled(pc.equal(last, check))
    written = pc.if_else(pa.array(sound), pc.binary_join_element_wise(bodies, check, ""), None)
    return written, _fault_where(~sound & _present(values), Fault.IMEI)


def _luhn(bodies: pa.StringArray) -> pa.StringArray:
    """Check digit (ISO/IEC 7812-1) of strings of 14 digits."""
    text = "".join(bodies.to_pylist()).encode()
    digits = np.frombuffer(text, np.uint8).reshape(-1, 14).astype(np.int64) - ord("0")
    digits[:, 1::2] *= 2
    digits -= 9 * (digits > 9)
    return pa.array((-digits.sum(axis=1)) % 10).cast(pa.string())


def _strip(values: pa.StringArray, prefixes: tuple[str, ...]) -> pa.StringArray:
    if not prefixes:
        return values
    longest_first = sorted(prefixes, key=len, reverse=True)
    pattern = "^(?:" + "|".join(re.escape(prefix) for prefix in longest_first) + ")"
    return pc.replace_substring_regex(values, pattern, "")


def _patterned(values: pa.StringArray, scheme: str, pattern: str, fault: Fault) -> tuple[pa.StringArray, Faults]:
    sound = pc.match_substring_regex(values, pattern)
    written = pc.if_else(sound, pc.binary_join_element_wise(pa.scalar(scheme), values, ""), None)
    return written, _fault_where(~_filled(sound) & _present(values), fault)


def _callers(values: pa.StringArray, rule: NumberRule) -> tuple[pa.StringArray, Faults]:
    """Numbers, short codes and sender names."""
    cleaned = _cleaned(values)
    digits = _filled(pc.match_substring_regex(cleaned, _DIGITS))
    short = _short_codes(cleaned, rule)
    numbers = _numbers(pc.filter(cleaned, pa.array(digits & ~short)), rule)
    result = pc.if_else(pa.array(short), pc.binary_join_element_wise("short:", cleaned, ""), None)
    result = pc.replace_with_mask(result, pa.array(digits & ~short), numbers)
    others = ~digits & _present(values)
    if others.any():
        result = pc.replace_with_mask(result, pa.array(others), _names(pc.filter(values, pa.array(others))))
    unknown = ~_present(result) & _present(values)
    faults = _fault_where(unknown & digits, Fault.NUMBER)
    faults[unknown & ~digits] = Fault.NAME
    return result, faults


def _short_codes(cleaned: pa.StringArray, rule: NumberRule) -> npt.NDArray[np.bool_]:
    """Which are short codes: up to six digits, but not the full number of a person on a small island."""
    short = _filled(pc.match_substring_regex(cleaned, rf"^[0-9]{{1,{_SHORT_DIGITS}}}$"))
    plan = rule.metadata
    if plan is not None and rule.bare == "national" and numberplan.has_short_numbers(plan, _SHORT_DIGITS):
        short &= ~_filled(numberplan.matches(cleaned, plan, valid=True))
    return short


def _cleaned(values: pa.StringArray) -> pa.StringArray:
    """Without suppression prefixes, separators and `(0)`, and with the digits of any script as 0-9."""
    if pc.all(pc.match_substring_regex(values, _DIGITS)).as_py():
        return values
    values = pc.replace_substring_regex(values, _CLIR, "")
    values = pc.replace_substring_regex(values, _BRACKET_ZERO, r"\1")
    values = pc.replace_substring_regex(values, _SEPARATORS, "")
    if pc.all(pc.string_is_ascii(values)).as_py():
        return values
    return pa.array([None if text is None else _ascii_digits(text) for text in values.to_pylist()], pa.string())


def _ascii_digits(text: str) -> str:
    # A number typed on an East Asian keyboard may have a full-width plus in front.
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in text).replace("\uff0b", "+")


def _names(values: pa.StringArray) -> pa.StringArray:
    """`alpha:…` of sender names, null for what is none. A long run of digits in a name would be a hidden number."""
    upper = pc.utf8_upper(values)
    sound = pc.and_(pc.match_substring_regex(upper, _GSM_NAME), pc.match_substring_regex(upper, _NAME_SIGN))
    sound = pc.and_not(sound, pc.match_substring_regex(upper, FREE_NUMBER))
    return pc.if_else(sound, pc.binary_join_element_wise("alpha:", upper, ""), None)


def _numbers(values: pa.StringArray, rule: NumberRule) -> pa.StringArray:
    """`tel:+…` of digits: the home country's plan in bulk, the library one by one for the rest."""
    result = _in_bulk(values, rule)
    rest = ~_present(result)
    if rest.any():
        slow = [number(text, rule) for text in pc.filter(values, pa.array(rest)).to_pylist()]
        result = pc.replace_with_mask(result, pa.array(rest), pa.array(slow, pa.string()))
    return result


def _in_bulk(values: pa.StringArray, rule: NumberRule) -> pa.StringArray:
    """What is certain without the library's parser; null for everything else."""
    result = pc.if_else(pc.match_substring_regex(values, _TEST), pc.binary_join_element_wise("tel:", values, ""), None)
    if rule.bare == "international":
        sound = pc.match_substring_regex(values, _TEST.replace(r"\+", ""))
        result = pc.coalesce(result, pc.if_else(sound, pc.binary_join_element_wise("tel:+", values, ""), None))
    plan = rule.metadata
    if plan is None or not numberplan.simple(plan):
        return result
    for prefix in _prefixes(plan, rule):
        open_ones = pc.and_(pc.is_null(result), pc.starts_with(values, prefix))
        if not pc.any(open_ones).as_py():
            continue
        national = pc.utf8_slice_codeunits(pc.filter(values, open_ones), len(prefix))
        sound = numberplan.matches(national, plan, valid=rule.accept == "valid")
        written = pc.binary_join_element_wise(pa.scalar(f"tel:+{plan.country_code}"), national, "")
        sound = pc.and_(sound, pc.match_substring_regex(written, _E164))
        result = pc.replace_with_mask(result, open_ones, pc.if_else(sound, written, None))
    return result


def _prefixes(plan: PhoneMetadata, rule: NumberRule) -> list[str]:
    """What may stand before a national number so that no second reading is possible."""
    prefixes = [f"+{plan.country_code}"]
    if rule.bare == "international":
        return [*prefixes, str(plan.country_code)]
    plain = numberplan.plain_trunk(plan) and rule.call_prefix in {None, "", "00"}
    return [*prefixes, "0"] if plain else prefixes


def _filled(mask: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False))


def _present(values: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False))


def _fault_where(mask: npt.NDArray[np.bool_], fault: Fault) -> Faults:
    faults = none(len(mask))
    faults[mask] = fault
    return faults
