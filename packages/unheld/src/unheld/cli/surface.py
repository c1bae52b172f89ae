"""The public surface: every key that a command may answer with, and every word it may be given. Closed lists.

There are two kinds of output (`output.Surface`) and no third. A key or a parameter that is not here fails the tests
until it is added with a word why it shows nobody. `[]` stands for an item of a list, `*` for a name from the closed
list that the words say.
"""

from __future__ import annotations

from collections.abc import Mapping

ENVELOPE: Mapping[str, str] = {
    "schema_version": "version of the documents; keys stay, new ones may come",
    "command": "the command's own words",
    "exit_code": "how it ended",
}

_INVENTORY = {
    "known_places": "systems a person listed, and this one",
    "not_covered": "those that nothing proves to be emptied",
    "words": "the same in a sentence",
}
_LAPSED = {
    "columns[][]": "class and event day, whole columns",
    "months[]": "whole trees of other parties, yyyymm",
    "parked[]": "random ids of parked batches",
    "tenures": "a count over all parties",
}
_STEPS = {
    "steps[].number": "place in the order of checks",
    "steps[].name": "fixed word of a check",
    "steps[].words": "what was compared: digests, sizes, the log's name",
    "not_proven[]": "fixed sentences",
}
_DELIVERY = {
    "batch": "random id",
    "files[]": "what the caller named",
    "records": "a count",
    "quarantined": "a count",
    "counts.*": "counts by a fixed reason",
}
_STATEMENT = {"statement.*": "a statement of the public log, by its closed schema (docs/spec/statement.md)"}

DOCUMENTS: Mapping[str, Mapping[str, str]] = {
    "init": {
        "digest": "SHA-256 of genesis",
        "erasable_slot": "class of the slot",
        "policy.v": "version",
        "policy.store": "random id",
        "policy.origin": "the log's public name",
        "policy.created": "when the store began",
        "policy.custodians.set": "number of the set",
        "policy.custodians.n": "how many",
        "policy.custodians.t": "how many open a closed day",
        "policy.lifetimes.*": "days, by class",
        "policy.late_days": "days",
        "policy.coarsen": "rule for places",
        "policy.home": "a country",
        "policy.copies[]": "folders the caller named",
        "policy.canaries": "how many test SIMs; whose they are stays in genesis",
        "policy.log_key": "a public key",
        "policy.plan_key": "a public key",
        "policy.standstill_days": "days",
        "policy.release": "never",
    },
    "status": {
        "store": "the folder the caller named",
        "today": "a date",
        "generation": "commits so far",
        "erasable_slot": "class of the slot",
        "recoverable_copies": "copies of the tree",
        "open_day": "a date",
        "days_closed": "a count",
        "subscriber_rows_at_most": "the whole tree, up to the next hundred; a SIM has a row of its own",
        "other_rows_at_most": "the whole trees, up to the next hundred",
        "months_of_other_parties": "a count of trees",
        "columns.*.lifetime_days": "policy, by class",
        "columns.*.event_days": "a count, by class",
        "columns.*.blocks_at_most": "a padded count, by class",
        "columns.*.bytes": "size of sealed files, by class",
        "columns.*.oldest_lapses": "a date, by class",
        "due_to_lapse": "a count of columns, trees and batches",
        "parked.*": "batches by reason: outage or quarantine",
        "erasures": "plans applied so far",
        "statements_waiting": "a count",
        "sinks.totals": "a folder",
        "sinks.charge_lines": "a folder",
        "custodians.n": "how many",
        "custodians.t": "how many open a closed day",
        "custodians.here": "how many are on this machine",
        "custodians.columns_held": "a count",
        "custodians.words": "a fixed sentence, or which of them is away",
        "inventory.known_places": "systems a person listed, and this one",
        "inventory.not_covered": "those that nothing proves to be emptied",
        "inventory.words": "the same in a sentence",
        "simulated_clock": "whether the clock is a test's",
    },
    "check": {
        "entries": "commits",
        "nodes": "nodes of all trees",
        "files": "column files",
        "bytes_read": "a size",
        "copies": "copies of the tree",
        "findings[].kind": "missing, extra, altered or rolled back",
        "findings[].place": "a file of the store",
        "findings[].words": "how it differs from the journal",
    },
    "doctor": {
        "findings[].name": "fixed word of an examination",
        "findings[].level": "ok, warning or failure",
        "findings[].words": "folders, devices, counts of this machine",
        "findings[].advice": "fixed sentence",
    },
    "inventory add": _INVENTORY,
    "inventory list": {
        **_INVENTORY,
        "places[].name": "a system",
        "places[].owner": "who answers for that system, as typed",
        "places[].holds": "as typed",
        "places[].retention": "as typed",
        "places[].covered": "as typed",
        "places[].checked": "a date",
    },
    "map": {
        "mapping": "TOML: names of the file's columns and what they mean",
        "sample[][]": "names of columns, then masked shapes",
        "not_stored[]": "names of columns",
    },
    "ingest": {
        "records": "a count",
        "deliveries[].batch": "random id",
        "deliveries[].files[]": "what the caller named",
        "deliveries[].records": "a count",
        "deliveries[].quarantined": "a count",
        "deliveries[].counts.*": "counts by a fixed reason",
        "refused[].file": "what the caller named",
        "refused[].reason": "line numbers and fixed reasons, no value",
        "known[]": "what the caller named",
        "unstored_bytes.*": "sizes by a column that the mapping names",
        "bad_rows.*": "counts by a fixed reason",
    },
    "day open": {
        "day": "a date",
        "again": "whether it was open",
        "custodians": "how many answered",
        "columns": "how many keys they gave",
    },
    "day close": {
        "day": "a date",
        "batches": "a count",
        "records": "a count",
        "files": "a count",
        "size": "bytes",
        "published": "entries of the log, dummies included",
    },
    "park add": {
        "batches[]": "random ids",
        "records": "a count",
        "quarantined": "a count",
        "known[]": "what the caller named",
        "refused[].file": "what the caller named",
        "refused[].reason": "line numbers and fixed reasons, no value",
    },
    "park open": _DELIVERY,
    "park list": {
        "parked[].batch": "random id",
        "parked[].reason": "outage or quarantine",
        "parked[].records": "a count",
        "parked[].lapses": "a date",
    },
    "lapse show": _LAPSED,
    "lapse run": _LAPSED,
    "canary check": {
        "canary": "place in genesis's list",
        "seen[].class": "a class",
        "seen[].event_day": "a date",
        "seen[].times[]": "the canary's own events today: one party, the operator's test SIM",
    },
    "run": {"steps[].words": "a command's words", "steps[].exit_code": "how it ended"},
    "erase plan": {
        "digest": "SHA-256 of the plan",
        "act": "party, parties, day, class or everything",
        "counts.*": "parties named, whether known or not; columns, blocks_at_most; rows of all parties",
        "plan": "the file the caller named",
        "box": "the file beside it: one party's, for that party",
        "claim_code": "random, to be handed to that party",
    },
    "erase apply": {
        "act": "party, parties, day, class or everything",
        "rows": "a count",
        "columns": "a count",
        "custodians": "how many attested",
        "milliseconds": "how long it took",
        "erasable_slot": "class of the slot",
        "copies": "copies of the tree",
        "inventory": "the inventory in a sentence",
    },
    "log head": {"origin": "the log's public name", "size": "entries", "root": "a digest"},
    "log publish": {"published": "entries, dummies included"},
    "log verify": {"size": "entries", "root": "a digest", **_STEPS},
    "log prove": {"receipt": "the file the caller named", "index": "place in the public log", **_STATEMENT},
    "receipt check": {"says": "the statement in a sentence", **_STATEMENT, **_STEPS},
    "receipt open": {"receipt": "the file the caller named"},
}

_FILE, _RULE, _COUNT, _DATE, _NAME = "a file or folder", "a rule of the policy", "a count", "a date", "a random id"

PARAMETERS: Mapping[str, str] = {
    "as_json": "a switch",
    "batch": _NAME,
    "box": _FILE,
    "canaries": _FILE,
    "charge": _FILE,
    "checked": _DATE,
    "cls": "a class of facts",
    "coarsen": _RULE,
    "code": "@FILE; the code itself is refused",
    "confirm": "digits of a plan's digest, which the plan shows",
    "copy": _FILE,
    "covered": "a switch",
    "custodians": _COUNT,
    "day": _DATE,
    "every": _COUNT,
    "everything": "a switch",
    "file": _FILE,
    "held": _DATE,
    "holds": "what a system holds",
    "home": "a country",
    "inbox": _FILE,
    "index": "place in the public log",
    "kind": "a kind of public statement",
    "late_days": _RULE,
    "lifetime": _RULE,
    "log_key": "a public key",
    "mapping": _FILE,
    "name": "a system's name in the inventory",
    "number": "place in genesis's list of canaries",
    "once": "a switch",
    "origin": "the public log's name",
    "out": _FILE,
    "owner": "a switch that asks; in the inventory: who answers for a system",
    "party": "a switch that asks",
    "place": "folder or address of a log",
    "plan_file": _FILE,
    "read_data": "a percentage",
    "replaces": _NAME,
    "retention": "how long a system keeps",
    "sources": _FILE,
    "standstill": _RULE,
    "threshold": _COUNT,
    "totals": _FILE,
    "zone": "a time zone",
}


def paths(document: object, place: str = "") -> set[str]:
    """The keys of a document as they are written here: `a.b`, `a[]` for what a list holds."""
    if isinstance(document, Mapping):
        return {path for name, value in document.items() for path in paths(value, f"{place}.{name}" if place else name)}
    if isinstance(document, list | tuple):
        return {path for value in document for path in paths(value, f"{place}[]")}
    return {place}
