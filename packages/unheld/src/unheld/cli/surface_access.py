"""The public surface of `access`: a part of `surface.DOCUMENTS`."""

from __future__ import annotations

from collections.abc import Mapping

_CHECKED = {
    "columns.*": "counts by what is known of a column",
    "liars[][]": "numbers of a custodian set and a custodian",
    "pairs[][]": "numbers of a custodian set and two custodians",
}

ACCESS: Mapping[str, Mapping[str, str]] = {
    "access key": {"folder": "the folder the caller named", "public_key": "of the card just made, for its owner"},
    "access begin": {"made": "in the folder the caller named"},
    "access slip": {"made": "the file the caller named; sealed to whoever showed the card"},
    "access ask": {
        "made": "in the folder the caller named",
        "columns": "a count",
        "words.*": "four words of a custodian set, public",
        "headquarters": "four words of headquarters' own key, public",
    },
    "access answer": {
        "made": "the file the caller named; sealed to whoever showed the card",
        "custodians": "a count",
        "short[]": "numbers of custodian sets",
    },
    "access check": {"made": "in the folder the caller named", **_CHECKED},
    "access fetch": {
        "made": "the file the caller named; ciphertext",
        "files": "a count",
        "missing": "a count",
    },
    "access open": {
        "files[]": "in the folder the caller named",
        "records.*": "counts of the caller's own records, by class",
        "said[]": "days and custodians, on the caller's own machine",
        **_CHECKED,
    },
}
