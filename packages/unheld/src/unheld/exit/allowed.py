"""What a buyer may receive: a closed list of tables and columns, each with the form that every value of it must have.

A column that is not here never leaves. To change the list is to change the program, in the open; no setting does it.
Nothing in it tells what anybody did, where, with whom, on what device, or under what name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from unheld.stray import luhn, stray
from unheld_branch.records import identities
from unheld_branch.records.identities import NumberRule

_ADDRESS = re.compile(r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?:/(?:3[0-2]|[12]?\d))?")
_WORDS_FIRST = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Form:
    """How a value must look: `pattern` is a whole match, `largest` the largest number, if there is one.

    `text`: what passes is scanned for strays. `most`: how many different values a column may have, if there is a limit:
    a network has few tariffs, and many people. `described`: every value stands in the tariffs of the same hand-over.
    """

    words: str
    pattern: str = ".*"
    text: bool = False
    most: int = 0
    largest: int = 0
    described: bool = False


# What a line can be. A word of the operator's own could be somebody's name: it is to be turned into one of these first.
STATES = ("active", "inactive", "suspended", "barred", "blocked", "expired", "terminated", "ported-out", "reserved")


MSISDN = Form("a phone number that a numbering plan knows")
IMSI = Form("15 digits that begin with a network code of this operator (plmn)", r"[0-9]{15}")
ICCID = Form("a SIM card's number: 89, 19 or 20 digits, the last the check digit", r"89[0-9]{17,18}")
MONTH = Form("a month YYYY-MM", r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])")
DAY = Form("a date YYYY-MM-DD", r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
AMOUNT = Form(
    "a decimal: at most 6 digits, or at most 9 with a point and 2 to 4 digits after it",
    r"-?(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,4})?|-?[1-9][0-9]{6,8}\.[0-9]{2,4}",
)
CURRENCY = Form("a currency's three capitals", r"[A-Z]{3}")
CODE = Form("a short word without long numbers; at most 500 different ones", r".{1,24}", text=True, most=500)
STATUS = Form(f"one of {', '.join(STATES)}", "|".join(STATES))
TARIFF = Form("a tariff that the tariffs of this hand-over describe", CODE.pattern, text=True, described=True)
NAME = Form("a short text without long numbers", r".{1,80}", text=True)
TEXT = Form("a text of at most 200 signs without long numbers", r".{1,200}", text=True)
SETTING = Form("an IPv4 address, or a text of at most 200 signs without long numbers", r".{1,200}", text=True)
DEGREES = Form("degrees with at most 6 decimals", r"-?(?:1[0-7][0-9]|[1-9]?[0-9])(?:\.[0-9]{1,6})?")
SMALL = Form("a number of at most 6 digits", r"-?[0-9]{1,6}")
AREA = Form("an area code of at most 16,777,215", r"[0-9]{1,8}", largest=16_777_215)
CELL = Form("a cell's number of at most 268,435,455", r"[0-9]{1,9}", largest=268_435_455)
MCC = Form("3 digits", r"[0-9]{3}")
MNC = Form("2 or 3 digits", r"[0-9]{2,3}")

TABLES: Mapping[str, Mapping[str, Form]] = {
    "cells": {
        "mcc": MCC, "mnc": MNC, "area": AREA, "cell": CELL, "site": NAME, "technology": CODE, "latitude": DEGREES,
        "longitude": DEGREES, "azimuth": SMALL, "height": SMALL, "power": AMOUNT,
    },
    "sites": {"site": NAME, "latitude": DEGREES, "longitude": DEGREES, "height": SMALL, "region": NAME},
    "config": {"element": NAME, "parameter": NAME, "value": SETTING},
    "tariffs": {
        "tariff": CODE, "description": TEXT, "service": CODE, "unit": CODE, "price": AMOUNT, "currency": CURRENCY,
        "valid_from": DAY, "valid_to": DAY,
    },
    "balances": {"msisdn": MSISDN, "amount": AMOUNT, "currency": CURRENCY, "valid_until": MONTH},
    "bindings": {"msisdn": MSISDN, "imsi": IMSI, "iccid": ICCID, "status": STATUS, "tariff": TARIFF, "since": MONTH},
}  # fmt: skip

# What a buyer looks for in vain, in words: printed on every manifest.
NOT_HANDED_OVER = (
    "No call records: who called or wrote to whom, when, how long, at what price. None, of any day.",
    "No places: where anybody is or was, last known places, paging or attachment records.",
    "No contacts, no lists of who knows whom, no call detail of partners, no roaming files.",
    "No holders' names, birthdays, addresses or languages.",
    "No identity documents: neither numbers nor pictures, nor when or where they were shown.",
    "No devices: no IMEI, no make or model.",
    "No content, no voicemail, no messages, no top-ups, no payments, no bills of the past.",
    "No complaints or notes about customers, no marks, scores or lists of customers.",
    "Not the register of demands: what authorities asked for stays with who was asked.",
    "No keys of the sealed store, of its custodians or of headquarters.",
)


@dataclass(frozen=True)
class Known:
    """What values are held to beside their form.

    `rule`: how the operator writes phone numbers. `plmn`: the network codes that its IMSIs begin with. `tariffs`: those
    that the hand-over describes.
    """

    rule: NumberRule
    plmn: tuple[str, ...] = ()
    tariffs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Checked:
    """Values as they are handed over (phone numbers in one spelling), and by position what is wrong with one."""

    values: pa.StringArray
    faults: Mapping[int, str]


def check(form: Form, values: pa.StringArray, known: Known) -> Checked:
    """Hold every value to its form; none is repeated in what is found. Nulls pass: nothing stands there."""
    if form is MSISDN:
        found, _ = identities.identities(values, "number", known.rule)
        sound = pc.starts_with(found, "tel:")
        values = pc.if_else(pc.fill_null(sound, False), pc.utf8_slice_codeunits(found, len("tel:")), values)
    else:
        sound = pc.match_substring_regex(values, f"^(?:{form.pattern})$")
    faults: dict[int, str] = {}
    for place, (value, fits) in enumerate(zip(values.to_pylist(), sound.fill_null(False).to_pylist(), strict=True)):
        if value is not None and (words := _more(form, value, known) if fits else _off(form, value)):
            faults[place] = words
    return Checked(values, faults)


def _more(form: Form, value: str, known: Known) -> str:
    """What the pattern cannot tell."""
    if form.text:
        address = form is SETTING and re.fullmatch(_ADDRESS, value)
        if form.described and value not in known.tariffs:
            return _off(form, value)
        return "" if address else _of_text(value)
    off = (
        (form.largest and int(value) > form.largest)
        or (form is IMSI and not value.startswith(known.plmn))
        or (form is ICCID and not luhn(value))
    )
    return _off(form, value) if off else ""


def _of_text(value: str) -> str:
    if not _WORDS_FIRST.match(value):
        return "a text that does not begin with a letter or digit: a program for tables may run it as a formula"
    return stray(value)


def _off(form: Form, value: str) -> str:
    found = stray(value)
    return f"{found}, where {form.words} belongs" if found else f"not {form.words}"
