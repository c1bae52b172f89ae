"""Status: what a store holds and who could open it, in figures of the whole."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from typing import Any

from unheld import assembly
from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.custody.local import WORDS
from unheld.inventory import Inventory
from unheld.workflows import centres, custody
from unheld.workflows.custody import Answer, Term
from unheld_branch.custody.attested import Attested
from unheld_branch.store import refusals
from unheld_branch.store.following import Listed, moment
from unheld_branch.store.store import Store
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_branch.workflows import lapse, sinks
from unheld_verify import columns
from unheld_verify.errors import SealedError, UnheldError


def status(deployment: Deployment) -> dict[str, Any]:
    """The figures of a store. Every class of slot is named in plain words."""
    with deployment.opened() as store:
        figures, custodians = _store(store), _custodians(deployment)
    inventory = Inventory(deployment.root)
    return {
        "store": str(deployment.root),
        **figures,
        "custodians": custodians,
        "inventory": {**inventory.figures(), "words": inventory.words()},
        "simulated_clock": CLOCK_VARIABLE in os.environ,
    }


def _store(store: Store) -> dict[str, Any]:
    catalog, trees = store.catalog, store.root.trees
    due = lapse.due(store)
    named, refused = sinks.read(store.folder), refusals.listed(store.folder, store.today())
    return {
        "today": columns.day_text(store.today()),
        "generation": store.root.generation,
        "format": catalog.format,
        "erasable_slot": store.slot_words(),
        "database": store.database_words(),
        "recoverable_copies": 1 + store.copies.recoverable(store.root.generation),
        "copies": [_copy(store, one) for one in store.copies],
        "is_copy": store.following,
        "centre": centres.words(store.policy),
        "open_day": columns.day_text(catalog.open_day.number) if catalog.open_day else "",
        "days_closed": sum(day.state == "closed" for day in catalog.days.values()),
        "days_uncorroborated": sum(not day.corroborated for day in catalog.days.values()),
        "subscriber_rows_at_most": _at_most(trees[SUBSCRIBERS].rows),
        "other_rows_at_most": _at_most(sum(tree.rows for number, tree in trees.items() if number != SUBSCRIBERS)),
        "months_of_other_parties": len(trees) - 1,
        "columns": _columns(store),
        "due_to_lapse": len(due.columns) + len(due.parked) + len(due.trees),
        "parked": dict(Counter(batch.reason for batch in catalog.waiting())),
        "erasures": catalog.erasures,
        "plans_refused": len(refused),
        "plans_refused_why": next((f"on {one.day}: {one.why}" for one in refused), ""),
        "statements_waiting": sum(item.index is None for item in store.vault.database.outbox()),
        "sinks": {"totals": str(named.totals or "off"), "charge_lines": str(named.charge or "off")},
    }


def _copy(store: Store, one: Listed) -> dict[str, Any]:
    """How a copy stands: how many generations it lacks, since when, and whether it is waited for."""
    has = one.standing.generation if one.standing else one.generation
    return {
        "name": one.name,
        "behind": store.root.generation - has,
        "away_since": moment(one.since) if one.standing is None else "",
        "released": one.number in store.catalog.released,
    }


def _copy_lines(figures: dict[str, Any]) -> list[str]:
    said = [f"  recoverable copies: {figures['recoverable_copies']}"]
    for one in figures["copies"]:
        if one["away_since"] or one["released"]:
            away = f"away since {one['away_since']}, {one['behind']} generations behind"
            said.append(f"    {one['name']}: {away}{', released' if one['released'] else ''}")
    if figures["is_copy"]:
        said.append("  THIS IS A COPY: only its store writes to it")
    return [*said, f"  {figures['centre']}"] if figures["centre"] else said


def _at_most(rows: int) -> int:
    """Up to the next hundred: an exact count, read before and after one crafted record, would tell who is known."""
    return -(-rows // 100) * 100


def _columns(store: Store) -> dict[str, dict[str, Any]]:
    """By class: event days held, blocks they show, bytes, when the oldest lapses; what is open, what attested gone."""
    held: dict[str, dict[str, Any]] = {}
    kept, opened = Attested(store.folder, store.sets()), None
    with suppress(SealedError):  # the doctor says what is wrong with its keys
        opened = store.open_day()
    for cls in columns.CLASSES:
        files = [file for file in store.catalog.live_files() if file.column.cls == cls]
        days = sorted({file.column.event_day for file in files})
        held[cls] = {
            "lifetime_days": store.policy.lifetimes[cls],
            "event_days": len(days),
            "open": sum(name == cls for name, _ in opened.keys.keys) if opened else 0,
            **_gone(store, kept, cls),
            "blocks_at_most": sum(file.blocks for file in files),
            "bytes": sum(file.size for file in files),
            "oldest_lapses": columns.day_text(columns.due(cls, days[0], store.policy.lifetimes)) if days else "",
        }
    return held


def _custodians(deployment: Deployment) -> dict[str, Any]:
    policy = deployment.policy()
    try:
        answers, terms = custody.asked(deployment, "status"), custody.terms(deployment)
    except UnheldError as error:
        return {
            "n": policy.n, "t": policy.t, "reached": 0, "columns_held": 0, "words": str(error), "sets": [], "names": [],
        }  # fmt: skip
    today = assembly.clock().now() // 86_400
    now = [one.draft for one in terms if one.draft.begins <= today][-1:] or [terms[0].draft]
    answered = [one for one in answers if not one.away]
    return {
        "n": now[0].n,
        "t": now[0].t,
        "reached": sum(one.set == now[0].set for one in answered),
        "columns_held": max((one.said["columns"] for one in answered), default=0),
        "words": WORDS if any(one.local for one in answers) else "",
        "sets": [_term(one) for one in terms],
        "names": [_named(one) for one in answers],
    }


def _term(one: Term) -> dict[str, Any]:
    begins, ends = columns.day_text(one.draft.begins), columns.day_text(one.ends) if one.ends else ""
    return {"set": one.draft.set, "n": one.draft.n, "t": one.draft.t, "begins": begins, "ends": ends}


def _named(one: Answer) -> dict[str, Any]:
    frozen = {name: str(one.said.get(name, "")) for name in ("frozen", "frozen_since")}
    return {"name": one.name, "set": one.set, "away": one.away, **frozen, "standing": one.standing}


def _custodian_lines(figures: dict[str, Any]) -> list[str]:
    """A line a set, with the days that it is for, and how each of its custodians stands."""
    said = [f"  custodians: {figures['t']} of {figures['n']} open a closed day, {figures['reached']} reached"]
    said += [f"    {figures['words']}"] if figures["words"] else []
    for term in figures["sets"]:
        days = f"{term['begins']} to {term['ends']}" if term["ends"] else f"from {term['begins']} on"
        named = "; ".join(f"{one['name']}: {one['standing']}" for one in figures["names"] if one["set"] == term["set"])
        said.append(f"    set {term['set']} ({term['t']} of {term['n']}), for days {days}: {named}")
    return said


def _gone(store: Store, kept: Attested, cls: str) -> dict[str, str]:
    """The newest event day of a class whose keys are gone here, and how many custodians attest it."""
    days = [day for name, day in store.catalog.lapsed | store.catalog.erased if name == cls]
    if not days:
        return {"gone": "", "attested": ""}
    words = kept.standing((cls, max(days)), is_open=False).words(store.sets())
    return {"gone": columns.day_text(max(days)), "attested": words}


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures as a person reads them."""
    open_day = figures["open_day"]
    said = [
        f"store {figures['store']}, generation {figures['generation']}, {figures['today']}, format {figures['format']}",
        f"  open day: {open_day or 'none; nothing of any day can be read here'}",
        f"  days closed: {figures['days_closed']}{_doubt(figures['days_uncorroborated'])}",
        (
            f"  rows, at most: {figures['subscriber_rows_at_most']:,} of subscribers' numbers and SIMs, "
            f"{figures['other_rows_at_most']:,} of others (months: {figures['months_of_other_parties']})"
        ),
    ]
    said.append("  class      lifetime  event days              bytes  oldest lapses")
    said += [
        f"  {cls:<9}{held['lifetime_days']:>5} days {held['event_days']:>11} {held['bytes']:>18,}  "
        f"{held['oldest_lapses'] or '-'}"
        for cls, held in figures["columns"].items()
    ]
    said += [
        f"  {cls} up to {held['gone']}: {held['attested']}" for cls, held in figures["columns"].items() if held["gone"]
    ]
    parked = ", ".join(f"{count} {reason}" for reason, count in figures["parked"].items())
    said += [
        f"  parked: {parked or 'nothing'}",
        *_refused(figures["plans_refused"], figures["plans_refused_why"]),
        f"  due to lapse: {figures['due_to_lapse']}",
        f"  erasable slot: {figures['erasable_slot']}",
        f"  database: {figures['database']}",
        *_copy_lines(figures),
        *_custodian_lines(figures["custodians"]),
        f"  statements waiting for the log: {figures['statements_waiting']}",
        f"  sinks: totals {figures['sinks']['totals']}, charge lines {figures['sinks']['charge_lines']}",
        f"  {figures['inventory']['words']}",
    ]
    return said + (["  THE CLOCK IS SIMULATED (UNHELD_CLOCK)"] if figures["simulated_clock"] else [])


def _refused(count: int, newest: str) -> list[str]:
    return [f"  ERASURE PLANS REFUSED: {count}, the newest {newest}"] if count else []


def _doubt(count: int) -> str:
    return f", {count} of them uncorroborated: parts of their keys came from one custodian alone" if count else ""
