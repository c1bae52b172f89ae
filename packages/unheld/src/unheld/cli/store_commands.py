"""init, status, check, doctor, inventory: a store as a whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unheld.assembly import ESCROW_PRIVATE, Database, Deployment, clock
from unheld.cli import numbers
from unheld.cli.app import app, group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.custody.local import WORDS
from unheld.inventory import Inventory
from unheld.workflows import centres
from unheld_branch.store import postgresql
from unheld_branch.store.policy import STANDSTILL_DEFAULT, Policy
from unheld_verify import columns
from unheld_verify.errors import BadInputError, NoStoreError, UsageError

inventory = group("inventory", "Every system known to hold copies of these records.")
_GRAVITY = {"missing": 20, "altered": 20, "rolled back": 20, "extra": 3}


def deployment() -> Deployment:
    """The deployment named by --store."""
    root = settings.store_path().absolute()
    if not root.name:
        raise NoStoreError(f"{root}: no store there; a store lies in a folder of its own")
    return Deployment(root)


@command(app, "init", Surface.FIGURES)
def init(  # noqa: PLR0913, PLR0917 - what genesis pins
    custodians: Annotated[int, typer.Option(min=1, max=9, help="How many custodians (n).")] = 1,
    threshold: Annotated[int, typer.Option(min=1, max=9, help="How many of them open a closed day (t).")] = 1,
    lifetime: Annotated[list[str] | None, typer.Option(help="CLASS=DAYS, within the hard bounds; repeat it.")] = None,
    late_days: Annotated[int, typer.Option(help="How many days late a record may be sealed.")] = 45,
    coarsen: Annotated[str, typer.Option(help="Places: none, prefix:N, grid:DEGREES or lookup:TABLE.")] = "none",
    home: Annotated[str, typer.Option(help="Country of national numbers, e.g. MM.")] = "",
    origin: Annotated[str, typer.Option(help="Name of the public log, e.g. log.example.org/branch.")] = "",
    copy: Annotated[
        list[str] | None,
        typer.Option(help="A copy: a folder, or http://HOST:PORT#KEY of `unheld-branch copy serve`; repeat it."),
    ] = None,
    canaries: Annotated[str, typer.Option(help="File with the operator's own test SIMs, one a line.")] = "",
    totals: Annotated[Path | None, typer.Option(help="Folder for totals (default: STORE/totals).")] = None,
    charge: Annotated[
        Path | None, typer.Option(help="Folder for charge lines for the rating system (default: off).")
    ] = None,
    standstill: Annotated[int, typer.Option(help="Days a handover waits after an objection.")] = STANDSTILL_DEFAULT,
    slot: Annotated[
        list[str] | None, typer.Option(help="NAME=URI: put root, open, copy-1, custodian-0 elsewhere; repeat it.")
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="The custodians are elsewhere; unheld custody founds their set.")
    ] = False,
    database: Annotated[
        list[str] | None,
        typer.Option(help="URL of a PostgreSQL database, without a password; copy-1=URL for a copy's; repeat it."),
    ] = None,
    single_node: Annotated[
        bool,
        typer.Option("--single-node", help="The database has no standby: if its disk is lost, everybody is forgotten."),
    ] = False,
    centre: Annotated[str, typer.Option(help="NUMBER/OF, e.g. 1/2: one of the network's data centres.")] = "",
    beside: Annotated[Path | None, typer.Option(help="With --centre: genesis.json of data centre 1.")] = None,
) -> Answer:
    """Found a store: pin its policy for ever, say what its erasable slot can do, begin the inventory."""
    from unheld.workflows import founding  # noqa: PLC0415 - each act loads its own parts alone

    named = numbers.read_file(canaries, home) if canaries else []
    wishes = founding.Wishes(
        custodians,
        threshold,
        _lifetimes(lifetime or []),
        late_days,
        coarsen,
        home,
        origin,
        copy or [],
        named,
        totals,
        charge,
        standstill,
        _slots(slot or []),
        remote,
        _databases(database or [], single_node),
        centre,
        beside,
    )
    made = deployment()
    return _founded(made, founding.found(made, wishes), remote)


def _founded(made: Deployment, policy: Policy, remote: bool) -> Answer:
    """What genesis pinned, and what to keep where."""
    with made.opened() as store:
        words, databases = store.slot_words(), store.database_words()
    said = [
        f"store {policy.store_id.hex()} founded in {made.root}",
        f"  policy pinned, SHA-256 {policy.digest.hex()}",
        "  lifetimes: " + ", ".join(f"{cls} {days} days" for cls, days in policy.lifetimes.items()),
        f"  late records: up to {policy.late_days} days; places: {_coarsened(policy.coarsen)}",
        f"  custodians: {policy.t} of {policy.n}, {_where(remote)}",
        f"  erasable slot: {words}",
        f"  database: {databases}",
        f"  keep {made.slots} {'' if remote else f'and {made.custodian_slots} '}out of every backup and snapshot",
        f"  keep {made.headquarters / ESCROW_PRIVATE} offline: it opens what demands name",
        f"  a handover waits {policy.standstill_days} days after an objection",
        f"  recoverable copies: {1 + len(policy.copies)}",
        f"  public log: {made.log}, key {policy.log_key}",
        f"  {Inventory(made.root).words()}",
        *_centre(policy),
    ]
    pinned = policy.document() | {"canaries": len(policy.canaries)}  # whose test SIMs they are stays in genesis
    return Answer(
        said, {"policy": pinned, "digest": policy.digest.hex(), "erasable_slot": words, "database": databases}
    )


def _centre(policy: Policy) -> list[str]:
    return [f"  {centres.words(policy)}"] if policy.centre else []


def _where(remote: bool) -> str:
    if remote:
        return "none yet: no day opens and nothing can be parked before unheld custody init and go founded a set"
    return WORDS


def _coarsened(rule: str) -> str:
    return "as they come" if rule == "none" else f"coarsened by {rule}"


def _slots(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in given:
        name, equals, uri = item.partition("=")
        if not equals or name in found:
            raise BadInputError(f"--slot {name}: write NAME=URI, each name once")
        found[name] = uri
    return found


def _databases(given: list[str], single: bool) -> dict[str, Database]:
    found: dict[str, Database] = {}
    for item in given:
        name, equals, url = ("store", "=", item) if item.startswith("postgres") else item.partition("=")
        if not equals or name in found:
            raise BadInputError("--database: write URL, or copy-1=URL, each place once")
        found[name] = Database(url, postgresql.SINGLE_NODE if single else postgresql.SYNCHRONOUS)
    if single and not found:
        raise UsageError("--single-node says something of --database URL, which is not there")
    return found


def _lifetimes(given: list[str]) -> dict[str, int]:
    found = {}
    for item in given:
        name, _, days = item.partition("=")
        if name not in columns.CLASSES or not days.isdecimal():
            raise BadInputError(f"--lifetime {item}: write CLASS=DAYS with a class of {', '.join(columns.CLASSES)}")
        found[name] = int(days)
    return found


@command(app, "status", Surface.FIGURES)
def status(
    other: Annotated[
        list[str] | None, typer.Option(help="The store of another data centre of the network: tell of both; repeat it.")
    ] = None,
) -> Answer:
    """What the store holds, who could open it, what is due; figures of the whole."""
    from unheld.workflows import status as statuses  # noqa: PLC0415 - each act loads its own parts alone

    where = deployment()
    beside = others(where, other or [])
    figures = statuses.status(where)
    standing = [centres.standing(one) for one in beside]
    figures["centres"] = [asdict(one) for one in standing]
    return Answer([*statuses.lines(figures), *centres.lines(standing)], figures)


def others(where: Deployment, named: list[str]) -> list[Deployment]:
    """Every data centre of the network by number, this one among them; none where no other is named."""
    return centres.together([where, *(Deployment(Path(one).absolute()) for one in named)]) if named else []


@command(app, "check", Surface.FIGURES)
def check(
    read_data: Annotated[int, typer.Option(min=0, max=100, help="Percent of the column files to read whole.")] = 100,
) -> Answer:
    """Compare all files with the journal and the journal with the log. Exit 20: something is false. Never repairs."""
    from unheld.workflows import checking  # noqa: PLC0415 - each act loads its own parts alone

    checked = checking.check_all(deployment(), read_data)
    code = max((_GRAVITY[finding.kind] for finding in checked.findings), default=0)
    said = [f"{finding.kind}: {finding.place}: {finding.words}" for finding in checked.findings]
    said.append(
        f"{counted(checked.entries, 'journal entry', 'journal entries')}, {counted(checked.nodes, 'node')}, "
        f"{counted(checked.files, 'column file')} ({checked.bytes_read:,} bytes read), "
        f"{counted(checked.copies, 'copy', 'copies')}: "
        + ("all as the journal says" if not checked.findings else "not all as the journal says")
    )
    problems = [counted(len(checked.findings), "finding")] if code else []
    return Answer(said, asdict(checked), code, problems)


@command(app, "doctor", Surface.FIGURES)
def run_doctor(
    mend_slots: Annotated[
        bool, typer.Option("--mend-slots", help="Make both sides of mirrored slots what the newer one is; look first.")
    ] = False,
) -> Answer:
    """What around the store could undo what it promises. Exit 1: a failure; 2: warnings only."""
    from unheld.workflows import doctor  # noqa: PLC0415 - each act loads its own parts alone

    mended = doctor.mend_slots(deployment()) if mend_slots else []
    found = [*mended, *doctor.examine(deployment())]
    levels = [finding.level for finding in found]
    code = 1 if "failure" in levels else 2 if "warning" in levels else 0
    problems = [counted(levels.count(level), level) for level in ("failure", "warning") if level in levels]
    said = []
    for finding in found:
        said.append(f"[{finding.level}] {finding.name}: {finding.words}")
        if finding.advice:
            said.append(f"    → {finding.advice}")
    return Answer(said, {"findings": [asdict(finding) for finding in found]}, code, problems)


@command(inventory, "add", Surface.FIGURES)
def add(
    name: Annotated[str, typer.Argument(help="The system, e.g. 'mediation'.")],
    owner: Annotated[str | None, typer.Option(help="Who answers for it.")] = None,
    holds: Annotated[str | None, typer.Option(help="What it holds.")] = None,
    retention: Annotated[str | None, typer.Option(help="How long it keeps it.")] = None,
    covered: Annotated[
        bool | None, typer.Option("--covered/--not-covered", help="Something proves that it is emptied too.")
    ] = None,
    checked: Annotated[str, typer.Option(help="When somebody last looked (default: today).")] = "",
) -> Answer:
    """Name a system that receives these records, or correct what is said of one."""
    from unheld.exit import issuing  # noqa: PLC0415

    day = columns.day_text(columns.day_number(checked) if checked else clock().now() // 86_400)
    said = {"owner": owner, "holds": holds, "retention": retention, "covered": covered}
    listed = issuing.note_place(deployment(), name, day, **said)
    return Answer([listed.words()], {**listed.figures(), "words": listed.words()})


@command(inventory, "list", Surface.FIGURES)
def list_places() -> Answer:
    """List them."""
    from unheld.exit import issuing  # noqa: PLC0415

    listed = issuing.known_inventory(deployment())
    said = [
        f"{place.name}: holds {place.holds}, kept {place.retention}, owner {place.owner}, "
        f"{'covered' if place.covered else 'NOT covered'}, checked {place.checked}"
        for place in listed.places
    ]
    document = {"places": [asdict(place) for place in listed.places], **listed.figures()}
    return Answer([*said, listed.words()], {**document, "words": listed.words()})
