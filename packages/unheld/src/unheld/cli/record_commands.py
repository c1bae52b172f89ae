"""map, ingest, day, park, lapse, canary, run: records and days."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from unheld.assembly import Deployment
from unheld.cli import numbers
from unheld.cli.app import app, group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.progress import shown
from unheld.cli.store_commands import deployment
from unheld.workflows import running
from unheld_branch.records.identities import NumberRule
from unheld_branch.records.mapping import mapping_of
from unheld_branch.records.propose import propose
from unheld_branch.records.times import TimeRule
from unheld_branch.workflows import canary as canaries
from unheld_branch.workflows import day as days
from unheld_branch.workflows import lapse as lapses
from unheld_branch.workflows import park as parks
from unheld_branch.workflows.ingest import IngestReport, Options, Refusal
from unheld_branch.workflows.ingest import ingest as take_in
from unheld_verify import columns
from unheld_verify.errors import BadInputError, UsageError

day = group("day", "Open and close the branch's day.")
park = group("park", "Write without custodians; nobody here can read it.")
lapse = group("lapse", "Drop what is due by the calendar.")
canary = group("canary", "See your own test SIMs arrive.")

Sources = Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for standard input.")]
MappingFile = Annotated[Path, typer.Option("--mapping", help="Mapping file (unheld map FILE proposes one).")]
Owner = Annotated[bool, typer.Option("--owner", help="Ask whose records they are, where no column says it.")]


@command(app, "map", Surface.FIGURES)
def propose_mapping(
    file: Annotated[Path, typer.Argument(help="A file of the source.")],
    home: Annotated[str, typer.Option(help="Country of national numbers, e.g. MM.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of its times, e.g. Asia/Yangon.")] = "UTC",
    out: Annotated[Path | None, typer.Option(help="Write the mapping there instead of printing it.")] = None,
) -> Answer:
    """Propose a mapping for a file; a person corrects it. The sample it shows is masked."""
    NumberRule(home=home or None, bare="national" if home else "international")
    TimeRule(zone=zone)
    if out is not None and out.exists():
        raise UsageError(f"{out} is there already; name another file")
    if file.is_dir():
        raise UsageError(f"{file} is a folder; name one of its files")
    found = propose(file, home=home or None, zone=zone)
    if out is not None:
        out.write_text(found.text, "utf-8")
    said = ["first rows, masked:", *("  " + " | ".join(row) for row in found.sample), ""]
    said += [f"would not be stored (no class): {name}" for name in found.not_stored]
    said += (
        found.text.splitlines() if out is None else [f"written to {out}; correct it, then ingest with --mapping {out}"]
    )
    sample = [list(row) for row in found.sample]
    return Answer(said, {"mapping": found.text, "sample": sample, "not_stored": list(found.not_stored)})


@command(app, "ingest", Surface.FIGURES)
def ingest_files(
    sources: Sources,
    mapping: MappingFile,
    owner: Owner = False,
    replaces: Annotated[str, typer.Option(help="A batch of the open day that this corrects.")] = "",
) -> Answer:
    """Seal files into the open day. A refused file leaves the store as it was; exit 3 if only some were taken."""
    rules, where = mapping_of(mapping), deployment()
    whose = _whose(where, owner)
    with shown("ingest") as progress, where.opened(write=True) as store:
        report = take_in(store, sources, rules, Options(whose, replaces, progress=progress))
    return _told(report)


def _whose(where: Deployment, ask: bool) -> str | None:
    """Whose records they are, asked before anything is locked or shown."""
    home = where.policy().home
    return numbers.ask_one(home) if ask else None


def _told(report: IngestReport) -> Answer:
    said = [
        f"batch {item.batch}: {counted(item.records, 'record')} of {counted(len(item.files), 'file')} sealed"
        + (f", {counted(item.quarantined, 'row')} in quarantine" if item.quarantined else "")
        for item in report.deliveries
    ]
    counts: dict[str, int] = {}
    for item in report.deliveries:
        for reason, count in item.counts.items():
            counts[reason] = counts.get(reason, 0) + count
    said += [f"  {count:,} {reason}" for reason, count in counts.items()]
    said += [f"  {counted(count, 'row')}: {reason}" for reason, count in report.reasons.items()]
    said += [f"  not stored: column {name}, {size:,} bytes" for name, size in report.unstored.items()]
    said += [f"known already, not taken in again: {name}" for name in report.known]
    document: dict[str, Any] = {
        "records": report.records,
        "deliveries": [asdict(item) for item in report.deliveries],
        "refused": [asdict(item) for item in report.refused],
        "known": report.known,
        "unstored_bytes": dict(report.unstored),
        "bad_rows": dict(report.reasons),
    }
    code = _code(bool(report.refused), bool(report.deliveries or report.known))
    return Answer(said, document, code, _refusals(report.refused))


def _refusals(refused: list[Refusal]) -> list[str]:
    return [f"refused: {item.reason}" for item in refused]


def _code(refused: bool, taken: bool) -> int:
    return (3 if taken else 1) if refused else 0


@command(day, "open", Surface.FIGURES)
def open_day() -> Answer:
    """Ask the custodians for today's column keys."""
    where = deployment()
    with where.opened(write=True) as store:
        opened = days.open_day(store, where.open_custodians())
    again = " again" if opened.again else ""
    text = columns.day_text(opened.day)
    parts = f"{counted(opened.custodians, 'custodian')}, {counted(opened.columns, 'column')}"
    said = [f"{text} is open{again}: {parts}", *days.doubts(opened)]
    return Answer(said, asdict(opened) | {"day": text})


@command(day, "close", Surface.FIGURES)
def close_day() -> Answer:
    """Merge today's batches, drop its keys here, publish the log."""
    where = deployment()
    with where.opened(write=True) as store:
        closed = days.close_day(store, where.open_custodians())
        published = running.publish(where, store)
    text = columns.day_text(closed.day)
    said = [
        (
            f"{text} is closed: {counted(closed.records, 'record')} of {counted(closed.batches, 'batch', 'batches')} "
            f"in {counted(closed.files, 'column file')}, {closed.size:,} bytes"
        ),
        "keys overwritten at the branch; nothing of that day can be read here any more",
        f"{counted(published, 'log entry', 'log entries')} published, dummies included",
    ]
    return Answer(said, asdict(closed) | {"day": text, "published": published})


@command(park, "add", Surface.FIGURES)
def park_files(sources: Sources, mapping: MappingFile, owner: Owner = False) -> Answer:
    """Park files without custodians: sealed to their weekly keys, unreadable here."""
    rules, where = mapping_of(mapping), deployment()
    whose = _whose(where, owner)
    with shown("park") as progress, where.opened(write=True) as store:
        report = parks.park(store, sources, rules, Options(whose, progress=progress))
    said = [f"parked batch {batch}" for batch in report.batches]
    said += [f"known already: {name}" for name in report.known]
    said.append(f"{counted(report.records, 'record')} parked; nobody here can read them")
    code = _code(bool(report.refused), bool(report.batches or report.known))
    return Answer(said, asdict(report), code, _refusals(report.refused))


@command(park, "open", Surface.FIGURES)
def open_parked(batch: Annotated[str, typer.Argument(help="The parked batch.")]) -> Answer:
    """Seal a parked batch into the open day, with its custodians' shares."""
    where = deployment()
    with where.opened(write=True) as store:
        delivery = parks.unpark(store, where.open_custodians(), batch)
    return Answer([f"batch {delivery.batch}: {counted(delivery.records, 'record')} sealed"], asdict(delivery))


@command(park, "list", Surface.FIGURES)
def list_parked() -> Answer:
    """Parked batches that wait."""
    with deployment().opened() as store:
        waiting = store.catalog.waiting()
        late = store.policy.late_days
    rows: list[dict[str, Any]] = [
        {
            "batch": item.batch.hex(),
            "reason": item.reason,
            "records": item.records,
            "lapses": columns.day_text(columns.park_due(item.reason, item.period, late)),
        }
        for item in waiting
    ]
    said = [
        f"{row['batch']}: {counted(row['records'], 'row')} ({row['reason']}), lapses {row['lapses']}" for row in rows
    ]
    return Answer(said or ["nothing is parked"], {"parked": rows})


@command(lapse, "run", Surface.FIGURES)
def run_lapse() -> Answer:
    """Drop the keys of what is due."""
    where = deployment()
    with where.opened(write=True) as store:
        found = lapses.lapse(store, where.open_custodians())
    return Answer(_lapsed(found, "key overwritten"), _lapse_document(found))


@command(lapse, "show", Surface.FIGURES)
def show_lapse() -> Answer:
    """What would lapse now."""
    with deployment().opened() as store:
        found = lapses.due(store)
    return Answer(_lapsed(found, "would lapse"), _lapse_document(found))


def _lapsed(found: lapses.Lapsed, word: str) -> list[str]:
    said = [f"{word}: {cls} of {columns.day_text(event_day)}" for cls, event_day in found.columns]
    said += [f"{word}: other parties met in {number // 100}-{number % 100:02d}" for number in found.trees]
    said += [f"{word}: parked batch {batch.hex()}" for batch in found.parked]
    if found.tenures:
        said.append(f"{word}: {counted(found.tenures, 'holder')} whose time ended a lifetime ago")
    return said or ["nothing is due"]


def _lapse_document(found: lapses.Lapsed) -> dict[str, Any]:
    return {
        "columns": [[cls, columns.day_text(event_day)] for cls, event_day in found.columns],
        "months": list(found.trees),
        "parked": [batch.hex() for batch in found.parked],
        "tenures": found.tenures,
    }


@command(canary, "check", Surface.ONE_PARTY)
def check_canary(
    number: Annotated[int, typer.Option(min=1, help="Which canary of genesis, counted from 1.")] = 1,
) -> Answer:
    """What today's batches hold of one canary, the operator's own test SIM. Nobody else opens here."""
    with deployment().opened() as store:
        named = store.policy.canaries
        if number > len(named):
            raise UsageError(f"genesis names {len(named)} canaries; there is no canary {number}")
        seen = canaries.look(store, named[number - 1])
    rows = [
        {"class": item.cls, "event_day": item.event_day, "times": [_clock(second) for second in item.times]}
        for item in seen
    ]
    said = [
        f"canary {number}: {row['class']} of {row['event_day']}: {', '.join(row['times']) or 'facts'}" for row in rows
    ]
    return Answer(said or [f"canary {number}: nothing today"], {"canary": number, "seen": rows})


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


@command(app, "run", Surface.FIGURES)
def run(
    once: Annotated[bool, typer.Option(help="Do what is due now, then end: for cron.")] = False,
    every: Annotated[int, typer.Option(min=1, help="Seconds between looks at the clock.")] = 60,
    inbox: Annotated[Path | None, typer.Option(help="Folder whose files are taken in as they come.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="Mapping of the inbox's files.")] = None,
) -> Answer:
    """Keep the days by the clock: close, lapse, open, take in. Each step is a process of its own.

    Once a day custodians elsewhere hear headquarters, where its key is here.
    """
    if (inbox is None) != (mapping is None):
        raise UsageError("--inbox and --mapping belong together")
    if inbox is not None and not inbox.is_dir():
        raise BadInputError(f"{inbox}: there is no such folder; the inbox is where files are put to be taken in")
    if mapping is not None:
        mapping_of(mapping)
    where = deployment()
    where.policy()
    how = running.How(settings.as_json, settings.log_json, settings.quiet)
    done = running.run(where.root, once=once, every=every, inbox=inbox, mapping=mapping, how=how)
    failed = [f"{step.words}: exit {step.exit_code}" for step in done if step.exit_code]
    code = 0 if not failed else 3 if len(failed) < len(done) else 1
    said = [f"{step.words}: exit {step.exit_code}" for step in done]
    return Answer(said, {"steps": [asdict(step) for step in done]}, code, failed)
