"""The public surface of `custody`, and what `status` says of custodians: parts of `surface.DOCUMENTS`."""

from __future__ import annotations

from collections.abc import Mapping

from unheld.cli.surface_upgrade import UPGRADE

STATUS = {
    "format": "the store's version as a whole",
    "copies[].name": "a folder or address that the caller named at genesis",
    "copies[].behind": "a count of generations",
    "copies[].away_since": "when it was first found away",
    "copies[].released": "whether forgettings go on without it",
    "is_copy": "whether this folder is a copy",
    "centre": "which data centre of how many, in a fixed sentence",
    "centres[].number": "number of a data centre",
    "centres[].store": "a folder the caller named",
    "centres[].generation": "commits so far",
    "centres[].closed": "a count of days",
    "centres[].newest": "a date",
    "centres[].erasures": "plans applied so far",
    "columns.*.open": "a count of columns that can be sealed into now",
    "columns.*.gone": "a date, by class",
    "columns.*.attested": "how many custodians attest that the keys are gone",
    "days_uncorroborated": "a count",
    "plans_refused": "erasure plans that the branch refused in the last month",
    "plans_refused_why": "the day and the reason of the newest",
    "custodians.n": "how many",
    "custodians.t": "how many open a closed day",
    "custodians.reached": "how many answered",
    "custodians.columns_held": "a count",
    "custodians.words": "a fixed sentence, or why nobody can be asked",
    "custodians.sets[].set": "number of the set",
    "custodians.sets[].n": "how many",
    "custodians.sets[].t": "how many open a closed day",
    "custodians.sets[].begins": "a date",
    "custodians.sets[].ends": "a date",
    "custodians.names[].name": "as headquarters gave it",
    "custodians.names[].set": "number of the set",
    "custodians.names[].away": "what cut the line, or why it refused",
    "custodians.names[].frozen": "fixed word",
    "custodians.names[].frozen_since": "a date",
    "custodians.names[].standing": "a fixed sentence with a date, or what cut the line",
}
_SET = {
    "set": "number of the set",
    "n": "how many",
    "t": "how many open a closed day",
    "begins": "a date",
    "stage": "fixed word",
    "words[]": "four words of the ceremony's transcript, for all to hear",
    "answered[]": "names of custodians, as headquarters gave them",
    "waits[].name": "a custodian",
    "waits[].why": "a fixed sentence, or what cut the line to a custodian",
    "taken_over": "whether the branch seals under it",
    "here": "whether it is on this machine",
    "headquarters": "four words of headquarters' own key, public",
}
_WHO = {
    "custodians[].set": "number of the set",
    "custodians[].index": "place in the set",
    "custodians[].name": "as headquarters gave it",
    "custodians[].away": "what cut the line, or why it refused",
}
_FIGURES = {
    **_WHO,
    "custodians[].open[].day": "a date",
    "custodians[].open[].issues": "how often that day's keys were handed out",
    "custodians[].day": "a date",
    "custodians[].keys": "a count over all parties",
    "custodians[].columns": "a count",
    "custodians[].generation": "commits so far",
    "custodians[].slot": "class of the slot",
    "custodians[].lapses": "a date",
    "custodians[].beat": "a date",
    "custodians[].retired": "a date",
    "custodians[].frozen": "fixed word",
    "custodians[].frozen_since": "a date",
    "custodians[].rolled_back": "whether it was put back from a backup",
}

CUSTODY: Mapping[str, Mapping[str, str]] = {
    **UPGRADE,
    "copy release": {"digest": "SHA-256 of headquarters' decision"},
    "custody init": {**_SET, "retired[]": "nothing yet"},
    "custody rotate": {**_SET, "retired[]": "nothing yet"},
    "custody go": {
        **_SET,
        "retired[].name": "a custodian and its set",
        "retired[].decision": "fixed word, or what cut the line",
    },
    "custody status": {**_FIGURES, "headquarters": "four words of headquarters' own key, public"},
    "custody beat": _FIGURES,
    "custody freeze": _FIGURES,
    "custody thaw": _FIGURES,
    "custody drill": {
        **_WHO,
        "custodians[].generation": "commits so far",
        "custodians[].decision": "fixed word",
        "words[]": "four words of a random number, for all to hear",
    },
}
